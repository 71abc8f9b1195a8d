"""A record of name, signature and definition is enough; mistakes in it get one line with the place."""

import dataclasses
import re
import sys

import numpy as np
import pytest

from realization import Claim, Op, complete, golden, judge, recurrence
from realization.cli import main
from realization.core.errors import ShapeError, StructureError
from realization.core.functions import arrange, silu
from realization.core.rounding import FORMATS
from realization.core.shapes import Signature
from realization.layers import OPS
from realization.layers.derive import ROLES, derived

SIGNATURE = (
    "query: *b T h k; key: *b T h k; value: *b T h v; log_decay: *b T h; gate?: *b T h v;"
    "initial_state?: *b h v k | s h v k; cu_seqlens?: s1 -> y: *b T h v; final_state: *b h v k | s h v k"
)


def definition(query, key, value, log_decay, gate=None, initial_state=None, cu_seqlens=None):
    """S(t) = S(t-1) exp(g(t)) + v(t) k(t)',  y(t) = S(t) q(t) silu(z(t))."""
    packed = {} if cu_seqlens is None else {"offsets": cu_seqlens}
    if packed and initial_state is not None:
        initial_state = initial_state[:, None]
    decay = log_decay[..., None, None]
    run = recurrence(value=value, key=key, query=query, log_decay=decay, initial=initial_state, **packed)
    return run.y if gate is None else run.y * silu(gate), run.final[:, 0] if packed else run.final


def loop(query, key, value, log_decay, gate=None, initial_state=None, cu_seqlens=None):
    """Row after row, step after step."""
    b, T, h, v = value.shape
    rows = [(i, 0, T) for i in range(b)]
    if cu_seqlens is not None:
        rows = [(0, a, z) for a, z in zip(cu_seqlens[:-1], cu_seqlens[1:], strict=True)]
    S = np.zeros((len(rows), h, v, key.shape[-1]), value.dtype)
    if initial_state is not None:
        S += initial_state
    y = np.zeros_like(value)
    for r, (i, a, z) in enumerate(rows):
        for t in range(a, z):
            S[r] = S[r] * np.exp(log_decay[i, t])[:, None, None] + value[i, t, :, :, None] * key[i, t, :, None, :]
            y[i, t] = (S[r] * query[i, t, :, None, :]).sum(-1)
    return y if gate is None else y * gate / (1 + np.exp(-gate)), S


BARE = Op("decaying_attention", SIGNATURE, definition)
RECORD = dataclasses.replace(BARE, direct=loop, linear=("value", "initial_state"))
OP = complete(RECORD)


STATED = ("title", "direct", "cases", "regimes", "options", "properties", "envelope", "reference")


def test_built_in_ops_leave_nothing_to_derivation():
    """What they prove rests on regimes, options and properties that someone chose."""
    for op in OPS.values():
        again = derived(op)
        assert not [name for name in STATED if not getattr(op, name)]
        assert all(getattr(again, f.name) is getattr(op, f.name) for f in dataclasses.fields(op))
    assert not any(getattr(BARE, name) for name in STATED), "the control"


def test_what_is_derived():
    """Every regime, exact ones too, all options, and the properties that the axes allow."""
    assert [r.name for r in OP.regimes if r.exact] == ["exact", "exact-wide"]
    assert OP.properties == ("causality", "split", "packed", "batch", "repeat", "linearity")
    assert [o["with"] for o in OP.options] == [
        ("initial_state",), ("gate", "initial_state"), (), ("gate", "initial_state", "cu_seqlens"),
    ]  # fmt: skip
    assert complete(BARE).properties == OP.properties[:-1]
    assert OP.title == "decaying_attention"


@pytest.mark.parametrize("claim", ["float64", "fp32"])
def test_the_loop_conforms(claim):
    """In all regimes with all options: nothing that was drawn is uninformative everywhere, or refused."""
    found = judge(loop, OP, claim=claim)
    assert found.verdict == "conforming"
    passed = {r.case.regime.name for r in found.results if r.status == "pass"}
    assert passed == {r.name for r in OP.regimes}
    assert {p.name: p.status for p in found.properties} == dict.fromkeys(OP.properties, "pass")


def damaged(**changes):
    """The loop with one argument changed by a function of all."""

    def kernel(query, key, value, log_decay, gate=None, initial_state=None, cu_seqlens=None):
        given = {
            "query": query, "key": key, "value": value, "log_decay": log_decay, "gate": gate,
            "initial_state": initial_state, "cu_seqlens": cu_seqlens,
        }  # fmt: skip
        return loop(**given | {name: change(given) for name, change in changes.items()})

    return kernel


DAMAGES = {
    "a decay 0.1 % off": {"log_decay": lambda x: x["log_decay"] * np.float32(1.001)},
    "the decay of the step before": {"log_decay": lambda x: np.roll(x["log_decay"], 1, axis=1)},
    "no gate": {"gate": lambda x: None},
    "no initial state": {"initial_state": lambda x: None},
    "the key of the step before": {"key": lambda x: np.roll(x["key"], 1, axis=1)},
    "bfloat16 queries": {"query": lambda x: (x["query"].view(np.uint32) & 0xFFFF0000).view(np.float32)},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_loop_does_not(damage):
    """The control: the derived cases see each of these."""
    assert judge(damaged(**damage), OP, cases=40, properties=()).verdict == "not conforming"


def test_value_bound_and_gradient():
    """The derived readings: a correctly rounded value, a bound that holds, a gradient that differences confirm."""
    rng = np.random.default_rng(3)
    x = {name: rng.standard_normal((1, 12, 2, 3)) for name in ("query", "key", "value", "gate")}
    x["log_decay"] = -rng.uniform(0, 0.3, (1, 12, 2))
    truth, got = golden(OP, x), OP(**x)
    assert truth["y"].decided.all()
    assert (np.abs(got.y - truth["y"].value) <= OP.bound(x, Claim(io="float64", accumulate="float64"))["y"].error).all()
    bar = rng.standard_normal(got.y.shape)
    for name, gradient in OP.adjoint(x, {"y": bar}).items():
        way, size = rng.standard_normal(x[name].shape), 1e-6
        up, down = ((OP(**x | {name: x[name] + s * way}).y * bar).sum() for s in (size, -size))
        # central differences: size**2 of truncation, eps / size of rounding, against sums of order 100
        assert (up - down) / (2 * size) == pytest.approx((gradient * way).sum(), rel=1e-6, abs=1e-6), name


@pytest.mark.parametrize("axes, over_time", [("*b T h k", ("causality",)), ("*b h T k", ())])
def test_one_output_and_heads_first(axes, over_time):
    """A definition may return one array; properties over time are asked where time follows the batch."""
    swap = (lambda x: x) if axes == "*b T h k" else lambda x: arrange(lambda p: np.swapaxes(p[0], -3, -2), [x])

    def attention(query, key, value):
        return swap(recurrence(value=swap(value), key=swap(key), query=swap(query)).y)

    def summed(query, key, value):
        q, k, v = (np.asarray(swap(x)) for x in (query, key, value))
        states = np.cumsum(v[..., :, None] * k[..., None, :], axis=1, dtype=v.dtype)
        return np.ascontiguousarray(swap((states * q[..., None, :]).sum(-1)))

    op = complete(Op("attention", f"query: {axes}; key: {axes}; value: {axes} -> y: {axes}", attention, direct=summed))
    assert op.properties == (*over_time, "batch", "repeat")
    assert op(query=np.ones((1, 2, 2, 1)), key=np.ones((1, 2, 2, 1)), value=np.ones((1, 2, 2, 1)))._fields == ("y",)
    assert judge(summed, op, cases=32).verdict == "conforming"


def scaled(query, key, value, log_decay, gate=None, initial_state=None, cu_seqlens=None):
    return definition(query, key / 3, value, log_decay, gate, initial_state, cu_seqlens)


def ungated(query, key, value, log_decay, gate=None, initial_state=None, cu_seqlens=None):
    return loop(query, key, value, log_decay, None, initial_state, cu_seqlens)


@pytest.mark.parametrize("change", [{"definition": scaled, "direct": None}, {"direct": ungated}], ids=["scale", "loop"])
def test_exact_regimes_need_integers_on_both_routes(change):
    """A scale that is no power of two, or a loop that differs, leaves them out; the other regimes remain."""
    changed = complete(dataclasses.replace(RECORD, **change))
    assert [r for r in OP.regimes if not r.exact] == list(changed.regimes)
    assert len(changed.regimes) == len(OP.regimes) - 2, "the control"


@pytest.mark.parametrize("role", [*ROLES, lambda draw, shape: draw.rng.standard_normal(shape)])
def test_every_role_draws_every_shape(role):
    """Over time and constant, with and without batch, heads first; finite, in every regime."""
    signature = "a: *b T h k; b: *b h T; c: h k; d: *b k; e: T k; f: h -> y: *b T h k"

    def six(a, b, c, d, e, f):
        return a

    op = complete(Op("six", signature, six, roles=dict.fromkeys("abcdef", role)))
    form = FORMATS["float32"]
    for regime in op.regimes:
        case = op.cases(regime, op.options[0], T=7, chunk=4, rng=np.random.default_rng(0), form=form)
        assert op.axes.check(case) == {"T": 7, "h": 4, "k": 8}
        assert all(np.isfinite(x).all() for x in case.values())


def with_numpy(x, log_decay):
    return x * np.exp(log_decay)


def with_a_branch(x, log_decay):
    return x if log_decay.sum() > 0 else x * log_decay


def with_objects(x, log_decay):
    return np.einsum("btd,btd->btd", x, log_decay)


@pytest.mark.parametrize(
    "body, place", [(with_numpy, "np.exp"), (with_a_branch, "> 0"), (with_objects, "einsum|objects")]
)
def test_arithmetic_on_floats_only_is_named_with_its_line(body, place):
    """By every reading."""
    op = complete(Op("own", "x: *b T d; log_decay: *b T d -> y: *b T d", body))
    x = {"x": np.ones((1, 2, 3)), "log_decay": -np.ones((1, 2, 3))}
    for reading in (op.certified, lambda x: op.bound(x, Claim()), lambda x: op.adjoint(x, {"y": np.ones((1, 2, 3))})):
        with pytest.raises(StructureError, match="definition of own is arithmetic on floats only") as caught:
            reading(x)
        assert re.search(place, str(caught.value))


def plain(x, g=None):
    return x


GOOD = {"name": "own", "signature": "x: *b T d; g?: d -> y: *b T d", "definition": plain}


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"signature": "x: *b T d"}, ShapeError, "another form than 'x: "),
        ({"signature": "x *b T d -> y: d"}, ShapeError, "'x [*]b T d' in a signature has another form"),
        ({"signature": "x: *b T d; w: d -> y: *b T d"}, StructureError, r"names w, but the definition takes \(x, g\)"),
        ({"signature": "x?: *b T d -> y: *b T d"}, StructureError, "x[?] is optional in the signature; give it a def"),
        ({"signature": "x: *b T d -> y: *b T d; s: d"}, StructureError, "1 outputs came, the signature names 2: y, s"),
        ({"signature": "x: *b T d -> y: *b d"}, StructureError, r"y has shape .* is needed for axes \(\*b, d\)"),
        ({"roles": {"x": "valeu"}}, StructureError, "role 'valeu' of x is unknown; nearest: value"),
        ({"roles": {"z": "value"}}, StructureError, "a role is given to z; arguments are x, g"),
        ({"direct": lambda x, g=None: 1 / 0}, StructureError, "refuse arguments drawn for them [(]ZeroDivisionError"),
    ],
)
def test_a_mistake_in_the_record_is_named(change, error, message):
    """When it is completed, before anything is judged."""
    complete(Op(**GOOD))
    with pytest.raises(error, match=message):
        complete(Op(**GOOD | change))


def test_an_incomplete_record_says_so():
    """Its readings are attached by `complete`."""
    with pytest.raises(StructureError, match=r"complete\(Op\(...\)\) attaches certified value"):
        golden(Op(**GOOD), {"x": np.ones((1, 2, 3))})
    assert Signature.parse(GOOD["signature"]).over_time() == ("x",)


FILE = """
import numpy as np
from realization import Op, recurrence

def retention(query, key, value, log_decay):
    every = log_decay[:, None, None] + np.zeros((*value.shape[:-1], 1, 1))
    return recurrence(value=value, key=key, query=query, log_decay=every).y

OP = Op("retention", "query: *b T h k; key: *b T h k; value: *b T h v; log_decay: h -> y: *b T h v", retention)

def kernel(query, key, value, log_decay):
    state, y = 0, np.empty_like(value)
    for t in range(value.shape[1]):
        state = state * np.exp(log_decay)[:, None, None] + value[:, t, :, :, None] * key[:, t, :, None, :]
        y[:, t] = (state * query[:, t, :, None, :]).sum(-1)
    return y
"""


def test_from_an_empty_folder(tmp_path, monkeypatch, capsys):
    """One file, incomplete record and all: listed, judged, and judged again from Python."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "retnet.py").write_text(FILE)
    assert main(["list", "--op", "retnet.py:OP"]) == 0
    assert "query, key, value, log_decay" in capsys.readouterr().out
    assert main(["verify", "retnet.py:kernel", "--op", "retnet.py:OP"]) == 0
    assert capsys.readouterr().out.startswith("CONFORMING: retnet.py:kernel as retention (")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "retnet", raising=False)
    import retnet

    found = judge(retnet.kernel, retnet.OP, cases=2, properties=())
    assert found.subject.flags == ("--op", "retnet.py:OP")
    assert found.subject.name == "retnet.py:kernel"
    monkeypatch.delitem(sys.modules, "retnet")
