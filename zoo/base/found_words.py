"""What is measured of a model that names words: loss, accuracy and perplexity, over all that are not PAD."""

from typing import Any

from lightning import LightningModule
from torch import Tensor

from zoo.text.metrics import Perplexity
from zoo.text.vocabulary import PAD


def log_found(
    model: LightningModule, stage: str, perplexity: Perplexity, loss: Tensor, logits: Tensor, words: Tensor
) -> None:
    """Log stage/loss, stage/accuracy and stage/perplexity: of the mean loss of a batch, and logits (n, V) for what
    should be the words (n,)."""
    here = words != PAD
    accuracy, count = (logits.argmax(1) == words)[here].float().mean(), int(here.sum())
    perplexity.update(loss, count)
    shown: dict[str, Any] = {
        f"{stage}/loss": loss,
        f"{stage}/accuracy": accuracy,
        f"{stage}/perplexity": perplexity,
    }
    model.log_dict(shown, prog_bar=True, on_step=False, on_epoch=True, batch_size=count)
