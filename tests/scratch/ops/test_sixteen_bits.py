"""In sixteen bits each op rounds once, at its end: its numbers are no further from the truth than twice torch's own, or
one unit in the last place, whatever is drawn. One draw a case, as the table has it, does not show that."""

from dataclasses import replace

import pytest
import torch

from scratch.ops.norm.layer_norm import LayerNormFn
from scratch.testing.cases import CASES
from scratch.testing.layers import low_precision

pytestmark = pytest.mark.filterwarnings("ignore")
DTYPES = torch.float16, torch.bfloat16
NAMES = "CrossEntropyLoss", "NLLLoss", "LayerNorm", "Conv1d", "Conv2d", "functional.scaled_dot_product_attention"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_other_draws(name, dtype):
    for case in CASES:
        for seed in range(1, 6) if case.name == name and case.bfloat16 else ():
            low_precision(replace(case, seed=1000 * seed), "scratch.nn", "torch.nn", dtype, torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_the_formulas_keep_for_themselves_is_not_rounded(dtype):
    """The mean and the deviation of a row: each number of the gradient would be off by their errors."""
    y, mu, r = LayerNormFn.apply(torch.randn(4, 8, dtype=dtype), None, None, 1e-5)
    assert (y.dtype, mu.dtype, r.dtype) == (dtype, torch.float32, torch.float32)
