"""Resuming: which checkpoint a run may continue from, and how an interrupted run says how to continue."""

import inspect
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.utils import get_object
from lightning import LightningModule
from omegaconf import DictConfig
from rich.console import Console

from zoo.callbacks.interrupt import Interrupted
from zoo.core.distributed import is_first
from zoo.core.errors import UsageError
from zoo.core.signals import cause, status
from zoo.training.build import flat, plain_values
from zoo.training.checkpoint import kind_of, located, read, refuse_difference
from zoo.training.cli import program


def resumed_checkpoint(config: DictConfig, model: LightningModule) -> str | None:
    """The checkpoint file that config.ckpt_path means, from which this model can be trained on; None without one."""
    if not config.ckpt_path:
        return None
    path = str(located("ckpt_path", str(config.ckpt_path), Path(config.paths.runs) / config.name))
    try:
        lines = check_checkpoint(path, model, config)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"ckpt_path={path}: not a checkpoint of this program, or damaged: {error}") from error
    for line in lines if is_first() else ():
        Console().print(f"ckpt_path={path}: {line}", soft_wrap=True, highlight=False, markup=False)
    return path


SETTLED = ("precision", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm")  # of the trainer


def check_checkpoint(path: str, model: LightningModule, config: DictConfig) -> list[str]:
    """Raise UsageError for a checkpoint from which this model cannot be trained on with this configuration.

    It must hold the same class of model, with the same hyper-parameters, optimizer and schedule: those in a checkpoint
    would silently win over those asked for. And the same data, seed, penalty and way of training, or what comes out
    would be no run that could be repeated. Returns a line for each difference that does no harm.
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
    config_before: Any = checkpoint["config"]
    parts = ("optimizer", "scheduler", "data", "penalty")
    config_now = {part: plain_values(config[part]) for part in parts if config.get(part)}
    for rule in parts:
        was, now = config_before.get(rule) or {}, config_now.get(rule) or {}
        before |= options_by_name({**defaults(now, but=was), **was}, rule)
        asked |= options_by_name(now, rule)
    switch = "callbacks.switch_optimizer"
    switch_now = config.callbacks.get("switch_optimizer")
    before |= options_by_name((config_before.get("callbacks") or {}).get("switch_optimizer") or {}, switch)
    asked |= options_by_name(plain_values(switch_now) if switch_now else {}, switch)
    for name in (*SETTLED, "max_epochs") if "length" in config_now.get("scheduler", {}) else SETTLED:
        before[f"trainer.{name}"] = config_before["trainer"].get(name)
        asked[f"trainer.{name}"] = config.trainer.get(name)
    before["seed"], asked["seed"] = config_before.get("seed", config.seed), config.seed
    harmless = {"impl.layers": (trained.get("layers"), model.hparams.get("layers"))}
    for name in ("data.data_dir", "data.path"):  # where the data lie
        harmless[name] = before.pop(name, None), asked.pop(name, None)
    if "penalty" not in config_before:  # of a version before penalties
        before = {name: value for name, value in before.items() if not name.startswith("penalty")}
        asked = {name: value for name, value in asked.items() if not name.startswith("penalty")}
    refuse_difference(f"ckpt_path={path}", before, asked)
    return [
        f"{name} was {was}, and is {now} from here on" for name, (was, now) in harmless.items() if was != now
    ] + passed(path, checkpoint, config)


def passed(path: str, checkpoint: dict[str, Any], config: DictConfig) -> list[str]:
    """A line for a checkpoint of a run that has come to its end. Raises UsageError where it has gone beyond."""
    epochs, last = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"], config.trainer.max_epochs
    if epochs > last:
        raise UsageError(f"ckpt_path={path}: has {epochs} epochs behind it; trainer.max_epochs={last} must be more")
    return ["it is trained to the end, and only tested once more"] if epochs == last else []


def defaults(now: dict[str, Any], but: dict[str, Any]) -> dict[str, Any]:
    """The defaults of the options that a configuration of the same class has now, but an older one had not."""
    if "_target_" not in now or class_name(now) != class_name(but):
        return {}
    target = get_object(now["_target_"])
    parameters: dict[str, inspect.Parameter] = {}  # of the class and, where it passes them on, of its bases
    for each in reversed(target.mro() if inspect.isclass(target) else [target]):
        parameters |= inspect.signature(each).parameters if each.__module__ != "builtins" else {}
    new = {name: parameters[name].default for name in now.keys() - but.keys() if name in parameters}
    return {name: value for name, value in new.items() if value is not inspect.Parameter.empty}


def class_name(rule: dict[str, Any]) -> str:
    return str(rule.get("_target_")).rpartition(".")[2]


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
    """Where the run inside is interrupted, print how to resume it, and exit with the status of the signal."""
    try:
        yield
    except Interrupted as interrupted:
        console.print(f"\nInterrupted by {cause()}; nothing is lost.", end=" ")
        tell_how_to_resume(console, interrupted.path)
        sys.exit(status())
    except (SystemExit, KeyboardInterrupt):  # Lightning makes a SystemExit of a KeyboardInterrupt: not saved first
        last = folder / "checkpoints" / "last.ckpt"
        console.print(f"\nStopped by {cause()}; steps since the last checkpoint are lost.", end=" ")
        tell_how_to_resume(console, str(last)) if last.exists() else console.print("There is none yet.")
        sys.exit(status())


def tell_how_to_resume(console: Console, path: str) -> None:
    """Print the command of this process with the checkpoint to resume from."""
    words = [*program(), *(word for word in sys.argv[1:] if not word.startswith("ckpt_path="))]
    command = f"{shlex.join(words)} ckpt_path={shlex.quote(path)}"
    console.print(f"Go on with:\n  {command}", soft_wrap=True, highlight=False, markup=False)
