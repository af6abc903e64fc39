"""One call checks a class or function of one's own; the examples of docs/harness.md are run."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from scratch.testing import Mismatch, check, normal

pytestmark = pytest.mark.usefixtures("one_thread")

DOCUMENT = Path(__file__).parents[3] / "docs/harness.md"
EXAMPLES = dict(
    zip(
        ("a Function", "a kernel in C", "an optimizer", "from Python"),
        re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL),
        strict=True,
    )
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_documented(example: str) -> None:
    if "gcc" in EXAMPLES[example] and shutil.which("gcc") is None:
        pytest.skip("there is no gcc to compile the kernel with")
    exec(compile(EXAMPLES[example], f"{DOCUMENT}: {example}", "exec"), {"__name__": "example"})


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return 2 * grad * ctx.saved_tensors[0].cos()

    @staticmethod
    def jvp(ctx: Any, x_dot: torch.Tensor) -> torch.Tensor:
        return x_dot


def test_a_mistake_is_told_with_and_without_a_reference() -> None:
    with pytest.raises(Mismatch, match=r"Doubled is wrong\n.*gradient of input\[0\]: 2 times too large"):
        check(Doubled.apply, torch.sin, inputs=[normal(4, 5)])
    with pytest.raises(Mismatch, match=r"gradient of input\[0\] against finite differences: 2 times too large"):
        check(Doubled.apply, inputs=[normal(4, 5)])


def test_a_tangent_that_is_not_the_adjoints() -> None:
    class Tangent(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: torch.Tensor) -> torch.Tensor:
            return x.sin()

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: torch.Tensor) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            return grad * ctx.saved_tensors[0].cos()

        @staticmethod
        def jvp(ctx: Any, x_dot: torch.Tensor) -> torch.Tensor:
            return 3 * x_dot * ctx.saved_tensors[0].cos()

    with pytest.raises(Mismatch, match=r"⟨ȳ, ẏ⟩ = -.*, but ⟨x̄, ẋ⟩ = "):
        check(Tangent.apply, inputs=[normal(4, 5)])


def test_what_is_right_passes() -> None:
    assert check(nn.LayerNorm, None, 5, inputs=[normal(4, 5)])["adjoint"] is not None
    assert check(nn.LSTM, nn.LSTM, 3, 2, inputs=[normal(4, 2, 3)]).keys() >= {"gradients", "second_order", "copies"}
    assert check(torch.optim.Adam, torch.optim.Adam, lr=0.1).keys() == {"steps", "state_dict", "copies"}


def test_an_optimizer_needs_a_reference() -> None:
    with pytest.raises(TypeError, match="only a reference can tell"):
        check(torch.optim.Adam, lr=0.1)
