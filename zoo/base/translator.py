"""Translation: a model reads a sentence x, then says the tokens of another, y, each from x and those before it.

    p(y | x) = Πₜ p(yₜ | y₁ … yₜ₋₁, x),   loss = −log p(yₜ | …), the mean over all tokens, EOS included.

In training it is told the true y₁ … yₜ₋₁ (teacher forcing), so that all tokens are learned at once; on its own it goes
on from what it has said itself, see zoo/decoding.py. Label smoothing ε asks for the probability 1 − ε + ε / V of the
true token, and ε / V of each other of the V tokens: the model is not to be surer than that.
Sources: Sutskever, Vinyals and Le, Sequence to sequence learning with neural networks (2014); Szegedy et al.,
Rethinking the Inception architecture for computer vision (2016), for label smoothing.
"""

import math
from typing import Any

import torch
from lightning import Callback
from torch import Tensor

from zoo.base.trainable import Trainable
from zoo.callbacks.translations import Translations
from zoo.core.distributed import joint_mean
from zoo.core.errors import UsageError, between, whole
from zoo.core.namespace import Namespace
from zoo.text.decoding import Cache, beam_search, greedy
from zoo.text.metrics import Perplexity
from zoo.text.metrics import metric as new_metric
from zoo.text.vocabulary import BOS, EOS, PAD, Vocabulary

Batch = tuple[Tensor, Tensor]  # source (N, S), ended by EOS, and target (N, T), BOS … EOS; both filled up with PAD


class Translator(Trainable):
    """What every model of translation shares: loss, measures, decoding.

    Args:
        layers: the package that every layer and the loss come from.
        size: D, numbers that the decoder's states have.
        source_vocabulary, target_vocabulary: JSON text of a `Vocabulary`, so that a checkpoint is all one needs.
        metric: "exact_match" or "bleu".
        label_smoothing: ε, of the training loss only.
        beam, length_penalty: of the beam search in tests; validation decodes greedily.
        max_length: tokens of a translation, at most.
        val_sentences: so many, the first, are translated in each validation; loss and accuracy are those of all.

    A subclass says how to read and how to go on:
        encode(source (N, S)) -> memory, a tensor or nested tuples of them, with a row for each sentence;
        states(target (N, T), memory, cache=None) -> (N, T, D), where the state at t depends on the tokens up to t. With
        a cache (zoo/decoding.py) only tokens are given that have not been read yet.

    Logs train/loss; val and test loss, without smoothing, and its exp, the perplexity; accuracy, the share of tokens
    that are the likeliest after the true ones before them; and the metric of whole translations.
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
        raise NotImplementedError

    def states(self, target: Tensor, memory: Any, cache: Cache | None = None) -> Tensor:
        raise NotImplementedError

    def decode(self, target: Tensor, memory: Any, cache: Cache | None = None) -> Tensor:
        """The logits of the token after each of the target's: (N, T, V)."""
        return self.loss.linear(self.states(target, memory, cache))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.decode(target, self.encode(source))

    # Training and measuring.

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
        """Return the translations, for `Translations`."""
        memory = self._evaluate("test", self.test_perplexity, batch)
        translations = self.translations(memory)
        self._compare("test", self.test_metric, batch, translations)
        return translations

    def _evaluate(self, stage: str, perplexity: Perplexity, batch: Batch) -> Any:
        """Log what is known without decoding; return the memory."""
        source, target = batch
        memory = self.encode(source)
        logits, wanted = self.decode(target[:, :-1], memory).flatten(0, 1), target[:, 1:].flatten()
        loss, counts = self.cross_entropy(logits, wanted), wanted != PAD
        accuracy, count = (logits.argmax(1) == wanted)[counts].float().mean(), int(counts.sum())
        perplexity.update(loss, count)
        shown: dict[str, Any] = {
            f"{stage}/loss": loss,
            f"{stage}/accuracy": accuracy,
            f"{stage}/perplexity": perplexity,
        }
        self.log_dict(shown, prog_bar=True, on_step=False, on_epoch=True, batch_size=count)
        return memory

    def _compare(self, stage: str, metric: Any, batch: Batch, translations: list[str]) -> None:
        metric.update(translations, [self.target_vocabulary.decode(ids) for ids in batch[1].tolist()])
        self.log(f"{stage}/{self.metric}", metric, prog_bar=True, on_step=False, on_epoch=True)

    @property
    def signature(self) -> str:
        """What exactly the metric measures, for the table at the end of a run."""
        return f"{self.metric}: {self.test_metric.signature}"

    def configure_callbacks(self) -> list[Callback]:
        return [Translations()]

    # Translating.

    def found(self, memory: Any, beam: int | None = None) -> Tensor:
        """What the sentences of a memory are in the other language, (N, L), with PAD behind EOS.

        The beam is the model's own, if none is given.
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
        """`found` as texts."""
        return [self.target_vocabulary.decode(ids) for ids in self.found(memory, beam).tolist()]

    def log_probabilities(self, target: Tensor, memory: Any, cache: Cache) -> Tensor:
        return self.log_softmax(self.decode(target, memory, cache))

    @torch.no_grad()
    def translate(self, text: str) -> str:
        """A text in the other language; nothing stays nothing."""
        if not text.strip():
            return ""
        source = torch.tensor([[*self.source_vocabulary.encode(text), EOS]], device=self.device)
        try:
            memory = self.encode(source)
        except ValueError as error:
            raise UsageError(f"text: too long for this model: {error}") from error
        return self.translations(memory)[0]


def check_decoding(prefix: str, beam: int, length_penalty: float, max_length: int) -> None:
    whole(f"{prefix}beam", beam, 1)
    between(f"{prefix}length_penalty", length_penalty, 0, math.inf)
    whole(f"{prefix}max_length", max_length, 1)
