"""Another optimizer from a chosen epoch on, and checkpoints of chosen epochs."""

from pathlib import Path

import pytest
import torch
from hydra.errors import InstantiationException

from tests.zoo.runs import weights
from zoo.core.errors import UsageError

THEN = "callbacks.switch_optimizer"
SWITCH = ["callbacks=[default,switch_optimizer]", "optimizer=adam", "trainer.max_epochs=3", f"{THEN}.epoch=2"]
SWITCH += ["optimizer@callbacks.switch_optimizer.optimizer=nesterov", f"{THEN}.optimizer.lr=0.03"]


def test_adam_then_nesterov(train):
    """Until the switch it is Adam's run, to the bit, and after it another."""
    (state,) = train("both", *SWITCH, "callbacks.at_epochs.epochs=[2]")["optimizer_states"]
    train("adam", "optimizer=adam", "trainer.max_epochs=2")
    middle = torch.load("both/checkpoints/epoch_2.ckpt", weights_only=True)["state_dict"]
    for name, weight in weights("adam").items():
        assert torch.equal(middle[name], weight), name
        assert not torch.equal(weights("both")[name], weight), name
    assert "exp_avg" not in state["state"][0]
    assert state["param_groups"][0]["lr"] == 0.03


@pytest.mark.parametrize("epoch", [pytest.param(1, marks=pytest.mark.slow), 2, 3])
def test_resumed_before_at_and_after_the_switch(epoch, train):
    words = [*SWITCH, "scheduler=cosine", "trainer.max_epochs=4", f"callbacks.at_epochs.epochs=[{epoch}]"]
    train("whole", *words)
    train("rest", *words, f"ckpt_path=whole/checkpoints/epoch_{epoch}.ckpt")
    for name, weight in weights("whole").items():
        assert torch.equal(weights("rest")[name], weight), name


def test_the_schedule_goes_on(train):
    """A tenth of the rate from the first epoch on: the optimizer that comes later has it too."""
    words = ["scheduler=multistep", "scheduler.scheduler.milestones=[1]", "scheduler.scheduler.gamma=0.1"]
    (state,) = train("both", *SWITCH, *words)["optimizer_states"]
    assert state["param_groups"][0]["lr"] == pytest.approx(0.003)


def test_refused(train):
    with pytest.raises(UsageError, match=r"switch_optimizer.epoch=3: must be less than trainer.max_epochs=3"):
        train("run", *SWITCH, f"{THEN}.epoch=3")
    with pytest.raises(UsageError, match=r"switch_optimizer.optimizer: .*-1"):
        train("run", *SWITCH, f"{THEN}.optimizer.lr=-1")
    with pytest.raises(InstantiationException, match=r"callbacks.at_epochs.epochs=0: must be at least 1"):
        train("other", "callbacks.at_epochs.epochs=[0]")
    assert not Path("other").exists()
    train("run", *SWITCH)
    with pytest.raises(UsageError, match=r"was trained with callbacks.switch_optimizer.epoch=2, but"):
        train("rest", *SWITCH, f"{THEN}.epoch=1", "ckpt_path=run")
