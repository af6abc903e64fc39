"""Is a layer's forward-mode derivative its own: the tangent ẏ of its outputs, for a tangent ẋ of all it depends on?

Proofs, of which the second needs no reference and no finite difference:

    ẏ is the reference's, by ``torch.func.jvp``, or where that has none, (f(x + hẋ) − f(x − hẋ)) / 2h; where that
      contradicts its own gradient, either this or the second proof is enough
    ⟨ȳ, ẏ⟩ = ⟨x̄, ẋ⟩ for random ẋ and ȳ, to rounding: the tangent is the transpose of the adjoint
    dual numbers (``torch.autograd.forward_ad``) give the same ẏ
    the tangent of the gradient (forward over reverse) is the gradient of ⟨x̄, ẋ⟩ (reverse over reverse)
    and so are the tangent of the tangent and its gradient (forward and reverse over forward)
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch._vmap_internals import _vmap
from torch.autograd import forward_ad
from torch.func import grad, jvp, vjp, vmap
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from scratch.testing.calls import Case
from scratch.testing.compare import Mismatch, named, require_equal
from scratch.testing.layers import TOLERANCE, distinct_modes, mode_name
from scratch.testing.packages import Namespace
from scratch.testing.running import Layer, pair, random
from scratch.testing.transforms import TRANSFORM_CHECKS, Pure

STEP = 1e-6
CLOSE = 1e-7  # how far a central difference may be off, relative to the largest tangent


Point = tuple[dict[int, Tensor], dict[str, Tensor]]  # inputs and parameters, or their tangents


def at(pure: Pure) -> Point:
    return pure.floating, {name: t.detach() for name, t in pure.parameters.items()}


def drawn(pure: Pure, seed: int) -> Point:
    """A random tangent of every input and parameter."""
    generator = Generator().manual_seed(seed)
    return tree_map(lambda t: random(t, generator), at(pure))


def forward_mode(layer: Layer, train: bool, dots: Point) -> tuple[list[Tensor], list[Tensor]] | None:
    """The outputs and their tangents by ``torch.func.jvp``, or None where a layer has none, or not finite ones."""
    pure = Pure(layer, train)
    try:
        outputs, y_dot = jvp(pure.outputs, at(pure), dots)[:2]
    except (RuntimeError, NotImplementedError):
        return None
    return (outputs, y_dot) if finite(y_dot) else None


def finite(tensors: Any) -> bool:
    """Whether all numbers of all tensors are."""
    return all(t.isfinite().all() for t in tree_leaves(tensors))


def reference_tangent(layer: Layer, train: bool, dots: Point) -> list[Tensor] | None:
    """The tangent of a reference that gives the same outputs without forward mode. Torch's Transformer layers do not
    where they drop something: they draw other numbers there."""
    found, pure = forward_mode(layer, train, dots), Pure(layer, train)
    if found is None or not all(map(torch.allclose, found[0], pure.outputs(*at(pure)))):
        return None
    return found[1]


def central_difference(pure: Pure, dots: Point) -> list[Tensor]:
    sides = [tree_map(lambda x, dot, h=h: x + h * dot, at(pure), dots) for h in (STEP, -STEP)]
    return [(above - below) / (2 * STEP) for above, below in zip(*(pure.outputs(*side) for side in sides), strict=True)]


def inner(left: Any, right: Any) -> Tensor:
    """⟨a, b⟩ over all tensors, the real part."""
    pairs = zip(tree_leaves(left), tree_leaves(right), strict=True)
    return torch.stack([(a.conj() * b).sum().real.double() for a, b in pairs]).sum()


def require_near(found: Tensor, expected: Tensor, terms: Any, where: str, what: str, other: str) -> float:
    """That two sums of products are the same to rounding, next to the sum of the products' absolute values."""
    size = sum((a * b).abs().sum().item() for a, b in terms) + 1e-3
    error = (found - expected).abs().item() / size
    if not error <= TOLERANCE:
        raise Mismatch(f"{where}: {what} = {found.item()!r}, but {other} = {expected.item()!r}", error)
    return error


def require_transposed(pure: Pure, dots: Point, y_dot: list[Tensor], where: str, seed: int) -> float:
    generator = Generator().manual_seed(seed)
    outputs, pull = vjp(pure.outputs, *at(pure))[:2]
    bars = [random(y, generator) for y in outputs]
    terms = zip(bars, y_dot, strict=True)
    return require_near(inner(bars, y_dot), inner(pull(bars), dots), terms, where, "⟨ȳ, ẏ⟩", "⟨x̄, ẋ⟩")


def contradicts_itself(layer: Layer, train: bool, dots: Point, y_dot: list[Tensor] | None, seed: int) -> bool:
    """Whether a layer has a tangent that is not the transpose of its own adjoint: torch's embedding with padding, the
    cosine of vectors shorter than ε, the Gaussian likelihood with a variance below ε."""
    try:
        if y_dot is not None:
            require_transposed(Pure(layer, train), dots, y_dot, "", seed)
    except Mismatch:
        return True
    return False


def require_symmetric(pure: Pure, dots: Point, where: str) -> float:
    """The Hessian of the sum of sines of all outputs times ẋ, by forward over reverse and by reverse over reverse."""
    gradient = grad(pure.total, (0, 1))
    forward_over_reverse = jvp(gradient, at(pure), dots)[1]
    reverse_over_reverse = grad(lambda *point: inner(gradient(*point), dots), (0, 1))(*at(pure))
    error = require_equal(forward_over_reverse, reverse_over_reverse, where, TOLERANCE)
    return max(
        error, require_equal(dual_gradient(pure, dots), forward_over_reverse, f"{where}: dual numbers", TOLERANCE)
    )


def dual_tangent(pure: Pure, dots: Point) -> list[Tensor]:
    """The tangent ẏ by dual numbers, without a transform: 0 where an output has none."""
    with forward_ad.dual_level():
        outputs = pure.outputs(*tree_map(forward_ad.make_dual, at(pure), dots))
        unpacked = [forward_ad.unpack_dual(y) for y in outputs]
        return [torch.zeros_like(y.primal) if y.tangent is None else y.tangent.clone() for y in unpacked]


def dual_gradient(pure: Pure, dots: Point) -> Point:
    """The tangent of the gradient by dual numbers."""
    with forward_ad.dual_level():
        duals = tree_map(lambda x, dot: forward_ad.make_dual(x.clone().requires_grad_(), dot), at(pure), dots)
        leaves, structure = tree_flatten(duals)
        grads = torch.autograd.grad(pure.total(*duals), leaves, create_graph=True, allow_unused=True)
        unpacked = [None if grad is None else forward_ad.unpack_dual(grad).tangent for grad in grads]
        found = [torch.zeros_like(x) if dot is None else dot.clone() for x, dot in zip(leaves, unpacked, strict=True)]
        return tree_unflatten([forward_ad.unpack_dual(x).primal.detach() for x in found], structure)


def two_at_once(function: Callable[..., Any], point: Point, dots: Point) -> Any:
    """The tangents of a function for ẋ and −2ẋ, under vmap."""
    return vmap(lambda dots: jvp(function, point, dots)[1], randomness="same")(doubled(dots))


def duals_of_two(pure: Pure, dots: Point) -> list[Tensor]:
    """The tangents ẏ for ẋ and −2ẋ by dual numbers, under autograd's older vmap, as `gradcheck` asks for them."""
    leaves, structure = tree_flatten(doubled(dots))
    return [*_vmap(lambda *dots: tuple(dual_tangent(pure, tree_unflatten([*dots], structure))))(*leaves)]


def doubled(dots: Any) -> Any:
    """ẋ and −2ẋ, stacked."""
    return tree_map(lambda t: torch.stack([t, -2 * t]), dots)


def repeated(point: Point) -> Point:
    """x and x, stacked."""
    return tree_map(lambda t: torch.stack([t, t]), point)


def asked(case: Case, ours: Layer, theirs: Layer) -> Iterator[tuple[bool, Pure, Point, list[Tensor] | None]]:
    """In each mode in which it differs, whether that is training, a layer, ẋ, and the reference's ẏ, if it has one.
    Not where nothing varies, nor where neither a reference nor finite differences can tell."""
    for train in distinct_modes(ours):
        pure = Pure(ours, train)
        if pure.floating or pure.parameters:
            dots = drawn(pure, case.seed + 5)
            expected = reference_tangent(theirs, train, dots)
            if expected is not None or case.finite_differences:
                yield train, pure, dots, expected


@named(TRANSFORM_CHECKS)
def tangents(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Forward mode: the tangent of the outputs, alone, of two tangents at once, and over the backward pass."""
    ours, theirs = pair(case, candidate, reference)
    error = None
    for train, pure, dots, expected in asked(case, ours, theirs):
        mode = mode_name(train)
        outputs, y_dot = jvp(pure.outputs, at(pure), dots)[:2]
        if not outputs or (expected is None and not finite((outputs, y_dot))):
            continue
        where, seed = f"{mode} mode: tangent", case.seed + 6
        error = error or 0.0
        coherent = not contradicts_itself(theirs, train, dots, expected, seed)
        if expected is None:
            require_equal(y_dot, central_difference(pure, dots), where, CLOSE, floor=1.0)
        elif coherent or contradicts_itself(ours, train, dots, y_dot, seed):  # else ours belongs to its gradient
            error = max(error, require_equal(y_dot, expected, where, TOLERANCE))
        if coherent:
            error = max(error, require_transposed(pure, dots, y_dot, where, seed))
        error = max(error, require_equal(dual_tangent(pure, dots), y_dot, f"{mode} mode: dual numbers", TOLERANCE))
        both = two_at_once(pure.outputs, at(pure), dots)
        error = max(error, require_equal(both, doubled(y_dot), f"{mode} mode: two tangents under vmap", TOLERANCE))
        if batches_duals(Pure(theirs, train), dots):
            found = duals_of_two(pure, dots)
            error = max(error, require_equal(found, doubled(y_dot), f"{mode} mode: a batch of dual numbers", TOLERANCE))
        if coherent and case.second_order:
            error = max(error, require_symmetric(pure, dots, f"{mode} mode: forward over reverse"))
    return error


def vmaps(pure: Pure) -> bool:
    """Whether a layer gives under vmap what it gives without: torch's Transformer layers do not where they drop
    something."""
    outputs = pure.outputs(*at(pure))
    try:
        twice = vmap(pure.outputs, randomness="same")(*repeated(at(pure)))
    except Exception:  # torch's own does not work like this
        return False
    return all(torch.allclose(both, y.expand_as(both)) for both, y in zip(twice, outputs, strict=True))


def batches_duals(pure: Pure, dots: Point) -> bool:
    """Whether a layer goes with `duals_of_two`; torch's RReLU does only because the older vmap does not notice that it
    draws."""
    try:
        duals_of_two(pure, dots)
    except Exception:  # torch's own does not work like this
        return False
    return not isinstance(pure.called.module, torch.nn.RReLU)


def twice(pure: Pure, dots: Point, bars: list[Tensor]) -> tuple[list[Tensor], Point]:
    """The tangent of the tangent, by forward over forward, and the gradient of ⟨ȳ, ẏ⟩, by reverse over forward."""

    def tangent(*point: Any) -> list[Tensor]:
        return jvp(pure.outputs, point, dots)[1]

    gradient = grad(lambda *point: inner(bars, tangent(*point)), (0, 1))
    return jvp(tangent, at(pure), dots)[1], gradient(*at(pure))


OFF = "torch has forward mode off in the jvp of a Function; scratch/ops/core/forward_mode.py switches it on"


def are_of(found: Any, layer: Pure, dots: Point, bars: list[Tensor]) -> bool:
    """Whether these are also what another layer has."""
    try:
        require_equal(found, twice(layer, dots, bars), "", TOLERANCE)
    except (Mismatch, RuntimeError, NotImplementedError):
        return False
    return True


def require_second(ours: Pure, theirs: Pure, dots: Point, bars: list[Tensor], where: str) -> float | None:
    """ÿ and the gradient of ⟨ȳ, ẏ⟩ are those by reverse over reverse, or the reference's: torch's normalisations have
    wrong ones."""
    gradient = grad(lambda *point: inner(bars, ours.outputs(*point)), (0, 1))
    truth = grad(lambda *point: inner(gradient(*point), dots), (0, 1))(*at(ours))
    if not finite(truth):
        return None
    y_dot_dot, found = twice(ours, dots, bars)
    terms = zip(bars, y_dot_dot, strict=True)
    try:
        near = require_near(inner(bars, y_dot_dot), inner(truth, dots), terms, where, "⟨ȳ, ÿ⟩", "by the gradients")
        error = max(near, require_equal(found, truth, f"{where}: reverse over forward", TOLERANCE))
    except Mismatch:
        if not are_of((y_dot_dot, found), theirs, dots, bars):
            if not any(t.any() for t in y_dot_dot):
                raise Mismatch(f"{where} is 0: {OFF}", 1.0) from None
            raise
        error = 0.0
    nested = two_at_once(lambda *point: two_at_once(ours.outputs, point, dots), at(ours), dots)
    return max(error, require_equal(nested, doubled(doubled(y_dot_dot)), f"{where}, under vmap", TOLERANCE))


@named(TRANSFORM_CHECKS)
def second_tangents(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Forward mode in itself, as ``jacfwd(jacfwd(f))`` has it, under reverse mode, and over vmap."""
    ours, theirs = pair(case, candidate, reference)
    error = None
    for train, pure, dots, expected in asked(case, ours, theirs) if case.second_order else ():
        other, mode, seed = Pure(theirs, train), mode_name(train), case.seed + 6
        y_dot, generator = jvp(pure.outputs, at(pure), dots)[1], Generator().manual_seed(seed + 1)
        if not y_dot or contradicts_itself(theirs, train, dots, expected, seed):
            continue
        bars = [random(t, generator) for t in y_dot]
        found = require_second(pure, other, dots, bars, f"{mode} mode: tangent of the tangent")
        error = found if error is None else max(error, found or 0.0)
        if vmaps(other):
            batched = jvp(vmap(pure.outputs, randomness="same"), repeated(at(pure)), doubled(dots))[1]
            where = f"{mode} mode: tangent over vmap"
            error = max(error or 0.0, require_equal(batched, doubled(y_dot), where, TOLERANCE))
    return error
