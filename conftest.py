"""For tests and doctests alike."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _figures_are_closed():
    """Whatever a page, a test or a docstring has drawn: matplotlib warns of the twenty-first figure that is open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
