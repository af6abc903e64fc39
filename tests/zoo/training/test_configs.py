"""Every file of conf/ is part of a whole configuration, and that runs: a batch of training, validation and test."""

import os
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from tests.zoo import runs
from zoo.core.errors import UsageError
from zoo.training.cli import CONF, explain
from zoo.training.run import train

pytestmark = pytest.mark.filterwarnings("ignore")

GROUPS = {
    folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
    for folder in sorted(CONF.iterdir())
    if folder.is_dir() and folder.name != "local"  # which is everybody's own
}
BATCH = ["paths.run=run", "~callbacks.progress", "+trainer.enable_progress_bar=false"]
TINY = ["model=mlp", "model.width=2", "model.depth=1", "data.image_size=4", "data.batch_size=4"]
SHORT = ["trainer.max_epochs=2", "++trainer.limit_train_batches=1", "+trainer.limit_val_batches=1"]
SHORT += ["+trainer.limit_test_batches=1", "logger=csv"]
LENGTHS = ["data.train=50", "data.test=10"]
TRANSLATION = ["model.beam=1", "model.max_length=4", "model.val_sentences=4"]
DATES = [*TRANSLATION, *LENGTHS, "data.tokens=64"]
SMALLER = {  # what would take long even for a batch, and says as much with less
    "model=resnet": ["model.size=tiny"],
    "model=diffusion": ["model.width=8", "model.steps=21", "data.image_size=8"],
    "experiment=diffusion_digits": ["model.width=8", "model.steps=21"],
    "experiment=diffusion_mnist": ["model.width=8", "model.steps=21", "data.batch_size=4"],
    "experiment=resnet_mnist": ["model.size=tiny"],
    "experiment=vit_mnist": ["model.size=tiny"],
    "model=transformer": ["model.d_model=8", "model.heads=2", "model.feed_forward=8", *DATES],
    "model=seq2seq": ["model.hidden=8", "model.embedding=4", *DATES],
    "data=dates": ["model.hidden=8", "model.embedding=4", *DATES],
    "data=multi30k": ["model.hidden=8", "model.embedding=4", *TRANSLATION, "data.tokens=64"],
    "data=adding": LENGTHS,
    "data=copy_memory": LENGTHS,
    "data=graphs": ["data.graphs=40"],
    "data=sequential_mnist": ["data.read=row"],
    **{words: ["model.size=tiny"] for words in ("model=gpt", "data=text_windows", "experiment=gpt_shakespeare")},
    "experiment=dates": ["model.d_model=8", "model.heads=2", "model.feed_forward=8", *DATES],
    "experiment=dates_seq2seq": ["model.hidden=8", "model.embedding=4", *DATES],
    "experiment=multi30k": ["model.d_model=8", "model.heads=2", "model.feed_forward=8", *TRANSLATION, "data.tokens=64"],
    **{f"experiment={name}": LENGTHS for name in ("adding_gru", "adding_lstm")},
    **{f"experiment=mnist_by_pixel_{memory}": ["data.batch_size=2"] for memory in ("gru", "lstm", "rnn")},
}
SUITED = {  # the model that goes with these data; with others the smallest
    **dict.fromkeys(("adding", "copy_memory", "sequential_digits", "sequential_mnist"), "gru"),
    **dict.fromkeys(("karate", "cora", "citeseer", "pubmed", "relations"), "gcn"),
    "graphs": "graph_gcn",
    **dict.fromkeys(("text", "tiny_shakespeare"), "char_rnn"),
    "text_windows": "gpt",
    "masked_text": "bert",
    **dict.fromkeys(("dates", "multi30k"), "seq2seq"),
}
ADDED = {  # callbacks that are no part of default.yaml, and what they need to run a moment
    **dict.fromkeys(
        (
            "early_stopping",
            "gradient_norms",
            "limit",
            "swa",
            "pictures/gradient_by_depth",
            "pictures/embedding_by_depth",
        ),
        (),
    ),
    "switch_optimizer": ("callbacks.switch_optimizer.epoch=1",),
    "memorise": ("callbacks.memorise.loss=1000",),
    "stop_above_mean": ("callbacks.early_stopping.monitor=val/loss",),
}
OWN_PROCESSES = ("ddp", "ddp_cpu", "fsdp")  # of trainers; tests/zoo/training/test_processes.py runs them


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """They take longer than all else; tests/zoo/training/test_run.py looks at them."""
    monkeypatch.setattr("zoo.callbacks.pictures.classifier.ClassifierPictures.on_test_end", lambda *_: None)
    monkeypatch.setattr("zoo.callbacks.pictures.curves.LearningCurves.on_fit_end", lambda *_: None)


def composed(*words: str) -> Any:
    return runs.composed(*BATCH, *words)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Trains in an empty folder as the words say."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> None:
        config = composed(*words, *SMALLER.get(words[0], []))
        real = config.data.get("data_dir") or config.data.get("path")
        if real and "HANDGRAD_DATA" not in os.environ:
            pytest.skip(f"{words[0]} needs real data, in the folder that HANDGRAD_DATA names")
        try:
            metrics = train(config)
        except UsageError as error:
            if real and "download failed" in str(error):
                pytest.skip(str(error))
            raise
        assert any(name.startswith("test/") for name in metrics)

    return run


@pytest.mark.parametrize("group", GROUPS)
def test_every_file_composes(group):
    for name in GROUPS[group]:
        choice = name
        if group == "callbacks":
            choice = f"[default,{name}]" if name in ADDED else "default"  # of which the others are parts
        OmegaConf.to_container(composed(f"{group}={choice}"), resolve=True, throw_on_missing=True)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("model", GROUPS["model"])
def test_every_model(model, run):
    run(f"model={model}", "debug=fdr")


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    "data", [pytest.param(name, marks=[pytest.mark.slow] * (name == "multi30k")) for name in GROUPS["data"]]
)
def test_all_data(data, run):
    model = [f"model={SUITED[data]}"] if data in SUITED else TINY[:3]
    run(f"data={data}", *model, "debug=fdr")


@pytest.mark.parametrize("optimizer", GROUPS["optimizer"])
def test_every_optimizer(optimizer, run):
    if optimizer == "muon":  # for matrices only
        run("optimizer=muon", "model=gcn", "model.bias=false", "debug=fdr")
    elif optimizer == "sparse_adam":  # for sparse gradients, which no model of ours has
        with pytest.raises(UsageError, match="sparse gradients only"):
            run("optimizer=sparse_adam", *TINY, "debug=fdr")
    else:
        run(f"optimizer={optimizer}", *TINY, "debug=fdr")


@pytest.mark.parametrize("scheduler", GROUPS["scheduler"])
def test_every_scheduler(scheduler, run):
    run(f"scheduler={scheduler}", *TINY, *SHORT)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("callbacks", ADDED)
def test_all_callbacks(callbacks, run):
    run(f"callbacks=[default,{callbacks}]", *TINY, *SHORT, *ADDED[callbacks])


def test_a_callback_is_in_the_module_of_its_file():
    """conf/callbacks/ and zoo/callbacks/ mirror each other; what is Lightning's own has a file in conf/ alone."""
    folder, default = CONF / "callbacks", OmegaConf.load(CONF / "callbacks/default.yaml").defaults
    names = {str(path.relative_to(folder).with_suffix("")): OmegaConf.load(path) for path in folder.rglob("*.yaml")}
    assert names.keys() == {"default", *default, *ADDED}
    del names["default"]
    for name, callbacks in names.items():
        for callback in (part for key, part in callbacks.items() if key != "defaults"):
            module = callback._target_.rpartition(".")[0]
            assert module in (f"zoo.callbacks.{name.replace('/', '.')}", "lightning.pytorch.callbacks"), name


@pytest.mark.parametrize("trainer", [name for name in GROUPS["trainer"] if name not in OWN_PROCESSES])
def test_every_trainer(trainer, run):
    """Where there is such a device; elsewhere one line tells that there is none."""
    mps = torch.backends.mps.is_available()
    there = {"cpu": True, "mps": mps, "gpu": mps or torch.cuda.is_available()}
    if there[composed(f"trainer={trainer}").trainer.accelerator]:
        run(f"trainer={trainer}", *TINY, "debug=fdr")
    else:
        with pytest.raises((UsageError, InstantiationException)) as caught:
            run(f"trainer={trainer}", *TINY)
        assert explain(caught.value).startswith("trainer: ")


@pytest.mark.parametrize("logger", GROUPS["logger"])
def test_every_logger(logger, run, tmp_path):
    """One whose package is missing tells how to have it, and nothing is left behind."""
    package = "mlflow" if logger == "many" else logger
    words = [f"logger={logger}", *TINY, *SHORT[:-1]]
    if package not in ("wandb", "mlflow") or find_spec(package):
        run(*words)
    else:
        with pytest.raises(InstantiationException) as caught:
            run(*words)
        line = f"logger={package}: needs the package {package}, which is not installed: pip install {package}"
        assert explain(caught.value) == line
        assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("drawn")
@pytest.mark.slow
@pytest.mark.parametrize("experiment", GROUPS["experiment"])
def test_every_experiment(experiment, run):
    run(f"experiment={experiment}", "debug=fdr")
