"""The recurrent encoder-decoder with attention: one network reads a sentence, another writes its translation.

    m₁ … m_S = encoder(x),   s₀ = the encoder's last state                                          (1)
    sₜ = f(sₜ₋₁, E[yₜ]),   cₜ = Σⱼ aₜⱼ mⱼ,   aₜ = softmax of the scores of m₁ … m_S given sₜ          (2)
    s̃ₜ = tanh(W [cₜ; sₜ]),   p(yₜ₊₁ | y₁ … yₜ, x) = softmax(V s̃ₜ)                                      (3)

The encoder reads forwards and backwards, with half of the H hidden units each, so that m and s have the same size. As
in Luong's paper without input feeding, and unlike in Bahdanau's, cₜ is not an input of the recurrence (2). So in
training the decoder is one call of a recurrent layer for the whole sentence, and one of the attention for all its
words.

Shapes:     N sentences, S source and T target tokens; m (N, S, H), s and s̃ (N, T, H).
Padding:    the source is packed, so that neither direction reads PAD, and attention gives it no weight.
Source:     Sutskever, Vinyals and Le, Sequence to sequence learning with neural networks (2014); Bahdanau, Cho and
            Bengio, Neural machine translation by jointly learning to align and translate (2015); Luong, Pham and
            Manning, Effective approaches to attention-based neural machine translation (2015).
"""

from typing import Any

import torch
from lightning import Callback
from torch import Tensor
from torch.nn import Module
from torch.nn.utils.rnn import PackedSequence

from zoo.base.translator import Batch, Translator
from zoo.callbacks.pictures.attention import AttentionPicture
from zoo.callbacks.pictures.gradient import GradientPicture, gradient_norms
from zoo.core.errors import UsageError, between, one_of, whole
from zoo.core.namespace import Namespace
from zoo.recurrent import Recurrent, State
from zoo.text.decoding import Cache
from zoo.text.vocabulary import PAD

Memory = tuple[Tensor, Tensor, tuple[Tensor, ...]]  # m (N, S, H), where there is no PAD (N, S), s₀ (N, depth, H)

ATTENTIONS = ("additive", "dot", "general")


def new_attention(layers: str, kind: str, size: int) -> Module:
    """The attention of this kind, for vectors of `size` numbers."""
    nn = Namespace(layers)
    if kind == "additive":
        return nn.AdditiveAttention(size, size, size)
    return nn.MultiplicativeAttention(size, size, general=kind == "general")


def sentences_first(state: State) -> tuple[Tensor, ...]:
    """The state of a recurrent layer, h or (h, c), as tensors with the sentences first, (N, depth, H)."""
    parts = state if isinstance(state, tuple) else (state,)
    return tuple(part.transpose(0, 1) for part in parts)


def layers_first(parts: tuple[Tensor, ...]) -> State:
    """The inverse of `sentences_first`: h or (h, c), (depth, N, H)."""
    state = tuple(part.transpose(0, 1).contiguous() for part in parts)
    return state if len(state) > 1 else state[0]


def packed_places(known: Tensor) -> PackedSequence:
    """The places where `known` (N, S) is true, numbered from 0 to N S − 1, as the sequences of a PackedSequence."""
    order = known.sum(1).argsort(descending=True)
    place = torch.arange(known.numel(), device=known.device).view_as(known)
    steps = place[order].t()[known[order].t()]
    return PackedSequence(steps, known.sum(0).cpu(), order, order.argsort())


class Encoder(Module):
    """Source tokens (N, S) -> `Memory`."""

    def __init__(
        self, layers: str, tokens: int, cell: str, embedding: int, hidden: int, depth: int, bidirectional: bool,
        dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        nn = Namespace(layers)
        self.embedding, self.dropout = nn.Embedding(tokens, embedding), nn.Dropout(dropout)
        self.recurrent = Recurrent(
            layers, cell, embedding, hidden // (1 + bidirectional), depth, bidirectional, dropout, memory=None
        )

    def forward(self, source: Tensor) -> Memory:
        known = source != PAD
        places = packed_places(known)
        return self.read(self.words(source, places), places.data, known)

    def words(self, source: Tensor, places: PackedSequence) -> PackedSequence:
        """The embeddings of the tokens, without PAD."""
        return places._replace(data=self.dropout(self.embedding(source.flatten()[places.data])))

    def read(self, words: PackedSequence, places: Tensor, known: Tensor) -> Memory:
        """`Memory` of embedded tokens, packed, which belong at these places of (N, S)."""
        read, state = self.recurrent(words)
        m = read.data.new_zeros(known.numel(), read.data.shape[1]).index_copy(0, places, read.data)
        directions = self.recurrent.directions
        # both directions side by side
        ends = (part.unflatten(1, (-1, directions)).flatten(2) for part in sentences_first(state))
        return m.view(*known.shape, -1), known, tuple(ends)


class Decoder(Module):
    """Target tokens (N, T) and `Memory` -> s̃ (N, T, H) and the weights of the attention (N, T, S)."""

    def __init__(
        self, layers: str, tokens: int, cell: str, embedding: int, hidden: int, depth: int, dropout: float,
        attention: str,
    ) -> None:  # fmt: skip
        super().__init__()
        nn = Namespace(layers)
        self.embedding, self.dropout = nn.Embedding(tokens, embedding), nn.Dropout(dropout)
        self.recurrent = Recurrent(layers, cell, embedding, hidden, depth, False, dropout, memory=None)
        self.attention = new_attention(layers, attention, hidden)
        self.combine, self.tanh = nn.Linear(2 * hidden, hidden, bias=False), nn.Tanh()

    def forward(self, target: Tensor, memory: Memory, cache: Cache | None) -> tuple[Tensor, Tensor]:
        m, known, begin = memory
        if cache is not None:
            begin = cache.get(self, begin)
        s, state = self.recurrent(self.dropout(self.embedding(target)), layers_first(begin))
        if cache is not None:
            cache[self] = sentences_first(state)
        c, weights = self.attention(s, m, mask=known)
        return self.dropout(self.tanh(self.combine(torch.cat([c, s], 2)))), weights


class Seq2Seq(Translator):
    """Source tokens (N, S) and target tokens (N, T) -> logits of the tokens that follow (N, T, V).

    Args:
        cell, depth: as of `zoo.recurrent.SequenceClassifier`, for encoder and decoder.
        embedding: the length of a token's vector.
        hidden: H.
        bidirectional: whether the encoder reads the sentence backwards as well.
        attention: "additive" is Bahdanau's, "dot" and "general" are Luong's.
        dropout: on the embedded tokens, between the layers and before the output.

    The other arguments are those of `Translator`.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        source_vocabulary: str = "",
        target_vocabulary: str = "",
        metric: str = "bleu",
        cell: str = "LSTM",
        embedding: int = 64,
        hidden: int = 256,
        depth: int = 1,
        bidirectional: bool = True,
        attention: str = "general",
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        beam: int = 1,
        length_penalty: float = 0.0,
        max_length: int = 100,
        val_sentences: int = 1000,
        **training: Any,
    ) -> None:
        whole("model.hidden", hidden, 1)
        super().__init__(
            layers, hidden, source_vocabulary, target_vocabulary, metric, label_smoothing, beam, length_penalty,
            max_length, val_sentences, **training,
        )  # fmt: skip
        self.save_hyperparameters(ignore=list(training))
        whole("model.embedding", embedding, 1)
        between("model.dropout", dropout, 0, 1)
        one_of("model.attention", attention, ATTENTIONS)
        if bidirectional and hidden % 2:
            raise UsageError(f"model.hidden={hidden}: must be even, as each direction of the encoder has half of it")
        self.encoder = Encoder(
            layers, len(self.source_vocabulary), cell, embedding, hidden, depth, bidirectional, dropout
        )
        self.decoder = Decoder(layers, len(self.target_vocabulary), cell, embedding, hidden, depth, dropout, attention)

    def encode(self, source: Tensor) -> Memory:
        return self.encoder(source)

    def states(self, target: Tensor, memory: Memory, cache: Cache | None = None) -> Tensor:
        return self.decoder(target, memory, cache)[0]

    @torch.no_grad()
    def attention_weights(self, source: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The weights of the attention (1, T, S) for its picture, given source (1, S) and target (1, T)."""
        return {"decoder to encoder": self.decoder(target, self.encode(source), None)[1].cpu()}

    def gradient_per_step(self, batch: Batch) -> Tensor:
        """The norms for the loss of the whole translation, by the words of the source."""
        source, target = batch
        known = source != PAD
        places = packed_places(known)

        def loss(words: PackedSequence) -> Tensor:
            states = self.states(target[:, :-1], self.encoder.read(words, places.data, known))
            return self.loss(states.flatten(0, 1), target[:, 1:].flatten())

        return gradient_norms(self.encoder.words(source, places), loss)

    def configure_callbacks(self) -> list[Callback]:
        return [*super().configure_callbacks(), AttentionPicture(), GradientPicture()]
