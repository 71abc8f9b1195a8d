"""Short convolutions in pieces, packed, decoded token by token; and that wrong ones are found."""

from fractions import Fraction

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.rounding import round_to
from realization.layers import CAUSAL_CONV1D, OPS, causal_conv1d
from realization.verify import cases, run
from realization.verify.report import text
from realization.verify.subject import plain
from realization.verify.verdict import output_format

routes = pytest.mark.parametrize("conv", [CAUSAL_CONV1D.definition, CAUSAL_CONV1D.kernel], ids=["definition", "kernel"])
widths = pytest.mark.parametrize("width", [1, 2, 3, 4, 12])


def drawn(width, T=9, d=3, b=2):
    rng = np.random.default_rng(width)
    return {
        "x": rng.standard_normal((b, T, d)), "weight": rng.standard_normal((d, width)), "bias": rng.standard_normal(d),
        "initial_state": rng.standard_normal((b, d, width - 1)), "activation": True,
    }  # fmt: skip


@routes
@widths
def test_cut_anywhere_it_is_the_whole(conv, width):
    """Bit for bit, also where a piece is shorter than the state, is empty, or is one token at a time."""
    case = drawn(width)
    whole = conv(**case)
    for cuts in [*((c,) for c in range(10)), tuple(range(1, 9))]:
        ys, state = [], case["initial_state"]
        for piece in np.split(case["x"], cuts, axis=1):
            y, state = conv(**case | {"x": piece, "initial_state": state})
            ys.append(y)
        assert np.array_equal(np.concatenate(ys, axis=1), whole.y)
        assert np.array_equal(state, whole.final_state)
        forgetful = conv(**case | {"x": case["x"][:, cuts[0] :], "initial_state": None})  # the control
        assert width == 1 or cuts[0] in (0, 9) or not np.array_equal(forgetful.y, whole.y[:, cuts[0] :])


@routes
@widths
def test_packed_sequences_are_their_parts(conv, width):
    """By offsets each has its own initial state and leaves its own; by an index what lies before a change is 0."""
    case, offsets = drawn(width, T=11, b=1), [0, 1, 1, 4, 9]
    states = np.random.default_rng(9).standard_normal((4, 3, width - 1))
    packed = conv(**case | {"cu_seqlens": offsets, "initial_state": states})
    assert not packed.y[:, 9:].any()
    index = np.searchsorted(offsets, np.arange(11), side="right")[None]
    indexed = conv(**case | {"seq_idx": index})
    for i, (a, b) in enumerate(zip(offsets[:-1], offsets[1:], strict=True)):
        part = case | {"x": case["x"][:, a:b]}
        alone = conv(**part | {"initial_state": states[i : i + 1]})
        assert np.array_equal(packed.y[:, a:b], alone.y)
        assert np.array_equal(packed.final_state[i], alone.final_state[0])
        fresh = conv(**part | ({"initial_state": None} if a else {}))
        assert np.array_equal(indexed.y[:, a:b], fresh.y)
    last = conv(**case | {"x": case["x"][:, 9:], "initial_state": None})
    assert np.array_equal(indexed.final_state, last.final_state)


@pytest.mark.parametrize("name", ["definition", "kernel", "direct"])
def test_the_activation_is_silu_or_none(name):
    """By its names as by True; nothing by None as by False; another one is refused and not taken for silu."""
    conv, case = getattr(CAUSAL_CONV1D, name), drawn(3)
    on, off = (conv(**case | {"activation": x}).y for x in (True, False))
    assert np.allclose(on, off / (1 + np.exp(-off)), rtol=1e-14)
    assert not np.allclose(on, off)
    for same in ("silu", "swish", np.True_):
        assert np.array_equal(conv(**case | {"activation": same}).y, on)
    for same in (None, np.False_):
        assert np.array_equal(conv(**case | {"activation": same}).y, off)
    for other in ("relu", "gelu", "SiLU", "", 1, 0.0, np.ones(3), np.tanh):
        with pytest.raises(ShapeError, match="given; True or 'silu', or None or False to leave it out, is needed"):
            conv(**case | {"activation": other})


def test_a_realization_has_the_same_activations():
    weight, x = np.ones((1, 1)), np.array([[2.0]])
    on, off = (CAUSAL_CONV1D.as_realization(weight=weight, activation=a).readout(x)[0, 0] for a in ("silu", None))
    assert (on, off) == (pytest.approx(2 / (1 + np.exp(-2.0))), 2.0)
    with pytest.raises(ShapeError, match="activation='relu' given"):
        CAUSAL_CONV1D.as_realization(weight=weight, activation="relu")


def test_an_index_that_comes_back_is_another_sequence():
    """Step 2 has the index of step 0 and does not see it; without a change it does."""
    case = {"x": [[[1.0], [0.0], [0.0]]], "weight": [[1.0, 0.0, 0.0]]}
    assert not causal_conv1d(**case, seq_idx=[[0, 1, 0]]).y.any()
    assert causal_conv1d(**case, seq_idx=[[0, 0, 0]]).y[0, 2, 0] == 1.0


def test_rationals_stay_rationals():
    """The definition moves and sums whatever it is given: exact numbers give exact results."""
    thirds = np.array([Fraction(n, 3) for n in range(1, 7)], dtype=object).reshape(1, 6, 1)
    taps = np.array([[Fraction(1, 7), Fraction(-2, 5)]], dtype=object)
    y = causal_conv1d(x=thirds, weight=taps, bias=np.array([Fraction(1, 2)], dtype=object)).y
    assert y[0, 2, 0] == Fraction(1, 2) + Fraction(2, 3) / 7 - Fraction(3, 3) * 2 / 5
    assert all(isinstance(v, Fraction) for v in y.ravel())


def test_a_state_of_inputs_has_their_format():
    """It is never in the accumulator; the state of a recurrence is."""
    claim = Claim(io="bfloat16")
    assert output_format(CAUSAL_CONV1D, "final_state", claim).name == "bfloat16"
    assert output_format(OPS["ssd"], "final_state", claim).name == "float32"
    assert output_format(CAUSAL_CONV1D, "y", claim.replace(out="float32")).name == "float32"


# Kernels ----------------------------------------------------------------------


def kernel(
    *, x, weight, bias=None, activation=False, initial_state=None, seq_idx=None, cu_seqlens=None, fault=None,
    newest_first=False, bias_last=False, operand="float32", out="float32",
):  # fmt: skip
    """A float32 kernel as an engineer would write it, starting from the bias; `fault` names what is wrong with it."""
    carrier = x.dtype
    x, weight, bias, initial_state = (
        None if a is None else a.astype(np.float32) for a in (x, weight, bias, initial_state)
    )
    (b, T, d), w = x.shape, weight.shape[-1]
    rows = [(r, 0, T) for r in range(b)]
    if cu_seqlens is not None:
        rows = [(0, *ab) for ab in zip(cu_seqlens[:-1], cu_seqlens[1:], strict=True)]
    y, state = np.zeros_like(x), np.zeros((len(rows), d, w - 1), x.dtype)
    taps = round_to(weight[:, ::-1] if fault == "taps reversed" else weight, operand).astype(x.dtype)
    for s, (r, begin, end) in enumerate(rows):
        if initial_state is not None and fault != "state ignored":
            state[s] = initial_state[0 if fault == "state of the first" else s]
        for t in range(begin, end):
            changed = seq_idx is not None and t > begin and seq_idx[r, t] != seq_idx[r, t - 1]
            if changed and fault != "change ignored":
                state[s] = 0
            ahead = min(t + (fault == "one ahead"), end - 1)
            window = np.concatenate([state[s], x[r, ahead, :, None]], axis=-1)
            late = bias is not None and (bias_last or fault == "bias behind")
            v = np.zeros(d, x.dtype) if bias is None or late else bias.copy()
            for i in range(fault == "a tap short", w):
                i = w - 1 - i if newest_first else i
                v = v + taps[:, i] * round_to(window[:, i], operand).astype(x.dtype)
                v = round_to(v, "bfloat16") if fault == "sum in bfloat16" else v
            v = v + bias if late and fault is None else v
            with np.errstate(over="ignore"):
                v = v / (1 + np.exp(-v)) if activation else v
            y[r, t] = round_to(v + bias if late and fault else v, out)
            state[s] = np.concatenate([state[s], x[r, t, :, None]], axis=-1)[:, 1:]
    if fault == "state in bfloat16":
        state = round_to(state, "bfloat16").astype(x.dtype)
    if fault == "state newest first":
        state = state[..., ::-1].copy()
    return y.astype(carrier), state.astype(carrier)


FAULTS = (
    "taps reversed", "state ignored", "state of the first", "change ignored", "one ahead", "bias behind", "a tap short",
    "sum in bfloat16", "state in bfloat16", "state newest first",
)  # fmt: skip


def judged(fault, claim=None, form=None, **options):
    subject = plain("kernel", lambda **given: kernel(**given, fault=fault, **(form or {})), CAUSAL_CONV1D)
    claim = claim or Claim()
    names = cases.plan(CAUSAL_CONV1D, claim, CAUSAL_CONV1D.arguments)
    makers = [lambda i=i: cases.draw(CAUSAL_CONV1D, i, claim, CAUSAL_CONV1D.arguments) for i in names]
    return run.verify(subject, claim, makers, rules=False, **options)


def test_a_right_kernel_conforms(record_property):
    """With room that is used: a sum that starts from the bias needs what the bound grants to a term of it."""
    report = judged(None, ask_for=CAUSAL_CONV1D.properties)
    record_property("worst", report.ratio)
    assert report.verdict == run.CONFORMING, [r.sentence for r in report.results if r.status == "fail"]
    assert all(p.status == "pass" for p in report.properties), [(p.name, p.reason) for p in report.properties]
    assert 0.2 < report.ratio < 1
    assert report.tightest == "fp32", "what fades not has no decays to speak of"
    assert "decay" not in text(report)


FORMS = {
    "newest first": ({"newest_first": True}, {}),
    "bias last": ({"bias_last": True}, {}),
    "16 bits in and out": ({"out": "bfloat16"}, {"io": "bfloat16"}),
    "half in and out": ({"out": "float16"}, {"io": "float16"}),
    "operands cast": ({"operand": "bfloat16"}, {"operand": "bfloat16"}),
}


@pytest.mark.parametrize("name", FORMS)
def test_right_kernels_of_every_form_conform(name, record_property):
    """Under their own claim: any order of the sum, 16 bits outside, cast operands (not without saying so)."""
    form, claim = FORMS[name]
    report = judged(None, Claim(**claim), form)
    record_property("worst", report.ratio)
    assert report.verdict == run.CONFORMING, [r.sentence for r in report.results if r.status == "fail"]
    if "operand" in form:
        assert judged(None, Claim(), form).verdict == run.NOT_CONFORMING


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_kernel_does_not(fault):
    """On the exact integers, or on numbers: none gets by."""
    report = judged(fault)
    assert report.verdict == run.NOT_CONFORMING
    assert report.ratio > 2


ASKED = {"state ignored": "split", "change ignored": "packed", "one ahead": "causality", "state newest first": "split"}


@pytest.mark.parametrize("fault, name", ASKED.items())
def test_properties_find_faults_without_a_reference(fault, name):
    subject = plain("kernel", lambda **given: kernel(**given, fault=fault), CAUSAL_CONV1D)
    report = run.verify(subject, Claim(), [], ask_for=[name], rules=False)
    assert [p.status for p in report.properties] == ["fail"]
