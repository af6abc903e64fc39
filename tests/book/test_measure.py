"""What the times on the book's pages are measured of."""

import pytest

pytest.importorskip("sphinx", reason="the book's extra is not installed")

from book.extension.catalog import ops, optimizers
from book.measure import OTHERS, configurations, described, other_task, rows


def test_every_row_of_the_times_has_its_page_and_its_own_title():
    config = configurations(["plain"])["plain"]
    found = [(page, described(name, config)) for page, name, _, _ in rows(config)]
    pages = {source.stem for source in (*ops(), *optimizers())}
    assert {page for page, _ in found} <= pages
    assert len(set(found)) == len(found) > 60


@pytest.mark.parametrize("page", OTHERS)
def test_a_task_of_its_own_runs(page):
    for form in ("plain", "native"):
        config = configurations([form])[form]
        other_task(page, config.impl)()
