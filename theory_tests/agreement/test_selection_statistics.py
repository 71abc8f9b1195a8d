"""Statistics of innovations: their values by another route, and their bits however a stream is cut."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.memory.selection import RunningCovariance, statistic

EPS = 2.0**-52
SEEDS = st.integers(0, 2**32 - 1)
# the statistics of vectors, with what each needs
CASES = {
    "squared": {},
    "relative": {},
    "whitened": {},
    "whitened, prior": {"prior": (np.diag([1.0, 2.0, 3.0]), 4.0)},
    "whitened, known": {"covariance": np.diag([1.0, 2.0, 3.0]) + 0.5},
}
every_case = pytest.mark.parametrize("case", CASES)


def draw(seed, T=20, m=3, batch=()):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((*batch, T, m)), rng.standard_normal((*batch, T, m)), rng.random((*batch, T)) < 0.1


def covariance_before(case, e, t):
    """Sigma(t) with which e(t) is compared, or None where there is none; documents apart."""
    if "covariance" in CASES[case]:
        return CASES[case]["covariance"]
    Sigma0, nu = CASES[case].get("prior", (np.zeros((3, 3)), 0.0))
    return (nu * Sigma0 + e[:t].T @ e[:t]) / (nu + t) if nu or t >= 3 else None


@every_case
@given(SEEDS)
def test_the_value_is_the_equation(case, seed):
    """Sums of m terms to m eps; e' inv(Sigma) e to the condition of Sigma, times the rotations that made its factor."""
    u, guess, _ = draw(seed)
    s = statistic(case.partition(",")[0], u, guess, **CASES[case]).surprise
    e = u - guess
    for t in range(len(u)):
        square = math.fsum(x * x for x in e[t])
        if case in ("squared", "relative"):
            want = square / (math.fsum(x * x for x in u[t]) if case == "relative" else 1.0)
            tolerance = 8 * EPS
        else:
            Sigma = covariance_before(case, e, t)
            want = 0.0 if Sigma is None else e[t] @ np.linalg.solve(Sigma, e[t])
            tolerance = 0.0 if Sigma is None else 10 * (t + 3) * np.linalg.cond(Sigma) * EPS
        assert abs(s[t] - want) <= tolerance * want
        if case == "whitened" and t > 3:  # the control: a covariance that e(t) has already entered
            late = (e[: t + 1].T @ e[: t + 1]) / (t + 1)
            if (cond := np.linalg.cond(late)) < 1e6:
                assert abs(s[t] - e[t] @ np.linalg.solve(late, e[t])) > 10 * (t + 3) * cond * EPS * want


def test_log_loss_is_the_surprise_of_the_symbol():
    logs = np.log([[0.5, 0.5], [0.25, 0.75]])
    assert statistic("log-loss", [1, 0], logs).surprise.tolist() == [-logs[0, 1], -logs[1, 0]]


@every_case
@given(SEEDS, st.lists(st.integers(0, 20), max_size=3))
def test_however_the_stream_is_cut(case, seed, cuts):
    """In blocks, in one, in another layout of memory, beside other rows: the same bits."""
    u, guess, begins = draw(seed, batch=(2,))
    name, options = case.partition(",")[0], CASES[case]
    whole = statistic(name, u, guess, begins=begins, **options)
    state, parts = None, []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 20], strict=True):
        at = np.s_[:, first:last]
        part = statistic(name, np.asfortranarray(u[at]), guess[at], begins=begins[at], state=state, **options)
        state = part.state
        parts.append(part.surprise)
    assert np.concatenate(parts, axis=1).tobytes() == whole.surprise.tobytes()
    row = statistic(name, u[1], guess[1], begins=begins[1], **options)
    assert row.surprise.tobytes() == whole.surprise[1].tobytes()
    if state is not None:
        assert state.factor.tobytes() == whole.state.factor.tobytes()
        assert state.count.tobytes() == whole.state.count.tobytes()
    if "whitened" in case and "known" not in case and not begins[:, 8].all():
        # the control: a covariance that starts afresh at a cut
        assert (statistic(name, u[:, 8:], guess[:, 8:], **options).surprise != whole.surprise[:, 8:]).any()


@every_case
@given(SEEDS)
def test_packed_is_separate(case, seed):
    u, guess, begins = draw(seed)
    name, options = case.partition(",")[0], CASES[case]
    s = statistic(name, u, guess, begins=begins, **options).surprise
    edges = [0, *np.flatnonzero(begins[1:]) + 1, len(u)]
    for first, last in zip(edges, edges[1:], strict=False):
        assert (statistic(name, u[first:last], guess[first:last], **options).surprise == s[first:last]).all()


@pytest.mark.parametrize("power", [-560, -30, 30, 1000])
@pytest.mark.parametrize("case", ["relative", "whitened"])
def test_they_have_no_unit(case, power):
    """Not where squares over- or underflow either: powers of two are exact, so the bits are the same."""
    u, guess, _ = draw(0)
    s = statistic(case, u, guess).surprise
    assert s[3:].all()
    assert (statistic(case, np.ldexp(u, power), np.ldexp(guess, power)).surprise == s).all()
    assert (statistic(case, u, 2 * guess).surprise != s).any(), "the control: another unit of one of them"


def test_a_token_of_norm_zero_holds_nothing_to_keep():
    zero = np.zeros((1, 2))
    assert statistic("relative", zero, zero).surprise[0] == 0.0
    assert statistic("relative", zero, zero + 1).surprise[0] == 0.0
    assert statistic("relative", zero + 1e-8, zero + 1).surprise[0] > 1e15


def test_what_cannot_be_compared_does_not_surprise():
    """Fewer innovations than entries, identical ones, an entry that is always right: 0, unless a prior says more."""
    rng = np.random.default_rng(0)
    independent = rng.standard_normal((6, 3))
    identical = np.repeat(rng.standard_normal((1, 3)), 200, axis=0)
    right = independent * [1.0, 0.0, 1.0]
    zero = np.zeros((200, 3))
    assert (statistic("whitened", independent, zero[:6]).surprise > 0).tolist() == [False] * 3 + [True] * 3
    for e in (identical, right):
        assert not statistic("whitened", e, zero[: len(e)]).surprise.any()
        assert (statistic("whitened", e, zero[: len(e)], prior=(np.eye(3), 1.0)).surprise > 0).all()


@pytest.mark.parametrize("scale", [1.0, 1e-12])
def test_nor_does_it_after_a_long_time(scale):
    """Three entries that span a plane, and the rounding errors of 20,000 steps: a random walk of eps in the pivot."""
    rng = np.random.default_rng(0)
    e = rng.standard_normal((20_000, 2)) @ rng.standard_normal((2, 3)) * [1.0, 1.0, scale]
    assert not statistic("whitened", e, 0 * e).surprise.any()
    e[:, 2] += 1e-9 * scale * rng.standard_normal(20_000)
    s = statistic("whitened", e, 0 * e).surprise[1000:]
    # the control: what is no rounding is compared; s has the mean 3 and the variance 6 of chi^2(3)
    assert abs(s.mean() - 3) < 4 * np.sqrt(6 / 19_000)


@pytest.mark.parametrize("T, m", [(0, 3), (4, 0), (0, 0)])
@pytest.mark.parametrize("name", ["squared", "relative", "whitened"])
def test_nothing_gives_nothing(T, m, name):
    for batch in ((), (0,), (2, 3)):
        x = np.zeros((*batch, T, m))
        assert (statistic(name, x, x).surprise == np.zeros((*batch, T))).all()
    assert statistic("log-loss", np.zeros((2, 0), int), np.zeros((2, 0, 5))).surprise.shape == (2, 0)


E = np.ones((4, 2))
NO_STATE = RunningCovariance(np.zeros(()), np.zeros((3, 3)))


@pytest.mark.parametrize("error, message, arguments, options", [
    (ShapeError, "statistic is 'L2', but one of squared, relative", ("L2", E, E), {}),
    (ShapeError, "'squared' was given a covariance", ("squared", E, E), {"covariance": np.eye(2)}),
    (ShapeError, "both a covariance and a prior", ("whitened", E, E), {"covariance": np.eye(2), "prior": (1, 1)}),
    (ShapeError, "prior is no pair", ("whitened", E, E), {"prior": np.eye(2)}),
    (ShapeError, "prior has the weight 0", ("whitened", E, E), {"prior": (np.eye(2), 0)}),
    (ShapeError, r"prior has shape \(3, 3\), but \(2, 2\)", ("whitened", E, E), {"prior": (np.eye(3), 1)}),
    (ShapeError, "covariance differs from its transpose by 1", ("whitened", E, E), {"covariance": [[2, 1], [0, 2]]}),
    (StructureError, "eigenvalue -1, need > 0", ("whitened", E, E), {"covariance": [[1, 2], [2, 1]]}),
    (ShapeError, "'squared' has none here", ("squared", E, E), {"state": NO_STATE}),
    (ShapeError, r"factor has shape \(3, 3\)", ("whitened", E, E), {"state": NO_STATE}),
    (ShapeError, "prediction has shape", ("squared", E, E[1:]), {}),
    (ShapeError, "begins has shape", ("whitened", E, E), {"begins": [True]}),
    (ShapeError, "target has 4 entries that are NaN or infinite", ("squared", E * [1, np.inf], E), {}),
    (ShapeError, "target - prediction has 8 entries", ("squared", E * 1e308, -E * 1e308), {}),
    (ShapeError, "surprise has 4 entries", ("squared", E * 1e200, E), {}),
    (ShapeError, "target is complex", ("squared", E * 1j, E), {}),
    (ShapeError, "log-loss needs symbols", ("log-loss", E[:, 0], E - 1), {}),
    (ShapeError, "symbols from 0 to 2, but 0 to 1", ("log-loss", [0, 0, 2, 0], E - 1), {}),
    (ShapeError, "above 0, but logarithms", ("log-loss", [0, 0, 1, 0], E), {}),
    (StructureError, r"symbol 1 at \(2,\) came with probability 0", ("log-loss", [0, 0, 1, 0], E * [-1, -np.inf]), {}),
])  # fmt: skip
def test_what_is_refused(error, message, arguments, options):
    with pytest.raises(error, match=message):
        statistic(*arguments, **options)
