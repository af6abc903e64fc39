"""Checkpoints are whole at every moment, and a run's folder says what made it."""

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from zoo.errors import Failure
from zoo.keep import WholeFiles, write_whole


def test_a_failing_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    write_whole(path, b"before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Failure, match=r"cannot write .*last.ckpt: No space left on device; it still holds what was"):
        write_whole(path, b"after")
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_nothing_is_seen_under_the_name_before_all_is_written(tmp_path, monkeypatch):
    path, seen = tmp_path / "last.ckpt", []
    write_whole(path, b"before")
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(path.read_bytes()))
    write_whole(path, b"after")
    assert seen[0] == b"before"
    assert path.read_bytes() == b"after"


def counting(path: str) -> None:
    """Write checkpoints one after the other, each a little later in its run than the one before."""
    files, step = WholeFiles(), 0
    while True:
        step += 1
        files.save_checkpoint({"global_step": step, "weights": torch.full((20_000,), float(step))}, path)


@pytest.mark.slow
def test_killed_at_fifty_moments(tmp_path):
    """However a writer is killed, the checkpoint that it leaves can be read, is of one moment, and no old one."""
    context, generator = multiprocessing.get_context("fork"), random.Random(0)
    for trial in range(50):
        path = tmp_path / f"{trial}.ckpt"
        writer = context.Process(target=counting, args=(str(path),))
        writer.start()
        while not path.exists():
            time.sleep(0.001)
        time.sleep(generator.uniform(0, 0.05))
        seen = torch.load(path, weights_only=True)["global_step"]
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        checkpoint = torch.load(path, weights_only=True)
        assert checkpoint["global_step"] >= seen
        assert torch.equal(checkpoint["weights"], torch.full((20_000,), float(checkpoint["global_step"])))


def test_the_record_of_a_run_and_going_on_from_the_last(start):
    short = ["model=mlp", "+trainer.limit_train_batches=3"]
    assert start(*short, "trainer.max_epochs=1", "tags=[first]") == 0
    (folder,) = Path("runs/mlp-digits-scratch").iterdir()
    record = json.loads((folder / "record.json").read_text())
    assert record["seed"] == 0
    assert record["tags"] == ["first"]
    assert record["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert "test/accuracy" in json.loads((folder / "metrics.json").read_text())
    assert start(*short, "trainer.max_epochs=2", "ckpt_path=last") == 0
    newest = max(Path("runs/mlp-digits-scratch").iterdir(), key=lambda path: path.stat().st_mtime)
    assert newest != folder
    assert torch.load(newest / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 6


def test_a_run_goes_on_with_the_other_implementation(start):
    """Weights and the optimizer's state are the same in both, so a run may change sides: 1e-5 in float32."""
    short = ["model=mlp", "+trainer.limit_train_batches=3", "trainer.max_epochs=2"]
    assert start(*short, "impl=native", "paths.run=runs/whole") == 0
    assert start(*short[:2], "trainer.max_epochs=1", "impl=native", "paths.run=runs/half") == 0
    assert start(*short, "impl=scratch", "paths.run=runs/rest", "ckpt_path=runs/half/checkpoints/last.ckpt") == 0
    whole, rest = (
        torch.load(f"runs/{name}/checkpoints/last.ckpt", weights_only=True)["state_dict"] for name in ("whole", "rest")
    )
    for name, weight in whole.items():
        torch.testing.assert_close(rest[name], weight, rtol=1e-5, atol=1e-6)
