"""The product of two matrices: oneDNN's equals MKL's in every layout, and is taken nowhere where it must not."""

import pytest
import torch

from scratch.ops.core import product as module
from scratch.ops.core.product import add_product, fast, product
from scratch.testing import CHECKS
from scratch.testing.cases import CASES
from tests.conftest import case_parameters

needs_onednn = pytest.mark.skipif(module.ONEDNN is None, reason="oneDNN's product is for processors with AVX-512")


def laid_out(layout, rows, columns):
    made = {
        "rows": lambda: torch.randn(rows, columns),
        "columns": lambda: torch.randn(columns, rows).t(),
        "rows with gaps": lambda: torch.randn(rows, columns + 3)[:, :columns],
        "columns with gaps": lambda: torch.randn(columns, rows + 3)[:, :rows].t(),
        "one row": lambda: torch.randn(1, columns).expand(rows, columns),
        "one column": lambda: torch.randn(rows, 1).expand(rows, columns),
    }
    return made[layout]()


LAYOUTS = ["rows", "columns", "rows with gaps", "columns with gaps", "one row", "one column"]


@needs_onednn
@pytest.mark.parametrize("sizes", [(5, 7, 3), (3, 7, 5), (1, 4, 1), (1, 1, 6)])
@pytest.mark.parametrize("layout_b", LAYOUTS)
@pytest.mark.parametrize("layout_a", LAYOUTS)
def test_every_layout(layout_a, layout_b, sizes, monkeypatch):
    monkeypatch.setattr(module, "PAYS", 1)
    monkeypatch.setattr(module, "WORTH", 1)
    n, i, o = sizes
    a, b, plus = laid_out(layout_a, n, i), laid_out(layout_b, i, o), torch.randn(o)
    with torch.no_grad():
        assert fast(a, b)
        assert fast(a, b, adding=True)
        exact = a.double() @ b.double()
        for found, wanted in ((product(a, b), exact), (product(a, b, plus), exact + plus)):
            assert found.is_contiguous()
            torch.testing.assert_close(found.double(), wanted, rtol=0, atol=1e-5)
        out = torch.ones(n, o)
        add_product(out, a, b)
        torch.testing.assert_close(out.double(), 1 + exact, rtol=0, atol=1e-5)


@needs_onednn
def test_only_where_nothing_is_recorded_batched_or_of_another_type(monkeypatch):
    monkeypatch.setattr(module, "PAYS", 1)
    a, b = torch.randn(4, 4), torch.randn(4, 4)
    assert not fast(a, b)  # gradients are recorded
    with torch.no_grad():
        assert fast(a, b)
        assert not fast(a, b, adding=True)  # each number of the sum is of few products
        assert not fast(a.double(), b.double())
        assert not fast(a.to("meta"), b.to("meta"))
        torch.vmap(lambda x: x * [1, None][fast(x, b)])(torch.randn(3, 4, 4))


CALLERS = ["Linear", "Conv1d", "Conv2d", "Conv3d", "RNN", "LSTM", "GRU"]


@needs_onednn
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("case", "check"),
    case_parameters([c for c in CASES if c.name in CALLERS], {"float32": CHECKS["float32"]}, "scratch.nn", "torch.nn"),
)
def test_ops_with_it(case, check, monkeypatch):
    monkeypatch.setattr(module, "PAYS", 1)
    check(case, "scratch.nn", "torch.nn")
