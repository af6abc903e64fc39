"""Checkpoints are whole at every moment, and a run's folder says what made it."""

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts import train
from zoo.callbacks import checkpoints
from zoo.callbacks.progress import Bar
from zoo.core.errors import Failure
from zoo.core.files import write_whole
from zoo.mlp import MLP
from zoo.training.checkpoint import WholeFiles


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


# The trainings are forks of a process that has imported everything and computed nothing, as torch's threads survive no
# fork.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["scripts.train", "zoo.training.run", "zoo.mlp", "zoo.data.digits", "matplotlib.pyplot"])


def training(folder: Path, words: tuple[str, ...], telling: Connection) -> None:
    """A training in `folder`, which tells at which step it begins."""
    os.chdir(folder)
    for stream in (1, 2):
        os.dup2(os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    MLP.on_train_start = lambda model: telling.send(model.global_step)
    sys.argv = ["scripts/train.py", *words]
    train.main()


class Training:
    """A training in a process of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.told, telling = SERVER.Pipe(duplex=False)
        self.process = SERVER.Process(target=training, args=(folder, words, telling))
        self.process.start()
        telling.close()

    def computed(self) -> float:
        """Seconds; a machine that is busy with something else makes no difference to them."""
        return time.clock_gettime((~self.process.pid << 3) | 2)  # Linux's number for the clock of another process

    def began(self) -> int | None:
        """Its first step; None where it ended before. Waits for either."""
        try:
            return self.told.recv()
        except EOFError:
            return None

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        assert self.process.exitcode == -signal.SIGKILL, (self.folder / "output.txt").read_text()


def newest() -> Path | None:
    return max(Path("runs").glob("*/*/checkpoints/last.ckpt"), key=lambda path: path.stat().st_mtime, default=None)


def step_of(path: Path | None) -> int:
    return 0 if path is None else torch.load(path, weights_only=True)["global_step"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the clock of another process")
def test_a_training_killed_at_fifty_moments(start, tmp_path, monkeypatch):
    """Five trainings are each killed ten times, half of the time before their first step, and taken up again.

    No kill leaves an unreadable checkpoint; every process begins at the step of the last one, and at zero only where
    there is none; and the end is that of an unbroken training.
    """
    tiny = ["impl=native", "model=mlp", "model.width=8", "model.dropout=0.3", "data.image_size=8", "data.batch_size=8"]
    quick = ["+trainer.limit_train_batches=7", "+trainer.limit_val_batches=1", "+trainer.limit_test_batches=1"]
    words = [*tiny, *quick, "callbacks.last.steps=2", "callbacks.progress=null", "logger=csv"]
    generator, kills = random.Random(0), Counter()
    for chain in range(5):
        folder = tmp_path / str(chain)
        folder.mkdir()
        monkeypatch.chdir(folder)
        probe = Training(folder, *words, "paths.run=probe")
        assert probe.began() == 0
        preparing = probe.computed()
        probe.kill()
        for trial in range(10):
            last = newest()
            step = step_of(last)
            resume = [] if last is None else ["ckpt_path=last" if trial % 2 else f"ckpt_path={last.parents[1]}"]
            run = Training(folder, *words, "trainer.max_epochs=1000", *resume)
            moment = generator.uniform(0, 2 * preparing)
            while run.process.is_alive() and run.computed() < moment:
                time.sleep(0.002)
            run.kill()
            began = run.began()
            assert began in (None, step)
            assert step_of(newest()) >= step
            when = "before its first step" if began is None else "later"
            kills[when, "no checkpoint" if newest() is None else "a checkpoint"] += 1
    assert sum(kills.values()) == 50
    for phase in (("before its first step", "no checkpoint"), ("before its first step", "a checkpoint")):
        assert kills[phase] >= 3, kills
    assert kills["later", "a checkpoint"] >= 10, kills

    epochs = f"trainer.max_epochs={step_of(newest()) // 7 + 1}"
    assert start(*words, epochs, "ckpt_path=last", "paths.run=mended") == 0
    assert start(*words, epochs, "paths.run=unbroken") == 0
    mended, unbroken = (
        torch.load(f"{name}/checkpoints/last.ckpt", weights_only=True) for name in ("mended", "unbroken")
    )
    assert mended["global_step"] == unbroken["global_step"]
    for name, weight in unbroken["state_dict"].items():
        assert torch.equal(mended["state_dict"][name], weight)


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


def best_of(folder: str) -> dict[str, Any]:
    return torch.load(f"{folder}/checkpoints/best.ckpt", weights_only=True)


def test_the_best_checkpoint_is_the_same_whether_it_was_kept_in_memory_or_not(train, monkeypatch):
    words = ["trainer.max_epochs=6", "optimizer.lr=0.05"]
    save, writes, counts = WholeFiles.save_checkpoint, [], {}

    def counted(self, content, path, **options):
        writes.append(Path(path).name)
        save(self, content, path, **options)

    monkeypatch.setattr(WholeFiles, "save_checkpoint", counted)
    for name, seconds in (("each", 0.0), ("kept", 1000.0)):
        monkeypatch.setattr(checkpoints, "SECONDS", seconds)
        writes.clear()
        train(name, *words)
        assert set(writes) == {"best.ckpt", "last.ckpt"}
        counts[name] = len(writes)
    assert counts["each"] > counts["kept"]
    each, kept = best_of("each"), best_of("kept")
    assert each["epoch"] == kept["epoch"] > 0
    assert all(torch.equal(weight, kept["state_dict"][name]) for name, weight in each["state_dict"].items())
    states = [content["optimizer_states"] for content in (each, kept)]
    assert str(states[0]) == str(states[1])
    last = [torch.load(f"{name}/checkpoints/last.ckpt", weights_only=True) for name in ("each", "kept")]
    assert last[0]["global_step"] == last[1]["global_step"] == 24


def test_the_best_checkpoint_is_named_by_epoch_and_step(train):
    train("named", "trainer.max_epochs=2", r"callbacks.checkpoint.filename='{epoch}-{step}'")
    (best,) = Path("named/checkpoints").glob("epoch=*.ckpt")
    content = torch.load(best, weights_only=True)
    assert best.name == f"epoch={content['epoch']}-step={content['global_step']}.ckpt"


def test_a_run_that_fails_leaves_the_best_checkpoint_that_it_kept(train, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 1000.0)
    step = MLP.training_step

    def failing(self, batch, batch_idx):
        if self.current_epoch == 4:
            raise RuntimeError("broken")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(MLP, "training_step", failing)
    with pytest.raises(RuntimeError, match="broken"):
        train("failed", "trainer.max_epochs=6", "optimizer.lr=0.05")
    assert best_of("failed")["epoch"] > 0


def test_what_is_copied_is_not_changed_by_later_steps():
    weight = torch.ones(2)
    content = {"a": [weight, (weight, 3)], "b": {"c": weight}}
    kept = checkpoints.copied(content)
    weight.add_(1)
    assert str(kept) == "{'a': [tensor([1., 1.]), (tensor([1., 1.]), 3)], 'b': {'c': tensor([1., 1.])}}"


def test_a_bar_is_drawn_ten_times_a_second_at_most(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(Bar, "last", 0.0)
    monkeypatch.setattr("zoo.callbacks.progress.time.monotonic", lambda: now[0])
    asked = []
    for epoch in range(50):
        bar = Bar(
            desc=f"Epoch {epoch}", total=1, leave=True, file=sys.stdout,
            metrics=lambda epoch=epoch: asked.append(epoch) or {"loss": f"{epoch}.5"},
        )  # fmt: skip
        bar.n = 1
        bar.refresh()
        bar.close()
        now[0] += 0.01
    lines = [line for line in capsys.readouterr().out.split("\n") if line.strip()]
    assert 4 <= len(lines) <= 6
    assert "1/1" in lines[0]  # a bar that was drawn is drawn to its end
    assert len(set(asked)) == len(lines)  # what stands beside a bar is asked for those alone that are drawn
    for line, epoch in zip(lines, sorted(set(asked)), strict=True):
        assert line.rstrip().endswith(f"loss={epoch}.5]")
