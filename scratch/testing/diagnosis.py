"""What kind of wrong: hypotheses about two tensors that differ, each a few lines that look at the numbers.

    explain(Difference(actual, expected, known={"input[0]": x, "upstream": g}))  # "2 times too large"

``HYPOTHESES`` stand from the most to the least telling. Each gets a `Difference` and answers with a sentence if it
accounts for every number to 1e-9, else with None: what is said is proved on these numbers, not guessed. The first
answer counts. `optimizers <rules.py>` are diagnosed by experiments in rules.py.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, permutations

import torch
from torch import Tensor

from scratch.testing.compare import errors, relative_error

EXACT = 1e-9  # relative: what counts as the same number


@dataclass(frozen=True)
class Difference:
    """Two results that should be the same, and what is known around them."""

    actual: Tensor | None
    expected: Tensor | None
    known: Mapping[str, Tensor] = field(default_factory=dict)  # what they were computed from: inputs, weights, upstream
    others: Mapping[str, Tensor] = field(default_factory=dict)  # what is right elsewhere: other gradients, other calls

    @cached_property
    def tolerance(self) -> float:
        """Relative, for what counts as the same number: far below the difference that is to be accounted for."""
        if self.actual is None or self.expected is None or self.actual.shape != self.expected.shape:
            return EXACT
        return min(EXACT, 1e-3 * relative_error(self.actual, self.expected, floor=1e-12))

    def same(self, actual: Tensor, expected: Tensor) -> bool:
        return same(actual, expected, self.tolerance)


Hypothesis = Callable[[Difference], str | None]
Answer = str | None


def explain(difference: Difference) -> str:
    """The first hypothesis that accounts for all numbers; "" where none does."""
    for hypothesis in HYPOTHESES:
        try:
            answer = hypothesis(difference)
        except (RuntimeError, ValueError, IndexError, TypeError):  # it does not fit shapes or types like these
            continue
        if answer:
            return answer
    return ""


def same(actual: Tensor, expected: Tensor, tolerance: float = EXACT) -> bool:
    return actual.shape == expected.shape and relative_error(actual, expected, floor=1e-12) <= tolerance


def both(d: Difference) -> tuple[Tensor, Tensor]:
    """Two tensors of one shape; any other difference is told by the hypotheses before."""
    if d.actual is None or d.expected is None or d.actual.shape != d.expected.shape or not d.expected.numel():
        raise ValueError
    return d.actual, d.expected


# ------------------------------------------------------------------------------------ there or not, and its shape


def absent(d: Difference) -> Answer:
    """A gradient where there is none, or none where there is one."""
    if d.expected is None:
        zeros = " of zeros" if d.actual is not None and not d.actual.any() else ""
        return f"a gradient{zeros} to a tensor that has none"
    if d.actual is None:
        return "no gradient arrives: it was detached, or None was returned"
    if d.actual.shape == d.expected.shape and d.expected.any() and not d.actual.any():
        return "zero everywhere"
    if d.actual.shape == d.expected.shape and d.actual.any() and not d.expected.any():
        return "zero is expected everywhere" + ("" if d.actual.isfinite().all() else ", not NaN or infinity")
    return None


def reshaped(d: Difference) -> Answer:
    """The right numbers under another shape: transposed, not reduced, reduced once too often."""
    if d.actual is None or d.expected is None or d.actual.shape == d.expected.shape:
        return None
    a, e = d.actual, d.expected
    shapes = f"shape {tuple(a.shape)} for {tuple(e.shape)}"
    for order in orders(e) if a.dim() == e.dim() else ():
        if d.same(a, e.permute(order)):
            return f"transposed: {shapes}"
    for name, reduce in (("sum", Tensor.sum), ("mean", Tensor.mean)):
        for dims in subsets(a.dim()):
            for keep in (False, True):
                if d.same(reduce(a, dims, keepdim=keep), e):
                    over = "" if name == "sum" else ", of which the mean is wanted"
                    return f"not reduced over {said(dims)}: {shapes}{over}"
        for dims in subsets(e.dim()):
            for keep in (False, True):
                if d.same(a, reduce(e, dims, keepdim=keep)):
                    return f"reduced over {said(dims)}, which should stay ({name}): {shapes}"
    if a.numel() == e.numel() and d.same(a.reshape(e.shape), e):
        return f"the right numbers in another shape: {shapes}"
    return f"another shape: {shapes}"


def not_finite(d: Difference) -> Answer:
    """NaN or infinity where the reference has a number."""
    a, e = both(d)
    wrong = e.isfinite() & ~a.isfinite()
    if not wrong.any():
        return None
    what = "NaN" if a.isnan()[wrong].all() else "infinity" if a.isinf()[wrong].all() else "NaN and infinity"
    place = "everywhere" if wrong.all() else places(wrong, d.known) or f"at {int(wrong.sum())} of {wrong.numel()}"
    return f"{what} {place}"


# ------------------------------------------------------------------------------------------ one number for all


def factor(d: Difference) -> Answer:
    """All numbers by the same factor."""
    a, e = both(d)
    c = ratio(d, a, e)
    if c is None or (abs(c - 1) < 1e-6 and a.numel() < 3):  # that fits any two numbers
        return None
    return times(c, d)


def ratio(d: Difference, a: Tensor, e: Tensor) -> float | None:
    """The number c other than 1 with a = c e."""
    square = (e * e).sum()
    if a.is_complex() or not square > 0:
        return None
    c = ((a * e).sum() / square).item()
    return c if math.isfinite(c) and abs(c - 1) > 1e-14 and d.same(a, c * e) and a.any() else None


def times(c: float, d: Difference) -> str:
    """A factor, in words: 2, 1/N with what N is."""
    if abs(c + 1) < EXACT:
        return "the wrong sign"
    if close(c, 2):
        return "2 times too large: counted or accumulated twice" + sizes(2, d, " ({})")
    for number, sign in ((c, ""), (-c, "and of the wrong sign, ")):
        for power, before in ((1, ""), (0.5, "the root of "), (2, "the square of ")):
            for inverse, verb in ((False, "too large: multiplied by"), (True, "too small: divided by")):
                n = (1 / number if inverse else number) if number > 0 else 0.0
                n = n ** (1 / power)
                if n > 1.5 and close(n, round(n)) and round(n) <= 10**6:
                    where = sizes(round(n), d, ", {}")
                    if where or power == 1:
                        return f"{sign}{verb} {before}{round(n)}{where}"
    for value, name in CONSTANTS.items():
        if close(c, value):
            return f"too large by the factor {name}"
    return f"wrong by the factor {c:.10g}"


CONSTANTS = {f(v): g.format(n) for v, n in ((math.pi, "π"), (2 * math.pi, "2π"), (math.log(2), "ln 2"), (math.e, "e"))
             for f, g in ((lambda v: v, "{}"), (lambda v: 1 / v, "1/{}"), (math.sqrt, "√({})"),
                          (lambda v: 1 / math.sqrt(v), "1/√({})"))}  # fmt: skip


def close(x: float, y: float) -> bool:
    return abs(x - y) <= EXACT * abs(y)


def sizes(n: int, d: Difference, form: str) -> str:
    """What has this size: a dimension or the number of elements of something known."""
    for name, tensor in d.known.items():
        for dim, size in enumerate(tensor.shape):
            if size == n:
                return form.format(f"the size of dimension {dim} of {name}")
    for name, tensor in d.known.items():
        if tensor.numel() == n:
            return form.format(f"the number of elements of {name}")
        if tensor.dim() > 1 and tensor.numel() == n * tensor.shape[0]:
            return form.format(f"the number of elements of a row of {name}")
    return ""


def conjugated(d: Difference) -> Answer:
    """Complex numbers whose imaginary part has the wrong sign, or is lost."""
    a, e = both(d)
    if not e.is_complex():
        return None
    if d.same(a, e.conj()):
        return "conjugated: the imaginary part has the wrong sign"
    return "the imaginary part is lost" if d.same(a, e.real.to(e.dtype)) else None


# ------------------------------------------------------------------------------------------ in the wrong places


def arranged(d: Difference) -> Answer:
    """The right numbers in other places."""
    a, e = both(d)
    for order in orders(e):
        if d.same(a, e.permute(order)):
            return f"transposed: dimensions {', '.join(map(str, order))} for {', '.join(map(str, range(e.dim())))}"
    for dims in subsets(e.dim()):
        if d.same(a, e.flip(dims)):
            return f"reversed along {said(dims)}"
    for dim in range(e.dim()):
        n = e.shape[dim]
        for step in range(1, min(n, 9)):
            if d.same(a, e.roll(step, dim)) or (
                n > 2 and d.same(a.narrow(dim, step, n - step), e.narrow(dim, 0, n - step))
            ):
                return f"late by {step} along dimension {dim}: each place has what belongs {step} before it"
            if n > 2 and d.same(a.narrow(dim, 0, n - step), e.narrow(dim, step, n - step)):
                return f"early by {step} along dimension {dim}: each place has what belongs {step} after it"
    for order in orders(e):
        if d.same(a, e.permute(order).reshape(e.shape)) or d.same(a.permute(order).reshape(e.shape), e):
            return "read in the order in which it lies in memory: taken for contiguous"
    flat = [t.flatten().sort().values for t in (a, e)] if not a.is_complex() else [a, e]
    return "the right numbers in other places: permuted" if e.numel() > 2 and d.same(*flat) else None


def exchanged(d: Difference) -> Answer:
    """What belongs to another tensor or another call."""
    a, e = both(d)
    for name, other in d.others.items():
        if other.shape == e.shape and other.any():
            if d.same(a, other):
                return f"it is {name}"
            if d.same(a, e + other):
                return f"{name} is added to it: accumulated, or a stale buffer"
    return None


def reduced(d: Difference) -> Answer:
    """A sum, a mean or one part where each place should keep its own number."""
    a, e = both(d)
    for dims in subsets(e.dim()):
        if all(e.shape[dim] == 1 for dim in dims):
            continue
        for name, reduce in (("summed", Tensor.sum), ("averaged", Tensor.mean)):
            if d.same(a, reduce(e, dims, keepdim=True).expand_as(e)):
                return f"{name} over {said(dims)}, where each place has its own number"
    for dim in range(e.dim()):
        if e.shape[dim] > 1 and (d.same(a, e.cumsum(dim)) or d.same(a, e.flip(dim).cumsum(dim).flip(dim))):
            return f"accumulated along dimension {dim}"
    for name, t in d.known.items():
        for dims in subsets(t.dim()):
            if t.dim() > e.dim() and d.same(t.sum(dims), e):
                if d.same(a, t.mean(dims)):
                    return f"the mean of {name} over {said(dims)} for its sum"
                for end, index in (("first", 0), ("last", -1)):
                    part = t
                    for dim in sorted(dims, reverse=True):
                        part = part.select(dim, index)
                    if d.same(a, part):
                        return f"only the {end} part of {name}, not its sum over {said(dims)}"
    return None


def rounded(d: Difference) -> Answer:
    """Digits lost on the way: a narrower type inside."""
    a, e = both(d)
    if e.dtype not in (torch.float64, torch.complex128) or not e.isfinite().all():
        return None
    error = errors(a, e, floor=1e-12).max().item()
    for dtype, name in ((torch.bfloat16, "bfloat16"), (torch.float16, "float16"), (torch.float32, "float32")):
        real = torch.view_as_real(a) if a.is_complex() else a
        if error < 8 * torch.finfo(dtype).eps and torch.equal(real.to(dtype).to(real.dtype), real):
            return f"rounded to {name}: every number fits into it"
    tiny = ((a - e).abs() <= 1e-5 * e.abs().clamp(min=1e-2 * e.abs().max())).all()
    if tiny and 1e-9 < error < 3e-6:
        return f"digits of float32 inside {str(e.dtype).removeprefix('torch.')}: the largest error is {error:.1e}"
    return None


def masked(d: Difference) -> Answer:
    """The right numbers, but others of them are zero."""
    a, e = both(d)
    alive = (a != 0) & (e != 0)
    for name, t in d.known.items():
        if t.shape == e.shape and t.is_floating_point() and alive.any() and not torch.equal(a == 0, e == 0):
            c = (e[alive] / t[alive]).mean()
            if all(d.same(side, torch.where(side == 0, 0.0, c * t)) for side in (a, e)):
                return f"another mask: of the same multiples of {name} others are zero"
    return None


def renewed(d: Difference) -> Answer:
    """A running mean k t + …, of which the part that is new is wrong by a factor."""
    a, e = both(d)
    for name, t in d.known.items():
        for keep in (0.9, 0.99, 0.999, 0.5) if t.shape == e.shape and t.is_floating_point() else ():
            c = ratio(d, a - keep * t, e - keep * t)
            for n in range(2, 1000) if c is not None else ():
                for value, text in (((n - 1) / n, f"(n − 1)/n, n = {n}"), (n / (n - 1), f"n/(n − 1), n = {n}")):
                    if close(c or 0.0, value):
                        biased = "biased for unbiased" if value < 1 else "unbiased for biased"
                        return f"what is added to {keep} · {name} is wrong by the factor {text}: {biased} variance"
            if c is not None:
                return f"what is added to {keep} · {name} is {times(c, d)}"
    return None


# ------------------------------------------------------------------------------------------ some elements only


def some(d: Difference) -> Answer:
    """Right but for elements that have something in common; and what is wrong with these."""
    a, e = both(d)
    wrong = errors(a, e, floor=1e-12) > d.tolerance
    if wrong.all() or not wrong.any():
        return None
    place = places(wrong, d.known)
    if place is None:
        return None
    there = Difference(a[wrong], e[wrong], {n: t[wrong] for n, t in d.known.items() if t.shape == wrong.shape})
    kinds = (absent, not_finite, factor, multiplied)
    kind = next((answer for hypothesis in kinds if (answer := attempt(hypothesis, there))), "")
    if wrong.sum() == 1 and kind.startswith("wrong by"):  # any number is some multiple of another
        kind = ""
    kind = kind.replace(" everywhere", "")
    return f"wrong only {place}" + (f": {kind}" if kind else "")


def attempt(hypothesis: Hypothesis, d: Difference) -> Answer:
    try:
        return hypothesis(d)
    except (RuntimeError, ValueError, IndexError, TypeError):
        return None


def places(wrong: Tensor, known: Mapping[str, Tensor]) -> Answer:
    """What the wrong elements, and no others, have in common: a value of something known, an index, the border."""
    for name, t in known.items():
        if t.dim() <= wrong.dim():
            try:
                t = t.expand_as(wrong)
            except RuntimeError:
                continue
            for what, true in predicates(t):
                if torch.equal(wrong, true):
                    return f"where {name} {what}"
    for name, t in known.items():  # a few values that stand nowhere else, such as both ends of an interval
        if t.shape == wrong.shape and t.is_floating_point():
            values = t[wrong].unique()
            round_ones = len(values) <= 3 and torch.equal(values, (values * 100).round() / 100)
            if round_ones and torch.equal(torch.isin(t, values), wrong):
                return f"where {name} is {' or '.join(f'{value:g}' for value in values.tolist())}"
    for name, t in known.items():  # rows that indices name
        if not t.is_floating_point() and not t.is_complex() and t.dtype is not torch.bool and t.numel():
            rows = torch.arange(len(wrong)) if wrong.dim() else torch.zeros(0)
            hits = torch.stack([(t == row).sum() for row in rows]) if len(rows) else rows
            for what, true in (("more than once", hits > 1), ("at all", hits > 0), ("not at all", hits == 0)):
                whole = true.view(-1, *[1] * (wrong.dim() - 1)).expand_as(wrong)
                if true.any() and not true.all() and torch.equal(wrong.any(1, True).expand_as(wrong)
                                                                 if wrong.dim() > 1 else wrong, whole):  # fmt: skip
                    return f"in rows that {name} names {what}"
    if wrong.sum() == 1:
        return f"at one element, {wrong.nonzero()[0].tolist()}"
    for dim in range(wrong.dim()):
        others = [i for i in range(wrong.dim()) if i != dim]
        touched = wrong.any(others) if others and wrong.numel() else wrong.flatten()
        if not touched.all():
            return f"at {indices(touched)} of dimension {dim}"
    inner = wrong
    for dim in range(max(0, wrong.dim() - 3), wrong.dim()):
        inner = inner.narrow(dim, 1, inner.shape[dim] - 2) if inner.shape[dim] > 2 else inner
    if inner.shape != wrong.shape and not inner.any():
        return "at the border, as where something is padded"
    for name, t in known.items():  # a threshold between the right and the wrong
        if t.shape == wrong.shape and t.is_floating_point() and wrong.sum() > 1 and (~wrong).sum() > 1:
            for value, what in ((t, name), (t.abs(), f"|{name}|")):
                low, high = value[wrong], value[~wrong]
                if low.min() > high.max():
                    return f"where {what} > {high.max().item():.4g}"
                if low.max() < high.min():
                    return f"where {what} < {high.min().item():.4g}"
    return None


def predicates(t: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Properties that some elements of a tensor have."""
    if t.dtype is torch.bool:
        yield "is True", t
        yield "is False", ~t
    elif t.is_floating_point():
        yield "is 0, a kink", t == 0
        yield "is negative", t < 0
        yield "is positive", t > 0
        yield "is not positive", t <= 0
        yield "is not negative", t >= 0
        yield "is NaN", t.isnan()
        yield "is infinite", t.isinf()
        for value in set(t.flatten().tolist()) if t.numel() <= 64 else ():
            if (t == value).sum() > 1:
                yield f"is {value:g}", t == value
    elif not t.is_complex():
        for value in t.unique().tolist()[:64]:
            yield f"is {value}", t == value
            yield f"is not {value}", t != value


def indices(touched: Tensor) -> str:
    n, found = len(touched), touched.nonzero().flatten().tolist()
    if found == [0]:
        return "the first index"
    if found == [n - 1]:
        return "the last index"
    if found == list(range(1, n)):
        return "all indices but the first"
    if found == list(range(n - 1)):
        return "all indices but the last"
    if n > 3 and found in (list(range(0, n, 2)), list(range(1, n, 2))):
        return f"every other index from {found[0]} on"
    return (
        f"index {found[0]}"
        if len(found) == 1
        else f"indices {', '.join(map(str, found[:6]))}" + ", …" * (len(found) > 6)
    )


# ------------------------------------------------------------------------------------------ a factor or a term


def multiplied(d: Difference) -> Answer:
    """A factor that is one of the known tensors: left out, or there twice."""
    a, e = both(d)
    for name, t in d.known.items():
        if t.is_floating_point() and t.dim() <= e.dim() and t.any():
            t = t.expand_as(e)
            for factor_, words in ((t, name), (t.abs(), f"|{name}|"), (t * t, f"{name}²"), (1 - t, f"(1 − {name})")):
                if not d.same(factor_, torch.ones_like(factor_)):
                    if d.same(a * factor_, e):
                        return f"the factor {words} is missing"
                    if d.same(a, e * factor_):
                        return f"the factor {words} is one too many"
    for name, change in (("the absolute value", Tensor.abs), ("the square", Tensor.square)):
        if d.same(a, change(e)):
            return f"{name} of what is expected"
    return None


def term(d: Difference) -> Answer:
    """What is missing is a multiple of something known, or the same along a dimension."""
    a, e = both(d)
    rest = e - a
    if not rest.isfinite().all() or a.is_complex():
        return None
    for name, t in d.known.items():
        if t.is_floating_point() and t.dim() <= e.dim() and t.any():
            c = ratio(d, rest, t.expand_as(e)) or (1.0 if d.same(rest, t.expand_as(e)) else None)
            if c is not None:
                return f"a term is missing: {name}" if close(c, 1) else f"a term is missing: {c:.6g} · {name}"
    for dims in reversed([*subsets(e.dim())]):
        if all(e.shape[dim] > 1 for dim in dims) and d.same(rest, rest.mean(dims, keepdim=True).expand_as(rest)):
            return f"a term is missing that is the same along {said(dims)}, such as a sum, a mean or a bias"
    alike = {name: t for name, t in d.known.items() if t.shape == e.shape and t.is_floating_point()}
    for dim in reversed(range(e.dim())):
        for names in (names for size in (1, 2) for names in combinations(("1", *alike), size)):
            if e.shape[dim] > len(names) + 1 and spanned(d, rest, [alike.get(n) for n in names], dim):
                along = " and ".join("a constant" if name == "1" else name for name in names)
                return f"a term is missing along {along}, with one coefficient for each row of dimension {dim}"
    return None


def spanned(d: Difference, rest: Tensor, basis: Sequence[Tensor | None], dim: int) -> bool:
    """Whether along a dimension the rest is a combination of the basis, in which None is a constant."""
    rows = rest.movedim(dim, -1).reshape(-1, rest.shape[dim], 1)
    columns = [torch.ones_like(rest) if t is None else t for t in basis]
    matrix = torch.cat([t.movedim(dim, -1).reshape(-1, rest.shape[dim], 1) for t in columns], -1)
    found = torch.linalg.lstsq(matrix, rows, driver="gelsd").solution
    return len(rows) > 0 and d.same(matrix @ found, rows)


# ------------------------------------------------------------------------------------------------------ helpers


def orders(t: Tensor) -> Iterator[tuple[int, ...]]:
    """Every order of the dimensions but the present one."""
    dims = tuple(range(t.dim()))
    return (order for order in permutations(dims) if order != dims) if t.dim() <= 5 else iter(())


def subsets(count: int) -> Iterator[tuple[int, ...]]:
    return (dims for size in range(1, count + 1) for dims in combinations(range(count), size))


def said(dims: Sequence[int]) -> str:
    return f"dimension {dims[0]}" if len(dims) == 1 else f"dimensions {', '.join(map(str, dims))}"


HYPOTHESES: tuple[Hypothesis, ...] = (
    absent, reshaped, not_finite, factor, rounded, conjugated, arranged, exchanged, reduced, multiplied, masked, some,
    term, renewed,
)  # fmt: skip
