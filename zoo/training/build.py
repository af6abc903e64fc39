"""Data, model and trainer, built from a configuration.

Every part refuses wrong values of its own in its constructor. Those that only a call would show, of an optimizer, a
schedule or a trainer, are tried out here, so that a run does not begin with them.
"""

import warnings
from inspect import signature
from typing import Any

from hydra.utils import get_class, instantiate
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from omegaconf import DictConfig, OmegaConf
from torch.optim.lr_scheduler import ReduceLROnPlateau

from zoo.base.trainable import Trainable
from zoo.core.errors import UsageError, listing, one_of
from zoo.core.hooks import leave_out_empty
from zoo.core.namespace import Namespace
from zoo.core.results import stay
from zoo.core.sharding import check_sharding


def build(config: DictConfig) -> tuple[Any, Trainable]:
    """The data and the model of the configuration, built after seeding all random numbers.

    Raises UsageError where either is wrong or they do not go together.
    """
    seed_everything(config.seed, verbose=False)
    data = build_data(config)
    model = build_model(config, data.facts)
    model.check(data)
    return data, model


def build_data(config: DictConfig) -> Any:
    """The data module, its data loaded and checked."""
    data = instantiated(config.data)
    data.prepare_data()
    data.setup()
    return data


def build_model(config: DictConfig, facts: dict[str, Any]) -> Trainable:
    """The model of the configuration, with its optimizer, for data with these ``facts``, such as num_classes."""
    target = class_for(get_class(config.model._target_), facts)
    config.model._target_ = f"{target.__module__}.{target.__name__}"
    takes = [name for name in signature(target).parameters if name != "training"]
    if not set(facts) <= set(takes):
        raise UsageError(
            f"model {target.__name__} and data {config.data._target_} do not go together: "
            f"the data give {listing(facts)}; the model takes {listing(takes)}"
        )
    package, _, optimizer = config.optimizer._target_.rpartition(".")
    getattr(
        Namespace(package), optimizer
    )  # a UsageError that lists the optimizers of the package, if it lacks this one
    model = instantiated(
        config.model,
        **facts,
        optimizer=instantiated(config.optimizer),
        scheduler=instantiated(config.scheduler) or None,
        penalty=instantiated(config.penalty) if "penalty" in config else None,
    )
    try_optimizer(model, config.optimizer)
    if config.scheduler:
        try_scheduler(model, config.scheduler)
    return model


def class_for(model: Any, facts: dict[str, Any]) -> Any:
    """The first of the class and its ``alternatives`` whose constructor takes these facts, or else the class.

    So model=gru is a classifier or a regressor, as the data have classes or numbers.
    """
    classes = (model, *model.alternatives)
    return next((each for each in classes if set(facts) <= set(signature(each).parameters)), model)


def try_optimizer(model: Trainable, config: DictConfig) -> None:
    """Raise UsageError for an optimizer that refuses its options or the model."""
    name = config._target_.rpartition(".")[2]
    try:
        model.new_optimizer()
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise UsageError(f"optimizer {name} with {options_of(config)}: {error}") from error
    if name == "SparseAdam" and not any(getattr(module, "sparse", False) for module in model.modules()):
        raise UsageError("optimizer SparseAdam: moves weights with sparse gradients only, and this model has none")


def try_scheduler(model: Trainable, config: DictConfig) -> None:
    """Raise UsageError for a schedule that cannot be built or fails in its first two moves."""
    one_of("scheduler.interval", config.get("interval", "epoch"), ("epoch", "step"))
    rule = config.scheduler
    try:
        scheduler = model.configure_optimizers()["lr_scheduler"]["scheduler"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns that the optimizer has made no step
            for _ in range(2):
                scheduler.step(*[0.0] * isinstance(scheduler, ReduceLROnPlateau))
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise UsageError(f"scheduler {rule._target_} with {options_of(rule)}: {error}") from error


def options_of(config: DictConfig) -> dict[str, Any]:
    """The arguments in the configuration of an object, without Hydra's own keys."""
    return {str(key): value for key, value in config.items() if not str(key).startswith("_")}


def build_trainer(config: DictConfig, model: LightningModule, **options: Any) -> Trainer:
    """The trainer of the configuration; converts the model to its precision."""
    callbacks = options.get("callbacks", [])
    for name, kind in (("enable_progress_bar", ProgressBar), ("enable_checkpointing", Checkpoint)):
        if name not in config.trainer and not any(isinstance(callback, kind) for callback in callbacks):
            options[name] = False  # or Lightning takes one of its own
    try:
        trainer: Trainer = instantiated(config.trainer, **options)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"trainer: {error}") from error
    stay()
    leave_out_empty(trainer.callbacks)  # type: ignore[attr-defined]
    check_sharding(trainer, model)
    # Lightning converts the model after loading a checkpoint, and so would round float64 weights to float32.
    trainer.strategy.precision_plugin.convert_module(model)
    return trainer


# Configurations and their values.


def instantiated(config: DictConfig, **values: Any) -> Any:
    """Hydra's ``instantiate`` with plain lists and dicts as arguments, since a checkpoint could not store Hydra's."""
    return instantiate(config, _convert_="all", **values)


def members(group: DictConfig) -> list[Any]:
    """The objects of a group such as callbacks, without those that are null, as in callbacks.progress=null."""
    return [member for member in instantiated(group).values() if member is not None]


def with_impl(config: DictConfig, impl: DictConfig) -> DictConfig:
    """The configuration with another implementation."""
    config = config.copy()
    config.impl = impl
    return config


def plain_values(config: DictConfig) -> Any:
    """The configuration as plain dicts and lists, with its interpolations resolved."""
    return OmegaConf.to_container(config, resolve=True)


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """The values in nested dicts by their full names, such as optimizer.lr."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    return {key: leaf for part in value for key, leaf in flat(value[part], f"{name}.{part}".lstrip(".")).items()}
