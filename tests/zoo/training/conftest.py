"""These tests are of runs, and drawing pictures took a quarter of their time: only those that look draw them."""

import pytest


@pytest.fixture
def drawn():
    """Asks for pictures that are drawn."""


@pytest.fixture(autouse=True)
def undrawn_unless_asked(request):
    if "drawn" not in request.fixturenames:
        request.getfixturevalue("undrawn")
