"""The loop around every update rule: gather, count, call, write back.

A page states its rule for one parameter, as a pure function in the symbols of its docstring:

    def adam(theta, g, m, v, v_max=None, *, t, lr, betas, eps, …):        new values of all but g
             what moves       the state     ``count``, and the parameter group

Its signature says what it depends on. The class below it, a subclass of ``Optimizer``, checks the arguments, makes the
state, names the rule, and says in ``states`` under which keys the symbols of the state stand in torch's state_dict.
A step then is, for each parameter group:

    leave out the parameters without a gradient, make the state of new ones, count t ← t + 1;
    read complex numbers as pairs of real ones, turn the gradient's sign if ``maximize``;
    call the rule for each parameter, and write what it returns into the parameter and its state.

That is the plain form. Beside its rule a page may have ``fast_rule``, which takes lists of tensors and works in place, on
parameters that share device, dtype and t together. It is some six passes over its tensors, and memory is what it waits
for: where a rule treats each number alone (``elementwise``), the first 2 MiB of every tensor go through all the passes
before the next is touched, so that all passes but the first find it in the cache. In the compiled form (compiler.py) the
rule itself is one pass.

What torch's switches mean here; all are kept in ``param_groups``, so that a ``state_dict`` moves either way:
    foreach         no effect.
    fused           no effect: a fused kernel would not be from scratch; the numbers are the same.
    capturable      RuntimeError: t is read by the host, which a CUDA graph would freeze.
    differentiable  the plain form runs, and autograd follows the update, and any number of them, to the parameters
                    before it, the gradients, the state, and those hyper-parameters that are tensors with requires_grad.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.forms import FORM
from scratch.optim.kernel import RuleKernel

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
Tensors = tuple[Tensor, ...] | list[Tensor]

PIECE = 1 << 21  # bytes of each tensor that go through the rule together
ONE = torch.tensor(1.0)  # a number added to a tensor is made a tensor first, at twice the cost


class Optimizer(torch.optim.Optimizer):
    rule: Callable[..., Any]
    fast_rule: Callable[..., None] | None = None
    states: str = ""  # the rule's symbols for the state, each with its key in state_dict: "m: exp_avg, v: exp_avg_sq"
    symbols: Mapping[str, str] = MappingProxyType({})  # the same, read
    elementwise = True  # the rule treats each number alone, so tensors may be cut
    takes_sparse = False
    counters: tuple[str, ...] = ("step",)  # what a state holds of one number, which old checkpoints have as such
    hyper_names: tuple[str, ...] = ()
    kernel: RuleKernel | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "rule" in cls.__dict__:
            parameters = inspect.signature(cls.rule).parameters.values()
            cls.hyper_names = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
            cls.symbols = dict(pair.split(": ") for pair in cls.states.split(", ") if pair)
            cls.kernel = RuleKernel(cls.rule, [*cls.symbols]) if cls.elementwise else None

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if defaults.get("capturable"):
            raise RuntimeError(f"capturable=True is not possible in scratch.optim.{type(self).__name__}")
        if defaults.get("fused") and defaults.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # a state saved by torch.optim lacks the options that only we have
            for name in self.hyper_names:
                if name in self.defaults:
                    group.setdefault(name, self.defaults[name])
        for kept in self.state.values():
            for name in self.counters:
                if name in kept and not isinstance(kept[name], Tensor):
                    kept[name] = zero_step() + kept[name]

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The state of a parameter before its first update, under the keys of torch's own optimizer."""
        return {"step": zero_step(), **{key: torch.zeros_like(param) for key in self.symbols.values()}}

    def count(self, state: dict[str, Any], new: bool, group: dict[str, Any]) -> dict[str, float]:
        """Count this update in the state. Returns t, and what else the rule wants that depends on t alone."""
        if "step" in state:
            return {"t": state["step"].add_(ONE).item()}
        return {"t": 1 if new else 2}  # no count is kept: the first update, or a later one

    @torch.no_grad()
    def step(self, closure=None):
        """Update every parameter that has a gradient. Returns the loss, where a closure computes one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            with torch.set_grad_enabled(bool(group.get("differentiable"))):
                self.update(group)
        return loss

    def update(self, group: dict[str, Any]) -> None:
        hyper = {name: number(group[name]) for name in self.hyper_names if name in group}
        for params, grads, state, counts in self.batches(group):
            self.run(params, grads, state, counts | hyper)

    def run(self, params: Tensors, grads: Tensors, state: dict[str, Tensors], hyper: dict[str, Any]) -> None:
        """Update parameters that share all of their hyper-parameters."""
        form = "plain" if torch.is_grad_enabled() else FORM.get()
        columns = [params, grads, *state.values()]
        if self.fast_rule is not None and (form == "scratch" or grads[0].is_sparse):
            cut = self.elementwise and grads[0].is_cpu and not grads[0].is_sparse
            for params, grads, *states in pieces(list(zip(*columns, strict=True))) if cut else [columns]:
                self.fast_rule(params, grads, **dict(zip(state, states, strict=True)), **hyper)
            return
        for theta, g, *values in zip(*columns, strict=True):
            old = dict(zip(state, values, strict=True))
            if form == "compiled" and self.kernel is not None and self.kernel(theta, g, old, hyper):
                continue
            new = self.rule(theta, g, **old, **hyper)
            for place, value in zip((theta, *values), new if isinstance(new, tuple) else (new,), strict=False):
                place.copy_(value)

    def batches(self, group: dict[str, Any]) -> Iterator[tuple[Tensors, Tensors, dict, dict]]:
        """Yield the params, grads, state and counts that a rule can take together; the state by its symbols."""
        together: dict[tuple, tuple[dict, list[Tensors]]] = {}
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            if grad.is_sparse and not self.takes_sparse:
                raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")
            state = self.state.get(param)  # self.state[param] would make an entry, which torch's SGD has not
            new = not state
            if not state:
                state = self.init_state(param, group)
                if state:
                    self.state[param] = state
            counts = self.count(state, new, group)
            symbols = tuple([symbol for symbol, key in self.symbols.items() if key in state])
            row = [param, grad, *[state[self.symbols[symbol]] for symbol in symbols]]
            if param.is_complex():
                row = [torch.view_as_real(tensor) for tensor in row]
            key = param.device, param.dtype, grad.is_sparse, symbols, *counts.values()
            together.setdefault(key, (counts, []))[1].append(row)
        maximize = group.get("maximize", False)
        for (_, _, _, symbols, *_), (counts, rows) in together.items():
            wanted = {name: value for name, value in counts.items() if name in self.hyper_names}
            params, grads, *states = zip(*rows, strict=True)
            if maximize:
                grads = tuple(-g for g in grads)
            yield params, grads, dict(zip(symbols, states, strict=True)), wanted


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


def number(value: Any) -> Any:
    """A hyper-parameter given as a tensor, such as a learning rate, as the number it holds, unless autograd follows."""
    if isinstance(value, tuple):
        return tuple(map(number, value))
    if not isinstance(value, Tensor) or (value.requires_grad and torch.is_grad_enabled()):
        return value
    return value.item()


def zero_step() -> Tensor:
    """t = 0 as torch stores it: on the host, and exact up to 2²⁴ steps in float32."""
    return torch.tensor(0.0, dtype=torch.promote_types(torch.get_default_dtype(), torch.float32))


def options(arguments: dict[str, Any], **ours: Any) -> dict[str, Any]:
    """The ``locals()`` of a constructor as the defaults of its parameter groups. ``ours`` are the options that
    torch lacks; at these values they stay out of the groups, so that the layout is torch's."""
    left_out = {"self", "params", "__class__", *(name for name in ours if arguments[name] == ours[name])}
    return {name: value for name, value in arguments.items() if name not in left_out}


def check(condition: Any, message: str) -> None:
    """ValueError, in torch's own words, unless the condition holds."""
    if not condition:
        raise ValueError(message)


def check_lr(lr: float | Tensor) -> None:
    check(not isinstance(lr, Tensor) or lr.numel() == 1, "Tensor lr must be 1-element")
    check(lr >= 0.0, f"Invalid learning rate: {lr}")


def check_betas(betas: tuple[Any, Any]) -> None:
    for index in (0, 1):
        check(0.0 <= betas[index] < 1.0, f"Invalid beta parameter at index {index}: {betas[index]}")
