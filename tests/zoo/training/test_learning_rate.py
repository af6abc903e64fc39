"""tune=lr finds the largest learning rate with which the loss settles."""

import pytest

from tests.zoo.runs import PLAIN, SHORT, composed
from zoo.core.errors import UsageError
from zoo.training import run
from zoo.training.learning_rate import Trial

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("drawn")]


@pytest.mark.parametrize(
    ("losses", "settled"),
    [
        ([2.0, 1.5, 1.2, 1.0, 0.9, 0.8, 0.8, 0.7], True),
        ([2.0, 1.0, 3.0, 0.5, 4.0, 0.2, 5.0, 0.9], False),  # jumps about
        ([2.0, 2.1, 2.2, 2.3, 2.5, 2.6, 2.8, 3.0], False),  # rises
        ([2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], False),  # stays
        ([2.0, 1.0, 0.5, float("nan")], False),
        ([2.0], False),
    ],
)
def test_settled(losses, settled):
    assert Trial(0.1, losses).settled is settled


def test_the_range_test_goes_down_until_the_loss_settles(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["tune=lr", "tuning.steps=16", "tuning.largest=100", "tuning.factor=0.1", "data.batch_size=64"]
    found = run.train(composed(*PLAIN, *SHORT[4:], "paths.run=tuned", *words))
    assert 1e-3 <= found["lr"] <= 1
    assert f"optimizer.lr={found['lr']:.2g}" in capsys.readouterr().out
    assert (tmp_path / "tuned/pictures/learning_rate.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="settles with no learning rate"):
        run.train(composed(*PLAIN, *SHORT[4:], "paths.run=none", *words, "tuning.smallest=100"))
