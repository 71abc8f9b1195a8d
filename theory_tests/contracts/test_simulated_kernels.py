"""The subjects of the power test are what they say they are.

Correct kernels follow the plainest float64 loop, to a loose factor; mutants differ from their
parents in bits, on some input that excites them; equivalent mutants never do.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from theory_tests.contracts import simulated
from theory_tests.contracts.simulated import CORRECT, MUTANTS
from theory_tests.contracts.simulated.arithmetic import rounded
from theory_tests.contracts.simulated.inputs import cases, ssd_case

UNIT = {
    "float64": 2.0**-53, "float32": 2.0**-24, "mma_fp32": 2.0**-23, "tf32": 2.0**-11,
    "float16": 2.0**-11, "bfloat16": 2.0**-8,
}
PARENTS = {kernel.name: kernel for kernel in CORRECT}


# -- tests ------------------------------------------------------------------------------------


def test_rounding_agrees_with_ml_dtypes():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(20000) * 2.0 ** rng.integers(-140, 120, 20000)
    single = x.astype(np.float32)
    expected = single.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(rounded(single, "bfloat16"), expected)
    mantissa, exponent = np.frexp(x)
    normal = np.abs(x) >= 2.0**-126
    expected = np.ldexp(np.rint(np.ldexp(mantissa, 11)), exponent - 11)
    np.testing.assert_array_equal(rounded(x, "tf32")[normal], expected[normal])
    truncated = rounded(x, "mma_fp32")
    assert np.all(np.abs(truncated) <= np.abs(x))
    away = np.nextafter(truncated, np.copysign(np.float32(np.inf), truncated))
    assert np.all(np.abs(away) > np.abs(x))


def test_the_subjects_know_nothing_of_the_library():
    """Else the judge might share a mistake with the accused."""
    folder = Path(simulated.__file__).parent
    assert not [file.name for file in folder.glob("*.py") if "realization" in file.read_text(encoding="utf-8")]


def test_names_are_unique():
    names = [subject.name for subject in (*CORRECT, *MUTANTS)]
    assert len(set(names)) == len(names)


def _reach(claim, case) -> float:
    """How far a log-decay goes within a chunk: a rounded exponent of that size."""
    if "log_decay" in case:
        return np.abs(case["log_decay"]).max(initial=0) * (claim["chunk"] or 1)
    if "A" not in case:
        return 0.0
    step = case["delta"] if "delta" in case else case["dt"]
    return np.abs(step).max(initial=0) * np.abs(case["A"]).max() * (claim["chunk"] or 1)


def _near(got, want, size, factor, u_out, floor) -> bool:
    with np.errstate(invalid="ignore"):
        near = np.abs(got - want) <= factor * size + 2 * u_out * np.abs(want) + floor + 1e-37
    return bool(np.all(near | (got == want)))


@pytest.mark.parametrize("kernel", CORRECT, ids=lambda kernel: kernel.name)
def test_a_correct_kernel_follows_the_plain_loop(kernel):
    claim = kernel.claim
    inner = max(UNIT[claim[key]] for key in ("accumulate", "operand", "state"))
    for case, answer in cases(kernel.op):
        assert set(case) <= kernel.accepts
        factor = 64 * inner + (8 + _reach(claim, case)) * UNIT[claim["accumulate"]]
        found = kernel.function(**case)
        # Half precision underflows: an absolute error of 2^-24 per product.
        floor = 2.0**-18 * (1 + np.abs(answer[0]).max(initial=0)) if "float16" in claim.values() else 0
        for n, (got, want, size) in enumerate(zip(found, answer[::2], answer[1::2], strict=True)):
            assert got.shape == want.shape
            if want.dtype.kind == "i":
                np.testing.assert_array_equal(got, want)
                continue
            form = claim["out" if n == 0 else "state"]
            if n == 0:
                assert got.dtype in (np.float32, np.float64)
                np.testing.assert_array_equal(rounded(got, form), got)
            assert _near(got, want, size, factor, UNIT[form], floor)


@pytest.mark.parametrize("kernel", CORRECT, ids=lambda kernel: kernel.name)
def test_a_correct_kernel_in_float64_is_the_plain_loop(kernel):
    for case, answer in cases(kernel.op):
        factor = (64 + _reach(kernel.claim, case)) * UNIT["float64"]
        for got, want, size in zip(kernel.exactly(**case), answer[::2], answer[1::2], strict=True):
            assert _near(got, want, size, factor, 0, 0)


@pytest.mark.parametrize("kernel", [k for k in CORRECT if k.op == "ssd"], ids=lambda k: k.name)
def test_a_correct_kernel_ignores_slack_rows(kernel):
    clean = ssd_case(30, 40, cu_seqlens=[0, 21, 33], softplus=True)
    poisoned = {name: value.copy() if name in {"x", "dt", "B", "C", "z"} else value
                for name, value in clean.items()}
    for name in ("x", "dt", "B", "C", "z"):
        poisoned[name][:, 33:] = np.nan
    assert _same_bits(kernel.function(**clean), kernel.function(**poisoned))


def _same_bits(left, right) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True))


@cache
def _answers(name: str) -> tuple:
    kernel = PARENTS[name]
    return tuple(kernel.function(**case) for case, _ in cases(kernel.op))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_differs_from_its_parent_unless_equivalent(mutant):
    assert mutant.claim == PARENTS[mutant.parent].claim
    inputs = [case for case, _ in cases(mutant.op)]
    same = [_same_bits(mutant.function(**case), answer)
            for case, answer in zip(inputs, _answers(mutant.parent), strict=True)]
    assert all(same) if mutant.equivalent else not all(same)
