"""GPT: a Transformer without an encoder, which reads a text and predicts each next character.

    h₀ = E[x] + P,   hₖ = block(hₖ₋₁),   p(xₜ₊₁ | x₁ … xₜ) = softmax(E norm(h)ₜ),
    block(h) = a + f(norm(a)),   a = h + attention(norm(h)),

where attention at t sees the characters up to t alone, and f is a network of one hidden layer of 4 D units and GELU.
For D = `width`, C characters, a context of T, and `depth` blocks:

    token embedding, also the output layer    C × D                    65 × 128      8 320 parameters
    positions, learned                        T × D                    64 × 128      8 192
    a block: attention                        D × 3 D, D × D                        65 536
             feed-forward                     D × 4 D + 4 D, 4 D × D + D           131 712
             two norms                        2 × 2 D                                  512
    last norm                                 2 D                                      256    together 807 808

with the numbers of size "small", four blocks, and the 65 characters of tiny Shakespeare; "tiny" has 107 840 parameters
there, "base" 10 687 872.
Source: Radford et al., Language models are unsupervised multitask learners (2019); the sizes "small" and "base" are
those of Karpathy's nanoGPT (2022) for characters.
Differs from the paper: the projections of the attention have no bias, tokens are characters.
"""

import math
from typing import Any

from torch import Tensor
from torch.nn import Module, ModuleList, init

from zoo.base.writer import Writer
from zoo.core.errors import UsageError, between, one_of, whole
from zoo.core.namespace import Namespace
from zoo.text.decoding import Cache
from zoo.transformer import FeedForward, Residual, SelfAttention

# size: width, heads, depth
SIZES = {"tiny": (64, 4, 2), "small": (128, 4, 4), "base": (384, 6, 6)}


class Block(Module):
    """Causal self-attention and a feed-forward network, (N, T, D) -> (N, T, D)."""

    def __init__(self, layers: str, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        attention = SelfAttention(layers, width, heads, dropout, causal=True)
        feed_forward = FeedForward(layers, width, 4 * width, 0.0, "GELU")
        self.attention = Residual(layers, width, dropout, norm_first=True, f=attention)
        self.feed_forward = Residual(layers, width, dropout, norm_first=True, f=feed_forward)

    def forward(self, x: Tensor, cache: Cache | None) -> Tensor:
        return self.feed_forward(self.attention(x, None, cache))


class GPT(Writer):
    """(character numbers (N, T), cache) -> logits of the next characters (N, T, C), and the cache.

    With a cache, a dict that is empty before a text, the input holds only characters that have not been read yet: the
    keys and values of the others are in it. Without one every call begins a text.

    Args:
        size: "tiny", "small" or "base".
        context: the largest number of characters that are read, T.
        dropout: on the embeddings, the attention's probabilities, and the output of each part of a block.

    The other arguments, and what is logged, are those of `Writer`.
    """

    context: int

    def __init__(
        self,
        layers: str = "zoo.layers",
        size: str = "small",
        context: int = 64,
        dropout: float = 0.0,
        alphabet: str = "ab",
        **training: Any,
    ) -> None:
        super().__init__(layers, alphabet, **training)
        self.save_hyperparameters(ignore=list(training))
        one_of("model.size", size, SIZES)
        whole("model.context", context, 2)
        between("model.dropout", dropout, 0, 1)
        width, heads, depth = SIZES[size]
        nn = Namespace(layers)
        self.context = context
        self.embedding = nn.Embedding(len(alphabet), width)
        self.positions = nn.LearnedPositions(width, context)
        self.dropout = nn.Dropout(dropout)
        self.blocks = ModuleList(Block(layers, width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(alphabet), bias=False)
        self.head.weight = self.embedding.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Matrices N(0, 0.02²), biases 0; what is added to h in 2 · depth places is smaller by √(2 · depth)."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                added = name.endswith(("f.output.weight", "f.contract.weight"))
                init.normal_(parameter, std=0.02 / math.sqrt(2 * len(self.blocks) if added else 1))
            elif name.endswith("bias"):
                init.zeros_(parameter)

    def forward(self, input: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache | None]:
        read = 0
        if cache is not None:
            read = cache.get("read", 0)
            cache["read"] = read + input.shape[1]
        x = self.dropout(self.positions(self.embedding(input), read))
        for block in self.blocks:
            x = block(x, cache)
        return self.head(self.norm(x)), cache

    def new_state(self) -> Cache:
        return {}

    def check(self, data: Any) -> None:
        if data.length > self.context:
            raise UsageError(f"data.length={data.length}: longer than model.context={self.context}")
