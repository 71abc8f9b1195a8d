"""The table of elementary functions against ball arithmetic: derivatives, variations, roundings."""

import numpy as np
import pytest

from realization.certify.dd import DD
from realization.certify.err import Err
from realization.certify.table import TABLE
from realization.core import functions
from realization.core.claim import Claim

flint = pytest.importorskip("flint")

WIDE = np.concatenate([np.linspace(-80, 80, 81), np.linspace(-3, 3, 25), [0.49, 0.51, 19.5, 20.0, 20.5]])
POINTS = {
    "exp": WIDE,
    "expm1": WIDE,
    "phi1": np.concatenate([WIDE, [1e-9, -1e-9, 1e-3, -1e-3]]),
    "phi1_slope": np.concatenate([WIDE, [1e-9, -1e-9, 1e-3, -1e-3]]),
    "softplus": WIDE,
    "sigmoid": WIDE,
    "silu": WIDE,
    "tanh": np.concatenate([WIDE, [1e-9, -1e-9, 1e-3, -1e-3]]),
    "sin": np.linspace(-30, 30, 97),
    "cos": np.linspace(-30, 30, 97),
    "log1p": np.concatenate([-1 + np.logspace(-6, -0.1, 30), np.logspace(-8, 6, 30)]),
    "sqrt": np.logspace(-30, 6, 37),
    "reciprocal": np.concatenate([np.logspace(-20, 20, 41), -np.logspace(-20, 20, 41)]),
}
BITS = 800
every_function = pytest.mark.parametrize("name", POINTS)


def balls(x):
    return np.vectorize(flint.arb, otypes=[object])(x)


def slope_of(number, name, x):
    """The derivative that the table gives, read by a number type."""
    x = number(x)
    return TABLE[name].derivative(getattr(functions, name)(x), x, *parameters(name))[0]


def floats(x):
    return np.vectorize(float, otypes=[float])(x)


def parameters(name):
    return (functions.SOFTPLUS_THRESHOLD,) if name == "softplus" else ()


def truth(name, x):
    """Values of the function at floats, as balls."""
    return getattr(functions, name)(balls(x))


def test_every_row_is_tested():
    """The table has no other rows than these, and those that compare."""
    assert set(TABLE) == set(POINTS) | {"maximum", "minimum", "exceeds"}


@every_function
def test_derivatives(name):
    """dy/dx against differences at 800 bits, to a few units of float64 over the whole range."""
    x = POINTS[name][POINTS[name] != functions.SOFTPLUS_THRESHOLD]
    y = getattr(functions, name)(x)
    slope = TABLE[name].derivative(y, x, *parameters(name))[0]
    with flint.ctx.workprec(BITS):
        h = flint.arb(2) ** -250
        f = getattr(functions, name)
        want = floats((f(balls(x) + h) - f(balls(x) - h)) / (2 * h))
    # sums of two terms of these sizes, which cancel; cos(x) has an argument of absolute accuracy
    far = np.maximum(np.abs(x), 0.5)
    size = {
        "silu": functions.sigmoid(x) * (1 + np.abs(x)),
        "sigmoid": y,
        "tanh": np.ones(x.shape),
        "phi1": want + 2 * y / far,
        "phi1_slope": want + 2 * y / np.maximum(np.abs(x), 1e-9),
    }.get(name, np.abs(want))
    tolerance = 16 * 2.0**-53 * np.maximum(np.abs(want), size)
    assert (np.abs(slope - want) <= tolerance).all()
    assert not (np.abs(slope * (1 + 1e-13) - want) <= tolerance).all()


@every_function
def test_derivatives_are_certified_in_double_double(name):
    """The same formula read with DD holds the derivative, to many more digits than a float64."""
    x = POINTS[name][POINTS[name] != functions.SOFTPLUS_THRESHOLD]
    if name in ("phi1_slope", "phi1"):
        x = x[np.abs(x) < 60]  # further out phi1 falls off as 1/x^2 from differences
    slope = slope_of(DD.exact, name, x)
    with flint.ctx.workprec(BITS):
        h, f = flint.arb(2) ** -250, getattr(functions, name)
        want = (f(balls(x) + h) - f(balls(x) - h)) / (2 * h)
        off = floats(abs(want - balls(slope.hi) - balls(slope.lo)))
    assert (off <= slope.radius + 2.0**-200).all()
    # where it is a difference, relative to its terms
    size = np.maximum(np.abs(slope.hi), 2.0**-20 if name in ("silu", "sigmoid", "tanh", "phi1_slope") else 0)
    size = np.where((name == "phi1_slope") & (np.abs(x) < 1e-2), size / 1e-9, size)
    assert (slope.radius <= 2.0**-64 * size).all()
    assert not (floats(abs(want * (1 + 2.0**-60) - balls(slope.hi) - balls(slope.lo))) <= slope.radius).all()


# A derivative as float32 code forms it: from the output, or from quantities at hand.
FORMED = {
    "exp": lambda y, x: y,
    "sigmoid": lambda y, x: y * (1 - y),
    "silu": lambda y, x: (s := 1 / (1 + np.exp(-x))) * (1 + x * (1 - s)),
    "softplus": lambda y, x: np.where(x > 20, np.float32(1), np.exp(x) / (np.exp(x) + 1)),
    "tanh": lambda y, x: 1 - y * y,
    "phi1": lambda y, x: np.where(x == 0, np.float32(0.5), (np.exp(x) - y) / np.where(x == 0, 1, x)),
    "sqrt": lambda y, x: np.float32(0.5) / y,
    "reciprocal": lambda y, x: -y * y,
}


@pytest.mark.parametrize("name", FORMED)
def test_derivatives_in_float32_stay_within_their_bound(name):
    """The same formula read with Err; the controls: a dropped term does not stay within, nor does 1 % more."""
    x = POINTS[name].astype(np.float32)
    x = x[(np.abs(x) < 30) & (np.abs(x) > 1e-10)] if POINTS[name] is not WIDE else x[np.abs(x) < 80]
    with np.errstate(all="ignore"):
        got = FORMED[name](getattr(functions, name)(x), x).astype(float)
    bound = slope_of(lambda x: Err(x, claim=Claim()), name, x)
    assert (np.abs(got - bound.value) <= bound.error).all()
    assert (np.abs(1.01 * got - bound.value) > bound.error).any()
    if name == "silu":
        assert (np.abs(functions.sigmoid(x.astype(float)) - bound.value) > bound.error).mean() > 0.5


def test_steps_are_uncertain_where_errors_reach_them():
    """[x > y] may be either where the numbers are closer than their errors, also in the derivative of a maximum."""
    x, y = np.array([1.0, 1.0, 1.0, 2.0]), np.array([2.0, 1.0, 0.5, 1.95])
    assert functions.exceeds(x, y).tolist() == [0, 0, 1, 1]
    near = functions.exceeds(Err(x, 0.1, claim=Claim()), y)
    assert near.value.tolist() == [0, 0, 1, 1]
    assert near.error.round(5).tolist() == [0, 1, 0, 1]
    assert functions.exceeds(Err(x, claim=Claim()), y).error.round(5).tolist() == [0, 1, 0, 0]
    sure = functions.exceeds(DD.exact(x), y)
    assert sure.hi.tolist() == [0, 0, 1, 1]
    assert not sure.radius.any()
    wide = functions.exceeds(DD(x, 0 * x, 0 * x + 0.1), y)
    assert wide.radius.tolist() == [0, 1, 0, 1]
    assert functions.exceeds(DD(1.0, 2.0**-60, 0.0), 1.0).hi == 1
    slopes = TABLE["maximum"].derivative(None, Err(x, 0.1, claim=Claim()), y)
    assert [s.value.tolist() for s in slopes] == [[0, 0, 1, 1], [1, 1, 0, 0]]
    assert (slopes[1].error >= [0, 1, 0, 1]).all()


@every_function
def test_variations_hold_and_are_not_loose(name):
    """|f(x + d) - f(x)| <= variation for |d| <= e, and for small e nearly attained."""
    rng, x = np.random.default_rng(0), POINTS[name]
    inside = {"log1p": 1 + x, "sqrt": x, "reciprocal": np.abs(x)}.get(name, np.ones(x.shape))
    y = getattr(functions, name)(x)
    for small in (1e-12, 1e-6, 1e-3, 0.1, 0.9, 3.0):
        e = small * inside if small < 1 else np.full(x.shape, small)
        row = TABLE[name].variation
        with np.errstate(all="ignore"):
            allowed = row(e, y, x, *parameters(name)) * (1 + 1e-14)
        reached = np.zeros(x.shape)
        for part in (-1.0, 1.0, *rng.uniform(-1, 1, 4)):
            d = e * part
            ok = (x + d > {"log1p": -1, "sqrt": 0}.get(name, -np.inf)) & (x + d != 0) & np.isfinite(allowed)
            with flint.ctx.workprec(BITS):
                moved = getattr(functions, name)(balls(x[ok]) + balls(d[ok])) - truth(name, x[ok])
                reached[ok] = np.maximum(reached[ok], floats(abs(moved)))
        assert (reached <= allowed).all()
        if small <= 1e-3 and name not in ("sin", "cos", "phi1_slope"):  # bounded without regard to the slope
            loose = np.abs(x - 20) > 2e-3 if name == "softplus" else np.abs(x + 1.278) > 0.1 if name == "silu" else True
            assert (allowed <= 1.01 * reached)[np.broadcast_to(loose, x.shape)].all()


LOG2E = np.float32(np.log2(np.e))


def by_exp2(x):
    """An exponential as hardware forms it."""
    return np.exp2(x * LOG2E)


IMPLEMENTATIONS = {
    "by exp2": {
        "exp": by_exp2,
        "sigmoid": lambda x: 1 / (1 + by_exp2(-x)),
        "silu": lambda x: x / (1 + by_exp2(-x)),
        "softplus": lambda x: np.where(x > 20, x, np.log1p(by_exp2(np.minimum(x, np.float32(20))))),
    },
    "as defined": {name: getattr(functions, name) for name in POINTS},
}
EDGES = np.array([-104.0, -103.9, -103.0, -88.8, -88.7, -88.0, -87.4, -87.3, -1e-38, 1e-38, 87.0, 88.0, 88.7, 88.8])


@pytest.mark.parametrize("way", IMPLEMENTATIONS)
@every_function
def test_float32_stays_within_the_roundings(way, name, record_property):
    """Every sane float32 implementation, subnormal results included; beyond the largest float32 there is no bound."""
    if name not in IMPLEMENTATIONS[way]:
        way = "as defined"
    edges = EDGES if POINTS[name] is WIDE else EDGES[:-1] if name == "phi1" else []  # phi1 needs exp(x) to fit
    x = np.concatenate([POINTS[name], edges]).astype(np.float32)
    with np.errstate(all="ignore"):
        got = IMPLEMENTATIONS[way][name](x)
    assert got.dtype == np.float32
    allowed = getattr(functions, name)(Err(x, claim=Claim())).error
    with flint.ctx.workprec(BITS):
        want = truth(name, x.astype(float))
        error = floats(abs(want - balls(np.where(np.isfinite(got), got, 0).astype(float))))
    decided = np.isfinite(allowed)
    assert np.isfinite(got[decided]).all()
    assert (error <= allowed)[decided].all()
    assert decided.mean() > 0.9
    record_property("worst", float((error / allowed)[decided & (allowed > 0)].max(initial=0)))


@pytest.mark.parametrize(
    "name, careless, at",
    [
        ("softplus", lambda x: np.log(1 + np.exp(x)), -14.0),
        ("log1p", lambda x: np.log(1 + x), 1e-4),
        ("expm1", lambda x: np.exp(x) - 1, 1e-4),
        ("exp", lambda x: np.exp(x * np.float32(1 + 1e-5)), 60.0),
    ],
)
def test_careless_implementations_do_not(name, careless, at):
    """log(1 + x) for log1p(x) and its like lose digits that the bound does not grant."""
    x = np.float32([at])
    exact = getattr(functions, name)(x.astype(float))
    assert np.abs(careless(x) - exact) > getattr(functions, name)(Err(x, claim=Claim())).error


def test_softplus_steps_at_its_threshold():
    """At 20 it jumps by 2e-9; an argument that may lie on either side is charged for it."""
    above = np.nextafter(20.0, 21.0)
    assert functions.softplus(above) == above
    assert functions.softplus(20.0) == np.log1p(np.exp(20.0)) > above
    jump = functions.softplus(20.0) - 20.0
    claim = Claim(io="float64", accumulate="float64")
    for x, e in ((20.0, 1e-12), (above, 1e-12)):
        assert functions.softplus(Err(x, e, claim=claim)).error >= jump
    assert functions.softplus(Err(20.1, 1e-12, claim=claim)).error < jump / 100


@pytest.mark.parametrize("size", [50.0, 300.0, 1e10, 1e31])
def test_far_from_0_silu_is_x_or_0_however_uncertain(size):
    """The error of x is passed on where silu(x) = x, and ends where silu(x) = 0; float32 within it keeps the bound."""
    x, e = size * np.array([1.0, -1.0]), size / 16
    bound = functions.silu(Err(x, e, claim=Claim())).error
    assert e <= bound[0] <= 1.1 * e
    assert bound[1] <= 2 * size * np.exp(-size / 1.1) + 2 * (1 + size) * 2.0**-126
    moved = (x + e * np.random.default_rng(0).uniform(-1, 1, (1000, 2))).astype(np.float32)
    moved = np.clip(moved, *(np.float32(x - 0.999 * e), np.float32(x + 0.999 * e)))
    with np.errstate(over="ignore"):
        got = moved / (1 + np.exp(-moved))
    assert (np.abs(got - functions.silu(x)) <= bound).all()
    assert (np.abs(got - functions.silu(x))[:, 0] > 0.9 * bound[0]).any()


@pytest.mark.parametrize("u", [2.0**-24, 2.0**-8])
def test_exponentials_count_all_orders(u):
    """exp2(x log2 e) with two roundings of u each: exp(2 |x| u) - 1, which 2 |x| u does not cover in bfloat16."""
    x = np.array([-60.0, 60.0])
    worst = np.exp(x) * np.expm1(2 * np.abs(x) * u)
    assert (TABLE["exp"].roundings(u, np.exp(x), x) >= worst).all()
    assert (np.exp(x) * 2 * np.abs(x) * u < worst).all()
