"""An update rule compiled: one pass over a parameter and its state, which writes the new values where the old ones were."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from scratch.ops.core.compiler import Kernel


class RuleKernel:
    """The compiled form of ``rule(theta, g, *state, **hyper)``, whose state has these symbols."""

    def __init__(self, rule: Callable[..., Any], symbols: Sequence[str]) -> None:
        parameters = list(inspect.signature(rule).parameters.values())
        self.hyper = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.symbols = symbols
        moving = [parameters[0].name, parameters[1].name, *symbols]

        def positional(*arguments: Any) -> Any:
            state = {s: x for s, x in zip(symbols, arguments[2:], strict=False) if x is not None}
            return rule(*arguments[:2], **state, **dict(zip(self.hyper, arguments[len(moving) :], strict=True)))

        positional.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in (*moving, *self.hyper)]
        )
        name = f"optim.{rule.__name__}"
        self.kernel = Kernel(positional, dict.fromkeys(moving, ("N",)), into=(moving[0], *symbols), name=name)

    def __call__(self, theta: Tensor, g: Tensor, state: dict[str, Tensor], hyper: dict[str, Any]) -> bool:
        """Whether the update was done."""
        options = [hyper.get(name, default) for name, default in self.hyper.items()]
        return self.kernel(theta, g, *[state.get(symbol) for symbol in self.symbols], *options) is not None
