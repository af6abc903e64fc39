"""Resuming: which checkpoint a run may continue from, and how an interrupted run says how to continue."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning import LightningModule
from omegaconf import DictConfig
from rich.console import Console

from zoo.callbacks.interrupt import Interrupted
from zoo.core.errors import UsageError
from zoo.training.build import flat, plain_values
from zoo.training.checkpoint import kind_of, located, read, refuse_difference

INTERRUPTED = 130  # the exit status of a program ended by Ctrl-C


def resumed_checkpoint(config: DictConfig, model: LightningModule) -> str | None:
    """The checkpoint file that config.ckpt_path means, from which this model can be trained on; None without one."""
    if not config.ckpt_path:
        return None
    path = str(located("ckpt_path", config.ckpt_path, Path(config.paths.runs) / config.name))
    check_checkpoint(path, model, config)
    return path


def check_checkpoint(path: str, model: LightningModule, config: DictConfig) -> None:
    """Raise UsageError for a checkpoint from which this model cannot be trained on with this configuration.

    It must hold the same class of model, with the same hyper-parameters, optimizer and schedule: those in a checkpoint
    would silently win over those asked for.
    """
    checkpoint = read("ckpt_path", path)
    kind, trained = kind_of(checkpoint), checkpoint["hyper_parameters"]
    here = f"{type(model).__module__}.{type(model).__name__}"
    if kind != here:
        raise UsageError(f"ckpt_path={path}: holds a {kind}, but the model asked for is a {here}")
    if "optimizer_states" not in checkpoint:
        raise UsageError(f"ckpt_path={path}: holds the weights only, and no state of a training to go on from")
    before = {name: value for name, value in trained.items() if name != "layers"}
    asked = {name: model.hparams.get(name) for name in before}
    for rule in ("optimizer", "scheduler"):
        before |= options_by_name(checkpoint["config"].get(rule) or {}, rule)
        asked |= options_by_name(plain_values(config[rule]) if config[rule] else {}, rule)
    for rules, values in ((before, checkpoint["config"]), (asked, plain_values(config))):
        switch = values.get("callbacks", {}).get("switch_optimizer") or {}
        rules |= options_by_name(switch, "callbacks.switch_optimizer")
    refuse_difference(f"ckpt_path={path}", before, asked)


def options_by_name(rule: dict[str, Any], name: str) -> dict[str, Any]:
    """The options of an optimizer or scheduler by their full names, and its class without the package.

    The package may differ: native and scratch optimizers have the same state.
    """
    return {
        key.removesuffix("._target_"): value.rpartition(".")[2] if key.endswith("._target_") else value
        for key, value in (flat(rule, name) if rule else {}).items()
        if not key.endswith("._partial_")
    }


@contextmanager
def interruption_explained(console: Console, folder: Path) -> Iterator[None]:
    """Where the run inside is interrupted, print how to resume it, and exit with status 130."""
    try:
        yield
    except Interrupted as interrupted:
        console.print("\nInterrupted; nothing is lost.", end=" ")
        tell_how_to_resume(console, interrupted.path)
        sys.exit(INTERRUPTED)
    except SystemExit:  # Lightning's answer to a KeyboardInterrupt, which is a second Ctrl-C
        last = folder / "checkpoints" / "last.ckpt"
        console.print("\nStopped at once; steps since the last checkpoint are lost.", end=" ")
        tell_how_to_resume(console, str(last)) if last.exists() else console.print("There is none yet.")
        sys.exit(INTERRUPTED)


def tell_how_to_resume(console: Console, path: str) -> None:
    """Print the command of this process with the checkpoint to resume from."""
    words = ["python", *(word for word in sys.argv if not word.startswith("ckpt_path="))]
    command = f"{shlex.join(words)} ckpt_path={shlex.quote(path)}"
    console.print(f"Go on with:\n  {command}", soft_wrap=True, highlight=False, markup=False)
