"""The Transformer: equal from either namespace and to torch.nn's, blind for padding and for what is to come, the same
with a cache; and scripts/translate.py."""

import io
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.zoo.runs import metrics, require_equal_trajectories, require_primitive_step, require_resumed_like_unbroken
from zoo.callbacks.pictures.attention import attention_weights
from zoo.commands import benchmark, verify
from zoo.commands import translate as script
from zoo.core.errors import UsageError
from zoo.text.decoding import Cache, beam_search, greedy
from zoo.text.vocabulary import BOS, EOS, PAD, Vocabulary
from zoo.training.checkpoint import trained_model
from zoo.training.cli import command
from zoo.transformer import Transformer

pytestmark = pytest.mark.usefixtures("one_thread")

LETTERS, DIGITS = (Vocabulary.of_characters([text]).text for text in ("abcdefgh", "0123456"))
WAYS: dict[str, dict[str, Any]] = {
    "pre-norm": {"share": "target", "label_smoothing": 0.1, "dropout": 0.2},
    "post-norm": {"share": "none", "norm_first": False, "dropout": 0.1, "attention_dropout": 0.3},
    "no positions": {"positions": "none", "dropout": 0.1},
    "one matrix": {"share": "all", "source_vocabulary": DIGITS, "activation": "GELU", "label_smoothing": 0.2},
}


def model(layers: str = "zoo.layers", **options: Any) -> Transformer:
    torch.manual_seed(0)
    data = {"source_vocabulary": LETTERS, "target_vocabulary": DIGITS, "metric": "exact_match"}
    sizes = {"d_model": 12, "heads": 3, "encoder_layers": 2, "decoder_layers": 2, "feed_forward": 20, "max_length": 9}
    given: dict[str, Any] = data | sizes | options
    return Transformer(layers, **given)


def batch(seed: int = 0, sentences: int = 5) -> tuple[Tensor, Tensor]:
    """Sentences of different lengths, filled up with PAD."""
    generator = torch.Generator().manual_seed(seed)

    def padded(begin: list[int], lengths: list[int]) -> Tensor:
        rows = [[*begin, *torch.randint(4, 11, (size,), generator=generator).tolist(), EOS] for size in lengths]
        return torch.tensor([row + [PAD] * (max(lengths) + len(begin) + 1 - len(row)) for row in rows])

    lengths = torch.randint(1, 8, (2, sentences), generator=generator).tolist()
    return padded([], lengths[0]), padded([BOS], lengths[1])


@pytest.mark.filterwarnings("ignore:.*self.log.*")
@pytest.mark.parametrize("way", WAYS)
def test_trajectory(way: str, impl: str, optim: str) -> None:
    """With padding, causal mask and dropout: every output, gradient, parameter and optimizer state over 50 steps."""
    ours, theirs = model(impl, **WAYS[way]), model("zoo.layers", **WAYS[way])
    batches = [batch(seed) for seed in range(5)]
    require_equal_trajectories(ours, theirs, batches, optim, "Adam")


@pytest.mark.filterwarnings("ignore:.*self.log.*")
@pytest.mark.parametrize("way", WAYS)
def test_training_step_is_primitive(way: str, impl: str, optim: str) -> None:
    require_primitive_step(model(impl, **WAYS[way]), batch(), optim, "Adam")


def as_torch_nn_transformer(network: Transformer) -> dict[str, Tensor]:
    """The state_dict of the torch.nn.Transformer that is the same function; its attention has biases, which are 0."""
    weights: dict[str, Tensor] = {}

    def take(residual: Any, stem: str, number: int, attention: str = "") -> None:
        weights.update({f"{stem}.norm{number}.{key}": value for key, value in residual.norm.state_dict().items()})
        f = residual.f
        if not attention:
            for name, linear in (("linear1", f.expand), ("linear2", f.contract)):
                weights.update({f"{stem}.{name}.{key}": value for key, value in linear.state_dict().items()})
            return
        own = attention == "self_attn"
        packed = f.query_key_value.weight if own else torch.cat([f.query.weight, f.key_value.weight])
        for name, weight in (("in_proj_", packed), ("out_proj.", f.output.weight)):
            weights[f"{stem}.{attention}.{name}weight"] = weight
            weights[f"{stem}.{attention}.{name}bias"] = weight.new_zeros(len(weight))

    for i, layer in enumerate(network.encoder):
        take(layer.attention, f"encoder.layers.{i}", 1, "self_attn")
        take(layer.feed_forward, f"encoder.layers.{i}", 2)
    for i, layer in enumerate(network.decoder):
        take(layer.self_attention, f"decoder.layers.{i}", 1, "self_attn")
        take(layer.cross_attention, f"decoder.layers.{i}", 2, "multihead_attn")
        take(layer.feed_forward, f"decoder.layers.{i}", 3)
    for kind in ("encoder", "decoder"):
        for key, value in getattr(network, f"{kind}_norm").state_dict().items():
            weights[f"{kind}.norm.{key}"] = value
    return weights


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_the_same_function_as_torch_nn_transformer() -> None:
    ours = model().double().eval()
    theirs = torch.nn.Transformer(12, 3, 2, 2, 20, norm_first=True, batch_first=True, dtype=torch.double).eval()
    theirs.load_state_dict(as_torch_nn_transformer(ours))
    source, target = batch()
    padding = source == PAD
    causal = theirs.generate_square_subsequent_mask(target.shape[1], dtype=torch.double)
    expected = theirs(
        ours.source(source), ours.target(target), tgt_mask=causal,
        src_key_padding_mask=padding, memory_key_padding_mask=padding,
    )  # fmt: skip
    torch.testing.assert_close(ours.states(target, ours.encode(source)), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
def test_padding_cannot_be_seen(layers: str) -> None:
    network = model(layers).double().eval()
    source, target = batch()
    together = network(source, target)
    for n in range(len(source)):
        s, t = (int((tokens[n] != PAD).sum()) for tokens in (source, target))
        alone = network(source[n : n + 1, :s], target[n : n + 1, :t])
        torch.testing.assert_close(together[n, :t], alone[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
def test_the_future_cannot_be_seen_and_the_past_can(layers: str) -> None:
    network = model(layers).double().eval()
    source, target = batch()
    other = target.clone()
    other[:, 4] = (other[:, 4] + 1) % 11
    before, after = network(source, target), network(source, other)
    torch.testing.assert_close(after[:, :4], before[:, :4], rtol=1e-12, atol=1e-13)
    assert ((after - before)[:, 4:].abs().amax(2) > 1e-6).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layers", ["zoo.layers", "scratch.nn"])
def test_the_cache_changes_nothing(layers: str, way: str) -> None:
    network = model(layers, **WAYS[way]).double().eval()
    source, _ = batch(sentences=20)

    def all_again(tokens: Tensor, memory: Any, cache: Cache) -> Tensor:
        cache["tokens"] = torch.cat([cache["tokens"], tokens], 1) if "tokens" in cache else tokens
        return network.log_softmax(network.decode(cache["tokens"], memory))

    with torch.no_grad():
        memory, start = network.encode(source), torch.full((20, 1), BOS)
        assert torch.equal(greedy(network.decode, memory, start, 9), greedy(all_again, memory, start, 9))
        found, score = beam_search(network.log_probabilities, memory, start, 9, 4, 0.6)
        expected, expected_score = beam_search(all_again, memory, start, 9, 4, 0.6)
    assert torch.equal(found, expected)
    torch.testing.assert_close(score, expected_score, rtol=1e-10, atol=1e-12)


def test_it_reads_several_tokens_at_once_and_then_one() -> None:
    network = model().double().eval()
    source, target = batch()
    memory, cache = network.encode(source), {}
    pieces = [network.decode(piece, memory, cache) for piece in target.split([4] + [1] * (target.shape[1] - 4), 1)]
    torch.testing.assert_close(torch.cat(pieces, 1), network.decode(target, memory), rtol=1e-10, atol=1e-12)


def test_shared_matrices_stay_shared() -> None:
    for share, count in (("none", 3), ("target", 2), ("all", 1)):
        network = model(share=share, source_vocabulary=DIGITS)
        matrices = {network.source.embedding.weight, network.target.embedding.weight, network.loss.linear.weight}
        assert len(matrices) == count
        assert sum(p.shape == (11, 12) for p in network.parameters()) == count


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 5}, "model.heads=5: must divide model.d_model=12"),
        ({"share": "all"}, "model.share=all: needs one vocabulary"),
        ({"share": "both"}, "legal are all, target, none"),
        ({"beam": 0}, "model.beam=0: must be at least 1"),
        ({"dropout": 1.0}, "model.dropout=1.0"),
    ],
)
def test_wrong_values_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        model(**options)


def test_it_is_verified_and_timed(start, monkeypatch, tmp_path) -> None:
    small = ["model=transformer", "model.d_model=8", "model.heads=2", "model.feed_forward=8", "model.dropout=0.2"]
    monkeypatch.setattr(sys, "argv", ["scripts/verify.py", *small, "data.train=40", "data.test=2", "steps=3"])
    command(verify.task, "verify")  # a difference would end it with an exit status
    sizes = ["translation.lengths=[5]", "translation.sentences=2", "translation.vocabulary=20"]
    words = [*small, *sizes, "what=translation", "seconds=0.001", "json=times.json"]
    monkeypatch.setattr(sys, "argv", ["scripts/benchmark.py", *words])
    command(benchmark.task, "benchmark")
    (result,) = json.loads((tmp_path / "times.json").read_text())["results"]
    assert result["task"] == "Transformer training step, 5 tokens"


# -- the script


@pytest.mark.parametrize(
    ("words", "understood"),
    [
        (["ckpt=a.ckpt", "3rd of May '97"], ["ckpt=a.ckpt", r"text='3rd of May \'97'"]),
        (["ein", "Hund", "beam=2"], ["beam=2", "text='ein Hund'"]),
        (["text=a=b, c: {d}", "--help"], ["text='a=b, c: {d}'", "--help"]),
        (["ckpt=a.ckpt"], ["ckpt=a.ckpt"]),
    ],
)
def test_all_but_options_is_text(words: list[str], understood: list[str]) -> None:
    assert script.with_text(words) == understood


SMALL = ["model=transformer", "model.d_model=16", "model.feed_forward=16", "model.max_length=11", "data.train=300",
         "data.test=20", "data.tokens=1024", "trainer.max_epochs=1"]  # fmt: skip


@pytest.fixture
def translated(start, monkeypatch, capsys):
    """Runs scripts/translate.py; gives status, output and error line."""

    def run(*words: str, lines: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["scripts/translate.py", *script.with_text(list(words))])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        capsys.readouterr()
        status = 0
        try:
            command(script.task, "translate")
        except SystemExit as end:
            status = int(end.code or 0)
        return status, *capsys.readouterr()

    return run


def test_interrupted_and_resumed_ends_like_unbroken(start, capsys) -> None:
    """With the running average of the weights, as in experiment=multi30k."""
    average = [
        "+callbacks.average._target_=lightning.pytorch.callbacks.EMAWeightAveraging",
        "+callbacks.average.decay=0.8",
    ]
    words = [*SMALL[:-1], "trainer.max_epochs=2", "impl=native", *average]
    require_resumed_like_unbroken(start, capsys, Transformer, 3, words)


def test_a_run_and_the_script(start, translated) -> None:
    assert start(*SMALL, "impl=scratch", "paths.run=run") == 0
    for picture in ("attention", "learning_curves"):
        assert Path(f"run/pictures/{picture}.png").read_bytes().startswith(b"\x89PNG")
    last = metrics("run")[-1]
    assert float(last["test/perplexity"]) == pytest.approx(math.exp(float(last["test/loss"])), rel=1e-4)
    assert {"test/accuracy", "test/exact_match"} <= {name for name, value in last.items() if value}

    written = Path("run/translations.txt").read_text(encoding="utf-8").strip().split("\n\n")
    assert len(written) == 20
    source, reference, translation = written[0].split("\n")

    checkpoint = "ckpt=run/checkpoints/best.ckpt"
    assert reference.startswith("= ")
    assert translated(checkpoint, f"text={source}") == (0, translation.removeprefix("> ") + "\n", "")
    status, text, _ = translated(checkpoint, "3rd of May '97")
    assert (status, text.count("\n")) == (0, 1)
    network = trained_model(torch.load("run/checkpoints/best.ckpt", weights_only=True))
    assert network.translate("3rd of May '97") + "\n" == text
    assert translated(checkpoint, "text=3rd of May '97", "impl=native") == (0, text, "")
    assert translated(checkpoint, lines="3rd of May '97\n\n3rd of May '97\n") == (0, f"{text}\n{text}", "")
    assert translated(checkpoint, "3rd of May '97", "max_length=1")[1] != text

    assert start("model=mlp", "trainer.max_epochs=1", "+trainer.limit_train_batches=1", "paths.run=other") == 0
    Path("text.txt").write_text("no checkpoint")
    for words, part in [
        (["beam=0"], "beam=0: must be at least 1"),
        (["length_penalty=-1"], "length_penalty=-1: must be at least 0"),
        (["max_length=2.5"], "max_length=2.5: must be a whole number"),
        (["5 May " * 1000], "text: too long for this model"),
        (["bem=4"], "did you mean 'beam'"),
        (["ckpt=nowhere.ckpt"], "ckpt=nowhere.ckpt: no such file"),
        (["ckpt=text.txt"], "damaged"),
        (["ckpt=other/checkpoints/best.ckpt"], "holds a zoo.mlp.MLP, which is no model of translation"),
        (["ckpt=null"], "which checkpoint?"),
    ]:
        status, out, err = translated(checkpoint, *words) if "ckpt" not in words[0] else translated(*words)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert part in err


# -- the picture


def test_what_is_drawn_is_what_is_computed() -> None:
    """The probabilities, applied to the values, give what the attentions gave."""
    network = model().double().eval()
    source, target = batch(sentences=1)
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: seen.update({name: (inputs[2], output)})

    attentions = {"encoder": network.encoder[-1].attention, "decoder": network.decoder[-1].self_attention,
                  "decoder to encoder": network.decoder[-1].cross_attention}  # fmt: skip
    for name, residual in attentions.items():
        residual.f.attention.register_forward_hook(keep(name))
    found = attention_weights(network, source, target)
    assert found.keys() == attentions.keys()
    for name, probabilities in found.items():
        value, output = seen[name]
        torch.testing.assert_close(probabilities.double() @ value[0], output[0], rtol=1e-5, atol=1e-6)


def test_without_positions_the_encoder_does_not_see_the_order():
    """Source tokens in another order: the same outputs in that order. The decoder's mask still orders the target."""
    source, target = torch.randint(4, 11, (2, 3, 6))
    order = torch.randperm(6)
    for positions, blind in (("none", True), ("sinusoidal", False)):
        network = model(positions=positions).eval()
        outputs, shuffled = network.encode(source)[0], network.encode(source[:, order])[0]
        assert torch.allclose(shuffled, outputs[:, order], atol=1e-5) == blind
        memory = network.encode(source)
        last, other = (network.states(tokens, memory)[:, -1] for tokens in (target, target[:, [1, 0, 2, 3, 4, 5]]))
        assert not torch.allclose(last, other, atol=1e-5)
