"""Are two models equal, layer by layer?

  python -m scratch.testing networks model.py:ours model.py:theirs --inputs 'normal(2, 3, 32, 32)'

Each is a Module, or a class or function that makes one without arguments. Both start from the reference's weights, in
float64. The outputs of every layer are compared, the gradients of every parameter under a random upstream gradient,
and with --optim the training, too. The status is 0 if they are equal, 1 if not, 2 for a wrong command.
"""

import argparse
from functools import partial
from typing import Any

import torch
from rich.console import Console
from torch import Generator, Tensor
from torch.nn import Module

from scratch.testing.compare import leaves
from scratch.testing.networks import compare_networks, layers_of, show
from scratch.testing.packages import load
from scratch.testing.plan import WrongCommand, imported, stated_sources
from scratch.testing.running import continuous, random

BATCHES = 3


def parser(kind: type[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    found = kind(
        prog="python -m scratch.testing networks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = found.add_argument
    add("candidate", help="the one under test: model.py:name or their.package:name")
    add("reference", help="the one it is compared with")
    add("--inputs", required=True, help="of the models, such as 'normal(2, 3, 32, 32)' or 'integers(10, 2, 7)'")
    add("--optim", default="", help="trains the candidate, such as scratch.optim:Adam")
    add("--reference-optim", default="", help="trains the reference (default: torch.optim's of the same name)")
    add("--steps", type=int, default=10, help="of this training (default: 10)")
    add("--lr", type=float, default=0.01, help="of this training (default: 0.01)")
    return found


def main(options: Any) -> int:
    sources = stated_sources(options.inputs)
    ours, theirs = (network(name) for name in (options.candidate, options.reference))
    batches = [[source(Generator().manual_seed(seed)) for source in sources] for seed in range(BATCHES)]
    optimizers = None
    if options.optim:
        rule = imported(options.optim)
        other = imported(options.reference_optim or f"torch.optim:{rule.__name__}")
        optimizers = partial(made, rule, options.lr), partial(made, other, options.lr)
    steps = options.steps if optimizers else 0
    try:
        rows = compare_networks(ours, theirs, projected, batches, optimizers, steps=steps)
    except RuntimeError as error:
        raise WrongCommand(str(error).splitlines()[0]) from error
    show(Console(), rows, layers_of(theirs), f"{options.candidate} against {options.reference}", steps)
    return 0 if all(row.equal for row in rows) else 1


def network(name: str) -> Module:
    imported(name)
    found = load(name)
    made = found if isinstance(found, Module) else found() if callable(found) else None
    if not isinstance(made, Module):
        raise WrongCommand(f"{name} is no Module and makes none")
    return made


def made(rule: Any, lr: float, model: Module) -> Any:
    return rule(model.parameters(), lr=lr)


def projected(model: Any, batch: list[Any]) -> Tensor:
    """A random combination of all outputs."""
    outputs = [t for _, t in leaves(model(*batch), "output") if isinstance(t, Tensor) and continuous(t)]
    generator = Generator().manual_seed(0)
    return torch.stack([(t * random(t, generator)).sum() for t in outputs]).sum()
