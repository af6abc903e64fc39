"""docs/torch-errors.md has every entry of the table, with the code of today."""

from pathlib import Path

from scratch.testing.torch_errors import TORCH_ERRORS
from scratch.testing.torch_errors_page import entry


def test_the_page_is_current() -> None:
    page = (Path(__file__).parents[3] / "docs/torch-errors.md").read_text()
    for error in TORCH_ERRORS:
        heading, _, _, _, right, _, code = entry(error).split("\n", 6)
        assert heading in page
        assert right in page
        assert code in page
    assert page.count("\n## ") == len(TORCH_ERRORS)
