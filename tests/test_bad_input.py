"""Wrong commands: one line that names the wrong value and the legal ones, exit status 2, and nothing left behind."""

import sys

import pytest
import torch

from scripts import train
from zoo.cli import command

WRONG = [
    # words of the command line, parts of the line it gives
    (["model=lenett"], ["model=lenett", "did you mean 'lenet'", "mlp"]),
    (["impl=scrach"], ["impl=scrach", "did you mean 'scratch'", "native", "importable package"]),
    (["data=minst"], ["data=minst", "did you mean 'mnist'", "digits"]),
    (["optimizer=adm"], ["optimizer=adm", "did you mean 'adam'", "sgd"]),
    (["experiment=lenet_minst"], ["experiment=lenet_minst", "lenet_mnist", "lenet_sigmoid"]),
    (["modle=lenet"], ["modle", "unknown key", "did you mean 'model'"]),
    (["optimizer.learning_rate=1"], ["optimizer.learning_rate", "unknown key", "lr"]),
    (["trainer.max_epoch=1"], ["trainer.max_epoch", "did you mean 'max_epochs'"]),
    (["optimizer.lr=-0.1"], ["learning rate", "-0.1"]),
    (["optimizer.lr=fast"], ["optimizer", "fast"]),
    (["data.batch_size=0"], ["data.batch_size=0", "at least 1"]),
    (["data.batch_size=many"], ["data.batch_size=many", "number"]),
    (["trainer.max_epochs=0"], ["trainer.max_epochs=0", "at least 1"]),
    (["trainer.accelerator=abacus"], ["trainer", "abacus"]),
    (["trainer.precision=12"], ["trainer", "12"]),
    (["data.image_size=30"], ["data.image_size=30", "28", "32"]),
    (["model.variant=relu6"], ["model.variant=relu6", "tanh, sigmoid, relu"]),
    (["model=mlp", "model.activation=Relu"], ["model.activation=Relu", "did you mean 'ReLU'"]),
    (["model=mlp", "model.depth=-1"], ["model.depth=-1", "at least 0"]),
    (["model=mlp", "model.dropout=1"], ["model.dropout=1", "less than 1"]),
    (["model=rbf", "model.centres=mean"], ["model.centres=mean", "did you mean 'kmeans'", "random"]),
    (["model=rbf", "model.units=1"], ["model.units=1", "at least 2"]),
    (["seed=-1"], ["seed=-1", "at least 0"]),
    (["ckpt_path=nowhere.ckpt"], ["nowhere.ckpt", "no such file"]),
    (["impl.layers=torch.optim"], ["torch.optim", "CrossEntropyLoss"]),
    (["impl.optim=torch.nn"], ["torch.nn", "has no 'Adam'"]),
    (["model.variant"], ["model.variant"]),
    (["trainer.max_epochs=["], ["trainer.max_epochs=["]),
]


def run(words, tmp_path, monkeypatch, capsys):
    """The exit status and the two outputs of scripts/train.py."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    monkeypatch.setattr(sys, "path", list(sys.path))
    status = 0
    try:
        command(train.task, "train")
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize(("words", "parts"), WRONG, ids=lambda value: " ".join(value) if "=" in value[0] else "")
def test_one_clear_line(words, parts, tmp_path, monkeypatch, capsys):
    status, _, err = run(words, tmp_path, monkeypatch, capsys)
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err
    assert list(tmp_path.iterdir()) == []


def test_the_traceback_comes_when_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", "model=lenett"])
    with pytest.raises(Exception, match="lenett"):
        command(train.task, "train")


def test_a_checkpoint_of_another_model(tmp_path, monkeypatch, capsys):
    quick = ["impl=native", "trainer.max_epochs=1", "paths.run=made", "+trainer.limit_train_batches=1"]
    assert run(["model=mlp", *quick], tmp_path, monkeypatch, capsys)[0] == 0
    again = ["ckpt_path=made/checkpoints/last.ckpt", "paths.run=never"]
    status, _, err = run(["model=lenet", *again], tmp_path, monkeypatch, capsys)
    assert (status, err.count("\n")) == (2, 1)
    assert "zoo.mlp.MLP" in err
    assert "zoo.lenet.LeNet" in err
    status, _, err = run(["model=mlp", "model.width=32", *again], tmp_path, monkeypatch, capsys)
    assert (status, err.count("\n")) == (2, 1)
    assert "width=256" in err
    assert "width=32" in err
    (tmp_path / "made/checkpoints/last.ckpt").write_bytes(b"not a checkpoint")
    status, _, err = run(["model=mlp", *again], tmp_path, monkeypatch, capsys)
    assert (status, err.count("\n")) == (2, 1)
    assert "damaged" in err
    assert not (tmp_path / "never").exists()


def test_labels_out_of_range(tmp_path, monkeypatch, capsys):
    from zoo.data.digits import Digits
    from zoo.data.images import Images

    splits = {name: Images(torch.zeros(4, 1, 32, 32), torch.tensor([0, 1, 10, 2])) for name in ("train", "val", "test")}
    monkeypatch.setattr(Digits, "load", lambda self: splits)
    status, _, err = run([], tmp_path, monkeypatch, capsys)
    assert (status, err.count("\n")) == (2, 1)
    assert "label 10 out of range; legal are 0 to 9" in err


def test_pictures_of_another_size(tmp_path, monkeypatch, capsys):
    from zoo.data.digits import Digits
    from zoo.data.images import Images

    splits = {name: Images(torch.zeros(4, 1, 8, 8), torch.zeros(4).long()) for name in ("train", "val", "test")}
    monkeypatch.setattr(Digits, "load", lambda self: splits)
    status, _, err = run([], tmp_path, monkeypatch, capsys)
    assert (status, err.count("\n")) == (2, 1)
    assert "(1, 8, 8)" in err
    assert "(1, 32, 32)" in err
