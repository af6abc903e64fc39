"""Decoding: from the probabilities of the next token to a sentence, greedily or by beam search.

Both look for tokens y₁ … y_L, ended by EOS, with a large  log p(y | x) = Σₜ log p(yₜ | y₁ … yₜ₋₁, x).

Greedy decoding takes the most probable token at each step. Beam search keeps the K best hypotheses instead: each is
continued by every token, and the K best of these K · V continuations are kept. A hypothesis that has ended is kept
unchanged, as long as it is among the K best by the score

    log p(y | x) / ((5 + L) / 6)^α                                                                  (1)

where L counts EOS. The length penalty α ≥ 0 makes up for the sum of logarithms, which favours short sentences.

The model, (new tokens (M, T), memory, cache) -> (M, T, V), is given only the tokens that it has not read yet. What it
must remember of the others it puts into the cache, a dict that is empty at first, as tensors or tuples of tensors with
a row for each hypothesis. Beam search reorders these rows when hypotheses replace each other.
Source: Wu et al., Google's neural machine translation system (2016), for (1); Vaswani et al. (2017) take α = 0.6.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo.text.vocabulary import EOS, PAD

Cache = dict[Any, Any]
Model = Callable[[Tensor, Any, Cache], Tensor]


def rows(nested: Any, index: Tensor) -> Any:
    """The rows `index` of every tensor in nested tuples and dicts."""
    if isinstance(nested, Tensor):
        return nested.index_select(0, index)
    if isinstance(nested, tuple):
        return tuple(rows(part, index) for part in nested)
    if isinstance(nested, dict):
        return {key: rows(part, index) for key, part in nested.items()}
    return nested


@torch.no_grad()
def greedy(logits: Model, memory: Any, start: Tensor, max_length: int) -> Tensor:
    """The most probable token at each step: (N, L), with PAD behind EOS and L ≤ max_length.

    Args:
        start: BOS, (N, 1).
    """
    token, done = start, torch.zeros_like(start, dtype=torch.bool)
    cache: Cache = {}
    found: list[Tensor] = []
    while len(found) < max_length and not done.all():
        token = logits(token, memory, cache)[:, -1].argmax(1, keepdim=True).masked_fill(done, PAD)
        done = done | (token == EOS)
        found.append(token)
    return torch.cat(found, 1)


@torch.no_grad()
def beam_search(
    log_probabilities: Model, memory: Any, start: Tensor, max_length: int, beam: int, length_penalty: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The best sentences that a beam of K finds, (N, L) with PAD behind EOS, and their scores (1), (N,).

    Args:
        start: BOS, (N, 1).
        beam: K.
        length_penalty: α.
    """
    N, K, device = len(start), beam, start.device
    first = torch.arange(N, device=device)[:, None] * K  # row n K + k is hypothesis k of sentence n
    memory = rows(memory, first.expand(N, K).flatten() // K)
    cache: Cache = {}
    tokens = start.repeat_interleave(K, 0)
    total = torch.full((N, K), -torch.inf, device=device)
    total[:, 0] = 0  # the others have −∞: at first all K hypotheses are the same
    length = torch.zeros(N, K, dtype=torch.long, device=device)
    done = torch.zeros(N, K, dtype=torch.bool, device=device)
    for _ in range(max_length):
        step = log_probabilities(tokens[:, -1:], memory, cache)[:, -1]
        step, token = (part.unflatten(0, (N, K)) for part in step.topk(min(K, step.shape[1])))  # K of them suffice
        # a hypothesis that has ended has one continuation: PAD, with log-probability 0
        step = step.masked_fill(done[..., None], -torch.inf)
        step[..., 0].masked_fill_(done, 0)
        token = token.masked_fill(done[..., None], PAD)
        length = length + ~done
        every = total[..., None] + step
        score = every / ((5 + length[..., None].to(every.dtype)) / 6) ** length_penalty  # (1)
        best, place = score.flatten(1).topk(K, 1)
        parent, token = place // token.shape[2], token.flatten(1).gather(1, place)
        index = (first + parent).flatten()
        tokens, cache = torch.cat([rows(tokens, index), token.view(-1, 1)], 1), rows(cache, index)
        total, length = every.flatten(1).gather(1, place), length.gather(1, parent)
        done = done.gather(1, parent) | (token == EOS)
        if (done | total.isneginf()).all():
            break
    return tokens.unflatten(0, (N, K))[:, 0, 1:], best[:, 0]
