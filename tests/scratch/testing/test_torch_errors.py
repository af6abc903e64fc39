"""Where PyTorch is wrong: ours is right, PyTorch's is still not, and the page has every entry of the table."""

from pathlib import Path

import pytest
import torch
from packaging.version import Version

import scratch.nn
from scratch.testing.calls import TORCH
from scratch.testing.torch_errors import TORCH_ERRORS, TorchError
from scratch.testing.torch_errors_page import entry

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]
HERE = [error for error in TORCH_ERRORS if error.since <= TORCH]
each = pytest.mark.parametrize("error", HERE, ids=lambda error: error.what)
PAGE = Path(__file__).parents[3] / "docs/torch-errors.md"


@each
def test_ours_is_right(error: TorchError) -> None:
    assert (error.error(scratch.nn) <= error.tolerance) is not bool(error.followed)


@each
def test_pytorch_is_not(error: TorchError) -> None:
    """Where this fails, PyTorch has mended one: its entry gets ``mended``, the version."""
    right = bool(error.mended) and Version(torch.__version__) >= Version(error.mended)
    assert (error.error(torch.nn) <= error.tolerance) is right


@each
def test_the_page_is_current(error: TorchError) -> None:
    heading, _, _, _, right, _, code = entry(error).split("\n", 6)
    page = PAGE.read_text()
    assert heading in page
    assert right in page
    assert code in page


def test_the_page_has_no_other() -> None:
    assert PAGE.read_text().count("\n## ") == len(TORCH_ERRORS)
