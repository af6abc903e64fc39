"""The product of two matrices, or of two batches of them: y = a b.

Shapes:     a (…, N, I)   b (…, I, O)   y (…, N, O), the batches of one shape
Value:      y = a b                                                                          (1)
Tangent:    ẏ = ȧ b + a ḃ                                                                    (2)
Adjoint:    ā = ȳ bᵀ   b̄ = aᵀ ȳ                                                              (3)
Saved:      a, b.   Recomputed: nothing.
Kinks:      none.
Errors:     RuntimeError where the sizes do not fit.
Reference:  torch.matmul. Differs: it does not broadcast.
"""

from torch import Tensor

from scratch.ops.core.function import Function


class MatmulFn(Function):
    wide = False

    @staticmethod
    def value(a, b):
        return a @ b  # (1)

    @staticmethod
    def tangent(a_dot, b_dot, a, b):
        return a_dot @ b + a @ b_dot  # (2)

    @staticmethod
    def adjoint(y_bar, a, b):
        return y_bar @ b.mT, a.mT @ y_bar  # (3)

    @staticmethod
    def fast_adjoint(needs, y_bar, a, b):
        return y_bar @ b.mT if needs[0] else None, a.mT @ y_bar if needs[1] else None


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """a b. See the module's page."""
    return MatmulFn.apply(a, b)
