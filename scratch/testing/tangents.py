"""Is a layer's forward-mode derivative its own: the tangent ẏ of its outputs, for a tangent ẋ of all it depends on?

Four proofs, of which the second needs no reference and no finite difference:

    ẏ is the reference's, by ``torch.func.jvp``, or where that has none, (f(x + hẋ) − f(x − hẋ)) / 2h; where that
      contradicts its own gradient, either this or the second proof is enough
    ⟨ȳ, ẏ⟩ = ⟨x̄, ẋ⟩ for random ẋ and ȳ, to rounding: the tangent is the transpose of the adjoint
    dual numbers (``torch.autograd.forward_ad``) give the same ẏ
    the tangent of the gradient (forward over reverse) is the gradient of ⟨x̄, ẋ⟩ (reverse over reverse)
"""

from typing import Any

import torch
from torch import Generator, Tensor
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
    return (outputs, y_dot) if all(dot.isfinite().all() for dot in y_dot) else None


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


def require_transposed(pure: Pure, dots: Point, y_dot: list[Tensor], where: str, seed: int) -> float:
    generator = Generator().manual_seed(seed)
    outputs, pull = vjp(pure.outputs, *at(pure))[:2]
    bars = [random(y, generator) for y in outputs]
    moved, found = inner(bars, y_dot), inner(pull(bars), dots)
    size = sum((a * b).abs().sum().item() for a, b in zip(bars, y_dot, strict=True)) + 1e-3
    error = (moved - found).abs().item() / size
    if not error <= TOLERANCE:
        raise Mismatch(f"{where}: ⟨ȳ, ẏ⟩ = {moved.item()!r}, but ⟨x̄, ẋ⟩ = {found.item()!r}", error)
    return error


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


def two_at_once(pure: Pure, dots: Point) -> list[Tensor]:
    """The tangents ẏ for ẋ and −2ẋ, under vmap."""
    both = tree_map(lambda t: torch.stack([t, -2 * t]), dots)
    return vmap(lambda dots: jvp(pure.outputs, at(pure), dots)[1], randomness="same")(both)


@named(TRANSFORM_CHECKS)
def tangents(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Forward mode: the tangent of the outputs, alone, of two tangents at once, and over the backward pass."""
    ours, theirs = pair(case, candidate, reference)
    error = None
    for train in distinct_modes(ours):
        pure, mode = Pure(ours, train), mode_name(train)
        if not (pure.floating or pure.parameters):
            continue
        dots = drawn(pure, case.seed + 5)
        expected = reference_tangent(theirs, train, dots)
        if expected is None and not case.finite_differences:
            continue
        outputs, y_dot = jvp(pure.outputs, at(pure), dots)[:2]
        if not outputs or not all(y.isfinite().all() for y in (*outputs, *y_dot)):
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
        both, doubled = two_at_once(pure, dots), [torch.stack([t, -2 * t]) for t in y_dot]
        error = max(error, require_equal(both, doubled, f"{mode} mode: two tangents under vmap", TOLERANCE))
        if coherent and case.second_order:
            error = max(error, require_symmetric(pure, dots, f"{mode} mode: forward over reverse"))
    return error
