"""Whole runs on a GPU: recipes for a few steps, checkpoints that change the device, resuming, several processes."""

import os
from pathlib import Path

import pytest
import torch

from tests.zoo.runs import PLAIN as UNDISTORTED
from tests.zoo.runs import checkpoint, composed, same, weights
from tests.zoo.training.test_configs import BATCH, GROUPS, SHORT, SMALLER
from tests.zoo.training.test_processes import train

pytestmark = pytest.mark.filterwarnings("ignore")
HERE = [*BATCH, "logger=csv", "~callbacks.curves"]
PLAIN = [*UNDISTORTED, "data.batch_size=4", "+trainer.limit_train_batches=7", "trainer.max_epochs=2"]
PLAIN += ["+trainer.limit_val_batches=1", "+trainer.limit_test_batches=1", "trainer.precision=64-true"]


@pytest.fixture
def trainer(device) -> str:
    return f"trainer={'gpu' if device.type == 'cuda' else 'cpu'}"


def finished(folder: Path, *words: str) -> None:
    process = train(folder, *words)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said[-2000:]


@pytest.mark.parametrize("name", GROUPS["experiment"])
def test_recipes(name, trainer, start):
    recipe = f"experiment={name}"
    data = composed(recipe).data
    if (data.get("data_dir") or data.get("path")) and "HANDGRAD_DATA" not in os.environ:
        pytest.skip("set HANDGRAD_DATA to a folder with real data")
    assert start(recipe, trainer, *SHORT, *HERE, *SMALLER.get(recipe, [])) == 0


@pytest.mark.parametrize(("first", "second"), [("there", "here"), ("here", "there")])
def test_a_checkpoint_moves(first, second, trainer, start):
    """Trained on one device, continued and evaluated on the other."""
    where = {"there": trainer, "here": "trainer=cpu"}
    assert start(*PLAIN, *HERE, where[first], "paths.run=half", "trainer.max_epochs=1") == 0
    assert start(*PLAIN, *HERE, where[second], "paths.run=rest", "ckpt_path=half") == 0
    assert start(*PLAIN, *HERE, where[first], "paths.run=whole") == 0
    for name, weight in weights("whole").items():
        torch.testing.assert_close(weights("rest")[name].cpu(), weight.cpu(), rtol=1e-8, atol=1e-10)


def test_resumed_bit_for_bit(trainer, start):
    assert start(*PLAIN, *HERE, trainer, "paths.run=whole") == 0
    assert start(*PLAIN, *HERE, trainer, "paths.run=half", "trainer.max_epochs=1") == 0
    assert start(*PLAIN, *HERE, trainer, "paths.run=rest", "ckpt_path=half") == 0
    assert same(weights("whole"), weights("rest"))


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("count", ["one", "all"])
def test_processes(strategy, count, device, tmp_path):
    """One process, and as many as there are GPUs; on a CPU two."""
    processes = 1 if count == "one" else torch.cuda.device_count() if device.type == "cuda" else 2
    if count == "all" and processes == 1:
        pytest.skip("there is one GPU, which the test with one process has had")
    words = ["model=transformer", *SMALLER["model=transformer"], *SHORT, *HERE]
    words += [f"trainer={strategy}", f"trainer.devices={processes}"]
    if device.type == "cpu":
        words += ["trainer.accelerator=cpu"]
    finished(tmp_path, *words)
    assert checkpoint(tmp_path / "run")["global_step"] == 2
