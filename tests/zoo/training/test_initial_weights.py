"""init_from=: another run begins with a run's weights, and with a rate, an optimizer and data of its own."""

import pytest
import torch

from tests.zoo.runs import checkpoint
from zoo.core.errors import UsageError

STILL = "optimizer.lr=0"  # a run that leaves its weights where they were


def test_another_rate_and_optimizer(train, capsys):
    before = train("first", "optimizer.lr=0.01")["state_dict"]
    after = train("still", "init_from=first/checkpoints/last.ckpt", STILL)
    assert after["epoch"] == 0
    for name, weight in after["state_dict"].items():
        assert weight.dtype is torch.float64
        assert torch.equal(weight, before[name]), name
    said = capsys.readouterr().out
    assert "weights: 6 of 6 tensors from first/checkpoints/last.ckpt" in said
    assert "left as new" not in said
    assert train("adam", "init_from=first", "optimizer=adam")["global_step"] == 4


def test_what_does_not_fit_is_left_as_new_and_said(train, capsys):
    before = train("first")["state_dict"]
    new = train("other", "data.image_size=16", STILL)["state_dict"]
    after = train("smaller", "init_from=first/checkpoints/last.ckpt", "data.image_size=16", STILL)["state_dict"]
    for name in before:
        assert torch.equal(after[name], (new if name == "network.1.weight" else before)[name]), name
    said = capsys.readouterr().out
    assert "weights: 5 of 6 tensors" in said
    assert "of another shape, and so left as new: network.1.weight ((8, 1024) there, (8, 256) here)" in said
    deeper = train("deeper", "init_from=first/checkpoints/last.ckpt", "model.depth=3", STILL)["state_dict"]
    assert "not there, and so left as new: network.7.weight, network.7.bias" in capsys.readouterr().out
    assert torch.equal(deeper["network.3.weight"], before["network.3.weight"])


def test_refused(train):
    train("first")
    with pytest.raises(UsageError, match=r"init_from=nowhere.ckpt: no such file"):
        train("second", "init_from=nowhere.ckpt")
    with pytest.raises(UsageError, match=r"init_from=first: not with ckpt_path=first.*, which resumes"):
        train("second", "init_from=first", "ckpt_path=first")


@pytest.mark.slow
def test_the_tuning_recipe_to_its_end(train):
    """Of the lecture notes: with momentum for long, then a tenth of the rate from chosen epochs on."""
    sgd = ["optimizer.momentum=0.9", "trainer.max_epochs=3"]
    train("many", *sgd, "optimizer.lr=0.1", "callbacks.at_epochs.epochs=[1,2]")
    for epoch in (1, 2):
        after = train(f"from_{epoch}", *sgd, f"init_from=many/checkpoints/epoch_{epoch}.ckpt", "optimizer.lr=0.01")
        assert after["optimizer_states"][0]["param_groups"][0]["lr"] == 0.01
        assert checkpoint(f"from_{epoch}")["epoch"] == 2
