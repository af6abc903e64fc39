"""The Transformer: an encoder and a decoder in which tokens exchange information by attention alone.

    attention(q, k, v) = softmax(q kᵀ / √d) v    for each row of q, the average of v's rows, weighted by their keys

Several heads compute it side by side, each with projections of its own. A layer of the encoder is self-attention, in
which every source token attends to all, and a feed-forward network, which reads each token by itself. A layer of the
decoder is self-attention over the target tokens so far, attention to the encoder's output, and a feed-forward network.
Attention does not depend on the order of tokens, so sines and cosines of their positions are added to the embeddings.

Shapes:     N sentences, S source and T target tokens, D = d_model, H heads of d = D / H numbers.
Padding:    no token attends to PAD in the source. PAD in the target needs no mask, since it comes after all tokens.
Source:     Vaswani et al., Attention is all you need (2017); Xiong et al., On layer normalization in the Transformer
            architecture (2020), for pre-norm; Press and Wolf, Using the output embedding to improve language models
            (2017), for the shared matrix.
"""

import math
from typing import Any

import torch
from lightning import Callback
from torch import Tensor
from torch.nn import Module, ModuleList, init

from zoo.base.translator import Translator
from zoo.callbacks.pictures.attention import AttentionPicture, attention_weights
from zoo.core.errors import UsageError, between, one_of, whole
from zoo.core.namespace import Namespace
from zoo.core.sharding import keep_whole, share_out
from zoo.text.decoding import Cache
from zoo.text.vocabulary import PAD

Memory = tuple[Tensor, Tensor | None]  # the encoder's output (N, S, D), and where there is no PAD (N, 1, 1, S)


class MultiHead(Module):
    """The part that self- and cross-attention share: heads, and the output projection to D numbers.

    The projections have no bias. That of the keys would have no effect: it adds the same number to all scores of a row.
    """

    def __init__(self, layers: str, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        nn = Namespace(layers)
        self.heads = heads
        self.attention = nn.ScaledDotProductAttention(dropout)
        self.output = nn.Linear(size, size, bias=False)

    def split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Split projections into heads: (N, T, parts · D) -> `parts` tensors (N, H, T, d)."""
        return tuple(part.transpose(1, 2) for part in x.unflatten(-1, (parts, self.heads, -1)).unbind(2))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        return self.output(self.attention(q, k, v, mask, causal).transpose(1, 2).flatten(2))


class SelfAttention(MultiHead):
    """Every token attends to all tokens of its own sequence, or with `causal` to those up to itself."""

    def __init__(self, layers: str, size: int, heads: int, dropout: float, causal: bool) -> None:
        super().__init__(layers, size, heads, dropout)
        self.causal = causal
        self.query_key_value = Namespace(layers).Linear(size, 3 * size, bias=False)  # three projections in one product

    def forward(self, x: Tensor, mask: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        q, k, v = self.split(self.query_key_value(x), 3)
        if cache is not None:
            if self in cache:
                k, v = (torch.cat(pair, 2) for pair in zip(cache[self], (k, v), strict=True))
            cache[self] = k, v
        causal = self.causal and bool(x.shape[1] > 1)  # a single new token attends to all before it
        return self.attend(q, k, v, mask, causal)


class CrossAttention(MultiHead):
    """Every token of the target attends to all tokens of the source."""

    def __init__(self, layers: str, size: int, heads: int, dropout: float) -> None:
        super().__init__(layers, size, heads, dropout)
        self.query = Namespace(layers).Linear(size, size, bias=False)
        self.key_value = Namespace(layers).Linear(size, 2 * size, bias=False)

    def forward(self, x: Tensor, memory: Memory, cache: Cache | None = None) -> Tensor:
        source, mask = memory
        (q,) = self.split(self.query(x), 1)
        k, v = self.split(self.key_value(source), 2) if cache is None or self not in cache else cache[self]
        if cache is not None:
            cache[self] = k, v
        return self.attend(q, k, v, mask)


class FeedForward(Module):
    """A network with one hidden layer, applied to each token by itself."""

    def __init__(self, layers: str, size: int, hidden: int, dropout: float, activation: str) -> None:
        super().__init__()
        nn = Namespace(layers)
        self.expand, self.activation = nn.Linear(size, hidden), getattr(nn, activation)()
        self.dropout, self.contract = nn.Dropout(dropout), nn.Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(self.dropout(self.activation(self.expand(x))))


class Residual(Module):
    """norm(x + dropout(f(x))), or with ``norm_first`` x + dropout(f(norm(x))).

    In the second form a path through all layers leaves x, and its gradient on the way back, unchanged.
    """

    def __init__(self, layers: str, size: int, dropout: float, norm_first: bool, f: Module) -> None:
        super().__init__()
        nn = Namespace(layers)
        self.norm_first = norm_first
        self.norm, self.f, self.dropout = nn.LayerNorm(size), f, nn.Dropout(dropout)

    def forward(self, x: Tensor, *args: Any) -> Tensor:
        if self.norm_first:
            return x + self.dropout(self.f(self.norm(x), *args))
        return self.norm(x + self.dropout(self.f(x, *args)))


class EncoderLayer(Module):
    """Self-attention and a feed-forward network, (N, S, D) -> (N, S, D)."""

    def __init__(self, attention: Module, feed_forward: Module) -> None:
        super().__init__()
        self.attention, self.feed_forward = attention, feed_forward

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.feed_forward(self.attention(x, mask))


class DecoderLayer(Module):
    """Self-attention, attention to the encoder's output, and a feed-forward network, (N, T, D) -> (N, T, D)."""

    def __init__(self, self_attention: Module, cross_attention: Module, feed_forward: Module) -> None:
        super().__init__()
        self.self_attention, self.cross_attention = self_attention, cross_attention
        self.feed_forward = feed_forward

    def forward(self, x: Tensor, memory: Memory, cache: Cache | None) -> Tensor:
        return self.feed_forward(self.cross_attention(self.self_attention(x, None, cache), memory, cache))


class Embedded(Module):
    """√D · E[token] + position, or without positions √D · E[token], with dropout: (N, T) -> (N, T, D)."""

    def __init__(self, layers: str, tokens: int, size: int, dropout: float, positions: str) -> None:
        super().__init__()
        nn = Namespace(layers)
        self.scale = math.sqrt(size)
        self.embedding = nn.Embedding(tokens, size)
        self.positions = None if positions == "none" else nn.SinusoidalPositions(size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, offset: int = 0) -> Tensor:
        x = self.embedding(tokens) * self.scale
        return self.dropout(x if self.positions is None else self.positions(x, offset))


class Transformer(Translator):
    """Source tokens (N, S) and target tokens (N, T) -> logits of the tokens that follow (N, T, V).

    Args:
        d_model, heads, encoder_layers, decoder_layers: D, H, and the numbers of layers.
        feed_forward: the number of hidden units in the feed-forward networks.
        dropout: on the embeddings, on the output of each part of a layer, and in the feed-forward networks.
        attention_dropout: on the attention's probabilities.
        norm_first: pre-norm, which trains easily; False for post-norm, as published in 2017, which needs a warm-up.
        activation: "ReLU" or "GELU".
        share: which layers have the same matrix: "all" (source embedding, target embedding and output layer), "target"
            (target embedding and output layer) or "none".
        positions: "sinusoidal", or "none": then the encoder does not see the order of the source tokens. The decoder
            still does of the target's, since its mask lets each attend to those before it only.

    The other arguments are those of `Translator`.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        source_vocabulary: str = "",
        target_vocabulary: str = "",
        metric: str = "bleu",
        d_model: int = 256,
        heads: int = 8,
        encoder_layers: int = 3,
        decoder_layers: int = 3,
        feed_forward: int = 1024,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        norm_first: bool = True,
        activation: str = "ReLU",
        share: str = "target",
        positions: str = "sinusoidal",
        label_smoothing: float = 0.0,
        beam: int = 1,
        length_penalty: float = 0.0,
        max_length: int = 100,
        val_sentences: int = 1000,
        **training: Any,
    ) -> None:
        whole("model.d_model", d_model, 1)
        super().__init__(
            layers, d_model, source_vocabulary, target_vocabulary, metric, label_smoothing, beam, length_penalty,
            max_length, val_sentences, **training,
        )  # fmt: skip
        self.save_hyperparameters(ignore=list(training))
        whole("model.heads", heads, 1)
        if d_model % heads:
            raise UsageError(f"model.heads={heads}: must divide model.d_model={d_model}")
        whole("model.encoder_layers", encoder_layers, 1)
        whole("model.decoder_layers", decoder_layers, 1)
        whole("model.feed_forward", feed_forward, 1)
        between("model.dropout", dropout, 0, 1)
        between("model.attention_dropout", attention_dropout, 0, 1)
        one_of("model.activation", activation, ("ReLU", "GELU"))
        one_of("model.share", share, ("all", "target", "none"))
        one_of("model.positions", positions, ("sinusoidal", "none"))
        if share == "all" and source_vocabulary != target_vocabulary:
            raise UsageError("model.share=all: needs one vocabulary for both languages, but the data have two")

        def residual(f: Module) -> Residual:
            return Residual(layers, d_model, dropout, norm_first, f)

        def itself(causal: bool) -> Residual:
            return residual(SelfAttention(layers, d_model, heads, attention_dropout, causal))

        def other() -> Residual:
            return residual(CrossAttention(layers, d_model, heads, attention_dropout))

        def forward() -> Residual:
            return residual(FeedForward(layers, d_model, feed_forward, dropout, activation))

        def last_norm() -> Module:
            nn = Namespace(layers)
            return nn.LayerNorm(d_model) if norm_first else nn.Identity()

        self.source = Embedded(layers, len(self.source_vocabulary), d_model, dropout, positions)
        self.encoder = ModuleList(EncoderLayer(itself(causal=False), forward()) for _ in range(encoder_layers))
        self.encoder_norm = last_norm()
        self.target = Embedded(layers, len(self.target_vocabulary), d_model, dropout, positions)
        self.decoder = ModuleList(DecoderLayer(itself(causal=True), other(), forward()) for _ in range(decoder_layers))
        self.decoder_norm = last_norm()
        if share == "all":
            self.target.embedding.weight = self.source.embedding.weight
        if share != "none":
            self.loss.linear.weight = self.target.embedding.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Matrices uniform in ±√(6 / (rows + columns)) (Glorot and Bengio 2010), biases 0, embeddings N(0, 1 / D)."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                init.zeros_(parameter)
            elif parameter.dim() > 1:
                init.xavier_uniform_(parameter)
        for embedded in (self.source, self.target):
            init.normal_(embedded.embedding.weight, std=1 / embedded.scale)

    def encode(self, source: Tensor) -> Memory:
        known = (source != PAD)[:, None, None]
        looks = source.is_cpu and not torch.compiler.is_compiling()  # for a GPU's answer the host would have to wait
        mask = None if looks and known.all() else known
        x = self.source(source)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x), mask

    def states(self, target: Tensor, memory: Memory, cache: Cache | None = None) -> Tensor:
        offset = 0
        if cache is not None:
            offset = cache.get("read", 0)
            cache["read"] = offset + target.shape[1]
        x = self.target(target, offset)
        for layer in self.decoder:
            x = layer(x, memory, cache)
        return self.decoder_norm(x)

    def attention_weights(self, source: Tensor, target: Tensor) -> dict[str, Tensor]:
        return attention_weights(self, source, target)

    def configure_callbacks(self) -> list[Callback]:
        return [*super().configure_callbacks(), AttentionPicture()]

    # Weights shared out to several processes (trainer=fsdp).

    def configure_model(self) -> None:
        share_out(self, (*self.encoder, *self.decoder))

    def on_validation_start(self) -> None:
        keep_whole(self, True)

    def on_validation_end(self) -> None:
        keep_whole(self, False)

    def on_test_start(self) -> None:
        keep_whole(self, True)

    def on_test_end(self) -> None:
        keep_whole(self, False)
