"""Scaled dot-product attention as a layer: the reference of ScaledDotProductAttention in scratch/nn/attention.py."""

from torch import Tensor
from torch.nn import Module
from torch.nn.functional import scaled_dot_product_attention


class ScaledDotProductAttention(Module):
    """softmax(q kᵀ / √E + mask) v for q (…, L, E), k (…, S, E), v (…, S, D), with dropout of the probabilities."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, is_causal: bool = False
    ) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        return scaled_dot_product_attention(query, key, value, mask, dropout, is_causal)

    def extra_repr(self) -> str:
        return f"dropout={self.dropout}"
