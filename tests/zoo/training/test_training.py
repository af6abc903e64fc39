"""What a training step may have besides: accumulation, clipping, penalties, averaging, half precision."""

import pytest
import torch

from tests.zoo.runs import PLAIN, SHORT, checkpoint, composed, metrics
from tests.zoo.training.parallel_runs import SMALL
from zoo.training import run
from zoo.training.build import build_data, build_model

pytestmark = pytest.mark.filterwarnings("ignore")


def initial(*words: str) -> dict[str, torch.Tensor]:
    """The weights that a run begins with."""
    config = composed(*PLAIN, *SHORT, *words)
    torch.manual_seed(config.seed)
    return {name: value.double() for name, value in build_model(config, build_data(config).facts).state_dict().items()}


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


MODELS = [
    "lenet",
    "lstm",
    "gru",
    "char_rnn",
    "gpt",
    "bert",
    "gcn",
    "gat",
    "sage",
    "transformer",
    "resnet",
    "vit",
    "autoencoder",
    "vae",
    "diffusion",
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("impl", ["native", "scratch"])
def test_bfloat16_mixed(model, impl, tmp_path):
    if (impl, model) == ("native", "lstm") and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("torch's own LSTM in bfloat16 needs a processor with AVX-512")
    words = [f"model={model}", f"impl={impl}", *[word for word in SMALL[model] if not word.startswith("+")], *SHORT]
    words += ["trainer.precision=bf16-mixed", "trainer.limit_train_batches=2", f"paths.run={tmp_path}"]
    run.train(composed(*words))
    kept = checkpoint(tmp_path)["state_dict"]
    assert all(value.dtype is torch.float32 for value in kept.values() if value.is_floating_point())
