"""Under torch.autocast every layer does what torch's does: the type of the result, gradients in the parameters' types,
and no more rounding."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from scratch.nn import functional as F
from scratch.testing import TRANSFORM_CHECKS, Case
from scratch.testing.calls import TORCH
from scratch.testing.cases import CASES
from scratch.testing.packages import offers
from zoo.training.build import build_data, build_model
from zoo.training.cli import CONF

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]

BY_NAME: dict[str, list[Case]] = defaultdict(list)
for case in CASES:
    BY_NAME[case.name].append(case)


@pytest.mark.parametrize("name", BY_NAME)
def test_as_torch_does(name):
    if not (BY_NAME[name][0].reference or offers("torch.nn", name)):
        pytest.skip(f"torch {torch.__version__} has no {name}")
    for case in BY_NAME[name]:
        TRANSFORM_CHECKS["autocast"](case, "scratch.nn", "torch.nn")


@pytest.mark.parametrize(
    "words", [["model=lenet"], ["model=mlp"], ["model=gru"], ["model=transformer", "data.tokens=256"]]
)
def test_trained_in_float16_with_a_scaler(words):
    """What trainer.precision=16-mixed does on a GPU: the loss is scaled, or small gradients would be 0."""
    runs = []
    for impl in ("scratch", "native"):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", [*words, f"impl={impl}", "scheduler=none"])
        torch.manual_seed(0)
        data = build_data(config)
        model: Any = build_model(config, data.facts).train()
        optimizer, scaler = model.new_optimizer(), torch.amp.GradScaler("cpu", init_scale=2.0**10)
        batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
        losses = []
        for _ in range(8):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.float16):
                loss = model.training_step(batch, 0)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())
        assert scaler.get_scale() == 2.0**10  # no gradient was infinite
        runs.append(losses)
    assert runs[0][-1] < 0.99 * runs[0][0]
    assert runs[0] == pytest.approx(runs[1], rel=1e-2)


ON_A_GPU: dict[str, Callable[..., Tensor]] = {
    **dict.fromkeys(("cross_entropy", "nll_loss"), lambda f, x, y, classes: f(x, classes)),
    **dict.fromkeys(("mse_loss", "binary_cross_entropy_with_logits"), lambda f, x, y, classes: f(x, y)),
    **dict.fromkeys(("softmax", "log_softmax"), lambda f, x, y, classes: f(x, -1)),
    **dict.fromkeys(("layer_norm", "rms_norm"), lambda f, x, y, classes: f(x, (6,))),
    **dict.fromkeys(("gelu", "tanh", "sigmoid", "relu", "logsigmoid"), lambda f, x, y, classes: f(x)),
    "pad": lambda f, x, y, classes: f(x, (1, 1), "reflect"),
    "linear": lambda f, x, y, classes: f(x, y.float()),
}


@pytest.mark.parametrize("name", ON_A_GPU)
def test_types_on_a_gpu(name):
    """A GPU widens more than a CPU does. Tensors without numbers tell, also where there is none."""
    if name == "rms_norm" and TORCH < (2, 14):
        pytest.skip("rms_norm was left narrow before torch 2.14")
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", torch.float16)
    try:
        with FakeTensorMode():
            x, y = (torch.rand(4, 6, device="cuda", dtype=torch.float16) for _ in range(2))
            classes = torch.zeros(4, dtype=torch.long, device="cuda")
            ours, theirs = (
                ON_A_GPU[name](getattr(package, name), x, y, classes) for package in (F, torch.nn.functional)
            )
    finally:
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])
    assert ours.dtype is theirs.dtype
