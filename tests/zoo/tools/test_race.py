"""The race counts passes over the data: every gradient of a line search is one."""

import pytest
import torch

from zoo.tools import race


@pytest.mark.parametrize("name", ["momentum", "Rprop", "conjugate gradient", "L-BFGS"])
def test_as_many_examples_as_passes(name, monkeypatch):
    """A counter of its own in the loss: the curve ends with the step that reads past the passes asked for."""
    read, steps = [], []
    forward, step = race.nn.CrossEntropyLoss.forward, race.step

    def counting(loss, logits, target):
        if torch.is_grad_enabled():
            read.append(len(target))
        return forward(loss, logits, target)

    monkeypatch.setattr(race.nn.CrossEntropyLoss, "forward", counting)
    monkeypatch.setattr(race, "step", lambda *given: (steps.append(sum(read)), step(*given)))
    curve = race.train(name, 1.0 if name in race.ONE_RATE else 0.01, passes=6)
    assert len(curve) == 7
    whole = 1797
    assert steps[-1] < 6 * whole <= sum(read)
    if name in race.ONE_RATE:
        assert len(steps) < 6  # several gradients a step
        assert (curve[1:] == curve[:-1]).any()  # while a line search goes on
    assert curve[-1] < curve[0]
