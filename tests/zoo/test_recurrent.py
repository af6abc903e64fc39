"""Recurrent models and the sequences they are tried on: equal in both implementations, at any length; they learn."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Generator
from torch.nn.utils.rnn import pack_padded_sequence

from scratch.testing import Audit, require_equal_networks, resolve
from tests.zoo.runs import weights
from zoo.callbacks.pictures.gradient import gradient_norms
from zoo.core.errors import UsageError
from zoo.data.sequences import Adding, CopyMemory, SequentialDigits, SequentialMNIST
from zoo.language_model import LanguageModel
from zoo.recurrent import CELLS, SequenceClassifier, SequenceRegressor
from zoo.training.cli import CONF

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:.*self.log.*"),
]


def drawn(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def classes(seed: int) -> Any:
    return torch.randn(5, 9, 3, generator=drawn(seed)), torch.randint(4, (5,), generator=drawn(seed))


def of_different_lengths(seed: int) -> Any:
    steps = torch.randint(1, 10, (5,), generator=drawn(seed))
    return pack_padded_sequence(classes(seed)[0], steps, True, enforce_sorted=False), classes(seed)[1]


def answers(seed: int) -> Any:
    return classes(seed)[0], torch.randint(4, (5, 3), generator=drawn(seed))


def numbers(seed: int) -> Any:
    return classes(seed)[0], torch.randn(5, 2, generator=drawn(seed))


def text(seed: int) -> Any:
    return torch.randint(7, (2, 4, 9), generator=drawn(seed)).unbind(0)


MODELS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    **{
        cell: (SequenceClassifier, {"cell": cell, "hidden": 8, "in_features": 3, "num_classes": 4}, classes)
        for cell in CELLS
    },
    **{
        f"{cell}, two layers, both directions, dropout, different lengths": (
            SequenceClassifier,
            {"cell": cell, "hidden": 8, "depth": 2, "bidirectional": True, "dropout": 0.3, "in_features": 3,
             "num_classes": 4},
            of_different_lengths,
        )
        for cell in ("RNN", "LSTM", "GRU")
    },
    "GRU, several answers": (
        SequenceClassifier,
        {"cell": "GRU", "hidden": 8, "in_features": 3, "num_classes": 4, "answers": 3},
        answers,
    ),
    "LSTM, numbers": (SequenceRegressor, {"hidden": 8, "in_features": 3, "num_targets": 2, "memory": 9}, numbers),
    **{
        f"{cell}, text": (
            LanguageModel,
            {"cell": cell, "embedding": 5, "hidden": 8, "depth": 2, "dropout": 0.2, "alphabet": "abcdefg"},
            text,
        )
        for cell in ("RNN", "LSTM", "GRU")
    },
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_trajectory(model: str, impl: str, optim: str) -> None:
    build, options, draw = MODELS[model]
    makers = [
        lambda network, package=package: resolve(package, "Adam")(network.parameters(), lr=0.01)
        for package in (optim, "torch.optim")
    ]
    ours, theirs = build(impl, **options), build("zoo.layers", **options)
    batches = [draw(seed) for seed in range(5)]
    require_equal_networks(ours, theirs, lambda net, batch: net.training_step(batch, 0), batches, makers, steps=50)


@pytest.mark.parametrize("model", MODELS)
def test_training_step_is_primitive(model: str, impl: str) -> None:
    build, options, draw = MODELS[model]
    network = build(impl, **options)
    batch = draw(0)
    with Audit():
        network.training_step(batch, 0).backward()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
def test_a_sequence_does_not_see_its_neighbours(cell: str, bidirectional: bool, layers: str) -> None:
    """A packed batch of different lengths says of each sequence what it says of that sequence alone."""
    torch.manual_seed(0)
    model = SequenceClassifier(layers, cell, 6, depth=2, bidirectional=bidirectional, in_features=3)
    padded, steps = torch.randn(4, 7, 3), torch.tensor([3, 7, 1, 5])
    together = model(pack_padded_sequence(padded, steps, True, enforce_sorted=False))
    alone = torch.cat([model(padded[n : n + 1, :size]) for n, size in enumerate(steps.tolist())])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
@pytest.mark.parametrize(("cell", "gates", "keeps", "lets_in"), [("LSTM", 4, 1, 0), ("GRU", 3, 1, None)])
def test_memory(layers: str, cell: str, gates: int, keeps: int, lets_in: int | None) -> None:
    torch.manual_seed(0)
    model = SequenceClassifier(layers, cell, 50, depth=2, bidirectional=True, memory=101)
    biases = dict(model.network.recurrent.layers.named_parameters())
    for name in (name for name in biases if name.startswith("bias_ih")):
        total = (biases[name] + biases[name.replace("ih", "hh")]).view(gates, 50)
        steps = 1 + total[keeps].exp()
        assert 2 <= steps.min() < 15
        assert 90 < steps.max() <= 101
        if lets_in is not None:
            assert torch.equal(total[lets_in], -total[keeps])
        others = [gate for gate in range(gates) if gate not in (keeps, lets_in)]
        assert 0 < total[others].abs().max() < 0.3  # they begin as they always do


@pytest.mark.parametrize("cell", ["RNN", "RNN_relu"])
def test_memory_without_gates(cell: str) -> None:
    """A number put in at the first step is there after ten, but for the tenth that each step costs."""
    model = SequenceClassifier("scratch.nn", cell, 5, in_features=5, num_classes=2, memory=10)
    x = torch.zeros(1, 11, 5)
    with torch.no_grad():
        model.network.recurrent.layers.weight_ih_l0.copy_(torch.eye(5))
        x[0, 0] = torch.tensor([1e-3, 2e-3, 3e-3, 4e-3, 5e-3])
        every, _ = model.network.recurrent(x)
    torch.testing.assert_close(every[0, 10], 0.9**10 * x[0, 0], rtol=1e-4, atol=0)


# -- data


def test_adding() -> None:
    data = Adding(length=10, train=500, test=20)
    data.setup()
    input, target = data.on_after_batch_transfer(data.splits["train"], 0)
    assert input.shape == (500, 10, 2)
    number, mark = input.unbind(2)
    assert (mark[:, :5].sum(1) == 1).all()
    assert (mark[:, 5:].sum(1) == 1).all()
    torch.testing.assert_close((number * mark).sum(1, keepdim=True), target)
    assert float((target - 1).square().mean()) == pytest.approx(1 / 6, rel=0.15)
    assert (mark.sum(0) > 50).all()  # every place is marked about a hundred times


def test_adding_with_different_lengths() -> None:
    data = Adding(length=10, vary=0.5, train=500, test=20)
    data.setup()
    packed, target = data.on_after_batch_transfer(data.splits["train"], 0)
    number, mark = packed.data.unbind(1)
    assert packed.batch_sizes.tolist()[:10] == [500] * 10  # nobody is shorter than the length
    assert len(packed.batch_sizes) == 15
    assert mark.sum() == 1000  # no mark lies behind the end of its sequence
    torch.testing.assert_close((number * mark).sum(), target.sum())


def test_copy_memory() -> None:
    data = CopyMemory(length=20, train=50, test=5)
    data.setup()
    input, target = data.on_after_batch_transfer(data.splits["train"], 0)
    assert input.shape == (50, 40, 10)
    steps = input.argmax(2)
    assert torch.equal(steps[:, :10], target)
    assert (target >= 1).all()
    assert (target <= 8).all()
    assert (steps[:, 10:29] == 0).all()
    assert (steps[:, 29] == 9).all()
    assert (steps[:, 30:] == 0).all()


@pytest.mark.parametrize("kind", [Adding, CopyMemory])
def test_generated_sequences_depend_on_the_seed_and_differ_between_splits(kind: Any) -> None:
    first, again, other = (kind(length=10, train=20, test=20, seed=seed) for seed in (0, 0, 1))
    for data in (first, again, other):
        data.setup()
    for name, split in first.splits.items():
        for index, tensor in enumerate(split):
            assert torch.equal(tensor, again.splits[name][index])
    splits = [*first.splits.values(), *other.splits.values()]
    assert len({str(split[0].tolist()) for split in splits}) == 6


def test_images_as_sequences() -> None:
    rows, pixels, shuffled = (
        SequentialDigits(image_size=8, **options)
        for options in ({}, {"read": "pixel"}, {"read": "pixel", "permuted": True})
    )
    read = []
    for data in (rows, pixels, shuffled):
        data.setup()
        batch = tuple(data.splits["test"])
        pictures = data.normalise(batch[0])
        sequences, labels = data.on_after_batch_transfer(batch, 0)
        assert torch.equal(labels, batch[1])
        assert sequences.shape[2] == data.facts["in_features"]
        read.append(sequences)
    assert torch.equal(read[0], pictures[:, 0])
    assert torch.equal(read[1], pictures.flatten(1)[:, :, None])
    assert not torch.equal(read[2], read[1])
    assert torch.equal(read[2].sort(1).values, read[1].sort(1).values)
    assert torch.equal(shuffled.order, SequentialDigits(8, read="pixel", permuted=True, seed=1).order)


@pytest.mark.skipif("HANDGRAD_DATA" not in os.environ, reason="HANDGRAD_DATA names no folder with MNIST")
@pytest.mark.parametrize(("read", "shape"), [("row", (28, 28)), ("pixel", (784, 1))])
def test_the_real_mnist_as_sequences(read: str, shape: tuple[int, int]) -> None:
    data = SequentialMNIST(os.environ["HANDGRAD_DATA"], read=read, permuted=True)
    data.prepare_data()
    data.setup()
    sequences, _ = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
    assert sequences.shape[1:] == shape


# -- the gradient at each step


def test_gradient_norms_are_those_of_the_input() -> None:
    torch.manual_seed(0)
    input = torch.randn(4, 6, 3)
    weight = torch.randn(4, 6, 3)
    expected = torch.stack([weight[:, t].norm(dim=1).mean() for t in range(6)])
    torch.testing.assert_close(gradient_norms(input, lambda x: (x * weight).sum()), expected)
    packed, weights = (
        pack_padded_sequence(tensor, torch.tensor([6, 2, 4, 1]), True, enforce_sorted=False)
        for tensor in (input, weight)
    )
    norms = gradient_norms(packed, lambda x: (x.data * weights.data).sum())
    torch.testing.assert_close(norms[4], weight[0, 4].norm())  # only the first goes on that far
    torch.testing.assert_close(norms[0], expected[0])


def test_gradients_vanish_in_a_simple_network_and_not_in_an_open_cell() -> None:
    torch.manual_seed(0)
    batch = torch.randn(8, 60, 3), torch.randint(4, (8,))
    norms = {
        cell: SequenceClassifier(
            "scratch.nn", cell, 16, in_features=3, num_classes=4, memory=200 if cell == "LSTM" else None
        ).gradient_per_step(batch)
        for cell in ("RNN", "LSTM")
    }
    assert norms["RNN"][0] < 1e-6 * norms["RNN"][-1]
    assert norms["LSTM"][0] > 1e-2 * norms["LSTM"][-1]


def test_the_picture_changes_nothing(start, monkeypatch) -> None:
    words = ["model=gru", "model.hidden=8", "model.depth=2", "model.dropout=0.5", "trainer.max_epochs=2",
             "+trainer.limit_train_batches=3"]  # fmt: skip
    assert start(*words, "paths.run=with") == 0
    assert Path("with/pictures/gradient_per_step.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr("zoo.callbacks.pictures.gradient.GradientPicture.on_train_batch_start", lambda *_: None)
    assert start(*words, "paths.run=without") == 0
    assert not Path("without/pictures/gradient_per_step.png").exists()
    first, second = weights("with"), weights("without")
    assert all(torch.equal(first[name], second[name]) for name in first)


# -- runs


def chosen(*words: str) -> str:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", list(words)).data._target_.rpartition(".")[2]


def test_a_model_brings_its_data_unless_others_are_asked_for() -> None:
    assert chosen() == "Digits"
    assert chosen("model=gru") == "SequentialDigits"
    assert chosen("model=char_rnn") == "Text"
    assert chosen("model=gru", "data=adding") == "Adding"
    assert chosen("experiment=adding_gru") == "Adding"
    assert chosen("experiment=adding_gru", "data=copy_memory") == "CopyMemory"


@pytest.mark.parametrize("data", ["adding", "copy_memory"])
def test_the_data_decide_between_classes_and_numbers(data: str, start, capsys) -> None:
    few = ["data.length=5", "data.train=40", "data.test=10", "trainer.max_epochs=1", "trainer.precision=64-true"]
    assert start("model=lstm", "model.hidden=8", f"data={data}", *few, "paths.run=run") == 0
    config = Path("run/config.yaml").read_text()
    assert f"Sequence{'Regressor' if data == 'adding' else 'Classifier'}" in config
    resume = ["ckpt_path=run/checkpoints/last.ckpt", "trainer.max_epochs=2", "paths.run=more"]
    assert start("model=lstm", "model.hidden=8", f"data={data}", *few, *resume) == 0


def test_digits_are_learnt_row_by_row(start) -> None:
    assert start("model=gru", "model.hidden=32", "trainer.max_epochs=6", "optimizer.lr=0.01", "paths.run=run") == 0
    accuracy = torch.load("run/checkpoints/best.ckpt", weights_only=True)["callbacks"]
    (best,) = [state["best_model_score"] for state in accuracy.values() if "best_model_score" in state]
    assert best < 0.3  # the loss of the validation digits; log 10 = 2.3 is that of guessing


WRONG = [
    (["model=gru", "model.cell=GRUU"], ["model.cell=GRUU", "did you mean 'GRU'", "LSTM"]),
    (["model=rnn", "model.hidden=0"], ["model.hidden=0", "at least 1"]),
    (["model=rnn", "model.hidden=2.5"], ["model.hidden=2.5", "whole number"]),
    (["model=rnn", "model.depth=0"], ["model.depth=0", "at least 1"]),
    (["model=lstm", "model.dropout=1.5"], ["model.dropout=1.5", "less than 1"]),
    (["model=gru", "model.memory=1"], ["model.memory=1", "at least 2"]),
    (["model=gru", "data.read=column"], ["data.read=column", "row, pixel"]),
    (["model=gru", "data=adding", "data.length=1"], ["data.length=1", "at least 2"]),
    (["model=gru", "data=adding", "data.vary=-1"], ["data.vary=-1", "at least 0"]),
    (["model=gru", "data=copy_memory", "data.train=0"], ["data.train=0", "at least 1"]),
    (["model=gru", "data=text"], ["SequenceClassifier", "do not go together", "alphabet"]),
    (["model=char_gru", "data=adding"], ["LanguageModel", "do not go together", "num_targets"]),
    (["model=lenet", "data=adding"], ["LeNet", "do not go together"]),
]


@pytest.mark.parametrize(("words", "parts"), WRONG, ids=lambda value: " ".join(value) if "=" in value[0] else "")
def test_one_clear_line(words, parts, start, capsys) -> None:
    assert start(*words) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err
    assert list(Path().iterdir()) == []


def test_unknown_options_are_refused() -> None:
    with pytest.raises(UsageError, match=r"model\.cell=Elman"):
        SequenceRegressor(cell="Elman")
