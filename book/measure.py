"""The numbers on the pages: python scripts/book.py measure writes measured.json, with the machine and the date.

Errors are the largest that the harness sees on the first cases of a page; times are those of the benchmark.
"""

import json
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from rich.progress import track
from torch import Tensor

from book.extension.catalog import ROOT, Source, optimizers, optimizers_of
from book.extension.measured import FORMS, PATH
from scratch.testing import CHECKS, OPTIMIZER_CHECKS
from scratch.testing.cases import FAMILIES, optim
from scratch.testing.suite import Task, identified, judge, tasks
from scratch.testing.transforms import TRANSFORM_CHECKS
from zoo.claims.workbench import machine
from zoo.core.namespace import Namespace
from zoo.tools.benchmark import forward_and_backward, in_its_form, layer_call, plan
from zoo.tools.measure import interleaved, timer_for

CASES = 4  # of a page
LAYER_CHECKS = {name: CHECKS[name] for name in ("outputs", "gradients", "finite_differences", "second_order")} | {
    "tangents": TRANSFORM_CHECKS["tangents"]
}
PAGES = {  # of the benchmark's entries, by how they begin
    "conv": "conv", "max_pool": "pool", "avg_pool": "pool", "linear": "linear", "sigmoid": "sigmoid", "tanh":
    "sigmoid", "relu": "rectifier", "leaky_relu": "rectifier", "gelu": "gated", "softmax": "softmax", "log_softmax":
    "softmax", "dropout": "dropout", "cross_entropy": "cross_entropy", "linear_cross_entropy":
    "linear_cross_entropy", "mse": "regression_loss", "embedding": "embedding", "layer_norm": "layer_norm", "rnn":
    "rnn", "gru": "gru", "lstm": "lstm", "attention": "attention", "bce_with_logits": "binary_cross_entropy", "sgd":
    "sgd", "adam": "adam", "adamw": "adam", "adamax": "adamax", "nadam": "nadam", "radam": "radam", "adagrad":
    "adagrad", "adadelta": "adadelta", "adafactor": "adafactor", "rmsprop": "rmsprop", "rprop": "rprop", "asgd":
    "asgd", "muon": "muon", "batch_norm": "batch_norm", "rms_norm": "rms_norm", "silu": "gated",
}  # fmt: skip
LONG = ("gru_256", "lstm_256", "gru_128_long", "lstm_128_long", "attention_2048", "encoder_layer", "adam_against_fused")
PICTURES, ROWS = [[64, 16, 28, 28]], [[64, 16384]]
MORE = {  # as the benchmark's layers, of the pages that it has nothing of
    "bilinear": {"layer": "Bilinear", "args": [64, 64, 64], "inputs": [[128, 64], [128, 64]]},
    "shrinkage": {"layer": "Softshrink", "inputs": ROWS},
    "prelu": {"layer": "PReLU", "inputs": ROWS},
    "multi_head_attention": {"layer": "MultiheadAttention", "args": [128, 8], "kwargs": {"batch_first": True},
                             "inputs": [[32, 64, 128]] * 3},
    "conv_transpose": {"layer": "ConvTranspose2d", "args": [16, 6, 5], "inputs": [[64, 16, 14, 14]]},
    "fold": {"layer": "Unfold", "args": [3], "inputs": [[16, 16, 28, 28]]},
    "pad": {"layer": "ReflectionPad2d", "args": [2], "inputs": PICTURES},
    "likelihood": {"layer": "PoissonNLLLoss", "inputs": ROWS * 2},
    "margin_loss": {"layer": "TripletMarginLoss", "inputs": [[4096, 64]] * 3},
    "group_norm": {"layer": "GroupNorm", "args": [4, 16], "inputs": PICTURES},
    "local_response_norm": {"layer": "LocalResponseNorm", "args": [5], "inputs": PICTURES},
    "adaptive_pool": {"layer": "AdaptiveAvgPool2d", "args": [5], "inputs": PICTURES},
    "fractional_max_pool": {"layer": "FractionalMaxPool2d", "args": [2], "kwargs": {"output_size": 14},
                            "inputs": PICTURES},
    "lp_pool": {"layer": "LPPool2d", "args": [2, 2], "inputs": PICTURES},
    "distance": {"layer": "CosineSimilarity", "inputs": [[4096, 256], [4096, 256]]},
    "interpolate": {"layer": "Upsample", "kwargs": {"scale_factor": 2, "mode": "bilinear"},
                    "inputs": [[16, 16, 28, 28]]},
    "grid_sample": {"function": "grid_sample", "inputs": [[16, 16, 28, 28], [16, 28, 28, 2]]},
    "shuffle": {"layer": "PixelShuffle", "args": [2], "inputs": PICTURES},
    "alignment": {"layer": "AdditiveAttention", "args": [64, 64, 64], "inputs": [[32, 20, 64]] + [[32, 30, 64]] * 2},
    "positional": {"layer": "SinusoidalPositions", "args": [128], "inputs": [[32, 64, 128]]},
    "radial_basis": {"layer": "RadialBasis", "args": [64, 32], "inputs": [[1024, 64]]},
    "perceptron": {"layer": "PerceptronLoss", "inputs": [[4096, 10], [4096]], "classes": 10},
}  # fmt: skip
NODES, EDGES, FEATURES = 2000, 20_000, 32


def task_of(layer: Any, *inputs: Any) -> Callable[[], Any]:
    return forward_and_backward(layer, inputs, layer.parameters())


def graph_layer(layer: Any) -> Callable[[], Any]:
    built = layer(FEATURES, FEATURES)
    edges = built.adjacency(torch.randint(NODES, (2, EDGES)), NODES)
    return task_of(built, torch.randn(NODES, FEATURES, requires_grad=True), edges)


def bags(nn: Any) -> Callable[[], Any]:
    return task_of(nn.EmbeddingBag(1000, 128), torch.randint(1000, (512, 8)))


def ctc(nn: Any) -> Callable[[], Any]:
    x, target = torch.randn(50, 32, 30, requires_grad=True), torch.randint(1, 30, (32, 10))
    lengths, target_lengths = torch.full((32,), 50), torch.full((32,), 10)
    return task_of(nn.CTCLoss(), x, target, lengths, target_lengths)


def unpool(nn: Any) -> Callable[[], Any]:
    x, indices = torch.nn.functional.max_pool2d(torch.randn(64, 16, 28, 28), 2, return_indices=True)
    return task_of(nn.MaxUnpool2d(2), x.requires_grad_(), indices)


def one_hot(nn: Any) -> Callable[[], Any]:
    return partial(nn.functional.one_hot, torch.arange(4096) % 1000)


def sparse_step(optim: Any) -> Callable[[], Any]:
    weight = torch.randn(10_000, 128, requires_grad=True)
    torch.nn.functional.embedding(torch.randint(10_000, (4096,)), weight, sparse=True).sum().backward()
    return optim.SparseAdam([weight]).step


def twenty_iterations(optim: Any) -> Callable[[], Any]:
    scale, begin = torch.logspace(0, 3, 1000), torch.randn(1000)

    def call() -> None:
        x = begin.clone().requires_grad_()
        optimizer = optim.LBFGS([x])

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = (scale * x * x).sum()
            loss.backward()
            return loss

        optimizer.step(closure)

    return call


GRAPH = f"({FEATURES}, {FEATURES}), {NODES} nodes, {EDGES} edges"
OTHERS = {  # of the pages whose inputs an entry cannot describe: the title, which package, and what builds the task
    "graph": (f"GCNConv{GRAPH}", "layers", lambda nn: graph_layer(nn.GCNConv)),
    "graph_attention": (f"GATConv{GRAPH}", "layers", lambda nn: graph_layer(nn.GATConv)),
    "embedding_bag": ("EmbeddingBag(1000, 128), 512 bags of 8", "layers", bags),
    "ctc": ("CTCLoss(), (50, 32, 30), targets of 10", "layers", ctc),
    "max_unpool": ("MaxUnpool2d(2), (64, 16, 14, 14)", "layers", unpool),
    "one_hot": ("one_hot, (4096,), 1000 classes", "layers", one_hot),
    "sparse_adam": ("SparseAdam(), 4096 of 10000 rows of 128", "optim", sparse_step),
    "lbfgs": ("LBFGS(), 20 iterations on 1000 numbers", "optim", twenty_iterations),
}


def largest(job: Iterable[Task], candidate: str, reference: str) -> dict[str, dict[str, Any]]:
    """For each check the largest error, and of how many cases it is."""
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"error": None, "cases": 0})
    for result in judge(job, candidate, reference):
        if result.status == "passed":
            entry = found[result.check]
            entry["cases"] += 1
            entry["error"] = max((e for e in (entry["error"], result.error) if e is not None), default=None)
    return {check: entry for check, entry in found.items() if entry["error"] is not None or check != "tangents"}


def of_page(stem: str) -> dict[str, dict[str, Any]]:
    cases = list(identified(FAMILIES[stem].CASES))[:CASES]
    return largest(
        [task for task in tasks(cases, LAYER_CHECKS, "scratch.nn", "torch.nn") if not task.slow],
        "scratch.nn",
        "torch.nn",
    )


def of_optimizer(source: Source) -> dict[str, dict[str, Any]]:
    names = optimizers_of(source)
    cases = [(title, case) for title, case in identified(optim.CASES) if case.name in names][:CASES]
    checks = {"steps": OPTIMIZER_CHECKS["steps"]}
    return largest(tasks(cases, checks, "scratch.optim", "torch.optim"), "scratch.optim", "torch.optim")


def page_of(entry: str) -> str | None:
    words = entry.split("_")
    starts = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    return next((PAGES[start] for start in starts if start in PAGES), None)


def configurations(forms: Iterable[str]) -> dict[str, Any]:
    """Of each form the benchmark's configuration of all that has a page."""
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        known = compose("benchmark")
        wanted = [name for name in (*known.layers, *known.optimizers) if page_of(name) and name not in LONG]
        words = ["what=all", f"only=[{','.join(wanted)}]"]
        return {form: compose("benchmark", [f"impl={form}", *words]) for form in forms}


def times(seconds: float, forms: Sequence[str], pages: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of each task its page, the milliseconds of the native form, and the ratios of ours to it."""
    configs = configurations(forms)
    some = configs[forms[0]]
    wanted = [row for row in rows(some) if not pages or row[0] in pages]
    for page, name, ours, theirs in track(wanted, description="times"):
        built = [in_its_form(ours, configs[form].impl) for form in forms] + [in_its_form(theirs, some.reference)]
        *each, base = interleaved(built, seconds, timer_for("cpu", "cpu"))
        ratios = {form: round(t / base, 3) for form, t in zip(forms, each, strict=True)}
        yield page, {"task": described(name, some), "native": round(1e3 * base, 4), **ratios}


def rows(config: Any) -> Iterator[tuple[str, str, Any, Any]]:
    """Page and name of each task, and what builds it for an implementation: for ours and the native one."""
    for what in ("layers", "optimizers"):
        config.what = what
        for name, ours, theirs, _ in plan(config):
            page = page_of(name)
            assert page
            yield page, name, ours, theirs
    for page, entry in MORE.items():
        build = partial(layer_call, entry, device="cpu")
        yield page, page, build, build
    for page in OTHERS:
        build = partial(other_task, page)
        yield page, page, build, build


def other_task(page: str, impl: Any) -> Callable[[], Any]:
    torch.manual_seed(0)
    _, package, build = OTHERS[page]
    return build(Namespace(impl[package]))


def described(name: str, known: Any) -> str:
    """A task as a reader would write it: Conv2d(1, 6, 5, padding=2), (64, 1, 28, 28)."""
    if name in OTHERS:
        return OTHERS[name][0]
    if name in known.optimizers:
        entry = known.optimizers[name]
        options = [f"{key}={value}" for key, value in entry.get("kwargs", {}).items()]
        return f"{entry['optimizer']}({', '.join(options)}), ResNet-18"
    entry = MORE.get(name) or known.layers[name]
    options = [str(argument) for argument in entry.get("args", ())]
    options += [f"{key}={value}" for key, value in entry.get("kwargs", {}).items()]
    called = entry["function"] if "function" in entry else f"{entry['layer']}({', '.join(options)})"
    return ", ".join([called, *dict.fromkeys(str((*shape,)) for shape in entry["inputs"])])


def measure(asked: str = "all", forms: Sequence[str] = FORMS, pages: Sequence[str] = (), seconds: float = 1.0) -> None:
    """Measure errors, times or all, of those pages or of all; what is not asked for stays as it is."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if asked in ("all", "errors"):
        for stem in track([stem for stem in FAMILIES if not pages or stem in pages], description="errors"):
            keep("errors", stem, of_page(stem))
        for source in optimizers():
            if not pages or source.stem in pages:
                keep("errors", source.stem, of_optimizer(source))
    if asked in ("all", "times"):
        for page, entry in times(seconds, forms, pages):
            keep("times", page, entry)


def keep(kind: str, page: str, found: dict[str, Any]) -> None:
    """Write what was measured of a page at once, with machine and date: an interruption loses nothing else.

    Of times it is a row, which takes the place of an older one of the same task.
    """
    if not found:
        return
    result = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    pages = result.setdefault(kind, {})
    rows = [row for row in pages.get(page, []) if row["task"] != found["task"]] + [found] if kind == "times" else found
    pages[page] = rows
    result.setdefault("made", {}).setdefault(kind, {})[page] = f"{machine()}, {time.strftime('%Y-%m-%d')}"
    write(result)


def write(result: dict[str, Any]) -> None:
    PATH.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
