"""The backward subjects of the power test are what they say they are.

Correct backward kernels, computed in float64, have the directional derivatives of the plainest loop;
in their own arithmetic they stay near that; mutants differ from their parents.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from theory_tests.contracts.simulated import CORRECT_BACKWARD as CORRECT
from theory_tests.contracts.simulated import MUTANTS_BACKWARD as MUTANTS
from theory_tests.contracts.simulated.arithmetic import rounded
from theory_tests.contracts.simulated.inputs import OUTPUTS, backward_cases, directional_derivative

PARENTS = {kernel.name: kernel for kernel in CORRECT}
UNIT = {
    "float64": 2.0**-53, "float32": 2.0**-24, "mma_fp32": 2.0**-23, "tf32": 2.0**-11, "bfloat16": 2.0**-8,
}
#: Arguments with one row per token: their gradients come in the output format.
TOKENS = frozenset(
    "u x delta dt B C z query key value beta log_decay fading fading_query fading_key fading_value features".split()
)


#: Arguments that decide and are not differentiated: their gradient is 0.
DECIDES = frozenset({"surprise"})


def differentiable(case: dict) -> list[str]:
    return [name for name, x in case.items()
            if isinstance(x, np.ndarray) and x.dtype.kind == "f" and not name.startswith("cotangent_")]


@cache
def slopes(op: str) -> tuple:
    """For every case: {argument: (direction, derivative, size)}, along a random direction that leaves
    infinite entries, and what only decides, alone."""
    found = []
    for n, case in enumerate(backward_cases(op)):
        rng, own = np.random.default_rng(n), {}
        for name in differentiable(case):
            moves = np.isfinite(case[name]) & (name not in DECIDES)
            direction = np.where(moves, rng.standard_normal(case[name].shape), 0)
            own[name] = direction, *directional_derivative(op, case, name, direction)
        found.append(own)
    return tuple(found)


def departs(function, case: dict, own: dict) -> list[str]:
    """Arguments whose gradient is not the derivative of the plain loop; a score hidden by -inf has none."""
    gradients = function(**case)
    assert set(gradients) == set(own)
    wrong = []
    for name, (direction, derivative, size) in own.items():
        assert gradients[name].shape == case[name].shape
        terms = np.where(direction == 0, 0, gradients[name] * direction)
        # The differenced numbers carry some 2^-51 of their size, divided by h = 2^-18.
        allowed = 1e-6 * np.abs(terms).sum() + 2.0**-33 * size
        still = np.isinf(case[name]) | (name in DECIDES)
        if not abs(terms.sum() - derivative) <= allowed or gradients[name][still].any():
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("kernel", CORRECT, ids=lambda kernel: kernel.name)
def test_a_correct_kernel_in_float64_is_the_derivative_of_the_plain_loop(kernel):
    for case, own in zip(backward_cases(kernel.op), slopes(kernel.op), strict=True):
        assert set(case) <= kernel.accepts | {f"cotangent_{name}" for name in OUTPUTS[kernel.op]}
        assert not departs(kernel.exactly, case, own)


# These are right formulas that float32 cannot evaluate: exp(90) overflows, 1 - exp(-1e-4) cancels.
RIGHT_IN_FLOAT64 = ("softplus' as exp / (1 + exp)", "softplus' as 1 - exp(-softplus)")


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.kind == "structure"], ids=lambda mutant: mutant.name)
def test_a_structural_mutant_in_float64_is_not(mutant):
    """Control: the derivative of the plain loop tells them apart."""
    every = zip(backward_cases(mutant.op), slopes(mutant.op), strict=True)
    wrong = any(departs(mutant.exactly, case, own) for case, own in every)
    assert wrong != mutant.name.endswith(RIGHT_IN_FLOAT64)


@pytest.mark.parametrize("kernel", CORRECT, ids=lambda kernel: kernel.name)
def test_a_correct_kernel_keeps_a_third_of_its_digits(kernel):
    """The formulas are proven above; this says that no format is too small for them.  A third, because a
    cumulative sum that cancels costs up to four digits of seven.  Scores in the hundreds and values with a
    large mean are left out: what remains of dp - delta there is mostly rounding, and of a layer's only token all."""
    claim = kernel.claim
    allowed = max(UNIT[claim[key]] for key in ("accumulate", "operand", "state", "out")) ** (1 / 3)
    for case in backward_cases(kernel.op):
        if max(np.abs(case.get(name, 0)).max(initial=0) for name in ("key", "value")) > 8:
            continue
        if kernel.op == "bmojo_layer" and case["x"].shape[1] == 1:
            continue
        gradients, exact = kernel.function(**case), kernel.exactly(**case)
        for name, g in gradients.items():
            assert g.dtype in (np.float32, np.float64)
            assert np.abs(g - exact[name]).max(initial=0) <= allowed * np.abs(exact[name]).max(initial=0) + 1e-30
            if name in TOKENS:
                np.testing.assert_array_equal(rounded(g, claim["out"]), g)


def test_names_are_unique():
    names = [subject.name for subject in (*CORRECT, *MUTANTS)]
    assert len(set(names)) == len(names)


def _same_bits(left: dict, right: dict) -> bool:
    return all(np.array_equal(left[name], right[name], equal_nan=True) for name in right)


@cache
def _answers(name: str) -> tuple:
    return tuple(PARENTS[name].function(**case) for case in backward_cases(PARENTS[name].op))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_differs_from_its_parent_unless_equivalent(mutant):
    assert mutant.claim == PARENTS[mutant.parent].claim
    same = [_same_bits(mutant.function(**case), answer)
            for case, answer in zip(backward_cases(mutant.op), _answers(mutant.parent), strict=True)]
    assert all(same) if mutant.equivalent else not all(same)
