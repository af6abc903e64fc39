"""Textbook forms compiled ahead of time: once for all sizes, kept on disk, called without a compiler in between.

    kernel = Kernel(softmax, {"x": ("N", "D")}, [("N", "D")], name="softmax")
    y = kernel(x, dim)            computed by machine code, or None where that does not fit; `ran` says why

A function of tensors is exported with sizes left open, compiled by torch's inductor into a shared object, and called
through that object's own interface, which takes 5 µs. The layouts say how a tensor is read: letters are sizes, 4H is
four times the size H, and the first one takes all the dimensions that the others leave, so (N) is any tensor, read as
one row of numbers. A result of layout () is left as it is. For shapes, dtypes and options that were met before, a
dictionary says what is to be run.

Inputs      contiguous tensors of float32 or float64 (or whole numbers, as class numbers are), none of them empty, with
            more than one row: the first letter is above 1. Any other letter that is 1 has a file of its own. A float,
            such as ε, is passed as a tensor, so that one file serves all its values; any other option (a reduction,
            None for a bias) has a file of its own.
On disk     ~/.cache/handgrad, or HANDGRAD_CACHE: a file for each function, kind of inputs, version of torch, processor
            and source, named by their hash. It is written under another name and then renamed, so that two processes
            may build at once, and beside it stands its own hash: a file that is broken, or belongs to another user, is
            built anew and never loaded.
On a GPU    the same exported function is compiled by inductor for the process that runs it, with a call of 8 µs;
            inductor itself keeps the kernels on disk. A file with a GPU's code crashed as it was loaded (torch 2.11).
Otherwise   the function is not run, and the caller runs as it does without: on other dtypes or layouts, where a second
            derivative is recorded, and on a machine without a C++ compiler.
"""

import fcntl
import hashlib
import inspect
import logging
import math
import os
import platform
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache, lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

ran: Counter[tuple[str, str]] = Counter()  # (function, "compiled" or why not) -> how often
FLOATING = (torch.float32, torch.float64)
OTHERS = (torch.int64, torch.bool)
EXAMPLES = {"N": 4096, "D": 256}  # the sizes that the compiler plans for; others work, too
EXAMPLE_ALONE = {"N": 2**20}  # of a tensor that is one row of numbers
MOST = 4096  # plans that a kernel keeps


class Unfit(Exception):
    """Why a function does not run compiled."""


Layout = tuple[str, ...]


def read_layouts(text: str) -> dict[str, Layout]:
    """The layouts in "x (N, D)  w (D)", as a page writes shapes, by name."""
    return {name: tuple(filter(None, letters.split(", "))) for name, letters in re.findall(r"(\w+) \(([^)]*)\)", text)}


def parts(size: str) -> list[Any]:
    """The number and the letter of a size such as 4H, or the letter alone."""
    return [int(size[:-1]), size[-1]] if size[:-1] else [size]


class Plan(NamedTuple):
    """What to do with arguments of one kind."""

    run: Callable[[list[Tensor]], list[Tensor]]
    inputs: list[torch.Size | None]  # how each tensor is to be read, if otherwise than it is
    results: list[torch.Size | None]


class Kernel:
    """A function of tensors, and of options, that runs compiled.

    function    pure; returns a tensor or a tuple of them
    layouts     how each parameter that is a tensor is read, see above
    results     how each tensor that it returns is to be read
    into        in place of results: the memory that these are written into, by the names of parameters, or of further
                arguments behind them
    page        the module whose source, with all that it imports of Handgrad's, says what the function is
    """

    def __init__(
        self,
        function: Callable[..., Any],
        layouts: Mapping[str, Layout],
        results: Sequence[Layout] = (),
        into: Sequence[str] = (),
        *,
        name: str,
        page: str = "",
    ) -> None:
        self.function, self.results, self.into, self.name = function, results, into, name
        self.page = page or function.__module__
        own = list(inspect.signature(function).parameters)
        self.count = len(own)
        self.parameters = [*own, *(name for name in into if name not in own)]
        self.layouts = [layouts.get(name, ()) for name in self.parameters]
        self.plans: dict[tuple[Any, ...], Plan | Unfit] = {}
        self.here: dict[tuple[Any, ...], Any] = {}  # what was compiled for this process, see in_this_process

    def __call__(self, *arguments: Any, wanted: tuple[bool, ...] | None = None) -> list[Tensor] | None:
        """The tensors that the function returns, those that are wanted, or None where it does not run compiled."""
        key: list[Any] = [wanted]
        tensors: list[Tensor] = []
        for value in arguments:
            if isinstance(value, Tensor):
                key.append((value.shape, value.dtype, value.device, value.is_contiguous()))
                tensors.append(value)
            elif type(value) is float:
                key.append(float)
                tensors.append(scalar(value))
            elif isinstance(value, tuple | list) and value and all(type(number) is float for number in value):
                key.append((float,) * len(value))
                tensors.extend(map(scalar, value))
            else:
                key.append(tuple(value) if isinstance(value, list) else value)
        kind = tuple(key)
        asking = ASKED.get() is not None
        plan = None if asking else self.plans.get(kind)
        if plan is None:
            plan = self.plan(kind[1:], wanted)
            if not asking:
                if len(self.plans) >= MOST:
                    self.plans.clear()
                self.plans[kind] = plan
        if isinstance(plan, Unfit):
            ran[self.name, str(plan)] += 1
            return None
        ran[self.name, "compiled"] += 1
        for i, shape in enumerate(plan.inputs):
            if shape is not None:
                tensors[i] = tensors[i].view(shape)
        found = plan.run(tensors)[: len(plan.results)]
        for y, shape in zip(found, plan.results, strict=True):
            if shape is not None:
                y.resize_(shape)  # of as many numbers: no view, whose memory would not be its own
        return found

    def plan(self, key: tuple[Any, ...], wanted: tuple[bool, ...] | None) -> Plan | Unfit:
        """What is to be done with arguments of this kind."""
        kinds: list[Any] = []
        inputs: list[torch.Size | None] = []
        shapes: dict[Layout, torch.Size] = {(): torch.Size()}
        sizes = {"1": 1}
        try:
            for kind, layout in zip(key, self.layouts, strict=True):
                if isinstance(kind, tuple) and any(isinstance(part, Tensor) for part in kind):
                    raise Unfit("tensors in a tuple")
                if not is_tensor(kind):
                    inputs += [None] * (floats_in(kind) or 0)
                    kinds.append(kind)
                    continue
                shape, dtype, device, contiguous = kind
                if not contiguous:
                    raise Unfit("a tensor that is not contiguous")
                if dtype not in FLOATING and dtype not in OTHERS:
                    raise Unfit(f"a tensor of {dtype}")
                flat = flattened(shape, layout)
                passed: list[int] = []
                for size, (*times, letter) in zip(flat, map(parts, layout), strict=True):
                    one = size // math.prod(times)
                    if one == 0 or sizes.setdefault(letter, one) * math.prod(times) != size:
                        raise Unfit("an empty tensor" if one == 0 else "tensors that are broadcast")
                    passed += [*times, one]
                if shapes.setdefault(layout, shape) != shape:
                    raise Unfit("tensors that are broadcast")
                inputs.append(None if shape == torch.Size(passed) else torch.Size(passed))
                kinds.append((str(device), dtype))
            if sizes.get(next(layout[0] for layout in self.layouts if layout)) == 1:
                raise Unfit("a single row")
        except Unfit as reason:
            return reason
        run = self.load(tuple(kinds), wanted, tuple(letter for letter, size in sizes.items() if size == 1))
        if isinstance(run, Unfit):
            return run
        layouts = [r for i, r in enumerate(self.results) if wanted is None or wanted[i]]
        return Plan(run, inputs, [None if len(shapes.get(r, r)) == len(r) else shapes[r] for r in layouts])

    def load(self, kinds: tuple[Any, ...], wanted: tuple[bool, ...] | None, ones: tuple[str, ...]) -> Any:
        """The machine code for these kinds of arguments, from the disk or built now; `Unfit` where that fails."""
        try:
            if not ahead_of_time(kinds):
                return self.in_this_process(kinds, wanted, ones)
            what = f"{self.name} {kinds} {wanted} {ones} {source(self.page)}"
            build = Build(self.name, place(what, self.name), partial(self.build, kinds, wanted, ones))
            asked = ASKED.get()
            if asked is not None:
                asked[build.file] = build
                return Called(self, kinds, wanted)
            if not sound(build.file):
                if not compiler_works():
                    say_that_none_works()
                    return Unfit("there is no C++ compiler")
                on_disk(build)
            return torch._C._aoti.AOTIModelContainerRunnerCpu(str(build.file), 1).run
        except Exception as error:
            reason = f"it could not be compiled: {(str(error) or repr(error)).splitlines()[0]}"
            warnings.warn(f"{self.name} runs uncompiled: {reason}", stacklevel=2)
            return Unfit(reason)

    def build(self, kinds: tuple[Any, ...], wanted: tuple[bool, ...] | None, ones: tuple[str, ...], file: Path) -> None:
        """Export the function for these kinds of arguments and compile it into a file."""
        import torch._inductor

        with torch.no_grad(), quiet():
            torch._inductor.aot_compile(
                *self.exported(kinds, wanted, ones),
                options={"aot_inductor.output_path": str(file), "cpp.dynamic_threads": True},
            )

    def in_this_process(self, kinds: tuple[Any, ...], wanted: tuple[bool, ...] | None, ones: tuple[str, ...]) -> Any:
        """The function compiled for this process alone."""
        if ASKED.get() is not None:
            return Called(self, kinds, wanted)
        key = (kinds, wanted, ones)
        if key not in self.here:
            from torch._inductor import standalone_compile

            with torch.no_grad(), quiet(), told(self.name, "process"):
                graph, examples = self.exported(*key)
                self.here[key] = standalone_compile(graph, [*examples], dynamic_shapes="from_graph")
        run = self.here[key]
        return lambda tensors: [*run(*tensors)]

    def exported(
        self, kinds: tuple[Any, ...], wanted: tuple[bool, ...] | None, ones: tuple[str, ...]
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """The function for these kinds of arguments as a graph of all sizes, and examples of its arguments."""
        letters = {parts(size)[-1] for layout in self.layouts for size in layout}
        sizes = {letter: (EXAMPLE_ALONE if len(letters) == 1 else EXAMPLES).get(letter, 64) for letter in letters}
        sizes |= dict.fromkeys(ones, 1)
        dims = {letter: torch.export.Dim(letter, min=2) for letter in letters if letter not in ones}
        examples: list[Tensor] = []
        shapes: list[dict[int, Any]] = []
        for kind, layout in zip(kinds, self.layouts, strict=True):
            if is_tensor(kind):
                device, dtype = kind
                read = [part for size in layout for part in parts(size)]
                examples.append(torch.ones([sizes.get(p, p) for p in read], device=device, dtype=dtype))
                shapes.append({axis: dims[part] for axis, part in enumerate(read) if part in dims})
            else:
                examples += [torch.tensor(0.5, dtype=torch.float64) for _ in range(floats_in(kind) or 0)]
                shapes += [{} for _ in range(floats_in(kind) or 0)]
        program = Program(Called(self, kinds, wanted))
        exported = torch.export.export(program, tuple(examples), dynamic_shapes=(tuple(shapes),), strict=False)
        graph = with_numbers_of_rows(exported.module(check_guards=False))
        return with_sums_of_rows(graph), tuple(examples)


def with_numbers_of_rows(graph: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """The graph, whose last results are what it computes once for many numbers: a mean, a root, a step size.

    What is a result is written and read again. Inductor's loops would compute it for each number of the row anew, with
    a division, a root or a logarithm each time: the machine's compiler may not move them out of the loop, since for all
    that it knows the loop writes over what they are computed from."""
    nodes = graph.graph
    for node in nodes.find_nodes(op="call_function", target=torch.ops.aten.div.Tensor):
        multiply(node)
    (output,) = nodes.find_nodes(op="output")
    (results,) = output.args
    output.args = ((*results, *(node for node in nodes.nodes if node not in results and of_a_row(node))),)
    nodes.set_codegen(torch.fx.graph.CodeGen())  # takes and returns tensors, not trees of them
    graph.recompile()
    return graph


def multiply(division: torch.fx.Node) -> None:
    """Turn x / s into x (1 / s), where s is a number of a row."""
    (x, s), y = division.args, division.meta["val"]
    number = s.meta["val"] if isinstance(s, torch.fx.Node) else s
    if isinstance(number, Tensor) and number.dtype is y.dtype and spread(number, y):
        with division.graph.inserting_before(division):
            inverse = division.graph.call_function(torch.ops.aten.reciprocal.default, (s,))
        inverse.meta["val"] = number  # for its shape and type
        division.target, division.args = torch.ops.aten.mul.Tensor, (x, inverse)


def of_a_row(node: torch.fx.Node) -> bool:
    """Whether it is computed, and used for more numbers than it has: with a dimension of 1 where its user has none."""
    y = node.meta.get("val")
    if node.op != "call_function" or not isinstance(y, Tensor) or getattr(node.target, "is_view", True):
        return False
    return any(spread(y, x) for x in (user.meta.get("val") for user in node.users) if isinstance(x, Tensor))


def spread(y: Tensor, x: Tensor) -> bool:
    """Whether each number of y (N, 1), or the only one of y (), goes into many of x (N, D)."""
    if y.dim() != x.dim():
        return y.dim() == 0
    return any(is_one(n) and not is_one(many) for n, many in zip(y.shape, x.shape, strict=True))


def is_one(size: Any) -> bool:
    return isinstance(size, int) and size == 1


def with_sums_of_rows(graph: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """The graph, which on a CPU adds the rows of a matrix as `sum_of_rows` does."""
    for node in graph.graph.find_nodes(op="call_function", target=torch.ops.aten.sum.dim_IntList):
        (of, dims), x = node.args[:2], node.args[0].meta["val"]
        if [*dims] == [0] and x.dim() == 2 and x.is_cpu and not node.kwargs:
            node.target, node.args = sum_of_rows, (of,)
    graph.recompile()
    return graph


def sum_of_rows(x: Tensor) -> Tensor:
    """Σ over the rows of x (N, D): of eight at a time, then of these sums, and of the rows that are left.

    Inductor's inner loop is the one over rows, of which each lies elsewhere in memory: eight at a time are found in the
    cache when their next numbers are read, all of them are not."""
    blocks = x.shape[0] // 8
    left = x[8 * blocks :].sum(0)
    return x[: 8 * blocks].view(blocks, 8, x.shape[1]).sum(1).sum(0) + left


def is_tensor(kind: Any) -> bool:
    """Whether an argument of this kind is a tensor: its kind has a dtype."""
    return isinstance(kind, tuple) and len(kind) > 1 and isinstance(kind[1], torch.dtype)


def floats_in(kind: Any) -> int | None:
    """How many tensors an argument of this kind is passed as, that is a float or a tuple of them; None of an option."""
    return 1 if kind is float else len(kind) if isinstance(kind, tuple) and kind and kind[0] is float else None


class Called:
    """The function of a kernel as one of its tensors, as they are passed, its options filled in."""

    def __init__(self, kernel: Kernel, kinds: tuple[Any, ...], wanted: tuple[bool, ...] | None) -> None:
        self.kernel, self.kinds, self.wanted = kernel, kinds, wanted

    def __call__(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        given = iter(tensors)
        arguments: list[Any] = []
        for kind, layout in zip(self.kinds, self.kernel.layouts, strict=True):
            if is_tensor(kind):
                arguments.append(joined(next(given), layout))
            elif isinstance(kind, tuple) and floats_in(kind):
                arguments.append(tuple(islice(given, len(kind))))
            else:
                arguments.append(next(given) if kind is float else kind)
        found = self.kernel.function(*arguments[: self.kernel.count])
        found = found if isinstance(found, tuple) else (found,)
        if self.wanted is not None:
            found = tuple(y for y, want in zip(found, self.wanted, strict=True) if want)
        if not self.kernel.into:
            return [*found]
        for name, y in zip(self.kernel.into, found, strict=False):
            if y is not None:
                arguments[self.kernel.parameters.index(name)].copy_(y)
        return []


class Program(torch.nn.Module):
    """The same as a Module, as export takes it."""

    def __init__(self, called: Called) -> None:
        super().__init__()
        self.called = called

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.called(tensors))


def joined(x: Tensor, layout: Layout) -> Tensor:
    """A tensor that was passed with 4 and H apart, as the function reads it."""
    for axis, size in enumerate(layout):
        x = x.flatten(axis, axis + 1) if len(parts(size)) > 1 else x
    return x


def flattened(shape: torch.Size, layout: Layout) -> torch.Size:
    """A shape of so many dimensions as the layout has, of which the first takes all that are left."""
    left = len(shape) - len(layout)
    if left < 0 or (left > 0 and not layout):
        raise Unfit(f"a tensor of {len(shape)} dimensions")
    return torch.Size((shape[: left + 1].numel(), *shape[left + 1 :])) if left else shape


@lru_cache(maxsize=4096)
def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def ahead_of_time(kinds: tuple[Any, ...]) -> bool:
    """Whether what is compiled becomes a file: all tensors are on the CPU."""
    return all(kind[0] == "cpu" for kind in kinds if is_tensor(kind))


@cache
def compiler_works() -> bool:
    """Whether there is a C++ compiler. Asked only where something is to be built: torch's inductor takes seconds to
    import."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return False
    return True


@cache  # so that it is said once
def say_that_none_works() -> None:
    warnings.warn("nothing runs compiled: there is no C++ compiler; CXX names one", stacklevel=2)


# On disk.


def folder() -> Path:
    """Where compiled files lie; made for this user alone, and refused where another may write into it."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "handgrad"
    path = Path(os.environ.get("HANDGRAD_CACHE") or default)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{path} must belong to you, and nobody else may write into it")
    return path


@cache
def surroundings() -> str:
    """What a compiled file depends on but for its function: torch and the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        flags = platform.processor()
    return f"{torch.__version__} {platform.machine()} {flags}"


IMPORT = re.compile(r"^ *from (scratch[\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)


@cache
def text(module: str) -> bytes:
    """The source of a module, or nothing where there is none."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file).read_bytes() if file else b""


@cache
def source(page: str) -> str:
    """A hash of the source of a page and of all of Handgrad's modules that it imports."""
    if not text(page):
        raise Unfit(f"the source of {page} is not known")
    found: dict[str, bytes] = {}
    waiting = [page]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found[module] = text(module)
            for package, names in IMPORT.findall(found[module].decode()):
                waiting += [package, *(f"{package}.{name}" for name in re.findall(r"\w+", names))]
    return hashlib.sha256(b"".join(found[module] for module in sorted(found))).hexdigest()


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def sound(file: Path) -> bool:
    """Whether a file is what was built: of this user, and with the hash that was noted."""
    note = file.with_suffix(".sha256")
    try:
        return file.stat().st_uid == os.getuid() and note.read_text() == digest(file)
    except OSError:
        return False


class Build(NamedTuple):
    """What is built for a name, and where it lies then."""

    name: str
    file: Path
    make: Callable[[Path], None]


def place(what: str, name: str) -> Path:
    """Where the file lies that is built for this, here."""
    key = hashlib.sha256(f"{what} {surroundings()}".encode()).hexdigest()[:20]
    return folder() / f"{name}-{key}.so"


def on_disk(build: Build, silent: bool = False) -> Path:
    """The file that was built, or is built now; by one process while others wait."""
    name, file, make = build
    if sound(file):
        return file
    with open(file.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not sound(file):
            said = nullcontext() if silent else told(name, "machine")
            with said, tempfile.TemporaryDirectory(dir=file.parent) as room:
                new = Path(room) / file.name
                make(new)
                file.with_suffix(".sha256").write_text(digest(new))
                os.replace(new, file)
    return file


ASKED: ContextVar[dict[Path, Build] | None] = ContextVar("asked", default=None)


@contextmanager
def only_asked() -> Iterator[dict[Path, Build]]:
    """A context in which nothing is built: it yields what would be, by file, and functions run as they are."""
    token = ASKED.set({})
    try:
        yield ASKED.get()  # type: ignore[misc]
    finally:
        ASKED.reset(token)


@contextmanager
def told(name: str, where: str) -> Iterator[None]:
    """A line that says what is being compiled, and moves where somebody looks."""
    from rich.console import Console

    console = Console(stderr=True)
    message = f"compiling {name}, once for this {where}"
    if console.is_terminal:
        with console.status(message):
            yield
    else:
        print(message, file=sys.stderr)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """The compiler's remarks about itself are of no use to whoever trains."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
