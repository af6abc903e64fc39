"""Mutation testing of the derivatives: mistakes are planted in adjoints and tangents, and the harness must notice each.

A mutant is one small mistake in a function that only derivatives use: a sign, a factor, a dropped term, a transposed
operand, a wrong axis, a saved input that is detached. A process forked for it imports `scratch` with the mistake in it,
and runs the harness on the cases that reach the function, then the test in TESTS for the file, until one of them fails.
A mutant that none of them notices survives, unless it is in REVIEWED, the list of those that change no gradient. Of
those that the harness notices, the cause that it names is compared with the kind that was planted.
"""

import ast
import contextlib
import difflib
import importlib.util
import io
import json
import os
import random
import resource
import signal
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.name: path for path in (ROOT / "scratch" / "ops").rglob("*.py") if path.stem != "__init__"}
DERIVATIVES = ("backward", "tangent", "pullback", "derivative", "adjoint", "gradients", "slopes", "unbroadcast")
CHECKS = (
    "gradients", "in plain form", "second_order", "tangents", "complex_numbers", "second_differences", "subsets",
    "float32", "bfloat16",
)  # fmt: skip
# the checks by which the cases that reach a function are found
RECORDED = ("gradients", "in plain form", "second_order", "tangents", "complex_numbers")
SECONDS = 40  # of computing for one mutant; one that is not noticed by then has survived

TESTS = {  # of what no case covers: blocks of long sequences, compiled steps, processes, weights of edges twice,
    # third derivatives
    "attention_fast.py": "ops/attention/test_attention.py::test_blocks",
    "batch_norm.py": "nn/test_sync_batch_norm.py::test_a_group_of_one_process",
    "ctc.py": "ops/loss/test_ctc.py::test_the_tangent_is_that_of_the_gradient",
    "function.py": "ops/core/test_function.py::test_a_gradient_that_does_not_change_has_the_second_derivative_0",
    "conv.py": "ops/conv/test_conv.py::test_third_derivatives",
    "graph.py": "ops/test_graph.py::test_derivatives_of_propagation",
    "sigmoid.py": "ops/core/test_function.py::test_the_tangent_of_complex_softsign",
    "gru_fast.py": "ops/recurrent/test_rnn.py::test_step_by_step",
    "lstm_fast.py": "ops/recurrent/test_rnn.py::test_step_by_step",
    "pool_fast.py": "ops/pool/test_pool.py::test_a_window_in_the_padding_hands_nothing_back",
    "rnn.py": "ops/recurrent/test_rnn.py::test_step_by_step",
}

REVIEWED = {  # (file and function, words of the changed line): why it changes no gradient
    ("conv_fast.py Geometry.by_columns", "FEW"): "which way is taken is a matter of speed",
    ("ctc.py CTCLossFn.adjoint", "y.detach()"): "a second derivative is refused, whatever it would depend on",
    ("distance.py norm_slope", "z := torch.zeros_like(x)"): "any multiple of 0 is 0",
    ("distance.py safe_norm", "(-(x / size))).abs()"): "|-x| = |x|",
    ("function.py ConstantFn.backward", "upstream[0]"): "what goes back to a gradient that depends on nothing",
    ("graph.py MaxReadoutFn.adjoint", "x.detach()"): "only compared with something: its slope is 0",
    ("lstm_fast.py slopes", "(2 * torch.addcmul(i, i * g"): "what counts was written into out",
    ("margin_loss.py MultiLabelMarginFn.adjoint", "x.detach()"): "only compared with something: its slope is 0",
    ("perceptron.py StepFn.derivative", "else s.detach()"): "0, whatever s is",
    ("perceptron.py StepFn.derivative", "z := torch.zeros_like(s)"): "any multiple of 0 is 0",
    ("pool.py MaxPoolFn.adjoint", "else x.detach()"): "only compared with something: its slope is 0",
    ("pool_fast.py chain", "is None else 2 * z), takes"): "of numbers twice as large the same ones are larger",
    ("rectifier.py LeakyReLUFn.derivative", "else x.detach()"): "only compared with something: its slope is 0",
    ("rectifier.py ReLUFn.derivative", "else y.detach()"): "only compared with something: its slope is 0",
    ("rectifier.py ThresholdFn.derivative", "else x.detach()"): "only compared with something: its slope is 0",
    ("shrinkage.py HardshrinkFn.derivative", "else x.detach()"): "only compared with something: its slope is 0",
    ("shrinkage.py SoftshrinkFn.derivative", "else x.detach()"): "only compared with something: its slope is 0",
    ("sigmoid.py HardsigmoidFn.adjoint", "x.detach()"): "only compared with something: its slope is 0",
    ("sigmoid.py HardtanhFn.derivative", "else x.detach()"): "only compared with something: its slope is 0",
    ("sigmoid.py HardtanhFn.pullback", "2 * "): "only whether it is 0 counts",
}


@dataclass(frozen=True)
class Mutant:
    """A mistake: the bytes `start` to `end` of a file are replaced by `text`."""

    file: str
    function: str
    line: int  # where the function starts, since several in a file may have one name
    kind: str
    start: int
    end: int
    text: str

    def source(self) -> str:
        """The file with the mistake in it."""
        source = PAGES[self.file].read_bytes()
        return (source[: self.start] + self.text.encode() + source[self.end :]).decode()

    def diff(self) -> str:
        """The lines that differ from the file, without indentation."""
        sides = PAGES[self.file].read_text().splitlines(), self.source().splitlines()
        lines = list(difflib.unified_diff(*sides, n=0, lineterm=""))
        return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines[3:])


def names(node: ast.AST) -> list[str]:
    """Every name and attribute used in a piece of code."""
    used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    return used + [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)]


@cache
def imported() -> frozenset[str]:
    """The names that a file of scratch imports from another."""
    nodes = (node for path in ROOT.glob("scratch/**/*.py") for node in ast.walk(ast.parse(path.read_text())))
    return frozenset(alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names)


def derivatives(file: str) -> dict[str, ast.FunctionDef]:
    """The functions of a file whose name says that they compute derivatives, and the helpers that only these use."""
    nodes = list(ast.walk(ast.parse(PAGES[file].read_text())))
    owners = {f: f"{c.name}." for c in nodes if isinstance(c, ast.ClassDef) for f in c.body}
    functions = [n for n in nodes if isinstance(n, ast.FunctionDef)]
    found = [f for f in functions if any(word in f.name for word in DERIVATIVES)]
    while True:
        inside = {name for f in found for name in names(f)}
        outside = {name for f in functions if f not in found for name in names(f)} | imported()
        more = [f for f in functions if f not in found and f.name in inside - outside]
        if not more:
            return {owners.get(f, "") + f.name: f for f in found}
        found += more


def mistakes(node: ast.AST) -> Iterator[tuple[str, ast.expr, str]]:
    """The mistakes that fit a piece of code: the kind, what is replaced, and by what."""
    match node:
        case ast.BinOp(left, op, right):
            a, b, whole = ast.unparse(left), ast.unparse(right), ast.unparse(node)
            if isinstance(op, ast.Add | ast.Sub):
                yield "sign", node, f"({a} {'-' if isinstance(op, ast.Add) else '+'} ({b}))"
                yield "dropped term", node, f"({a})"
            if isinstance(op, ast.Add):
                yield "dropped term", node, f"({b})"
            if isinstance(op, ast.Mult | ast.Div | ast.MatMult):
                yield "factor", node, f"(2 * ({whole}))"
                yield "sign", node, f"(-({whole}))"
            if isinstance(op, ast.MatMult):
                yield "transposed operand", node, f"(({a}).mT @ ({b}))"
                yield "transposed operand", node, f"(({a}) @ ({b}).mT)"
        case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
            yield "sign", node, f"({ast.unparse(operand)})"
        case ast.Call(ast.Attribute(value, name), args, keywords):
            if name in ("t", "transpose"):
                yield "transposed operand", node, f"({ast.unparse(value)})"
            if name in ("addcmul", "addmm", "baddbmm", "bmm", "matmul", "sum", "where", "masked_fill"):
                yield "factor", node, f"(2 * {ast.unparse(node)})"
            for axis in [k.value for k in keywords if k.arg == "dim"] + args[
                : name in ("sum", "mean", "cumsum", "flip")
            ]:
                if isinstance(axis, ast.Constant | ast.UnaryOp) and ast.unparse(axis).lstrip("-").isdigit():
                    yield "wrong axis", axis, "1" if ast.unparse(axis) == "0" else "0"
        case ast.Attribute(value, "mT"):
            yield "transposed operand", node, f"({ast.unparse(value)})"
        case ast.Return(ast.expr() as value):
            for part in value.elts if isinstance(value, ast.Tuple) else [value]:
                if not isinstance(part, ast.Constant | ast.Starred):
                    for kind, wrong in (("factor", "2 * z"), ("sign", "-z"), ("dropped term", "0 * z")):
                        yield kind, part, f"(None if (z := {ast.unparse(part)}) is None else {wrong})"


def detached(function: ast.FunctionDef, owner: ast.ClassDef | None) -> Iterator[str]:
    """The arguments of an adjoint on which its second derivative depends: differentiable inputs and outputs, which the
    signature of the tangent and ``outputs`` name; of a slope f′(x) or f′(y), the first."""
    arguments = [a.arg for a in function.args.args]
    if function.name == "derivative":
        yield arguments[0]
    if function.name == "adjoint" and owner:
        tangents = [f for f in owner.body if isinstance(f, ast.FunctionDef) and f.name == "tangent"]
        marked = {*arguments, *(a.arg for f in tangents for a in f.args.args)}
        yield from (x for x in arguments if marked & {f"{x}_dot", f"{x}_bar"})


def mutants(file: str) -> dict[int, list[Mutant]]:
    """All possible mistakes in a file, by the line where their function starts."""
    starts = [0]
    for text in PAGES[file].read_bytes().splitlines(keepends=True):
        starts.append(starts[-1] + len(text))
    classes = [c for c in ast.walk(ast.parse(PAGES[file].read_text())) if isinstance(c, ast.ClassDef)]
    owners = {f"{c.name}.{f.name}": c for c in classes for f in c.body if isinstance(f, ast.FunctionDef)}
    found: dict[int, list[Mutant]] = {}
    for name, f in derivatives(file).items():
        places = [
            (kind, starts[part.lineno - 1] + part.col_offset, starts[part.end_lineno - 1] + part.end_col_offset, text)  # type: ignore[operator]
            for statement in f.body
            for node in ast.walk(statement)
            for kind, part, text in mistakes(node)
        ]
        first = f.body[0]
        for x in detached(f, owners.get(name)):
            place = starts[first.lineno - 1] + first.col_offset
            cut = f"{x} = {x} if {x} is None else {x}.detach()\n{' ' * first.col_offset}"
            places.append(("detached input", place, place, cut))
        line = min([f.lineno, *(d.lineno for d in f.decorator_list)])  # as its code object says
        found[line] = [Mutant(file, name, line, *place) for place in places]
    return found


def sample(choices: list[Mutant], count: int, chance: random.Random) -> list[Mutant]:
    """Choose at most `count` of the mistakes, of as many kinds as possible."""
    kinds: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in chance.sample(choices, len(choices)):
        kinds[mutant.kind].append(mutant)
    turns = [(turn, kind) for kind in chance.sample(sorted(kinds), len(kinds)) for turn in range(len(kinds[kind]))]
    return [kinds[kind][turn] for turn, kind in sorted(turns, key=lambda place: place[0])[:count]]


class Changed(SourceFileLoader):
    """Finds and loads one module of scratch.ops from another source; for ``sys.meta_path``."""

    def __init__(self, file: str, source: str) -> None:
        path = PAGES[file].relative_to(ROOT)
        super().__init__(".".join(path.with_suffix("").parts), str(ROOT / path))
        self.text = source

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def get_code(self, fullname: str) -> Any:
        return compile(self.text, self.path, "exec")


def import_changed(loaders: list[Changed]) -> None:
    """Let `scratch` be imported again, with changes in it."""
    for name in [name for name in sys.modules if name.startswith(("scratch", "tests", "zoo"))]:
        del sys.modules[name]
    sys.meta_path[:0] = loaders


def forked(task: Callable[[], Any], seconds: int = 3600) -> Any:
    """The result of a task in a forked process, sent as JSON; "" where it takes too long, None where it crashes."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
            warnings.simplefilter("ignore")
            torch.set_num_threads(1)
            answer = json.dumps(task()).encode()
            with os.fdopen(writing, "wb") as stream:
                stream.write(answer)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return ""
    return json.loads(answer) if answer else None


def table() -> dict[str, Any]:
    from scratch.ops.core.forms import plain
    from scratch.testing import CHECKS as OF_LAYERS
    from scratch.testing import NUMBER_CHECKS, TRANSFORM_CHECKS

    return {**OF_LAYERS, **NUMBER_CHECKS, **TRANSFORM_CHECKS, "in plain form": plain()(OF_LAYERS["gradients"])}


def watched(file: str) -> str:
    """The source of a page, in which every derivative calls ``sys.reached`` with its file and line first."""
    lines = PAGES[file].read_text().splitlines(keepends=True)
    for f in sorted(derivatives(file).values(), key=lambda f: -f.lineno):
        first, line = f.body[0], min([f.lineno, *(d.lineno for d in f.decorator_list)])
        lines.insert(first.lineno - 1, f"{' ' * first.col_offset}__import__('sys').reached({file!r}, {line})\n")
    return "".join(lines)


def reached(files: list[str], only: str) -> list[tuple[str, int, list[int]]]:
    """For each derivative of these files the numbers of the cases, only of the name `only` if given, that call it;
    first those that call few of them, whose findings are the plainest."""
    import_changed([Changed(file, watched(file)) for file in files])
    found: dict[tuple[str, int], dict[int, None]] = defaultdict(dict)
    number = 0

    def note(file: str, line: int) -> None:
        found[file, line][number] = None

    sys.reached = note  # type: ignore[attr-defined]
    from scratch.testing.cases import CASES

    checks = table()
    for number, case in enumerate(CASES):  # noqa: B007, note reads it
        for check in RECORDED if only in ("", case.name) else ():
            with contextlib.suppress(AssertionError):
                checks[check](case, "scratch.nn", "torch.nn")
    work = Counter(number for cases in found.values() for number in cases)
    return [(*place, sorted(cases, key=lambda number: work[number])) for place, cases in found.items()]


def noticed(mutant: Mutant, numbers: list[int], checks: tuple[str, ...]) -> list[str]:
    """The first check and case, or the test, that notices the mistake, and the cause that the harness names; "" where
    none does."""
    import_changed([Changed(mutant.file, mutant.source())])
    try:
        from scratch.testing.cases import CASES
        from scratch.testing.suite import Task, perform

        runs = table()
    except Exception as error:
        return [f"import: {type(error).__name__}", ""]
    quick = [(check, number) for check in checks[:2] for number in numbers[:200]]
    all_of_them = [(check, number) for number in numbers for check in checks]
    for check, number in dict.fromkeys(quick + all_of_them):
        result = perform(Task(CASES[number], str(CASES[number]), check, runs[check]), "scratch.nn", "torch.nn")
        if result.status == "failed" and result.finding:
            return [f"{check} of {CASES[number]}", result.finding.cause]
    test = TESTS.get(mutant.file, "")
    with contextlib.redirect_stdout(io.StringIO()):
        found = test and pytest.main(["-x", "-n0", "-p", "no:cacheprovider", f"{ROOT}/tests/scratch/{test}"])
    return [test if found == pytest.ExitCode.TESTS_FAILED else "", ""]


RIGHTLY = {  # of which words one names a kind of mistake; what a mistake inside of a formula makes of it is "a term"
    "sign": ("wrong sign", "a term", "factor", "conjugated", "absolute value"),
    "factor": ("2 times", "factor", "multiplied by", "divided by", "a term"),
    "dropped term": ("a term", "zero everywhere", "zero", "no gradient", "factor", "missing", "first derivative"),
    "transposed operand": ("transposed", "permuted", "RuntimeError", "order in which it lies", "shape", "a term"),
    "wrong axis": ("dimension", "Error", "shape", "reversed", "summed", "averaged", "accumulated", "a term"),
    "detached input": ("first derivative", "a term", "zero everywhere", "no gradient", "factor", "only where"),
}


def naming(kind: str, cause: str) -> str:
    """Whether a cause names a mistake of this kind."""
    right = any(words in cause for words in RIGHTLY[kind])
    return "not named" if cause.endswith("other numbers") else "named rightly" if right else "named otherwise"


def plant(
    files: list[str], per_function: int, seed: int, only: str = "", checks: tuple[str, ...] = CHECKS
) -> list[Mutant]:
    """Try mistakes in every derivative of these files, print each, and return those that survived."""
    start = time.monotonic()
    cases = {(file, line): numbers for file, line, numbers in forked(lambda: reached(files, only))}
    fates: Counter[str] = Counter()
    names: dict[str, Counter[str]] = defaultdict(Counter)  # by the kind of mistake
    survivors = []
    for file in files:
        for line, choices in mutants(file).items():
            for mutant in sample(choices, per_function, random.Random(f"{seed} {file} {line}")):
                numbers = cases.get((file, line), [])
                place, changed = f"{file} {mutant.function}", mutant.diff()
                how = next((why for (f, text), why in REVIEWED.items() if f == place and text in changed), "")
                fate, cause = "reviewed" if how else "survived", ""
                if not how:
                    by = forked(lambda m=mutant, n=numbers: noticed(m, n, checks), SECONDS)  # type: ignore[misc]
                    how, cause = ["crash", ""] if by is None else by or ["", ""]
                    fate = "killed" if how else fate
                fates[fate] += 1
                how = how or ("" if numbers else "no case calls it")
                name = cause and naming(mutant.kind, cause)
                if name:
                    names[mutant.kind][name] += 1
                    how += f"; {name}: {cause}"
                print(f"{fate}: {file}:{line} {mutant.function}, {mutant.kind}. {how}", flush=True)
                if fate != "killed" or name not in ("", "named rightly"):
                    print(changed, flush=True)
                if fate == "survived":
                    survivors.append(mutant)
    counts = ", ".join(f"{count} {fate}" for fate, count in fates.items())
    print(f"{sum(fates.values())} mistakes in {len(files)} files: {counts}; {time.monotonic() - start:.0f} s")
    for kind, count in {**names, "of all kinds": sum(names.values(), Counter())}.items():
        print(f"{kind}: {', '.join(f'{number} {name}' for name, number in count.most_common())}")
    return survivors
