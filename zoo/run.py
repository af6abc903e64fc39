"""A run, from its configuration to its folder: build, check, train, test, and say where everything is."""

import logging
import reprlib
import shlex
import sys
import time
import warnings
from inspect import signature
from pathlib import Path
from typing import Any

from hydra.utils import get_class, instantiate
from lightning import Callback, LightningModule, Trainer, seed_everything
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table
from torch.optim.lr_scheduler import ReduceLROnPlateau

from zoo import parallel, record
from zoo.callbacks import Interrupted
from zoo.checkpoint import kind_of, located, read
from zoo.compilation import compile_network
from zoo.errors import UsageError, at_least, between, listed, listing, one_of, whole
from zoo.guard import Monitors
from zoo.namespace import Namespace
from zoo.training import Trainable
from zoo.tuning import find_rate

INTERRUPTED = 130  # the exit status of a program ended by Ctrl-C


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
    parallel.check(trainer, model)
    # Lightning does this, too, but after loading a checkpoint, whose float64 weights would be rounded to float32.
    trainer.strategy.precision_plugin.convert_module(model)
    return trainer


def with_impl(config: DictConfig, impl: DictConfig) -> DictConfig:
    """The same configuration with another implementation."""
    config = config.copy()
    config.impl = impl
    return config


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


def refuse_difference(checkpoint: str, before: dict[str, Any], asked: dict[str, Any]) -> None:
    """Name the first option with another value now than in the training of a checkpoint."""
    for name in {**before, **asked}:
        if before.get(name) != asked.get(name):
            was, now = (  # shortened: a vocabulary is long
                f"{name}={reprlib.repr(values[name])}" if name in values else f"no {name}" for values in (before, asked)
            )
            raise UsageError(f"{checkpoint}: was trained with {was}, but {now} was asked for")


def plain_values(config: DictConfig) -> Any:
    return OmegaConf.to_container(config, resolve=True)


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """The values in nested dicts by their full names."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    return {key: leaf for part in value for key, leaf in flat(value[part], f"{name}.{part}".lstrip(".")).items()}


def options_by_name(rule: dict[str, Any], name: str) -> dict[str, Any]:
    """Those of an optimizer or scheduler; its class without the package, which may change."""
    return {
        key.removesuffix("._target_"): value.rpartition(".")[2] if key.endswith("._target_") else value
        for key, value in (flat(rule, name) if rule else {}).items()
        if not key.endswith("._partial_")
    }


class KeepConfig(Callback):
    """Put the whole configuration into every checkpoint, as plain values, and what was measured last, so that the file
    explains itself."""

    def __init__(self, config: DictConfig) -> None:
        self.config = plain_values(config)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config
        checkpoint["metrics"] = validated(trainer)


def validated(trainer: Trainer) -> dict[str, float]:
    """The metrics of the last validation."""
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}


def new_folder(config: DictConfig) -> Path:
    """A name for the run's folder that no other run has; the folder itself is made when the run begins."""
    if not OmegaConf.is_missing(config.paths, "run"):
        return Path(str(config.paths.run))
    parent, now = Path(config.paths.runs) / config.name, time.strftime("%Y-%m-%d_%H-%M-%S")
    names = (now, *(f"{now}_{count}" for count in range(2, 1000)))
    return next(parent / name for name in names if not (parent / name).exists())


def quieten() -> None:
    """Lightning tells much that nobody asked for."""
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)


def train(config: DictConfig) -> dict[str, float]:
    """Train and test as the configuration says; return the metrics of validation and test with the weights that count.

    Raises UsageError, before anything is written, for a wrong value in the configuration or in the data.
    """
    quieten()
    if parallel.run_apart(config):
        return {}
    between("seed", config.seed, 0, 2**32)
    whole("seed", config.seed, 0)
    listed("tags", config.tags)
    whole("trainer.max_epochs", config.trainer.max_epochs, 1)
    whole("trainer.accumulate_grad_batches", config.trainer.accumulate_grad_batches, 1)
    whole("trainer.log_every_n_steps", config.trainer.log_every_n_steps, 0)
    if config.trainer.gradient_clip_val is not None:
        at_least("trainer.gradient_clip_val", config.trainer.gradient_clip_val, 0)
    seed_everything(config.seed, verbose=False)
    data = build_data(config)
    model = build_model(config, data.facts)
    model.check(data)
    if config.ckpt_path:
        config.ckpt_path = str(located("ckpt_path", config.ckpt_path, Path(config.paths.runs) / config.name))
        check_checkpoint(config.ckpt_path, model, config)
    folder = new_folder(config)
    if parallel.is_parallel(config):
        folder = parallel.agreed(folder)
    config.paths.run = str(folder)
    compile_network(model, config.compile)
    if config.tune is not None:
        one_of("tune", config.tune, ("lr",))
        return find_rate(config, model, data, folder)
    callbacks = [Monitors(), *built(config.callbacks), KeepConfig(config)]
    trainer = build_trainer(config, model, callbacks=callbacks, logger=built(config.logger))

    if parallel.is_first():
        record.begin(config, folder)
    console = Console(quiet=not parallel.is_first())
    started = time.perf_counter()
    try:
        with parallel.one_for_all(trainer):
            trainer.fit(model, data, ckpt_path=config.ckpt_path, weights_only=True)
    except Interrupted as interrupted:
        console.print("\nInterrupted; nothing is lost.", end=" ")
        tell_how_to_resume(console, interrupted.path)
        sys.exit(INTERRUPTED)
    except SystemExit:  # Lightning's answer to a KeyboardInterrupt, which is a second Ctrl-C
        last = folder / "checkpoints" / "last.ckpt"
        console.print("\nStopped at once; steps since the last checkpoint are lost.", end=" ")
        tell_how_to_resume(console, str(last)) if last.exists() else console.print("There is none yet.")
        sys.exit(INTERRUPTED)
    seconds = time.perf_counter() - started
    best = getattr(trainer.checkpoint_callback, "best_model_path", None) or None
    metrics = read("best", best)["metrics"] if best else validated(trainer)
    with parallel.one_for_all(trainer):
        (tested,) = trainer.test(model, data, ckpt_path=best, verbose=False, weights_only=True)
    metrics = {**metrics, **tested}
    if trainer.is_global_zero:
        record.end(metrics, folder)
        report(console, f"{config.name}, after {seconds:.0f} s of training", metrics, model, folder)
    return metrics


def tell_how_to_resume(console: Console, path: str) -> None:
    words = ["python", *(word for word in sys.argv if not word.startswith("ckpt_path="))]
    command = f"{shlex.join(words)} ckpt_path={shlex.quote(path)}"
    console.print(f"Go on with:\n  {command}", soft_wrap=True, highlight=False, markup=False)


def shown(metric: str, value: float) -> str:
    return f"{value:.2%}" if metric.endswith(("accuracy", "exact_match")) else f"{value:.4g}"


def report(console: Console, title: str, metrics: Any, model: LightningModule, folder: Path | None) -> None:
    """The table at the end of a run, what its metric measures, and what lies where in the folder, if there is one."""
    table = Table(title=title, caption=getattr(model, "signature", None))
    table.add_column("metric")
    table.add_column("value", justify="right")
    for metric, value in metrics.items():
        table.add_row(metric, shown(metric, value))
    console.print(table)
    if folder is None:
        return
    console.print(f"Everything of this run is in {folder}:", soft_wrap=True)
    for part, what in {
        "checkpoints": "best.ckpt and last.ckpt",
        "csv/metrics.csv": "every measured number",
        "tensorboard": f"the same; look with: tensorboard --logdir {folder}",
        "metrics.json": "the numbers of the table above",
        "config.yaml": "the resolved configuration, and command.txt, the command",
        "record.json": "seed, versions, commit",
        "fit-profile.txt": "where the time went; test-profile.txt: in the test",
        "pictures": listing(sorted(path.name for path in (folder / "pictures").glob("*.png"))),
        "samples.txt": "what the model wrote after each epoch",
        "translations.txt": "the test sentences: source, = reference, > what the model made of it",
    }.items():
        if (folder / part).exists():
            console.print(f"  {part:16} {what}", soft_wrap=True, highlight=False)
