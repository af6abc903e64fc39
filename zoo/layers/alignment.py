"""Attention that aligns the words of two sentences: the reference of scratch/nn/alignment.py."""

import math

import torch
from torch import Tensor
from torch.nn import Linear, Module, Parameter, init


class AdditiveAttention(Module):
    """softmax(w · tanh(W q + U k)) v for q (N, T, Q), k (N, S, K), v (N, S, D) (Bahdanau et al. 2015)."""

    def __init__(self, query_size: int, key_size: int, hidden: int, device=None, dtype=None) -> None:
        super().__init__()
        self.query = Linear(query_size, hidden, bias=False, device=device, dtype=dtype)
        self.key = Linear(key_size, hidden, bias=False, device=device, dtype=dtype)
        self.weight = Parameter(torch.empty(hidden, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.query.reset_parameters()
        self.key.reset_parameters()
        bound = 1 / math.sqrt(self.weight.numel())
        init.uniform_(self.weight, -bound, bound)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        hidden = torch.tanh(self.query(query)[:, :, None] + self.key(key)[:, None])
        return aligned(hidden @ self.weight, key if value is None else value, mask)


class MultiplicativeAttention(Module):
    """softmax((W q) · k) v, or without ``general`` softmax(q · k) v (Luong et al. 2015)."""

    def __init__(self, query_size: int, key_size: int, general: bool = True, device=None, dtype=None) -> None:
        super().__init__()
        if not general and query_size != key_size:
            raise ValueError(f"query_size={query_size} and key_size={key_size} must be equal unless general")
        self.query = Linear(query_size, key_size, bias=False, device=device, dtype=dtype) if general else None

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        if self.query is not None:
            query = self.query(query)
        return aligned(query @ key.mT, key if value is None else value, mask)


def aligned(scores: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """The weighted averages (N, T, D) of the values (N, S, D), and their weights (N, T, S), the softmax of the scores.

    Places where the mask (N, S) is false have weight 0.
    """
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None], -math.inf)
    weights = scores.softmax(-1)
    return weights @ value, weights
