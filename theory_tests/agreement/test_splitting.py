"""Angles and conditional covariances, each by a second route: SciPy's angles, Schur complements, smoothing errors."""

import mpmath
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.linalg.decision import EPS
from realization.stochastic import (
    canonical_correlations,
    conditional_covariance,
    covariance_model,
    faurre_set,
    frame,
    moment,
    principal_angles,
    splitting,
    state_covariance,
)
from realization.systems.families import conditioned
from realization.systems.stochastic_families import random_process
from realization.testing import seeds, stochastic_systems

half = settings(max_examples=max(10, settings().max_examples // 2))


@half
@given(seeds, st.integers(1, 3), st.integers(1, 3), st.integers(0, 4), st.integers(0, 12))
def test_angles_are_those_of_scipy(seed, a, b, extra, tenths):
    """Of rows of F with covariance F F'; what is lost is its condition."""
    N = a + b + extra
    F = conditioned(N, 10 ** (tenths / 4), rng=seed)
    found = principal_angles(F @ F.T, range(a), range(a, a + b))
    expected = np.sort(scipy.linalg.subspace_angles(F[:a].T, F[a : a + b].T))
    assert np.abs(found.angles - expected).max() <= 100 * N * EPS * np.linalg.cond(F) ** 2
    assert np.abs(found.cosines**2 + found.sines**2 - 1).max() <= 100 * N * EPS * np.linalg.cond(F) ** 2


@pytest.mark.parametrize("angle", [1e-9, 1e-6, 1e-3])
def test_small_angles_come_from_sines(angle):
    """Of u and cos u + sin v, where v is there too; angles close to pi/2 come from cosines."""
    J = np.array([[1, np.cos(angle), 0], [np.cos(angle), 1, np.sin(angle)], [0, np.sin(angle), 1]])
    found = principal_angles(J, [0], [1]).angles[0]
    assert found == pytest.approx(angle, abs=100 * EPS)
    assert np.pi / 2 - principal_angles(J, [1], [2]).angles[0] == pytest.approx(angle, abs=100 * EPS)
    # the control: to first order the cosine, off by eps, is off by eps / angle in the angle
    assert abs(np.arccos(J[0, 1]) - angle) > 100 * abs(found - angle)


@half
@given(seeds, st.integers(1, 3), st.integers(1, 3))
def test_conditioning_is_a_schur_complement(seed, a, g):
    F = conditioned(a + g + 1, 100.0, rng=seed)
    J = F @ F.T
    A, B, S = J[:a, :a], J[:a, a : a + g], J[a : a + g, a : a + g]
    left = conditional_covariance(J, range(a), range(a, a + g))
    expected = A - B @ np.linalg.solve(S, B.T)
    assert np.abs(left - expected).max() <= 100 * len(J) * EPS * np.linalg.cond(J) * np.abs(J).max()
    assert np.linalg.eigvalsh(left)[0] >= -EPS * np.abs(J).max(), "by construction, where the complement may not be"


def test_variables_that_follow_from_others_are_left_out():
    """Copies, sums and a zero change neither angles nor what is known."""
    F = conditioned(4, 10.0, rng=3)
    wide = np.vstack([F, F[:2], F[:1] + F[1:2], np.zeros((1, 4))])
    plain = principal_angles(F @ F.T, [0, 1], [2, 3])
    found = principal_angles(wide @ wide.T, [0, 1, 4, 5, 6, 7], [2, 3])
    assert found.dimensions[0].choice == 2
    np.testing.assert_allclose(found.angles, plain.angles, atol=1e-12)
    left = [conditional_covariance(X @ X.T, [2, 3], given) for X, given in ((F, [0, 1]), (wide, [0, 1, 4, 6, 7]))]
    np.testing.assert_allclose(left[0], left[1], atol=1e-12)
    assert principal_angles(wide @ wide.T, [0, 1], [4, 5]).shared == 2
    assert principal_angles(wide @ wide.T, [0, 2], [4, 5]).shared == 1, "the control"


@half
@given(stochastic_systems(min_states=1))
def test_the_ends_of_the_frame_are_at_the_angles_of_past_and_future(drawn):
    """To the error of the frame times the condition of each end, in units of its variances."""
    found, known = frame(drawn.system), canonical_correlations(drawn.system)
    angles = principal_angles(found.joint, found.predictor, found.backward, noise=found.noise)
    ends = (found.joint[np.ix_(a, a)] for a in (found.predictor, found.backward))
    condition = max(np.linalg.cond(J / np.sqrt(np.outer(np.diag(J), np.diag(J)))) for J in ends)
    assert np.abs(angles.cosines - known.values).max() <= found.noise * condition


def test_what_past_and_future_leave_of_the_state():
    """Given x_- and xbar_+ the smoothing error of Faurre's set, as in windows of 40 steps; given x_- alone P - P_-."""
    model = random_process(3, 2, 3, radius=0.6, rng=1)
    found, full, P = frame(model), faurre_set(covariance_model(model)), state_covariance(model)
    both = np.concatenate([found.predictor, found.backward])
    smoothed = conditional_covariance(found.joint, found.state, both)
    np.testing.assert_allclose(smoothed, full.smoothing_error(P), atol=1e-12)
    np.testing.assert_allclose(
        conditional_covariance(found.joint, found.state, found.predictor), P - full.P_minus, atol=1e-12
    )
    now = moment(model, 40, 40)
    outputs = np.concatenate([now.past, now.future])
    np.testing.assert_allclose(conditional_covariance(now.joint, now.state, outputs), smoothed, atol=1e-11)
    assert np.abs(smoothed - (P - full.P_minus)).max() > 0.01, "the control: the future adds something"


def test_what_is_not_known_is_not_said():
    """Of nearly dependent variables, of condition 1e18, angles are lost; one below the noise may be 0 or not."""
    with pytest.raises(StructureError, match=r"angles are known to .*, need <= 0.01"):
        principal_angles(scipy.linalg.hilbert(14), range(7), range(7, 14))
    assert principal_angles(scipy.linalg.hilbert(4), range(2), range(2, 4)).shared == 0, "the control"
    faint = np.array([[1, 1 - 1e-10], [1 - 1e-10, 1]])
    close = principal_angles(faint, [0], [1], noise=5e-13)
    assert not close.decided
    assert not close.perpendicular
    assert principal_angles(np.eye(2), [0], [1]).perpendicular, "the control"


@pytest.mark.parametrize("n", [4, 8, 10])
def test_of_powers_on_an_interval(n):
    """1, x, ... and the powers that follow: sines in 60 digits, from whitened blocks, and what is known of them."""
    k = n // 2
    with mpmath.workdps(60):
        H = mpmath.matrix([[mpmath.mpf(1) / (i + j + 1) for j in range(n)] for i in range(n)])
        W = [mpmath.cholesky(H[i : i + k, i : i + k]) ** -1 for i in (0, k)]
        cosines = mpmath.svd_r(W[0] * H[:k, k:] * W[1].T, compute_uv=False)
        sines = np.array([float(mpmath.sqrt(1 - c**2)) for c in cosines])
    found = principal_angles(scipy.linalg.hilbert(n), range(k), range(k, n))
    assert np.abs(found.sines - sines).max() <= found.noise
    assert found.noise < 0.01
    assert not found.decided or n < 8, "the control: the smallest sine, 9e-6 for n = 10, is below what is known"


def test_moments_without_past_or_future():
    model = random_process(2, 1, 2)
    for i, j in ((0, 0), (0, 3), (3, 0)):
        now = moment(model, i, j)
        found = splitting(now.joint, now.state, now.past, now.future)
        assert found.splits
        assert (found.observable.choice, found.constructible.choice) == (2 if j else 0, 2 if i else 0)
        assert not found.minimal
        assert principal_angles(now.joint, *now.scattering_pair).shared == 2


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: principal_angles(np.eye(2), [0], [2]), ShapeError, "b is no choice among 2 variables"),
        (lambda: principal_angles([[1, 0.5], [0.2, 1]], [0], [1]), ShapeError, "differs from its transpose"),
        (lambda: principal_angles([[1, 2], [2, 1]], [0], [1]), StructureError, "joint covariance has eigenvalue -1"),
        (lambda: splitting(np.eye(2), ["a"], [0], [1]), ShapeError, "x is no choice"),
        (lambda: principal_angles(np.eye(3), [0.7], [1]), ShapeError, "a is no choice among 3 variables"),
        (lambda: principal_angles(np.eye(3), [True, False], [1]), ShapeError, "boolean index did not match"),
        (lambda: principal_angles(np.eye(2) * (1 + 0j), [0], [1]), ShapeError, "joint is complex"),
        (lambda: principal_angles(np.eye(2), [0], [1], noise=-1), ShapeError, "noise is -1,"),
        (lambda: conditional_covariance(np.ones((2, 3)), [0], [1]), ShapeError, "joint has shape"),
        (lambda: moment(random_process(2, 1, 1), -1, 2), ShapeError, "past is -1"),
        (lambda: moment(np.eye(2), 1, 2), ShapeError, "moment of a ndarray"),
    ],
)
def test_what_has_no_answer_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
