"""Group normalisation: in each example the channels of a group together are shifted to mean 0 and scaled to
variance 1, then each channel to a learned scale and shift.

Shapes:     x, y (N, C, *)   w, b (C,) or None   G groups of C/G channels   means over D = |*| C / G numbers
Value:      μ = mean x,   v = mean (x − μ)²,   r = 1/√(v + ε),   x̂ = (x − μ) r                    (1)
            y = w x̂ + b                                                                          (2)
Tangent:    x̂˙ = r (ẋ − mean ẋ − x̂ mean(x̂ ẋ)),   ẏ = ẇ x̂ + w x̂˙ + ḃ                              (3)
Adjoint:    g = w ȳ,   x̄ = r (g − mean g − x̂ mean(x̂ g)),   w̄ = Σ ȳ x̂,   b̄ = Σ ȳ                  (4)
            These are the formulas of batch_norm.py, where `NormFn` computes them, for x read as (N, G, C/G, |*|) with
            means over the last two dimensions.
Saved:      x, w; by the fast form μ and v.   Recomputed: r, x̂.
Kinks:      none. Equal numbers have x̂ = 0 and r = 1/√ε.
Errors:     see scratch/nn/functional/norm.py.
Reference:  torch.nn.functional.group_norm. Differs: nothing.
Source:     Wu and He, Group normalization (2018).
"""

from torch import Tensor

from scratch.ops.norm.batch_norm import NormFn


def group_norm(x: Tensor, groups: int, w: Tensor | None, b: Tensor | None, eps: float) -> Tensor:
    """w x̂ + b with the statistics of each example's groups of channels. See the module's page."""
    each, size = x.shape[1] // groups, x.shape[2:].numel()
    grouped = x.reshape(x.shape[0], groups, each, size)
    w, b = (None if p is None else p.view(groups, each, 1) for p in (w, b))
    y, _, _ = NormFn.apply(grouped, w, b, eps, (2, 3), None, None)  # (1) to (4)
    return y.view(x.shape)
