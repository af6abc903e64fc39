"""The base of losses that compare numbers one by one: ℓ = f(x, t, …), each input broadcast to the others.

Tangent:    ℓ̇ = Σ f_x ẋ over the inputs x      (1)
Adjoint:    x̄ = f_x ℓ̄, summed over what was broadcast   (2);   ℓ̄ from L̄ as in scratch/ops/loss/reduction.py

A subclass is two lines of mathematics on the wide inputs and the options: ``value`` is f and ``slopes`` the f_x in
their order, None for an input that gets no gradient; ``inputs`` counts the tensors.
Saved:      the inputs.   Recomputed: f_x, from whole numbers in the type of ℓ̄.
"""

from inspect import Parameter, Signature, signature
from typing import Any

import torch
from torch import Tensor

from scratch.ops.core.broadcast import unbroadcast
from scratch.ops.core.dtype import continuous, narrowed, widen
from scratch.ops.core.function import Function
from scratch.ops.loss.reduction import WeightedReduceFn, reduce, reduce_adjoint


class PointLoss(Function):
    inputs: int = 2
    value: Any
    slopes: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # closures, as in scratch/ops/core/elementwise.py
        number, value, slopes = cls.inputs, cls.value, cls.slopes

        def forward(*args):
            tensors, (*options, reduction) = args[:number], args[number:]
            return narrowed(reduce(value(*map(widen, tensors), *options), reduction), *tensors)

        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs[:number])
            *ctx.options, ctx.reduction = inputs[number:]

        def backward(ctx, grad):
            tensors = ctx.saved_tensors
            shape = torch.broadcast_shapes(*(t.shape for t in tensors))
            grad = reduce_adjoint(widen(grad), ctx.reduction, shape.numel())
            grads: list[Tensor | None] = []
            found = slopes(*(widen(t) if continuous(t) else t.to(grad.dtype) for t in tensors), *ctx.options)
            for tensor, slope, needed in zip(tensors, found, ctx.needs_input_grad, strict=False):
                if needed and slope is not None:
                    along = (slope * grad).expand(shape)
                    grads.append(unbroadcast(along, tensor.shape).to(tensor.dtype))  # (2)
                else:
                    grads.append(None)
            return *grads, *(None for _ in ctx.options), None

        reduction = Parameter("reduction", Parameter.POSITIONAL_OR_KEYWORD)
        forward.__signature__ = Signature([*signature(value).parameters.values(), reduction])  # type: ignore[attr-defined]
        for method in (forward, setup_context, backward):
            setattr(cls, method.__name__, staticmethod(method))
        super().__init_subclass__(**kwargs)


def weighted(loss: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """w ℓ, its sum or its plain mean."""
    return reduce(WeightedReduceFn.apply(loss, weight, "none"), reduction)
