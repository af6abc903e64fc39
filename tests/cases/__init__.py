"""The one table of equivalence cases: what is compared with torch.nn, a file for each family of layers."""

from tests.cases import conv, linear, pool

CASES = [*conv.CASES, *linear.CASES, *pool.CASES]
BAD_ARGUMENTS = [*conv.BAD_ARGUMENTS, *linear.BAD_ARGUMENTS, *pool.BAD_ARGUMENTS]
