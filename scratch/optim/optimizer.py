"""The loop around every update rule: gather, count, cut, call.

A rule is a function of parameters, gradients, state and hyper-parameters, and of nothing else. It takes lists
of tensors and writes the new values into the parameters and the state. Its signature says what it depends on:

    def adam(params, grads, exp_avg, exp_avg_sq, max_exp_avg_sq, *, t, lr, betas, eps, …)
             what moves     the state, by its keys in state_dict     ``count``, and the parameter group

The class below it, a subclass of ``Optimizer``, checks the arguments, makes the state and names the rule.
A step then is, for each parameter group:

    leave out the parameters without a gradient, make the state of new ones, count t ← t + 1;
    put together what shares device, dtype and t; read complex numbers as pairs of real ones;
    cut that into pieces that fit the cache, turn the gradient's sign if ``maximize``, and call the rule.

Why pieces: a rule is some six passes over its tensors, and memory is what it waits for. Where a rule treats
each number alone (``elementwise``), the first 2 MiB of every tensor go through all the passes before the
next is touched, so that all passes but the first find it in the cache.

What torch's switches mean here; all are kept in ``param_groups``, so that a ``state_dict`` moves either way:
    foreach         no effect: every rule runs on lists.
    fused           no effect: a fused kernel would not be from scratch; the numbers are the same.
    capturable      RuntimeError: t is read by the host, which a CUDA graph would freeze.
    differentiable  autograd follows the update, and any number of them, to the parameters before it, the gradients,
                    the state, and those hyper-parameters that are tensors with requires_grad.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from scratch.optim import each

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
Tensors = tuple[Tensor, ...] | list[Tensor]

PIECE = 1 << 21  # bytes of each tensor that go through the rule together
ONE = torch.tensor(1.0)  # a number added to a tensor is made a tensor first, at twice the cost


class Optimizer(torch.optim.Optimizer):
    rule: Callable[..., None]
    elementwise = True  # the rule treats each number alone, so tensors may be cut
    takes_sparse = False
    state_names: tuple[str, ...] = ()
    counters: tuple[str, ...] = ("step",)  # what a state holds of one number, which old checkpoints have as such
    hyper_names: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "rule" in cls.__dict__:
            parameters = inspect.signature(cls.rule).parameters.values()
            cls.state_names = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)[2:]
            cls.hyper_names = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)

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
        return {"step": zero_step(), **{name: torch.zeros_like(param) for name in self.state_names}}

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
            if torch.is_grad_enabled():
                out_of_place(self.rule, params, grads, state, **counts, **hyper)
            else:
                self.rule(params, grads, **state, **counts, **hyper)

    def batches(self, group: dict[str, Any]) -> Iterator[tuple[Tensors, Tensors, dict, dict]]:
        """Yield the params, grads, state and counts that the rule can take together."""
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
            names = tuple([name for name in self.state_names if name in state])
            row = [param, grad, *[state[name] for name in names]]
            if param.is_complex():
                row = [torch.view_as_real(tensor) for tensor in row]
            key = param.device, param.dtype, grad.is_sparse, names, *counts.values()
            together.setdefault(key, (counts, []))[1].append(row)
        maximize = group.get("maximize", False)
        for (device, _, is_sparse, names, *_), (counts, rows) in together.items():
            wanted = {name: value for name, value in counts.items() if name in self.hyper_names}
            cut = self.elementwise and device.type == "cpu" and not is_sparse and not torch.is_grad_enabled()
            for params, grads, *states in pieces(rows) if cut else [list(zip(*rows, strict=True))]:
                if maximize:
                    grads = each.neg(grads)
                yield params, grads, dict(zip(names, states, strict=True)), wanted


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


def out_of_place(
    rule: Callable[..., None], params: Tensors, grads: Tensors, state: dict[str, Tensors], **hyper: Any
) -> None:
    """The rule, run on copies, for ``differentiable``; what comes out is written into parameters and state last."""
    new, made = [p.clone() for p in params], {name: [s.clone() for s in kept] for name, kept in state.items()}
    rule(new, list(grads), **made, **hyper)
    for olds, news in [(params, new), *((state[name], made[name]) for name in state)]:
        for old, value in zip(olds, news, strict=True):
            old.copy_(value)


def decay_and_add_(ys: Tensors, xs: Tensors, decay: float) -> None:
    """y ← decay · y + x; on the host in one pass over memory instead of two."""
    if ys[0].is_cpu and not ys[0].is_sparse and not torch.is_grad_enabled():
        for y, x in zip(ys, xs, strict=True):
            torch.add(x, y, alpha=decay, out=y)
    else:
        each.mul_(ys, decay)
        each.add_(ys, xs)


def roots_plus(xs: Tensors, eps: float) -> tuple[Tensor, ...]:
    """√x + ε, with √x as 1 / x^(−1/2): on the host those two steps take half the time of sqrt."""
    roots = each.pow(xs, -0.5)
    each.reciprocal_(roots)
    each.add_(roots, eps)
    return roots


def number(value: Any) -> Any:
    """A hyper-parameter given as a tensor, such as a learning rate, as the number it holds, unless autograd follows."""
    if isinstance(value, tuple):
        return tuple(map(number, value))
    if not isinstance(value, Tensor) or (value.requires_grad and torch.is_grad_enabled()):
        return value
    return value.item()


def root(x: Any) -> Any:
    return x.sqrt() if isinstance(x, Tensor) else math.sqrt(x)


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
