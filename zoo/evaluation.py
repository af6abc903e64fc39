"""A checkpoint once more: its data, its model, validation and test, and the table that ended its training."""

import warnings
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from lightning import LightningModule, seed_everything
from omegaconf import DictConfig
from rich.console import Console

from zoo import parallel, record
from zoo.callbacks import progress
from zoo.checkpoint import asked_for, kind_of, untrained_model
from zoo.errors import UsageError
from zoo.run import build_data, build_trainer, plain_values, quieten, refuse_difference, report


def offer_as_trained(words: list[str]) -> None:
    """Make the data and the model of the checkpoint in ckpt=… choices of their groups, under the name `as_trained`."""
    for word in words:
        if word.startswith("ckpt="):
            config = asked_for(word.removeprefix("ckpt=").strip("'\""))[1]["config"]
            home = config.get("paths", {}).get("data_dir", "")
            data = config["data"] if Path(home).exists() else moved(config["data"], home)
            ConfigStore.instance().store(group="data", name="as_trained", node=data)
            ConfigStore.instance().store(group="model", name="as_trained", node=config["model"])


def moved(data: dict[str, Any], home: str) -> dict[str, Any]:
    """The same data with files that lay in `home`, on another machine perhaps, in this one's folder."""
    return {
        key: "${paths.data_dir}" + value.removeprefix(home) if f"{value}/".startswith(f"{home}/") else value
        for key, value in data.items()
    }


def rebuilt(config: DictConfig) -> tuple[Path, dict[str, Any], Any, LightningModule]:
    """The checkpoint, where it lies and what it holds, its data, and its model without its weights, all with what the
    configuration changes. Raises UsageError where they do not go together."""
    path, checkpoint = asked_for(config.ckpt)
    kind, trained = config.model._target_, checkpoint["config"]["model"]
    if kind != kind_of(checkpoint):
        raise UsageError(f"ckpt={path}: holds a {kind_of(checkpoint)}, but the model asked for is a {kind}")
    options = {name: value for name, value in plain_values(config.model).items() if value != trained.get(name)}
    if "impl" in config:
        options["layers"] = config.impl.layers
    data = build_data(config)
    model = untrained_model(checkpoint, **options)
    known = {name: model.hparams[name] for name in data.facts if name in model.hparams}
    refuse_difference(f"ckpt={path}", known, data.facts)
    return path, checkpoint, data, model


def evaluate(config: DictConfig) -> dict[str, float]:
    """Validate and test; return the metrics and print them. Writes them, and the pictures of the test, to the folder
    config.to, and nothing where that is null."""
    quieten()
    warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`")  # callbacks of training
    seed_everything(config.seed, verbose=False)
    path, checkpoint, data, model = rebuilt(config)
    folder = None if config.to is None else Path(config.to)
    config.paths.run = str(folder or ".")
    if folder is None:
        model.configure_callbacks = list  # type: ignore[method-assign]  # which draw
    if config.trainer.precision is None:
        config.trainer.precision = checkpoint["config"]["trainer"]["precision"]
    trainer = build_trainer(config, model, callbacks=[progress()], logger=False, enable_checkpointing=False)
    if folder is not None and parallel.is_first():
        record.begin(config, folder)
    with parallel.one_for_all(trainer):
        (validated,) = trainer.validate(model, data, ckpt_path=path, verbose=False, weights_only=True)
        (tested,) = trainer.test(model, data, ckpt_path=path, verbose=False, weights_only=True)
    metrics = {**validated, **tested}
    if trainer.is_global_zero:
        if folder is not None:
            record.end(metrics, folder)
        report(Console(), f"{checkpoint['config']['name']}, step {checkpoint['global_step']}", metrics, model, folder)
    return metrics
