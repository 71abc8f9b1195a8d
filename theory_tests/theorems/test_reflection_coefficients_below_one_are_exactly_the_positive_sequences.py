"""Lambda(0) > 0 and reflections of norm below 1, one for each lag, are in bijection with positive windows T > 0.

Every sequence of such reflections comes from one window, every positive window has one, and the first reflection that
is not below 1 sits at the first order where T stops being positive definite (Schur 1917; Verblunsky 1935;
several outputs: Morf, Vieira and Kailath 1978).
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.linalg.certificate import exactly_nonnegative
from realization.linalg.decision import EPS
from realization.linalg.rational import rank, rationals
from realization.stochastic import block_toeplitz, from_reflections, levinson, positivity, step_down
from realization.testing import covariance_windows

seeds = st.integers(0, 2**32 - 1)
fractions = st.integers(2, 12).flatmap(lambda q: st.integers(1 - q, q - 1).map(lambda k: Fraction(k, q)))
quarter = settings(max_examples=max(10, settings().max_examples // 4))


@quarter
@given(st.lists(fractions, max_size=7))
def test_there_and_back_in_fractions(reflections):
    c = from_reflections(Fraction(3), np.array(reflections, dtype=object))
    assert levinson(c).reflections.tolist() == reflections
    T = block_toeplitz(c)
    assert exactly_nonnegative(T)
    assert rank(T) == len(T)


@quarter
@given(seeds, st.integers(1, 3), st.integers(0, 5))
def test_there_and_back_with_several_outputs(seed, p, N):
    """Drawn are contractions of norm 0.1 to 0.9."""
    rng = np.random.default_rng(seed)
    U, _, V = np.linalg.svd(rng.standard_normal((N, p, p)))
    drawn = U * rng.uniform(0.1, 0.9, (N, 1, p)) @ V
    F = rng.standard_normal((p, p))
    Lambda = from_reflections(F @ F.T + np.eye(p), drawn)
    bound = 10 * (N + 1) * p * EPS * np.linalg.cond(block_toeplitz(Lambda))
    assert np.abs(levinson(Lambda).reflections - drawn).max(initial=0.0) <= bound


@pytest.mark.parametrize("row", [[0.5] * 60, [0.875, -0.875] * 15, [-0.5, 0.5, 0.25] * 15])
def test_many_reflections_cost_no_digits(row):
    """Against fractions; the control predicts each covariance with Levinson's coefficients, which grow to 10^10."""
    exact = from_reflections(Fraction(1), [Fraction(x) for x in row])
    assert np.abs(from_reflections(1.0, row) - exact.astype(float)).max() <= 2 * EPS
    two = from_reflections(np.diag([1.0, 4]), np.multiply.outer(row, np.diag([1, -1])))  # each output for itself
    assert np.abs(two[:, 0, 0] - exact.astype(float)).max() <= 4 * EPS
    assert np.abs(two[:, 1, 1] - 4 * from_reflections(1.0, np.negative(row))).max() <= 16 * EPS
    c, a, error = np.ones(1), np.zeros(0), 1.0
    for gamma in row:
        c = np.append(c, a @ c[:0:-1] + gamma * error)
        a, error = np.append(a - gamma * a[::-1], gamma), error * (1 - gamma**2)
    assert np.abs(c - exact.astype(float)).max() > 1e3 * EPS


def test_what_vanishes_in_rounding_is_refused():
    with pytest.raises(StructureError, match="predicted without error from 28 values"):
        from_reflections(1.0, [1 - 1e-12] * 40)


@quarter
@given(covariance_windows(max_lags=5, max_outputs=2))
def test_and_back_and_there(Lambda):
    back = from_reflections(Lambda[0], levinson(Lambda).reflections)
    bound = 10 * len(Lambda) * EPS * np.linalg.cond(block_toeplitz(Lambda)) * np.abs(Lambda[0]).max()
    assert np.abs(back - Lambda).max() <= bound


@quarter
@given(st.lists(fractions, min_size=1, max_size=6), st.integers(0, 5), fractions.filter(bool), st.booleans())
def test_the_control_one_that_is_not_below_one(reflections, place, small, on_the_edge):
    """At the edge T is singular there, and beyond it indefinite; the window is built without asking."""
    n = place % len(reflections)
    refused = Fraction(1) if on_the_edge else 1 / small
    with pytest.raises(StructureError, match=f"reflection {n + 1} has norm"):
        from_reflections(1, [float(x) for x in reflections[:n]] + [float(refused)])
    good = from_reflections(Fraction(1), np.array(reflections[:n], dtype=object))
    ahead = from_reflections(Fraction(1), np.array([*reflections[:n], Fraction(0)], dtype=object))[-1]
    bad = np.append(good, ahead + refused * levinson(good).errors[-1])
    found, T = positivity(bad), block_toeplitz(bad)
    assert (found.verdict, found.order) == ("singular" if on_the_edge else "indefinite", n + 1)
    assert (rank(T), exactly_nonnegative(T)) == ((n + 1, True) if on_the_edge else (n + 2, False))
    with pytest.raises(StructureError, match=f"at order {n + 1}"):
        levinson(bad)


@given(covariance_windows(max_lags=4, max_outputs=2), st.integers(1, 40))
def test_floats_and_fractions_say_the_same(Lambda, share):
    """Lambda(0) is reduced, until the window is positive no more; where floats decide, they are right."""
    Lambda = Lambda.copy()
    Lambda[0] -= share / 8 * np.eye(Lambda.shape[1])
    exact, floats = positivity(rationals("Lambda", Lambda)), positivity(Lambda)
    if floats.verdict != "singular":
        assert (floats.verdict, floats.order) == (exact.verdict, exact.order)


@quarter
@given(st.lists(fractions, max_size=7))
def test_the_same_reflections_are_read_off_the_predictor(reflections):
    """Step down, which is the test of Schur and Cohn for roots inside the circle."""
    found = levinson(from_reflections(Fraction(1), np.array(reflections, dtype=object)))
    assert step_down(found.predictor).tolist() == reflections
    assert np.abs(np.roots(found.forward[-1].astype(float))).max(initial=0.0) < 1


def test_a_root_outside_is_seen_by_the_step_down():
    assert np.allclose(np.sort(np.abs(np.roots([1, -2.5, 1]))), [0.5, 2])
    with pytest.raises(StructureError, match="reflection -1 at order 2"):
        step_down([2.5, -1])
