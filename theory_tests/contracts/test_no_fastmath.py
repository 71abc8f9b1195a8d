"""Compiled code keeps IEEE arithmetic and the order of its sums, and its cache cannot be stale."""

import importlib
import os
import pkgutil
import subprocess
import sys

import numba
import pytest
from numba.core.dispatcher import Dispatcher

from realization import _kernels
from realization._kernels import jit


def dispatchers():
    """Yield (name, dispatcher) for everything compiled in realization._kernels."""
    for module in pkgutil.walk_packages(_kernels.__path__, "realization._kernels."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Dispatcher):
                yield f"{module.name}.{name}", value


def relaxed(dispatcher):
    return bool(dispatcher.targetoptions.get("fastmath")) or bool(dispatcher.targetoptions.get("parallel"))


def test_nothing_is_compiled_with_relaxed_arithmetic_or_threads():
    found = dict(dispatchers())
    assert len(found) > 30
    assert not [name for name, dispatcher in found.items() if relaxed(dispatcher)]


def test_the_inspection_would_see_it():
    assert relaxed(numba.njit(fastmath=True)(lambda x: x))
    assert relaxed(numba.njit(fastmath={"contract"})(lambda x: x))


@pytest.mark.parametrize("option", ["fastmath", "parallel"])
def test_jit_refuses_it(option):
    with pytest.raises(ValueError, match=option):
        jit.jit(lambda x: x, **{option: True})
    with pytest.raises(ValueError, match=option):
        jit.jit(**{option: True})


KERNEL = """
import numpy as np
from realization._kernels.jit import jit, specialise
operation = None
@jit
def plus(x): return x + {number}
def total(x):
    s = 0.0
    for i in range(x.size): s += operation(x[i])
    return s
kernel = specialise(total, operation=plus)
print(kernel(np.ones(3)), sum(kernel.stats.cache_hits.values()))
"""


def test_a_specialised_kernel_is_cached_and_an_edited_callee_is_seen(tmp_path):
    script = tmp_path / "kernel.py"
    path = os.pathsep.join([*sys.path, str(tmp_path)])
    environment = os.environ | {"PYTHONPATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(number):
        script.write_text(KERNEL.format(number=number))
        output = subprocess.run([sys.executable, "-m", "kernel"], env=environment, capture_output=True, text=True)
        assert output.returncode == 0, output.stderr
        return output.stdout.split()

    assert run(1) == ["6.0", "0"]
    assert run(1) == ["6.0", "1"]
    assert run(2) == ["9.0", "0"]
