"""The checks of a run's configuration, before anything is built.

They are of the values that belong to the run as a whole. The values of a part, such as data.batch_size, are checked by
the part's own constructor, which zoo/training/build.py calls.
"""

import math
import os
from importlib import import_module
from inspect import signature
from typing import Any

from omegaconf import DictConfig, OmegaConf

from zoo.core.errors import UsageError, at_least, between, listed, number, one_of, whole
from zoo.training.processes import is_parallel

GROUPS = ("data", "model", "optimizer", "trainer", "callbacks", "logger", "paths", "impl")
WHOLE = {"max_steps": -1, "min_steps": 1, "min_epochs": 1, "check_val_every_n_epoch": 1, "num_sanity_val_steps": -1}
PLACES = ("path", "dirpath", "filename", "save_dir", "data_dir")  # options that name files and folders


def check(config: DictConfig) -> None:
    """Raise UsageError, one line that names the value and the legal ones, for the first wrong value."""
    check_groups(config)
    between("seed", config.seed, 0, 2**32)
    whole("seed", config.seed, 0)
    listed("tags", config.tags)
    trainer = config.trainer
    whole("trainer.max_epochs", trainer.max_epochs, 1)
    whole("trainer.accumulate_grad_batches", trainer.accumulate_grad_batches, 1)
    whole("trainer.log_every_n_steps", trainer.log_every_n_steps, 0)
    for name, low in WHOLE.items():
        if trainer.get(name) is not None:
            whole(f"trainer.{name}", trainer[name], low)
    if trainer.gradient_clip_val is not None:
        at_least("trainer.gradient_clip_val", trainer.gradient_clip_val, 0)
    for name in ("val_check_interval", "limit_train_batches"):
        if trainer.get(name) is not None and not number(f"trainer.{name}", trainer[name]) > 0:
            raise UsageError(f"trainer.{name}={trainer[name]}: must be above 0")
    if (
        trainer.get("limit_val_batches") == 0
        and str(OmegaConf.select(config, "callbacks.checkpoint.monitor")) != "None"
    ):
        raise UsageError("trainer.limit_val_batches=0: nothing is validated, so add callbacks.checkpoint.monitor=null")
    one_folder("name", config.name)
    for name in ("runs", "data_dir"):
        one_folder(f"paths.{name}", config.paths[name])
    if not OmegaConf.is_missing(config.paths, "run"):
        one_folder("paths.run", config.paths.run)
    if config.ckpt_path is not None:
        one_folder("ckpt_path", config.ckpt_path)
    check_numbers("optimizer", config.optimizer)
    if config.tune is not None:
        one_of("tune", config.tune, ("lr",))
        if is_parallel(config):
            raise UsageError("tune=lr: needs one process; take trainer=cpu or trainer=gpu")
        for name, value in config.tuning.items():
            between(f"tuning.{name}", value, 0, math.inf)


def check_groups(config: DictConfig) -> None:
    """Refuse a group that is null or a value, and members of groups that are not built of anything."""
    for group in GROUPS:
        if not isinstance(config.get(group), DictConfig):
            raise UsageError(f"{group}={config.get(group)}: must be one of the choices of {group}; --help lists them")
    for group in ("callbacks", "logger"):
        members: Any = OmegaConf.to_container(config[group], resolve=False)  # paths.run may be missing as yet
        for name, member in members.items():
            if member is not None and not (isinstance(member, dict) and "_target_" in member):
                raise UsageError(f"{group}.{name}={member}: must be null, or built by a _target_; see conf/{group}/")
            for option, value in (member or {}).items():
                if option in PLACES and (value is not None or option == "path"):
                    one_folder(f"{group}.{name}.{option}", value)
                if option in ("patience", "window"):
                    whole(f"{group}.{name}.{option}", value, 0)


def one_folder(name: str, value: Any) -> None:
    """Refuse a value that cannot be the path of a file or folder."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise UsageError(
            f"{name}={value}: must be a path, such as {name}=runs/mine; in quotation marks if it is a number"
        )
    if max(len(os.fsencode(part)) for part in value.split("/")) > 255:
        raise UsageError(f"{name}={value[:40]}…: a part of it is longer than 255 bytes")


def check_numbers(group: str, options: DictConfig) -> None:
    """Refuse true and false where the class that a group builds has a number by default."""
    try:
        package, _, name = options._target_.rpartition(".")
        parameters = signature(getattr(import_module(package), name)).parameters
    except (ImportError, AttributeError, TypeError, ValueError):
        return  # told where it is built
    for name, value in ((str(name), value) for name, value in options.items()):
        default = parameters[name].default if name in parameters else None
        if isinstance(value, bool) and isinstance(default, (int, float)) and not isinstance(default, bool):
            number(f"{group}.{name}", value)
