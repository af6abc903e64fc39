"""The loop around every update rule: gather, count, call.

A page states its rule as a pure function (rule.py). The class below it, a subclass of ``Optimizer``, checks the
arguments, makes the state, names the rule, and says in ``states`` under which keys its symbols stand in torch's
state_dict. A step then is, for each parameter group:

    leave out the parameters without a gradient, make the state of new ones, count t ← t + 1;
    read complex numbers as pairs of real ones, turn the gradient's sign if ``maximize``;
    put together what shares device, dtype and t, and call the rule.

What torch's switches mean here; all are kept in ``param_groups``, so that a ``state_dict`` moves either way:
    foreach         no effect.
    fused           no effect: a fused kernel would not be from scratch; the numbers are the same.
    capturable      RuntimeError: t is read by the host, which a CUDA graph would freeze.
    differentiable  the plain form runs, and autograd follows the update, and any number of them, to the parameters
                    before it, the gradients, the state, and those hyper-parameters that are tensors with requires_grad.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from scratch.optim.rule import Rule, Tensors

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]

ONE = torch.tensor(1.0)  # a number added to a tensor is made a tensor first, at twice the cost


class Optimizer(torch.optim.Optimizer):
    rule: Rule
    states: str = ""  # the rule's symbols for the state, each with its key in state_dict: "m: exp_avg, v: exp_avg_sq"
    takes_sparse = False
    keys: Mapping[str, str] = MappingProxyType({})  # the same, read
    counters: tuple[str, ...] = ("step",)  # what a state holds of one number, which old checkpoints have as such

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.keys = dict(pair.split(": ") for pair in cls.states.split(", ") if pair)

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if defaults.get("capturable"):
            raise RuntimeError(f"capturable=True is not possible in scratch.optim.{type(self).__name__}")
        if defaults.get("fused") and defaults.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # a state saved by torch.optim lacks the options that only we have
            for name in self.rule.hyper.keys() & self.defaults.keys() if hasattr(self, "rule") else ():
                group.setdefault(name, self.defaults[name])
        for kept in self.state.values():
            for name in self.counters:
                if name in kept and not isinstance(kept[name], Tensor):
                    kept[name] = zero_step() + kept[name]

    def init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The state of a parameter before its first update, under the keys of torch's own optimizer."""
        return {"step": zero_step(), **{key: torch.zeros_like(param) for key in self.keys.values()}}

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
        hyper = {name: number(group[name]) for name in self.rule.hyper if name in group}
        for params, grads, state, counts in self.batches(group):
            self.rule(params, grads, state, counts | hyper)

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
            symbols = tuple([symbol for symbol, key in self.keys.items() if key in state])
            row = [param, grad, *[state[self.keys[symbol]] for symbol in symbols]]
            if param.is_complex():
                row = [torch.view_as_real(tensor) for tensor in row]
            key = param.device, param.dtype, grad.is_sparse, symbols, *counts.values()
            together.setdefault(key, (counts, []))[1].append(row)
        maximize = group.get("maximize", False)
        for (_, _, _, symbols, *_), (counts, rows) in together.items():
            wanted = {name: value for name, value in counts.items() if name in self.rule.hyper}
            params, grads, *states = zip(*rows, strict=True)
            if maximize:
                grads = tuple(-g for g in grads)
            yield params, grads, dict(zip(symbols, states, strict=True)), wanted


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
