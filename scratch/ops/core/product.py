"""The product of two matrices, by the faster of the two libraries that PyTorch has for it.

Shapes:     a (N, I)   b (I, O)   plus (O,) or None   product (N, O); or a batch of each, (G, N, I) and so on, which is
            always torch's bmm
Formula:    a b + plus
Libraries:  ``torch.mm`` goes to MKL, which on processors other than Intel's leaves half of AVX-512 unused. oneDNN uses
            it all, and has the same product under the name of what it is mostly called for, a linear layer:
            x (N, I), W (O, I) -> x Wᵀ + plus. It is taken for float32 on such a CPU, from a size on where its
            longer way there (10 µs) has paid: 2²³ multiplications, measured on a Zen 4, which does AVX-512 in halves.
            Both round as a sum of I products in float32 does. Only MKL adds the product to a matrix at once: there
            oneDNN pays from twice the size on, and not for a small I.
Layout:     oneDNN copies an x that lies column by column. Where b is the smaller of the two, it is bᵀ aᵀ = (a b)ᵀ that
            is computed, and b that is copied. With a b that has gaps in memory it is a thousand times slower: we copy.
Recorded:   never: autograd does not know oneDNN's. Where a product may be recorded, compiled or batched by vmap, it
            is ``torch.mm``.
"""

import torch
from torch import Tensor

from scratch.ops.core.function import in_place, values_known

ONEDNN = None
if torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512":
    ONEDNN = torch.ops.mkldnn._linear_pointwise.default
PAYS = 2**23  # multiplications
WORTH = 64  # the I next to which one more addition is cheap


def fast(a: Tensor, b: Tensor, adding: bool = False) -> bool:
    """Whether the product of these matrices, or adding it to another, is for oneDNN."""
    return (
        ONEDNN is not None
        and values_known()  # asked first: an exported program is not to depend on the size of its batch
        and a.dim() == 2
        and a.numel() * b.shape[1] >= (2 * PAYS if adding else PAYS)
        and (a.shape[1] >= WORTH or not adding)
        and a.dtype is b.dtype is torch.float32
        and a.device.type == "cpu"
        and not torch.is_grad_enabled()
    )


def onednn(a: Tensor, b: Tensor, plus: Tensor | None = None) -> Tensor:
    if a.stride(0) == 1 and b.shape[1] < a.shape[0] and plus is None:
        return onednn(b.t(), a.t()).t().contiguous()
    w = b.t() if b.is_contiguous() or b.t().is_contiguous() else b.t().contiguous()
    return ONEDNN(a, w, None if plus is None else plus.flatten(), "none", [], "")  # type: ignore[misc]


def product(a: Tensor, b: Tensor, plus: Tensor | None = None) -> Tensor:
    """a b + plus. See the module's page."""
    if fast(a, b):
        return onednn(a, b, plus)
    if plus is None:
        return a @ b
    return torch.addmm(plus, a, b) if a.dim() == 2 else torch.baddbmm(plus, a, b)


def add_product(out: Tensor, a: Tensor, b: Tensor) -> None:
    """out += a b"""
    if fast(a, b, adding=True) or not in_place():  # oneDNN knows no product that adds, and vmap none in place
        out += product(a, b)
    elif out.dim() == 2:
        out.addmm_(a, b)
    else:
        out.baddbmm_(a, b)
