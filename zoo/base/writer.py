"""The base class of language models: they read a text character by character and predict each next one.

    p(text) = Πₜ p(xₜ₊₁ | x₁ … xₜ),   loss = −log p(xₜ₊₁ | …), the mean over all t, in nats per character.

loss / log 2 is the number of bits in which a character could be stored, and the perplexity exp(loss) is the number of
equally probable characters that would be as hard to predict.
Source: Shannon, Prediction and entropy of printed English (1951).
"""

import math
from typing import Any

from lightning import Callback
from torch import Tensor
from torch.nn import Module

from zoo.base.trainable import Trainable
from zoo.callbacks.text_samples import TextSamples
from zoo.core.namespace import Namespace
from zoo.text.metrics import Perplexity


class Writer(Trainable):
    """Loss, metrics and samples of a language model; batches are (characters (N, T), following characters (N, T)).

    Args:
        layers: the package that every layer and the loss come from.
        alphabet: all characters, in the order of their numbers. It is stored in a checkpoint, which so is complete.

    A subclass defines forward(characters (N, T), state) -> logits of the next characters (N, T, C), and the next state:
    what it keeps of a text to go on from there. `generate` (zoo/text/sampling.py) begins with ``new_state()``.

    Logs the loss of train, val and test in nats per character, and bits_per_character and perplexity of val and test.
    """

    context: int | None = None  # the largest number of characters that it reads; None for any number
    loss: Module

    def __init__(self, layers: str, alphabet: str, **training: Any) -> None:
        super().__init__(**training)
        self.alphabet = alphabet
        self.loss = Namespace(layers).CrossEntropyLoss()
        self.val_perplexity, self.test_perplexity = Perplexity(), Perplexity()

    def new_state(self) -> Any:
        """The state before a text."""
        return None

    def _loss(self, stage: str, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The loss of a batch of windows, each of which begins without a state."""
        input, target = batch
        return self.loss(self(input)[0].flatten(0, 1), target.flatten())

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = self._loss("train", batch)
        self.log("train/loss", loss.detach(), prog_bar=True, on_step=True, on_epoch=True, batch_size=batch[1].numel())
        return loss + self.penalty()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("val", self.val_perplexity, batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("test", self.test_perplexity, batch)

    def _evaluate(self, stage: str, perplexity: Perplexity, batch: tuple[Tensor, Tensor]) -> None:
        loss, count = self._loss(stage, batch), batch[1].numel()
        perplexity.update(loss, count)
        shown: dict[str, Any] = {
            f"{stage}/loss": loss,
            f"{stage}/bits_per_character": loss / math.log(2),
            f"{stage}/perplexity": perplexity,
        }
        self.log_dict(shown, prog_bar=True, on_step=False, on_epoch=True, batch_size=count)

    def configure_callbacks(self) -> list[Callback]:
        return [TextSamples()]
