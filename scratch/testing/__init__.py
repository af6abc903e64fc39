"""The equivalence harness: does a layer compute what its reference computes, and are its gradients exact?

    from scratch.testing import case, check, normal
    check(case("Linear", 5, 3, inputs=[normal(4, 5)]), "their.package", "torch.nn")

Packages are given by their importable names. A check compares a candidate with a reference on one case,
returns the largest relative error it saw (None where it does not apply), and raises `Mismatch` with what
differs, where, and how to rerun it. The checks stand in tables by name, for tests and reports:

    calls.py       what to compare: Case, a call, and the sources of its inputs
    cases/         the table of what is compared, a file for each op
    compare.py     when two results count as equal; Mismatch
    running.py     one side of a case, built, called and differentiated
    layers.py      CHECKS: outputs and derivatives of a layer, loss or function
    contract.py    CONTRACT_CHECKS: signature, initial weights, state_dict, copies, repr
    optimizers.py  OPTIMIZER_CHECKS: parameters and state after every step
    networks.py    compare_networks: layer by layer, gradient by gradient, trained side by side
    other_numbers.py  NUMBER_CHECKS: complex, whole, none at all, and at kinks
    transforms.py  TRANSFORM_CHECKS: vmap, batched gradients, meta tensors, checkpoints, compile, autocast
    tangents.py    and among these forward mode
    purity.py      PURITY_CHECKS: nothing but primitive operations
"""

from scratch.audit import PRIMITIVES, Audit, Impure
from scratch.testing.calls import (
    Case,
    Missing,
    Namespace,
    Source,
    bad,
    booleans,
    case,
    distinct,
    given,
    integers,
    normal,
    offers,
    packed,
    probabilities,
    resolve,
    source,
    uniform,
)
from scratch.testing.compare import Check, Mismatch, relative_error
from scratch.testing.contract import CONTRACT_CHECKS
from scratch.testing.layers import BAD_ARGUMENT_CHECKS, CHECKS
from scratch.testing.networks import (
    Row,
    compare_layers,
    compare_networks,
    compare_training,
    require_equal_networks,
    twins,
)
from scratch.testing.optimizers import (
    BAD_OPTIMIZER_CHECKS,
    OPTIMIZER_CHECKS,
    OptimizerCase,
    gradients_of,
    huge_gradients,
    missing_gradients,
    optimizer_case,
    quadratic,
    random_gradients,
    sparse_gradients,
)
from scratch.testing.other_numbers import NUMBER_CHECKS
from scratch.testing.purity import PURITY_CHECKS
from scratch.testing.tangents import tangents  # noqa: F401, entered in TRANSFORM_CHECKS
from scratch.testing.transforms import TRANSFORM_CHECKS

__all__ = [
    "BAD_ARGUMENT_CHECKS",
    "BAD_OPTIMIZER_CHECKS",
    "CHECKS",
    "CONTRACT_CHECKS",
    "NUMBER_CHECKS",
    "OPTIMIZER_CHECKS",
    "PRIMITIVES",
    "PURITY_CHECKS",
    "TRANSFORM_CHECKS",
    "Audit",
    "Case",
    "Check",
    "Impure",
    "Mismatch",
    "Missing",
    "Namespace",
    "OptimizerCase",
    "Row",
    "Source",
    "bad",
    "booleans",
    "case",
    "check",
    "compare_layers",
    "compare_networks",
    "compare_training",
    "distinct",
    "given",
    "gradients_of",
    "huge_gradients",
    "integers",
    "missing_gradients",
    "normal",
    "offers",
    "optimizer_case",
    "packed",
    "probabilities",
    "quadratic",
    "random_gradients",
    "relative_error",
    "require_equal_networks",
    "resolve",
    "source",
    "sparse_gradients",
    "twins",
    "uniform",
]


def check(
    case: Case, candidate: Namespace = "scratch.nn", reference: Namespace = "torch.nn"
) -> dict[str, float | None]:
    """Run every check of a layer's case; the largest relative error that each saw."""
    return {name: run(case, candidate, reference) for name, run in (CHECKS | CONTRACT_CHECKS).items()}
