"""scripts/seeds.py is scripts/train.py once for every seed."""

import csv
import json
from pathlib import Path

import pytest

MONITORED = ["callbacks.checkpoint.monitor=val/accuracy", "callbacks.checkpoint.mode=max"]


@pytest.mark.parametrize("monitor", [MONITORED, ["callbacks.checkpoint.monitor=null"]], ids=["best", "last"])
def test_a_seed_gives_what_training_with_it_gives(monitor, call):
    words = ["model=mlp", "data.image_size=8", "trainer.max_epochs=2", "+trainer.limit_train_batches=3", *monitor]
    assert call("seeds", *words, "seed=4", "seeds=2", "paths.run=many") == 0
    assert call("train", *words, "seed=5", "paths.run=one") == 0
    with open("many/seeds.csv", newline="") as file:
        _, row = csv.DictReader(file)
    metrics = json.loads(Path("one/metrics.json").read_text())
    assert row == {"seed": "5", **{name: str(metrics[name]) for name in ("test/loss", "test/accuracy")}}
    assert not any(Path("many").glob("**/*.ckpt"))
    assert not Path("many/pictures").exists()
