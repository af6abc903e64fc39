"""The fast form of pooling on CPUs, one dimension after the other; see pool.py for the formulas.

Maximum:    the maximum of a window is a chain of maxima of two numbers, along the rows and then down the columns of
            what they gave. Backward, each link of the chain hands ȳ to its right number if that is larger, and else on
            to the left: so the first of equal numbers in row-major order gets it, and no place is looked for.
Indices:    the first maximum along the last dimension, then the first of those along the one before, and so on, is
            the first of all.
Mean:       a window's sum is a sum of sums.
Memory:     a batch goes through in parts, which stay in the cache together with what is made of them on the way.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from scratch.ops.conv.pad import constant_pad
from scratch.ops.conv.window import Windows, add_shifted, empty, shifted
from scratch.ops.core.dtype import wide_type, widen

LONG = 1024  # numbers of a window
PART = 2**17  # numbers of x treated at a time
BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def not_long(*inputs: Any) -> bool:
    """Not for windows of many numbers that hardly overlap, since these forms take an operation for each number."""
    *_, windows = inputs
    K = math.prod(windows.kernel)
    return K <= LONG or K * math.prod(windows.output) > 4 * math.prod(windows.size)


def by_parts(f: Callable[..., Tensor], windows: Windows, *tensors: Tensor) -> Tensor:
    """f of batches, part by part."""
    (N, C), size = tensors[0].shape[:2], math.prod(windows.size)
    count = max(1, round(N * C * size / PART))
    if count == 1:
        return f(*tensors)
    parts = zip(*(x.chunk(count) for x in tensors), strict=True)
    first = f(*next(parts))
    whole = empty(first, (N, *first.shape[1:]))
    whole[: len(first)] = first
    for target, part in zip(whole.chunk(count)[1:], parts, strict=True):
        target.copy_(f(*part))
    return whole


def maximum(x, windows):
    def value(x):
        y = surrounded(x, windows)
        for axis, (k, s, d) in enumerate(windows.axes, start=2):
            y = folded(torch.maximum, shifted(y, axis, k, s, d))
        return y

    return by_parts(value, windows, x)


def surrounded(x: Tensor, windows: Windows) -> Tensor:
    return constant_pad(x, windows.padding, -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min)


def folded(f: Callable[..., Tensor], parts: Sequence[Tensor]) -> Tensor:
    """f(f(f(a, b), c), …)"""
    if len(parts) == 1:
        return parts[0]
    total = f(*parts[:2])
    for part in parts[2:]:
        f(total, part, out=total)
    return total


def maximum_adjoint(needs, y_bar, x, windows):
    return by_parts(lambda x, y_bar: hand_back(x, y_bar, windows), windows, x, y_bar)


def laid_out(y_bar: Tensor, last: bool) -> Tensor:
    """The numbers of ȳ in memory as those of x: the channels last or not."""
    return y_bar.movedim(1, -1).contiguous().movedim(-1, 1) if last else y_bar.contiguous()


def hand_back(x: Tensor, y_bar: Tensor, windows: Windows) -> Tensor:
    """x̄, along the chain of maxima."""
    grad = laid_out(y_bar, x.stride(1) == 1)
    x = surrounded(x, windows)
    axes = [(axis, *options) for axis, options in enumerate(windows.axes, start=2)]
    chains = []
    for axis, left in zip(reversed(axes), windows.padding[::2], strict=True):
        x, takes = chain(shifted(x, *axis), *axis, left)
        chains.append(takes)
    for axis, takes in zip(axes, reversed(chains), strict=True):
        parts, rest = [], grad.view(BITS[grad.element_size()])  # its bits as a whole number: 0 · ∞ would be NaN
        for take in reversed(takes):
            parts.append(take.mul_(rest))
            rest = rest - parts[-1]
        grad = add_shifted([part.view(grad.dtype) for part in (rest, *reversed(parts))], *axis)
    return constant_pad(grad, [-amount for amount in windows.padding])


def chain(values: Sequence[Tensor], axis: int, k: int, s: int, d: int, left: int) -> tuple[Tensor, list[Tensor]]:
    """The maximum of the values, and for each but the first 1 where it is larger than all before it, else 0."""
    best, takes = values[0].clone(), []
    for j, value in enumerate(values[1:]):
        value = value.clone()  # comparisons are slow on strided views, and three times as slow in writing booleans
        larger, nan = torch.empty_like(value), torch.empty_like(value)
        torch.gt(value, best, out=larger).add_(torch.ne(value, value, out=nan))
        take = larger.to(BITS[value.element_size()])
        outside = min(max(-((d * j - left) // s), 0), best.shape[axis])  # windows that begin in the left padding ...
        if outside > 0:
            take.narrow(axis, 0, outside).fill_(1)  # ... go on into the image, even if all there is −∞
        torch.maximum(best, value, out=best)
        takes.append(take)
    return best, takes


def argmax(x, windows):
    """y and j"""
    best, index, step = surrounded(x, windows), torch.zeros((), dtype=torch.int64, device=x.device), 1
    axes = [(axis, *options) for axis, options in enumerate(windows.axes, start=2)]
    for axis, size, line in reversed([*zip(axes, windows.size, starts(windows, x.device), strict=True)]):
        begin, first = (each.view(-1, *(1 for _ in range(axis[0] + 1, x.dim()))) for each in line)
        values, index = shifted(best, *axis), index.expand(best.shape)
        numbers = shifted(index, *axis)
        best, index = values[0], numbers[0] + step * first
        for k, (value, number) in enumerate(zip(values[1:], numbers[1:], strict=True), start=1):
            better = (value > best) | (value != value)
            best = torch.where(better, value, best)
            index = torch.where(better, number + step * (begin + axis[-1] * k), index)
        step *= size
    return best, index


def starts(windows: Windows, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Along each dimension where the windows begin, and where, by steps of the dilation, they are not before the
    image."""
    lines = []
    for o, s, d, left in zip(windows.output, windows.stride, windows.dilation, windows.padding[-2::-2], strict=True):
        begin = torch.arange(o, device=device) * s - left
        lines.append((begin, torch.where(begin < 0, begin % d, begin)))
    return lines


def nowhere(windows: Windows, device: torch.device) -> Tensor:
    """Which windows lie in the padding altogether, as only those may that have gaps."""
    missing = torch.zeros((), dtype=torch.bool, device=device)
    for n, (_, first) in zip(windows.size, starts(windows, device), strict=True):  # none ends before the image
        missing = missing[..., None] | (first >= n)
    return missing


def argmax_adjoint(needs, y_bar, j, windows):
    """x̄[j[l]] = Σ ȳ[l]"""
    (N, C), places = y_bar.shape[:2], math.prod(windows.size)
    if max(windows.dilation) > 1:
        y_bar, j = y_bar.masked_fill(nowhere(windows, j.device), 0), j.clamp_max(places - 1)
    x_bar = y_bar.new_zeros(N, C, places, dtype=wide_type(y_bar))
    return x_bar.scatter_add_(2, j.flatten(2), widen(y_bar).flatten(2)).view(N, C, *windows.size)


def mean(x, m, windows):
    def value(x):
        total = constant_pad(widen(x), windows.padding)
        for axis, (k, s, d) in enumerate(windows.axes, start=2):
            one = k == total.shape[axis]
            total = total.sum(axis, keepdim=True) if one else folded(torch.add, shifted(total, axis, k, s, d))
        return (total / m).to(x.dtype)

    y = by_parts(value, windows, x) if overlapping(windows) else value(x)
    return y, x.stride(1) == 1


def mean_adjoint(needs, y_bar, m, windows, last):
    def x_bar(y_bar):
        x_bar = laid_out(y_bar, last) / m
        for axis, (k, s, d) in reversed([*enumerate(windows.axes, start=2)]):
            one = x_bar.shape[axis] == 1
            x_bar = torch.cat([x_bar] * k, axis) if one else add_shifted([x_bar] * k, axis, k, s, d)
        return constant_pad(x_bar, [-amount for amount in windows.padding])

    return by_parts(x_bar, windows, y_bar) if overlapping(windows) else x_bar(y_bar)


def overlapping(windows: Windows) -> bool:
    """Whether much is made on the way, from padding and from row after row."""
    return windows.kernel != windows.stride
