"""Exercises: an op of which the backward is missing, and the harness to say whether yours is right.

    python scripts/exercise.py list            the twenty, from easy to hard
    python scripts/exercise.py lstm            writes exercises/lstm.py, in which the adjoint is blank
    python scripts/exercise.py hint lstm       the next hint
    python scripts/exercise.py check lstm      runs exercises/lstm.py: right, or what kind of wrong

An exercise is made from the page of its op: the formulas of value and tangent stay, those of the adjoint become the
hints, and the page is the solution. Your file is run by `check` only, in the place of the page's class.
"""

import argparse
import ast
import importlib.util
import inspect
import re
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from scratch.testing.packages import load


class Exercise(NamedTuple):
    page: str  # below scratch.ops
    op: str  # its class
    cases: tuple[str, ...]  # the names in the table of cases that reach it
    tools: tuple[str, ...] = ()  # what the page offers besides, that an adjoint will want


EXERCISES = {
    "sigmoid": Exercise("activation.sigmoid", "SigmoidFn", ("Sigmoid",)),
    "tanh": Exercise("activation.sigmoid", "TanhFn", ("Tanh",)),
    "silu": Exercise("activation.gated", "SiLUFn", ("SiLU",)),
    "mse_loss": Exercise("loss.regression_loss", "MSELossFn", ("MSELoss",)),
    "smooth_l1_loss": Exercise("loss.regression_loss", "SmoothL1LossFn", ("SmoothL1Loss",)),
    "binary_cross_entropy": Exercise("loss.binary_cross_entropy", "BCEWithLogitsFn", ("BCEWithLogitsLoss",)),
    "linear": Exercise("linear", "LinearFn", ("Linear", "functional.linear"), ("rows",)),
    "bilinear": Exercise("bilinear", "BilinearFn", ("Bilinear",)),
    "softmax": Exercise("activation.softmax", "SoftmaxFn", ("Softmax",)),
    "log_softmax": Exercise("activation.softmax", "LogSoftmaxFn", ("LogSoftmax",)),
    "cross_entropy": Exercise(
        "loss.cross_entropy", "CrossEntropyFn", ("CrossEntropyLoss",), ("spread_rows", "row", "weighted_sum")
    ),
    "layer_norm": Exercise("norm.layer_norm", "LayerNormFn", ("LayerNorm",)),
    "rms_norm": Exercise("norm.rms_norm", "RMSNormFn", ("RMSNorm",)),
    "batch_norm": Exercise("norm.batch_norm", "NormFn", ("BatchNorm1d", "BatchNorm2d")),
    "max_pool": Exercise("pool.pool", "MaxPoolFn", ("MaxPool2d",), ("uncolumns", "math")),
    "conv": Exercise("conv.conv", "ConvFn", ("Conv2d",), ("columns", "kernels", "rows", "col2im")),
    "attention": Exercise("attention.attention", "AttentionFn", ("functional.scaled_dot_product_attention",)),
    "rnn": Exercise("recurrent.rnn", "RNNFn", ("RNN",), ("previous", "slope")),
    "gru": Exercise("recurrent.gru", "GRUFn", ("GRU",)),
    "lstm": Exercise("recurrent.lstm", "LSTMFn", ("LSTM",)),
}
FORMULAS = ("adjoint", "derivative", "derivatives")  # one of these is left blank
DROPPED = ("fast_value", "fast_adjoint", "fast_loss", "fast_derivatives", "pullback", "fast_if", "compiled_if",
           "layouts", "keeps", "parts")  # fmt: skip
SECRET = ("Adjoint", "Derivatives", "Fast form", "Products", "Saved", "Errors", "Reference", "Source")
BAR = re.compile("[\u0304ȳḡ]|f′|ℓ_[xt]")  # a formula with one of these is about gradients
BLANK = "is yours to write"
MOST = 16  # cases of an exercise that are tried: a few seconds


class WrongCommand(Exception):
    """A word of the command makes no sense; one line."""


# ------------------------------------------------------------------------------------------- from a page to a file


class Source:
    """The page of an exercise, as its text and its syntax tree."""

    def __init__(self, name: str) -> None:
        self.name, self.exercise = name, EXERCISES[name]
        self.module = f"scratch.ops.{self.exercise.page}"
        found = importlib.util.find_spec(self.module)
        assert found is not None
        assert found.origin is not None
        self.path = Path(found.origin)
        self.text = self.path.read_text()
        self.tree = ast.parse(self.text)
        self.op = next(n for n in self.tree.body if isinstance(n, ast.ClassDef) and n.name == self.exercise.op)
        self.formula = next(n for n in self.op.body if isinstance(n, ast.FunctionDef) and n.name in FORMULAS)

    def lines(self, node: ast.stmt) -> str:
        """The text of a statement, with its decorators and comments."""
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        return "\n".join(self.text.splitlines()[first - 1 : node.end_lineno])

    def docstring(self) -> list[str]:
        return (ast.get_docstring(self.tree) or "").splitlines()

    def returned(self) -> str:
        """What the formula returns, by name."""
        if self.formula.name == "derivative":
            return "f′"
        if self.formula.name == "derivatives":
            return "ℓ_x" if "of_difference" in self.lines(self.op) else "ℓ_x, ℓ_t"
        tangent = next((n for n in self.op.body if isinstance(n, ast.FunctionDef) and n.name == "tangent"), None)
        names = [a.arg for a in tangent.args.args] if tangent else []
        return ", ".join(name.replace("_dot", "_bar") for name in names if name.endswith("_dot"))


def written(name: str, solved: bool = False) -> str:
    """The file of an exercise; with the page's own formula in it, if solved."""
    source = Source(name)
    kept, used = [], {"Tensor"} & set(re.findall(r"\w+", source.lines(source.formula)))
    for node in source.op.body:
        names = (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        bound = {node.name} if isinstance(node, ast.FunctionDef) else {*names}
        if bound and bound <= set(DROPPED):
            continue
        if node is source.formula and not solved:
            kept.append(blank(source))
            continue
        kept.append(source.lines(node))
        used |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    bases = [ast.unparse(base) for base in source.op.bases]
    used |= {*bases, *source.exercise.tools}
    body = "\n".join(line for part in kept for line in [*part.splitlines(), ""]).rstrip()
    body = re.sub(r"(\n    \w+(?:, \w+)* = [^\n]*)\n(?=\n    \w+(?:, \w+)* = )", r"\1", body)
    return f"{heading(source)}\n\n{imports(source, used)}\n\n\nclass {source.op.name}({', '.join(bases)}):\n{body}\n"


def blank(source: Source) -> str:
    """The formula's signature, what it returns, and an error in the place of its body."""
    f = source.formula
    arguments = ", ".join(a.arg for a in f.args.args)
    return (
        f"    @staticmethod\n    def {f.name}({arguments}):\n"
        f"        # to be returned: {source.returned()}\n"
        f'        raise NotImplementedError("{f.name} {BLANK}")'
    )


def heading(source: Source) -> str:
    name = source.name
    return "\n".join([
        f'"""Exercise {name}: write the {source.formula.name}, and return {source.returned()}.',
        "",
        f"    python scripts/exercise.py check {name}    is it right? If not, what kind of wrong?",
        f"    python scripts/exercise.py hint {name}     the next hint",
        "",
        *shown(source.docstring()),
        '"""',
    ])  # fmt: skip


def sections(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each line of a docstring, with the label of the section that it stands in."""
    name, margin = "", 0
    for line in lines:
        label = re.match(r"( {0,16})((?:\d\. )?[A-Z][\w ,]*?):( |$)", line)
        if label:
            name, margin = label[2], len(label[1])
        elif line.strip() and not line.startswith(" " * (margin + 1)):
            name, margin = "", 0
        yield name, line


def shown(lines: list[str]) -> list[str]:
    """A docstring without what it says of gradients."""
    found: list[str] = []
    for name, line in sections(lines):
        text = "" if name.startswith(SECRET) else line if name == "Kinks" else without_gradients(line)
        if text or (found and found[-1] and not line.strip()):
            found.append(text)
    return found if found[-1] else found[:-1]


def without_gradients(line: str) -> str:
    """A line without its formulas of gradients, and without the number of a formula that is gone."""
    start = len(line) - len(line.lstrip())
    kept: list[str] = []
    formulas = gone = 0
    for piece in re.split(r"(?<=\S)(?=\s{2,}\S)", line[start:]):
        numbered = re.fullmatch(r"\s*\(\d+\)", piece)
        if BAR.search(piece) or (numbered and gone and not formulas):
            gone += 1
            continue
        formulas = 0 if numbered else formulas + (not re.fullmatch(r"\w+:?", piece))
        kept.append(piece)
    text = "".join(kept)
    return "" if gone and not re.search(r"[=(]", text) else (" " * start + text).rstrip()


def imports(source: Source, used: set[str]) -> str:
    """The imports that these names need, out of the page's own and from the page."""
    found: list[str] = []
    for node in source.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [ast.unparse(a) for a in node.names if (a.asname or a.name.split(".")[0]) in used]
            if isinstance(node, ast.Import):
                found += [f"import {name}" for name in names]
            elif names:
                found.append(f"from {node.module} import {', '.join(names)}")
    own = {
        n.name if isinstance(n, ast.FunctionDef | ast.ClassDef) else ast.unparse(n.targets[0])
        for n in source.tree.body
        if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Assign) and n is not source.op
    }
    if own & used:
        found.append(f"from {source.module} import {', '.join(sorted(own & used))}")
    plain = sorted(line for line in found if line.startswith("import ") or line.startswith("from torch"))
    others = sorted(line for line in found if line not in plain)
    return "\n".join([*plain, *([""] if plain and others else []), *others])


def make(name: str, folder: Path) -> str:
    """Write the file; refuses to write over one."""
    path = folder / f"{name}.py"
    if path.exists():
        raise WrongCommand(f"{path} is there already: go on with it, or delete it to begin again")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(written(name))
    source = Source(name)
    return f"{path}: write {source.op.name}.{source.formula.name}, then: python scripts/exercise.py check {name}"


# ---------------------------------------------------------------------------------------------------------- hints


def hints(name: str) -> list[str]:
    """From the idea to the formulas, one after the other; the last one says where the solution stands."""
    source = Source(name)
    f, lines = source.formula, source.docstring()
    if f.name == "adjoint":
        found = [
            "The tangent is linear in each change, ẏ = J ẋ, and the adjoint is its transpose: write ⟨ȳ, ẏ⟩ with the "
            "tangent put in, and bring it into the form ⟨x̄, ẋ⟩ + …; what stands beside each change is its gradient.",
            f"To be returned: {source.returned()}; each has the shape of what it belongs to. It may depend on "
            f"{', '.join(a.arg for a in f.args.args)}.",
        ]
    else:
        found = [
            f"Each number of the output depends on one number of each input alone, so only {source.returned()} is "
            f"asked for, a function of {', '.join(a.arg for a in f.args.args)}; the base class multiplies it by the "
            "gradient that arrives."
        ]
    body = source.lines(f)
    steps = [n for n in source.tree.body if isinstance(n, ast.FunctionDef) and f"{n.name}(" in body]
    body = "\n".join([body, *(source.lines(n) for n in steps if n.name.endswith("_adjoint"))])
    cited = re.findall(r"\((\d+)\)", "".join(re.findall(r"#.*", body))) or re.findall(
        r"\((\d+)\)", "".join(re.findall(r"#.*", source.lines(source.op)))
    )
    for number in sorted(set(cited), key=int):
        line = next((line.strip() for line in lines if f"({number})" in line), None)
        if line and line not in found:
            found.append(re.sub(r"\s{2,}", "   ", line))
    last = (f.end_lineno or 0, f.lineno)
    return [*found, f"The solution: {source.path.name} in {source.path.parent}, lines {last[1]} to {last[0]}."]


def next_hint(name: str, folder: Path) -> str:
    """The first hint that was not given yet; how many were stands in a file beside the exercise."""
    every, note = hints(name), folder / f".{name}.hints"
    given = int(note.read_text()) if note.exists() else 0
    number = min(given, len(every) - 1)
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(str(number + 1))
    return f"hint {number + 1} of {len(every)}: {every[number]}"


# ---------------------------------------------------------------------------------------------------------- check


def loaded(path: Path) -> Any:
    """The file, run as a module."""
    found = importlib.util.spec_from_file_location(f"exercise_{path.stem}", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[module.__name__] = module
    found.loader.exec_module(module)
    return module


def take_its_place(original: Any, mine: Any) -> None:
    """Let every module that knows the page's class know this one instead."""
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()) if getattr(module, "__name__", "").startswith("scratch") else []:
            if value is original:
                setattr(module, name, mine)


def fault(error: BaseException, path: Path) -> str:
    """Where in the file an error came from, in a line."""
    if isinstance(error, SyntaxError):
        return f"{path}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == path.resolve()]
    place = f"{path}:{frames[-1].lineno}" if frames else str(path)
    return f"{place}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def check(name: str, folder: Path) -> tuple[bool, str]:
    """Whether the file's formula is right, and what to say of it."""
    path, exercise, started = folder / f"{name}.py", EXERCISES[name], time.monotonic()
    if not path.exists():
        raise WrongCommand(f"{path} is not there: python scripts/exercise.py {name} makes it")
    source = Source(name)
    expected = f"{source.formula.name} returns {source.returned()}"
    if f'("{source.formula.name} {BLANK}")' in path.read_text():
        return False, (
            f"{name}: still blank: write {exercise.op}.{source.formula.name} in {path}, which returns "
            f"{source.returned()}; for a hint: python scripts/exercise.py hint {name}"
        )
    import torch

    from scratch.testing.cases import CASES
    from scratch.testing.layers import CHECKS
    from scratch.testing.report import Report, told_of
    from scratch.testing.running import Layer, run
    from scratch.testing.suite import identified, judge, tasks

    torch.set_num_threads(1)
    load("scratch.nn")
    page = load(source.module)
    cases = [(title, case) for title, case in identified(CASES) if case.name in exercise.cases]
    try:
        mine = getattr(loaded(path), exercise.op)
        take_its_place(getattr(page, exercise.op), mine)
        run(Layer(cases[0][1], "scratch.nn"))
    except Exception as error:
        return False, f"✗ {name}: {fault(error, path)}\n    {expected}"
    tried = [cases[i * len(cases) // MOST] for i in range(MOST)] if len(cases) > MOST else cases
    job = tasks(tried, {"gradients": CHECKS["gradients"]}, "scratch.nn", "torch.nn")
    job += tasks(tried[:1], {"second_order": CHECKS["second_order"]}, "scratch.nn", "torch.nn")
    report = Report(name, "torch.nn", "")
    for result in judge(job, "scratch.nn", "torch.nn"):
        report.results.append(result)
        if not report.ok:  # one cause is enough to go on with
            break
    if not report.ok:
        return False, f"✗ {told_of(report, 'failed')}\n    {expected}"
    worst = max((result.error or 0.0 for result in report.results), default=0.0)
    return True, (
        f"✓ {name}: right, in {len(tried)} cases of {len(cases)}, largest relative error {worst:.0e}; "
        f"{time.monotonic() - started:.1f} s"
    )


# -------------------------------------------------------------------------------------------------------- command


def listing(folder: Path) -> str:
    lines = []
    for name in EXERCISES:
        source = Source(name)
        begun = "  begun" if (folder / f"{name}.py").exists() else ""
        lines.append(f"{name:21} {source.op.name}.{source.formula.name}: {source.returned()}{begun}")
    return "\n".join(lines)


def known(name: str) -> str:
    if name not in EXERCISES:
        raise WrongCommand(f"no exercise is named {name!r}; there are {', '.join(EXERCISES)}")
    return name


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="exercise.py", description=inspect.cleandoc(__doc__ or ""), formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("words", nargs="+", metavar="[check|hint] NAME | list", help="what to do, as above")
    parser.add_argument("--folder", type=Path, default=Path("exercises"), help="of your files (default: exercises)")
    options = parser.parse_args(words)
    try:
        match options.words:
            case ["list"]:
                print(listing(options.folder))
            case ["hint", name]:
                print(next_hint(known(name), options.folder))
            case ["check", name]:
                right, said = check(known(name), options.folder)
                print(said)
                return 0 if right else 1
            case [name]:
                print(make(known(name), options.folder))
            case others:
                raise WrongCommand(f"{' '.join(others)!r} is no command: list, NAME, hint NAME or check NAME")
    except WrongCommand as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
