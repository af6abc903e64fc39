"""What every experiment stands on: the switch, random numbers, data, small networks, a training loop."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import Module, Sequential, init

import scratch.optim
from zoo.core.errors import UsageError
from zoo.core.namespace import Namespace
from zoo.core.seeding import mix
from zoo.tools.measure import processor


class Implementation:
    """The packages an experiment is run on: ``impl.nn.Linear``, ``impl.optimizer("SGD", network, lr=0.1)``.

    An optimizer that the package lacks, or one of its options, comes from scratch.optim: torch.optim knows no Newton.
    ``borrowed`` names those.
    """

    def __init__(self, layers: str = "scratch.nn", optim: str = "scratch.optim") -> None:
        self.nn = Namespace(layers)
        self._optim = Namespace(optim)
        self.borrowed: set[str] = set()

    def optimizer(self, name: str, params: Module | Iterable[Tensor], **options: Any) -> Any:
        try:
            known = getattr(self._optim, name)
        except UsageError:
            known = None
        if known is None or not options.keys() <= inspect.signature(known).parameters.keys():
            self.borrowed.add(name)
            known = getattr(scratch.optim, name)
        return known(params.parameters() if isinstance(params, Module) else params, **options)


def begin(seed: int, *more: int) -> None:
    """Random numbers of their own for each seed, and each part of an experiment."""
    torch.manual_seed(mix(seed, *more))


class Data(NamedTuple):
    """Inputs (N, …) and classes (N,), to train on and to test on."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor

    def first(self, count: int) -> "Data":
        """With so many to train on."""
        return self._replace(x=self.x[:count], y=self.y[:count])


def digits() -> Data:
    """scikit-learn's 8 × 8 digits as rows of 64 numbers in [0, 1]: 1 437 to train, 360 to test, a fixed split."""
    everything = load_digits()
    x = torch.tensor(everything.data, dtype=torch.float32) / 16
    y = torch.tensor(everything.target)
    train, test = train_test_split(range(len(y)), test_size=360, stratify=y, random_state=0)
    return Data(x[train], y[train], x[test], y[test])


def perceptron(nn: Any, sizes: Sequence[int], activation: str = "Tanh") -> Sequential:
    """Linear layers of these sizes, the activation between them, none after the last."""
    layers: list[Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), getattr(nn, activation)()]
    return Sequential(*layers[:-1])


def initialise(network: Module, rule: str) -> None:
    """Weights as "Xavier" (Glorot and Bengio 2010) or "He" (He et al. 2015) has them, biases 0; "default": as they
    are."""
    if rule == "default":
        return
    for module in network.modules():
        weight, bias = (getattr(module, name, None) for name in ("weight", "bias"))
        if isinstance(weight, Tensor) and weight.dim() > 1:  # no norm
            if rule == "Xavier":
                init.xavier_uniform_(weight)
            else:
                init.kaiming_uniform_(weight, nonlinearity="relu")
            if bias is not None:
                init.zeros_(bias)


def step(optimizer: Any, loss: Callable[[], Tensor]) -> float:
    """One step of any optimizer, those that ask for the loss several times too. Returns the loss before it."""
    params = [param for group in optimizer.param_groups for param in group["params"]]
    twice = getattr(optimizer, "second_order", False)  # Newton differentiates the gradients once more

    def closure() -> Tensor:
        value = loss()
        for param, grad in zip(params, torch.autograd.grad(value, params, create_graph=twice), strict=True):
            param.grad = grad
        return value.detach()

    return float(optimizer.step(closure))


def fit(optimizer: Any, network: Callable, criterion: Callable, x: Tensor, y: Tensor) -> float:
    """One step on criterion(network(x), y). Returns the loss before it."""
    return step(optimizer, lambda: criterion(network(x), y))


def batches(count: int, size: int) -> Iterator[Tensor]:
    """Numbers of examples, without end: every pass over them in a new order, cut into batches."""
    while True:
        yield from torch.randperm(count).split(size)


def training(
    network: Module, criterion: Callable, optimizer: Any, x: Tensor, y: Tensor, batch: int, steps: int
) -> Iterator[int]:
    """Train for so many steps; yields how many are done after each, so that one can look in between."""
    order = batches(len(x), batch)
    for done in range(1, steps + 1):
        rows = next(order)
        fit(optimizer, network, criterion, x[rows], y[rows])
        yield done


def train(network: Module, criterion: Callable, optimizer: Any, x: Tensor, y: Tensor, batch: int, steps: int) -> None:
    """Train for so many steps."""
    for _ in training(network, criterion, optimizer, x, y, batch, steps):
        pass


@torch.no_grad()
def accuracy(network: Module, x: Tensor, y: Tensor) -> float:
    """The share of right answers, in evaluation mode."""
    was = network.training
    network.eval()
    right = (network(x).argmax(1) == y).double().mean().item()
    network.train(was)
    return right


@torch.no_grad()
def mean_loss(network: Module, criterion: Callable, x: Tensor, y: Tensor) -> float:
    return float(criterion(network(x), y))


def machine() -> str:
    """On what, and with how many threads, this is running."""
    threads = torch.get_num_threads()
    return f"{processor()}, {threads} thread{'s' * (threads > 1)}, torch {torch.__version__}"
