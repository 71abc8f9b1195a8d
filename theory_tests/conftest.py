"""Hypothesis profiles (HYPOTHESIS_PROFILE=dev | ci | deep) and the `real` marker."""

import importlib.util
import os

import numpy as np
import pytest
from hypothesis import settings

# suites of users, run inside the tests of the plugin
pytest_plugins = "pytester"
# PyTorch's threads cost fifteen times the work on the small tensors of the tests
os.environ.setdefault("OMP_NUM_THREADS", "1")

# deadline=None: the first call of a kernel compiles it
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=200, derandomize=True, print_blob=True, deadline=None)
settings.register_profile("deep", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture
def record_property(record_property):
    """pytest's own, given Python's numbers: a worker can send no others to the report."""
    return lambda name, value: record_property(name, np.asarray(value).tolist())


def pytest_runtest_setup(item):
    """Skip a test marked `real("torch", ...)` where one of the packages is absent."""
    for marker in item.iter_markers("real"):
        absent = [name for name in marker.args if importlib.util.find_spec(name) is None]
        if absent:
            pytest.skip(f"{', '.join(absent)} not installed; python3 dev.py test --real tries to")
