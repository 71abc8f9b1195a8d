"""The op of gradients, derived from every op: two routes, certificates, verdicts on right and wrong backward passes."""

import numpy as np
import pytest

from realization.certify.golden import golden
from realization.certify.rounded import Rounded
from realization.core.claim import Claim
from realization.core.pair import Pair
from realization.core.rounding import FORMATS
from realization.layers import OPS
from realization.layers.gradients import COTANGENT, GRADIENT, gradient_of
from realization.layers.readings import read
from realization.verify.cases import draw, plan
from realization.verify.verdict import FAIL, PASS, Truth, judge, output_format

SMALL = {"selective_scan": (3, 2), "ssd": (4, 2, 2, 3)}
GRADS = {name: gradient_of(OPS[name]) for name in SMALL}
OPTIONS = [pytest.param(op, i, id=f"{op.name}-{i}") for op in GRADS.values() for i in range(len(op.options))]
CLAIM = Claim(chunk=8)


def small(op, index, T=5, regime="fading-3"):
    """A case of one combination of options, small enough for one run of the definition per entry."""
    options = {**op.options[index], "size": SMALL[op.name.removesuffix(".grad")]}
    regime = next(r for r in op.regimes if r.name == regime)
    return op.cases(regime, options, T=T, chunk=4, rng=np.random.default_rng(index), form=FORMATS["float32"])


def parts(x):
    return [x.real, x.imag] if isinstance(x, Pair) or np.iscomplexobj(x) else [x]


@pytest.mark.parametrize("op, index", OPTIONS)
def test_reverse_accumulation_is_the_complex_step_of_every_entry(op, index):
    """Also where only y, or only the last state, has a cotangent; the certificate holds both."""
    case = small(op, index)
    one, other = (op.named(route(**case)) for route in (op.definition, op.direct))
    certified = op.certified(case)
    assert set(one) == set(other) == set(certified)
    assert any(k.startswith(COTANGENT) for k in case)
    for name in one:
        # sums of some 5 d n products with a dozen roundings, of the size of the largest entry
        allowed = 2000 * 2.0**-53 * max(np.abs(one[name]).max(), 1e-300)
        assert np.abs(one[name] - other[name]).max() <= allowed, name
        assert np.abs(one[name] * (1 + 1e-10) - other[name]).max() > allowed or not one[name].any()
        for a, dd in zip(parts(one[name]), parts(certified[name]), strict=True):
            assert np.abs(a - dd.hi).max() <= allowed
            assert (dd.radius <= 2.0**-70 * max(np.abs(dd.hi).max(), 1e-300)).all()


@pytest.mark.parametrize("op", GRADS.values(), ids=GRADS)
def test_the_record_of_the_op(op):
    """Outputs stand for the arrays of numbers, with their axes; integers have none. No regime promises exact bits."""
    forward = OPS[op.name.removesuffix(".grad")]
    numbers = set(forward.axes.arguments) - {"seq_idx", "cu_seqlens"}
    assert set(op.outputs) == {GRADIENT + name for name in numbers}
    assert set(op.arguments) == set(forward.arguments) | {COTANGENT + name for name in forward.outputs}
    assert op.required == forward.required
    assert all(op.axes.outputs[GRADIENT + k].alternatives == forward.axes.arguments[k].alternatives for k in numbers)
    assert not any(r.exact for r in op.regimes)
    assert any(r.exact for r in forward.regimes)
    assert gradient_of(forward) is op


@pytest.mark.parametrize("op", GRADS.values(), ids=GRADS)
def test_golden_gradients_are_correctly_rounded(op):
    """Ziv's test decides nearly every entry, and balls the rest."""
    pytest.importorskip("flint")
    case = small(op, 1)
    plain = op.named(op.definition(**case))
    for name, found in golden(op, case).items():
        assert found.decided.all(), name
        assert np.abs(found.value - plain[name]).max() <= 1e-13 * np.abs(plain[name]).max()


@pytest.mark.parametrize("T", [0, 1])
@pytest.mark.parametrize("op, index", OPTIONS)
def test_no_step_and_one_step(op, index, T):
    """Without a step the gradient of the first state is the cotangent of the last, and all others are 0."""
    case = small(op, index, T=T)
    found = op.named(op.definition(**case))
    assert all(found[GRADIENT + k].shape == np.shape(case[k]) for k in case if GRADIENT + k in found)
    if T == 0:
        first = found.pop("grad_initial_state", np.zeros(0))
        if COTANGENT + "final_state" in case and first.size:
            assert (first == case[COTANGENT + "final_state"]).all()
        assert not any(x.any() for x in found.values())
    bounds = op.bound(case, CLAIM)
    assert all(np.isfinite(p.error).all() for b in bounds.values() for p in parts(b))


def in_float32(op, arguments):
    """A backward pass of which every result is rounded to float32."""
    low = read(op, arguments, lambda x: Rounded(x, "float32"))
    return {k: np.asarray(x.value) for k, x in low.items()}


def one_percent_off(op, arguments):
    return in_float32(op, arguments | {"A": 1.01 * arguments["A"]})


def gate_without_its_second_term(op, arguments):
    """silu'(z) without z sigmoid'(z): the cotangent of z is that of a plain sigmoid gate."""
    z, right = arguments["z"], in_float32(op, arguments)
    s = 1 / (1 + np.exp(-z))
    return right | {"grad_z": right["grad_z"] / (1 + z * (1 - s))}


def forgetting_the_state(op, arguments):
    return in_float32(op, {k: x for k, x in arguments.items() if k != "cotangent_final_state"})


def one_group_only(op, arguments):
    """B's gradient from the first head of each group."""
    right = in_float32(op, arguments)
    one = {k: x[:, :, ::2] if k in ("x", "dt", "z", "cotangent_y") else x for k, x in arguments.items()}
    one |= {k: arguments[k][::2] for k in ("A", "D", "dt_bias")}
    one |= {k: arguments[k][:, ::2] for k in ("initial_state", "cotangent_final_state")}
    return right | {"grad_B": in_float32(op, one)["grad_B"]}


WRONG = {
    one_percent_off: ("selective_scan", "ssd"),
    gate_without_its_second_term: ("selective_scan", "ssd"),
    forgetting_the_state: ("selective_scan", "ssd"),
    one_group_only: ("ssd",),
}


@pytest.mark.parametrize("op", GRADS.values(), ids=GRADS)
@pytest.mark.parametrize("regime", ["fading-3", "fading-c", "fading-10c"])
def test_right_backward_passes_pass_and_wrong_ones_fail(op, regime):
    """The same judge as for outputs, on gradients; each wrong one is named by the gradient that shows it."""
    case = draw(op, f"{regime}.T17.o1.s0", CLAIM, op.arguments)
    truth = Truth.of(op, case)
    right = judge(op, case, in_float32(op, case.arguments), CLAIM, truth)
    assert {f.status for f in right} == {PASS}
    for wrong, ops in WRONG.items():
        if op.name.removesuffix(".grad") in ops:
            findings = judge(op, case, wrong(op, case.arguments), CLAIM, truth)
            assert max(f.ratio for f in findings if f.status == FAIL) > 10, wrong
    only = judge(op, case, gate_without_its_second_term(op, case.arguments), CLAIM, truth)
    assert [f.output for f in only if f.status == FAIL] == ["grad_z"]


def test_a_gradient_has_the_format_of_its_argument():
    """As in PyTorch: of a bfloat16 input bfloat16, of a float32 state float32, whatever the outputs have."""
    op, claim = GRADS["ssd"], Claim(io="bfloat16", out="float32", state="float16")
    formats = {name: output_format(op, name, claim).name for name in ("grad_x", "grad_A", "grad_initial_state")}
    assert formats == {"grad_x": "bfloat16", "grad_A": "bfloat16", "grad_initial_state": "float16"}
    case = draw(op, "fading-3.T9.o1.s0", claim, op.arguments).arguments
    for name, form in (("x", 8), ("initial_state", 8), ("cotangent_y", 8), ("cotangent_final_state", 8)):
        mantissa, _ = np.frexp(case[name])
        assert (mantissa * 2**form == np.rint(mantissa * 2**form)).all(), name


def test_cases_go_through_every_cotangent():
    """Cotangents of all outputs with every option, and of each output alone; a case can be drawn again."""
    for op in GRADS.values():
        chosen = [{x for x in o["with"] if x.startswith(COTANGENT)} for o in op.options]
        assert {frozenset(c) for c in chosen} == {
            frozenset({"cotangent_y", "cotangent_final_state"}), frozenset({"cotangent_y"}),
            frozenset({"cotangent_final_state"}),
        }  # fmt: skip
        ids = plan(op, CLAIM, op.arguments, count=9)
        one, again = (draw(op, ids[-1], CLAIM, op.arguments).arguments for _ in range(2))
        assert all(np.array_equal(one[k], again[k]) for k in one)
