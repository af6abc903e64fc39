"""The time and the memory of an implementation beside a reference: training steps, layers, optimizers."""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from hydra import compose
from lightning.fabric.utilities import move_data_to_device
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.measure import Measurement
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torchvision.models import resnet18

from scratch.ops.core.forms import form
from zoo.core.errors import UsageError, at_least, did_you_mean, listed, listing, one_of, whole
from zoo.core.form import form_of
from zoo.core.namespace import Namespace
from zoo.text.vocabulary import SPECIALS, Vocabulary
from zoo.tools import peers
from zoo.tools.measure import CLOCKS, Result, Task, measure, processor
from zoo.training.build import build_data, build_model, with_impl
from zoo.training.cli import CONF
from zoo.training.compilation import compile_network


def model_and_batch(config: DictConfig, impl: DictConfig, batch_size: int) -> tuple[Any, Any]:
    """The configured model, and one batch of the configured data."""
    config = with_impl(config, impl)
    for name, value in (("batch_size", batch_size), ("image_size", config.image_size)):
        if name in config.data:
            config.data[name] = value
    torch.manual_seed(config.seed)
    data = build_data(config)
    model = build_model(config, data.facts).to(config.device)
    batch = move_data_to_device(next(iter(data.train_dataloader())), config.device)
    return model, data.on_after_batch_transfer(batch, 0)


def training_step(config: DictConfig, impl: DictConfig, *, batch_size: int, compiled: bool = False) -> Task:
    """Forward, loss, backward and optimizer step of the configured model on one batch of the configured data."""
    model, batch = model_and_batch(config, impl, batch_size)
    compile_network(model, compiled)
    optimizer = model.new_optimizer()

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


def step_of_peer(config: DictConfig, peer: str, *, batch_size: int) -> Task | None:
    """The training step in a peer's words, which has models and Adam as they are configured by default."""
    name = config.model._target_.rpartition(".")[2]
    if name not in tasks_of(peer):
        return None
    if not (as_by_default(config, "model", name.lower()) and as_by_default(config, "optimizer", "adam")):
        return None
    model, batch = model_and_batch(config, config.reference, batch_size)
    return tasks_of(peer)[name]([*batch, *model.parameters()])


def as_by_default(config: DictConfig, group: str, choice: str) -> bool:
    """Whether a group of the configuration is just as the file of this choice has it."""
    default = OmegaConf.load(CONF / group / f"{choice}.yaml")
    return OmegaConf.to_container(config[group]) == OmegaConf.to_container(default)


def tasks_of(peer: str) -> dict[str, Callable[..., Task]]:
    return import_module(f"zoo.tools.peers.{peer}").TASKS


def layer_and_inputs(entry: Any, impl: DictConfig, device: str) -> tuple[Any, list[Tensor], list[Tensor]]:
    """A layer or function, as an entry of conf/benchmark.yaml describes it, its inputs, and its parameters."""
    torch.manual_seed(0)
    namespace = Namespace(impl.layers)
    inputs = [drawn(shape, entry.get("classes"), device) for shape in entry["inputs"]]
    if "function" in entry:
        return getattr(namespace.functional, entry["function"]), inputs, []
    layer = getattr(namespace, entry["layer"])(*entry.get("args", ()), **entry.get("kwargs", {})).to(device)
    return layer, inputs, [*layer.parameters()]


def layer_call(entry: Any, impl: DictConfig, *, device: str, compiled: bool = False) -> Task:
    """Forward and backward of one layer or function."""
    layer, inputs, parameters = layer_and_inputs(entry, impl, device)
    return forward_and_backward(torch.compile(layer) if compiled else layer, inputs, parameters)


def forward_and_backward(function: Callable[..., Any], inputs: Sequence[Any], parameters: Iterable[Tensor]) -> Task:
    """A call, and the gradients of its inputs and parameters."""
    leaves = [tensor for tensor in (*inputs, *parameters) if getattr(tensor, "requires_grad", False)]
    grads: list[Tensor] = []

    def call() -> None:
        for tensor in leaves:
            tensor.grad = None
        output = first(function(*inputs))
        if not grads:
            grads.append(torch.randn_like(output))
        output.backward(grads[0])

    return call


def layer_of_peer(entry: Any, reference: DictConfig, peer: str) -> Task | None:
    """A layer, or function, in a peer's words, forward and backward; not a stack of layers."""
    name = entry.get("layer") or entry["function"]
    layer, inputs, parameters = layer_and_inputs(entry, reference, "cpu")
    if name not in tasks_of(peer) or getattr(layer, "num_layers", 1) > 1:
        return None
    return tasks_of(peer)[name]([*inputs, *parameters], torch.randn_like(first(layer(*inputs))))


def first(output: Any) -> Tensor:
    """The first of the tensors in a layer's output."""
    while isinstance(output, tuple):
        output = output[0]
    return output


def graph_and_layer(graph: DictConfig, impl: DictConfig, nodes: int, device: str) -> tuple[Tensor, Any, Tensor, Tensor]:
    """The edges of a random graph, a graph convolution, the features of the nodes, and the gradient of the output."""
    torch.manual_seed(0)
    edges = torch.randint(nodes, (2, graph.edges * nodes), device=device)
    layer = Namespace(impl.layers).GCNConv(graph.features, graph.features).to(device)
    x, grad = torch.randn(2, nodes, graph.features, device=device)
    return edges, layer, x.requires_grad_(), grad


def graph_call(graph: DictConfig, impl: DictConfig, *, nodes: int, device: str, compiled: bool = False) -> Task:
    """Forward and backward of a graph convolution on a random graph, which is normalised before."""
    edges, layer, x, grad = graph_and_layer(graph, impl, nodes, device)
    edges = layer.adjacency(edges, nodes)
    if compiled:
        layer.compile()

    def call() -> None:
        for tensor in (x, *layer.parameters()):
            tensor.grad = None
        layer(x, edges).backward(grad)

    return call


def graph_of_peer(graph: DictConfig, reference: DictConfig, peer: str, *, nodes: int) -> Task | None:
    """A graph convolution in a peer's words, forward and backward."""
    if "GCNConv" not in tasks_of(peer):
        return None
    edges, layer, x, grad = graph_and_layer(graph, reference, nodes, "cpu")
    return tasks_of(peer)["GCNConv"]([x, edges, *layer.parameters()], grad)


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
    rows, beside = list(plan(config)), implementations(config.beside)
    # glibc returns freed memory to the system, and each step then gets it again, page by page. Once a large block has
    # been freed, it keeps twice as much. So both sides are measured as in a process that has run for a while.
    torch.empty(28 * 2**20, dtype=torch.uint8)
    console = Console()
    present = installed_peers(config, console)
    results = []
    for row in track(rows, description="measuring", console=console, transient=True):
        compiled = row.theirs(config.reference, compiled=True) if with_compiled(config) else None
        sides = in_its_form(row.ours, config.impl), in_its_form(row.theirs, config.reference)
        others = {choice: in_its_form(row.ours, impl) for choice, impl in beside.items()}
        others |= {peer: task for peer in present if (task := row.of_peer(peer)) is not None}
        results.append(measure(row.name, *sides, config.seconds, config.clock, config.device, compiled, others))
        save(config, results)
    show(console, config, results, [*beside, *present])
    return results


def implementations(names: Any) -> dict[str, DictConfig]:
    """The settings of the choices of the group impl that are measured beside."""
    names = names or ()
    listed("beside", names)
    legal = sorted(path.stem for path in (CONF / "impl").glob("*.yaml"))
    for name in names:
        one_of("beside", name, legal)
    return {name: cast("DictConfig", OmegaConf.load(CONF / "impl" / f"{name}.yaml")) for name in names}


def installed_peers(config: DictConfig, console: Console) -> list[str]:
    """The other libraries that are measured beside; for one that is not installed, a line."""
    names = config.peers or ()
    listed("peers", names)
    for name in names:
        one_of("peers", name, peers.NAMES)
    if names and on_gpu(config):
        raise UsageError("peers: they are measured on the CPU, with device=cpu")
    missing = [name for name in names if find_spec(name) is None]
    for name in missing:
        line = f"peers: {name} is left out, as it is not installed: pip install 'handgrad[peers]'"
        console.print(line, markup=False, soft_wrap=True)
    return [name for name in names if name not in missing]


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
    task, name = build(impl), form_of(impl)  # asked once: to ask a configuration takes longer than a small layer

    def once() -> Any:
        with form(name):
            return task()

    return once


class Row(NamedTuple):
    """The name of a task, the functions that build it from an implementation, for ours and the reference, and the one
    that builds it in the words of a peer, or gives None."""

    name: str
    ours: Build
    theirs: Build
    of_peer: Callable[[str], Task | None] = lambda peer: None


def plan(config: DictConfig) -> Iterator[Row]:
    """What is measured."""
    one_of("what", config.what, ("all", "model", "models", "layers", "large", "optimizers", "graph", "translation"))
    if config.what in ("all", "model"):
        yield from steps(config, config.model._target_.rpartition(".")[2])
    if config.what == "models":
        listed("models", config.models)
        for model in config.models:
            one_of("models", model, sorted(path.stem for path in (CONF / "model").glob("*.yaml")))
        for model in config.models:
            yield from steps(of_model(config, model), model)
    if config.what in ("all", "layers"):
        for name, entry in chosen(config, config.layers):
            build = partial(layer_call, entry, device=config.device)
            yield Row(name, build, build, partial(layer_of_peer, entry, config.reference))
    if config.what == "large" or (config.what == "all" and on_gpu(config)):
        for name, entry in chosen(config, config.large):
            build = partial(layer_call, entry, device=config.device)
            yield Row(name, build, build, partial(layer_of_peer, entry, config.reference))
    if config.what in ("all", "optimizers"):
        for name, entry in chosen(config, config.optimizers):
            ours, theirs = (partial(optimizer_step, entry, options) for options in ("kwargs", "reference_kwargs"))
            yield Row(name, partial(ours, device=config.device), partial(theirs, device=config.device))
    if config.what == "graph":
        listed("graph.nodes", config.graph.nodes)
        for nodes in config.graph.nodes:
            whole("graph.nodes", nodes, 1)
            build = partial(graph_call, config.graph, nodes=nodes, device=config.device)
            of_peer = partial(graph_of_peer, config.graph, config.reference, nodes=nodes)
            yield Row(f"GCNConv, {nodes:,} nodes", build, build, of_peer)
    if config.what == "translation":
        listed("translation.lengths", config.translation.lengths)
        for length in config.translation.lengths:
            whole("translation.lengths", length, 2)
            build = partial(translation_step, config, length=length)
            yield Row(f"{config.model._target_.rpartition('.')[2]} training step, {length} tokens", build, build)


def steps(config: DictConfig, name: str) -> Iterator[Row]:
    """The training steps of a model."""
    listed("batch_sizes", config.batch_sizes)
    for size in config.batch_sizes:
        whole("batch_sizes", size, 1)
        build: Build = partial(training_step, config, batch_size=size)
        yield Row(f"{name} training step, batch {size}", build, build, partial(step_of_peer, config, batch_size=size))


def of_model(config: DictConfig, model: str) -> DictConfig:
    """The configuration as it would be with this model and the data that it chooses."""
    found, other = config.copy(), compose("benchmark", [f"model={model}"])
    found.model, found.data = other.model, other.data
    return found


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


def show(console: Console, config: DictConfig, results: list[Result], beside: list[str]) -> None:
    """Print the table."""
    table = Table(
        title=f"{config.impl.layers}, {config.impl.optim} against {config.reference.layers}, {config.reference.optim}",
        caption=machine(config),
    )
    table.add_column("", no_wrap=True)  # layers: forward and backward; optimizers: a step
    compiled = ("compiled", "ratio") if with_compiled(config) else ()
    for column in ("ms", "reference", "ratio", *beside, *compiled, "peak MiB", "reference", "ratio"):
        table.add_column(column, justify="right")
    for result in results:
        colour = "green" if result.ratio <= 1 else "yellow" if result.ratio <= 1.5 else "red"
        table.add_row(
            result.task,
            f"{result.milliseconds:.3f}",
            f"{result.reference_milliseconds:.3f}",
            f"[{colour}]{result.ratio:.2f}[/]",
            *(f"{result.beside_ratio(name):.2f}" if name in result.beside else "" for name in beside),
            *([f"{result.compiled_milliseconds:.3f}", f"{result.compiled_ratio:.2f}"] if compiled else []),
            f"{result.mebibytes:.2f}",
            f"{result.reference_mebibytes:.2f}",
            "" if isnan(result.memory_ratio) else f"{result.memory_ratio:.2f}",
        )
    if not console.is_terminal:  # a file has no edge, at which numbers would be cut off
        console.width = max(console.width, Measurement.get(console, console.options.update(width=1000), table).maximum)
    console.print(table)
