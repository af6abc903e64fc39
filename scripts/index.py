"""Write docs/index.md: python scripts/index.py makes the table of every op with its formula, page, layer and cases.

Names, pages, layers and cases are found in the sources; only the formulas stand here. The page that READMEs show is
brought up to date, too. Tests compare both with the sources, and every public name with the table.
"""

import inspect
import re
from importlib import import_module
from pathlib import Path

import scratch.optim
from scratch import nn

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "index.md"
READMES = (ROOT / "README.md", ROOT / "README.zh.md")

SHARED = {  # files of scratch/ops that are no page: what several share, and fast forms in a file of their own
    "window": "convolutions and pooling", "irregular_windows": "adaptive and fractional pooling",
    "point_loss": "losses of two numbers", "reduction": "all losses", "sequence": "RNN, LSTM and GRU",
    "matmul": "attention and convolution", "attention_fast": "attention.py", "conv_fast": "conv.py",
    "gru_fast": "gru.py", "lstm_fast": "lstm.py", "pool_fast": "pool.py", "winograd": "conv.py",
}  # fmt: skip

WITHOUT_PAGE = {  # layers made of others: their file in scratch/nn and their cases share a stem
    "flatten": "views alone: autograd knows their gradient",
    "adaptive_softmax": "made of linear.py and softmax.py",
    "transformer": "made of multi_head_attention.py, linear.py, layer_norm.py and dropout.py",
    "lazy": "their namesakes, once the first input has told the sizes",
}

OPS: dict[str, dict[str, str]] = {  # page: names: formula
    "linear": {"Linear linear": "x Wᵀ + b", "Identity": "x"},
    "bilinear": {"Bilinear bilinear": "x₁ᵀ W x₂ + b"},
    "sigmoid": {
        "Sigmoid sigmoid": "1 / (1 + e⁻ˣ)",
        "LogSigmoid logsigmoid": "−log(1 + e⁻ˣ)",
        "Tanh tanh": "(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)",
        "Softplus softplus": "log(1 + e^(βx)) / β",
        "Softsign softsign": "x / (1 + |x|)",
        "Hardsigmoid hardsigmoid": "min(max(x / 6 + ½, 0), 1)",
        "Hardtanh hardtanh": "min(max(x, a), b)",
    },
    "rectifier": {
        "ReLU relu": "max(x, 0)",
        "ReLU6 relu6": "min(max(x, 0), 6)",
        "LeakyReLU leaky_relu": "x, or a x where x ≤ 0",
        "RReLU rrelu": "x, or a x where x ≤ 0, with a drawn anew",
        "ELU elu": "x, or α(eˣ − 1) where x ≤ 0",
        "CELU celu": "x, or α(e^(x/α) − 1) where x ≤ 0",
        "SELU selu": "λ times ELU, with fixed λ and α",
        "Threshold threshold": "x, or v where x ≤ θ",
    },
    "gated": {
        "GELU gelu": "x Φ(x)",
        "SiLU silu": "x σ(x)",
        "Mish mish": "x tanh(log(1 + eˣ))",
        "Hardswish hardswish": "x min(max(x + 3, 0), 6) / 6",
        "GLU glu": "a σ(b), the halves of x",
    },
    "shrinkage": {
        "Hardshrink hardshrink": "x, or 0 where |x| ≤ λ",
        "Softshrink softshrink": "sign(x) max(|x| − λ, 0)",
        "Tanhshrink tanhshrink": "x − tanh x",
    },
    "prelu": {"PReLU prelu": "x, or w x where x ≤ 0, with w learned"},
    "softmax": {
        "Softmax Softmax2d softmax": "eˣ / Σ eˣ",
        "LogSoftmax log_softmax": "x − log Σ eˣ",
        "Softmin softmin": "softmax(−x)",
        "gumbel_softmax": "softmax((x + g) / τ), g Gumbel's noise",
    },
    "attention": {
        "ScaledDotProductAttention scaled_dot_product_attention": "softmax(q kᵀ / √E + M) v",
    },
    "multi_head_attention": {
        "MultiheadAttention multi_head_attention_forward": "[o₁ … o_H] Wₒᵀ + bₒ, each oₕ an attention",
    },
    "alignment": {
        "AdditiveAttention additive_scores": "softmax(w · tanh(W q + U k)) v",
        "MultiplicativeAttention multiplicative_scores": "softmax((W q) · k) v",
        "aligned": "softmax(X) v, with −∞ where there is no word",
    },
    "positional": {
        "SinusoidalPositions LearnedPositions add_positions": "x + p[t], p sines and cosines, or learned",
    },
    "conv": {"Conv1d Conv2d Conv3d conv1d conv2d conv3d": "b + Σ W[k] x[s·l + d·k − p]"},
    "conv_transpose": {
        "ConvTranspose1d ConvTranspose2d ConvTranspose3d conv_transpose1d conv_transpose2d conv_transpose3d":
            "b + Σ W[k] x[l] over s·l + d·k − p = i",
    },
    "fold": {"Unfold unfold": "windows as columns (im2col)", "Fold fold": "columns added up to an image (col2im)"},
    "pad": {
        "ZeroPad1d ZeroPad2d ZeroPad3d ConstantPad1d ConstantPad2d ConstantPad3d": "a constant outside",
        "ReflectionPad1d ReflectionPad2d ReflectionPad3d": "x[|i|], a mirror at the border",
        "ReplicationPad1d ReplicationPad2d ReplicationPad3d": "x[the nearest]",
        "CircularPad1d CircularPad2d CircularPad3d": "x[i mod n]",
        "pad": "all four, by name",
    },
    "embedding": {"Embedding embedding": "W[i]"},
    "embedding_bag": {"EmbeddingBag embedding_bag": "Σ, mean or max of W[i] over a bag"},
    "one_hot": {"one_hot": "[c = i]"},
    "cross_entropy": {
        "CrossEntropyLoss cross_entropy": "log Σ eˣ − xₜ",
        "NLLLoss nll_loss": "−wₜ yₜ",
    },
    "linear_cross_entropy": {"LinearCrossEntropyLoss linear_cross_entropy": "cross-entropy of x Wᵀ + b, in parts"},
    "binary_cross_entropy": {
        "BCELoss binary_cross_entropy": "−t log x − (1 − t) log(1 − x)",
        "BCEWithLogitsLoss binary_cross_entropy_with_logits": "the same of σ(x)",
        "MultiLabelSoftMarginLoss multilabel_soft_margin_loss": "its mean over the classes",
    },
    "regression_loss": {
        "MSELoss mse_loss": "(x − t)²",
        "L1Loss l1_loss": "|x − t|",
        "SmoothL1Loss smooth_l1_loss": "d² / 2β, or |d| − β/2 where |d| ≥ β",
        "HuberLoss huber_loss": "d² / 2, or δ(|d| − δ/2) where |d| > δ",
    },
    "likelihood": {
        "PoissonNLLLoss poisson_nll_loss": "eˣ − t x",
        "GaussianNLLLoss gaussian_nll_loss": "½ (log v + (x − t)² / v)",
        "KLDivLoss kl_div": "t (log t − x)",
    },
    "margin_loss": {
        "HingeEmbeddingLoss hinge_embedding_loss": "x, or max(0, m − x) where t = −1",
        "MarginRankingLoss margin_ranking_loss": "max(0, m − t (x₁ − x₂))",
        "SoftMarginLoss soft_margin_loss": "log(1 + e^(−t x))",
        "CosineEmbeddingLoss cosine_embedding_loss": "1 − cos, or max(0, cos − m) where t = −1",
        "TripletMarginLoss triplet_margin_loss": "max(0, d(a, p) − d(a, n) + m)",
        "TripletMarginWithDistanceLoss triplet_margin_with_distance_loss": "the same, with any distance",
        "MultiMarginLoss multi_margin_loss": "Σ max(0, m − xₜ + x)ᵖ / C",
        "MultiLabelMarginLoss multilabel_margin_loss": "Σ max(0, 1 − xₜ + x) / C over labels t",
    },
    "ctc": {"CTCLoss ctc_loss": "−log Σ over alignments of Π p"},
    "perceptron": {"PerceptronLoss perceptron_loss": "max(0, −t x)", "Step step": "[x ≥ 0]"},
    "batch_norm": {
        "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm batch_norm": "w (x − μ) / √(v + ε) + b over a batch",
        "InstanceNorm1d InstanceNorm2d InstanceNorm3d instance_norm": "the same over each example's channel",
    },
    "layer_norm": {"LayerNorm layer_norm": "the same over each row"},
    "group_norm": {"GroupNorm group_norm": "the same over a group of channels"},
    "rms_norm": {"RMSNorm rms_norm": "w x / √(mean x² + ε)"},
    "local_response_norm": {"LocalResponseNorm local_response_norm": "x (k + α mean x²)^−β over neighbouring channels"},
    "pool": {
        "MaxPool1d MaxPool2d MaxPool3d max_pool1d max_pool2d max_pool3d": "max of each window",
        "AvgPool1d AvgPool2d AvgPool3d avg_pool1d avg_pool2d avg_pool3d": "mean of each window",
    },
    "adaptive_pool": {
        "AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d "
        "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d": "max of o windows",
        "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d "
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d": "mean of o windows",
    },
    "fractional_max_pool": {
        "FractionalMaxPool2d FractionalMaxPool3d fractional_max_pool2d fractional_max_pool3d":
            "max of windows at random places",
    },
    "lp_pool": {"LPPool1d LPPool2d LPPool3d lp_pool1d lp_pool2d lp_pool3d": "(Σ xᵖ)^(1/p) of each window"},
    "max_unpool": {
        "MaxUnpool1d MaxUnpool2d MaxUnpool3d max_unpool1d max_unpool2d max_unpool3d":
            "maxima back where they were, 0 elsewhere",
    },
    "dropout": {
        "Dropout dropout": "x m, m = 0 or 1 / (1 − p)",
        "Dropout1d Dropout2d Dropout3d dropout1d dropout2d dropout3d": "the same for whole channels",
        "AlphaDropout FeatureAlphaDropout alpha_dropout feature_alpha_dropout": "a (x or SELU's limit) + b",
    },
    "distance": {
        "PairwiseDistance pairwise_distance pdist": "‖a − b‖ₚ",
        "CosineSimilarity cosine_similarity": "a · b / ‖a‖‖b‖",
        "normalize": "x / ‖x‖ₚ",
    },
    "radial_basis": {"RadialBasis radial_basis": "exp(−|x − c|² / 2w²)"},
    "graph": {
        "GCNConv gcn_conv gcn_adjacency propagate": "D^(−½) (A + I) D^(−½) X Wᵀ + b",
        "RGCNConv rgcn_conv rgcn_adjacency": "Σ over relations of Âᵣ X Wᵣᵀ, and X W₀ᵀ",
        "SAGEConv sage_conv sage_adjacency": "W₀ x, and W mean of the neighbours",
        "Readout readout": "sum, mean or max over each graph's nodes",
        "SparseDropout sparse sparse_dropout": "dropout of a sparse matrix",
    },
    "graph_attention": {"GATConv gat_conv with_loops": "Σ α W x over the edges into a node, α their softmax"},
    "rnn": {"RNN RNNCell": "h = φ(W x + U h + b)"},
    "lstm": {"LSTM LSTMCell": "c = f c + i g,  h = o tanh c"},
    "gru": {"GRU GRUCell": "h = (1 − z) n + z h"},
    "interpolate": {
        "Upsample UpsamplingNearest2d UpsamplingBilinear2d interpolate": "Σ w[i, t] x[j[i, t]]",
    },
    "grid_sample": {"grid_sample": "Σ w(p) x[j] at any places p", "affine_grid": "the places θ (e, 1)"},
    "shuffle": {
        "PixelShuffle pixel_shuffle": "(C r², H, W) → (C, r H, r W)",
        "PixelUnshuffle pixel_unshuffle": "its inverse",
        "ChannelShuffle channel_shuffle": "(g, i) → (i, g)",
    },
    "flatten": {"Flatten Unflatten": "the same numbers, other dimensions"},
    "adaptive_softmax": {"AdaptiveLogSoftmaxWithLoss": "rare classes in clusters, each a softmax of its own"},
    "transformer": {
        "Transformer TransformerEncoder TransformerDecoder TransformerEncoderLayer TransformerDecoderLayer":
            "x + attention(norm x), then x + W₂ φ(W₁ norm x)",
    },
    "lazy": {
        "LazyLinear LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d "
        "LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d":
            "sizes taken from the first input",
    },
}  # fmt: skip

FAMILIES = {  # folder: heading
    "ops": "Linear layers, dropout, distances, graphs",
    "activation": "Activations",
    "attention": "Attention",
    "conv": "Convolution and padding",
    "embedding": "Embeddings",
    "loss": "Losses",
    "norm": "Normalisation",
    "pool": "Pooling",
    "recurrent": "Recurrent layers",
    "resample": "Resampling",
    "nn": "Layers made of others",
}

RULES = {  # optimizer: its step, with g the gradient
    "SGD": "m = μ m + g,  w −= η m",
    "Nesterov": "SGD with the gradient a step ahead",
    "ASGD": "SGD, and the mean of its path",
    "Rprop": "w −= η sign g, each weight its own η",
    "DeltaBarDelta": "gains that grow while the sign stays",
    "Adagrad": "w −= η g / √Σ g²",
    "RMSprop": "w −= η g / √v,  v the moving mean of g²",
    "Adadelta": "w −= √u g / √v,  u that of the squared steps",
    "Adam": "w −= η m̂ / (√v̂ + ε)",
    "AdamW": "Adam, weights decayed apart",
    "Adamax": "Adam with a maximum for v",
    "NAdam": "Adam with Nesterov's momentum",
    "RAdam": "Adam, rectified while v is uncertain",
    "AdaBound": "Adam with rates between bounds that close",
    "SWATS": "Adam, then SGD at the rate it found",
    "SparseAdam": "Adam on the rows that have a gradient",
    "Adafactor": "Adam with v as rows times columns",
    "Muon": "w −= η U Vᵀ of the momentum U S Vᵀ",
    "Newton": "w −= H⁺ g",
    "ConjugateGradient": "d = −g + β d, and a line search",
    "LBFGS": "d = −H̃ g, H̃ from the last steps",
}


def public() -> set[str]:
    """Every layer, loss and function of scratch.nn that is its own."""
    names = {name for name in nn.__all__ if inspect.isclass(layer := getattr(nn, name)) and own(layer)}
    return names | {name for name, function in vars(nn.functional).items() if is_function(name, function)}


def own(value: object) -> bool:
    return str(getattr(value, "__module__", "")).startswith("scratch.")


def is_function(name: str, value: object) -> bool:
    inner = name.startswith("_") or name.endswith("_")  # relu_ and its like are relu
    return inspect.isroutine(value) and own(value) and not inner


def pages() -> dict[str, Path]:
    """The pages of scratch/ops by their stems."""
    files = sorted((ROOT / "scratch" / "ops").rglob("*.py"))
    return {file.stem: file for file in files if file.parent.name != "core" and file.stem not in {*SHARED, "__init__"}}


def link(path: Path, text: str = "") -> str:
    return f"[{text or path.name}](../{path.relative_to(ROOT)})"


def source(value: object) -> Path:
    return Path(str(inspect.getsourcefile(import_module(value.__module__))))


def row(stem: str, names: str, formula: str) -> str:
    """One line of the table."""
    words = names.split()
    layers = [name for name in words if name in nn.__all__]
    functions = [name for name in words if name not in layers]
    shown = [", ".join(layers)] * bool(layers) + [", ".join(f"`{name}`" for name in functions)] * bool(functions)
    page = link(pages()[stem]) if stem in pages() else WITHOUT_PAGE[stem]
    files = dict.fromkeys(source(getattr(nn, name)) for name in layers)
    cases = link(ROOT / "scratch" / "testing" / "cases" / f"{stem}.py")
    cells = ("; ".join(shown), formula, page, ", ".join(map(link, files)), cases)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table() -> str:
    """The whole page."""
    families: dict[str, list[str]] = {}
    for stem, ops in OPS.items():
        family = pages()[stem].parent.name if stem in pages() else "nn"
        rows = families.setdefault(family, [])
        rows += [row(stem, names, formula) for names, formula in ops.items()]
    head = ["| name | y | derivation and backward | layer | cases |", "| --- | --- | --- | --- | --- |"]
    lines = [
        "# Index",
        "",
        "Every layer, loss and function by hand: its formula, the page with its derivation and backward pass, the",
        "layer with its parameters, and the cases on which it is compared with PyTorch. Page and cases share a stem.",
        "Functions are those of `scratch.nn.functional`. Made by `python scripts/index.py`.",
    ]
    for family, rows in families.items():
        lines += ["", f"## {FAMILIES[family]}", "", *head, *rows]
    lines += ["", "## Optimizers", "", "Cases of all: [optim.py](../scratch/testing/cases/optim.py).", ""]
    lines += ["| name | step | page |", "| --- | --- | --- |"]
    for name, step in RULES.items():
        lines.append(f"| {name} | {step} | {link(source(getattr(scratch.optim, name)))} |")
    lines += ["", "## What pages share", "", "| file | of |", "| --- | --- |"]
    for file in sorted((ROOT / "scratch" / "ops").rglob("*.py")):
        if file.stem in SHARED or (file.parent.name == "core" and file.stem != "__init__"):
            lines.append(f"| {link(file)} | {SHARED.get(file.stem) or first_words(file)} |")
    return "\n".join(lines) + "\n"


def first_words(file: Path) -> str:
    """What a file says of itself first."""
    text = file.read_text().split('"""')[1]
    return " ".join(re.split(r"(?<=\.)\s|\n\n", text, maxsplit=1)[0].split()).rstrip(".")


def shown_page() -> str:
    """The page of linear that READMEs show: docstring and textbook form, without imports and fast form."""
    text = (ROOT / "scratch" / "ops" / "linear.py").read_text()
    docstring = text[: text.index('"""', 3) + 4]
    form = text[text.index("class LinearFn") : text.index("    @staticmethod\n    def fast_value")]
    return f"```python\n{docstring}\n\n{form.rstrip()}\n```"


def main() -> None:
    TARGET.write_text(table())
    for readme in READMES:
        text = re.sub(r'```python\n"""Linear.*?```', lambda _: shown_page(), readme.read_text(), flags=re.S)
        readme.write_text(text)


if __name__ == "__main__":
    main()
