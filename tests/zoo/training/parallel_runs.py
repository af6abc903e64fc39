"""What each process of tests/zoo/training/test_processes.py runs, and what one process alone must come to, too.

torchrun … tests/zoo/training/parallel_runs.py FOLDER PROCESSES
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from zoo.core.distributed import joint_mean
from zoo.data import translation
from zoo.data.dates import Dates
from zoo.diffusion import Diffusion
from zoo.training.cli import CONF
from zoo.training.run import train
from zoo.vae import VAE

STEPS = 10
UNCHANGED = ["data.batch_size=4", "data.rotate=0", "data.scale=0", "data.shift=0"]
SMALL = {  # every model with data of which two processes get equal parts, and without random numbers
    "lenet": UNCHANGED,
    "mlp": ["model.width=8", *UNCHANGED],
    **{name: ["model.hidden=8", "data.batch_size=4"] for name in ("rnn", "lstm", "gru")},
    **{
        name: ["model.hidden=8", "model.embedding=4", "data.batch_size=2", "data.length=8"]
        for name in ("char_rnn", "char_lstm", "char_gru")
    },
    "gpt": ["model.size=tiny", "data.batch_size=2", "data.length=8"],
    "bert": ["model.dropout=0", "data.remask=false", "data.batch_size=2", "data.length=8"],
    "gcn": ["model.dropout=0"],
    "gat": ["model.dropout=0"],
    "sage": ["model.dropout=0"],
    "graph_gcn": ["model.hidden=[8,8]", "data.batch_size=4"],
    "transformer": ["+sentences=4"],
    "seq2seq": ["+sentences=4", "model.hidden=8", "model.embedding=4", "model.max_length=4", "model.val_sentences=4"],
    "perceptron": ["data.image_size=8", *UNCHANGED],
    "rbf": ["data.image_size=8", "model.units=5", *UNCHANGED],
    "resnet": [
        "data.image_size=8",
        "model.size=tiny",
        "model.norm=layer",
        *UNCHANGED,
    ],  # batch norm is over a process's
    "autoencoder": ["data.image_size=8", "model.width=8", "model.code=4", *UNCHANGED],
    "vae": ["data.image_size=8", "model.width=8", "model.code=4", *UNCHANGED],
    "diffusion": ["data.image_size=8", "model.width=8", "model.steps=21", *UNCHANGED],
    "vit": ["data.image_size=8", "model.size=tiny", *UNCHANGED],
}
TRANSFORMER = ["d_model=8", "heads=2", "encoder_layers=1", "decoder_layers=1", "feed_forward=8", "dropout=0", "beam=1"]
SMALL["transformer"] += [f"model.{option}" for option in [*TRANSFORMER, "max_length=4", "val_sentences=4"]]
RUNS = [
    *[(model, "scratch") for model in SMALL],
    *[(model, "native") for model in ("lenet", "char_lstm", "gat", "seq2seq")],
]
COMMON = [
    "name=test",
    "optimizer=sgd",
    "optimizer.lr=0.05",
    "optimizer.momentum=0.9",
    "trainer.precision=64-true",
    f"trainer.max_epochs={STEPS}",  # some models make one step an epoch
    f"+trainer.max_steps={STEPS}",
    "+trainer.limit_val_batches=1",
    "+trainer.limit_test_batches=1",
    "+trainer.enable_progress_bar=false",
    "~callbacks.progress",
    "~callbacks.curves",
    "logger=csv",
]


def run(model: str, impl: str, folder: Path, processes: int, *words: str) -> None:
    """Ten steps of a run, without its pictures and records; on one process with batches twice as large."""
    options = list(SMALL[model])
    if processes == 1:
        options = [
            f"{key}={2 * int(value)}" if key in ("data.batch_size", "+sentences") else f"{key}={value}"
            for key, value in (word.split("=", 1) for word in options)
        ]
    else:
        options += ["trainer=ddp_cpu", "trainer.devices=1", f"trainer.num_nodes={processes}"]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"model={model}", f"impl={impl}", *options, *COMMON, *words])
    config.paths.run = str(folder / f"{model}-{impl}")
    if "sentences" in config:
        in_order(config.sentences)
    VAE.noise = lambda self, like, seed: like.detach().sin()  # of a picture, and not of its place in a batch
    Diffusion.noise = lambda self, like, seed: ((100 * like.mean((1, 2, 3))).long() % 21, like.cos())
    train(config, recorded=False)


def in_order(sentences: int) -> None:
    """Batches of so many sentences, in the order of their length: the next one of two processes together is the next
    one of a process that takes twice as many."""

    def sizes(lengths: list[int], tokens: int) -> list[int]:
        return [sentences] * (len(lengths) // sentences) + [len(lengths) % sentences] * bool(len(lengths) % sentences)

    translation.sizes = sizes
    Dates.train_dataloader = lambda self: self._loader("val")


def joint() -> None:
    """The mean of two processes' means is that of all numbers, and so is the gradient, though one has more of them."""
    w = torch.tensor(2.0, requires_grad=True)
    numbers = torch.arange(5.0)
    mine = numbers[:4] if dist.get_rank() == 0 else numbers[4:]
    mean = joint_mean((w * mine).mean(), torch.tensor(len(mine)))
    mean.backward()
    assert w.grad is not None
    for found, expected in ((mean.detach(), 2 * numbers.mean()), (w.grad, numbers.mean())):
        dist.all_reduce(found)
        torch.testing.assert_close(found / 2, expected)


if __name__ == "__main__":
    folder, processes = Path(sys.argv[1]), int(sys.argv[2])
    for model, impl in RUNS:
        run(model, impl, folder, processes)
    joint()
