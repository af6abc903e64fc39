"""A drop-in is more than its numbers: signature, initial weights, state_dict, copies and repr."""

import copy
import pickle
import re
from typing import Any

import torch
from torch.nn import Module

from scratch.testing.calls import NEWEST, TORCH, Case
from scratch.testing.compare import Check, named, require_equal, require_signature
from scratch.testing.packages import Namespace, resolve
from scratch.testing.running import build, counterparts, pair, run

CONTRACT_CHECKS: dict[str, Check] = {}


@named(CONTRACT_CHECKS)
def signature(case: Case, candidate: Namespace, reference: Namespace) -> float:
    """Names, order and defaults of the constructor's and the call's parameters."""
    ours, theirs = resolve(candidate, case.name), resolve(case.reference or reference, case.name)
    require_signature(ours, theirs, case.name)
    if not case.is_function:
        require_signature(ours.forward, theirs.forward, f"{case.name}.forward")
    return 0.0


@named(CONTRACT_CHECKS)
def initialisation(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """Equal initial parameters and buffers under an equal seed, bit for bit, from as many random numbers."""
    if case.is_function:
        return None
    like = case.reference or reference
    theirs, expected = build(case, like), torch.get_rng_state()
    ours, actual = build(case, candidate, like), torch.get_rng_state()
    names = counterparts(ours.state_dict(), theirs.state_dict())
    require_equal(_initial(ours, names), _initial(theirs, {}), "initial", 0.0)
    require_equal(actual, expected, "random state afterwards", 0.0)
    return 0.0


def _initial(module: Module, names: dict[str, str]) -> dict[str, Any]:
    """Every parameter, with whether it is trained, and every buffer."""
    parameters = {names.get(name, name): (p.detach(), p.requires_grad) for name, p in module.named_parameters()}
    return parameters | {names.get(name, name): buffer for name, buffer in module.named_buffers()}


@named(CONTRACT_CHECKS)
def state_dict(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """The keys are the reference's in its order, and weights that load both ways with ``strict=True``."""
    if case.is_function:
        return None
    like = case.reference or reference
    ours, theirs = build(case, candidate, like), build(case, like)
    require_equal(", ".join(ours.state_dict()), ", ".join(theirs.state_dict()), "state_dict keys", 0.0)
    for source, target in ((ours, theirs), (theirs, ours)):
        target.load_state_dict(source.state_dict(), strict=True)
        require_equal(dict(target.state_dict()), dict(source.state_dict()), "state_dict", 0.0)
    return 0.0


@named(CONTRACT_CHECKS)
def copies(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """deepcopy and a pickled copy compute the same and share nothing with the original."""
    if case.is_function:
        return None
    ours, _ = pair(case, candidate, reference)
    expected = run(ours)
    original = ours.module
    for what, twin in (
        ("deepcopy", copy.deepcopy(original)),
        ("pickle", pickle.loads(pickle.dumps(original))),
    ):
        ours.module = twin
        actual = run(ours)
        shared = {id(t) for t in original.parameters()} & {id(t) for t in twin.parameters()}
        require_equal(len(shared), 0, f"{what}: parameters shared with the original", 0.0)
        for part in ("output", "gradient", "state"):
            require_equal(getattr(actual, part), getattr(expected, part), f"{what}: {part}", 0.0)
    return 0.0


@named(CONTRACT_CHECKS)
def representation(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """The repr is the reference's."""
    if case.is_function:
        return None
    like = case.reference or reference
    require_equal(described(build(case, candidate, like)), described(build(case, like)), "repr", 0.0)
    return 0.0


def described(module: Any) -> str:
    """The repr of a layer, as this version of torch has it."""
    return repr(module) if TORCH >= NEWEST else re.sub(r"(Norm.*), bias=\w+", r"\1", repr(module))
