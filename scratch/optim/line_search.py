"""Line search: how far to go along a direction d, by the strong Wolfe conditions.

With φ(t) = f(θ + t d), φ′(t) = ∇f(θ + t d)ᵀ d and φ′(0) < 0, a step t is good where

    φ(t) ≤ φ(0) + c₁ t φ′(0)                   (1)    enough decrease (Armijo)
    |φ′(t)| ≤ c₂ |φ′(0)|                       (2)    little slope left (curvature)

First t grows until it is good or the last two trials have a good step between them (bracket); then the bracket
shrinks around it (zoom). New trials are minima of the cubic through the values and slopes at two trials,
which for a quadratic f is the exact minimum:

    a = φ′₁ + φ′₂ − 3 (φ₁ − φ₂) / (t₁ − t₂),  b = √(a² − φ′₁ φ′₂),  t₁ ≤ t₂
    t = t₂ − (t₂ − t₁) (φ′₂ + b − a) / (φ′₂ − φ′₁ + 2 b)                 (3)

Source: Nocedal and Wright, Numerical optimization, algorithms 3.5 and 3.6 (2006); the safeguards on trials, and
hence every number, are those of torch.optim.LBFGS, which has them from Schmidt's minFunc.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor


class Trial(NamedTuple):
    t: Any  # a number, or a tensor that holds one
    f: float  # φ(t)
    g: Tensor  # ∇f(θ + t d)
    slope: Any  # φ′(t)


def cubic_minimum(p: Trial, q: Trial, bounds: tuple[Any, Any] | None = None) -> Any:
    """The minimum (3) of the cubic, held within the bounds; the middle of the bounds where the cubic has no minimum."""
    if p.t > q.t:
        p, q = q, p
    low, high = bounds or (p.t, q.t)
    a = p.slope + q.slope - 3 * (p.f - q.f) / (p.t - q.t)
    square = a * a - p.slope * q.slope
    if square >= 0:
        b = square**0.5
        denominator = q.slope - p.slope + 2 * b
        if denominator != 0 and math.isfinite(denominator):
            return min(max(q.t - (q.t - p.t) * ((q.slope + b - a) / denominator), low), high)
    return (low + high) / 2


def strong_wolfe(
    evaluate: Callable[[Any], Trial],
    start: Trial,
    t: Any,
    *,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance: float = 1e-9,
    max_trials: int = 25,
) -> tuple[Trial, int]:
    """The best trial found, and how many there were. ``start`` is t = 0, ``t`` the first trial;
    ``tolerance`` the width of a bracket, in units of t, that is not worth shrinking."""

    def too_high(trial: Trial) -> bool:
        return trial.f > start.f + c1 * trial.t * start.slope  # not (1)

    def flat(trial: Trial) -> bool:
        return abs(trial.slope) <= -c2 * start.slope  # (2)

    # Bracket.
    previous, trial, trials, count = start, evaluate(t), 1, 0
    while count < max_trials:
        if too_high(trial) or (count > 1 and trial.f >= previous.f):
            bracket = [previous, trial]
            break
        if flat(trial):
            return trial, trials
        if trial.slope >= 0:
            bracket = [previous, trial]
            break
        bounds = (trial.t + 0.01 * (trial.t - previous.t), trial.t * 10)
        previous, trial = trial, evaluate(cubic_minimum(previous, trial, bounds))
        trials, count = trials + 1, count + 1
    else:
        bracket = [start, trial]

    # Zoom. ``low`` is the place in the bracket of the better trial.
    low = 0 if bracket[0].f <= bracket[1].f else 1
    near_end = False
    while count < max_trials and abs(bracket[1].t - bracket[0].t) >= tolerance:
        t = cubic_minimum(bracket[0], bracket[1])
        left, right = sorted(trial.t for trial in bracket)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            near_end = False
        elif near_end or t >= right or t <= left:  # twice near an end, or on it: no progress is made there
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near_end = False
        else:
            near_end = True
        trial = evaluate(t)
        trials, count = trials + 1, count + 1
        if too_high(trial) or trial.f >= bracket[low].f:
            bracket[1 - low] = trial
            low = 0 if bracket[0].f <= bracket[1].f else 1
            continue
        if flat(trial):
            return trial, trials
        if trial.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = trial
    return bracket[low], trials
