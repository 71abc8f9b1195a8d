"""A double-double interval contains the exact result: for every operation, argument range and radius."""

import math
import operator
from fractions import Fraction

import numba
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realization._kernels import dd, jit
from realization.certify.ball import balls, correctly_rounded, precision
from realization.certify.dd import DD
from realization.core import functions
from realization.core.errors import ShapeError
from realization.core.rounding import FORMATS, round_to

flint = pytest.importorskip("flint", reason="python-flint is the oracle")
arb = flint.arb

# Error-free transforms ----------------------------------------------------------------------------


def safe(low, high):
    """Floats with exponents from low to high, either sign, and 0."""
    return st.builds(math.ldexp, st.floats(-1, 1, width=64), st.integers(low, high)).filter(
        lambda x: x == 0 or 2.0**low <= abs(x)
    )


two_sum = numba.njit(lambda a, b: dd.two_sum(a, b))
fast_two_sum = numba.njit(lambda a, b: dd.fast_two_sum(a, b))
products = {
    "fma": numba.njit(lambda a, b: jit.two_prod_fma(a, b)),
    "dekker": numba.njit(lambda a, b: jit.two_prod_dekker(a, b)),
}


@given(safe(-1074, 1000), safe(-1074, 1000))
@example(1.0, 2.0**-53)
@example(1.0, -(2.0**-54))
def test_a_sum_and_its_error_are_exact(a, b):
    s, e = two_sum(a, b)
    assert s == a + b
    assert Fraction(s) + Fraction(e) == Fraction(a) + Fraction(b)
    large, small = (a, b) if abs(a) >= abs(b) else (b, a)
    assert fast_two_sum(large, small) == (s, e)


@pytest.mark.parametrize("name", products)
@given(safe(-480, 480), safe(-480, 480))
def test_a_product_and_its_error_are_exact(name, a, b):
    p, e = products[name](a, b)
    assert p == a * b
    assert Fraction(p) + Fraction(e) == Fraction(a) * Fraction(b)


@pytest.mark.parametrize("name", products)
@given(safe(-1074, 400), safe(-1074, 400))
def test_a_product_that_underflows_is_off_by_less_than_tiny(name, a, b):
    p, e = products[name](a, b)
    assert abs(Fraction(p) + Fraction(e) - Fraction(a) * Fraction(b)) <= Fraction(dd.TINY) / 4


def test_relaxed_arithmetic_would_lose_the_error():
    """The control of the two tests above: the same source, compiled as `jit` refuses to."""
    relaxed = numba.njit(fastmath=True)(dd.two_sum.py_func)
    a, b = 1.0, 2.0**-60
    assert two_sum(a, b) == (1.0, b)
    assert relaxed(a, b) != (1.0, b)


# The contract of every operation -------------------------------------------------------------------

EXACT_BITS = 2500  # sums and products of double-doubles over the whole range are exact


@pytest.fixture(autouse=True)
def many_bits():
    before, flint.ctx.prec = flint.ctx.prec, EXACT_BITS
    yield
    flint.ctx.prec = before


def powers(rng, n, low, high):
    return 2.0 ** rng.uniform(low, high, n)


def signed(rng, x):
    return x * rng.choice([-1, 1], x.size)


RANGES = {
    "exponential": lambda rng, n: np.concatenate(
        [rng.uniform(-760, 709, n), 3 * rng.normal(size=n), signed(rng, powers(rng, n, -1074, 9)), [0.0]]
    ),
    "logarithm": lambda rng, n: np.concatenate(
        [-1 + powers(rng, n, -52, 0), rng.normal(size=n) ** 2, powers(rng, n, -1074, 1023.9), [0.0],
         -powers(rng, n, -1074, -1e-3)]
    ),
    "positive": lambda rng, n: np.concatenate([powers(rng, n, -1074, 1023.9), powers(rng, n, -60, 60), [0.0, 4.0]]),
    "any": lambda rng, n: signed(
        rng, np.concatenate([powers(rng, n, -1074, 1023.9), powers(rng, n, -60, 60), powers(rng, n, -500, -480)])
    ),
    "angle": lambda rng, n: np.concatenate(
        [rng.uniform(-1e4, 1e4, n), rng.normal(size=n), signed(rng, powers(rng, n, -1074, 33)),
         rng.integers(-9999, 9999, n) * (np.pi / 2), [0.0]]
    ),
    "threshold": lambda rng, n: 20 + signed(rng, powers(rng, n, -52, 3)),
}  # fmt: skip

UNARY = {
    ("exp", "exponential"): lambda x: x.exp(),
    ("expm1", "exponential"): lambda x: x.expm1(),
    ("phi1", "exponential"): lambda x: x.expm1() / x if x != 0 else arb(1),
    ("phi1_slope", "exponential"): lambda x: (x.exp() - x.expm1() / x) / x if x != 0 else arb(1) / 2,
    ("sigmoid", "exponential"): lambda x: 1 / (1 + (-x).exp()),
    ("silu", "exponential"): lambda x: x / (1 + (-x).exp()),
    ("tanh", "exponential"): lambda x: x.tanh(),
    ("softplus", "exponential"): lambda x: x.exp().log1p() if x <= 20 else x,
    ("softplus", "threshold"): lambda x: x.exp().log1p() if x <= 20 else x,
    ("log1p", "logarithm"): lambda x: x.log1p(),
    ("sqrt", "positive"): lambda x: x.sqrt(),
    ("reciprocal", "any"): lambda x: 1 / x,
    ("sin", "angle"): lambda x: x.sin(),
    ("cos", "angle"): lambda x: x.cos(),
}
BINARY = {
    "add": (operator.add, operator.add),
    "subtract": (operator.sub, operator.sub),
    "multiply": (operator.mul, operator.mul),
    "divide": (operator.truediv, operator.truediv),
    "maximum": (functions.maximum, lambda x, y: x.max(y)),
    "minimum": (functions.minimum, lambda x, y: x.min(y)),
    "exceeds": (functions.exceeds, lambda x, y: arb(1 if x > y else 0)),
}


def intervals(rng, x, width):
    """Double-doubles near x; half of them have a second word, all of them a radius below `width` |x|."""
    lo = x * rng.uniform(-1, 1, x.size) * 2.0**-54 * rng.integers(0, 2, x.size)
    return DD(x, lo, np.abs(x) * width * rng.uniform(0, 1, x.size))


def point(x, i, place):
    """The number of the i-th interval at `place` in [-1, 1] of its radius, as a ball of radius 0."""
    return arb(float(x.hi[i])) + arb(float(x.lo[i])) + arb(float(place)) * arb(float(x.radius[i]))


def excess(y, exact, arguments, rng):
    """max |exact - (hi + lo)| / radius over the intervals that claim something, arguments at ends and inside."""
    worst = 0.0
    places = np.where(rng.random((len(arguments), y.size)) < 0.5, -1.0, 1.0)
    places[:, ::2] = rng.uniform(-1, 1, places[:, ::2].shape)
    for i in np.flatnonzero(y.radius < np.inf):
        truth = exact(*(point(x, i, places[j, i]) for j, x in enumerate(arguments)))
        error = abs(truth - arb(float(y.hi[i])) - arb(float(y.lo[i]))).lower()
        radius = arb(float(y.radius[i]))
        if error > 0:
            worst = max(worst, float(error / radius) if radius > 0 else math.inf)
    return worst


@pytest.mark.parametrize("width", [0.0, 2.0**-100, 2.0**-60])
@pytest.mark.parametrize("name, span", UNARY)
def test_an_interval_contains_the_function(name, span, width):
    rng = np.random.default_rng(1)
    x = intervals(rng, RANGES[span](rng, 60), width)
    y = getattr(functions, name)(x)
    worst = excess(y, UNARY[name, span], (x,), rng)
    assert worst <= 1
    assert worst > 1e-4, "a radius that is never used would prove nothing"
    usual = (np.abs(y.hi) > 1e-280) & (np.abs(x.hi) < 1e8) & (np.abs(x.hi) > 1e-280)
    if width == 0 and name not in ("sin", "cos"):
        assert (y.radius[usual] <= 2.0**-96 * np.abs(y.hi[usual])).mean() > 0.95
    if name in ("sin", "cos"):
        assert (y.radius[usual] <= 2.0**-99 + (2.0**-104 + width) * np.abs(x.hi[usual]) + x.radius[usual]).all()


@pytest.mark.parametrize("name", ["sigmoid", "silu"])
def test_far_from_0_wide_intervals_stay_sharp(name):
    """Beyond 760 sigmoid is 0 or 1, whatever the width of the interval, and silu as wide as it or 0."""
    rng = np.random.default_rng(2)
    x = intervals(rng, np.array([800.0, 1e10, 1e36, -1000.0, -1e10, -1e36]), 2.0**-5)
    y = getattr(functions, name)(x)
    assert excess(y, UNARY[name, "exponential"], (x,), rng) <= 1
    allowed = x.radius * (1.0 if name == "silu" else 0.0) * (x.hi > 0)
    assert (y.radius <= 1.001 * allowed + np.abs(x.hi) * 1e-30).all()


@pytest.mark.parametrize("width", [0.0, 2.0**-100, 2.0**-60])
@pytest.mark.parametrize("cancelling", [False, True])
@pytest.mark.parametrize("name", BINARY)
def test_an_interval_contains_the_operation(name, cancelling, width):
    rng = np.random.default_rng(2)
    x = RANGES["any"](rng, 100)
    z = x * (1 + rng.choice([0, 2.0**-52, 2.0**-20, -0.5], x.size)) if cancelling else RANGES["any"](rng, 100)
    x, z = intervals(rng, x, width), intervals(rng, z, width)
    on_intervals, exact = BINARY[name]
    y = on_intervals(x, z)
    assert excess(y, exact, (x, z), rng) <= 1
    if width == 0:
        usual = (np.abs(y.hi) > 1e-200) & (np.abs(y.hi) < 1e200) & (np.abs(x.hi) > 1e-200)
        bound = np.abs(y.hi) if name not in ("add", "subtract") else np.abs(x.hi) + np.abs(z.hi)
        assert usual.any()
        assert (y.radius[usual] <= 2.0**-99 * bound[usual]).all()


def test_the_contract_can_be_broken():
    """The control: a radius that forgets the arguments' radii is found out."""
    rng = np.random.default_rng(3)
    x = intervals(rng, RANGES["exponential"](rng, 60), 2.0**-60)
    y = functions.exp(DD(x.hi, x.lo, 0 * x.radius))
    assert excess(y, lambda x: x.exp(), (x,), rng) > 1


def test_a_sum_along_an_axis_is_contained():
    rng = np.random.default_rng(4)
    x = intervals(rng, rng.normal(size=60) * 10.0 ** rng.integers(-9, 9, 60), 2.0**-90)
    columns = x.reshape(5, 3, 4)
    total = columns.sum(axis=1)
    assert total.shape == (5, 4)
    for i, j in np.ndindex(5, 4):
        exact = sum(point(columns[i, :, j], k, 1.0) for k in range(3))
        error = abs(exact - point(total[i : i + 1, j], 0, 0.0))
        assert error <= arb(float(total.radius[i, j]))


# What radius 0 and inf mean --------------------------------------------------------------------------


@given(st.lists(st.integers(-999, 999), min_size=3, max_size=3))
def test_integers_stay_exact(numbers):
    """Also an exact zero by cancellation, which no interval of positive width could certify."""
    a, b, c = (DD.exact(float(n)) for n in numbers)
    d = a * b + c * a - a * (b + c)
    value, decided = d.rounded()
    assert (value, d.radius, decided) == (0, 0, True)


NOWHERE = {
    "1 / 0": lambda: DD.exact(1.0) / 0.0,
    "1 / an interval around 0": lambda: DD.exact(1.0) / DD(1e-30, 0.0, 1e-29),
    "overflow": lambda: DD.exact(1e200) * 1e200,
    "exp(710)": lambda: functions.exp(DD.exact(710.0)),
    "exp of anything": lambda: functions.exp(DD(0.0, 0.0, np.inf)),
    "sqrt(-1)": lambda: functions.sqrt(DD.exact(-1.0)),
    "sqrt of an interval with negative numbers": lambda: functions.sqrt(DD(1.0, 0.0, 2.0)),
    "log(0)": lambda: functions.log1p(DD.exact(-1.0)),
    "log of an interval with negative numbers": lambda: functions.log1p(DD(0.0, 0.0, 1.5)),
    "0 inf": lambda: DD.exact(np.inf) * 0.0,
}


@pytest.mark.parametrize("name", NOWHERE)
def test_what_has_no_finite_value_claims_nothing(name):
    y = NOWHERE[name]()
    assert y.radius == np.inf
    assert not y.rounded()[1]


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", [*dict(UNARY), *BINARY], ids=str)
def test_nothing_follows_from_what_is_not_finite(name, x):
    y = BINARY[name][0](DD.exact(x), DD.exact(1.0)) if name in BINARY else getattr(functions, name[0])(DD.exact(x))
    assert y.radius == np.inf


def test_rounding_is_decided_where_both_ends_agree():
    ulp = 2.0**-52
    hi = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0])
    lo = np.array([0.0, 0.5 * ulp, 0.49 * ulp, 0.49 * ulp, 0.0, 0.0, -0.24 * ulp])
    radius = np.array([0.4 * ulp, 0.0, 0.009 * ulp, 0.02 * ulp, 0.0, 5e-324, 0.02 * ulp])
    value, decided = DD(hi, lo, radius).rounded()
    assert (value == hi).all()
    # the second is a tie, and known to be one; below 1 the numbers are twice as dense
    assert decided.tolist() == [False, True, True, False, True, False, False]


def nearest(x, form):
    """Round a fraction to a format without an exponent range: ties to even."""
    form = FORMATS[form]
    exponent = math.frexp(float(x))[1] if x else 0
    exponent += (abs(x) >= Fraction(2) ** exponent) - (abs(x) < Fraction(2) ** (exponent - 1))
    place = Fraction(2) ** (max(exponent, form.emin + 1) - form.precision)
    return round(x / place) * place


@pytest.mark.parametrize("form", [name for name in FORMATS if name != "float64"])
def test_a_cast_is_exact_where_the_interval_rounds_to_one_number(form):
    rng = np.random.default_rng(5)
    x = rng.normal(size=300) * 2.0 ** rng.integers(-20, 6, 300)
    ties = round_to(x, form) * (1 + rng.choice([-1, 1], 300) * 2.0 ** -FORMATS[form].precision)
    x = np.concatenate([x, ties])
    y = DD(x, signed(rng, 1e-20 * np.abs(x)), 1e-23 * np.abs(x))
    cast = functions.cast(y, form)
    assert (cast.radius == 0).all()
    assert (cast.lo == 0).all()
    for i in range(x.size):
        middle, radius = Fraction(float(y.hi[i])) + Fraction(float(y.lo[i])), Fraction(float(y.radius[i]))
        assert nearest(middle - radius, form) == cast.hi[i] == nearest(middle + radius, form)
    wide = functions.cast(DD(1.0, 0.0, 0.25), form)
    assert wide.hi + wide.radius >= 1.25
    assert wide.hi - wide.radius <= 0.75


def test_a_tie_is_decided_by_the_second_word():
    """1 + 2**-8 lies half way between two bfloat16 numbers."""
    middle = 1 + 2.0**-8
    cast = functions.cast(DD([middle] * 3, [0.0, 2.0**-60, -(2.0**-60)], 0.0), "bfloat16")
    assert cast.hi.tolist() == [1.0, 1 + 2.0**-7, 1.0]
    assert (cast.radius == 0).all()
    assert functions.cast(DD(middle, 0.0, 2.0**-60), "bfloat16").radius > 0


def test_numbers_that_float64_does_not_hold_are_refused():
    assert DD.exact(2**53).hi == 2.0**53
    with pytest.raises(ShapeError, match="int64"):
        DD.exact(2**53 + 1)
    with pytest.raises(ShapeError, match="complex128"):
        DD.exact(1j)


def test_operators_defer_and_arrays_broadcast():
    x = DD.exact(np.arange(3.0))
    y = np.ones((2, 1)) * x - 2
    assert y.shape == (2, 3)
    assert (y.hi == [[-2, -1, 0]] * 2).all()
    assert functions.concatenate([x, np.ones(1)], axis=0).hi.tolist() == [0, 1, 2, 1]
    assert functions.where(np.array([True, False, True]), x, 9.0).hi.tolist() == [0, 9, 2]
    assert ((1 / (x + 1)).hi == [1, 0.5, 1 / 3]).all()
    with pytest.raises(ValueError, match="read-only"):
        x.hi[0] = 7


# Balls ------------------------------------------------------------------------------------------------


@given(st.integers(-(2**130), 2**130), st.integers(-1200, 800))
@example(2**53 + 1, 0)
@example(2**54 + 2, -1100)
@example(3, -1075)
def test_a_ball_is_rounded_once(mantissa, exponent):
    """Also to subnormal numbers, where rounding to 53 bits first would round twice."""
    exact = Fraction(mantissa) * Fraction(2) ** exponent
    value, decided = correctly_rounded(arb(mantissa) * arb(2) ** exponent)
    assert decided
    assert value == float(exact)


def test_an_interval_and_a_ball_round_to_the_same_float64():
    x = np.linspace(-700, 700, 99)
    value, decided = functions.exp(DD.exact(x)).rounded()
    with precision(200):
        exact = [correctly_rounded(ball) for ball in np.exp(balls(x))]
    assert decided.all()
    assert exact == [(y, True) for y in value]
    with precision(20):
        assert not correctly_rounded(balls([1.0])[0].exp())[1], "the control: 20 bits decide nothing"
