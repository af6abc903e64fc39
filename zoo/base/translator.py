"""The base class of translation models: they read a sentence x, then predict the tokens of its translation y in turn.

    p(y | x) = Πₜ p(yₜ | y₁ … yₜ₋₁, x),   loss = −log p(yₜ | …), the mean over all tokens, EOS included.

In training the model is given the true y₁ … yₜ₋₁ (teacher forcing), so that one pass predicts all tokens. To translate,
it continues from its own tokens: see zoo/text/decoding.py. With label smoothing ε, the training target is the
probability 1 − ε + ε / V for the true token and ε / V for each of the other tokens, V tokens in all, which keeps the
model from becoming overconfident.
Sources: Sutskever, Vinyals and Le, Sequence to sequence learning with neural networks (2014); Szegedy et al.,
Rethinking the Inception architecture for computer vision (2016), for label smoothing.
"""

import math
from typing import Any

import torch
from lightning import Callback
from torch import Tensor

from zoo.base.found_words import log_found
from zoo.base.trainable import Trainable
from zoo.callbacks.translations import Translations
from zoo.core.distributed import joint_mean
from zoo.core.errors import UsageError, between, whole
from zoo.core.namespace import Namespace
from zoo.text.decoding import Cache, beam_search, greedy
from zoo.text.metrics import Perplexity
from zoo.text.metrics import metric as new_metric
from zoo.text.vocabulary import BOS, EOS, PAD, Vocabulary

Batch = tuple[Tensor, Tensor]  # source (N, S), ended by EOS, and target (N, T), BOS … EOS; both padded with PAD


class Translator(Trainable):
    """Loss, metrics and decoding of a translation model.

    Args:
        layers: the package that every layer and the loss come from.
        size: D, the length of the decoder's states.
        source_vocabulary, target_vocabulary: JSON text of a `Vocabulary`, so that a checkpoint is complete.
        metric: "exact_match" or "bleu".
        label_smoothing: ε, of the training loss only.
        beam, length_penalty: of the beam search in the test; validation decodes greedily.
        max_length: the largest number of tokens in a translation.
        val_sentences: how many sentences, the shortest ones, are translated in each validation. Loss and accuracy are
            measured on all.

    A subclass defines encoder and decoder:
        encode(source (N, S)) -> memory, a tensor or nested tuples of tensors, with a row for each sentence;
        states(target (N, T), memory, cache=None) -> (N, T, D), where the state at t depends on the tokens up to t. With
        a cache (zoo/text/decoding.py), target holds only tokens that have not been read yet.

    Logs train/loss; for val and test the loss without smoothing, the perplexity exp(loss), the accuracy, which is the
    share of tokens that get the highest probability given the true tokens before them, and the metric of whole
    translations.
    """

    def __init__(
        self,
        layers: str,
        size: int,
        source_vocabulary: str,
        target_vocabulary: str,
        metric: str,
        label_smoothing: float = 0.0,
        beam: int = 1,
        length_penalty: float = 0.0,
        max_length: int = 100,
        val_sentences: int = 1000,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        between("model.label_smoothing", label_smoothing, 0, 1)
        check_decoding("model.", beam, length_penalty, max_length)
        whole("model.val_sentences", val_sentences, 1)
        nn = Namespace(layers)
        self.source_vocabulary, self.target_vocabulary = Vocabulary(source_vocabulary), Vocabulary(target_vocabulary)
        self.loss = nn.LinearCrossEntropyLoss(
            size, len(self.target_vocabulary), ignore_index=PAD, label_smoothing=label_smoothing
        )
        self.cross_entropy = nn.CrossEntropyLoss(ignore_index=PAD)
        self.log_softmax = nn.LogSoftmax(-1)
        self.beam, self.length_penalty, self.max_length = beam, length_penalty, max_length
        self.val_sentences, self.metric = val_sentences, metric
        self.val_perplexity, self.test_perplexity = Perplexity(), Perplexity()
        self.val_metric, self.test_metric = new_metric(metric), new_metric(metric)

    def encode(self, source: Tensor) -> Any:
        """The memory of the source sentences (N, S)."""
        raise NotImplementedError

    def states(self, target: Tensor, memory: Any, cache: Cache | None = None) -> Tensor:
        """The decoder's states (N, T, D) for the target tokens (N, T)."""
        raise NotImplementedError

    def decode(self, target: Tensor, memory: Any, cache: Cache | None = None) -> Tensor:
        """The logits (N, T, V) of the token that follows each token of the target."""
        return self.loss.linear(self.states(target, memory, cache))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.decode(target, self.encode(source))

    # Training and evaluation.

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        source, target = batch
        states = self.states(target[:, :-1], self.encode(source))
        loss = self.loss(states.flatten(0, 1), target[:, 1:].flatten())
        loss = joint_mean(loss, (target[:, 1:] != PAD).sum())
        self.log("train/loss", loss.detach(), prog_bar=True, on_step=True, on_epoch=True, batch_size=target.numel())
        return loss + self.penalty()

    def on_validation_epoch_start(self) -> None:
        self._translated = 0

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        memory = self._evaluate("val", self.val_perplexity, batch)
        if self._translated < self.val_sentences:
            self._translated += len(batch[0])
            self._compare("val", self.val_metric, batch, self.translations(memory, beam=1))

    def test_step(self, batch: Batch, batch_idx: int) -> Any:
        """Return the translations, which the callback `Translations` writes down."""
        memory = self._evaluate("test", self.test_perplexity, batch)
        translations = self.translations(memory)
        self._compare("test", self.test_metric, batch, translations)
        return translations

    def _evaluate(self, stage: str, perplexity: Perplexity, batch: Batch) -> Any:
        """Log loss, accuracy and perplexity, which need no decoding; return the memory."""
        source, target = batch
        memory = self.encode(source)
        logits, wanted = self.decode(target[:, :-1], memory).flatten(0, 1), target[:, 1:].flatten()
        log_found(self, stage, perplexity, self.cross_entropy(logits, wanted), logits, wanted)
        return memory

    def _compare(self, stage: str, metric: Any, batch: Batch, translations: list[str]) -> None:
        metric.update(translations, [self.target_vocabulary.decode(ids) for ids in batch[1].tolist()])
        self.log(f"{stage}/{self.metric}", metric, prog_bar=True, on_step=False, on_epoch=True)

    @property
    def signature(self) -> str:
        """The metric with its exact definition, for the table at the end of a run."""
        return f"{self.metric}: {self.test_metric.signature}"

    def configure_callbacks(self) -> list[Callback]:
        return [Translations()]

    # Translating.

    def best_tokens(self, memory: Any, beam: int | None = None) -> Tensor:
        """The translations (N, L) of the sentences in a memory, as tokens, with PAD behind EOS.

        Args:
            beam: of the beam search, 1 for greedy decoding; None for the model's own.
        """
        beam = self.beam if beam is None else beam
        first = memory
        while isinstance(first, tuple):
            first = first[0]
        start = torch.full((len(first), 1), BOS, device=first.device)
        if beam == 1:
            return greedy(self.decode, memory, start, self.max_length)
        return beam_search(self.log_probabilities, memory, start, self.max_length, beam, self.length_penalty)[0]

    def translations(self, memory: Any, beam: int | None = None) -> list[str]:
        """`best_tokens` as texts."""
        return [self.target_vocabulary.decode(ids) for ids in self.best_tokens(memory, beam).tolist()]

    def log_probabilities(self, target: Tensor, memory: Any, cache: Cache) -> Tensor:
        """The log-probabilities (N, T, V) of the token that follows each token of the target."""
        return self.log_softmax(self.decode(target, memory, cache))

    @torch.no_grad()
    def translate(self, text: str) -> str:
        """The translation of a text; of an empty one an empty text."""
        if not text.strip():
            return ""
        source = torch.tensor([[*self.source_vocabulary.encode(text), EOS]], device=self.device)
        try:
            memory = self.encode(source)
        except ValueError as error:
            raise UsageError(f"text: too long for this model: {error}") from error
        return self.translations(memory)[0]


def check_decoding(prefix: str, beam: int, length_penalty: float, max_length: int) -> None:
    """Refuse options of decoding that are out of range; `prefix` stands before their names in the message."""
    whole(f"{prefix}beam", beam, 1)
    between(f"{prefix}length_penalty", length_penalty, 0, math.inf)
    whole(f"{prefix}max_length", max_length, 1)
