"""A training step of every model on a GPU: without waiting, twice the same, with a scaler, on a stream, as a graph."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.fabric.utilities import move_data_to_device

from tests.gpu.machine import captured, deterministic, side_stream, unsynchronised
from tests.test_pretended_gpu import MODELS, MODELS_WAITING, composed
from zoo.training.build import build_data, build_model

pytestmark = pytest.mark.filterwarnings("ignore")
SGD = [
    "optimizer=sgd",
    "optimizer.lr=0.01",
    "optimizer.momentum=0.9",
]  # counts no steps
FIXED = {"lenet": [], "gru": [], "transformer": ["model.dropout=0"]}


def made(name: str, device: torch.device, *words: str, impl: str = "scratch") -> tuple[Any, Any]:
    """A model and a batch for it."""
    model, *variant = name.split()
    words = (f"model={model}", *(f"model.{word}" for word in variant), *MODELS[name], *words)
    config = composed(*words)
    if impl != "scratch":
        config = composed(*words, f"impl={impl}")
    torch.manual_seed(0)
    data = build_data(config)
    network: Any = build_model(config, data.facts).to(device).train()
    batch = move_data_to_device(next(iter(data.train_dataloader())), device)
    return network, data.on_after_batch_transfer(batch, 0)


def stepper(model: Any, batch: Any) -> Callable[[], None]:
    optimizer = model.new_optimizer()

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        model.training_step(batch, 0).backward()
        optimizer.step()

    return step


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def require_same(first: Any, second: Any, **tolerance: float) -> None:
    torch.testing.assert_close(first, second, **(tolerance or {"rtol": 0, "atol": 0}))


@pytest.mark.parametrize("name", MODELS)
def test_no_step_waits(name, device):
    if name in MODELS_WAITING:
        pytest.skip(MODELS_WAITING[name])
    step = stepper(*made(name, device))
    step()  # the state of the optimizer, and what is kept for all steps
    with unsynchronised(device):
        step()


@pytest.mark.parametrize("name", MODELS)
def test_as_native(name, device):
    """Ten steps in float64 from the same weights."""
    ours, batch = made(name, device, *SGD)
    theirs, _ = made(name, device, *SGD, impl="native")
    theirs.load_state_dict(ours.state_dict())
    batch = torch.utils._pytree.tree_map(
        lambda t: t.double() if isinstance(t, torch.Tensor) and t.is_floating_point() else t, batch
    )
    for model in (ours, theirs):
        step = stepper(model.double(), batch)
        for number in range(10):
            torch.manual_seed(number)
            step()
    if not any(getattr(module, "p", 0) for module in ours.modules()):  # dropout draws in another order
        require_same(weights(ours), weights(theirs), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_deterministic(name, device, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    found = []
    for _ in range(2):
        model, batch = made(name, device)
        step = stepper(model, batch)
        with deterministic():
            for number in range(3):
                torch.manual_seed(number)
                step()
        found.append(weights(model))
    require_same(*found)


@pytest.mark.parametrize("name", ["lenet", "mlp", "gru", "transformer"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_autocast_with_a_scaler(name, dtype, device):
    losses = []
    for impl in ("scratch", "native"):
        model, batch = made(name, device, *FIXED.get(name, []), impl=impl)
        optimizer, scaler = model.new_optimizer(), torch.amp.GradScaler(device.type, init_scale=2.0**10)
        losses.append([])
        for _ in range(8):
            optimizer.zero_grad()
            with torch.autocast(device.type, dtype):
                loss = model.training_step(batch, 0)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses[-1].append(loss.item())
        assert scaler.get_scale() == 2.0**10  # no gradient was infinite
    assert losses[0][-1] < losses[0][0]
    assert losses[0] == pytest.approx(losses[1], rel=3e-2)


@pytest.mark.parametrize("name", FIXED)
def test_on_a_stream_of_its_own(name, device):
    found = []
    for aside in (False, True):
        model, batch = made(name, device, *FIXED[name], *SGD)
        step = stepper(model, batch)
        if aside:
            with side_stream(device):
                step()
        else:
            step()
        found.append(weights(model))
    require_same(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FIXED)
def test_as_a_graph(name, device):
    """A captured step, replayed, does what the step does."""
    model, batch = made(name, device, *FIXED[name], *SGD)
    same = copy.deepcopy(model)
    step, replay = stepper(model, batch), captured(device, stepper(same, batch))
    for _ in range(3):
        step()
    if device.type == "cpu":
        require_same(weights(model), weights(same))
    for _ in range(4):
        step()
        replay()
    require_same(weights(model), weights(same), rtol=1e-4, atol=1e-5)
