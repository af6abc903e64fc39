"""Bahdanau's and Luong's attention: parameters and their initialisation; the mathematics is in
scratch/ops/attention/alignment.py."""

import math

import torch
from torch import Tensor
from torch.nn import Parameter, init

from scratch.nn import functional as F
from scratch.nn.layer import Layer
from scratch.nn.linear import Linear


class AdditiveAttention(Layer):
    """softmax(w · tanh(W q + U k)) v, with W (hidden, query_size), U (hidden, key_size) and w (hidden,).

    Called with query (N, T, query_size), key (N, S, key_size), value (N, S, D), by default the keys, and a mask
    (N, S), true where there is something; returns the average values (N, T, D), and their weights (N, T, S). All
    parameters are uniform in ±1/√(the size of what they are multiplied with).
    """

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
        scores = F.additive_scores(self.query(query), self.key(key), self.weight)
        return F.aligned(scores, key if value is None else value, mask)


class MultiplicativeAttention(Layer):
    """softmax((W q) · k) v with W (key_size, query_size), or softmax(q · k) v where not ``general``.

    Called as `AdditiveAttention`.
    """

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
        return F.aligned(F.multiplicative_scores(query, key), key if value is None else value, mask)
