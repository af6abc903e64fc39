"""Checkpoints, which explain themselves: the configuration and the hyper-parameters are in them, as plain values."""

from typing import Any

import torch
from hydra.utils import get_class
from lightning import LightningModule

from zoo.errors import UsageError


def read(key: str, path: str) -> dict[str, Any]:
    """The content of a checkpoint; a UsageError, one line that begins with key=path, where it cannot be had."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        kind_of(checkpoint), checkpoint["hyper_parameters"], checkpoint["state_dict"]
    except FileNotFoundError:
        raise UsageError(f"{key}={path}: no such file") from None
    except Exception as error:
        raise UsageError(f"{key}={path}: not a checkpoint of this program, or damaged") from error
    return checkpoint


def kind_of(checkpoint: dict[str, Any]) -> str:
    """The class of the model, such as zoo.lenet.LeNet."""
    return checkpoint["config"]["model"]["_target_"]


def trained_model(checkpoint: dict[str, Any], layers: str | None = None) -> LightningModule:
    """The model of a checkpoint, with its weights, to predict with; from other `layers` than it was trained with, if
    given."""
    options = dict(checkpoint["hyper_parameters"])
    if layers is not None:
        options["layers"] = layers
    model = get_class(kind_of(checkpoint))(**options)
    model.load_state_dict(checkpoint["state_dict"])
    return model.eval()
