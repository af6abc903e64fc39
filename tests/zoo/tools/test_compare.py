"""Runs are compared by what differs, and their curves are overlaid."""

import json
from pathlib import Path

import pytest

from zoo.tools.compare import overlaid, read, short_names


@pytest.fixture
def runs(tmp_path):
    """Two folders of runs, and one of a run that was broken off."""
    for name, lr in (("first", 0.1), ("second", 0.01), ("broken", 0.01)):
        folder = tmp_path / "runs" / name
        (folder / "csv").mkdir(parents=True)
        (folder / "config.yaml").write_text(
            f"seed: 0\nname: {name}\noptimizer: {{lr: {lr}, betas: [0.9, 0.99]}}\n"
            f"paths: {{run: runs/{name}}}\nlogger: {{save_dir: runs/{name}}}\ndir: runs/{name}/checkpoints\n"
        )
        record = {"seed": 0, "commit": "abc", "changed": [" M a"] * (lr == 0.1), "versions": {"torch": "2", "x": lr}}
        (folder / "record.json").write_text(json.dumps(record))
        lines = ["epoch,step,train/loss_epoch,train/loss_step,val/accuracy,val/loss"]
        lines += [f"0,{step},,2.0,,\n0,{step},{lr},,0.5,{lr}" for step in range(3)]
        (folder / "csv" / "metrics.csv").write_text("\n".join(lines))
        if name != "broken":
            (folder / "metrics.json").write_text(json.dumps({"test/loss": lr, "test/accuracy": 1 - lr}))
    return [tmp_path / "runs" / name for name in ("first", "second", "broken")]


def test_what_differs_is_told_and_nothing_else(runs, call, capsys):
    assert call("compare", *map(str, runs)) == 0
    told = capsys.readouterr().out
    for part in ("optimizer.lr", "versions.x", "1 files", "90.00%", "99.00%", "broken: has no metrics.json"):
        assert part in told
    for part in ("seed", "betas", "save_dir", "checkpoints", "commit", "versions.torch"):
        assert part not in told
    assert Path("comparison.png").read_bytes().startswith(b"\x89PNG")


def test_a_colour_for_each_run_and_a_panel_for_each_quantity(runs):
    figure = overlaid([read(folder, folder.name) for folder in runs])
    accuracy, loss = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["accuracy", "loss"]
    assert [(line.get_color(), line.get_linestyle()) for line in loss.get_lines()] == [
        (f"C{run}", style) for run in range(3) for style in ("--", "-")
    ]
    assert [line.get_color() for line in accuracy.get_lines()] == ["C0", "C1", "C2"]
    assert loss.get_lines()[0].get_ydata() == pytest.approx([0.1] * 3)


def test_names_are_as_long_as_it_takes(tmp_path):
    assert short_names([tmp_path / "a/best", tmp_path / "b/best"]) == ["a/best", "b/best"]
    assert short_names([tmp_path / "a/x", tmp_path / "b/y"]) == ["x", "y"]
