"""What goes on from a checkpoint in float64, in one process or two, ends as an unbroken run: bit for bit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.zoo.runs import ROOT, checkpoint
from tests.zoo.training.test_processes import MLP, environment

WORDS = [word for word in MLP if not word.startswith(("paths.run=", "trainer="))]
WORDS += ["model.dropout=0.3", "data.shift=2", "trainer.precision=64-true", "trainer.max_epochs=2"]
WORDS += ["+trainer.limit_train_batches=7", "+trainer.limit_val_batches=1", "+trainer.limit_test_batches=1"]


def same(whole: Path, rest: Path) -> None:
    """Weights, the optimizer's state, and what was measured."""
    kept = [checkpoint(folder) for folder in (whole, rest)]
    for name, weight in kept[0]["state_dict"].items():
        assert weight.dtype is torch.float64
        assert torch.equal(kept[1]["state_dict"][name], weight), name
    states = [checkpoint["optimizer_states"][0]["state"] for checkpoint in kept]
    for number, state in states[0].items():
        for name, value in state.items():
            assert torch.equal(torch.as_tensor(states[1][number][name]), torch.as_tensor(value)), name
    assert kept[0]["global_step"] == kept[1]["global_step"] == 14
    assert (whole / "metrics.json").read_text() == (rest / "metrics.json").read_text()


def test_one_process(start):
    """Lightning would load the weights in float32."""
    assert start(*WORDS, "paths.run=unbroken") == 0
    assert start(*WORDS, "paths.run=half", "trainer.max_epochs=1") == 0
    assert start(*WORDS, "paths.run=resumed", "ckpt_path=half") == 0
    same(Path("unbroken"), Path("resumed"))


def test_evaluated_in_float64(call):
    """The numbers of the run that left the checkpoint, to the bit."""
    all_of_it = [word for word in WORDS if "limit_val" not in word and "limit_test" not in word]
    assert call("train", *all_of_it, "paths.run=run", "trainer.max_epochs=1") == 0
    assert call("eval", "ckpt=run", "to=again") == 0
    assert json.loads(Path("again/metrics.json").read_text()) == json.loads(Path("run/metrics.json").read_text())


def begin(folder: Path, script: str, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(ROOT / script), *WORDS, "trainer=ddp_cpu", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for its processes alone
    )


@pytest.mark.slow
def test_ctrl_c_with_two_processes(tmp_path):
    """In mid-epoch, with dropout and distortions."""
    unbroken = begin(tmp_path, "scripts/train.py", "paths.run=unbroken")
    broken = begin(tmp_path, "tests/zoo/training/interrupted_run.py", "paths.run=broken")
    printed = [process.communicate()[0] for process in (unbroken, broken)]
    assert (unbroken.returncode, broken.returncode) == (0, 130), printed
    assert printed[1].count("Go on with:") == 1
    last = printed[1].split("Go on with:")[1].split()[-1]
    assert checkpoint(tmp_path / "broken")["global_step"] == 4
    resumed = begin(tmp_path, "scripts/train.py", "paths.run=resumed", last)
    printed = resumed.communicate()[0]
    assert resumed.returncode == 0, printed
    same(tmp_path / "unbroken", tmp_path / "resumed")
