"""No step waits for a GPU: layers, optimizers and models run on one that is not there (tests/pretend.py).

What has to wait, because its result depends on numbers, stands in a table with the reason.
"""

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.utils._pytree import tree_map

from scratch.testing.calls import Case
from scratch.testing.cases import CASES
from scratch.testing.cases.optim import CASES as OPTIMIZER_CASES
from scratch.testing.compare import mapped
from scratch.testing.optimizers import OptimizerCase, Run, sparse_gradients
from scratch.testing.packages import resolve
from scratch.testing.running import build, continuous, differentiable_leaves, in_dtype
from scratch.testing.suite import identified
from tests.pretend import DEVICE, OnlyOn, Waits, gradients, move_module, moved, pretended
from zoo.training.build import build_data, build_model
from zoo.training.cli import CONF

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]

AS_TORCH = "torch's own waits here too: "
WAITING = {  # names or titles in the table: why they may wait
    "AdaptiveLogSoftmaxWithLoss": AS_TORCH + "how many words fall into each cluster is the size of a product",
    "CTCLoss": AS_TORCH + "the lengths decide how many steps there are",
    "GaussianNLLLoss": AS_TORCH + "a negative variance is a ValueError",
    "functional.one_hot": AS_TORCH + "without num_classes the largest number is the size of the result",
    "Readout": "without num_graphs the largest number is the size of the result; torch_geometric's waits too",
    **dict.fromkeys(
        (
            "BatchNorm1d(3, momentum=None)",
            "BatchNorm2d(3, 0.1, None, False)",
            "BatchNorm3d(3, 0.1, None, False)",
            "SyncBatchNorm(3, momentum=None, affine=False)",
            "LazyBatchNorm2d(0.001, None, True, True)",
        ),
        AS_TORCH + "the count of batches becomes the momentum",
    ),
    "GATConv": "a layer that is given edges takes its loops away at each call; torch_geometric's waits too",
    "GCNConv": "a layer that is given edges normalises them, loops apart, at each call; torch_geometric's waits too",
    "EmbeddingBag(7, 3, mode='sum', sparse=True)": "a sparse gradient has no entries for what belongs to no bag",
    "EmbeddingBag(7, 3, mode='mean', sparse=True)": "a sparse gradient has no entries for what belongs to no bag",
    "Embedding(7, 3, sparse=True, padding_idx=1)": AS_TORCH + "a sparse gradient leaves the padding out",
    **dict.fromkeys(
        [f"Transformer(4, 2, 2, 2, 3, 0.0{more}" for more in (")#3", ", batch_first=True)", ", batch_first=True)#3")],
        AS_TORCH + "whether a mask is causal is read from it, without is_causal",
    ),
}

RULES_WAITING = {
    "ASGD": AS_TORCH + "its state, which stands on the GPU, becomes a number",
    "Adafactor": AS_TORCH + "the size of the weights becomes the length of the step",
    "LBFGS": AS_TORCH + "a line search decides by numbers",
    "ConjugateGradient": "a line search decides by numbers",
    "SWATS": "whether Adam gives way to SGD depends on a number",
}

MODELS_WAITING = {
    "gat": "how many loops a graph has is a size in its edges; a graph that stays is read once",
    "gcn": "how many loops a graph has is a size in its adjacency; a graph that stays is normalised once",
    "sage": "whether features are mostly zero is asked once, of those that stay",
    "graph_gcn": "the same for each batch of graphs; torch_geometric's waits too",
    "seq2seq": AS_TORCH + "the lengths of the sentences decide how many of them each step has, as in a packed sequence",
}
ELSEWHERE = ("muon", "newton", "sparse_adam")  # of conf/optimizer: for matrices, second derivatives, sparse gradients
RULES = sorted({file.stem for file in (CONF / "optimizer").glob("*.yaml")}.difference(ELSEWHERE))


def some(titled: Iterable[tuple[str, Any]]) -> list[Any]:
    """All cases; the first of each name by default."""
    found, begun = [], set()
    for title, case in titled:
        found.append(pytest.param(title, case, id=title, marks=[pytest.mark.slow] * (case.name in begun)))
        begun.add(case.name)
    return found


def on_device(value: Any, mode: Any) -> Any:
    return moved(mapped(in_dtype(torch.float64), value), mode)


def layer_step(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward and backward of a case on the pretended GPU."""
    module = None if case.is_function else build(case, "scratch.nn").double()
    arguments, inputs = case.draw_arguments(), case.draw_inputs()
    with pretended(monkeypatch) as mode:
        args, kwargs, call = on_device(arguments, mode)
        inputs = on_device(inputs, mode)
        for i, value in enumerate(inputs):
            if i not in case.constant:
                mapped(lambda t: t.requires_grad_(continuous(t)) if t.device == DEVICE else t, value)
        if module is not None:
            move_module(module, mode)
        inputs = mapped(lambda t: t.clone() if t.device == DEVICE else t, inputs)
        with OnlyOn():
            outputs = module(*inputs, **call) if module else resolve("scratch.nn", case.name)(*inputs, *args, **kwargs)
            outputs = list(differentiable_leaves(outputs).values())
            found = gradients(outputs, [torch.empty_like(y) for y in outputs])
    assert all(grad.device == DEVICE and grad.shape == leaf.shape for leaf, grad in found.items())


LAYERS = list(identified(CASES))


@pytest.mark.parametrize(("title", "case"), some(LAYERS))
def test_layers(title, case, monkeypatch):
    """Forward and backward of every case of the table stay on the GPU, and never wait for it."""
    try:
        layer_step(case, monkeypatch)
    except Waits:
        if title not in WAITING and case.name not in WAITING:
            raise


@pytest.mark.parametrize("name", WAITING)
def test_what_waits(name, monkeypatch):
    """What stands in the table of exceptions is one."""
    waits = False
    for title, case in LAYERS:
        if name in (title, case.name) and not waits:
            try:
                layer_step(case, monkeypatch)
            except Waits:
                waits = True
    assert waits


def optimizer_steps(case: OptimizerCase, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(case, "scratch.optim")
    with pretended(monkeypatch) as mode:
        for group in run.optimizer.param_groups:
            group["params"] = [torch.nn.Parameter(moved(p.data, mode)) for p in group["params"]]
        parameters = [p for group in run.optimizer.param_groups for p in group["params"]]
        generator = torch.Generator().manual_seed(0)
        for number in range(2):
            with unset_fake_temporarily():
                drawn = case.gradients([torch.empty(p.shape, dtype=p.dtype) for p in parameters], number, generator)
            for p, gradient in zip(parameters, drawn, strict=True):
                p.grad = gradient if gradient is None else moved(gradient, mode)
            with OnlyOn():
                run.optimizer.step()


OPTIMIZERS = [
    (title, case)
    for title, case in identified(OPTIMIZER_CASES)
    if case.objective is None and case.gradients is not sparse_gradients
]


@pytest.mark.parametrize(("title", "case"), some(OPTIMIZERS))
def test_optimizers(title, case, monkeypatch):
    """Two steps of every optimizer of the table."""
    try:
        optimizer_steps(case, monkeypatch)
    except Waits:
        if case.name not in RULES_WAITING:
            raise


def composed(*words: str) -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", [*words, "impl=scratch", "scheduler=none"])


def model_steps(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    config = composed(*words)
    torch.manual_seed(0)
    data = build_data(config)
    model: Any = build_model(config, data.facts).train()
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    with pretended(monkeypatch) as mode:
        move_module(model, mode)
        batch = tree_map(lambda value: moved(value, mode), batch)
        with OnlyOn():
            optimizer = model.new_optimizer()

        def closure() -> Any:
            with torch.enable_grad():
                loss = model.training_step(batch, 0)
            for p, grad in gradients([loss], [torch.ones_like(loss)]).items():
                p.grad = grad
            return loss

        with OnlyOn():
            for _ in range(2):
                optimizer.step(closure)


SMALL = ["data.train=50", "data.test=10", "data.tokens=64"]
MODELS = {
    "perceptron": [],
    "mlp": [],
    "lenet": [],
    "lenet variant=relu": [],
    "rbf": [],
    "resnet size=tiny": [],
    "vit size=tiny": [],
    "vae": ["data.image_size=8"],
    "diffusion": ["data.image_size=8", "model.width=8"],
    "gru": [],
    "lstm": [],
    "rnn": [],
    "char_gru": [],
    "gpt": ["model.size=tiny"],
    "bert": [],
    "gcn": [],
    "gat": [],
    "sage": [],
    "graph_gcn": ["data.graphs=40"],
    "seq2seq": SMALL,
    "transformer": SMALL,
}


@pytest.mark.parametrize("name", MODELS)
def test_models(name, monkeypatch):
    """A training step of every model: forward, loss, backward, optimizer."""
    model, *variant = name.split()
    words = [f"model={model}", *(f"model.{word}" for word in variant), *MODELS[name]]
    if model in MODELS_WAITING:
        with pytest.raises(Waits):
            model_steps(monkeypatch, *words)
    else:
        model_steps(monkeypatch, *words)


@pytest.mark.parametrize("name", RULES)
def test_rules(name, monkeypatch):
    """Every optimizer of conf/ trains an MLP."""
    words = ["model=mlp", "model.width=4", "model.depth=1", "data.image_size=4", "data.batch_size=4"]
    rule = composed(*words, f"optimizer={name}").optimizer._target_.rpartition(".")[2]
    try:
        model_steps(monkeypatch, *words, f"optimizer={name}")
    except Waits:
        if rule not in RULES_WAITING:
            raise
