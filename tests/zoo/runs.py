"""Runs and what they leave behind, for the tests of zoo/."""

import csv
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from scratch.testing import Audit, require_equal_networks, resolve
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


def loss_of_step(network: Any, batch: Any) -> torch.Tensor:
    return network.training_step(batch, 0)


def maker(package: str, name: str) -> Callable[[Any], Any]:
    """Makes a package's optimizer of this name for a network."""
    return lambda network: resolve(package, name)(network.parameters(), lr=0.003)


def require_equal_trajectories(ours: Any, theirs: Any, batches: list[Any], optim: str, optimizer: str) -> None:
    """Every output, gradient, parameter and optimizer state over 50 steps."""
    makers = [maker(package, optimizer) for package in (optim, "torch.optim")]
    require_equal_networks(ours, theirs, loss_of_step, batches, makers, steps=50)


def require_primitive_step(network: Any, batch: Any, optim: str, optimizer: str) -> None:
    """A training step computes with primitive operations only."""
    made = maker(optim, optimizer)(network)
    with Audit():
        loss_of_step(network, batch).backward()
        made.step()


@contextmanager
def interrupted(model: type, step: int) -> Iterator[None]:
    """A context in which Ctrl-C reaches a training of this kind of model during one of its steps."""
    training_step = model.training_step  # type: ignore[attr-defined]

    def interrupting(self: Any, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return training_step(self, batch, batch_idx)

    model.training_step = interrupting  # type: ignore[attr-defined]
    try:
        yield
    finally:
        model.training_step = training_step  # type: ignore[attr-defined]


def hint(printed: str) -> list[str]:
    """The command that an interrupted run says goes on with it."""
    return printed.split("Go on with:")[1].split()


def require_resumed_like_unbroken(start: Any, capsys: Any, model: type, step: int, words: list[str]) -> None:
    """A run that is interrupted and resumed in another folder ends as the one that is not."""
    assert start(*words, "paths.run=unbroken") == 0
    with interrupted(model, step):
        assert start(*words, "paths.run=broken") == 130
    again = [word for word in hint(capsys.readouterr().out)[2:] if not word.startswith("paths.run=")]
    assert start(*again, "paths.run=resumed") == 0
    assert same(weights("unbroken"), weights("resumed"))
    assert metrics("unbroken")[-1]["test/loss"] == metrics("resumed")[-1]["test/loss"]
