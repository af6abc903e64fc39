"""Checkpoints, which explain themselves: the configuration and the hyper-parameters are in them, as plain values."""

from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_class
from lightning import LightningModule

from zoo.errors import UsageError


def located(key: str, path: str, runs: Path | None = None, names: tuple[str, ...] = ("last.ckpt",)) -> Path:
    """The checkpoint that is meant: a file, or the folder of a run, whose checkpoint of the first of these names it is;
    "last": that of the newest run in the folder `runs`. A UsageError, one line, where there is none."""
    folder = Path(path) / "checkpoints"
    if path == "last" and runs is not None:
        found = sorted(runs.glob(f"*/checkpoints/{names[0]}"), key=lambda file: file.stat().st_mtime)
        if not found:
            raise UsageError(f"{key}=last: there is no checkpoint in {runs} yet")
        return found[-1]
    if not Path(path).is_dir():
        return Path(path)
    found = [folder / name for name in names if (folder / name).exists()]
    if not found:
        raise UsageError(f"{key}={path}: a folder without checkpoints/{names[0]}")
    return found[0]


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
