"""Rounding to a format, against hardware, ml_dtypes, bit masks and the list of all numbers."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.rounding import FORMATS, format_of, round_to

RNG = np.random.default_rng(0)
# all bit patterns are as likely: every exponent, subnormal numbers and infinities
SINGLES = RNG.integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
SINGLES = SINGLES[~np.isnan(SINGLES)]
DOUBLES = RNG.integers(0, 2**64, 10**5, dtype=np.uint64).view(np.float64)
DOUBLES = np.concatenate([DOUBLES, SINGLES, RNG.standard_normal(10**5)])
EIGHT_BIT = {"float8_e5m2": ml_dtypes.float8_e5m2, "float8_e4m3fn": ml_dtypes.float8_e4m3fn}


def same(a, b):
    """Bit equality, signs of zero included; one NaN is as good as another."""
    return np.array_equal(a, b, equal_nan=True) and (np.isnan(a) | (np.signbit(a) == np.signbit(b))).all()


@pytest.mark.parametrize("name, dtype", [("float32", np.float32), ("float16", np.float16), ("float64", np.float64)])
def test_hardware_formats(name, dtype):
    """float64 -> float32 and float16 is one rounding in NumPy as well."""
    x = DOUBLES[~np.isnan(DOUBLES)]
    with np.errstate(over="ignore", under="ignore"):
        assert same(round_to(x, name), x.astype(dtype).astype(np.float64))


@pytest.mark.parametrize("name", ["bfloat16", *EIGHT_BIT])
def test_ml_dtypes_agree_on_singles(name):
    """From float32, ml_dtypes rounds once; its e4m3fn overflows to NaN, which is a policy."""
    x = SINGLES[np.isfinite(SINGLES)]
    dtype = getattr(ml_dtypes, name)
    # of e4m3fn keep what is near its range: beyond it nothing is left to compare
    got = round_to(x, name, overflow="nan" if name == "float8_e4m3fn" else None)
    with np.errstate(all="ignore"):
        want = x.astype(dtype).astype(np.float64)
    assert same(got, want)
    assert np.isfinite(got).mean() > 0.4


def test_tf32_is_float32_with_thirteen_bits_less():
    """Add half a unit, ties to even, and mask."""
    x = SINGLES[np.isfinite(SINGLES)]
    bits = x.view(np.uint32)
    with np.errstate(over="ignore"):
        want = ((bits + np.uint32(0xFFF) + ((bits >> 13) & 1)) & np.uint32(0xFFFFE000)).view(np.float32)
    assert same(round_to(x, "tf32"), want.astype(np.float64))
    truncated = (bits & np.uint32(0xFFFFE000)).view(np.float32)
    assert not same(round_to(x, "tf32"), truncated.astype(np.float64))


@pytest.mark.parametrize("name", EIGHT_BIT)
def test_nearest_of_all_numbers(name):
    """Of all finite numbers the nearest is chosen, and of two the one with an even last bit."""
    bits = np.arange(128, dtype=np.uint8)
    numbers = bits.view(EIGHT_BIT[name]).astype(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    middles = (numbers[:-1] + numbers[1:]) / 2
    x = np.concatenate([RNG.uniform(0, numbers[-1], 5000), 2.0 ** RNG.uniform(-20, 0, 5000), middles])
    distance = np.abs(x[:, None] - numbers)
    even = np.arange(len(numbers)) % 2
    best = numbers[np.argmin(distance + 1e-30 * even * (distance == distance.min(1, keepdims=True)), axis=1)]
    tie = (distance == distance.min(1, keepdims=True)).sum(1) == 2
    best[tie] = [numbers[np.flatnonzero((d == d.min()) & (even == 0))[0]] for d in distance[tie]]
    assert tie.sum() >= len(middles)
    assert same(round_to(x, name), best)
    assert same(round_to(-x, name), -best)
    assert format_of(name).largest == numbers[-1]
    assert format_of(name).smallest == numbers[1]


@pytest.mark.parametrize("policy, beyond", [("inf", np.inf), ("saturate", 448.0), ("nan", np.nan)])
def test_overflow(policy, beyond):
    """Beyond the largest number, after rounding, each policy has its answer; before, none applies."""
    x = np.array([448.0, 463.9, 464.0, 465.0, 1e300, np.inf, -465.0])
    want = np.array([448.0, 448.0, 448.0, beyond, beyond, beyond, -beyond])
    assert np.array_equal(round_to(x, "float8_e4m3fn", overflow=policy), want, equal_nan=True)
    assert np.isnan(round_to(np.nan, "float8_e4m3fn", overflow=policy))


def test_once_is_not_twice():
    """1 + 2**-8 + 2**-40 is above the middle of two bfloat16; float32 in between moves it onto the tie."""
    x = np.array([1 + 2.0**-8 + 2.0**-40])
    assert round_to(x, "bfloat16") == 1 + 2.0**-7
    assert round_to(round_to(x, "float32"), "bfloat16") == 1
    assert x.astype(np.float32).astype(ml_dtypes.bfloat16).astype(float) == 1


@given(st.floats(allow_nan=False), st.sampled_from(sorted(FORMATS)))
def test_rounding_is_a_projection_with_error_u(x, name):
    """Rounding twice to one format is rounding once; the error is at most u |x|, or half the smallest number."""
    form = FORMATS[name]
    y = float(round_to(x, form))
    assert float(round_to(y, form)) == y
    if abs(x) <= form.largest:
        assert abs(y - x) <= max(form.u * abs(x), form.smallest / 2)
