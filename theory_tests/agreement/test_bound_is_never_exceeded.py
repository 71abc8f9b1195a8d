"""Low precision, simulated by rounding every result once, never exceeds the bound of its claim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.certify.rounded import Rounded
from realization.core.claim import Claim
from realization.core.rounding import format_of, round_to
from realization.layers import OPS
from realization.layers.gradients import gradient_of
from realization.layers.readings import lift, read

FORMATS = ("float32", "tf32", "bfloat16")
T, CHUNK = 24, 8
# Those that return numbers: indices have no bound.
ALL = {op.name: op for forward in OPS.values() if forward.numbers for op in (forward, gradient_of(forward))}
# Regimes in which a tolerance has to be useful: moderate memory, no cancellation, no extreme numbers.
ORDINARY = ("fading-3", "fading-c/2", "fading-c", "positive", "generic")
# What the controls put out of tune: the rates of a scan, the taps of a convolution, the values of an attention.
TUNED = ("A", "weight", "value", "output_weight")


def parts(x):
    """Real and imaginary parts of an output of any number type."""
    return [x.real, x.imag] if hasattr(x, "imag") and not isinstance(x, np.ndarray) else [x]


def moderate(op):
    """A memory as long as a chunk, where there is one."""
    return next(r for r in op.regimes if r.name in ("fading-c", op.typical))


def draw(op, regime, options, form, seed):
    """A case whose numbers are numbers of the format: inputs carry no rounding."""
    case = op.cases(regime, options, T=T, chunk=CHUNK, rng=np.random.default_rng(seed), form=format_of(form))

    def shorten(x):
        x = np.asarray(x)
        if x.dtype.kind == "c":
            return round_to(x.real, form) + 1j * round_to(x.imag, form)
        return round_to(x, form) if x.dtype.kind == "f" else x

    case = {name: shorten(x) if name in op.axes.arguments else x for name, x in case.items()}
    if "dt_limit" in case:
        case["dt_limit"] = tuple(float(round_to(x, form)) for x in case["dt_limit"])
    return case


def ratios(op, case, form, *, wrong=1.0):
    """err/tol of every entry of the outputs, of a kernel that works in the format throughout."""
    tuned = {name: wrong * case[name] for name in TUNED if name in case}
    kernel = lift(op, case | tuned, lambda x: Rounded(x, form))
    low = op.named(op.definition(**kernel))
    bounds = op.bound(case, Claim(io=form, accumulate=form))
    found = []
    for got, allowed in ((low[name], bounds[name]) for name in op.numbers if name in bounds):
        for g, b in zip(parts(got), parts(allowed), strict=True):
            with np.errstate(invalid="ignore", divide="ignore"):
                off = np.where(g.value == b.value, 0.0, np.abs(g.value - b.value))  # the logarithm of an empty sum
                ratio = off / b.error
            decided = np.isfinite(b.error) & (b.error > 0)
            assert (off[b.error == 0] == 0).all()
            found.append(np.where(decided, ratio, 0.0).ravel())
    return np.concatenate(found)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("op", ALL.values(), ids=ALL)
def test_no_regime_and_no_option_exceeds_the_bound(op, form, record_property):
    """Every regime, and every combination of options; the ordinary ones are not bounded absurdly loosely."""
    worst = {}
    for regime, i in combined(op):
        worst[regime.name, i] = ratios(op, draw(op, regime, op.options[i], form, 0), form).max(initial=0.0)
    where = max(worst, key=worst.get)
    ordinary = float(np.median([x for (name, _), x in worst.items() if name in ORDINARY]))
    record_property("worst", f"{worst[where]:.3f} at {where}")
    record_property("ordinary", f"{ordinary:.3f}")
    assert worst[where] <= 1, where
    # some dozens of terms, each partial sum rounded to bfloat16, leave the worst case of a softmax without a digit
    assert ordinary > 0.005 or (form == "bfloat16" and not op.fades)


def combined(op):
    """Regimes with all options; for gradients, which take longer, by turns, and all options in the typical regime."""
    options = range(len(op.options))
    if op.name in OPS:
        return [(regime, i) for regime in op.regimes for i in options]
    turns = [(regime, (n + k) % len(options)) for n, regime in enumerate(op.regimes) for k in range(2)]
    return turns + [(moderate(op), i) for i in options]


@settings(max_examples=60)
@given(
    name=st.sampled_from(sorted(ALL)),
    form=st.sampled_from(FORMATS),
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_draw_exceeds_the_bound(name, form, data, seed):
    """Whatever the seed."""
    op = ALL[name]
    regime, options = (data.draw(st.sampled_from(known)) for known in (op.regimes, op.options))
    assert ratios(op, draw(op, regime, options, form, seed), form).max(initial=0.0) <= 1


@pytest.mark.parametrize("op", ALL.values(), ids=ALL)
def test_a_parameter_that_is_a_percent_off_exceeds_it(op):
    """The control: float32 with decay rates, taps or values 1 % off is far beyond the bound."""
    case = draw(op, moderate(op), op.options[0], "float32", 0)
    assert ratios(op, case, "float32").max() < 1
    assert ratios(op, case, "float32", wrong=1.01).max() > 20


@pytest.mark.parametrize("op", ALL.values(), ids=ALL)
def test_arithmetic_coarser_than_claimed_exceeds_it(op):
    """The control: bfloat16 arithmetic is not within the bound of a float32 claim."""
    case = draw(op, moderate(op), op.options[0], "bfloat16", 0)
    low, allowed = read(op, case, lambda x: Rounded(x, "bfloat16")), op.bound(case, Claim())
    first = op.outputs[0]
    assert (np.abs(low[first].value - allowed[first].value) > 10 * allowed[first].error).any()


def test_where_numbers_overflow_there_is_no_bound():
    """A state beyond the largest float32 has the bound infinity, also in outputs after it has faded again."""
    op = OPS["selective_scan"]
    steps = np.ones((1, 4, 1))
    huge = np.array([1e25, 0, 0, 0])[None, :, None]
    case = {"u": huge, "delta": 40 * steps, "A": -np.ones((1, 1)), "B": np.full((1, 4, 1), 1e15), "C": steps * 1e-20}
    error = op.bound(case, Claim())["y"].error
    assert np.isinf(error).all()
    assert np.isfinite(op.bound(case | {"u": huge * 1e-6}, Claim())["y"].error).all()
