"""Sampling from a language model: a prompt is continued character by character, drawn by the model's probabilities."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from zoo.core.errors import UsageError, at_least, whole


def draw(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> int:
    """Draw a class from logits (C,), with p ∝ exp(logits / temperature), among the `top_k` most probable ones.

    A temperature below 1 raises the probability of probable classes, one above 1 that of improbable ones; at 0 the most
    probable class is always taken.
    """
    if temperature == 0:
        return int(logits.argmax())
    likeliest = logits.argsort(descending=True)[:top_k]
    best = logits[likeliest].double()
    weights = ((best - best[0]) / temperature).exp()  # relative to the most probable one, which has weight 1
    return int(likeliest[torch.multinomial(weights, 1, generator=generator)])


def encoded(text: str, alphabet: str) -> Tensor:
    """The numbers of the characters, (1, T). Raises UsageError for a character not in the alphabet, and for none."""
    if not text:
        raise UsageError("prompt: empty; the model needs at least one character to go on from")
    for character in text:
        if character not in alphabet:
            raise UsageError(f"prompt: the model does not know {character!r}; its alphabet is {alphabet!r}")
    return torch.tensor([[alphabet.index(character) for character in text]])


def opening(alphabet: str) -> str:
    """The default prompt: a new line, or the alphabet's first character where it has none."""
    return "\n" if "\n" in alphabet else alphabet[0]


def generate(
    model: Any, prompt: str, length: int, temperature: float = 1.0, top_k: int | None = None, seed: int = 0
) -> Iterator[str]:
    """Yield `length` characters that follow the prompt, one after the other.

    Args:
        model: a `Writer` (zoo/base/writer.py) in evaluation mode. One that reads a limited number of characters reads
            the newer half of them again when there are more.
        temperature, top_k: see `draw`.
        seed: of the random numbers.

    Raises UsageError for an unknown character in the prompt, or a value out of range.
    """
    whole("length", length, 0)
    at_least("temperature", temperature, 0)
    if top_k is not None:
        whole("top_k", top_k, 1)
    whole("seed", seed, 0)
    input = encoded(prompt, model.alphabet)

    def characters() -> Iterator[str]:
        generator, context = torch.Generator().manual_seed(seed), model.context
        text, unread, state = input, input, model.new_state()
        for _ in range(length):
            if context is not None and text.shape[1] > context:
                text = unread = text[:, -(context // 2 + 1) :]
                state = model.new_state()
            with torch.no_grad():
                logits, state = model(unread.to(model.device), state)
            chosen = draw(logits[0, -1].cpu(), temperature, top_k, generator)
            yield model.alphabet[chosen]
            unread = torch.tensor([[chosen]])
            if context is not None:
                text = torch.cat([text, unread], 1)

    return characters()
