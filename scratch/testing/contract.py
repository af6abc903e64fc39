"""A drop-in is more than its numbers: signature, initial weights, state_dict, copies and repr."""

import copy
import pickle

import torch

from scratch.testing.calls import Case, Namespace, resolve
from scratch.testing.compare import Check, named, require_equal, require_signature
from scratch.testing.running import complete, pair, run

CONTRACT_CHECKS: dict[str, Check] = {}


def built(case: Case, package: Namespace) -> torch.nn.Module:
    """The Module of a case as its constructor leaves it, a lazy one as its first call does."""
    args, kwargs, call = case.draw_arguments()
    torch.default_generator.manual_seed(case.seed)
    module = resolve(package, case.name)(*args, **kwargs)
    complete(module, case, call)
    return module


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
    found = []
    for package in (candidate, case.reference or reference):
        module = built(case, package)
        found.append(
            {
                "parameter": {name: (p.detach(), p.requires_grad) for name, p in module.named_parameters()},
                "buffer": dict(module.named_buffers()),
                "random state afterwards": torch.get_rng_state(),
            }
        )
    for part in found[0]:
        require_equal(found[0][part], found[1][part], part, 0.0)
    return 0.0


@named(CONTRACT_CHECKS)
def state_dict(case: Case, candidate: Namespace, reference: Namespace) -> float | None:
    """The same keys in the same order, and weights that load both ways with ``strict=True``."""
    if case.is_function:
        return None
    ours, theirs = built(case, candidate), built(case, case.reference or reference)
    require_equal(list(ours.state_dict()), list(theirs.state_dict()), "state_dict keys", 0.0)
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
    """The same repr."""
    if case.is_function:
        return None
    require_equal(repr(built(case, candidate)), repr(built(case, case.reference or reference)), "repr", 0.0)
    return 0.0
