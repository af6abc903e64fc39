"""Root mean square normalisation: every row is scaled to mean square 1, then by a learned scale.

Shapes:     x (…, *S) with D numbers in S   r (…, 1) for each row   y (…, *S)   w (*S,) or None
Value:      r = 1 / √(mean x² + ε)                                                              (1)
            y = w x r                                                                           (2)
Tangent:    ṙ = −r³ mean(x ẋ)                                                                   (3)
            ẏ = ẇ x r + w (ẋ r + x ṙ)                                                           (4)
Adjoint:    g = w ȳ                                                                             (5)
            x̄ = r g − r³ x mean(x g)                                                            (6)
            w̄ = Σ ȳ x r over rows                                                               (7)
Saved:      x, w; by the fast form r.   Recomputed: r.
Kinks:      none. A row of zeros stays one.
Options:    ε is by default the spacing of numbers at 1 in the type that is computed in.
Errors:     see scratch/nn/functional/norm.py.
Reference:  torch.nn.functional.rms_norm. Differs: it does not warn where the types of x and w differ.
Source:     Zhang and Sennrich, Root mean square layer normalization (2019).
"""

from torch import Tensor

from scratch.ops.core.dtype import widen
from scratch.ops.core.function import Function
from scratch.ops.norm.layer_norm import mean


class RMSNormFn(Function):
    """Rows x (N, D), w (D,) -> y."""

    keeps = ("r",)
    layouts = "x (N, D)  w (D)  y (N, D)"

    @staticmethod
    def value(x, w, eps):
        y = x * root_mean_square(x, eps)
        return y if w is None else w * y  # (2)

    @staticmethod
    def tangent(x_dot, w_dot, x, w, eps):
        r = root_mean_square(x, eps)
        r_dot = -(r**3) * mean(x * x_dot)  # (3)
        moved = x_dot * r + x * r_dot
        return w_dot * x * r + (moved if w is None else w * moved)  # (4)

    @staticmethod
    def adjoint(y_bar, x, w, eps):
        r = root_mean_square(x, eps)
        g = y_bar if w is None else w * y_bar  # (5)
        return r * g - r**3 * x * mean(x * g), (y_bar * x * r).sum(0)  # (6), (7)

    @staticmethod
    def fast_value(x, w, eps):
        wide = widen(x)
        r = (wide * wide).mean(-1, keepdim=True).add_(eps).rsqrt_()
        y = wide * r
        return (y if w is None else y.mul_(w)).to(x.dtype), r

    @staticmethod
    def fast_adjoint(needs, y_bar, x, w, r):
        x, y_bar = widen(x), widen(y_bar)
        w_bar = (y_bar * x * r).sum(0) if needs[1] else None
        if not needs[0]:
            return None, w_bar
        g = y_bar if w is None else y_bar * w
        along = (g * x).mean(-1, keepdim=True)
        return (g * r).sub_(x * (along * r * r * r)), w_bar


def root_mean_square(x, eps):
    """r"""
    return (mean(x * x) + eps).rsqrt()  # (1)


def rms_norm(x: Tensor, w: Tensor | None, eps: float) -> Tensor:
    """w x r of the rows x (N, D). See the module's page."""
    return RMSNormFn.apply(x, w, eps)
