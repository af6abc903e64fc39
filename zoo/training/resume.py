"""TODO."""

import shlex
import sys
from typing import Any

from lightning import LightningModule
from omegaconf import DictConfig
from rich.console import Console

from zoo.core.errors import UsageError
from zoo.training.build import flat, plain_values
from zoo.training.checkpoint import kind_of, read, refuse_difference

INTERRUPTED = 130  # the exit status of a program ended by Ctrl-C


def check_checkpoint(path: str, model: LightningModule, config: DictConfig) -> None:
    """Refuse a file that is no checkpoint, one of another model, or of a training that went by other rules: what a
    checkpoint holds of them would silently win over what was asked for."""
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
    refuse_difference(f"ckpt_path={path}", before, asked)


def options_by_name(rule: dict[str, Any], name: str) -> dict[str, Any]:
    """Those of an optimizer or scheduler; its class without the package, which may change."""
    return {
        key.removesuffix("._target_"): value.rpartition(".")[2] if key.endswith("._target_") else value
        for key, value in (flat(rule, name) if rule else {}).items()
        if not key.endswith("._partial_")
    }


def tell_how_to_resume(console: Console, path: str) -> None:
    words = ["python", *(word for word in sys.argv if not word.startswith("ckpt_path="))]
    command = f"{shlex.join(words)} ckpt_path={shlex.quote(path)}"
    console.print(f"Go on with:\n  {command}", soft_wrap=True, highlight=False, markup=False)
