"""The pictures over depth: what is drawn is what the layers have."""

from pathlib import Path

import pytest
import torch

from tests.zoo.runs import SHORT, composed
from zoo.callbacks.pictures import embedding_by_depth, gradient_by_depth
from zoo.mlp import MLP
from zoo.training import run


def test_norms_by_depth():
    model = MLP(width=6, depth=2, image_size=4)
    model.loss(model(torch.randn(5, 1, 4, 4)), torch.arange(5)).backward()
    found = gradient_by_depth.norms_by_depth(model)
    assert list(found) == ["network.1", "network.3", "network.5"]
    for name, value in found.items():
        grad = model.get_submodule(name).weight.grad
        assert value == pytest.approx(float(grad.square().mean().sqrt()), rel=1e-6)


@pytest.mark.parametrize(("words", "sizes"), [(["model=mlp", "model.width=8"], [8, 8, 10]), (["model=gcn"], [16, 4])])
def test_drawn_from_every_layer(words, sizes, tmp_path, monkeypatch):
    """One panel for each layer with weights, and in it a point for each example that is tested."""
    drawn = []
    original = embedding_by_depth.embedding_by_depth
    monkeypatch.setattr(
        embedding_by_depth, "embedding_by_depth", lambda *given: drawn.append(given) or original(*given)
    )
    added = "callbacks=[default,pictures/gradient_by_depth,pictures/embedding_by_depth]"
    run.train(composed(*words, *SHORT, added, f"paths.run={tmp_path}"))
    ((depths, labels, _),) = drawn
    assert [outputs.shape for outputs in depths.values()] == [(len(labels), size) for size in sizes]
    for name in ("gradient_by_depth", "embedding_by_depth"):
        assert Path(tmp_path, f"pictures/{name}.png").stat().st_size > 5000
