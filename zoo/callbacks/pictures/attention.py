"""The weights of a translation model's attention while it translates one sentence."""

import math
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import Module

from zoo.core.files import save_figure
from zoo.text.vocabulary import BOS, EOS, PAD, Vocabulary

TOKENS = 14  # the preferred length of the sentence


def probabilities(query: Tensor, key: Tensor, causal: bool) -> Tensor:
    """softmax(q kᵀ / √d), (H, T, S), for the queries (1, H, T, d) and keys (1, H, S, d) of one sentence."""
    scores = (query @ key.mT)[0].float() / math.sqrt(query.shape[-1])
    if causal:
        scores = scores + torch.full_like(scores[0], -math.inf).triu(1)
    return scores.softmax(-1)


@torch.no_grad()
def attention_weights(model: Any, source: Tensor, target: Tensor) -> dict[str, Tensor]:
    """The probabilities (H, rows, columns) of the three attentions in a Transformer's last layers, for source tokens
    (1, S) and target tokens (1, T)."""
    attentions = {
        "encoder": model.encoder[-1].attention,
        "decoder": model.decoder[-1].self_attention,
        "decoder to encoder": model.decoder[-1].cross_attention,
    }
    weights = {}

    def record(name: str, module: Module, inputs: tuple[Any, ...]) -> None:
        query, key, _, _, causal = inputs
        weights[name] = probabilities(query, key, causal).cpu()

    hooks = [
        residual.f.attention.register_forward_pre_hook(lambda *call, name=name: record(name, *call))
        for name, residual in attentions.items()
    ]
    try:
        model.decode(target, model.encode(source))
    finally:
        for hook in hooks:
            hook.remove()
    return weights


def written(vocabulary: Vocabulary, ids: list[int]) -> list[str]:
    """The tokens as labels of an axis, a space as ␣."""
    return [token.strip(" ▁") or "␣" for token in vocabulary.tokens(ids)]


def attention_maps(
    title: str, weights: dict[str, Tensor], source: list[str], read: list[str], predicted: list[str]
) -> Figure:
    """A row of panels for each attention and a panel for each head, whose rows are the weights of one token.

    Rows of the decoder are labelled with the token that is predicted, `predicted`, columns with those it has `read`.
    Shades show the square roots of the probabilities, so that small ones can be seen.
    """
    every = {"encoder": (source, source), "decoder": (predicted, read), "decoder to encoder": (predicted, source)}
    labels = {name: every[name] for name in weights}
    heads = len(weights["decoder to encoder"])
    size = 0.17
    heights = [size * len(rows) for rows, _ in labels.values()]
    width = size * max(len(source), len(predicted))
    figure = Figure(figsize=(heads * (width + 0.3) + 1.5, sum(heights) + 4), layout="constrained")
    figure.suptitle(title)
    grid = figure.add_gridspec(len(labels), heads, height_ratios=heights)
    for place, (name, (rows, columns)) in enumerate(labels.items()):
        for head in range(heads):
            axes = figure.add_subplot(grid[place, head])
            axes.imshow(weights[name][head].float().sqrt(), cmap="magma", vmin=0, vmax=1, aspect="auto")
            axes.set_title(f"{name}, head {head + 1}", fontsize=9)
            axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=7)
            axes.set_yticks(range(len(rows)), rows if head == 0 else [""] * len(rows), fontsize=7)
            axes.tick_params(length=0)
    return figure


class AttentionPicture(Callback):
    """Draw attention.png after a test, for a test sentence of about TOKENS tokens and the model's translation.

    The weights come from ``model.attention_weights(source, target)``: name of the attention -> (H, rows, columns).
    """

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._source: Tensor | None = None

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        lengths = (batch[0] != PAD).sum(1)
        nearest = (lengths - TOKENS).abs().argmin()
        source = batch[0][nearest, : lengths[nearest]]
        if self._source is None or abs(len(source) - TOKENS) < abs(len(self._source) - TOKENS):
            self._source = source

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero or self._source is None:
            return
        model: Any = pl_module
        source = self._source[None]
        with torch.no_grad():
            predicted = model.best_tokens(model.encode(source))[0].tolist()
        predicted = predicted[: predicted.index(EOS) + 1] if EOS in predicted else predicted
        read = [BOS, *predicted[:-1]]
        weights = model.attention_weights(source, torch.tensor([read], device=source.device))
        texts = (model.source_vocabulary.decode(source[0].tolist()), model.target_vocabulary.decode(predicted))
        names = (
            written(model.source_vocabulary, source[0].tolist()),
            written(model.target_vocabulary, read),
            written(model.target_vocabulary, predicted),
        )
        figure = attention_maps(" → ".join(texts), weights, *names)
        save_figure(figure, Path(trainer.default_root_dir) / "pictures/attention.png")
