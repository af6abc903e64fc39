"""A layer on other numbers than those of its case: complex, whole, none at all, and where its pieces meet.

Each check answers None where the reference takes no such numbers. Where the reference is known to be wrong, the same
numbers in float64 are the truth, or there is no question.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from scratch.testing.calls import TORCH, Case
from scratch.testing.compare import Check, leaves, mapped, named, require_equal
from scratch.testing.layers import TOLERANCE, second_derivatives
from scratch.testing.packages import Namespace
from scratch.testing.running import Layer, Outcome, continuous, pair, run

NUMBER_CHECKS: dict[str, Check] = {}
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)

# PyTorch computes in the type of whole numbers: it wraps products and differences, and cuts means and margins.
CUT = ("CosineEmbeddingLoss", "HingeEmbeddingLoss", "LocalResponseNorm", "functional.local_response_norm")
# PyTorch ends the process (max of empty bags, pdist of no rows), or returns memory as it finds it (the other two).
UNDEFINED_ON_NOTHING = {"EmbeddingBag", "functional.embedding_bag", "functional.pdist"} | {
    f"Multi{kind}MarginLoss" for kind in ("", "Label")
}
if TORCH < (2, 13):  # attention without heads divides by zero
    UNDEFINED_ON_NOTHING |= {"ScaledDotProductAttention", "functional.scaled_dot_product_attention"}
if TORCH < (2, 14):  # it takes no numbers at all for numbers enough
    UNDEFINED_ON_NOTHING |= {"GroupNorm", "functional.group_norm"}
CLAMPED = ("CosineEmbeddingLoss", "MarginRankingLoss")  # the slope of clamp_min at its kink was 1 before 2.14
# Here PyTorch gives a weight without input channels no output channels either, and takes no images of no pixels.
LINEAR = ("conv1d", "conv2d", "conv3d", "transpose1d", "transpose2d", "transpose3d", "linear")


def on(case: Case, change: Callable[[Any], Any]) -> Case:
    """The case with its inputs changed."""
    return case.but(inputs=tuple(lambda generator, make=make: change(make(generator)) for make in case.inputs))


def answer(case: Case, package: Namespace) -> Outcome | None:
    """Outputs and gradients, None where the package refuses."""
    try:
        return run(Layer(case, package))
    except Exception:
        return None


def agree(case: Case, candidate: Namespace, reference: Namespace, where: str, tolerance: float) -> float | None:
    """The candidate's outputs and gradients are the reference's, where that has them."""
    if answer(case, case.reference or reference) is None:
        return None
    actual, expected = map(run, pair(case, candidate, reference))
    error = require_equal(actual.output, expected.output, f"{where}: output", tolerance)
    return max(error, require_equal(actual.gradient, expected.gradient, f"{where}: gradient", tolerance))


def worst(errors: Iterator[float | None]) -> float | None:
    return max((error for error in errors if error is not None), default=None)


def as_complex(tensor: Tensor) -> Tensor:
    """Floating numbers with an imaginary part of the same size."""
    if not tensor.is_floating_point():
        return tensor
    imaginary = torch.randn(tensor.shape, generator=Generator().manual_seed(tensor.numel()), dtype=torch.float64)
    return torch.complex(tensor.double(), imaginary)


@named(NUMBER_CHECKS)
def complex_numbers(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Inputs, parameters and buffers of complex numbers: outputs, gradients and second derivatives."""
    ours, theirs = pair(case, candidate, reference)
    for side in (ours, theirs):
        side.cast = as_complex
        for _, tensor in side.tensors():
            tensor.data = as_complex(tensor.data)
        side.keep()
    try:
        expected = run(theirs)
    except Exception:
        return None
    actual = run(ours)
    error = require_equal(actual.output, expected.output, "complex: output", TOLERANCE)
    error = max(error, require_equal(actual.gradient, expected.gradient, "complex: gradient", TOLERANCE))
    try:
        second = second_derivatives(theirs, True)
    except RuntimeError:
        return error
    return max(error, require_equal(second_derivatives(ours, True), second, "complex: second derivative", TOLERANCE))


@named(NUMBER_CHECKS)
def whole_numbers(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Floating inputs replaced by whole numbers or booleans, of each type."""

    if callable(case.reference):  # a module that stands in for one of PyTorch's, and takes what it happens to take
        return None

    def as_whole(tensor: Tensor, dtype: torch.dtype) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        whole = (3 * tensor.nan_to_num()).clamp(-9, 9).round()
        return whole.abs().to(dtype) if dtype is torch.uint8 else whole.to(dtype)

    def error_in(dtype: torch.dtype) -> float | None:
        changed = on(case, lambda value: mapped(lambda t: as_whole(t, dtype), value))
        if case.name not in CUT:
            return agree(changed, candidate, reference, str(dtype), 1e-6)
        if answer(changed, case.reference or reference) is None:
            return None
        exact = on(changed, lambda value: mapped(lambda t: t if t.dtype is not dtype else t.double(), value))
        actual, truth = (run(pair(each, candidate, reference)[0], upstream=None).output for each in (changed, exact))
        return require_equal(actual.double(), truth.double(), str(dtype), 1e-6)

    return worst(error_in(dtype) for dtype in WHOLE)


@named(NUMBER_CHECKS)
def other_integers(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Indices, classes and targets in other types of whole numbers, where these can hold them."""

    def fit(value: Any, dtype: torch.dtype) -> bool:
        info, found = torch.iinfo(dtype), [t for _, t in leaves(value, "") if isinstance(t, Tensor)]
        return all(continuous(t) or not t.numel() or info.min <= t.min() <= t.max() <= info.max for t in found)

    inputs = case.draw_inputs()
    if all(t.dtype is not torch.int64 for _, t in leaves(inputs, "") if isinstance(t, Tensor)):
        return None

    def error_in(dtype: torch.dtype) -> float | None:
        if not fit(inputs, dtype):
            return None
        changed = on(case, lambda value: mapped(lambda t: t.to(dtype) if t.dtype is torch.int64 else t, value))
        return agree(changed, candidate, reference, str(dtype), TOLERANCE)

    return worst(error_in(dtype) for dtype in WHOLE[:4])


@named(NUMBER_CHECKS)
def nothing(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Each dimension of an input, and of all that have one of this size, made empty."""
    if case.name in UNDEFINED_ON_NOTHING or case.name.lower().endswith(LINEAR):
        return None
    sizes = {size for _, t in leaves(case.draw_inputs(), "") if isinstance(t, Tensor) for size in t.shape}

    def emptied(tensor: Tensor, size: int) -> Tensor:
        for dim in range(tensor.dim()):
            if tensor.shape[dim] == size:
                tensor = tensor.narrow(dim, 0, 0)
        return tensor

    def error_without(size: int) -> float | None:
        changed = on(case, lambda value: mapped(lambda t: emptied(t, size), value))
        return agree(changed, candidate, reference, f"nothing instead of {size}", TOLERANCE)

    return worst(error_without(size) for size in sorted(sizes))


@named(NUMBER_CHECKS)
def at_kinks(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Second derivatives at zeros, where absolute values, norms and pieces have their corners; only where those of
    the reference are numbers, which is not everywhere."""
    if not case.second_order or "prelu" in case.name.lower():  # PyTorch's second derivative has 0 on the other side
        return None
    if case.name in CLAMPED and TORCH < (2, 14):
        return None
    changed = on(case, lambda value: mapped(lambda t: torch.zeros_like(t) if t.is_floating_point() else t, value))
    ours, theirs = pair(changed, candidate, reference)
    try:
        expected = second_derivatives(theirs, True)
    except RuntimeError:
        return None
    if not all(t.isfinite().all() for t in expected.values()):
        return None
    return require_equal(second_derivatives(ours, True), expected, "at zeros: second derivative", 1e-8)
