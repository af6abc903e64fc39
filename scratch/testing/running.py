"""Run one side of a case: build the layer, call it on the case's inputs, differentiate."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import Module
from torch.nn.parameter import is_lazy

from scratch.testing.calls import Case
from scratch.testing.compare import Mismatch, leaves, mapped
from scratch.testing.packages import Namespace, adapted, resolve

Cast = Callable[[Tensor], Tensor]
Layout = Callable[[Tensor], Tensor]


def in_dtype(dtype: torch.dtype, rounded_to: torch.dtype | None = None) -> Cast:
    """Floating tensors in this dtype, rounded to another one first; all others as they are."""

    def cast(tensor: Tensor) -> Tensor:
        return tensor.to(rounded_to or dtype).to(dtype) if tensor.is_floating_point() else tensor

    return cast


DOUBLE = in_dtype(torch.float64)
DEVICE: ContextVar[str] = ContextVar("device", default="cpu")


@contextmanager
def on(device: str) -> Iterator[None]:
    """A context in which both sides of a case are computed on this device; what is random is drawn on the CPU."""
    token = DEVICE.set(device)
    try:
        yield
    finally:
        DEVICE.reset(token)


def placed(tensor: Tensor) -> Tensor:
    return tensor.to(DEVICE.get())


@contextmanager
def without_cudnn() -> Iterator[None]:
    """A context without cuDNN, whose recurrent layers have no backward in eval mode, and no second one in any."""
    before = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = before


# How a tensor may lie in memory. Each keeps the values, makes a copy, and lets gradients through.
LAYOUTS: dict[str, Layout] = {
    "contiguous": lambda t: t.clone(memory_format=torch.contiguous_format),
    "strided": lambda t: torch.stack((t.detach(), t), -1)[..., 1],
    "transposed": lambda t: _flipped(_flipped(t, 2).clone(memory_format=torch.contiguous_format), 2),
    "reversed": lambda t: _flipped(_flipped(t, 9).clone(memory_format=torch.contiguous_format), 9),
    "channels last": lambda t: (
        t.movedim(1, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 1) if t.dim() > 2 else t.clone()
    ),
}


def _flipped(tensor: Tensor, count: int) -> Tensor:
    """The last ``count`` dimensions, or all if fewer, in reverse order."""
    dims = range(tensor.dim())
    return tensor.permute([*dims[:-count], *reversed(dims[-count:])])


def random(like: Tensor, generator: Generator) -> Tensor:
    dtype = torch.promote_types(like.dtype, torch.float64)
    return torch.randn(like.shape, generator=generator, dtype=dtype).to(like.device)


def sparse(like: Tensor, generator: Generator) -> Tensor:
    """Mostly zeros."""
    return random(like, generator) * (torch.rand(like.shape, generator=generator) < 0.2).to(like.device)


def zero(like: Tensor, generator: Generator) -> Tensor:
    return torch.zeros_like(random(like, generator))


def expanded(like: Tensor, generator: Generator) -> Tensor:
    """One number everywhere, with strides of zero, as the backward of a sum sends it."""
    return random(like.sum(), generator).expand(like.shape)


def build(case: Case, package: Namespace, like: Namespace | None = None) -> Module:
    """The Module of a case as its constructor leaves it, a lazy one as its first call does, which takes its sizes from
    its inputs; the arguments are adapted from those of the package ``like``."""
    args, kwargs, call = case.draw_arguments()
    target = resolve(package, case.name)
    if like is not None:
        args, kwargs = adapted(target, resolve(like, case.name), args, kwargs)
    torch.default_generator.manual_seed(case.seed)
    module = target(*args, **kwargs)
    if any(map(is_lazy, (*module.parameters(), *module.buffers()))):
        module.eval()(*mapped(in_dtype(torch.get_default_dtype()), case.draw_inputs()), **call)
        module.train()
    return module


class Layer:
    """One package's side of a case, in one precision, always called from the same state and seed.

    ``like`` is the package for which the case was written. The tensors of a module go by the names that they have
    there, once the two have met."""

    def __init__(self, case: Case, package: Namespace, cast: Cast = DOUBLE, like: Namespace | None = None) -> None:
        self.case, self.cast = case, lambda tensor: placed(cast(tensor))
        self.module: Any = None
        self.names: dict[str, str] = {}  # of its tensors, where the reference has other ones
        self.alone: set[str] = set()  # of these those that only one of two sides has
        self.order: list[str] = []  # in which the reference has them
        if case.is_function:
            target = resolve(package, case.name)
            args, kwargs, _ = case.draw_arguments()
            if like is not None:
                args, kwargs = adapted(target, resolve(like, case.name), args, kwargs, len(case.inputs))
            args, kwargs = mapped(self.cast, (args, kwargs))
            self.function = lambda *inputs: target(*inputs, *args, **kwargs)
        else:
            self.module = build(case, package, like)
            for tensor in (*self.module.parameters(), *self.module.buffers()):
                tensor.data = self.cast(tensor.data)
            call = mapped(self.cast, case.draw_arguments()[2])
            if like is not None and call:
                forward = getattr(resolve(like, case.name), "forward", None)
                call = adapted(self.module.forward, forward, (), call)[1] if forward else call
            self.function = lambda *inputs: self.module(*inputs, **call)
        self.keep()

    def keep(self) -> None:
        """Take the present parameters and buffers as the state from which every call begins."""
        self.trainable = {name for name, p in self.tensors() if p.requires_grad} - self.alone
        self.initial = {name: t.detach().clone() for name, t in self.tensors()}

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        if self.module is not None:
            own = (*self.module.named_parameters(), *self.module.named_buffers())
            found = {self.names.get(name, name): tensor for name, tensor in own}
            yield from ((name, found.pop(name)) for name in self.order if name in found)
            yield from found.items()

    def meet(self, other: "Layer") -> None:
        """Find out which of the module's tensors is which of the reference's."""
        ours, theirs = self.module.state_dict(), other.module.state_dict()
        self.names = counterparts(ours, theirs)
        known = {self.names.get(name, name) for name in ours}
        self.alone = other.alone = known ^ theirs.keys()
        self.order = [name for name, _ in other.tensors()]

    def state(self) -> dict[str, Tensor]:
        """What both sides have."""
        return {name: tensor for name, tensor in self.tensors() if name not in self.alone}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over the reference's state, and keep it."""
        own = self.module.state_dict()
        known = {name: state[self.names.get(name, name)] for name in own if self.names.get(name, name) in state}
        self.module.load_state_dict(own | known, strict=True)
        self.keep()

    def __call__(self, *inputs: Any, train: bool = True, again: bool = False) -> Any:
        if self.module is not None:
            self.module.train(train)
        if not again:
            with torch.no_grad():
                for name, tensor in self.tensors():
                    tensor.copy_(self.initial[name])
        torch.manual_seed(self.case.seed)
        recurrent = isinstance(self.module, torch.nn.RNNBase) and DEVICE.get() != "cpu"
        with without_cudnn() if recurrent else nullcontext():
            return self.function(*inputs)

    def draw(self, wanted: Collection[str] | None = None) -> tuple[tuple[Any, ...], dict[str, Tensor]]:
        """The inputs, and by name what gets a gradient: inputs and parameters, or the wanted ones of them."""
        inputs = tuple(
            mapped(self.cast if i in self.case.constant else self._leaf, value)
            for i, value in enumerate(self.case.draw_inputs())
        )
        found = {path: t for path, t in leaves(inputs, "input") if isinstance(t, Tensor) and t.requires_grad}
        found |= {name: t for name, t in self.tensors() if name in self.trainable}
        for name, tensor in found.items():
            tensor.requires_grad_(wanted is None or name in wanted)
        return inputs, {name: t for name, t in found.items() if t.requires_grad}

    def _leaf(self, tensor: Tensor) -> Tensor:
        return self.cast(tensor).requires_grad_(continuous(tensor))


SYNONYMS = {"g": "weight", "gamma": "weight", "scale": "weight", "w": "weight", "b": "bias", "beta": "bias"}


def counterparts(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, str]:
    """Which of our tensors is which of theirs: by name, by the last part of the name or a synonym of it, then by order
    and shape. Raises `Mismatch` where one of theirs is left over, but for
    counters."""
    found = {name: name for name in ours if name in theirs and ours[name].shape == theirs[name].shape}

    def match(alike: Callable[[str, str], bool]) -> None:
        for name in theirs:
            if name not in found.values():
                same = [mine for mine in ours if mine not in found and ours[mine].shape == theirs[name].shape]
                same = [mine for mine in same if alike(mine, name)]
                if same:
                    found[same[0]] = name

    match(lambda mine, name: mine.rpartition(".")[2] == name.rpartition(".")[2])
    match(lambda mine, name: SYNONYMS.get(mine.rpartition(".")[2]) == name.rpartition(".")[2])
    match(lambda mine, name: True)
    left = [name for name, t in theirs.items() if name not in found.values() and t.is_floating_point()]
    if left:
        sides = (", ".join(f"{name} {tuple(t.shape)}" for name, t in side.items()) for side in (ours, theirs))
        raise Mismatch("parameters and buffers are {}, expected {}".format(*(side or "none" for side in sides)))
    return {mine: name for mine, name in found.items() if mine != name}


def continuous(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def pair(case: Case, candidate: Namespace, reference: Namespace, cast: Cast = DOUBLE) -> tuple[Layer, Layer]:
    """Both sides with equal weights, moved away from their initial values: a bias of zero or a scale of one
    would hide a mistake. Where random numbers cannot agree the candidate is compared with itself."""
    like = case.reference or reference
    ours = Layer(case, candidate, cast, like)
    theirs = Layer(case, like, cast) if case.same_random else Layer(case, candidate, cast, like)
    if ours.module is not None and theirs.module is not None:
        ours.meet(theirs)
        generator = Generator().manual_seed(case.seed + 2)
        state = theirs.module.state_dict()
        parameters = dict(theirs.module.named_parameters())
        for name, tensor in state.items():
            if tensor.is_floating_point():
                noise = 0.3 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                state[name] = cast(tensor.cpu().double() + (noise if name in parameters else noise.abs()))
        for side in (ours, theirs):
            side.load(state)
    return ours, theirs


@dataclass
class Outcome:
    """What one call did. Everything here is detached."""

    output: Any
    differentiable: list[str]  # the outputs that carry a gradient
    state: dict[str, Tensor]  # parameters and buffers after the call
    gradient: dict[str, Tensor | None] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)  # what the backward must leave as it is: outputs, inputs
    after: dict[str, Any] = field(default_factory=dict)  # and the upstream gradient


def run(
    layer: Layer,
    *,
    train: bool = True,
    upstream: Callable[[Tensor, Generator], Tensor] | None = random,
    layout: Layout = LAYOUTS["contiguous"],
    upstream_layout: Layout | None = None,
    wanted: Collection[str] | None = None,
    through: int | None = None,
    backwards: int = 1,
    create_graph: bool = False,
) -> Outcome:
    """Call the layer and differentiate.

    Without ``upstream`` there is no backward; ``through`` picks one of several outputs for it; of several
    ``backwards`` the last one counts."""
    inputs, tensors = layer.draw(wanted)
    inputs = mapped(lambda t: layout(t) if continuous(t) else t.clone(), inputs)
    outputs = layer(*inputs, train=train)
    differentiable = differentiable_leaves(outputs)
    untouchable = {"input": inputs, "output": outputs}
    outcome = Outcome(
        output=copied(outputs),
        differentiable=list(differentiable),
        state=copied(layer.state()),
        before=copied(untouchable),
    )
    if upstream is not None and differentiable:
        leaving = [t for i, t in enumerate(differentiable.values()) if through in (None, i)]
        generator = Generator().manual_seed(layer.case.seed + 3)
        arriving = [layer.cast(upstream(t, generator)).to(t.dtype) for t in leaving]
        if upstream_layout is not None:
            arriving = [upstream_layout(t) for t in arriving]
        untouchable["upstream gradient"] = arriving
        outcome.before["upstream gradient"] = copied(arriving)
        for _ in range(backwards):
            gradients = torch.autograd.grad(
                leaving,
                list(tensors.values()),
                arriving,
                allow_unused=True,
                retain_graph=backwards > 1,
                create_graph=create_graph,
            )
        outcome.gradient = dict(zip(tensors, mapped(Tensor.detach, gradients), strict=True))
    outcome.after = copied(untouchable)
    return outcome


def copied(value: Any) -> Any:
    return mapped(lambda t: t.detach().clone(), value)


def differentiable_leaves(outputs: Any) -> dict[str, Tensor]:
    return {path: t for path, t in leaves(outputs, "output") if isinstance(t, Tensor) and t.requires_grad}
