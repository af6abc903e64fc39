"""Text from a language model: a prompt, and then character after character, drawn from what the model expects."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from zoo.core.errors import UsageError, at_least, whole


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
