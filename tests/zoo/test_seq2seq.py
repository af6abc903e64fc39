"""The recurrent encoder-decoder: equal from either namespace, blind for padding, the same with a cache, and resumed."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from tests.zoo.runs import metrics, require_equal_trajectories, require_primitive_step, same, weights
from tests.zoo.test_transformer import DIGITS, LETTERS, batch
from zoo.commands import translate, verify
from zoo.core.errors import UsageError
from zoo.seq2seq import Seq2Seq, packed_places
from zoo.text.decoding import Cache, greedy
from zoo.text.vocabulary import BOS, EOS, PAD
from zoo.training.cli import command

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore:.*self.log.*")]

WAYS: dict[str, dict[str, Any]] = {
    "Luong": {"cell": "LSTM", "attention": "general", "dropout": 0.2, "depth": 2},
    "dot": {"cell": "GRU", "attention": "dot", "label_smoothing": 0.1, "dropout": 0.1},
    "Bahdanau": {"cell": "RNN", "attention": "additive", "bidirectional": False},
}


def model(layers: str = "zoo.layers", **options: Any) -> Seq2Seq:
    torch.manual_seed(0)
    data = {"source_vocabulary": LETTERS, "target_vocabulary": DIGITS, "metric": "exact_match"}
    given: dict[str, Any] = data | {"embedding": 6, "hidden": 10, "max_length": 9} | options
    return Seq2Seq(layers, **given)


@pytest.mark.parametrize("way", WAYS)
def test_trajectory(way: str, impl: str, optim: str) -> None:
    """With padding and dropout: every output, gradient, parameter and optimizer state over 50 steps."""
    ours, theirs = model(impl, **WAYS[way]), model("zoo.layers", **WAYS[way])
    batches = [batch(seed) for seed in range(5)]
    require_equal_trajectories(ours, theirs, batches, optim, "Adam")


@pytest.mark.parametrize("way", WAYS)
def test_training_step_is_primitive(way: str, impl: str, optim: str) -> None:
    require_primitive_step(model(impl, **WAYS[way]), batch(), optim, "Adam")


def test_packed_places() -> None:
    known = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0]]).bool()
    packed = packed_places(known)
    assert packed.data.tolist() == [3, 0, 6, 4, 1, 5]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    expected = torch.nn.utils.rnn.pack_padded_sequence(
        torch.arange(9).view(3, 3), torch.tensor([2, 3, 1]), batch_first=True, enforce_sorted=False
    )
    assert torch.equal(packed.data, expected.data)
    assert torch.equal(packed.sorted_indices, expected.sorted_indices)
    assert torch.equal(packed.unsorted_indices, expected.unsorted_indices)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
def test_padding_cannot_be_seen(layers: str, way: str) -> None:
    network = model(layers, **WAYS[way]).double().eval()
    source, target = batch()
    together = network(source, target)
    for n in range(len(source)):
        s, t = (int((tokens[n] != PAD).sum()) for tokens in (source, target))
        alone = network(source[n : n + 1, :s], target[n : n + 1, :t])
        torch.testing.assert_close(together[n, :t], alone[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_the_future_cannot_be_seen_and_source_and_past_can(way: str) -> None:
    network = model(**WAYS[way]).double().eval()
    source, target = batch()
    before = network(source, target)
    other = target.clone()
    other[:, 4] = (other[:, 4] + 1) % 11
    after = network(source, other)
    torch.testing.assert_close(after[:, :4], before[:, :4], rtol=1e-12, atol=1e-13)
    assert ((after - before)[:, 4:].abs().amax(2) > 1e-7).all()
    other = source.clone()
    other[:, 0] = other[:, 0] % 6 + 5
    assert ((network(other, target) - before).abs().amax(2) > 1e-7).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
def test_the_cache_changes_nothing(layers: str, way: str) -> None:
    network = model(layers, **WAYS[way]).double().eval()
    source, target = batch(sentences=20)
    memory = network.encode(source)
    cache: Cache = {}
    pieces = [network.decode(piece, memory, cache) for piece in target.split([1, 2, target.shape[1] - 3], 1)]
    torch.testing.assert_close(torch.cat(pieces, 1), network.decode(target, memory), rtol=1e-10, atol=1e-12)

    seen = torch.full((20, 1), BOS)

    def from_the_beginning(token: Tensor, memory: Any, cache: Cache) -> Tensor:
        nonlocal seen
        seen = token if not cache else torch.cat([seen, token], 1)
        cache["begun"] = True
        return network.decode(seen, memory)

    begin = torch.full((20, 1), BOS)
    assert torch.equal(greedy(network.decode, memory, begin, 9), greedy(from_the_beginning, memory, begin, 9))


def test_the_gradient_of_each_word_of_the_source() -> None:
    network = model("scratch.nn").train()
    source, target = torch.tensor([[4, 5, 6, 7], [5, 7, PAD, PAD]]), torch.tensor([[BOS, 4, EOS], [BOS, 5, EOS]])
    norms = network.gradient_per_step((source, target))
    assert norms.shape == (4,)
    assert (norms > 0).all()
    # of the longer sentence alone come the last two
    words = network.encoder.embedding(source[:1]).detach().requires_grad_()
    packed = pack_padded_sequence(words, torch.tensor([4]), True)
    read = network.encoder.read(packed, torch.arange(4), source[:1] != PAD)
    rows = network.states(target[:1, :-1], read), network.states(target[1:, :-1], network.encode(source[1:, :2]))
    network.loss(torch.cat(rows).flatten(0, 1), target[:, 1:].flatten()).backward()
    torch.testing.assert_close(norms[2:], words.grad[0, 2:].norm(dim=1))


@pytest.mark.parametrize("way", WAYS)
def test_a_beam_of_one_is_greedy(way: str) -> None:
    network = model(**WAYS[way], beam=3).double().eval()
    memory = network.encode(batch(sentences=20)[0])
    assert len(network.translations(memory)) == 20
    assert network.translations(memory, beam=1) == [
        network.translations(network.encode(row[row != PAD][None]), beam=1)[0] for row in batch(sentences=20)[0]
    ]


def test_weights_of_the_attention_are_those_of_the_words() -> None:
    network = model(**WAYS["Luong"]).eval()
    source, target = batch()
    _, weights = network.decoder(target, network.encode(source), None)
    assert weights.shape == (*target.shape, source.shape[1])
    torch.testing.assert_close(weights.sum(2), torch.ones(target.shape))
    assert (weights.transpose(1, 2)[source == PAD] == 0).all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"hidden": 7}, "model.hidden=7: must be even"),
        ({"hidden": 0}, "model.hidden=0: must be at least 1"),
        ({"attention": "none"}, "model.attention=none: unknown; legal are additive, dot, general"),
        ({"cell": "GRUU"}, "model.cell=GRUU: unknown, did you mean 'GRU'"),
        ({"dropout": 1.0}, "model.dropout=1.0: must be at least 0 and less than 1"),
        ({"embedding": 0}, "model.embedding=0: must be at least 1"),
    ],
)
def test_a_wrong_value_is_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        model(**options)


# -- runs

SMALL = ["model=seq2seq", "model.hidden=16", "model.embedding=8", "model.cell=GRU", "model.dropout=0.2",
         "model.max_length=11", "data.train=300", "data.test=30", "data.tokens=512", "trainer.max_epochs=2",
]  # fmt: skip


def test_resumed_in_mid_epoch_ends_like_unbroken(start, monkeypatch, capsys) -> None:
    assert start(*SMALL, "paths.run=unbroken") == 0
    assert "exact_match: " in capsys.readouterr().out
    assert Path("unbroken/pictures/attention.png").exists()
    training_step = Seq2Seq.training_step

    def interrupted(self, batch, batch_idx):
        if self.global_step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return training_step(self, batch, batch_idx)

    monkeypatch.setattr(Seq2Seq, "training_step", interrupted)
    assert start(*SMALL, "paths.run=broken") == 130
    monkeypatch.setattr(Seq2Seq, "training_step", training_step)
    hint = capsys.readouterr().out.split("Go on with:")[1].split()
    again = [word for word in hint[2:] if not word.startswith("paths.run=")]
    assert start(*again, "paths.run=resumed") == 0
    assert same(weights("unbroken"), weights("resumed"))
    assert metrics("unbroken")[-1]["test/loss"] == metrics("resumed")[-1]["test/loss"]


def test_verify(start, monkeypatch, capsys) -> None:
    words = ["model=seq2seq", "data.train=100", "data.test=9", "model.hidden=8", "steps=2"]
    monkeypatch.setattr(sys, "argv", ["scripts/verify.py", *words])
    command(verify.task, "verify")  # a difference would be a SystemExit
    assert "equal: " in capsys.readouterr().out


def test_the_script_translates(start, monkeypatch, capsys) -> None:
    assert start(*SMALL, "paths.run=run") == 0
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["scripts/translate.py", "ckpt=run/checkpoints/best.ckpt", "text=3 May 1997"])
    command(translate.task, "translate")
    (line,) = capsys.readouterr().out.splitlines()
    assert set(line) <= set("0123456789-")


@pytest.mark.slow
def test_dates_are_learned(start) -> None:
    assert start("experiment=dates_seq2seq", "paths.run=run") == 0
    assert float(metrics("run")[-1]["test/exact_match"]) > 0.99
