"""A model built from an implementation and from a reference, compared layer by layer: does it compute the same?"""

import warnings
from itertools import islice
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from scratch.testing import compare_networks
from scratch.testing.networks import layers_of, show
from zoo.core.errors import whole
from zoo.core.form import in_form
from zoo.training.build import build_data, build_model, with_impl


def verify(config: DictConfig) -> bool:
    """Compare, print the table, and return whether all is equal within the tolerance of `scratch.testing`.

    Both models start from the same weights and see the same batches of real data, in float64: the outputs of every
    layer and the gradient of every parameter on the first batch, then parameters and optimizer state after each of
    ``config.steps`` training steps.
    """
    warnings.filterwarnings("ignore", message=".*self.log.*")
    whole("seed", config.seed, 0)
    whole("steps", config.steps, 0)
    whole("batches", config.batches, 1)
    for name, value in config.small.items():
        if name in config.data:
            config.data[name] = value
    data = build_data(config)
    loader = data.train_dataloader()
    batches = [data.on_after_batch_transfer(batch, 0) for batch in islice(loader, config.batches)]
    ours, theirs = (build_model(with_impl(config, impl), data.facts) for impl in (config.impl, config.reference))
    for model, impl in ((ours, config.impl), (theirs, config.reference)):
        model.impl = impl
    make = None if config.steps == 0 else (new_optimizer, new_optimizer)
    rows = compare_networks(ours, theirs, loss, batches, make, steps=config.steps, seed=config.seed)
    sides = (named(impl) for impl in (config.impl, config.reference))
    show(Console(), rows, layers_of(theirs), " against ".join(sides), config.steps)
    return all(row.equal for row in rows)


def named(impl: DictConfig) -> str:
    """An implementation as titles name it."""
    form = f", {impl.form}" if "form" in impl else ""
    return f"{impl.layers} and {impl.optim}{form}"


def loss(model: Any, batch: Any) -> Any:
    """The training loss of a model on a batch."""
    with in_form(model.impl):
        return model.training_step(batch, 0)


def new_optimizer(model: Any) -> Any:
    """The optimizer that a model was built with."""
    optimizer = model.new_optimizer()
    optimizer.step = in_form(model.impl)(optimizer.step)  # a context manager decorates, too
    return optimizer
