"""The recurrence on every structure of its transition by itself, by routes that share no code.

A layer reaches a few structures only; an error in another one would wait for the next layer.
"""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from realization.certify.err import Err
from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.layers.recurrence import Run, recurrence
from realization.layers.recurrence.chunked import chunked
from realization.layers.recurrence.matrix import matrix

H, V, K, CHUNK = 4, 3, 6, 8
DECAYS = {"none": None, "scalar": (1, 1), "row": (V, 1), "column": (1, "k"), "full": (V, "k")}
STRUCTURES = [
    pytest.param(decay, rate, rotating, hold, id=decay + "-rate" * rate + "-turn" * rotating + "-hold" * hold)
    for decay, rate, rotating, hold in product(DECAYS, (False, True), (False, True), (False, True))
    if not (decay == "none" and (rate or (hold and not rotating)))
]
EXTRAS = ("plain", "initial and resets", "packed")
every_structure = pytest.mark.parametrize("decay, rate, rotating, hold", STRUCTURES)


def draw(rng, decay, rate, rotating, hold, *, extras="plain", batch=(2,), T=21, groups=2, memory=20.0):
    """Arguments of one structure; numbers of float32, so that no route rounds its inputs."""
    columns = K // 2 if rotating else K
    sizes = None if decay == "none" else [columns if n == "k" else n for n in DECAYS[decay]]
    shapes = {"value": (H, V), "key": (groups, K), "query": (groups, K)}
    x = {name: rng.standard_normal((*batch, T, *shape)) for name, shape in shapes.items()}
    if sizes:
        x["log_decay"] = -rng.uniform(0.2, 2, (*batch, T, H, *sizes)) / memory
    if rate:
        x["rate"] = rng.uniform(0.5, 2, (H, *sizes))
    if rotating:
        x["angle"] = rng.standard_normal((*batch, T, H, *(sizes or (1, 1))))
        x["spin"] = rng.uniform(0.5, 2, (1, V, 1))
    offsets = sorted([0, 0, min(1, T), T // 2, T // 2, max(T - 2, 0)])
    if extras != "plain":
        lead = (len(offsets) - 1,) if extras == "packed" else ()
        x["initial"] = rng.standard_normal((*lead, *batch, H, V, K))
    x = {name: a.astype(np.float32).astype(np.float64) for name, a in x.items()} | {"hold": hold, "states": True}
    if extras == "packed":
        x["offsets"] = offsets
    if extras == "initial and resets":
        x["reset"] = rng.uniform(size=(*batch, T)) < 0.1
    return x


def each(function, arguments):
    """Apply a function to the arrays of numbers among the arguments."""
    return {k: function(x) if isinstance(x, np.ndarray) and x.dtype != bool else x for k, x in arguments.items()}


def bound(arguments, claim) -> Run:
    return recurrence(**each(lambda x: Err(x, claim=claim), arguments))


def ratios(one, other, *errors):
    """Worst |one - other| / (sum of errors) of outputs, last and all states."""
    worst = []
    for name in ("y", "final", "states"):
        allowed = sum(getattr(e, name).error for e in errors)
        assert np.isfinite(allowed).all()
        assert getattr(one, name).shape == getattr(other, name).shape == allowed.shape
        worst.append((np.abs(getattr(one, name) - getattr(other, name)) / np.maximum(allowed, 1e-300)).max(initial=0.0))
    return np.array(worst)


FLOAT64 = Claim(io="float64", accumulate="float64")


@pytest.mark.parametrize("extras", EXTRAS)
@every_structure
def test_definition_and_chunks_agree(decay, rate, rotating, hold, extras):
    """Step by step and by chunks, with products or differences of logs: within the sum of both bounds."""
    case = draw(np.random.default_rng(1), decay, rate, rotating, hold, extras=extras)
    steps, steps_bound = recurrence(**case), bound(case, FLOAT64)
    for chunk, form in ((1, "product"), (CHUNK, "product"), (CHUNK, "logdiff"), (100, "logdiff")):
        blocks = chunked(**case, chunk=chunk, decay=form)
        claim = FLOAT64.replace(chunk=chunk, decay=form)
        assert (ratios(steps, blocks, steps_bound, bound(case, claim)) <= 1).all()


@pytest.mark.parametrize("groups, extras", [(1, "packed"), (H, "initial and resets")])
@pytest.mark.parametrize("batch, T", [((), 9), ((2, 3), 9), ((0,), 9), ((2,), 0), ((), 0), ((2,), 1)])
@pytest.mark.parametrize("rotating", [False, True])
def test_routes_agree_for_all_axes(groups, extras, batch, T, rotating):
    """Any batch axes, empty ones included, no step or one step, one group or one for each head."""
    axes = {"batch": batch, "T": T, "groups": groups}
    case = draw(np.random.default_rng(2), "column", True, rotating, rotating, extras=extras, **axes)
    run, errors = recurrence(**case), bound(case, FLOAT64)
    assert run.y.shape == (*batch, T, H, V)
    assert run.states.shape == (*batch, T, H, V, K)
    assert (ratios(run, chunked(**case, chunk=4), errors, bound(case, FLOAT64.replace(chunk=4))) <= 1).all()


@every_structure
def test_float64_is_within_its_bound_of_balls(decay, rate, rotating, hold):
    """The definition on balls of 128 bits is the truth; in float64 it is off by no more than the bound."""
    flint = pytest.importorskip("flint")
    case = draw(np.random.default_rng(3), decay, rate, rotating, hold, extras="initial and resets", batch=(), T=12)
    run, errors = recurrence(**case), bound(case, FLOAT64)
    with flint.ctx.workprec(128):
        truth = recurrence(**each(np.vectorize(flint.arb, otypes=[object]), case))
        for name in ("y", "final", "states"):
            error = getattr(truth, name) - getattr(run, name)
            error = np.vectorize(lambda x: float(abs(x).upper()), otypes=[float])(error)
            assert (error <= getattr(errors, name).error).all()
            assert not rate or error.any()  # float64 does round here, so the bound is not idle


def test_rationals_stay_rational():
    """Without exponentials the definition is exact on rationals, resets and a state 0 included."""
    case = draw(np.random.default_rng(4), "none", False, False, False, T=9)
    case["reset"] = np.arange(9)[None] % 4 == np.array([[1], [2]])
    exact = recurrence(**each(np.vectorize(Fraction, otypes=[object]), case))
    run, errors = recurrence(**case), bound(case, FLOAT64)
    assert all(isinstance(x, Fraction) for x in exact.states.ravel())
    assert (np.abs(exact.y - run.y) <= errors.y.error).all()
    assert (exact.y != run.y).any()


@pytest.mark.parametrize("form", ["product", "logdiff"])
@every_structure
def test_float32_is_within_its_bound_and_a_wrong_decay_is_not(decay, rate, rotating, hold, form, record_property):
    """A float32 kernel by chunks keeps the bound of its claim; with a decay 0.1 % off it does not."""
    case = draw(np.random.default_rng(5), decay, rate, rotating, hold, extras="initial and resets", T=70)
    claim = Claim(chunk=CHUNK, decay=form)
    truth, errors = recurrence(**case), bound(case, claim)
    single = each(lambda x: x.astype(np.float32), case)
    kernel = chunked(**single, chunk=CHUNK, decay=form)
    assert kernel.y.dtype == kernel.states.dtype == np.float32
    right = ratios(kernel, truth, errors)
    record_property("worst", right.max())
    assert (right <= 1).all()
    off = np.float32(np.log(0.999)) / (1 if not rate else single["rate"])
    wrong = single | {"log_decay": single.get("log_decay", np.zeros((2, 70, H, 1, 1), np.float32)) + off}
    assert (ratios(chunked(**wrong, chunk=CHUNK, decay=form), truth, errors) > 3).all()


def test_differences_of_logs_need_their_claim():
    """Under strong decay exp(L(t) - L(s)) in float32 breaks the bound of the product form: the claim matters."""
    case = draw(np.random.default_rng(6), "scalar", False, False, False, T=64, memory=0.01)
    case["log_decay"][:, 1::2] = -1e-3
    kernel = chunked(**each(lambda x: x.astype(np.float32), case), chunk=64, decay="logdiff")
    truth = recurrence(**case)
    assert (ratios(kernel, truth, bound(case, Claim(chunk=64, decay="logdiff"))) <= 1).all()
    assert ratios(kernel, truth, bound(case, Claim(chunk=64))).max() > 1


def test_a_wrong_group_is_seen():
    """Heads that take the rows of another group differ by far more than any bound."""
    case = draw(np.random.default_rng(7), "scalar", False, False, False)
    other = case | {"key": case["key"][:, :, ::-1]}
    assert (ratios(recurrence(**case), recurrence(**other), bound(case, FLOAT64)) > 1e6).all()


def test_chunks_refuse_what_they_do_not_know():
    """An unknown form of the decay, or no length, is named."""
    case = draw(np.random.default_rng(8), "scalar", False, False, False, T=2)
    with pytest.raises(ShapeError, match="decay='sum', chunk=0"):
        chunked(**case, chunk=0, decay="sum")


@pytest.mark.parametrize("extras", EXTRAS)
@pytest.mark.parametrize("form", ["product", "logdiff"])
@every_structure
def test_the_matrix_is_the_recurrence(decay, rate, rotating, hold, form, extras):
    """Where all values of a head share their decay; elsewhere it is refused."""
    x = draw(np.random.default_rng(5), decay, rate, rotating, hold, extras=extras)
    x = {k: a[:, :1] if k == "spin" else a for k, a in x.items() if k != "states"}
    if decay in ("row", "full"):
        with pytest.raises(ShapeError, match="differ between the values"):
            matrix(decay=form, **x)
        return
    claim = Claim(io="float64", accumulate="float64", chunk=21, decay=form)
    got, want, tol = matrix(decay=form, **x), recurrence(**x), bound(x, claim)
    assert (np.abs(got.y - want.y) <= 2 * tol.y.error).all()
    assert (np.abs(got.final - want.final) <= 2 * tol.final.error).all()
