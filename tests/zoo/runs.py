"""Runs and what they leave behind, for the tests of zoo/."""

import csv
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from zoo.training.cli import CONF

ROOT = Path(__file__).parents[2]
PLAIN = ["data.rotate=0", "data.scale=0", "data.shift=0", "model=mlp", "model.width=8"]
SHORT = ["trainer.max_epochs=1", "+trainer.limit_train_batches=4", "+trainer.limit_val_batches=1"]
SHORT += ["+trainer.limit_test_batches=1", "optimizer=sgd", "trainer.precision=64-true", "logger=csv"]


def composed(*words: str) -> Any:
    """The configuration of scripts/train.py with these words of a command line."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", ["name=test", *words])


def checkpoint(folder: str | Path) -> dict[str, Any]:
    """The last checkpoint of the run in a folder."""
    return torch.load(Path(folder) / "checkpoints/last.ckpt", weights_only=True)


def weights(folder: str | Path) -> dict[str, torch.Tensor]:
    return checkpoint(folder)["state_dict"]


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def metrics(folder: str | Path) -> list[dict[str, str]]:
    """The rows of csv/metrics.csv."""
    with open(Path(folder) / "csv/metrics.csv", newline="") as file:
        return list(csv.DictReader(file))
