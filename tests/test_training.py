"""What a training step may have besides: accumulation, clipping, penalties, averaging, compilation, watchmen."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from tests.parallel_runs import SMALL
from zoo.base.classifier import Classifier
from zoo.callbacks.data_check import checked
from zoo.callbacks.finite import packed, unpacked
from zoo.core.errors import Failure, UsageError
from zoo.tools.rerun import rerun
from zoo.training import run as zoo_run
from zoo.training.build import build_data, build_model
from zoo.training.cli import CONF
from zoo.training.compilation import compile_network, parts
from zoo.training.learning_rate import Trial

pytestmark = pytest.mark.filterwarnings("ignore")

PLAIN = ["data.rotate=0", "data.scale=0", "data.shift=0", "model=mlp", "model.width=8"]
SHORT = ["trainer.max_epochs=1", "+trainer.limit_train_batches=4", "+trainer.limit_val_batches=1"]
SHORT += ["+trainer.limit_test_batches=1", "optimizer=sgd", "trainer.precision=64-true", "logger=csv"]


def composed(*words: str) -> Any:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", ["name=test", *words])


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Trains as the words say; gives the last checkpoint."""
    monkeypatch.chdir(tmp_path)

    def run(folder: str, *words: str) -> dict[str, Any]:
        zoo_run.train(composed(*PLAIN, *SHORT, f"paths.run={folder}", *words))
        return torch.load(Path(folder) / "checkpoints/last.ckpt", weights_only=True)

    return run


def initial(*words: str) -> dict[str, torch.Tensor]:
    """The weights that a run begins with."""
    config = composed(*PLAIN, *SHORT, *words)
    torch.manual_seed(config.seed)
    return {name: value.double() for name, value in build_model(config, build_data(config).facts).state_dict().items()}


def metrics(folder: str) -> list[dict[str, str]]:
    with open(Path(folder) / "csv/metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_accumulated_batches_are_one_large_batch(train):
    large = train("large", "data.batch_size=16", "trainer.limit_train_batches=2")["state_dict"]
    small = train("small", "data.batch_size=8", "trainer.accumulate_grad_batches=2")["state_dict"]
    for name, weight in large.items():
        torch.testing.assert_close(small[name], weight, rtol=1e-12, atol=1e-14)


def test_clipped_gradients_move_the_weights_no_further(train):
    before, after = initial(), train("clipped", "trainer.gradient_clip_val=0.01", "optimizer.lr=1")["state_dict"]
    way = torch.cat([(after[name] - before[name]).flatten() for name in before if name in after]).norm()
    assert 0.02 < way <= 4 * 0.01 + 1e-9  # four steps of length 0.01


@pytest.mark.parametrize("biases", ["false", "true"])
def test_penalty_is_l1_and_l2_of_the_weights(biases, train):
    one_step = ["trainer.limit_train_batches=1", "optimizer.lr=0.1", f"penalty.biases={biases}"]
    start, plain = initial(), train("plain", *one_step)["state_dict"]
    penalised = train("penalised", *one_step, "penalty.l1=0.03", "penalty.l2=0.2")["state_dict"]
    for name, weight in plain.items():
        slope = 0.03 * start[name].sign() + 2 * 0.2 * start[name]
        if name.endswith("bias") and biases == "false":
            slope = torch.zeros_like(slope)
        torch.testing.assert_close(penalised[name], weight - 0.1 * slope, rtol=1e-6, atol=1e-9)


def test_averaged_weights_are_the_mean_of_the_last_epochs(train):
    every = ["callbacks.checkpoint.monitor=null"]  # epoch is kept, and not the best alone
    third, fourth = (train(f"to_{n}", *every, f"trainer.max_epochs={n}")["state_dict"] for n in (3, 4))
    kept = train("averaged", *every, "callbacks=[default,swa]", "callbacks.swa.start=0.5", "trainer.max_epochs=4")
    for name, weight in fourth.items():
        torch.testing.assert_close(kept["current_model_state"][name], weight, rtol=0, atol=0)
        torch.testing.assert_close(kept["state_dict"][name], (third[name] + weight) / 2, rtol=1e-12, atol=1e-14)


def test_early_stopping(train):
    words = ["callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=2", "optimizer.lr=0"]
    train("stopped", *words, "trainer.max_epochs=9")
    assert {row["epoch"] for row in metrics("stopped") if row.get("val/loss")} == {"0", "1", "2"}  # two were no better


def test_gradient_norm_of_each_layer(train):
    train("normed", "callbacks=[default,gradient_norms]", "trainer.log_every_n_steps=1")
    rows = [row for row in metrics("normed") if row.get("grad_norm/all")]
    assert len(rows) == 4
    for row in rows:
        layers = [float(row[f"grad_norm/network.{number}"]) for number in (1, 3, 5)]
        assert min(layers) > 0
        assert float(row["grad_norm/all"]) == pytest.approx(sum(norm**2 for norm in layers) ** 0.5, rel=1e-5)


@pytest.mark.parametrize("model", ["lenet", "lstm", "gru", "char_rnn", "gcn", "transformer"])
@pytest.mark.parametrize("impl", ["native", "scratch"])
def test_bfloat16_mixed(model, impl, tmp_path):
    words = [f"model={model}", f"impl={impl}", *[word for word in SMALL[model] if not word.startswith("+")], *SHORT]
    words += ["trainer.precision=bf16-mixed", "trainer.limit_train_batches=2", f"paths.run={tmp_path}"]
    zoo_run.train(composed(*words))
    kept = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert all(value.dtype is torch.float32 for value in kept.values() if value.is_floating_point())


# The learning rate.


@pytest.mark.parametrize(
    ("losses", "settled"),
    [
        ([2.0, 1.5, 1.2, 1.0, 0.9, 0.8, 0.8, 0.7], True),
        ([2.0, 1.0, 3.0, 0.5, 4.0, 0.2, 5.0, 0.9], False),  # jumps about
        ([2.0, 2.1, 2.2, 2.3, 2.5, 2.6, 2.8, 3.0], False),  # rises
        ([2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], False),  # stays
        ([2.0, 1.0, 0.5, float("nan")], False),
        ([2.0], False),
    ],
)
def test_settled(losses, settled):
    assert Trial(0.1, losses).settled is settled


def test_the_range_test_goes_down_until_the_loss_settles(train, tmp_path, capsys):
    words = ["tune=lr", "tuning.steps=16", "tuning.largest=100", "tuning.factor=0.1", "data.batch_size=64"]
    found = zoo_run.train(composed(*PLAIN, *SHORT[4:], "paths.run=tuned", *words))
    assert 1e-3 <= found["lr"] <= 1
    assert f"optimizer.lr={found['lr']:.2g}" in capsys.readouterr().out
    assert (tmp_path / "tuned/pictures/learning_rate.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="settles with no learning rate"):
        zoo_run.train(composed(*PLAIN, *SHORT[4:], "paths.run=tuned", *words, "tuning.smallest=100"))


# Watchmen.


def test_the_first_layer_that_gives_nan(train, monkeypatch, capsys):
    """The run ends at the batch, the file shows the same layer again, and no weight has taken it up."""
    step = Classifier.training_step

    def spoiled(self, batch, batch_idx):
        if self.global_step == 2:
            self.network[3].weight.data[0, 0] = torch.nan
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", spoiled)
    with pytest.raises(Failure, match=r"epoch 0, batch 2: the loss is NaN; first in the layer network\.3 \(Linear\)"):
        train("broken", "trainer.precision=32-true")
    monkeypatch.setattr(Classifier, "training_step", step)
    kept = torch.load("broken/not_finite.pt", weights_only=True)
    assert kept["config"]["seed"] == 0
    assert all(value.isfinite().all() for name, value in kept["state_dict"].items() if name != "network.3.weight")
    seen = rerun("broken/not_finite.pt")
    assert [what for _, _, _, what in seen][:4] == ["", "", "", "NaN"]
    assert "network.3 (Linear): NaN" in capsys.readouterr().out


def test_nan_in_an_input(train, monkeypatch):
    from zoo.data.images import ImageData

    plain = ImageData.on_after_batch_transfer

    def spoiled(self, batch, dataloader_idx):
        pictures, labels = plain(self, batch, dataloader_idx)
        if self.trainer.training and self.trainer.global_step == 1:
            pictures[0, 0, 0, 0] = torch.inf
        return pictures, labels

    monkeypatch.setattr(ImageData, "on_after_batch_transfer", spoiled)
    with pytest.raises(Failure, match="epoch 0, batch 1: the input holds infinity"):
        train("broken")
    assert torch.load("broken/not_finite.pt", weights_only=True)["batch_idx"] == 1


def test_batches_of_every_kind_can_be_kept(tmp_path):
    from torch.nn.utils.rnn import pack_padded_sequence

    sequences = pack_padded_sequence(torch.randn(3, 2, 4), torch.tensor([2, 3]), enforce_sorted=False)
    torch.save(packed((sequences, torch.tensor([1, 2]))), tmp_path / "batch.pt")
    input, target = unpacked(torch.load(tmp_path / "batch.pt", weights_only=True))
    assert type(input) is type(sequences)
    assert torch.equal(input.data, sequences.data)
    assert target.tolist() == [1, 2]


def batches(scale: float = 1.0, labels: list[int] | None = None) -> Any:
    target = torch.tensor(labels or [1, 0, 2] * 10)
    return iter([(scale * torch.randn(len(target), 5), target)])


def test_data_check():
    assert checked(batches(), 3) == []
    assert "mean square" in checked(batches(scale=1e4), 3)[0]
    assert "sorted by class" in checked(batches(labels=[0] * 15 + [1] * 15), 3)[0]
    assert "all of one class" in checked(batches(labels=[1] * 30), 3)[0]
    with pytest.raises(UsageError, match="label 2 out of range; legal are 0 to 1"):
        checked(batches(), 2)
    with pytest.raises(UsageError, match="the input of training batch 0 holds NaN"):
        checked(batches(scale=float("nan")), 3)


# Compilation.


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lenet", "rnn", "lstm", "gru", "char_lstm", "transformer"])
def test_compiles_whole(model):
    """From scratch layers each network is one graph, forward and backward, and gives the same numbers."""
    words = [word for word in SMALL[model] if not word.startswith("+")]
    config = composed(f"model={model}", *words, "optimizer=sgd")
    data = build_data(config)
    module: Any = build_model(config, data.facts).double()
    module.log = module.log_dict = lambda *_, **__: None
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    batch = tuple(t.double() if t.is_floating_point() else t for t in batch)
    outcomes = []
    for compiled in (False, True):
        if compiled:
            torch._dynamo.reset()
            compile_network(module, "aot_eager", fullgraph=True)
            assert all(part._compiled_call_impl is not None for part in parts(module))
        module.zero_grad()
        getattr(module, "_carried", {}).clear()
        loss = module.training_step(batch, 0)
        loss.backward()
        outcomes.append([loss.detach(), *(parameter.grad.clone() for parameter in module.parameters())])
    for eager, graph in zip(*outcomes, strict=True):
        torch.testing.assert_close(graph, eager, rtol=1e-9, atol=1e-11)


def test_unknown_backend():
    with pytest.raises(UsageError, match="compile=inducktor: unknown, did you mean 'inductor'"):
        zoo_run.train(composed("compile=inducktor"))
