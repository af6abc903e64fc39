"""BERT: equal from either namespace, sees both sides, and no more of a covered word than it may; its data, its file."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.zoo.runs import metrics, require_equal_trajectories, require_primitive_step, require_resumed_like_unbroken
from zoo.bert import BERT, SIZES
from zoo.core.errors import UsageError
from zoo.data.masked_text import MaskedText, masked
from zoo.text.vocabulary import PAD, UNK, Vocabulary

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore:.*self.log.*")]

LETTERS = Vocabulary.of_characters(["abcdefgh"]).text  # 12 words, and MASK
SHORT = ["model=bert", "model.dropout=0.2", "data.length=12", "data.batch_size=4", "data.words=400",
         "trainer.max_epochs=3", "+trainer.limit_train_batches=6", "+trainer.limit_val_batches=2",
         "+trainer.limit_test_batches=2"]  # fmt: skip


@pytest.fixture(autouse=True)
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "tiny", (12, 3, 2))


def model(layers: str = "zoo.layers", **options: Any) -> BERT:
    torch.manual_seed(0)
    return BERT(layers, "tiny", **{"context": 9, "vocabulary": LETTERS, **options})


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return masked(torch.randint(UNK + 1, 12, (5, 9), generator=generator), 0.3, 12, generator)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_trajectory(dropout: float, impl: str, optim: str) -> None:
    """Every output, gradient, parameter and optimizer state over 50 steps in float64."""
    ours, theirs = model(impl, dropout=dropout), model("zoo.layers", dropout=dropout)
    require_equal_trajectories(ours, theirs, list(map(batch, range(3))), optim, "AdamW")


def test_training_step_is_primitive(impl: str, optim: str) -> None:
    require_primitive_step(model(impl), batch(), optim, "AdamW")


def test_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "tiny", (64, 4, 2))
    words = Vocabulary.of_characters(["".join(map(chr, range(100, 2096)))])
    assert len(words) == 2000
    assert sum(parameter.numel() for parameter in BERT(vocabulary=words.text).parameters()) == 238_033


@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
def test_both_sides_are_seen(layers: str) -> None:
    network = model(layers).double().eval()
    covered, _ = batch()
    other = covered.clone()
    other[:, 4] = torch.where(other[:, 4] == 5, 6, 5)
    assert ((network(covered) - network(other)).abs().amax(-1) > 1e-9).all()


def test_of_the_chosen_words_eight_tenths_are_covered_one_is_another_and_one_stays() -> None:
    words = torch.randint(UNK + 1, 12, (400, 200), generator=torch.Generator().manual_seed(0))
    covered, chosen = masked(words, 0.15, 12, torch.Generator().manual_seed(1))
    here = chosen != PAD
    assert here.float().mean() == pytest.approx(0.15, abs=0.005)
    assert torch.equal(chosen[here], words[here])
    assert torch.equal(covered[~here], words[~here])
    hidden, same = covered[here] == 12, covered[here] == words[here]
    assert hidden.float().mean() == pytest.approx(0.8, abs=0.02)
    assert same.float().mean() == pytest.approx(0.1 + 0.1 / 8, abs=0.01)  # of other words one in eight is the same
    others = covered[here][~hidden]
    assert (others > UNK).all()
    assert (others < 12).all()


def test_what_is_covered_changes_in_training_alone() -> None:
    data = MaskedText(words=400, length=16)
    data.setup()
    again = MaskedText(words=400, length=16)
    again.setup()
    for split, parts in data.splits.items():
        assert all(map(torch.equal, parts.tensors, again.splits[split].tensors))
    assert not torch.equal(data.splits["val"].tensors[1][:90], data.splits["test"].tensors[1][:90])

    class Training:
        training = True

    batch = next(iter(data.val_dataloader()))
    first = data.on_after_batch_transfer(batch, 0)
    assert torch.equal(first[0], batch[0])
    data.trainer = Training()  # type: ignore[assignment]
    assert not torch.equal(data.on_after_batch_transfer(batch, 0)[0], batch[0])
    data.remask = False
    assert torch.equal(data.on_after_batch_transfer(batch, 0)[0], batch[0])


def test_a_text_too_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("a few words\n" * 60)
    with pytest.raises(UsageError, match="words is shorter than a window"):
        MaskedText(str(path), length=60).setup()


def test_the_file_of_what_is_filled_in(start: Any) -> None:
    assert start(*SHORT, "paths.run=run") == 0
    text = Path("run/filled.txt").read_text(encoding="utf-8")
    windows = [window.split("\n") for window in text.strip().split("\n\n")]
    assert len(windows) == 8
    for head, *lines in windows:
        assert head.count("[") >= len(lines)
    assert "[MASK]" in text
    last = metrics("run")[-1]
    assert 0 <= float(last["test/accuracy"]) <= 1


def test_interrupted_and_resumed_ends_like_unbroken(start: Any, capsys: Any) -> None:
    require_resumed_like_unbroken(start, capsys, BERT, 9, [*SHORT, "impl=native"])
