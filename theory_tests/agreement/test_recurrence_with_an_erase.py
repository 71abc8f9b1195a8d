"""The recurrence with a rank-one erase, by routes that share no code, on every structure of its decay.

S(t) = S~ - (S~ c) d' + v k',    S~ = S(t-1) o a(t),    (c, d) = (k, b k) or a pair of its own
"""

from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.certify.dd import DD
from realization.certify.err import Err
from realization.certify.tape import Tape, gradients
from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.layers.recurrence import definition, recurrence
from realization.layers.recurrence.chunked import chunked
from realization.layers.recurrence.faults import FAULTS, plus, route
from realization.layers.recurrence.kernel import kernel
from realization.layers.recurrence.prior import prior
from realization.layers.recurrence.transition import erase_norm, erasing

H, G, V, K, CHUNK = 4, 2, 3, 6, 8
DECAYS = {"none": None, "scalar": (1, 1), "row": (V, 1), "column": (1, K), "full": (V, K)}
every_structure = pytest.mark.parametrize("pair", [False, True], ids=["strength", "pair"])
every_decay = pytest.mark.parametrize("decay", DECAYS)
compiled = partial(kernel, step=(lambda g: g,), write=lambda v, g: v, after=(lambda y: y,))
FLOAT64 = Claim(io="float64", accumulate="float64")


def unit(rng, *shape):
    x = rng.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def draw(seed, decay, pair, *, T=21, batch=(2,), packed=False, memory=20.0):
    """Arguments whose numbers are of float32, with strengths up to 2 and an initial state."""
    rng = np.random.default_rng(seed)
    lead = (*batch, T)
    x = {"value": rng.standard_normal((*lead, H, V)), "key": unit(rng, *lead, G, K)}
    x["query"] = rng.standard_normal((*lead, G, K))
    if DECAYS[decay]:
        x["log_decay"] = -rng.uniform(0.2, 2, (*lead, H, *DECAYS[decay])) / memory
    x["erase"] = rng.uniform(0, 2, (*lead, H))
    if pair:  # of nearly one direction, as in RWKV-7: else states explode
        c = unit(rng, *lead, 1, K)
        x["erase"] = (c, rng.uniform(0, 1, (*lead, H, 1)) * (c + 0.05 * rng.standard_normal((*lead, H, K))))
    if packed:
        x |= {"offsets": [0, 0, 1, T // 2, T - 2], "initial": rng.standard_normal((4, *batch, H, V, K))}
    else:
        x |= {"initial": rng.standard_normal((*batch, H, V, K)), "reset": rng.uniform(size=lead) < 0.1}
    return each(lambda a: a.astype(np.float32).astype(np.float64), x) | {"states": True}


def each(change, x):
    """Apply a change to every array of numbers, those of a pair too."""
    inside = lambda a: tuple(map(inside, a)) if isinstance(a, tuple) else change(a) if number(a) else a  # noqa: E731
    return {name: inside(a) for name, a in x.items()}


def number(a):
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def bound(x, claim):
    return recurrence(**each(lambda a: Err(a, claim=claim), x))


def ratios(one, other, *errors):
    """Worst |one - other| / (sum of errors) of outputs, last and all states."""
    found = []
    for name in ("y", "final", "states"):
        allowed = sum(getattr(e, name).error for e in errors)
        assert np.isfinite(allowed).all()
        found.append((np.abs(getattr(one, name) - getattr(other, name)) / np.maximum(allowed, 1e-300)).max(initial=0))
    return np.array(found)


@every_decay
@every_structure
@pytest.mark.parametrize("packed", [False, True])
def test_definition_chunks_and_loops_agree(decay, pair, packed):
    """Within the sum of both bounds; the control: a kernel without the erase is far off."""
    x = draw(1, decay, pair, packed=packed)
    steps, allowed = recurrence(**x), bound(x, FLOAT64)
    assert (ratios(steps, compiled(**x), allowed, allowed) <= 1).all()
    for chunk, form in ((1, "product"), (CHUNK, "product"), (CHUNK, "logdiff"), (100, "logdiff")):
        blocks = chunked(**x, chunk=chunk, decay=form)
        assert (ratios(steps, blocks, allowed, bound(x, FLOAT64.replace(chunk=chunk, decay=form))) <= 1).all()
    assert (ratios(recurrence(**x | {"erase": None}), steps, allowed) > 1e6).all()


@every_structure
@given(seed=st.integers(0, 2**32 - 1))
def test_certified_contains_rationals(pair, seed):
    """|exact - (hi + lo)| <= radius, the exact numbers by rational arithmetic; and the radius is used."""
    x = draw(seed, "none", pair, batch=(1,), T=4) | {"states": False}
    exact = recurrence(**each(np.vectorize(Fraction, otypes=[object]), x))
    found = recurrence(**each(DD.exact, x))
    for name in ("y", "final"):
        dd, truth = getattr(found, name), getattr(exact, name)
        words = zip(truth.ravel(), dd.hi.ravel(), dd.lo.ravel(), dd.radius.ravel(), strict=True)
        assert all(abs(t - Fraction(float(h)) - Fraction(float(low))) <= Fraction(float(r)) for t, h, low, r in words)
    assert found.y.radius.max() > 0


def test_the_radius_does_not_explode():
    """After 2000 steps with keys of norm 1 it is that of a sum; entry by entry it would have outgrown every number."""
    x = draw(0, "none", False, T=2000, batch=(1,)) | {"states": False, "reset": None}
    found = recurrence(**each(DD.exact, x))
    assert found.y.radius.max() < 1e-25
    assert found.final.radius.max() < 1e-25
    few = draw(0, "none", False, T=60, batch=(1,)) | {"states": False, "reset": None}
    c, d = erasing(few.pop("erase"), few["key"], H, None, False)
    named = dict.fromkeys(("log_decay", "rate", "angle", "spin")) | each(DD.exact, few) | {"hold": False}
    by_entries = definition.run(**named, erase_key=DD.exact(c), erase_value=DD.exact(d))
    assert by_entries.y.radius.max() > 1e-20


@given(seed=st.integers(0, 2**32 - 1), chunk=st.sampled_from([4, 16, 64]))
def test_integers_have_the_same_bits_by_every_route(seed, chunk):
    """One-hot keys, strengths 0, 1 and 2, integer values, decays 1 or 0: nothing is rounded, the solve included."""
    rng = np.random.default_rng(seed)
    lead = (2, 40)
    x = {
        "value": rng.integers(-3, 4, (*lead, H, V)) * 1.0, "key": np.eye(K)[rng.integers(0, K, (*lead, G))],
        "query": rng.integers(-1, 2, (*lead, G, K)) * 1.0, "erase": rng.integers(0, 3, (*lead, H)) * 1.0,
        "log_decay": -1024.0 * (rng.uniform(size=(*lead, H, 1, 1)) < 0.1),
        "initial": rng.integers(-3, 4, (2, H, V, K)) * 1.0,
    }  # fmt: skip
    want = recurrence(**x)
    single = each(lambda a: a.astype(np.float32), x)
    for got in (compiled(**x), *(chunked(**single, chunk=chunk, decay=form) for form in ("product", "logdiff"))):
        assert (got.y == want.y).all()
        assert (got.final == want.final).all()
    dd = recurrence(**each(DD.exact, x))
    assert (dd.y.hi == want.y).all()
    assert dd.y.radius.max() < 1e-140  # exp(-1024) is not quite 0


def kernels(x, claim):
    """float32 by steps and by chunks of the claim."""
    single = each(lambda a: a.astype(np.float32), x)
    return [recurrence(**single) if claim.chunk is None else chunked(**single, chunk=claim.chunk, decay=claim.decay)]


CLAIMS = (Claim(), Claim(chunk=CHUNK), Claim(chunk=CHUNK, decay="logdiff"), Claim(chunk=16, decay="logdiff"))


@every_decay
@every_structure
def test_float32_is_within_its_bound_and_a_wrong_decay_is_not(decay, pair, record_property):
    """By steps and by chunks; with a decay 0.1 % off the bound is exceeded many times."""
    x = draw(5, decay, pair, T=70)
    truth = recurrence(**x)
    off = np.float32(np.log(0.999))
    wrong = x | {"log_decay": x.get("log_decay", np.zeros((2, 70, H, 1, 1))) + off}
    worst = 0.0
    for claim in CLAIMS:
        allowed = bound(x, claim)
        worst = max(worst, *(ratios(run, truth, allowed).max() for run in kernels(x, claim)))
        assert all((ratios(run, truth, allowed) > 3).all() for run in kernels(wrong, claim))
    record_property("worst", worst)
    assert 0.005 < worst <= 1


def test_the_bound_does_not_grow_with_the_length():
    """With a fading memory; entry by entry, or without the erase in the norm, it would."""
    errors = []
    for T in (100, 800):
        x = draw(6, "scalar", False, T=T, batch=()) | {"states": False, "reset": None}
        errors.append(np.median(bound(x, Claim()).y.error[-50:]))
    assert errors[1] < 3 * errors[0]


def with_tapes(run, x, bars, number_type):
    """Gradients of <ybar, y> + <finalbar, final> in every array."""
    tapes = each(lambda a: Tape(number_type(a)), x)
    out = run(**tapes)
    leaves = [(n, i, t) for n, a in tapes.items() for i, t in enumerate(a if isinstance(a, tuple) else (a,))
              if isinstance(t, Tape)]  # fmt: skip
    seeds = [(y, number_type(bar)) for y, bar in zip((out.y, out.final), bars, strict=True)]
    return dict(zip([(n, i) for n, i, _ in leaves], gradients(seeds, [t for *_, t in leaves]), strict=True))


def through_definition(*, erase, states=False, offsets=None, **x):
    c, d = erasing(erase, x["key"], H, None, False)
    named = dict.fromkeys(("log_decay", "rate", "angle", "spin", "reset", "initial")) | x
    return definition.run(**named, erase_key=c, erase_value=d, hold=False, states=states, offsets=offsets)


def cotangents(x):
    rng = np.random.default_rng(9)
    run = recurrence(**x)
    return rng.standard_normal(run.y.shape), rng.standard_normal(run.final.shape)


@every_decay
@every_structure
@pytest.mark.parametrize("packed", [False, True])
def test_the_rule_is_the_tape_through_the_definition(decay, pair, packed):
    """Within the bound of the gradient in float64, which float32 keeps as well."""
    x = draw(7, decay, pair, T=12, packed=packed) | {"states": False}
    bars = cotangents(x)
    by_rule, by_tape = (with_tapes(run, x, bars, lambda a: a) for run in (recurrence, through_definition))
    allowed = with_tapes(recurrence, x, bars, lambda a: Err(a, claim=FLOAT64))
    coarse = with_tapes(recurrence, x, bars, lambda a: Err(a, claim=Claim()))
    short = with_tapes(through_definition, each(rounded, x), bars, rounded)
    for name, want in by_rule.items():
        assert np.isfinite(allowed[name].error).all()
        assert (np.abs(want - by_tape[name]) <= 2 * allowed[name].error).all(), name
        assert (np.abs(want - short[name]) <= coarse[name].error + allowed[name].error).all(), name


def rounded(a):
    return a.astype(np.float32).astype(np.float64)


@every_decay
def test_gradients_agree_with_complex_steps(decay):
    """dL/dx by an imaginary step of 1e-150: no digits are lost."""
    x = draw(8, decay, False, T=5, batch=()) | {"states": False}
    bars = cotangents(x)
    found = with_tapes(recurrence, x, bars, lambda a: a)
    rng = np.random.default_rng(0)
    for (name, _), bar in found.items():
        direction = rng.standard_normal(x[name].shape)
        run = recurrence(**x | {name: x[name] + 1e-150j * direction})
        step = (np.sum(bars[0] * run.y.imag) + np.sum(bars[1] * run.final.imag)) / 1e-150
        assert abs(np.sum(bar * direction) - step) <= 1e-12 * np.sum(np.abs(bar * direction))


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 6), parallel=st.booleans())
def test_the_norm_of_an_erase_is_its_largest_singular_value(seed, size, parallel):
    rng = np.random.default_rng(seed)
    c = rng.standard_normal(size)
    d = rng.uniform(-1, 3) * c if parallel else rng.standard_normal(size)
    found = erase_norm(c, d, np.zeros(size), np.zeros(size))
    largest = np.linalg.norm(np.eye(size) - np.outer(c, d), 2)
    # near a double root of its characteristic polynomial half of the digits go
    assert largest * (1 - 1e-12) <= found <= largest * (1 + 1e-6)


def test_a_prediction_is_read_before_the_write():
    """S~(t) k(t), from all states; the control: read after the write it is another number."""
    x = draw(3, "scalar", False)
    x["query"] = x["key"]
    run, read = recurrence(**x), prior(**x)
    before = np.concatenate([x["initial"][:, None], run.states[:, :-1]], 1)
    held = np.where(x["reset"][..., None, None, None], 0, before) * np.exp(x["log_decay"])
    want = (held * np.repeat(x["key"], H // G, -2)[..., None, :]).sum(-1)
    assert np.abs(read.y - want).max() <= 1e-13
    assert np.abs(read.final - run.final).max() <= 1e-13
    assert np.abs(read.states - run.states).max() <= 1e-13
    assert np.abs(prior(core=compiled, **x).y - want).max() <= 1e-13
    assert np.abs(run.y - want).max() > 0.1


ERASING = [f for f in FAULTS if "eras" in f.name or "strength" in f.name]


@pytest.mark.parametrize("fault", ERASING, ids=lambda f: f.name)
def test_every_fault_of_an_erase_changes_the_result(fault):
    x = draw(2, "scalar", False) | {"states": False}
    assert np.abs(fault.run(route, 8, **x).y - recurrence(**x).y).max() > 1e-3
    with pytest.raises(ShapeError, match="there is no erase"):
        fault.run(route, 8, **x | {"erase": None})


def test_own_and_history_add_up_with_an_erase():
    """The recurrence stays linear in (value, initial state): faults are put together of both."""
    x = draw(4, "column", False) | {"states": False}
    parts = plus(recurrence(**x | {"initial": None}), recurrence(**x | {"value": x["value"] * 0}))
    assert np.abs(parts.y - recurrence(**x).y).max() <= 1e-13


@pytest.mark.parametrize("wrong, message", [
    ({"angle": np.zeros((2, 21, H, 1, K // 2))}, "an erase and an angle"),
    ({"hold": True}, "an erase and hold"),
    ({"erase": np.zeros((2, 21, 3))}, r"a strength \(2, 21, 4\)"),
    ({"erase": (np.zeros((2, 21, 3, K)),) * 2}, "G a divisor of 4 heads"),
    ({"erase": (np.zeros((2, 21, H, K)),)}, "a pair of"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(wrong, message):
    with pytest.raises(ShapeError, match=message):
        recurrence(**draw(0, "none", False) | wrong)


@pytest.mark.parametrize("batch, T", [((), 9), ((2, 3), 9), ((0,), 9), ((2,), 0), ((), 0), ((2,), 1)])
def test_routes_agree_for_all_axes(batch, T):
    x = draw(2, "column", False, batch=batch, T=T)
    run, allowed = recurrence(**x), bound(x, FLOAT64)
    assert run.states.shape == (*batch, T, H, V, K)
    assert (ratios(run, chunked(**x, chunk=4), allowed, bound(x, FLOAT64.replace(chunk=4))) <= 1).all()
    assert (ratios(run, compiled(**x), allowed, allowed) <= 1).all()
    assert recurrence(**each(DD.exact, x)).y.shape == run.y.shape
