"""What is said of a check that failed: the cause in one line, the numbers, and who is right.

`diagnosis.py` and `rules.py` name the kind of wrong, `truth.py` decides between candidate and reference. Failures with
equal causes are one finding, told once.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from scratch.testing import diagnosis, rules, truth
from scratch.testing.calls import Case
from scratch.testing.compare import Mismatch, leaves, relative_error, require_equal, worst
from scratch.testing.diagnosis import Difference
from scratch.testing.optimizers import OptimizerCase
from scratch.testing.packages import Namespace, resolve
from scratch.testing.running import Layer, continuous, differentiable_leaves, pair, random, run, sparse, zero

ONLY = {  # checks that find what is wrong under circumstances only, being right in `gradients`
    "subsets": "where only some gradients are asked for",
    "twice": "in a second backward",
    "overwritten": "once the output is written into",
    "copies": "in a copy",
    "float32": "in float32",
    "bfloat16": "in bfloat16",
    "vmapped": "under vmap",
    "batched_gradients": "for a batch of upstream gradients",
    "checkpointed": "under checkpointing",
    "complex_numbers": "of complex numbers",
    "whole_numbers": "of whole numbers",
    "other_integers": "for indices of another type",
    "nothing": "of no numbers",
    "at_kinks": "at kinks",
    "compiled": "when compiled",
    "autocast": "under autocast",
}

COARSE = ("layouts", "finite_differences", "second_differences", "adjoint")  # that a few lost digits spoil

ALONE = "only the first derivative: what was saved for the backward is a constant to the second"


OTHER = "other numbers"


@dataclass
class Finding:
    topic: str  # what is wrong: failures of one topic are one thing to mend, and told together
    cause: str  # this, and what kind of wrong, in a line
    where: str = ""  # the element, both values
    verdict: str = ""  # what finite differences or many digits say
    right: str = ""  # who is right then: candidate, reference, neither, or "" for undecided

    @property
    def named(self) -> bool:
        """Whether the kind of wrong is known."""
        return not self.cause.endswith(OTHER)


def alike(text: str) -> str:
    """A text without its numbers, such as the sizes of a case."""
    return re.sub(r"-?\d+(\.\d+)?(e[-+]?\d+)?", "#", text)


def finding(check: str, case: Any, candidate: Namespace, reference: Namespace, error: Exception) -> Finding:
    """What to say of an error with which a check ended."""
    error = error.__cause__ if isinstance(error.__cause__, Exception) else error
    if check in COARSE and attempted(lambda: narrow(pair(case, candidate, reference)[0])):
        return Finding("digits", "digits are lost: it computes in float32 inside float64", first_line(error))
    if not isinstance(error, Mismatch):
        only = f" {ONLY[check]}" if check in ONLY and check != "copies" else ""
        text = f"{type(error).__name__}{only}: {first_line(error)}"
        arguments = isinstance(error, TypeError) and "argument" in text
        return Finding(f"arguments{only}" if arguments else alike(re.sub(r"'[^']*'", "…", text)), text)
    if isinstance(case, OptimizerCase):
        return _of_optimizer(check, case, candidate, reference, error)
    if check in ("finite_differences", "second_differences"):
        found = _of_differences(check, case, candidate, reference)
        return found or Finding(check, first_line(error))
    a, e = error.actual, error.expected
    if not isinstance(a, Tensor) and not isinstance(e, Tensor):
        return Finding(_topic(check, error), told(first_line(error)))
    only = f" {ONLY[check]}" if check in ONLY else ""
    if check == "layouts":
        only = f" for tensors that are not contiguous ({error.path.split(': ')[0]})"
    if check == "second_order" and "recorded" in error.path:
        only = " under create_graph"
    topic = f"{label(error.path)}{only}"
    if check in ("float32", "bfloat16"):
        return Finding(topic, f"{topic}: digits are lost", str(error))
    if isinstance(a, Tensor) and isinstance(e, Tensor) and a.dtype != e.dtype:
        return Finding(topic, f"{topic}: {a.dtype}, expected {e.dtype}", str(error))
    if "random state" in error.path:
        return Finding("random numbers", "it draws more or fewer random numbers than the reference")
    if check == "untouched":
        return Finding(check, _touched(error, case), numbers(error))
    kind = check == "outputs" and ": output" in error.path and attempted(lambda: ignored(case, candidate, reference))
    kind = kind or attempted(lambda: diagnosis.explain(difference(error, case, candidate, reference)))
    verdict = truth.settle(check, case, candidate, reference)
    cause = f"{topic}: {kind}" if kind else f"{topic} is wrong" if only else f"{topic}: {OTHER}"
    return Finding(topic, cause, numbers(error), str(verdict or ""), verdict.right if verdict else "")


def _topic(check: str, error: Mismatch) -> str:
    """What a difference is about that is none of numbers."""
    line = first_line(error)
    if line.startswith("parameters and buffers are"):
        return "parameters and buffers"
    if check == "signature":
        return f"signature{'.forward' * ('.forward takes' in line)}"
    return f"{check}{' accepted' * line.startswith('accepted')}"


def _touched(error: Mismatch, case: Case) -> str:
    """What is written into, or should be."""
    what = error.path.split("[")[0].removesuffix(" after the backward")
    if what != "input after the forward":
        return f"the backward writes into the {what}"
    before = dict(leaves(case.draw_inputs(), error.path.split("[")[0])).get(error.path)
    if isinstance(before, Tensor) and isinstance(error.actual, Tensor) and torch.equal(before, error.actual):
        return "the input is left as it was, and the reference writes into it"
    return "the forward writes into the input"


def told(line: str) -> str:
    """A line of `require_equal` without the step and the element: "state … besides: momentum"."""
    match = re.fullmatch(r"(.*) is built otherwise; (.*)", line)
    if not match:
        return re.sub(r" ?after step \d+", "", line)
    sides = []
    for side in match[2].split("; "):
        what, _, names = side.partition(": ")
        last = dict.fromkeys(name.strip().rpartition("[")[2].strip("']") for name in names.split(","))
        sides.append(f"{what}: {', '.join(last)}")
    return f"{re.sub(r' ?after step [0-9]+', '', match[1]) or 'the state'} is built otherwise; {'; '.join(sides)}"


def first_line(error: Exception) -> str:
    """The first line of a message; of a long one the first sentence."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line if len(line) < 240 else line.partition(". ")[0][:240]


def attempted(function: Callable[[], str]) -> str:
    """What an explanation finds; nothing where the candidate cannot be run for it."""
    with torch.random.fork_rng(devices=[]):
        try:
            return function()
        except Exception:
            return ""


def label(path: str) -> str:
    """A path as a sentence has it: ``train mode, random upstream gradient: gradient['input[0]']``."""
    last = path.split(": ")[-1]
    match = re.fullmatch(r"(.*?)\['(.*)'\](.*)", last)
    if match is None:
        return last
    return f"initial {match[2]}" if match[1] == "initial" else f"{match[1]} of {match[2]}{match[3]}"


def numbers(error: Mismatch) -> str:
    """Where two tensors differ most, and in which mode."""
    before = error.path.rpartition(": ")[0]
    a, e = error.actual, error.expected
    if not isinstance(a, Tensor) or not isinstance(e, Tensor) or a.shape != e.shape or not a.numel():
        return str(error)
    return f"{worst(dense(a), dense(e))}; relative error {error.error:.2g}" + (f" ({before})" if before else "")


def ignored(case: Case, candidate: Namespace, reference: Namespace) -> str:
    """The option without which the reference computes what the candidate computes."""
    like = case.reference or reference
    parameters = list(inspect.signature(resolve(like, case.name)).parameters.values())
    names = [p.name for p in parameters][len(case.inputs) if case.is_function else 0 :]
    given = {**dict(zip(names, case.args, strict=False)), **case.kwargs}
    ours = run(pair(case, candidate, reference)[0], upstream=None).output
    for parameter in parameters:
        if parameter.name in given and parameter.default not in (inspect.Parameter.empty, given[parameter.name]):
            options = {**given, parameter.name: parameter.default}
            without = case.but(args=(), kwargs=options)
            try:
                theirs = run(pair(without, like, like)[0], upstream=None).output
                require_equal(ours, theirs, "", 1e-9)
            except Exception:  # another option, or none
                continue
            return f"the option {parameter.name} is ignored"
    return ""


def difference(error: Mismatch, case: Case, candidate: Namespace, reference: Namespace) -> Difference:
    """The two tensors, what they were computed from, and what is right in other places."""
    layer = pair(case, candidate, reference)[1]
    train = "eval mode" not in error.path
    upstream = next((u for u in (sparse, zero) if f"{u.__name__} upstream" in error.path), random)
    known = surroundings(layer, train, upstream)
    gradients = run(layer, train=train, upstream=upstream).gradient
    here = label(error.path)
    others = {f"the gradient of {name}": g for name, g in gradients.items()}
    if here.startswith("second derivative of "):  # which stands beside a first one, see Combination
        others = {ALONE: truth.Combination(layer, train).firsts().get(here.removeprefix("second derivative of "))}
    if upstream is not random:
        before = run(layer, train=train).gradient
        others |= {f"the {here} in the call before": g for n, g in before.items() if here == f"gradient of {n}"}
    actual, expected = (dense(t) for t in (error.actual, error.expected))
    return Difference(
        actual, expected, known, {n: dense(g) for n, g in others.items() if g is not None and n != f"the {here}"}
    )


def narrow(layer: Layer) -> str:
    """Whether numbers of fewer digits are on the way: then the outputs jump, by more than 1e-10, as the inputs grow by
    3e-8 and 6e-8 of themselves."""
    exact, outputs = layer.cast, []
    for growth in (0.0, 3e-8, 6e-8):
        layer.cast = lambda t, by=1 + growth: exact(t) * by if t.is_floating_point() else exact(t)  # type: ignore[misc]
        outputs.append([t for _, t in leaves(run(layer, upstream=None).output, "") if isinstance(t, Tensor)])
    found = [relative_error(b - a, c - b, floor=1.0) for a, b, c in zip(*outputs, strict=True) if continuous(a)]
    return "yes" if any(error > 1e-10 for error in found) else ""


def dense(tensor: Any) -> Any:
    return tensor.to_dense() if isinstance(tensor, Tensor) and tensor.layout is not torch.strided else tensor


def surroundings(layer: Layer, train: bool, upstream: Any) -> dict[str, Tensor]:
    """Inputs, parameters, outputs and upstream gradients of a call, by name."""
    inputs, _ = layer.draw()
    known = {path: t.detach() for path, t in leaves(inputs, "input") if isinstance(t, Tensor)}
    args, kwargs, call = layer.case.draw_arguments()
    known |= {p: t for p, t in leaves({**dict(enumerate(args)), **kwargs, **call}, "argument") if isinstance(t, Tensor)}
    known |= {name: t.detach().clone() for name, t in layer.tensors()}
    outputs = differentiable_leaves(layer(*inputs, train=train))
    generator = Generator().manual_seed(layer.case.seed + 3)
    for name, y in outputs.items():
        known[name] = y.detach()
        known[f"the upstream gradient{name.removeprefix('output')}"] = upstream(y, generator)
    return known


def _of_differences(check: str, case: Case, candidate: Namespace, reference: Namespace) -> Finding | None:
    """The candidate's own derivatives against finite differences, tensor by tensor."""
    layer = pair(case, candidate, reference)[0]
    order = "first" if check == "finite_differences" else "second"
    for train, actual, expected in truth.by_element(layer, order):
        place = truth.worst(actual, expected, tolerance=1e-8)
        if place:
            name = place[0]
            a, e = actual[name], expected[name]
            known = surroundings(layer, train, random) if order == "first" else {}
            others = {} if order == "first" else {ALONE: truth.Combination(layer, train).firsts().get(name)}
            around = Difference(a, e, known, {n: t for n, t in others.items() if t is not None})
            kind = attempted(lambda around=around: diagnosis.explain(around))  # type: ignore[misc]
            what = "gradient of" if order == "first" else "second derivative by"
            topic = f"{what} {name} against finite differences"
            return Finding(topic, f"{topic}: {kind or OTHER}", worst(a, e))
    return None


def _of_optimizer(
    check: str, case: OptimizerCase, candidate: Namespace, reference: Namespace, error: Mismatch
) -> Finding:
    explain = {"steps": rules.explain, "state_dict": rules.explain_loading}.get(check)
    changed = error.path.startswith("gradient after")
    if check == "steps" and not changed and attempted(lambda: rules.reference_rounds(case, candidate, reference)):
        why = "its state is in the default type, float32, whatever type the parameters have"
        verdict = "the candidate goes where the reference goes with a default type of float64"
        return Finding("rounding", why, numbers(error), verdict, "candidate")
    kind = attempted(lambda: explain(case, candidate, reference)) if explain and not changed else ""
    if kind:
        return Finding(check, kind, numbers(error))
    if changed:
        return Finding("gradients", "it changes the gradients that it is given", numbers(error))
    if not isinstance(error.actual, Tensor):
        return Finding(f"{check} {alike(error.path)}", told(first_line(error)))
    what = re.sub(r",? ?(after step \d+|before the first step)", "", error.path)
    return Finding(check, f"{what}: {OTHER}", numbers(error))
