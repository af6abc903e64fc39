"""A checkpoint with the data and the model that it was trained with, as eval.py and export.py begin."""

from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from lightning import LightningDataModule, LightningModule
from omegaconf import DictConfig

from zoo.base.trainable import Trainable
from zoo.core.errors import UsageError
from zoo.core.trust import named_class, plain
from zoo.training.build import build_data, plain_values
from zoo.training.checkpoint import asked_for, kind_of, refuse_difference, untrained_model


def offer_as_trained(words: list[str]) -> None:
    """Offer Hydra the data and the model of the checkpoint in ckpt=…, as the choice `as_trained` of their groups."""
    for word in words:
        if word.startswith("ckpt="):
            path, checkpoint = asked_for(word.removeprefix("ckpt=").strip("'\""))
            config = checkpoint["config"]
            home = config.get("paths", {}).get("data_dir", "")
            data = described(f"ckpt={path}", config["data"], LightningDataModule)
            if not Path(home).exists():
                data = relocated(data, home)
            model = described(f"ckpt={path}", config["model"], Trainable)
            ConfigStore.instance().store(group="data", name="as_trained", node=data)
            ConfigStore.instance().store(group="model", name="as_trained", node=model)


def described(where: str, config: dict[str, Any], base: type) -> dict[str, Any]:
    """The configuration of a subclass of `base` that the file `where` holds, with plain values alone."""
    options = dict(config)
    target = options.pop("_target_", None)
    named_class(where, target, base)
    return {"_target_": target, **plain(where, options)}


def relocated(data: dict[str, Any], home: str) -> dict[str, Any]:
    """The configuration of data whose files were in the folder `home`, perhaps on another machine, with this one's."""
    return {
        key: "${paths.data_dir}" + value.removeprefix(home) if home and f"{value}/".startswith(f"{home}/") else value
        for key, value in data.items()
    }


def rebuilt(config: DictConfig) -> tuple[Path, dict[str, Any], Any, LightningModule]:
    """The checkpoint of config.ckpt: its path and content, its data, and its model without the weights.

    Data and model have the changes that the configuration asks for. Raises UsageError where these do not go together.
    """
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
