"""The backward subjects of the power test are what they say they are.

Correct backward kernels, computed in float64, have the directional derivatives of the plainest loop;
in their own arithmetic they stay near that; mutants differ from their parents.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from theory_tests.contracts.simulated.backward_kernels import CORRECT
from theory_tests.contracts.simulated.inputs import backward_cases, directional_derivative

PARENTS = {kernel.name: kernel for kernel in CORRECT}
OPS = sorted({kernel.op for kernel in CORRECT})


def differentiable(case: dict) -> list[str]:
    return [name for name, x in case.items()
            if isinstance(x, np.ndarray) and x.dtype.kind == "f" and not name.startswith("cotangent_")]


@cache
def slopes(op: str) -> tuple:
    """For every case: {argument: (direction, derivative, size)}, along a random direction that leaves
    infinite entries alone."""
    found = []
    for n, case in enumerate(backward_cases(op)):
        rng, own = np.random.default_rng(n), {}
        for name in differentiable(case):
            direction = np.where(np.isfinite(case[name]), rng.standard_normal(case[name].shape), 0)
            own[name] = direction, *directional_derivative(op, case, name, direction)
        found.append(own)
    return tuple(found)


def exactly(kernel):
    """The kernel in float64 throughout."""
    return lambda **arguments: kernel.function.func(
        replace(kernel.plan, work="float64", formats={"out": "float64"}), **arguments
    )


@pytest.mark.parametrize("kernel", CORRECT, ids=lambda kernel: kernel.name)
def test_a_correct_kernel_in_float64_is_the_derivative_of_the_plain_loop(kernel):
    for case, own in zip(backward_cases(kernel.op), slopes(kernel.op), strict=True):
        assert set(case) <= kernel.accepts | {"cotangent_y", "cotangent_lse", "cotangent_final_state"}
        gradients = exactly(kernel)(**case)
        assert set(gradients) == set(own)
        for name, (direction, derivative, size) in own.items():
            assert gradients[name].shape == case[name].shape
            terms = np.where(direction == 0, 0, gradients[name] * direction)
            # The differenced numbers carry some 2^-51 of their size, divided by h = 2^-18.
            allowed = 1e-6 * np.abs(terms).sum() + 2.0**-33 * size
            assert abs(terms.sum() - derivative) <= allowed, (name, terms.sum(), derivative)
