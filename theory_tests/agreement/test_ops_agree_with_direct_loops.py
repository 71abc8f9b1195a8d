"""The definition of every op against its textbook loop, which shares no line with it."""

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.core.rounding import FORMATS
from realization.layers import OPS

DECIDES = ("surprise",)  # it is compared and nothing else: small changes are not seen
FLOAT64 = Claim(io="float64", accumulate="float64")
every_op = pytest.mark.parametrize("op", OPS.values(), ids=OPS)


def draw(op, regime, options, T):
    return op.cases(regime, options, T=T, chunk=16, rng=np.random.default_rng(1), form=FORMATS["float32"])


def error_of(x):
    """The error of a bound, of a complex number its modulus."""
    return x.error if hasattr(x, "error") else np.hypot(x.real.error, x.imag.error)


def off(op, got, case):
    """Worst |got - definition| / (2 bound), both in float64."""
    worst = 0.0
    for one, other, bound in zip(op.definition(**case), got, op.bound(case, FLOAT64).values(), strict=True):
        assert one.shape == other.shape == bound.shape
        allowed = np.maximum(2 * error_of(bound), 1e-300)
        assert np.isfinite(allowed).all()
        with np.errstate(invalid="ignore"):  # the logarithm of an empty sum is -inf by both
            worst = max(worst, np.where(one == other, 0.0, np.abs(one - other) / allowed).max(initial=0.0))
    return worst


@pytest.mark.parametrize("T", [0, 1, 15, 33])
@every_op
def test_definition_and_direct_loop_agree(op, T, record_property):
    """In all regimes with all options, within the sum of both float64 bounds."""
    worst = 0.0
    for regime in op.regimes:
        for options in op.options:
            case = draw(op, regime, options, T)
            with np.errstate(over="ignore"):  # the loop forms 1 + exp(-z) and log(1 + exp(x)) as they stand
                worst = max(worst, off(op, op.direct(**case), case))
    record_property("worst", worst)
    assert worst <= 1


@every_op
def test_every_argument_matters(op):
    """The control: changes of 1e-9 in any one argument that has a say are seen by this comparison."""
    memory, rng = next(r for r in op.regimes if r.name in ("fading-c", op.typical)), np.random.default_rng(0)
    seen = set()
    for options in op.options:
        case = draw(op, memory, options, 33)
        for name, x in case.items():
            if not (isinstance(x, np.ndarray) and x.dtype.kind in "fc"):
                continue
            noise = rng.uniform(0.5, 1, x.shape)  # not one factor, to which a norm is blind
            other = zip(op.definition(**case), op.definition(**case | {name: x * (1 + 0.1 * noise)}), strict=True)
            if any(not np.array_equal(a, b) for a, b in other):
                seen.add(name)
                step = 0.1 if name in DECIDES else 1e-9
                assert off(op, op.direct(**case | {name: x * (1 + step * noise)}), case) > 1, (options, name)
    assert seen == {k for options in op.options for k in arrays(draw(op, memory, options, 33))}


def arrays(case):
    return [k for k, x in case.items() if isinstance(x, np.ndarray) and x.dtype.kind in "fc"]


@every_op
def test_exact_regimes_are_exact(op):
    """On integers that are kept or wiped out both routes have the same bits."""
    for regime in (r for r in op.regimes if r.exact):
        for options in op.options:
            case = draw(op, regime, options, 33)
            with np.errstate(over="ignore"):
                looped = op.direct(**case)
            for name, one, other in zip(op.outputs, op.definition(**case), looped, strict=True):
                if name not in op.logarithms:
                    assert np.array_equal(one, other), (regime.name, options)
                    assert one.any() or not one.size  # a single tap keeps no state
