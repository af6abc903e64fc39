"""Checkpoints, which explain themselves: the configuration and the hyper-parameters are in them, as plain values."""

import io
import reprlib
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_class
from lightning import LightningModule
from lightning.fabric.plugins import TorchCheckpointIO

from zoo.core.errors import UsageError
from zoo.core.files import write_whole


def refuse_difference(checkpoint: str, before: dict[str, Any], asked: dict[str, Any]) -> None:
    """Name the first option with another value now than in the training of a checkpoint."""
    for name in {**before, **asked}:
        if before.get(name) != asked.get(name):
            was, now = (  # shortened: a vocabulary is long
                f"{name}={reprlib.repr(values[name])}" if name in values else f"no {name}" for values in (before, asked)
            )
            raise UsageError(f"{checkpoint}: was trained with {was}, but {now} was asked for")


class WholeFiles(TorchCheckpointIO):
    """Lightning's way to the disk, through `write_whole`."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        content = io.BytesIO()  # a full disk in the middle of torch.save would be an unreadable error
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getbuffer())


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


def asked_for(path: str | None, what: str = "a run") -> tuple[Path, dict[str, Any]]:
    """The checkpoint that ckpt=path means, and its content: a file, or the folder of a run, of which it is the best, or
    where there is none the last."""
    if path is None:
        raise UsageError(f"ckpt: which checkpoint? runs/…/checkpoints/best.ckpt of {what}")
    file = located("ckpt", str(path), names=("best.ckpt", "last.ckpt"))
    return file, read("ckpt", str(file))


def kind_of(checkpoint: dict[str, Any]) -> str:
    """The class of the model, such as zoo.lenet.LeNet."""
    return checkpoint["config"]["model"]["_target_"]


def untrained_model(checkpoint: dict[str, Any], **options: Any) -> LightningModule:
    """The model that a checkpoint has the weights of, with other options than in training, if given. Raises UsageError
    where the weights do not fit it."""
    model = get_class(kind_of(checkpoint))(**{**checkpoint["hyper_parameters"], **options})
    here, there = (
        {name: tuple(value.shape) for name, value in state.items()}
        for state in (model.state_dict(), checkpoint["state_dict"])
    )
    for name in {**there, **here}:
        if here.get(name) != there.get(name):
            held, asked = (f"of shape {state[name]}" if name in state else "not there" for state in (there, here))
            raise UsageError(f"ckpt: {name} is {held} in the checkpoint, but {asked} in the model that is asked for")
    return model


def with_weights(model: LightningModule, checkpoint: dict[str, Any]) -> LightningModule:
    """The model with the weights of a checkpoint, in the precision that they have, to predict with."""
    weights = checkpoint["state_dict"]
    first = next(name for name, _ in model.named_parameters())
    model.to(weights[first].dtype).load_state_dict(weights)
    return model.eval()


def trained_model(checkpoint: dict[str, Any], layers: str | None = None) -> LightningModule:
    """The model of a checkpoint, to predict with; from other `layers` than it was trained with, if given."""
    return with_weights(untrained_model(checkpoint, **({} if layers is None else {"layers": layers})), checkpoint)
