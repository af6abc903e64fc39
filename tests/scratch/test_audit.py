"""The list of what a model leaves to torch: every place, forward and backward, and nothing else."""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import scratch.nn
from scratch import audit, by_hand, convert


class Net(nn.Module):
    """As after a change of imports: the layers are ours, the functions and methods torch's."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = scratch.nn.Linear(4, 4), scratch.nn.BatchNorm1d(4)
        self.part = nn.Sequential(nn.Linear(4, 4))

    def forward(self, x):
        x = self.norm(self.layer(x))
        y = torch.sigmoid(x)
        y = y.relu()
        y = self.part(y)
        return {"probabilities": (F.softmax(y, -1) + x, torch.cdist(x, y))}


def test_every_place_is_named():
    model, x = Net(), torch.randn(3, 4)
    found = dict(line.split(": ") for line in audit(model, x))
    places = {place.split(":")[0] for place in found}
    here = "/".join(Path(__file__).parts[-2:])
    assert places == {f"(Net), {here}", f"part.0 (Linear), {here}"}
    assert sorted(found.values()) == [
        "torch.Tensor.relu, relu, threshold_backward",
        "torch.nn.functional.linear",
        "torch.nn.functional.softmax, _softmax, _cdist_forward, _cdist_backward, _softmax_backward_data",
        "torch.sigmoid, sigmoid_backward",
    ]


def test_what_convert_and_by_hand_exchange():
    model, x = convert(Net()), torch.randn(3, 4)
    assert not any("linear" in line for line in audit(model, x))
    with by_hand():
        (line,) = audit(model, x)
    assert line.endswith(": _cdist_forward, _cdist_backward")
    assert audit(scratch.nn.Sequential(scratch.nn.Linear(4, 2), scratch.nn.GELU()), x) == []


def test_nothing_changes():
    """Neither buffers nor gradients nor random numbers."""
    model, x = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()), torch.randn(3, 4)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    assert audit(model, x)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    assert not nn.modules.module._global_forward_hooks


def test_any_function_can_be_asked():
    weight = torch.randn(4, requires_grad=True)
    (line,) = audit(lambda target: F.mse_loss(weight, target), torch.zeros(4))
    assert line.endswith(": torch.nn.functional.mse_loss, mse_loss, mse_loss_backward")
    assert audit(lambda: scratch.nn.functional.mse_loss(weight, torch.zeros(4))) == []
