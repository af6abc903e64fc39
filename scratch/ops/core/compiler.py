"""Textbook forms compiled ahead of time: once for all sizes, kept on disk, called without a compiler in between.

    kernel = Kernel(softmax, {"x": ("N", "D")}, [("N", "D")])
    y = kernel(x, dim)            computed by machine code, or None where that does not fit; `ran` says why

A function of tensors is exported with sizes left open, compiled by torch's inductor into a shared object, and called
through that object's own interface, which takes 5 µs. The layouts say how a tensor is read: letters are sizes, and the
first one takes all the dimensions that the others leave, so (N) is any tensor, read as one row of numbers.

Inputs      contiguous tensors of float32 or float64 (or whole numbers, as class numbers are) with all sizes above 1. A
            float, such as ε, is passed as a tensor, so that one file serves all its values; any other option (a
            reduction, None for a bias) has a file of its own.
On disk     ~/.cache/handgrad, or HANDGRAD_CACHE: a file for each function, kind of inputs, version of torch, processor
            and source, named by their hash. It is written under another name and then renamed, so that two processes
            may build at once, and beside it stands its own hash: a file that is broken, or belongs to another user, is
            built anew and never loaded.
Otherwise   the function is not run, and the caller runs as it does without: on other dtypes or layouts, where a second
            derivative is recorded, and on a machine without a C++ compiler.
"""

import fcntl
import hashlib
import inspect
import logging
import os
import platform
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ran: Counter[tuple[str, str]] = Counter()  # (function, "compiled" or why not) -> how often
FLOATING = (torch.float32, torch.float64)
OTHERS = (torch.int64, torch.bool)
EXAMPLES = {"N": 4096, "D": 256}  # the sizes that the compiler plans for; others work, too
EXAMPLE_ALONE = {"N": 2**20}  # of a tensor that is one row of numbers


class Unfit(Exception):
    """Why a function does not run compiled."""


Layout = tuple[str, ...]


def read_layouts(text: str) -> dict[str, Layout]:
    """The layouts in "x (N, D)  w (D)", as a page writes shapes, by name."""
    return {name: tuple(filter(None, letters.split(", "))) for name, letters in re.findall(r"(\w+) \(([^)]*)\)", text)}


class Kernel:
    """A function of tensors, and of options, that runs compiled.

    function    pure; returns a tensor or a tuple of them
    layouts     how each parameter that is a tensor is read, see above
    results     how each tensor that it returns is to be read
    into        the parameters whose memory the results are written into, in place of being returned
    """

    def __init__(
        self,
        function: Callable[..., Any],
        layouts: Mapping[str, Layout],
        results: Sequence[Layout] = (),
        into: Sequence[str] = (),
        name: str = "",
    ) -> None:
        self.function, self.results, self.into = function, results, into
        self.name = name or f"{function.__module__}.{function.__qualname__}".removeprefix("scratch.")
        self.parameters = list(inspect.signature(function).parameters)
        self.layouts = [layouts.get(name, ()) for name in self.parameters]
        self.loaded: dict[tuple[Any, ...], Any] = {}

    def __call__(self, *arguments: Any, wanted: tuple[bool, ...] | None = None) -> list[Tensor] | None:
        """The tensors that the function returns, those that are wanted, or None where it does not run compiled."""
        try:
            kinds, tensors, shapes = self.read(arguments)
            run = self.loaded.get((kinds, wanted))
            if run is None:
                run = self.loaded[kinds, wanted] = self.load(arguments, kinds, wanted)
            if isinstance(run, Unfit):
                raise run
        except Unfit as reason:
            ran[self.name, str(reason)] += 1
            return None
        ran[self.name, "compiled"] += 1
        layouts = self.results if wanted is None else [r for r, want in zip(self.results, wanted, strict=True) if want]
        return [y.view(shapes[layout]) for y, layout in zip(run(tensors), layouts, strict=True)]

    def read(self, arguments: Sequence[Any]) -> tuple[tuple[Any, ...], list[Tensor], dict[Layout, torch.Size]]:
        """What kind of arguments they are, the tensors among them as they are passed, and the shape of each layout."""
        kinds: list[Any] = []
        tensors: list[Tensor] = []
        shapes: dict[Layout, torch.Size] = {(): torch.Size()}
        sizes: dict[str, int] = {}
        for value, layout in zip(arguments, self.layouts, strict=True):
            if isinstance(value, Tensor):
                if not value.is_contiguous():
                    raise Unfit("a tensor that is not contiguous")
                if value.dtype not in FLOATING and value.dtype not in OTHERS:
                    raise Unfit(f"a tensor of {value.dtype}")
                flat = value if value.dim() == len(layout) else flattened(value, layout)
                for letter, size in zip(layout, flat.shape, strict=True):
                    if size < 2 or sizes.setdefault(letter, size) != size:
                        raise Unfit("a size below 2" if size < 2 else "tensors that are broadcast")
                shapes.setdefault(layout, value.shape)
                kinds.append((value.device.type, value.dtype))
                tensors.append(flat)
            elif isinstance(value, float):
                kinds.append(float)
                tensors.append(scalar(value))
            elif isinstance(value, tuple) and value and all(isinstance(number, float) for number in value):
                kinds.append((float,) * len(value))
                tensors.extend(map(scalar, value))
            else:
                value = tuple(value) if isinstance(value, list) else value
                if isinstance(value, tuple) and any(isinstance(part, Tensor) for part in value):
                    raise Unfit("tensors in a tuple")
                kinds.append(value)
        return tuple(kinds), tensors, shapes

    def load(self, arguments: Sequence[Any], kinds: tuple[Any, ...], wanted: tuple[bool, ...] | None) -> Any:
        """The machine code for these kinds of arguments, from the disk or built now; `Unfit` where that fails."""
        device = next((kind[0] for kind in kinds if isinstance(kind, tuple) and len(kind) == 2), "cpu")
        if device == "cpu" and not compiler_works():
            say_that_none_works()
            return Unfit("there is no C++ compiler")
        try:
            path = on_disk(
                f"{self.name} {kinds} {wanted} {device}", self.name, lambda file: self.build(file, kinds, wanted)
            )
            return runner(path, device)
        except Exception as error:
            reason = f"it could not be compiled: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
            warnings.warn(f"{self.name} runs uncompiled: {reason}", stacklevel=2)
            return Unfit(reason)

    def build(self, file: Path, kinds: tuple[Any, ...], wanted: tuple[bool, ...] | None) -> None:
        """Export the function for these kinds of arguments and compile it into a file."""
        import torch._inductor

        letters = {letter for layout in self.layouts for letter in layout}
        sizes = {letter: (EXAMPLE_ALONE if len(letters) == 1 else EXAMPLES).get(letter, 64) for letter in letters}
        dims = {letter: torch.export.Dim(letter, min=2) for letter in letters}
        examples: list[Tensor] = []
        shapes: list[dict[int, Any]] = []
        slots: list[Slot] = []
        for kind, layout in zip(kinds, self.layouts, strict=True):
            if kind is float or (isinstance(kind, tuple) and kind and kind[0] is float):
                count = len(kind) if isinstance(kind, tuple) else 1
                examples += [torch.tensor(0.5, dtype=torch.float64) for _ in range(count)]
                shapes += [{} for _ in range(count)]
                slots.append(None if kind is float else count)
            elif isinstance(kind, tuple) and kind and isinstance(kind[-1], torch.dtype):
                device, dtype = kind
                shape = [sizes[letter] for letter in layout]
                examples.append(torch.ones(shape, device=device, dtype=dtype))
                shapes.append({axis: dims[letter] for axis, letter in enumerate(layout)})
                slots.append(None)
            else:
                slots.append((kind,))
        with torch.no_grad(), quiet():
            program = torch.export.export(
                Called(self, slots, wanted), tuple(examples), dynamic_shapes=(tuple(shapes),), strict=False
            )
            torch._inductor.aot_compile(
                program.module(),
                tuple(examples),
                options={"aot_inductor.output_path": str(file), "cpp.dynamic_threads": True},
            )


Slot = None | int | tuple[Any]  # an argument is a tensor, or a tuple of so many, or this option


class Called(torch.nn.Module):
    """The function of a kernel as a Module of its tensors, its options filled in."""

    def __init__(self, kernel: Kernel, slots: list[Slot], wanted: tuple[bool, ...] | None) -> None:
        super().__init__()
        self.kernel, self.slots, self.wanted = kernel, slots, wanted

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        given = iter(tensors)
        arguments: list[Any] = []
        for slot in self.slots:
            if isinstance(slot, tuple):
                arguments.append(slot[0])
            else:
                arguments.append(next(given) if slot is None else tuple(next(given) for _ in range(slot)))
        found = self.kernel.function(*arguments)
        found = found if isinstance(found, tuple) else (found,)
        if self.wanted is not None:
            found = tuple(y for y, want in zip(found, self.wanted, strict=True) if want)
        if not self.kernel.into:
            return found
        for name, y in zip(self.kernel.into, found, strict=False):
            if y is not None:
                arguments[self.kernel.parameters.index(name)].copy_(y)
        return ()


def flattened(x: Tensor, letters: Sequence[str]) -> Tensor:
    """x as a tensor of so many dimensions, of which the first takes all that are left."""
    if x.dim() < len(letters):
        raise Unfit(f"a tensor of {x.dim()} dimensions")
    return x.flatten(0, x.dim() - len(letters)) if letters else x.reshape(())


@lru_cache(maxsize=4096)
def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def runner(path: Path, device: str) -> Callable[[list[Tensor]], list[Tensor]]:
    if device == "cuda":
        return torch._C._aoti.AOTIModelContainerRunnerCuda(str(path), 1, device).run
    return torch._C._aoti.AOTIModelContainerRunnerCpu(str(path), 1).run


@cache
def compiler_works() -> bool:
    """Whether there is a C++ compiler."""
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
    """What a compiled file depends on but for its function: the source of all ops, torch, the processor."""
    source = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        source.update(file.read_bytes())
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        flags = platform.processor()
    return f"{source.hexdigest()} {torch.__version__} {platform.machine()} {flags}"


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def sound(file: Path) -> bool:
    """Whether a file is what was built: of this user, and with the hash that was noted."""
    note = file.with_suffix(".sha256")
    try:
        return file.stat().st_uid == os.getuid() and note.read_text() == digest(file)
    except OSError:
        return False


def on_disk(what: str, name: str, build: Callable[[Path], None]) -> Path:
    """The file that was built for this, or is built now; by one process while others wait."""
    key = hashlib.sha256(f"{what} {surroundings()}".encode()).hexdigest()[:20]
    file = folder() / f"{name}-{key}.so"
    if sound(file):
        return file
    with open(file.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not sound(file):
            with told(name), tempfile.TemporaryDirectory(dir=folder()) as room:
                new = Path(room) / file.name
                build(new)
                file.with_suffix(".sha256").write_text(digest(new))
                os.replace(new, file)
    return file


@contextmanager
def told(name: str) -> Iterator[None]:
    """A line that says what is being compiled, and moves where somebody looks."""
    from rich.console import Console

    console = Console(stderr=True)
    message = f"compiling {name}, once for this machine"
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
