"""Layers of zoo/layers that stand in for those that older versions of torch.nn lack."""

import pytest
import torch

from zoo.layers.linear_cross_entropy import LinearCrossEntropyLoss


@pytest.mark.skipif(not hasattr(torch.nn, "LinearCrossEntropyLoss"), reason=f"torch {torch.__version__} has none")
@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (4,)),
        ({"bias": True, "label_smoothing": 0.1, "reduction": "sum"}, (4,)),
        ({"out_features": (2, 3), "bias": True, "ignore_index": 1, "reduction": "none"}, (4, 2, 3)),
        ({"weight": torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0], dtype=torch.float64)}, (4,)),
    ],
)
def test_linear_cross_entropy_is_that_of_newer_versions(options, shape):
    ours, theirs = (
        kind(6, 5, dtype=torch.float64, **options) for kind in (LinearCrossEntropyLoss, torch.nn.LinearCrossEntropyLoss)
    )
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict())
    x, target = torch.randn(4, 6, dtype=torch.float64), torch.randint(5, shape)
    found = []
    for layer in (ours, theirs):
        input = x.clone().requires_grad_()
        loss = layer(input, target)
        loss.sum().backward()
        found.append([loss.detach(), input.grad, *(p.grad for p in layer.parameters())])
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-12)
