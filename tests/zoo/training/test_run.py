"""A run as a whole: what it leaves behind, that it repeats, and that an interruption loses nothing."""

import json
from pathlib import Path

import pytest
import torch

from tests.zoo.runs import hint, interrupted, metrics, same, weights
from zoo.base.classifier import Classifier
from zoo.training.loggers import CSVLogger

SHORT = ["trainer.max_epochs=3", "+trainer.limit_train_batches=6"]
RANDOM = ["model=mlp", "model.dropout=0.3", "data.shift=2"]  # a run that lives on random numbers


def outcome(folder: str) -> tuple[str, str]:
    last = metrics(folder)[-1]
    return last["test/loss"], last["test/accuracy"]


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("impl", ["native", "scratch"])
def test_the_folder_of_a_run(impl, start, capsys):
    assert start(f"impl={impl}", *SHORT) == 0
    printed = capsys.readouterr().out
    (folder,) = Path(f"runs/lenet-digits-{impl}").iterdir()
    assert str(folder) in printed.replace("\n", "")
    assert "test/accuracy" in printed
    for name in (
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "config.yaml",
        "command.txt",
        "csv/metrics.csv",
    ):
        assert (folder / name).stat().st_size > 0
    for name in ("learning_curves", "confusion_matrix", "worst_mistakes"):
        assert (folder / f"pictures/{name}.png").read_bytes().startswith(b"\x89PNG")
    assert list((folder / "tensorboard").glob("events.*"))
    assert "${" not in (folder / "config.yaml").read_text()


@pytest.mark.parametrize("impl", ["native", "scratch"])
def test_the_same_command_gives_the_same_bits_and_another_seed_does_not(impl, start):
    for folder, seed in (("first", 0), ("second", 0), ("third", 1)):
        assert start(f"impl={impl}", *RANDOM, *SHORT, f"seed={seed}", f"paths.run={folder}") == 0
    assert outcome("first") == outcome("second")
    assert same(weights("first"), weights("second"))
    assert outcome("first") != outcome("third")
    assert not same(weights("first"), weights("third"))


@pytest.mark.parametrize("step", [3, 5, 6, 9])  # in the middle, at the last batch, at the first, in a later epoch
def test_interrupted_and_resumed_ends_like_unbroken(step, start, capsys):
    assert start("impl=native", *RANDOM, *SHORT, "paths.run=unbroken") == 0
    with interrupted(Classifier, step):
        assert start("impl=native", *RANDOM, *SHORT, "paths.run=broken") == 130
    command = hint(capsys.readouterr().out)
    assert command[:2] == ["python", "scripts/train.py"]
    assert torch.load(command[-1].removeprefix("ckpt_path="), weights_only=True)["global_step"] == step + 1
    words = [word for word in command[2:] if not word.startswith("paths.run=")]
    assert start(*words, "paths.run=resumed") == 0
    assert same(weights("unbroken"), weights("resumed"))
    assert outcome("unbroken") == outcome("resumed")
    assert start(*command[2:]) == 0  # as it was said, in the folder of the run that was broken
    assert same(weights("unbroken"), weights("broken"))
    assert lasting("unbroken", step) == lasting("broken", step)


def lasting(folder: str, step: int) -> list[dict[str, str]]:
    """What was measured, but at that step; and but for the means of an epoch in training, which after an interruption
    are of the rest of the epoch."""
    means = ("train/loss_epoch", "train/accuracy_epoch")
    rows = [row for row in metrics(folder) if int(row["step"]) != step]
    return [{name: row[name] for name in row if row[name] and name not in means} for row in rows]


def test_resuming_a_finished_run_for_more_epochs(start):
    assert start(*RANDOM, *SHORT, "paths.run=long", "trainer.max_epochs=4") == 0
    assert start(*RANDOM, *SHORT, "paths.run=short", "trainer.max_epochs=2") == 0
    last = "ckpt_path=short/checkpoints/last.ckpt"
    assert start(*RANDOM, *SHORT, last, "paths.run=longer", "trainer.max_epochs=4") == 0
    assert same(weights("long"), weights("longer"))


def test_native_and_scratch_give_the_same_numbers(start):
    """Same seed, same initial weights, same order: the curves of the two differ by rounding only."""
    precise = ["trainer.precision=64-true", *SHORT]
    for impl in ("native", "scratch"):
        assert start(f"impl={impl}", *precise, f"paths.run={impl}") == 0
    native, scratch = weights("native"), weights("scratch")
    assert native.keys() == scratch.keys()
    for name in native:
        torch.testing.assert_close(scratch[name], native[name], rtol=1e-9, atol=1e-11)


def test_mixed_implementations(start):
    assert start("impl=native", "impl.optim=torch.optim", *SHORT, "paths.run=mixed") == 0


def test_the_last_checkpoint_is_the_last_also_where_another_is_the_best(start):
    assert (
        start("model=mlp", *SHORT, "callbacks.checkpoint.mode=max") == 0
    )  # by its loss the first epoch stays the best
    (folder,) = Path("runs/mlp-digits-scratch").iterdir()
    epochs = {
        name: torch.load(folder / f"checkpoints/{name}.ckpt", weights_only=True)["epoch"] for name in ("best", "last")
    }
    assert epochs == {"best": 0, "last": 2}


def test_rows_after_the_last_checkpoint_of_a_killed_run_come_once(tmp_path):
    for steps in ((0, 9, 19, 29), (19, 29, 39)):  # killed after 29, and gone on with from 15
        logger = CSVLogger(tmp_path, name="", version="csv", flush_logs_every_n_steps=1, checkpoint="last.ckpt")
        for step in steps:
            logger.log_metrics({"train/loss": len(steps) + step / 100}, step)
    rows = [(int(row["step"]), float(row["train/loss"])) for row in metrics(str(tmp_path))]
    assert rows == [(0, 4.0), (9, 4.09), (19, 3.19), (29, 3.29), (39, 3.39)]
    with open(tmp_path / "csv/metrics.csv", "a") as file:
        file.write("49")  # killed while writing
    for checkpoint, steps in (("last.ckpt", [0, 9, 19, 29, 39, 99]), (None, [99])):  # None: another run begins
        logger = CSVLogger(tmp_path, name="", version="csv", flush_logs_every_n_steps=1, checkpoint=checkpoint)
        logger.log_metrics({"train/loss": 1.0}, 99)
        assert [int(row["step"]) for row in metrics(str(tmp_path))] == steps


def test_threads(start):
    """So many as asked for compute; the record says how many."""
    before = torch.get_num_threads()
    try:
        assert start("model=mlp", "debug=fdr", "threads=3", "name=three") == 0
        (run,) = Path("runs/three").iterdir()
        assert json.loads((run / "record.json").read_text())["threads"] == 3
    finally:
        torch.set_num_threads(before)
