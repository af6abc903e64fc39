"""The time and the memory of an implementation beside a reference: training steps, layers, optimizers."""

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric.utilities import move_data_to_device
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torchvision.models import resnet18

from zoo.core.errors import UsageError, at_least, did_you_mean, listed, listing, one_of, whole
from zoo.core.form import in_form
from zoo.core.namespace import Namespace
from zoo.text.vocabulary import SPECIALS, Vocabulary
from zoo.tools.measure import CLOCKS, Result, Task, measure, processor
from zoo.training.build import build_data, build_model, with_impl
from zoo.training.cli import CONF
from zoo.training.compilation import compile_network


def training_step(config: DictConfig, impl: DictConfig, *, batch_size: int, compiled: bool = False) -> Task:
    """Forward, loss, backward and optimizer step of the configured model on one batch of the configured data."""
    config = with_impl(config, impl)
    for name, value in (("batch_size", batch_size), ("image_size", config.image_size)):
        if name in config.data:
            config.data[name] = value
    torch.manual_seed(config.seed)
    data = build_data(config)
    model: Any = build_model(config, data.facts).to(config.device)
    compile_network(model, compiled)
    optimizer = model.new_optimizer()
    batch = data.on_after_batch_transfer(move_data_to_device(next(iter(data.train_dataloader())), config.device), 0)

    def step() -> None:
        optimizer.zero_grad()
        model.training_step(batch, 0).backward()
        optimizer.step()

    return step


def translation_step(config: DictConfig, impl: DictConfig, *, length: int, compiled: bool = False) -> Task:
    """A training step of the configured model on random sentences of `length` tokens each."""
    config = with_impl(config, impl)
    torch.manual_seed(config.seed)
    sizes = config.translation
    text = Vocabulary.of_characters([chr(0x4E00 + number) for number in range(sizes.vocabulary - len(SPECIALS))]).text
    facts = {"source_vocabulary": text, "target_vocabulary": text, "metric": "bleu"}
    model: Any = build_model(config, facts).to(config.device)
    compile_network(model, compiled)
    optimizer = model.new_optimizer()
    source, target = torch.randint(len(SPECIALS), sizes.vocabulary, (2, sizes.sentences, length), device=config.device)

    def step() -> None:
        optimizer.zero_grad()
        model.training_step((source, target), 0).backward()
        optimizer.step()

    return step


def layer_call(entry: Any, impl: DictConfig, *, device: str, compiled: bool = False) -> Task:
    """Forward and backward of one layer or function, as an entry of conf/benchmark.yaml describes it."""
    torch.manual_seed(0)
    namespace = Namespace(impl.layers)
    inputs = [drawn(shape, entry.get("classes"), device) for shape in entry["inputs"]]
    if "function" in entry:
        layer, leaves = getattr(namespace.functional, entry["function"]), inputs
    else:
        layer = getattr(namespace, entry["layer"])(*entry.get("args", ()), **entry.get("kwargs", {})).to(device)
        leaves = [*inputs, *layer.parameters()]
    if compiled:
        layer = torch.compile(layer)
    grads: list[Tensor] = []

    def call() -> None:
        for tensor in leaves:
            tensor.grad = None
        output = layer(*inputs)
        while isinstance(output, tuple):
            output = output[0]
        if not grads:
            grads.append(torch.randn_like(output))
        output.backward(grads[0])

    return call


def graph_call(graph: DictConfig, impl: DictConfig, *, nodes: int, device: str, compiled: bool = False) -> Task:
    """Forward and backward of a graph convolution on a random graph, which is normalised before."""
    torch.manual_seed(0)
    edges = torch.randint(nodes, (2, graph.edges * nodes), device=device)
    layer = Namespace(impl.layers).GCNConv(graph.features, graph.features).to(device)
    if hasattr(layer, "adjacency"):
        edges = layer.adjacency(edges, nodes)
    elif hasattr(layer, "cached"):  # torch_geometric's way
        layer.cached = True
    x = torch.randn(nodes, graph.features, device=device, requires_grad=True)
    grad = torch.randn(nodes, graph.features, device=device)
    if compiled:
        layer.compile()

    def call() -> None:
        for tensor in (x, *layer.parameters()):
            tensor.grad = None
        layer(x, edges).backward(grad)

    return call


def optimizer_step(entry: Any, options: str, impl: DictConfig, *, device: str, compiled: bool = False) -> Task:
    """One step on the parameters of a ResNet-18, with the entry's ``kwargs`` or ``reference_kwargs``."""
    torch.manual_seed(0)
    shapes = [parameter.shape for parameter in resnet18(weights=None).parameters()]
    if entry.get("matrices"):  # for a rule that takes nothing else
        shapes = [torch.Size([shape[0], shape[1:].numel()]) for shape in shapes if len(shape) > 1]
    parameters = [torch.randn(shape, device=device, requires_grad=True) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    make = getattr(Namespace(impl.optim), entry["optimizer"])
    step = make(parameters, **entry.get(options, entry.get("kwargs", {}))).step
    return torch.compile(step) if compiled else step


def drawn(shape: list[int], classes: int | None, device: str) -> Tensor:
    """A random input that requires a gradient; class numbers where there are `classes` and one dimension."""
    if classes and len(shape) == 1:
        return torch.randint(classes, tuple(shape), device=device)
    return torch.randn(*shape, device=device, requires_grad=True)


def benchmark(config: DictConfig) -> list[Result]:
    """Measure what the configuration asks for; print a table, and write JSON where config.json names a file."""
    warnings.filterwarnings("ignore", message=".*self.log.*")
    at_least("seconds", config.seconds, 0)
    one_of("clock", config.clock, CLOCKS)
    one_of("compiled", config.compiled, (None, True, False))
    try:
        torch.empty(0, device=config.device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device={config.device}: {str(error).splitlines()[0]}") from None
    tasks, beside = list(plan(config)), implementations(config.beside)
    # glibc returns freed memory to the system, and each step then gets it again, page by page. Once a large block has
    # been freed, it keeps twice as much. So both sides are measured as in a process that has run for a while.
    torch.empty(28 * 2**20, dtype=torch.uint8)
    console = Console()
    results = []
    for name, ours, theirs in track(tasks, description="measuring", console=console, transient=True):
        compiled = theirs(config.reference, compiled=True) if with_compiled(config) else None
        sides = in_its_form(ours, config.impl), in_its_form(theirs, config.reference)
        others = {choice: in_its_form(ours, impl) for choice, impl in beside.items()}
        results.append(measure(name, *sides, config.seconds, config.clock, config.device, compiled, others))
        save(config, results)
    show(console, config, results)
    return results


def implementations(names: Any) -> dict[str, DictConfig]:
    """The settings of the choices of the group impl that are measured beside."""
    names = names or ()
    listed("beside", names)
    legal = sorted(path.stem for path in (CONF / "impl").glob("*.yaml"))
    for name in names:
        one_of("beside", name, legal)
    return {name: cast("DictConfig", OmegaConf.load(CONF / "impl" / f"{name}.yaml")) for name in names}


def on_gpu(config: DictConfig) -> bool:
    return torch.device(config.device).type == "cuda"


def with_compiled(config: DictConfig) -> bool:
    """Whether the reference is measured under torch.compile, too."""
    return on_gpu(config) if config.compiled is None else config.compiled


def save(config: DictConfig, results: list[Result]) -> None:
    """Write what has been measured so far, so that an interruption loses one row at most."""
    if not config.json:
        return
    rows = [
        {
            **asdict(result),
            "ratio": result.ratio,
            "compiled_ratio": result.compiled_ratio,
            "memory_ratio": result.memory_ratio,
            "beside_ratio": {name: result.beside_ratio(name) for name in result.beside},
        }
        for result in results
    ]
    path = Path(config.json)
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps({"machine": machine(config), "results": rows}, indent=2) + "\n")
    new.replace(path)


Build = Callable[..., Task]


def in_its_form(build: Build, impl: DictConfig) -> Task:
    """The task of an implementation, in the form that it names."""
    task = build(impl)

    def once() -> Any:
        with in_form(impl):
            return task()

    return once


def plan(config: DictConfig) -> Iterator[tuple[str, Build, Build]]:
    """The name of each task, and the functions that build it from an implementation: for ours and the reference."""
    one_of("what", config.what, ("all", "model", "layers", "large", "optimizers", "graph", "translation"))
    if config.what in ("all", "model"):
        listed("batch_sizes", config.batch_sizes)
        for size in config.batch_sizes:
            whole("batch_sizes", size, 1)
            build: Build = partial(training_step, config, batch_size=size)
            yield f"{config.model._target_.rpartition('.')[2]} training step, batch {size}", build, build
    if config.what in ("all", "layers"):
        for name, entry in chosen(config, config.layers):
            build = partial(layer_call, entry, device=config.device)
            yield name, build, build
    if config.what == "large" or (config.what == "all" and on_gpu(config)):
        for name, entry in chosen(config, config.large):
            build = partial(layer_call, entry, device=config.device)
            yield name, build, build
    if config.what in ("all", "optimizers"):
        for name, entry in chosen(config, config.optimizers):
            ours, theirs = (partial(optimizer_step, entry, options) for options in ("kwargs", "reference_kwargs"))
            yield name, partial(ours, device=config.device), partial(theirs, device=config.device)
    if config.what == "graph":
        listed("graph.nodes", config.graph.nodes)
        for nodes in config.graph.nodes:
            whole("graph.nodes", nodes, 1)
            build = partial(graph_call, config.graph, nodes=nodes, device=config.device)
            yield f"GCNConv, {nodes:,} nodes", build, build
    if config.what == "translation":
        listed("translation.lengths", config.translation.lengths)
        for length in config.translation.lengths:
            whole("translation.lengths", length, 2)
            build = partial(translation_step, config, length=length)
            yield f"{config.model._target_.rpartition('.')[2]} training step, {length} tokens", build, build


def chosen(config: DictConfig, table: DictConfig) -> Iterator[tuple[str, Any]]:
    """The entries of a table whose names are in config.only, or all."""
    known = [*config.layers, *config.large, *config.optimizers]
    only = [config.only] if isinstance(config.only, str) else config.only or known
    for name in only:
        if name not in known:
            raise UsageError(f"only={name}: unknown{did_you_mean(name, known)}; legal are {listing(known)}")
        if name in table:
            yield name, OmegaConf.to_container(table[name])


def machine(config: DictConfig) -> str:
    """Processor, device, threads, clock and version of torch, in one line."""
    if on_gpu(config):
        return (
            f"{torch.cuda.get_device_name(config.device)}, {processor()}, events of the GPU, torch {torch.__version__}"
        )
    return (
        f"{processor()}, {config.device}, {torch.get_num_threads()} threads, "
        f"{config.clock} time, "
        f"torch {torch.__version__}"
    )


def show(console: Console, config: DictConfig, results: list[Result]) -> None:
    """Print the table."""
    table = Table(
        title=f"{config.impl.layers}, {config.impl.optim} against {config.reference.layers}, {config.reference.optim}",
        caption=machine(config),
    )
    table.add_column("", no_wrap=True)  # layers: forward and backward; optimizers: a step
    compiled = ("compiled", "ratio") if with_compiled(config) else ()
    for column in ("ms", "reference", "ratio", *(config.beside or ()), *compiled, "peak MiB", "reference", "ratio"):
        table.add_column(column, justify="right")
    for result in results:
        colour = "green" if result.ratio <= 1 else "yellow" if result.ratio <= 1.5 else "red"
        table.add_row(
            result.task,
            f"{result.milliseconds:.3f}",
            f"{result.reference_milliseconds:.3f}",
            f"[{colour}]{result.ratio:.2f}[/]",
            *(f"{result.beside_ratio(name):.2f}" for name in config.beside or ()),
            *([f"{result.compiled_milliseconds:.3f}", f"{result.compiled_ratio:.2f}"] if compiled else []),
            f"{result.mebibytes:.2f}",
            f"{result.reference_mebibytes:.2f}",
            "" if isnan(result.memory_ratio) else f"{result.memory_ratio:.2f}",
        )
    console.print(table)
