"""Data for translation: batches of about equal length, human-written dates, and what is told of Multi30k's files."""

import gzip
import io
import os
from datetime import date
from pathlib import Path
from random import Random
from urllib.error import URLError

import pytest
import torch

from zoo.core.errors import UsageError
from zoo.data import multi30k
from zoo.data.dates import FIRST, LAST, Dates, written
from zoo.data.loader import Loader
from zoo.data.multi30k import FILES, Multi30k
from zoo.data.translation import Buckets, Pairs, Sequences, sizes
from zoo.text.vocabulary import BOS, EOS, PAD


def pairs(count: int = 300) -> Pairs:
    """Pair i: i, i, … and −i, −i, …, of random lengths."""
    random = Random(0)
    lengths = [(random.randint(1, 30), random.randint(1, 30)) for _ in range(count)]
    return Pairs(
        Sequences([[i + 1] * source for i, (source, _) in enumerate(lengths)]),
        Sequences([[-i - 1] * target for i, (_, target) in enumerate(lengths)]),
    )


def loader(data: Pairs, tokens: int = 100, seed: int = 0, epoch: int = 0) -> Loader:
    made = Loader(data, None, True, seed, lambda *args, **options: Buckets(*args, tokens=tokens, **options))
    made.sampler.set_epoch(epoch)
    return made


def members(batch) -> list[int]:
    return (batch[0][:, 0] - 1).tolist()


# -- batches


def test_every_pair_comes_once_and_the_budget_is_kept():
    data = pairs()
    batches = list(loader(data))
    assert sorted(i for batch in batches for i in members(batch)) == list(range(300))
    for source, target in batches:
        assert source.numel() <= 100
        assert target.numel() <= 100
        for kind, sequences in ((source, data.sources), (target, data.targets)):
            chosen = torch.tensor(members((source, target)))
            assert torch.equal((kind != PAD).sum(1), sequences.lengths[chosen])
            assert bool(((kind == 0) | (kind.abs() == chosen[:, None] + 1)).all())


def test_pairs_of_a_batch_are_about_equally_long():
    longest = [(batch[0] != PAD).sum(1).maximum((batch[1] != PAD).sum(1)) for batch in loader(pairs())]
    spread = [int(each.max() - each.min()) for each in longest]
    assert max(spread) <= 8  # among the shortest, where a batch has many
    assert sorted(spread)[len(spread) // 2] <= 1


def test_batches_are_as_large_as_the_budget_allows():
    assert list(sizes([2, 2, 2, 3, 3, 5, 9, 10], 10)) == [3, 2, 1, 1, 1]
    assert list(sizes([5, 5], 10)) == [2]
    assert list(sizes([11], 10)) == [1]
    assert list(sizes([], 10)) == []


def test_the_order_depends_on_seed_and_epoch_alone():
    data, orders = pairs(), {}
    for seed in (0, 1):
        for epoch in (0, 1):
            torch.manual_seed(seed + epoch)
            orders[seed, epoch] = [members(batch) for batch in loader(data, seed=seed, epoch=epoch)]
    assert len({str(order) for order in orders.values()}) == 4
    assert len({str(sorted(map(sorted, order))) for order in orders.values()}) == 4  # batches of others, too
    assert len({len(order) for order in orders.values()}) == 1
    torch.manual_seed(7)
    assert [members(batch) for batch in loader(data)] == orders[0, 0]


def test_a_broken_epoch_is_taken_up_again():
    first = loader(pairs())
    whole, part = [members(batch) for batch in first], iter(first)
    assert [members(next(part)) for _ in range(3)] == whole[:3]
    resumed = loader(pairs())
    resumed.load_state_dict(first.state_dict())
    assert [members(batch) for batch in resumed] == whole[3:]


def test_processes_share_the_batches():
    parts = [list(Buckets(pairs(), 2, rank, shuffle=True, tokens=100)) for rank in range(2)]
    assert len(parts[0]) == len(parts[1])
    assert {i for part in parts for batch in part for i in batch} == set(range(300))


# -- dates


def test_a_text_is_one_date_and_no_date_is_in_two_splits():
    texts = Dates(train=20000, test=2000).load()
    meaning: dict[str, str] = {}
    for sources, targets in texts.values():
        for source, target in zip(sources, targets, strict=True):
            assert meaning.setdefault(source, target) == target
            assert FIRST <= date.fromisoformat(target) <= LAST
    days = [set(targets) for _, targets in texts.values()]
    assert not days[0] & days[1] | days[0] & days[2] | days[1] & days[2]
    assert [len(sources) for sources, _ in texts.values()] == [20000, 2000, 2000]


def test_dates_come_from_the_seed():
    assert Dates(100, 10).load() == Dates(100, 10).load()
    assert Dates(100, 10, seed=1).load() != Dates(100, 10).load()


def test_the_forms_of_a_date():
    random = Random(0)
    forms = {written(date(1997, 5, 3), random) for _ in range(5000)}
    for form in ("Saturday, 3rd of May '97", "5/3/97", "3.5.97", "03-05-97", "1997/05/03", "19970503", "3 mai 1997",
                 "SAMSTAG, DER 3. MAI 1997", "sábado, 3 de mayo de 1997", "lördag den 3 maj 1997"):  # fmt: skip
        assert form in forms
    assert len(forms) > 100
    assert "le 1er mai 1997" in {written(date(1997, 5, 1), random) for _ in range(5000)}


def test_batches_of_dates():
    data = Dates(300, 20)
    data.setup()
    seen = 0
    for source, target in data.train_dataloader():
        assert (target[:, 0] == BOS).all()
        for row in source.tolist() + target.tolist():
            end = row.index(EOS)
            assert PAD not in row[:end]
            assert set(row[end + 1 :]) <= {PAD}
        texts = [data.target_vocabulary.decode(row) for row in target.tolist()]
        assert all(date.fromisoformat(text) for text in texts)
        seen += len(texts)
    assert seen == 300
    assert data.facts["metric"] == "exact_match"


# -- Multi30k

TEXTS = {
    "en": ["A man sleeps.", "Two dogs run in the snow.", "A girl, in red."],
    "de": ["Ein Mann schläft.", "Zwei Hunde laufen im Schnee.", "Ein Mädchen, in Rot."],
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with three pairs in each of the files."""
    (tmp_path / "multi30k").mkdir()
    for name in FILES:
        (tmp_path / "multi30k" / name).write_text("".join(f"{line}\n" for line in TEXTS[name[-2:]]), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("source", ["en", "de"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("lowercase", [True, False])
def test_multi30k_in_both_directions(folder, source, shared, lowercase):
    target = {"en": "de", "de": "en"}[source]
    data = Multi30k(str(folder), source, target, pieces=60, shared=shared, lowercase=lowercase)
    texts = {language: {text.lower() if lowercase else text for text in TEXTS[language]} for language in TEXTS}
    data.prepare_data()
    data.setup()
    ((sources, targets),) = list(data.test_dataloader())
    assert {data.source_vocabulary.decode(row) for row in sources.tolist()} == texts[source]
    assert {data.target_vocabulary.decode(row) for row in targets.tolist()} == texts[target]
    assert (data.facts["source_vocabulary"] == data.facts["target_vocabulary"]) is shared
    assert all(type(fact) is str for fact in data.facts.values())


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (b"", "the file is empty"),
        (b"A man.\n\nTwo dogs.\n", "line 2 is empty"),
        (b"A man.\nTw\xff dogs.\nA girl.\n", "not a text in UTF-8: byte 0xff at position 9"),
        (b"A man.\nTwo dogs.\n", "has 2 lines, but .*val.de has 3"),
    ],
)
def test_a_harmed_file_is_named_with_the_remedy(folder, harm, told):
    path = folder / "multi30k" / "val.en"
    path.write_bytes(harm)
    with pytest.raises(UsageError, match=told) as raised:
        Multi30k(str(folder)).setup()
    assert str(raised.value).startswith(str(path))
    assert "delete" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("broken", ["offline", "half a file", "damaged"])
def test_a_failed_download_leaves_nothing_behind(tmp_path, monkeypatch, broken):
    def urlopen(address: str, timeout: float) -> io.BytesIO:
        if broken == "offline":
            raise URLError("no route to host")
        content = gzip.compress(b"A man.\n" * 100)
        return io.BytesIO(content[:-20] if broken == "half a file" else content[:14] + b"\xff" * 4 + content[18:])

    monkeypatch.setattr(multi30k, "urlopen", urlopen)
    with pytest.raises(UsageError, match=r"the download failed .*; go online and try again") as raised:
        Multi30k(str(tmp_path)).prepare_data()
    assert str(raised.value).startswith(str(tmp_path / "multi30k" / "train.en"))
    assert "\n" not in str(raised.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_download_fills_in_what_is_missing(folder, monkeypatch):
    asked = []

    def urlopen(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        return io.BytesIO(gzip.compress(b"Eine Zeile.\n"))

    monkeypatch.setattr(multi30k, "urlopen", urlopen)
    (folder / "multi30k" / "val.de").unlink()
    Multi30k(str(folder)).prepare_data()
    (address,) = asked
    assert address.endswith("multi30k/dataset/master/data/task1/raw/val.de.gz")
    assert (folder / "multi30k" / "val.de").read_text() == "Eine Zeile.\n"
    assert {path.name for path in folder.rglob("*") if path.is_file()} == set(FILES)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"source": "fr"}, "data.source=fr: unknown"),
        ({"target": "en"}, "data.target=en: unknown; legal are de"),
        ({"pieces": 3}, "data.pieces=3: must be at least 5"),
        ({"tokens": 0}, "data.tokens=0: must be at least 1"),
        ({"tokens": 4}, "data.tokens=4: one text of the train split alone has"),
    ],
)
def test_a_wrong_value_is_told(folder, options, told):
    with pytest.raises(UsageError, match=told):
        Multi30k(str(folder), **options).setup()


@pytest.mark.skipif("HANDGRAD_DATA" not in os.environ, reason="HANDGRAD_DATA names no folder with the real Multi30k")
def test_the_real_multi30k():
    data = Multi30k(os.environ["HANDGRAD_DATA"])
    data.prepare_data()
    data.setup()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 29000, "val": 1014, "test": 1000}
    assert len(data.source_vocabulary) == 8000
    used = sum(int((batch != PAD).sum()) for pair in data.train_dataloader() for batch in pair)
    held = sum(batch.numel() for pair in data.train_dataloader() for batch in pair)
    assert used > 0.9 * held
