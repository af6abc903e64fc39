"""GPT: equal from either namespace, blind for what is to come, the same with a cache; its windows, its writing."""

from typing import Any

import pytest
import torch

from tests.zoo.runs import require_equal_trajectories, require_primitive_step, require_resumed_like_unbroken
from zoo.core.errors import UsageError
from zoo.data.loader import Loader
from zoo.data.text import Shuffled, Text, Windows
from zoo.gpt import GPT, SIZES
from zoo.text.sampling import encoded, generate

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore:.*self.log.*")]

SMALL = ["model=gpt", "model.size=tiny", "model.dropout=0.2", "data.length=12", "data.batch_size=4"]
SHORT = [*SMALL, "trainer.max_epochs=3", "+trainer.limit_train_batches=6", "+trainer.limit_val_batches=2",
         "+trainer.limit_test_batches=2"]  # fmt: skip


@pytest.fixture(autouse=True)
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "tiny", (12, 3, 2))


def model(layers: str = "zoo.layers", **options: Any) -> GPT:
    torch.manual_seed(0)
    return GPT(layers, "tiny", **{"context": 9, "alphabet": "abcdefgh", **options})


def batch(seed: int = 0, length: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    text = torch.randint(8, (3, length + 1), generator=torch.Generator().manual_seed(seed))
    return text[:, :-1], text[:, 1:]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_trajectory(dropout: float, impl: str, optim: str) -> None:
    """Every output, gradient, parameter and optimizer state over 50 steps in float64."""
    ours, theirs = model(impl, dropout=dropout), model("zoo.layers", dropout=dropout)
    batches = [batch(seed, length) for seed, length in enumerate((9, 9, 4))]
    require_equal_trajectories(ours, theirs, batches, optim, "AdamW")


def test_training_step_is_primitive(impl: str, optim: str) -> None:
    require_primitive_step(model(impl, dropout=0.1), batch(), optim, "AdamW")


@pytest.mark.parametrize(("size", "parameters"), [("tiny", 107_840), ("small", 807_808), ("base", 10_687_872)])
def test_sizes(size: str, parameters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "tiny", (64, 4, 2))
    network = GPT("zoo.layers", size, alphabet="".join(map(chr, range(65))))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_initial_weights() -> None:
    network = GPT("zoo.layers", "small", alphabet="".join(map(chr, range(65))))
    block: Any = network.blocks[0]
    assert block.feed_forward.f.expand.weight.detach().std() == pytest.approx(0.02, rel=0.02)
    assert block.feed_forward.f.contract.weight.detach().std() == pytest.approx(0.02 / 8**0.5, rel=0.02)
    assert block.attention.f.output.weight.detach().std() == pytest.approx(0.02 / 8**0.5, rel=0.02)
    assert network.head.weight is network.embedding.weight
    assert not block.feed_forward.f.expand.bias.any()
    assert network(torch.arange(60)[None])[0].detach().std() < 0.5  # at first all characters are about equally probable


@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
def test_the_future_cannot_be_seen_and_the_past_can(layers: str) -> None:
    network = model(layers).double().eval()
    text, _ = batch()
    other = text.clone()
    other[:, 5] = (other[:, 5] + 1) % 8
    before, after = network(text)[0], network(other)[0]
    assert torch.equal(before[:, :5], after[:, :5])
    assert ((before[:, 5:] - after[:, 5:]).abs().amax(-1) > 1e-9).all()


@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
@pytest.mark.parametrize("pieces", [[1] * 9, [4, 1, 1, 1, 1, 1], [8, 1]])
def test_with_a_cache_it_reads_the_same(layers: str, pieces: list[int]) -> None:
    network = model(layers).double().eval()
    text, _ = batch()
    cache, found = network.new_state(), []
    for piece in text.split(pieces, 1):
        logits, cache = network(piece, cache)
        found.append(logits)
    torch.testing.assert_close(torch.cat(found, 1), network(text)[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
def test_writing_beyond_the_context(layers: str) -> None:
    """Each character is the likeliest after what is in the cache; of a full one the newer half is read again."""
    network = model(layers).double().eval()
    text = "".join(generate(network, "abc", 30, temperature=0))
    written, known = "abc", "abc"
    while len(written) < 33:
        logits, _ = network(encoded(known, network.alphabet))
        following = network.alphabet[int(logits[0, -1].argmax())]
        written, known = written + following, known + following
        if len(known) > 9:
            known = known[-5:]
    assert "abc" + text == written
    long = "abcdefgh" * 5
    assert "".join(generate(network, long, 3, 0)) == "".join(generate(network, long[-5:], 3, 0))


def test_windows_side_by_side_from_a_new_place_in_each_epoch() -> None:
    loader = Loader(Windows(torch.arange(100), 10), 4, shuffle=True, seed=3, sampler=Shuffled)
    firsts = set()
    for epoch in range(8):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        batches = list(loader)
        assert all(torch.equal(input + 1, target) for input, target in batches)
        windows = torch.cat([input for input, _ in batches])
        assert windows.shape == (9, 10)
        begins = windows[:, 0].tolist()
        assert begins != sorted(begins)
        assert torch.equal(windows.sort(0)[0].flatten(), torch.arange(90) + min(begins))
        firsts.add(min(begins))
        assert [b.tolist() for b, _ in loader] == [b.tolist() for b, _ in batches]
    assert firsts <= set(range(10))
    assert len(firsts) > 3


def test_windows_longer_than_the_context_are_refused() -> None:
    data = Text(length=10)
    model(context=10).check(data)
    with pytest.raises(UsageError, match="longer than model"):
        model(context=9).check(data)


@pytest.mark.parametrize("step", [3, 9])
def test_interrupted_and_resumed_ends_like_unbroken(step: int, start: Any, capsys: Any) -> None:
    require_resumed_like_unbroken(start, capsys, GPT, step, [*SHORT, "impl=native"])
