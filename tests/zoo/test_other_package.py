"""Somebody else's implementation: a package outside of this repository, given by its name alone."""

import json

import pytest


@pytest.fixture
def theirs(call, tmp_path):
    """Runs a script in a folder with a package `theirs` that wraps torch.nn and torch.optim; gives the exit status."""
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "nn.py").write_text("from torch.nn import *\n")
    (package / "optim.py").write_text("from torch.optim import *\n")
    (tmp_path / "layers_only.py").write_text(
        "from torch.nn import *\nfrom torch.nn import Tanh as _Tanh\n\n\n"
        "class Tanh(_Tanh):\n    def forward(self, x):\n        return 1.001 * super().forward(x)\n"
    )
    return call


def test_it_trains(theirs, tmp_path):
    short = ["trainer.max_epochs=1", "+trainer.limit_train_batches=2"]
    assert theirs("train", "impl=theirs", *short, "paths.run=run") == 0
    resolved = (tmp_path / "run/config.yaml").read_text()
    assert "layers: theirs.nn" in resolved
    assert "optim: theirs.optim" in resolved
    assert "_target_: theirs.optim.Adam" in resolved
    assert theirs("train", "impl=layers_only", *short, "paths.run=other") == 0
    resolved = (tmp_path / "other/config.yaml").read_text()
    assert "layers: layers_only" in resolved
    assert "optim: torch.optim" in resolved


def test_it_is_verified(theirs, capsys):
    assert theirs("verify", "impl=theirs", "reference=native", "steps=3") == 0
    assert theirs("verify", "impl=theirs", "reference=scratch", "steps=3") == 0
    capsys.readouterr()
    assert theirs("verify", "impl=layers_only", "reference=native", "steps=3") == 1
    assert "Tanh" in capsys.readouterr().out  # where it goes wrong


def test_it_is_timed(theirs, tmp_path):
    few = ["seconds=0.01", "batch_sizes=[2]", "only=[linear]", "json=times.json"]
    assert theirs("benchmark", "impl=theirs", "reference=scratch", *few) == 0
    results = json.loads((tmp_path / "times.json").read_text())["results"]
    assert [result["task"] for result in results] == ["LeNet training step, batch 2", "linear"]
    assert all(result["milliseconds"] > 0 and result["mebibytes"] > 0 for result in results)


@pytest.mark.parametrize("what", ["model", "layers", "optimizers", "graph"])
def test_every_kind_of_benchmark(what, theirs, tmp_path):
    few = ["seconds=0.001", "batch_sizes=[2]", "only=[relu,sgd]", "graph.nodes=[50]", "json=times.json"]
    assert theirs("benchmark", f"what={what}", *few) == 0
    (result,) = json.loads((tmp_path / "times.json").read_text())["results"]
    assert result["milliseconds"] > 0


def test_a_layer_it_lacks_is_named(theirs, tmp_path, capsys):
    (tmp_path / "few_layers.py").write_text("from torch.nn import CrossEntropyLoss, Linear\n")
    assert theirs("train", "impl=few_layers") == 2
    assert "the package 'few_layers' has no 'Tanh'; it offers CrossEntropyLoss, Linear" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
