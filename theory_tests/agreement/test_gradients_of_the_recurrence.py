"""The rule of the core against the tape through its definition; backward kernels of several forms within its bound."""

from itertools import product

import numpy as np
import pytest

from realization.certify.ball import balls, precision
from realization.certify.dd import DD
from realization.certify.err import Err
from realization.certify.rounded import Rounded
from realization.certify.tape import Tape, gradients
from realization.core.claim import Claim
from realization.core.functions import arrange
from realization.layers.recurrence import definition, recurrence

H, V, K, T, CHUNK = 4, 3, 6, 13, 4
SIZES = {"none": None, "scalar": (1, 1), "row": (V, 1), "column": (1, "k"), "full": (V, "k")}
STRUCTURES = [
    pytest.param(decay, rate, turning, hold, id=decay + "-rate" * rate + "-turn" * turning + "-hold" * hold)
    for decay, rate, turning, hold in product(SIZES, (False, True), (False, True), (False, True))
    if not (decay == "none" and (rate or (hold and not turning)))
]
EXTRAS = ("plain", "initial and resets", "packed")
every_structure = pytest.mark.parametrize("decay, rate, turning, hold", STRUCTURES)
NAMES = ("value", "key", "query", "log_decay", "rate", "angle", "spin", "reset", "initial")


def draw(decay, rate, turning, hold, extras, seed=0):
    """Arguments of one structure as numbers of float32, and cotangents of y and of the last state."""
    rng = np.random.default_rng(seed)
    columns = K // 2 if turning else K
    sizes = None if decay == "none" else [columns if n == "k" else n for n in SIZES[decay]]
    x = {"value": rng.standard_normal((2, T, H, V))}
    x |= {name: rng.standard_normal((2, T, 2, K)) for name in ("key", "query")}
    if sizes:
        x["log_decay"] = -rng.uniform(0.02, 0.5, (2, T, H, *sizes))
    if rate:
        x["rate"] = rng.uniform(0.5, 2, (H, *sizes))
    if turning:
        x["angle"] = rng.standard_normal((2, T, H, *(sizes or (1, 1))))
        x["spin"] = rng.uniform(0.5, 2, (1, V, 1))
    offsets = [0, 0, 1, 6, T - 2]
    lead = (len(offsets) - 1,) if extras == "packed" else ()
    if extras != "plain":
        x["initial"] = rng.standard_normal((*lead, 2, H, V, K))
    x = {name: a.astype(np.float32).astype(np.float64) for name, a in x.items()}
    bars = rng.standard_normal((2, T, H, V)), rng.standard_normal((*lead, 2, H, V, K))
    options = {"hold": hold}
    if extras == "packed":
        options["offsets"] = offsets
    if extras == "initial and resets":
        options["reset"] = rng.uniform(size=(2, T)) < 0.2
    return x, options, tuple(b.astype(np.float32).astype(np.float64) for b in bars)


def by_rule(x, options, bars, number=np.asarray):
    """Gradients by the rule of the core."""
    return pulled(recurrence, x, options, bars, number)


def by_definition(x, options, bars, number=np.asarray):
    """Gradients by the tape through every step of the definition."""

    def run(**arrays):
        return definition.run(**dict.fromkeys(NAMES) | {"hold": False, "states": False} | arrays)

    return pulled(run, x, options, bars, number)


def pulled(run, x, options, bars, number):
    leaves = {name: Tape(number(a)) for name, a in x.items()}
    out = run(**leaves, **options)
    seeds = [(out.y, number(bars[0])), (out.final, number(bars[1]))]
    return dict(zip(x, gradients(seeds, list(leaves.values())), strict=True))


@every_structure
@pytest.mark.parametrize("extras", EXTRAS)
def test_the_rule_is_the_tape_through_the_definition(decay, rate, turning, hold, extras):
    """Both sum some T V K terms with a few roundings each; the control: 1e-10 more is seen."""
    case = draw(decay, rate, turning, hold, extras)
    one, other = by_rule(*case), by_definition(*case)
    for name in one:
        allowed = T * V * K * 2.0**-53 * np.linalg.norm(other[name])
        assert one[name].shape == other[name].shape == case[0][name].shape
        assert np.linalg.norm(one[name] - other[name]) <= allowed, name
        assert np.linalg.norm(one[name] * (1 + 1e-10) - other[name]) > allowed or not other[name].any()


@every_structure
@pytest.mark.parametrize("extras", EXTRAS)
def test_two_ways_in_float32_stay_within_the_bound(decay, rate, turning, hold, extras, record_property):
    """Every result rounded: by the rule, as kernels do, and step by step, as autograd does."""
    case = draw(decay, rate, turning, hold, extras)
    bounds = by_rule(*case, lambda x: Err(x, claim=Claim()))
    worst = {}
    for way in (by_rule, by_definition):
        low = way(*case, lambda x: Rounded(x, "float32"))
        for name, bound in bounds.items():
            with np.errstate(invalid="ignore"):
                ratio = np.abs(low[name].value - bound.value) / bound.error
            assert (low[name].value[bound.error == 0] == bound.value[bound.error == 0]).all()
            worst[name, way.__name__] = np.nan_to_num(ratio).max()
    record_property("worst", f"{max(worst.values()):.3f} at {max(worst, key=worst.get)}")
    assert max(worst.values()) <= 1, worst
    assert max(worst.values()) > 0.01
    coarse = by_rule(*case, lambda x: Rounded(x, "bfloat16"))["query"]  # the control
    assert (np.abs(coarse.value - bounds["query"].value) > bounds["query"].error).any()


@pytest.mark.parametrize(
    "structure",
    [("full", True, False, True, "initial and resets"), ("scalar", True, True, True, "packed"),
     ("column", False, False, False, "plain")],
)  # fmt: skip
def test_gradients_are_certified(structure):
    """Double-double contains what balls of 300 bits find by the tape through the definition."""
    x, options, bars = draw(*structure)
    found = by_rule(x, options, bars, DD.exact)
    with precision(300):
        truth = by_definition(x, options, bars, balls)
        for name, y in found.items():
            off = np.vectorize(lambda b, hi, lo: float(abs(b - hi - lo)), otypes=[float])(truth[name], y.hi, y.lo)
            assert (off <= y.radius).all(), name
            assert (y.radius <= 2.0**-80 * np.abs(y.hi).max()).all()
            assert off.any()


def test_an_output_alone():
    """Cotangents of y and of the last state add up; without a step the last state is the first."""
    x, options, (ybar, finalbar) = draw("full", True, False, False, "initial and resets")
    both = by_rule(x, options, (ybar, finalbar))
    leaves = [Tape(a) for a in x.values()]
    out = recurrence(**dict(zip(x, leaves, strict=True)), **options)
    parts = [gradients([pair], leaves) for pair in ((out.y, ybar), (out.final, finalbar))]
    for name, a, b in zip(x, *parts, strict=True):
        assert np.abs(a + b - both[name]).max() <= 1e-13 * np.abs(both[name]).max()
    empty = {k: a[:, :0] if k not in ("rate", "initial") else a for k, a in x.items()}
    none = by_rule(empty, {"hold": False}, (ybar[:, :0], finalbar))
    assert (none["initial"] == finalbar).all()
    assert none["value"].shape == (2, 0, H, V)
    assert not none["rate"].any()


def test_states_of_all_steps_are_differentiated_too():
    """A cotangent of the state after step t is that of the last state of the first t + 1 steps."""
    x, _, (_, finalbar) = draw("column", True, False, False, "plain")
    leaves = [Tape(a) for a in x.values()]
    run = recurrence(**dict(zip(x, leaves, strict=True)), states=True)
    some = gradients([(run.states[:, 7], finalbar)], leaves)
    cut = {k: a[:, :8] if k != "rate" else a for k, a in x.items()}
    short = by_rule(cut, {}, (np.zeros((2, 8, H, V)), finalbar))
    for name, bar in zip(x, some, strict=True):
        part = bar if name == "rate" else bar[:, :8]
        assert np.abs(part - short[name]).max() <= 1e-13 * np.abs(part).max()
        assert name == "rate" or not bar[:, 8:].any()


# A chunked backward kernel with decays by difference, in float32 --------------------------------


def backward_by_chunks(v, k, q, g, S, ybar, P, *, operand=lambda x: x, decay=1.0, keep=True):
    """One head: cotangents of v, k, q, g and of the first state, as a kernel with matrix products forms them.

    `decay` is a factor that g is off by, `keep` whether P passes on to the chunk before with its decay.
    """

    def product(x, y):
        return operand(x) @ operand(y)

    g = g * np.float32(decay)
    chunks = [slice(i, min(i + CHUNK, len(g))) for i in range(0, len(g), CHUNK)]
    starts = [S]
    for c in chunks:  # the states at the beginnings of chunks, recomputed
        L = np.cumsum(g[c])
        starts.append(np.exp(L[-1]) * starts[-1] + product((np.exp(L[-1] - L)[:, None] * v[c]).T, k[c]))
    vbar, kbar, qbar, gbar = (np.zeros_like(x) for x in (v, k, q, g))
    for i, c in reversed(list(enumerate(chunks))):
        L = np.cumsum(g[c])
        out, last = np.exp(L)[:, None], np.exp(L[-1] - L)[:, None]
        D = np.exp(np.minimum(L[:, None] - L[None, :], 0)) * np.tri(len(L), dtype=np.float32)
        scores = product(ybar[c], v[c].T) * D
        qbar[c] = product(scores, k[c]) + out * product(ybar[c], starts[i])
        kbar[c] = product(scores.T, q[c]) + last * product(v[c], P)
        vbar[c] = product((product(q[c], k[c].T) * D).T, ybar[c]) + last * product(k[c], P.T)
        Lbar = (q[c] * qbar[c]).sum(-1) - (k[c] * kbar[c]).sum(-1)
        Lbar[-1] += (starts[i + 1] * P).sum()
        gbar[c] = np.cumsum(Lbar[::-1])[::-1]
        P = (np.exp(L[-1]) if keep else np.float32(1)) * P + product((out * ybar[c]).T, q[c])
    return {"value": vbar, "key": kbar, "query": qbar, "log_decay": gbar, "initial": P}


def one_head(memory, seed, T=33, strong=0.0):
    rng = np.random.default_rng(seed)
    g = -rng.uniform(0.5, 2, T) / memory
    g = np.where(rng.uniform(size=T) < strong, -rng.uniform(200, 2000, T), g)
    arrays = [rng.standard_normal((T, V)), *rng.standard_normal((2, T, K)), g, rng.standard_normal((V, K))]
    arrays += [rng.standard_normal((T, V)), rng.standard_normal((V, K))]
    return [a.astype(np.float32) for a in arrays]


def allowed(v, k, q, g, S, ybar, P, claim):
    """Bounds of one head, without the axes of size 1."""
    x = {"value": v[:, None], "key": k[:, None], "query": q[:, None], "log_decay": g[:, None, None, None]}
    x = {name: a.astype(np.float64) for name, a in (x | {"initial": S[None]}).items()}
    bars = ybar[:, None].astype(np.float64), P[None].astype(np.float64)
    found = by_rule(x, {}, bars, lambda a: Err(a, claim=claim))
    return {name: arrange(lambda p, a=a: p[0].reshape(a), (found[name],)) for name, a in shapes(v, k, g, S).items()}


def shapes(v, k, g, S):
    return {"value": v.shape, "key": k.shape, "query": k.shape, "log_decay": g.shape, "initial": S.shape}


def excess(low, bounds):
    return {name: float((np.abs(low[name] - b.value) / b.error).max()) for name, b in bounds.items()}


OPERANDS = {None: lambda x: x, "float16": lambda x: x.astype(np.float16).astype(np.float32)}
LOGDIFF = Claim(chunk=CHUNK, decay="logdiff")


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("memory", [0.3, 3.0, 30.0, 1e4])
def test_a_chunked_backward_kernel_stays_within_the_bound(memory, operand, record_property):
    """With operands in float32 and cast to float16; the controls: a decay 1 % off, and P handed on undecayed."""
    worst = {}
    for seed in range(10):
        arrays = one_head(memory, seed)
        bounds = allowed(*arrays, LOGDIFF.replace(operand=operand))
        found = excess(backward_by_chunks(*arrays, operand=OPERANDS[operand]), bounds)
        worst = {name: max(x, worst.get(name, 0.0)) for name, x in found.items()}
    record_property("worst", str(worst))
    assert max(worst.values()) <= 1, worst
    assert max(worst.values()) > 1e-3
    if operand is None and memory < 1e4:
        assert max(excess(backward_by_chunks(*arrays, decay=1.01), bounds).values()) > 10
        undecayed = excess(backward_by_chunks(*arrays, keep=False), bounds)
        assert undecayed["log_decay"] > 1
        assert undecayed["initial"] > 100


def test_the_gradient_of_the_decay_loses_digits_by_differences_only():
    """Strong decays: what cumulative sums lose is granted to the claim that admits to them, and to no other."""
    worst = {"logdiff": 0.0, "product": 0.0}
    for seed in range(10):
        arrays = one_head(30.0, seed, strong=0.2)
        low = backward_by_chunks(*arrays)
        for decay in worst:
            worst[decay] = max(worst[decay], excess(low, allowed(*arrays, LOGDIFF.replace(decay=decay)))["log_decay"])
    assert worst["logdiff"] <= 1
    assert worst["product"] > 10


def test_arguments_that_are_constants_get_no_gradient():
    """What is no Tape goes through as it is, beside numbers of any type."""
    x, options, bars = draw("row", True, False, True, "plain")
    value = Tape(Err(x["value"], claim=Claim()))
    run = recurrence(**x | {"value": value}, **options)
    (found,) = gradients([(run.y, bars[0]), (run.final, bars[1])], [value])
    whole = by_rule(x, options, bars, lambda a: Err(a, claim=Claim()))["value"]
    assert (found.value == whole.value).all()
    assert (found.error <= whole.error * (1 + 1e-12)).all()
