"""Certified truth against ball arithmetic: the definition on balls is the independent route."""

from fractions import Fraction

import numpy as np
import pytest

from realization.certify.ball import balls, precision
from realization.certify.golden import golden
from realization.core.claim import Claim
from realization.core.pair import Pair
from realization.layers import OPS
from realization.layers.readings import lift
from realization.verify.cases import draw, usable

flint = pytest.importorskip("flint", reason="python-flint is the oracle here (extra certify)")

CLAIM = Claim(chunk=4)
NUMBERS = {name: op for name, op in OPS.items() if op.numbers}  # indices are exact in float64
REGIMES = [(name, r.name) for name, op in NUMBERS.items() for r in op.regimes if not r.exact]


def drawn(op, regime, T=9):
    """The case of this regime for every option."""
    accepts = {*op.arguments, "complex"}
    return [draw(op, f"{regime}.T{T}.o{o['index']}.s3", CLAIM, accepts).arguments for o in usable(op, accepts)]


def exactly(op, arguments, bits=600):
    """Outputs as arrays of balls, real and imaginary part apart."""
    with precision(bits):
        outputs = op.definition(**lift(op, arguments, balls))
    named = {n: x for n, x in zip(op.outputs, outputs, strict=True) if n in op.numbers}
    return {n: [x.real, x.imag] if isinstance(x, Pair) else [x] for n, x in named.items()}


@pytest.mark.parametrize("name, regime", REGIMES)
def test_the_radius_holds(name, regime, record_property):
    """|exact - (hi + lo)| <= radius, for every option; and the radius is worth having."""
    op, worst = OPS[name], 0.0
    for arguments in drawn(op, regime):
        truth, found = exactly(op, arguments), op.certified(arguments)
        for output, parts in truth.items():
            dd = [found[output].real, found[output].imag] if len(parts) == 2 else [found[output]]
            for part, x in zip(parts, dd, strict=True):
                some = x.hi > -np.inf  # but for the logarithm of an empty sum, of which nothing is claimed
                assert np.isfinite(x.radius[some]).all()
                assert some.all() or output in op.logarithms
                with precision(600):
                    for place, exact in np.ndenumerate(part):
                        if not some[place]:
                            continue
                        off = abs(flint.arb(exact) - float(x.hi[place]) - float(x.lo[place]))
                        assert bool(off.lower() <= float(x.radius[place]))
                        scale = float(np.abs(x.hi[some]).max()) or 1.0
                        worst = max(worst, float(x.radius[place]) / scale)
    record_property("largest radius over largest output", worst)
    assert worst < 2.0**-80


@pytest.mark.parametrize("name", NUMBERS)
def test_golden_values_are_the_correctly_rounded_ones(name):
    """They equal the rounded midpoint of 600-bit balls, in every bit; plain float64 does not."""
    op, different = OPS[name], 0
    for arguments in drawn(op, op.typical) + drawn(op, "cancelling"):
        truth, found = exactly(op, arguments), golden(op, arguments)
        plain = dict(zip(op.outputs, op.definition(**arguments), strict=True))
        for output, parts in truth.items():
            real, imag = ([float(flint.arb(x).mid()) for x in p.ravel()] for p in (parts * 2)[:2])
            want = np.array(real) + (1j * np.array(imag) if len(parts) == 2 else 0)
            want = want.reshape(found[output].value.shape)
            decided = found[output].decided
            if output in op.logarithms:  # of one term they may be ties, of none they are -inf
                assert decided[np.isfinite(want)].mean() > 0.9
            else:
                assert decided.all()
            np.testing.assert_array_equal(found[output].value[decided], want[decided])
            different += int((plain[output] != want).sum())
    assert different


def test_balls_decide_what_double_double_cannot():
    """1 + 2**-53 + 2**-130 rounds up, by less than the radius of any double-double."""
    op = OPS["selective_scan"]
    one = np.ones((1, 3, 1))
    u = np.array([1.0, 2.0**-53, 2.0**-170]).reshape(1, 3, 1)
    arguments = {"u": u, "delta": one, "A": np.zeros((1, 1)), "B": one, "C": one}
    assert not op.certified(arguments)["y"].rounded()[1].all()
    found = golden(op, arguments)["y"]
    assert (found.value[0, 2, 0], found.decided[0, 2, 0]) == (1 + 2.0**-52, True)
    assert "balls" in found.method


def cancelling_states(**more):
    """Two equal states read with opposite signs: exp(-1) - exp(-1), plus D u."""
    one, pair = np.ones((1, 2, 1)), np.ones((1, 2, 2))
    return {"u": one, "delta": one, "A": -np.ones((1, 2)), "B": pair, "C": pair * [1, -1]} | more


def test_exact_zeros_need_more_bits_than_float64_has_exponents():
    """Below 2**-1075 everything rounds to 0: balls of 2048 bits decide what 1024 do not."""
    y = golden(OPS["selective_scan"], cancelling_states())["y"]
    assert (y.value[0, 1, 0], y.decided[0, 1, 0]) == (0.0, True)
    assert y.method.endswith("2048 bits")


def test_ties_that_hang_on_rounded_numbers_keep_their_flag():
    """(1 + 2**-26)(1 + 2**-27) lies half way between two numbers; a zero that is not exact comes on top."""
    u = np.full((1, 2, 1), 1 + 2.0**-27)
    y = golden(OPS["selective_scan"], cancelling_states(u=u, D=np.array([1 + 2.0**-26])))["y"]
    assert not y.decided[0, 1, 0]
    exact = Fraction(1 + 2.0**-27) * Fraction(1 + 2.0**-26)
    got = Fraction(y.value[0, 1, 0]) + Fraction(y.low[0, 1, 0])
    assert abs(exact - got) <= Fraction(y.radius[0, 1, 0]) < Fraction(1, 2**90)


def test_exact_ties_are_decided_where_nothing_was_rounded():
    """1 + 2**-53 lies half way between two numbers: exact, so it goes to the even one."""
    op = OPS["selective_scan"]
    one = np.ones((1, 2, 1))
    u = np.array([1.0, 2.0**-53]).reshape(1, 2, 1)
    y = golden(op, {"u": u, "delta": one, "A": np.zeros((1, 1)), "B": one, "C": one})["y"]
    assert (y.value[0, 1, 0], y.decided[0, 1, 0]) == (1.0, True)
