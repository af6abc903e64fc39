"""Every case of the table on a GPU, against torch's own layers there."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import scratch
from scratch.testing import CHECKS, OPTIMIZER_CHECKS, Case, Mismatch
from scratch.testing.cases import CASES
from scratch.testing.cases.optim import CASES as OPTIMIZER_CASES
from scratch.testing.compare import mapped, require_equal
from scratch.testing.layers import low_precision, modes
from scratch.testing.packages import offers
from scratch.testing.running import Layer, on, pair, run
from tests.gpu.machine import deterministic

pytestmark = pytest.mark.filterwarnings("ignore")


def by_name(cases: Iterable[Any]) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for case in cases:
        found[case.name].append(case)
    return found


LAYERS = by_name(case for case in CASES if offers(case.reference or "torch.nn", case.name))  # not all in an older torch
OPTIMIZERS = by_name(OPTIMIZER_CASES)


def float16(case: Case, candidate: str, reference: str) -> float | None:
    """No further from the truth than twice the reference's own error, or one unit in the last place."""
    if not case.bfloat16:
        return None
    return low_precision(case, candidate, reference, torch.float16, torch.finfo(torch.float16).eps)


def plain(case: Case, candidate: str, reference: str) -> None:
    """The textbook form."""
    ours, theirs = pair(case, candidate, reference)
    with scratch.plain():
        found = run(ours)
    known = run(theirs)
    require_equal(found.output, known.output, "output", 1e-10)
    require_equal(found.gradient, known.gradient, "gradient", 1e-10)


def repeated(case: Case, candidate: str, reference: str) -> None:
    """The same numbers once more."""
    ours, _ = pair(case, candidate, reference)
    with deterministic() if case.name in SCATTERS else nullcontext():
        first, second = run(ours), run(ours)
    require_equal(first.output, second.output, "output of a second call", 0.0)


SCATTERS = {"GATConv"}  # numbers are added where edges end, in an order that is chance unless torch is told otherwise
TORCH_ON_CUDA = {  # what is otherwise with torch on a GPU than on the CPU: the cases, by words in their reprs, and how
    "CrossEntropyLoss": ("given(-100)", "the mean over one ignored class is 0, and NaN on the CPU"),
    "Embedding": ("norm_type=", "the norm of order 3 or ∞ is of numbers, not of absolute values"),
    "Hardswish": ("", "1/6 is of single precision, in float64, too"),
    "NLLLoss": ("given(-100)", "the mean over one ignored class is 0, and NaN on the CPU"),
    "RMSNorm": ("1e+150", "squares that add to 3e300 make NaN"),
    "functional.avg_pool2d": ("integers(", "whole numbers are not implemented"),
    "functional.max_pool2d": ("integers(", "whole numbers are not implemented"),
}


def as_on_the_cpu(case: Case, candidate: str, reference: str) -> None:
    """Outputs and gradients as torch's on the CPU."""
    for train in modes(case):
        found = run(pair(case, candidate, reference)[0], train=train)
        with on("cpu"):
            known = run(pair(case, candidate, reference)[1], train=train)
        for what in ("output", "gradient"):
            ours, theirs = mapped(Tensor.cpu, getattr(found, what)), getattr(known, what)
            require_equal(ours, theirs, f"{what} as on the CPU", 1e-10)


EXACT = ("outputs", "gradients", "second_order")
KINDS: dict[str, Callable[..., Any]] = {
    **{name: CHECKS[name] for name in (*EXACT, "float32", "bfloat16")},
    "float16": float16,
    "plain": plain,
    "repeated": repeated,
}


def draws(case: Case) -> bool:
    """Whether the reference draws random numbers: on a GPU it does so in an order of its own."""
    layer = Layer(case, case.reference or "torch.nn")
    torch.manual_seed(case.seed)
    before = torch.get_rng_state()
    try:
        run(layer, upstream=None)
    except Exception:
        return False
    return not torch.equal(before, torch.get_rng_state())


def each(cases: Iterable[Any], check: Callable[[Any], Any]) -> None:
    """Check all cases, and tell of all that fail."""
    failed = []
    for case in cases:
        try:
            check(case)
        except Exception as error:
            failed.append(f"{case}: {type(error).__name__}: {error}")
    if failed:
        raise Mismatch(f"{len(failed)} cases fail\n" + "\n".join(failed))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_layers(kind, name, device):
    """In float64 to 1e-10; in fewer digits within the reference's own error."""
    cases = [case for case in LAYERS[name] if not (case.same_random and draws(case))]
    if not cases:
        pytest.skip("torch's own draws its random numbers in another order on a GPU")
    with on(str(device)):
        each(cases, partial(check_of, KINDS[kind]))


def check_of(check: Callable[..., Any], case: Case) -> None:
    try:
        check(case, "scratch.nn", "torch.nn")
    except (Mismatch, NotImplementedError):
        words, _ = TORCH_ON_CUDA.get(case.name, (None, ""))
        if words is None or words not in repr(case):
            raise
        as_on_the_cpu(case, "scratch.nn", "torch.nn")


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["steps", "state"])
def test_optimizers(kind, name, device):
    cases = OPTIMIZERS[name]
    if name == "ASGD":  # of several parameters at once torch computes η on the GPU, in single precision
        cases = [case.but(kwargs=case.kwargs | {"foreach": False}) for case in cases]
    with on(str(device)):
        each(cases, lambda case: OPTIMIZER_CHECKS[kind](case, "scratch.optim", "torch.optim"))


COMPILED = {
    "GELU": (64, 120),
    "Softmax": (64, 10),
    "LogSoftmax": (64, 10),
    "LayerNorm": (64, 256),
    "RMSNorm": (64, 256),
}


@pytest.mark.parametrize("name", COMPILED)
def test_compiled(name, device):
    """Through Triton on a GPU."""
    from scratch.ops.core.compiler import ran

    args = {"Softmax": (-1,), "LogSoftmax": (-1,), "LayerNorm": (256,), "RMSNorm": (256,)}.get(name, ())
    results = []
    before = sum(count for (_, how), count in ran.items() if how == "compiled")
    for package in (scratch.nn, torch.nn):
        torch.manual_seed(0)
        x = torch.randn(*COMPILED[name], device=device, requires_grad=True)
        layer = getattr(package, name)(*args).to(device)
        with scratch.compiled():
            y = layer(x)
            y.backward(torch.ones_like(y).cumsum(-1))
        results.append((y.detach(), x.grad, *(p.grad for p in layer.parameters())))
    require_equal(results[0], results[1], name, 1e-5)
    assert sum(count for (_, how), count in ran.items() if how == "compiled") > before, dict(ran)


def test_random_layers(device):
    """Dropout keeps 1 − p of all numbers, scaled by 1 / (1 − p), and lets through the gradients of these alone."""
    from scratch import nn

    for layer in (nn.Dropout(0.3), nn.AlphaDropout(0.3), nn.RReLU()):
        x = torch.randn(1000, 100, device=device, requires_grad=True)
        y = layer(x)
        y.sum().backward()
        assert y.device.type == x.grad.device.type == device.type
        if isinstance(layer, nn.Dropout):
            kept = y != 0
            assert kept.float().mean().item() == pytest.approx(0.7, abs=0.01)
            torch.testing.assert_close(y[kept], x[kept] / 0.7)
            torch.testing.assert_close(x.grad, kept.float() / 0.7)
