"""What a run costs is told before its first step, and after its first steps; and telling it changes nothing."""

import re

import pytest
import torch

from tests.zoo.runs import composed, same
from zoo.callbacks import cost
from zoo.training import run

LINES = re.compile(r"MLP: (.*) parameters of (.*), their .*; a batch keeps (.*) for its backward pass")


def test_it_is_told_once_and_changes_nothing(train, capsys):
    words = ["model.dropout=0.3", "trainer.max_epochs=4"]
    told = train("told", *words)["state_dict"]
    printed = capsys.readouterr().out
    assert len(LINES.findall(printed)) == printed.count("A step takes") == 1
    assert " an epoch, " in printed
    untold = train("untold", *words, "callbacks.cost=null")["state_dict"]
    assert "parameters of" not in capsys.readouterr().out
    assert same(told, untold)


def test_numbers_of_a_perceptron(train, capsys):
    """Without hidden layers: 10 weights for each of 8 x 8 pixels, and 10 biases, in float64; for the backward pass the
    pictures, the logarithms of the softmax, the classes, and the total weight."""
    train("run", "model.depth=0", "data.image_size=8", "data.batch_size=16", "impl=native")
    ((count, weights, kept),) = LINES.findall(capsys.readouterr().out)
    assert (count, weights) == ("650", cost.size(650 * 8))
    assert kept == cost.size(16 * 64 * 8 + 16 * 10 * 8 + 16 * 8 + 8)


def test_a_short_run_of_single_steps(tmp_path, capsys, monkeypatch):
    """A graph is one batch: the time of an epoch is that of a step with what lies between."""
    monkeypatch.chdir(tmp_path)
    run.train(composed("model=gcn", "trainer.max_epochs=12", "logger=csv", "callbacks.progress=null", "paths.run=run"))
    printed = capsys.readouterr().out
    assert "GCN: 638 parameters" in printed
    assert " for 1, " in printed  # epoch is left after ten steps and the first


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (2048, "2 KiB"), (5 * 2**20, "5 MiB"), (2**34, "16 GiB")]
)
def test_sizes(count, text):
    assert cost.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0123, "12.3 ms"), (3.4, "3.4 s"), (150, "2.5 min"), (5400, "1.5 h"), (0, "0 ms")]
)
def test_durations(seconds, text):
    assert cost.duration(seconds) == text


def test_nested_state():
    first, second = torch.zeros(3), torch.zeros(2, dtype=torch.float64)
    assert cost.held(cost.each({"a": first, "b": [second, {"c": first}], "d": 7})) == 12 + 16 + 12
