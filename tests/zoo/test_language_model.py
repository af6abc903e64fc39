"""Language models: the text in windows, the state carried between them, resumed runs, and what they write."""

import math
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from torch import Tensor

from tests.zoo.runs import metrics, require_resumed_like_unbroken
from zoo.commands import generate as script
from zoo.core.errors import UsageError
from zoo.data.loader import Loader
from zoo.data.text import Streams, Text
from zoo.language_model import LanguageModel
from zoo.text.sampling import draw, encoded, generate
from zoo.training.cli import command, quoted

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:.*self.log.*"),
]
SMALL = ["model=char_gru", "model.hidden=16", "model.embedding=8", "model.dropout=0.3", "data.length=20"]
SHORT = [*SMALL, "trainer.max_epochs=3", "+trainer.limit_train_batches=6", "+trainer.limit_val_batches=2",
         "+trainer.limit_test_batches=2"]  # fmt: skip


# -- data


def test_windows_go_on_where_the_last_ones_ended() -> None:
    text = torch.arange(100)
    batches = list(Loader(Streams(text, count=3, length=10), batch_size=3))
    assert [len(target[0]) for _, target in batches] == [10, 10, 10, 3]  # 33 characters each
    for input, target in batches:
        assert torch.equal(input + 1, target)
    streams = torch.cat([input for input, _ in batches], 1)
    assert torch.equal(streams.flatten(), text[:99])  # every character once, and stream after stream the whole text


def test_several_processes_share_the_streams() -> None:
    text = torch.arange(100)
    parts = []
    for rank in range(2):
        loader = Loader(Streams(text, count=4, length=10), batch_size=2)
        loader.sampler.num_replicas, loader.sampler.rank = 2, rank
        loader.sampler.num_samples = len(loader.sampler.dataset) // 2
        batches = list(loader)
        parts.append(torch.cat([input for input, _ in batches], 1))
        assert [input.shape for input, _ in batches] == [(2, 10), (2, 10), (2, 4)]
    assert sorted(torch.cat(parts).flatten().tolist()) == list(range(96))
    for part in parts:
        assert (part.diff(dim=1) == 1).all()


def test_the_text_without_a_download() -> None:
    data = Text()
    data.setup()
    assert sum(map(len, data.splits.values())) > 200_000
    assert 0.89 < len(data.splits["train"]) / sum(map(len, data.splits.values())) < 0.91
    beginning = "".join(data.alphabet[number] for number in data.splits["train"][:2000])
    assert "statement" in beginning
    input, _ = next(iter(data.train_dataloader()))
    assert input.shape == (64, 100)


def test_a_file_in_utf_8(tmp_path) -> None:
    path = tmp_path / "text.txt"
    written = "Schöne Grüße, 世界! 🙂\r\n" * 50
    path.write_bytes(written.encode())
    data = Text(str(path), length=5, batch_size=4)
    data.setup()
    assert data.alphabet == "".join(sorted(set(written)))
    assert "".join(data.alphabet[number] for part in data.splits.values() for number in part) == written


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["empty"]),
        (b"good until \xff here", ["not a text in UTF-8", "0xff", "position 11"]),
        (b"short", ["train part", "shorter than", "data.length=100"]),
        (b"long enough to train on " * 300, ["val part of 360 characters", "data.length=400"]),
        (None, ["No such file"]),
    ],
)
def test_a_bad_file_gets_one_clear_line(content, parts, tmp_path, start, capsys) -> None:
    if content is not None:
        Path("text.txt").write_bytes(content)
    length = 400 if b"long" in (content or b"") else 100
    assert start("model=char_gru", "data.path=text.txt", f"data.length={length}", "data.batch_size=2") == 2
    err = capsys.readouterr().err
    assert err.startswith("error: data.path=text.txt: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err
    assert [path.name for path in Path().iterdir()] == ["text.txt"] * (content is not None)


# -- training


def model(layers: str = "zoo.layers", cell: str = "LSTM", **options) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(layers, cell, embedding=4, hidden=6, depth=2, alphabet="abcdefgh", **options)


@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_the_state_is_carried_and_its_gradient_is_not(cell: str, layers: str) -> None:
    """Windows one after the other see what the whole stream sees at once, and no gradient leaves its window."""
    reader = model(layers, cell)
    text = torch.randint(8, (3, 13))
    whole = reader.loss(reader(text[:, :-1])[0].flatten(0, 1), text[:, 1:].flatten())
    first = reader.training_step((text[:, :6], text[:, 1:7]), 0)
    second = reader.training_step((text[:, 6:12], text[:, 7:]), 1)
    torch.testing.assert_close((first + second) / 2, whole)
    second.backward()
    seen = reader.embedding.weight.grad.abs().sum(1) > 0
    assert set(seen.nonzero().flatten().tolist()) == set(text[:, 6:12].flatten().tolist())


def test_every_stage_and_every_epoch_begins_anew() -> None:
    reader = model()
    batch = torch.randint(8, (2, 3, 5)).unbind(0)
    first = reader.training_step(batch, 0)
    reader.on_validation_epoch_start()
    reader.validation_step(batch, 0)
    reader.validation_step(batch, 1)
    assert reader.training_step(batch, 1) != first
    reader.on_train_epoch_start()
    assert reader.training_step(batch, 0) == first


def test_measures_agree(start) -> None:
    assert start(*SHORT, "paths.run=run") == 0
    last = metrics("run")[-1]
    loss = float(last["test/loss"])
    assert float(last["test/perplexity"]) == pytest.approx(math.exp(loss), rel=1e-5)
    assert float(last["test/bits_per_character"]) == pytest.approx(loss / math.log(2), rel=1e-5)
    samples = Path("run/samples.txt").read_text(encoding="utf-8")
    assert samples.count("=== epoch") == 3
    assert Path("run/pictures/gradient_per_step.png").exists()


@pytest.mark.parametrize(("cell", "step"), [("gru", 3), ("lstm", 5), ("lstm", 9)])
def test_interrupted_and_resumed_ends_like_unbroken(cell, step, start, capsys) -> None:
    words = [*SHORT[1:], f"model=char_{cell}", "impl=native"]
    require_resumed_like_unbroken(start, capsys, LanguageModel, step, words)


@pytest.mark.skipif("HANDGRAD_DATA" not in os.environ, reason="HANDGRAD_DATA names no folder with tiny Shakespeare")
def test_tiny_shakespeare(start) -> None:
    words = ["data=tiny_shakespeare", "model.hidden=64", "data.length=50", "optimizer.lr=0.01"]
    few = ["trainer.max_epochs=1", "+trainer.limit_train_batches=60", "+trainer.limit_test_batches=20"]
    assert start("model=char_gru", *words, *few, "paths.run=run") == 0
    assert float(metrics("run")[-1]["test/loss"]) < 2.6  # that of guessing by frequency alone is 3.3


# -- writing


def drawn(logits: Tensor, count: int = 4000, temperature: float = 1.0, top_k: int | None = None) -> Counter[int]:
    generator = torch.Generator().manual_seed(0)
    return Counter(draw(logits, temperature, top_k, generator) for _ in range(count))


def test_draw() -> None:
    logits = torch.tensor([0.0, 2.0, 1.0, -50.0])
    assert drawn(logits, temperature=0) == {1: 4000}
    assert drawn(logits, top_k=1) == {1: 4000}
    assert set(drawn(logits, top_k=2)) == {1, 2}
    assert set(drawn(logits, top_k=9)) == {0, 1, 2}  # more than there are
    for temperature in (0.5, 1.0, 3.0):
        shares = drawn(logits, temperature=temperature)
        expected = (logits / temperature).softmax(0)
        for number in range(3):
            assert abs(shares[number] / 4000 - expected[number]) < 0.03
    assert drawn(logits, 10, temperature=1e-300) == {1: 10}
    assert drawn(torch.full((3,), 1e30), 10) != {}


@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_writing_with_a_carried_state_is_reading_all_of_it_again(cell: str, layers: str) -> None:
    writer = model(layers, cell).double().eval()
    text = "".join(generate(writer, "abc", 20, temperature=0))
    everything = encoded("abc" + text, writer.alphabet)
    logits, _ = writer(everything[:, :-1])
    assert "".join(writer.alphabet[number] for number in logits[0, 2:].argmax(1)) == text
    assert "".join(generate(writer, "abc", 50, seed=1)) == "".join(generate(writer, "abc", 50, seed=1))
    assert "".join(generate(writer, "abc", 50, seed=1)) != "".join(generate(writer, "abc", 50, seed=2))


def test_encoded() -> None:
    assert encoded("cab", "abc").tolist() == [[2, 0, 1]]
    with pytest.raises(UsageError, match="'d'"):
        encoded("abd", "abc")
    with pytest.raises(UsageError, match="empty"):
        encoded("", "abc")


@pytest.mark.parametrize("prompt", ["To be, or not", "[x] {y: 1} (z)", "42", "null ", "a=b", "it's \"so\"", "\\", "\\'",
                                    "end\\\\", "two\nlines", "${seed} $", " spaces ", "%!#*@"])  # fmt: skip
def test_a_prompt_may_contain_anything(prompt: str) -> None:
    parsed = OverridesParser.create().parse_override(quoted(f"prompt={prompt}", "prompt"))
    config = OmegaConf.create({"seed": 0, "prompt": parsed.value()})
    assert config.prompt == prompt


@pytest.fixture
def written(start, monkeypatch, capsys):
    """Runs scripts/generate.py; gives status, output and error line."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scripts/generate.py", *(quoted(word, "prompt") for word in words)])
        capsys.readouterr()
        status = 0
        try:
            command(script.task, "generate")
        except SystemExit as end:
            status = int(end.code or 0)
        return status, *capsys.readouterr()

    return run


def test_the_script(start, written) -> None:
    assert start(*SHORT, "impl=scratch", "paths.run=run", "trainer.max_epochs=1") == 0
    checkpoint = "ckpt=run/checkpoints/best.ckpt"
    status, text, _ = written(checkpoint, "prompt=The if, or", "length=50")
    assert status == 0
    assert text.startswith("The if, or")
    assert len(text) == len("The if, or") + 50 + len("\n")
    assert written(checkpoint, "prompt=The if, or", "length=50") == (0, text, "")
    assert written(checkpoint, "prompt=The if, or", "length=50", "impl=native") == (0, text, "")
    assert written(checkpoint, "prompt=The if, or", "length=50", "seed=1")[1] != text
    assert len(written(checkpoint, "length=50")[1]) == 51

    assert start("model=gru", "model.hidden=4", "trainer.max_epochs=1", "paths.run=other") == 0
    Path("text.txt").write_text("no checkpoint")
    for words, part in [
        ([checkpoint, "prompt=naïve"], "does not know 'ï'; its alphabet is"),
        ([checkpoint, "prompt="], "prompt: empty"),
        ([checkpoint, "temperature=-1"], "temperature=-1: must be at least 0"),
        ([checkpoint, "top_k=0"], "top_k=0: must be at least 1"),
        ([checkpoint, "top_k=2.5"], "top_k=2.5: must be a whole number"),
        ([checkpoint, "length=-1"], "length=-1: must be at least 0"),
        ([checkpoint, "temprature=1"], "did you mean 'temperature'"),
        (["ckpt=nowhere.ckpt"], "ckpt=nowhere.ckpt: no such file"),
        (["ckpt=text.txt"], "damaged"),
        (["ckpt=other/checkpoints/best.ckpt"], "holds a zoo.recurrent.SequenceClassifier, which is no language model"),
        ([], "which checkpoint?"),
    ]:
        status, out, err = written(*words)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert part in err
