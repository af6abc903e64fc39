"""The equivalence harness: does a layer compute what its reference computes, and are its gradients exact?

    python -m scratch.testing their.package                  every layer, loss, function and optimizer of a package
    pytest --pyargs scratch.testing --impl their.package.nn  the same as tests
    check(my_gelu, torch.nn.functional.gelu, inputs=[normal(4, 5)])  one of one's own

Packages are given by their importable names. A check compares a candidate with a reference on one case,
returns the largest relative error it saw (None where it does not apply), and raises `Mismatch` with what
differs, where, and how to rerun it. The checks stand in tables by name:

    calls.py       what to compare: Case, a call, and the sources of its inputs
    packages.py    what a package offers under a name, and how it takes a call that was written for another
    cases/         the table of what is compared, a file for each op
    compare.py     when two results count as equal; Mismatch
    running.py     one side of a case, built, called and differentiated
    layers.py      CHECKS: outputs and derivatives of a layer, loss or function
    contract.py    CONTRACT_CHECKS: signature, initial weights, state_dict, copies, repr
    optimizers.py  OPTIMIZER_CHECKS: parameters and state after every step
    networks.py    compare_networks: layer by layer, gradient by gradient, trained side by side
    other_numbers.py  NUMBER_CHECKS: complex, whole, none at all, and at kinks
    transforms.py  TRANSFORM_CHECKS: vmap, batched gradients, meta tensors, checkpoints, compile, autocast
    tangents.py    and among these forward mode, also in itself and over vmap
    purity.py      PURITY_CHECKS: nothing but primitive operations
    own.py         check: a class or function of one's own

and what is said of a check that fails, in

    findings.py    the cause in a line, the numbers, who is right
    diagnosis.py   what kind of wrong: hypotheses about two tensors that differ
    rules.py       the same of optimizers, by experiments
    truth.py       which of two is right: finite differences and sixty digits
    torch_errors.py  where torch itself is wrong
    pages.py       the derivation of an op

and how it is run and shown, in

    suite.py       Task, Result: every check of every case
    plan.py        from the words of a command to jobs
    workers.py     jobs in processes of their own
    report.py, html.py  counts, causes, files
    exercises.py   ops of which the backward is left blank, to be written and checked
    __main__.py    the command;  test_equivalence.py and handgrad_pytest.py  the same for pytest
"""

from scratch.primitive import PRIMITIVES, Audit, Impure
from scratch.testing.calls import (
    Case,
    Source,
    bad,
    booleans,
    case,
    distinct,
    given,
    integers,
    normal,
    packed,
    probabilities,
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
from scratch.testing.own import check
from scratch.testing.packages import Missing, Namespace, load, offers, resolve
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
    "load",
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
