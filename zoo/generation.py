"""Text from a language model: a prompt, and then character after character, drawn from what the model expects."""

import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf import DictConfig
from torch import Tensor

from zoo.checkpoint import asked_for, kind_of, trained_model
from zoo.errors import UsageError, at_least, whole

SAMPLE = 300  # characters of a sample in the log


def draw(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> int:
    """A class from logits (C,), with p ∝ exp(logits / temperature) among the `top_k` likeliest.

    Below temperature 1 the likely ones gain, at 0 the likeliest is always taken; above 1 the unlikely gain.
    """
    if temperature == 0:
        return int(logits.argmax())
    likeliest = logits.argsort(descending=True)[:top_k]
    scaled = logits[likeliest].double() / temperature
    weights = (scaled - scaled[0]).exp()  # relative to the likeliest, which has weight 1
    return int(likeliest[torch.multinomial(weights, 1, generator=generator)])


def encoded(text: str, alphabet: str) -> Tensor:
    """The numbers of the characters, (1, T). Raises UsageError where one is not in the alphabet, or there are none."""
    if not text:
        raise UsageError("prompt: empty; the model needs at least one character to go on from")
    for character in text:
        if character not in alphabet:
            raise UsageError(f"prompt: the model does not know {character!r}; its alphabet is {alphabet!r}")
    return torch.tensor([[alphabet.index(character) for character in text]])


def opening(alphabet: str) -> str:
    """A prompt for who has none: a new line, where the alphabet has it."""
    return "\n" if "\n" in alphabet else alphabet[0]


def generate(
    model: Any, prompt: str, length: int, temperature: float = 1.0, top_k: int | None = None, seed: int = 0
) -> Iterator[str]:
    """`length` characters that follow the prompt, one after the other.

    The model, in evaluation mode, is (character numbers (1, T), state) -> (logits (1, T, C), state), and has an
    ``alphabet``. Raises UsageError on an unknown character in the prompt, or a value out of range.
    """
    whole("length", length, 0)
    at_least("temperature", temperature, 0)
    if top_k is not None:
        whole("top_k", top_k, 1)
    whole("seed", seed, 0)
    input = encoded(prompt, model.alphabet)

    def characters() -> Iterator[str]:
        generator, unread, state = torch.Generator().manual_seed(seed), input, None
        for _ in range(length):
            with torch.no_grad():
                logits, state = model(unread.to(model.device), state)
            chosen = draw(logits[0, -1].cpu(), temperature, top_k, generator)
            yield model.alphabet[chosen]
            unread = torch.tensor([[chosen]])

    return characters()


def write(config: DictConfig) -> None:
    """Print the prompt, and then what the model of a checkpoint makes of it, as it comes."""
    path, checkpoint = asked_for(config.ckpt, "a language model")
    if "alphabet" not in checkpoint["hyper_parameters"]:
        raise UsageError(f"ckpt={path}: holds a {kind_of(checkpoint)}, which is no language model")
    model: Any = trained_model(checkpoint, config.impl.layers if "impl" in config else None)
    prompt = opening(model.alphabet) if config.prompt is None else config.prompt
    text = generate(model, prompt, config.length, config.temperature, config.top_k, config.seed)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may lack a character
    try:
        for piece in chain([config.prompt or ""], text):
            print(piece, end="", flush=True)
        print()
    except KeyboardInterrupt:
        print()
        sys.exit(130)
    except BrokenPipeError:  # as of `… | head`: the reader has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class TextSamples(Callback):
    """After every epoch, let the model write: to samples.txt and to TensorBoard."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        model: Any = pl_module
        training = model.training
        model.eval()
        text = "".join(generate(model, opening(model.alphabet), SAMPLE, temperature=0.8, seed=trainer.current_epoch))
        model.train(training)
        with (Path(trainer.default_root_dir) / "samples.txt").open("a", encoding="utf-8") as file:
            file.write(f"=== epoch {trainer.current_epoch}, step {trainer.global_step} ===\n{text}\n\n")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("sample", f"```\n{text}\n```", trainer.global_step)
