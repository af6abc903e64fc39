"""debug=…: what each of them is for."""

import csv
from pathlib import Path

import pytest
import torch

from zoo.callbacks.limit import Limit
from zoo.core.errors import UsageError

PLAIN = ["model=mlp", "data.image_size=8", "~callbacks.progress", "+trainer.enable_progress_bar=false", "logger=csv"]


def steps(folder: str) -> int:
    return torch.load(Path(folder) / "checkpoints/last.ckpt", weights_only=True)["global_step"]


def test_overfit_learns_two_batches_by_heart(start, capsys):
    """Dropout, smoothed weights and distortions are out of the way, or it would not come so near to 0."""
    words = [*PLAIN, "model.dropout=0.5", "optimizer=adamw", "optimizer.weight_decay=1", "penalty.l2=0"]
    assert start("debug=overfit", *words, "data.batch_size=16", "paths.run=run") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "2 batches learned by heart after" in said
    assert "guessing among 10 classes: 2.303) to 0.00" in said
    with open("run/csv/metrics.csv", newline="") as file:
        losses = [float(row["train/loss_step"]) for row in csv.DictReader(file) if row["train/loss_step"]]
    assert losses[-1] < 0.05 < losses[0]


def test_overfit_ends_with_a_line_where_nothing_is_learned(start, capsys):
    few = ["callbacks.memorise.passes=2", "trainer.max_epochs=1", "optimizer.lr=0", "data.batch_size=16"]
    assert start("debug=overfit", *PLAIN, *few) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: 2 batches not learned by heart after 4 steps")
    assert err.count("\n") == 1


def test_limit_takes_a_part_and_one_batch_at_least(start):
    """1 257 pictures to learn from make 20 batches of 64; validation has fewer than ten."""
    assert start("debug=limit", *PLAIN, "trainer.max_epochs=2", "paths.run=run") == 0
    assert steps("run") == 2 * 2
    for fraction in (0, 1.5):
        with pytest.raises(UsageError, match="above 0 and at most 1"):
            Limit(fraction)


def test_profiler_writes_where_the_time_went(start):
    assert start("debug=profiler", *PLAIN, "+trainer.limit_train_batches=2", "paths.run=run") == 0
    assert "optimizer_step" in Path("run/fit-profile.txt").read_text()
    assert "test_step" in Path("run/test-profile.txt").read_text()


def test_fdr_keeps_nothing_but_the_record(start):
    assert start("debug=fdr", *PLAIN) == 0
    (folder,) = Path("runs/debug").iterdir()
    assert not (folder / "checkpoints").exists()
    assert not (folder / "csv").exists()


@pytest.mark.parametrize("script", ["train", "seeds"])
def test_more_bells_than_pictures(script, start, capsys, tmp_path):
    """Told before the run has a folder."""
    if script == "seeds":
        from zoo.tools.seeds import train_seeds as task
    else:
        from zoo.training.run import train as task
    from tests.zoo.training.test_configs import composed

    with pytest.raises(UsageError, match=r"model.units=5000: must be at most 1257, the number of pictures"):
        task(composed("model=rbf", "model.units=5000", *(["+seeds=2"] if script == "seeds" else [])))
    assert list(tmp_path.iterdir()) == []
