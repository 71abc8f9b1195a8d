"""The compiled elementary functions are right to a few units in the last place, over the whole range."""

import math

import numba
import numpy as np
import pytest

from realization._kernels import elementary
from realization.core import functions

flint = pytest.importorskip("flint", reason="python-flint is the oracle")
arb = flint.arb


@pytest.fixture(autouse=True)
def many_bits():
    before, flint.ctx.prec = flint.ctx.prec, 2400
    yield
    flint.ctx.prec = before


def wide(rng):
    tiny = rng.choice([-1, 1], 300) * 2.0 ** rng.uniform(-1074, 9, 300)
    near = rng.choice([-1, 1], 50) * np.log(2) * (rng.integers(0, 9, 50) + 0.5 + 1e-12 * rng.normal(size=50))
    return np.concatenate([rng.uniform(-750, 709.7, 600), 3 * rng.normal(size=600), tiny, near])


def above_minus_one(rng):
    x = [-1 + 2.0 ** rng.uniform(-53, 0, 400), rng.normal(size=400), 2.0 ** rng.uniform(-1074, 1023.9, 400)]
    x = np.concatenate([*x, -(2.0 ** rng.uniform(-1074, -1, 200))])
    return x[x > -1]


def not_near_zero(rng):
    x = wide(rng)
    return x[(np.abs(x) > 1e-3) & (x > -4)]  # far below, the difference cancels by a factor |x|


# name: arguments, the function of balls, units in the last place
TABLE = {
    "exp": (wide, lambda x: x.exp(), 1.0),
    "expm1": (wide, lambda x: x.expm1(), 2.0),
    "phi1": (wide, lambda x: x.expm1() / x, 2.0),
    "phi1_slope": (not_near_zero, lambda x: (x.exp() - x.expm1() / x) / x, 8.0),  # a difference of two values
    "sigmoid": (wide, lambda x: 1 / (1 + (-x).exp()), 2.0),
    "silu": (wide, lambda x: x / (1 + (-x).exp()), 2.5),
    "tanh": (wide, lambda x: x.tanh(), 2.5),
    "softplus": (wide, lambda x: x.exp().log1p() if x <= 20 else x, 2.0),
    "log1p": (above_minus_one, lambda x: x.log1p(), 1.0),
}


def compiled(function):
    """Return a loop over the function of `core.functions`, as a kernel that calls it is compiled."""

    @numba.njit(error_model="numpy")
    def loop(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    def values(x):
        y = np.empty_like(x)
        loop(x, y)
        return y

    return values


def units(y, exact):
    """|y - exact| in units of the last place of a float64 of that size."""
    size = max(abs(float(exact)), 2.0**-1022)
    return float(abs(arb(float(y)) - exact) / arb(math.ulp(size)))


@pytest.mark.parametrize("name", TABLE)
def test_error_in_units_of_the_last_place(name):
    draw, exact, limit = TABLE[name]
    x = draw(np.random.default_rng(0))
    y = compiled(getattr(functions, name))(x)
    worst = max(units(b, exact(arb(float(a)))) for a, b in zip(x, y, strict=True))
    assert worst <= limit
    assert worst > 0.5, "the control: nothing here is correctly rounded, and the measure shows it"


EDGES = [-math.inf, -1e300, -1.0, -0.0, 0.0, 1.0, 1e300, math.inf, math.nan]


@pytest.mark.parametrize("name", [*TABLE, "sqrt", "reciprocal", "sin", "cos"])
@pytest.mark.filterwarnings("ignore")
def test_edges_are_those_of_the_definition(name):
    x = np.array(EDGES[1:-2] + [math.nan] if name in ("sin", "cos") else EDGES)
    with np.errstate(all="ignore"):
        expected = getattr(functions, name)(x)
    if name == "silu":
        expected[0] = 0.0  # the limit; the definition says -inf 0
    if name == "phi1":
        expected[-2] = np.inf  # the limit; the definition says inf / inf
    np.testing.assert_allclose(compiled(getattr(functions, name))(x), expected, rtol=1e-15)


def test_a_subnormal_result_is_rounded_once():
    x = np.linspace(-745.2, -708, 500)
    y = compiled(functions.exp)(x)
    assert max(units(b, arb(float(a)).exp()) for a, b in zip(x, y, strict=True)) <= 1
    assert compiled(functions.exp)(np.array([-745.0, -746.0, 709.78, 709.79])).tolist() == [5e-324, 0, *y[:0],
        pytest.approx(1.7928227943945155e308), np.inf]  # fmt: skip


def test_a_map_is_compiled_as_it_stands():
    """One source: plain Python on arrays and compiled on numbers give the same."""

    def gated(y, u, D, z):
        return (y + u * D) * functions.silu(z) + functions.softplus(z, 3.0) * functions.maximum(y, functions.exp(u))

    fast = numba.njit(gated)
    rng = np.random.default_rng(0)
    for arguments in rng.normal(size=(20, 4)):
        np.testing.assert_allclose(fast(*arguments), gated(*arguments), rtol=1e-14)


def test_a_maximum_with_nan_is_nan():
    larger = numba.njit(lambda x, y: elementary.maximum(x, y))
    smaller = numba.njit(lambda x, y: elementary.minimum(x, y))
    assert (larger(1.0, 2.0), smaller(1.0, 2.0)) == (2.0, 1.0)
    assert all(math.isnan(f(*pair)) for f in (larger, smaller) for pair in ((1.0, math.nan), (math.nan, 1.0)))
