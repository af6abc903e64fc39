"""TODO."""

import warnings
from inspect import signature
from typing import Any

from hydra.utils import get_class, instantiate
from lightning import LightningModule, Trainer
from omegaconf import DictConfig, OmegaConf
from torch.optim.lr_scheduler import ReduceLROnPlateau

from zoo.base.trainable import Trainable
from zoo.core.errors import UsageError, listing, one_of
from zoo.core.namespace import Namespace
from zoo.core.sharding import check_sharding


def plain(config: DictConfig, **values: Any) -> Any:
    """Instantiate with lists and dicts for Hydra's own kinds, which a checkpoint could not be loaded with."""
    return instantiate(config, _convert_="all", **values)


def build_data(config: DictConfig) -> Any:
    """The data module, with its data on disk and in memory, checked."""
    data = plain(config.data)
    data.prepare_data()
    data.setup()
    return data


def suited(model: Any, facts: dict[str, Any]) -> Any:
    """The class, or the one among its ``alternatives`` that takes these facts: some data ask for classes, others for
    numbers."""
    kinds = (model, *model.alternatives)
    return next((kind for kind in kinds if set(facts) <= set(signature(kind).parameters)), model)


def build_model(config: DictConfig, facts: dict[str, Any]) -> Trainable:
    """The model of the configuration, made to the measure of the data (its ``facts``), with its optimizer."""
    target = suited(get_class(config.model._target_), facts)
    config.model._target_ = f"{target.__module__}.{target.__name__}"
    takes = [name for name in signature(target).parameters if name != "training"]
    if not set(facts) <= set(takes):
        raise UsageError(
            f"model {target.__name__} and data {config.data._target_} do not go together: "
            f"the data give {listing(facts)}; the model takes {listing(takes)}"
        )
    package, _, name = config.optimizer._target_.rpartition(".")
    getattr(Namespace(package), name)  # tells what the package has where it lacks this one
    optimizer, scheduler = plain(config.optimizer), plain(config.scheduler) or None
    penalty = plain(config.penalty) if "penalty" in config else None
    model = plain(config.model, **facts, optimizer=optimizer, scheduler=scheduler, penalty=penalty)
    try:  # so that a wrong hyper-parameter is told before the run begins
        model.new_optimizer()
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise UsageError(f"optimizer {name} with {options_of(config.optimizer)}: {error}") from error
    if name == "SparseAdam" and not any(getattr(module, "sparse", False) for module in model.modules()):
        raise UsageError("optimizer SparseAdam: moves weights with sparse gradients only, and this model has none")
    if scheduler:
        one_of("scheduler.interval", scheduler.get("interval", "epoch"), ("epoch", "step"))
        rule = config.scheduler.scheduler
        try:
            try_out(model.configure_optimizers()["lr_scheduler"]["scheduler"])
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise UsageError(f"scheduler {rule._target_} with {options_of(rule)}: {error}") from error
    return model


def options_of(rule: DictConfig) -> dict[str, Any]:
    return {str(key): value for key, value in rule.items() if not str(key).startswith("_")}


def try_out(scheduler: Any) -> None:
    """Two moves, some of whose mistakes show in the second."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the optimizer has made no step
        for _ in range(2):
            scheduler.step(*[0.0] * isinstance(scheduler, ReduceLROnPlateau))


def built(config: DictConfig) -> list[Any]:
    """What a group such as callbacks lists, without those that are null, as of callbacks.progress=null."""
    return [part for part in plain(config).values() if part is not None]


def build_trainer(config: DictConfig, model: LightningModule, **options: Any) -> Trainer:
    """The trainer of the configuration, for this model, which is now in its precision."""
    try:
        trainer: Trainer = plain(config.trainer, **options)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"trainer: {error}") from error
    check_sharding(trainer, model)
    # Lightning does this, too, but after loading a checkpoint, whose float64 weights would be rounded to float32.
    trainer.strategy.precision_plugin.convert_module(model)
    return trainer


def with_impl(config: DictConfig, impl: DictConfig) -> DictConfig:
    """The same configuration with another implementation."""
    config = config.copy()
    config.impl = impl
    return config


def plain_values(config: DictConfig) -> Any:
    return OmegaConf.to_container(config, resolve=True)


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """The values in nested dicts by their full names."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    return {key: leaf for part in value for key, leaf in flat(value[part], f"{name}.{part}".lstrip(".")).items()}
