"""A checkpoint file: written whole, found, read, and turned into a model.

A checkpoint is complete: it holds the configuration and the hyper-parameters as plain values beside the weights and the
state of the training. Classes are stored as names, such as zoo.lenet.LeNet for a model, or Best for a callback's state;
these names must stay, or checkpoints that people have can no longer be read (tests/zoo/training/test_checkpoint.py).

When checkpoints are saved is in zoo/callbacks/checkpoints.py.
"""

import hashlib
import io
import reprlib
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from lightning.fabric.plugins import TorchCheckpointIO

from zoo.base.trainable import Trainable
from zoo.core.errors import UsageError
from zoo.core.files import write_whole
from zoo.core.trust import check_layers, named_class, plain


class WholeFiles(TorchCheckpointIO):
    """Lightning's plug-in for checkpoint files, which writes them by `write_whole`."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        write_sealed(Path(path), checkpoint)


# The file: torch's zip archive, in whose comment stands the SHA-256 of all before it.

SEAL = b"sha256 "


def write_sealed(path: Path, value: Any) -> None:
    """Write what torch.load reads, whole or not at all, with a seal by which `is_damaged` notices any change."""
    buffer = io.BytesIO()  # a full disk in the middle of torch.save would be an unreadable error
    torch.save(value, buffer)
    size = len(SEAL) + hashlib.sha256().digest_size
    content = memoryview(buffer.getbuffer())[:-2]  # an archive ends with the length of its comment, two bytes, here 0
    length = size.to_bytes(2, "little")
    digest = hashlib.sha256(content)
    digest.update(length)
    write_whole(path, content, length, SEAL, digest.digest())


def is_damaged(path: Path) -> bool:
    """Whether the content of a file has changed since it was written, by its seal, or in an older one by the archive's
    own check sums."""
    content = path.read_bytes()
    size = len(SEAL) + hashlib.sha256().digest_size
    if content[-size:].startswith(SEAL):
        return hashlib.sha256(content[:-size]).digest() != content[len(SEAL) - size :]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return bool(archive.comment) or archive.testzip() is not None


# Find and read.


def located(key: str, path: str, runs: Path | None = None, names: tuple[str, ...] = ("last.ckpt",)) -> Path:
    """The checkpoint file that a user means by `path`.

    Args:
        key: the option, for the message. path: a file; the folder of a run, for the first of `names` in its
        checkpoints; or "last", for that of the newest
            run in the folder `runs`.

    Raises UsageError, one line, where there is none.
    """
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


FIELDS = {"name": str, "model": dict, "data": dict, "trainer": dict}  # of a checkpoint's configuration that are read


def read(key: str, path: str, also: tuple[str, ...] = ()) -> dict[str, Any]:
    """The content of a checkpoint. Raises UsageError, one line that begins with key=path, where it cannot be read.

    Args:
        also: what the file must hold besides.
    """
    try:
        if is_damaged(Path(path)):
            raise UsageError(f"{key}={path}: damaged: its content has changed since it was written")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        config = checkpoint["config"]
        right = bool(kind_of(checkpoint)) and all(isinstance(config[name], kind) for name, kind in FIELDS.items())
        right = right and all(isinstance(weight, torch.Tensor) for weight in checkpoint["state_dict"].values())
        plain(f"{key}={path}", dict(checkpoint["hyper_parameters"]))
        if not right or not {"epoch", *also} <= checkpoint.keys():
            raise LookupError("a field is missing")
    except FileNotFoundError:
        raise UsageError(f"{key}={path}: no such file") from None
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"{key}={path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise UsageError(f"{key}={path}: not a checkpoint of this program, or damaged") from error
    return checkpoint


def asked_for(path: str | None, what: str = "a run") -> tuple[Path, dict[str, Any]]:
    """The checkpoint that ckpt=path means, a file or the folder of a run, and its content. Of a run it is the best, or
    where there is none the last."""
    if path is None:
        raise UsageError(f"ckpt: which checkpoint? runs/…/checkpoints/best.ckpt of {what}")
    file = located("ckpt", str(path), names=("best.ckpt", "last.ckpt"))
    return file, read("ckpt", str(file))


def kind_of(checkpoint: dict[str, Any]) -> str:
    """The class of the model, such as zoo.lenet.LeNet."""
    return checkpoint["config"]["model"]["_target_"]


def refuse_difference(checkpoint: str, before: dict[str, Any], asked: dict[str, Any]) -> None:
    """Raise UsageError with the first option whose value is not the one that a checkpoint was trained with."""
    for name in {**before, **asked}:
        if before.get(name) != asked.get(name):
            was, now = (  # shortened: a vocabulary is long
                f"{name}={reprlib.repr(values[name])}" if name in values else f"no {name}" for values in (before, asked)
            )
            raise UsageError(f"{checkpoint}: was trained with {was}, but {now} was asked for")


# The model.


def untrained_model(checkpoint: dict[str, Any], where: str = "ckpt", **options: Any) -> LightningModule:
    """The model of a checkpoint, without its weights, with `options` in place of those of the training.

    Raises UsageError where the file `where` names what it may not, or the weights do not fit the model.
    """
    kind, trained = named_class(where, kind_of(checkpoint), Trainable), checkpoint["hyper_parameters"]
    if "layers" in trained and "layers" not in options:
        check_layers(where, trained["layers"])
    try:
        model = kind(**{**trained, **options})
    except UsageError:
        raise
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError) as error:
        raise UsageError(f"{where}: its hyper-parameters do not make a {kind.__name__}: {error}") from error
    here, there = (
        {name: tuple(value.shape) for name, value in state.items()}
        for state in (model.state_dict(), checkpoint["state_dict"])
    )
    for name in {**there, **here}:
        if here.get(name) != there.get(name):
            held, asked = (f"of shape {state[name]}" if name in state else "not there" for state in (there, here))
            raise UsageError(f"{where}: {name} is {held} in the checkpoint, but {asked} in the model that is asked for")
    return model


def with_weights(model: LightningModule, checkpoint: dict[str, Any]) -> LightningModule:
    """The model with the weights of a checkpoint, in their precision and in evaluation mode."""
    weights = checkpoint["state_dict"]
    first = next(name for name, _ in model.named_parameters())
    model.to(weights[first].dtype).load_state_dict(weights)
    return model.eval()


def trained_model(checkpoint: dict[str, Any], layers: str | None = None) -> LightningModule:
    """The model of a checkpoint, with its weights, in evaluation mode.

    Args:
        layers: the package that its layers come from; None for the one that it was trained with.
    """
    return with_weights(untrained_model(checkpoint, **({} if layers is None else {"layers": layers})), checkpoint)
