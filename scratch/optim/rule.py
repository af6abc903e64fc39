"""An update rule, and the three ways it is run.

A page states its rule for one parameter, as a pure function in the symbols of its docstring:

    def adam(theta, g, m, v, v_max=None, *, t, lr, betas, eps, …):        new values of theta and of the state, in order
             what moves       the state     numbers and options

    plain       the rule for each parameter; what it returns is written into the parameter and its state.
    scratch     the same in place, if the page has it, on lists of parameters that share device, dtype and numbers.
                That is some six passes over the tensors, and memory is what it waits for: where a rule treats each
                number alone (``elementwise``), the first 2 MiB of every tensor go through all the passes before the
                next are touched, so that all passes but the first find them in the cache.
    compiled    the rule itself, as one pass (scratch/ops/core/compiler.py).

Sparse gradients: the rule acts on the numbers that the gradient holds, and leaves the others, and their state, alone. A
rule that is ``linear`` in the gradients takes them as they are, always in place, and keeps sparse states.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.compiler import Kernel, ran
from scratch.ops.core.forms import FORM

Tensors = tuple[Tensor, ...] | list[Tensor]

PIECE = 1 << 21  # bytes of each tensor that go through the fast form together


class Rule:
    """A rule ``textbook``, the same in place on lists as ``fast``, and what is known of it.

    elementwise     it treats each number alone, so that tensors may be cut and read as rows of numbers
    linear          it takes sparse gradients as they are
    compiles        it looks at no number, only at options
    """

    def __init__(
        self,
        textbook: Callable[..., Any],
        fast: Callable[..., None] | None = None,
        elementwise: bool = True,
        linear: bool = False,
        compiles: bool = True,
    ) -> None:
        parameters = inspect.signature(textbook).parameters.values()
        self.textbook, self.fast, self.elementwise, self.linear = textbook, fast, elementwise, linear
        self.symbols = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)[2:]
        self.hyper = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.raises = {"betas", "t"} <= self.hyper.keys()
        self.kernel = self.as_kernel() if elementwise and compiles else None

    def __call__(self, params: Tensors, grads: Tensors, state: dict[str, Tensors], hyper: dict[str, Any]) -> None:
        """Update parameters that share all numbers and options. ``state`` has lists, by the symbols of the rule."""
        form, sparse, recorded = FORM.get(), grads[0].is_sparse, torch.is_grad_enabled()
        if form == "compiled" and self.kernel is not None and (sparse or recorded):
            ran[self.kernel.name, "a sparse gradient" if sparse else "a derivative is recorded"] += len(params)
        form = "plain" if recorded else form
        if sparse:
            (self.in_pieces if self.linear else self.where_given)(params, grads, state, hyper)
        elif form == "compiled" and self.kernel is not None:
            self.compiled(params, grads, state, hyper)
        elif form == "plain" or self.fast is None:
            self.plain(params, grads, state, hyper)
        else:
            self.in_pieces(params, grads, state, hyper)

    def plain(self, params: Tensors, grads: Tensors, state: dict[str, Tensors], hyper: dict[str, Any]) -> None:
        for i, (theta, g) in enumerate(zip(params, grads, strict=True)):
            old = {symbol: tensors[i] for symbol, tensors in state.items()}
            if torch.is_grad_enabled():  # autograd keeps what the rule reads, which is then written over
                found = self.textbook(theta.clone(), g, **{symbol: s.clone() for symbol, s in old.items()}, **hyper)
            else:
                found = self.textbook(theta, g, **old, **hyper)
            for place, value in self.changes(theta, old, found):
                place.copy_(value)

    def where_given(self, params: Tensors, grads: Tensors, state: dict[str, Tensors], hyper: dict[str, Any]) -> None:
        for i, (theta, g) in enumerate(zip(params, grads, strict=True)):
            g = g.coalesce()  # a number must not come in two parts: its square would be wrong
            at, old = tuple(g.indices()), {symbol: tensors[i] for symbol, tensors in state.items()}
            found = self.textbook(theta[at], g.values(), **{symbol: s[at] for symbol, s in old.items()}, **hyper)
            for place, value in self.changes(theta, old, found):
                place[at] = value

    def changes(self, theta: Tensor, old: dict[str, Tensor], found: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Each tensor that moves, with its new value."""
        places = (theta, *map(old.get, self.symbols))
        for place, value in zip(places, found if isinstance(found, tuple) else (found,), strict=False):
            if place is not None:
                yield place, value

    def in_pieces(self, params: Tensors, grads: Tensors, state: dict[str, Tensors], hyper: dict[str, Any]) -> None:
        columns = [params, grads, *state.values()]
        cut = self.elementwise and grads[0].is_cpu and not grads[0].is_sparse
        for thetas, gs, *states in pieces([*zip(*columns, strict=True)]) if cut else [columns]:
            self.fast(thetas, gs, **dict(zip(state, states, strict=True)), **hyper)  # type: ignore[misc]

    def compiled(self, params: Tensors, grads: Tensors, state: dict[str, Tensors], hyper: dict[str, Any]) -> None:
        """Parameters that do not fit the compiled form take the one that they would take without it."""
        options = [hyper.get(name, default) for name, default in self.hyper.items()]
        if self.raises:
            place = list(self.hyper).index("betas")
            options[place] = (*options[place], *(beta ** hyper["t"] for beta in options[place]))
        left = []
        for i, (theta, g) in enumerate(zip(params, grads, strict=True)):
            old = [state[symbol][i] if symbol in state else None for symbol in self.symbols]
            if self.kernel(theta, g, *old, *options) is None:  # type: ignore[misc]
                left.append(i)
        if left:
            run = self.plain if self.fast is None else self.in_pieces
            kept: dict[str, Tensors] = {symbol: [tensors[i] for i in left] for symbol, tensors in state.items()}
            run([params[i] for i in left], [grads[i] for i in left], kept, hyper)

    def as_kernel(self) -> Kernel:
        moving, rule, symbols = ["theta", "g", *self.symbols], self.textbook, self.symbols

        def positional(theta, g, *arguments):
            state = {s: x for s, x in zip(symbols, arguments, strict=False) if x is not None}
            hyper = dict(zip(self.hyper, arguments[len(symbols) :], strict=True))
            if self.raises:
                beta1, beta2, *powers = hyper["betas"]
                hyper["betas"] = [*map(Raised, (beta1, beta2), powers)]
            return rule(theta, g, **state, **hyper)

        positional.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in (*moving, *self.hyper)]
        )
        layouts = dict.fromkeys(moving, ("N",))
        into = ("theta", *symbols)
        return Kernel(positional, layouts, into=into, name=f"optim.{rule.__name__}", page=rule.__module__)


class Raised:
    """β in a compiled rule, whose power βᵗ is given: the compiler would compute it anew for each number of a tensor."""

    def __init__(self, beta: Tensor, power: Tensor) -> None:
        self.beta, self.power = beta, power

    def __rsub__(self, one: Any) -> Tensor:
        return one - self.beta

    def __mul__(self, x: Any) -> Tensor:
        return self.beta * x

    __rmul__ = __mul__

    def __pow__(self, t: Any) -> Tensor:
        return self.power


def pieces(rows: list[Tensors]) -> Iterator[list[Tensors]]:
    """Turn rows of equally large tensors into columns of about PIECE bytes each: small tensors together,
    large ones in parts."""
    size = PIECE // rows[0][0].element_size()
    small: list[Tensors] = []
    total = 0
    for row in rows:
        count = row[0].numel()
        if count > size and all(tensor.is_contiguous() for tensor in row):
            part = -(-count // round(count / size))  # parts of equal size
            for parts in zip(*(tensor.view(-1).split(part) for tensor in row), strict=True):
                yield [[part] for part in parts]
            continue
        if small and total + count > size:
            yield list(zip(*small, strict=True))
            small, total = [], 0
        small.append(row)
        total += count
    if small:
        yield list(zip(*small, strict=True))


def decay_and_add_(ys: Tensors, xs: Tensors, decay: float) -> None:
    """y ← decay · y + x; on the host in one pass over memory instead of two."""
    if ys[0].is_cpu and not ys[0].is_sparse:
        for y, x in zip(ys, xs, strict=True):
            torch.add(x, y, alpha=decay, out=y)
    else:
        torch._foreach_mul_(ys, decay)
        torch._foreach_add_(ys, xs)


def roots_plus(xs: Tensors, eps: float) -> tuple[Tensor, ...]:
    """√x + ε, with √x as 1 / x^(−1/2): on the host those two steps take half the time of sqrt."""
    roots = torch._foreach_pow(xs, -0.5)
    torch._foreach_reciprocal_(roots)
    torch._foreach_add_(roots, eps)
    return roots
