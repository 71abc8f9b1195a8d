"""Known answers: the local level of the Nile (Durbin and Koopman 2012, chapter 2), plain, with gaps, exactly diffuse.

The book leaves out (1/2) log 2 pi for the diffuse output, so its -632.54 is -633.46 here, where every output counts.
"""

import math

import numpy as np
import pytest

from realization.stochastic import (
    fit,
    information_filter,
    kalman_filter,
    positive,
    posterior,
    rts_smoother,
    square_root_filter,
)
from realization.stochastic.datasets import nile
from realization.systems.stochastic import InitialState, StochasticSSM

y = nile().values
unknown = InitialState.unknown(1)


def level(theta):
    """A level that wanders with variance theta[1], read with variance theta[0]."""
    return StochasticSSM([[1]], [[0, math.sqrt(theta[1])]], [[1]], [[math.sqrt(theta[0]), 0]])


book = level([15099, 1469.1])
gaps = y.copy()
gaps[20:40], gaps[60:80] = np.nan, np.nan


@pytest.fixture(scope="module")
def top():
    return fit(lambda theta: (level(theta), unknown), [10000, 1000], y, transform=positive([1e4, 1e3]))


def by_hand(y, noise, drift):
    """The recursions of a local level with scalars, from the first output on: the book's, in five lines."""
    a, P, found = y[0], noise + drift, 0.0
    for value in y[1:]:
        v, F = value - a, P + noise
        found -= (math.log(2 * math.pi * F) + v * v / F) / 2
        a, P = a + P / F * v, P * noise / F + drift
    return found


def test_the_log_likelihood_of_the_book():
    """-632.54 at the book's parameters, without the constant of the output that fixes the level."""
    for form in (kalman_filter, square_root_filter, information_filter, posterior):
        found = form(book, y, initial=unknown).log_likelihood + math.log(2 * math.pi) / 2
        assert found == pytest.approx(-632.54, abs=0.01)
        assert found == pytest.approx(by_hand(y[:, 0], 15099, 1469.1), rel=1e-13)


def test_the_maximum_of_the_book(top):
    """15099 and 1469.1: to the digits that are printed."""
    assert top.parameters == pytest.approx([15099, 1469.1], rel=1e-4)
    assert top.gain < 1e-8
    assert top.log_likelihood > kalman_filter(book, y, initial=unknown).log_likelihood


def test_the_maximum_is_one(top):
    """A tenth of a standard error away in any direction the likelihood is lower by the quadratic of its curvature."""
    values, V = np.linalg.eigh(top.covariance)
    for step in (V * np.sqrt(values)).T * 0.1:
        for sign in (-1, 1):
            l = kalman_filter(level(top.parameters + sign * step), y, initial=unknown).log_likelihood
            assert top.log_likelihood - l == pytest.approx(0.005, rel=0.05)


def test_filtered_levels():
    """The first filtered level is the first flow, with variance sigma_eps^2; then the steady state is soon reached."""
    run = kalman_filter(book, y, initial=unknown)
    assert run.diffuse_steps == 1
    assert run.filtered[0] == pytest.approx([1120])
    assert run.filtered_covariance[0] == pytest.approx(15099)
    q = 1469.1 / 15099
    steady = 15099 * (q + math.sqrt(q * q + 4 * q)) / 2  # P = P noise/(P + noise) + drift
    assert run.predicted_covariance[-1] == pytest.approx(steady, rel=1e-12)


def test_smoothed_levels():
    """Against the projection of all levels on all flows; and the variance at the ends is larger than in the middle."""
    smooth, law = rts_smoother(book, kalman_filter(book, y, initial=unknown)), posterior(book, y, initial=unknown)
    V = np.array([law.covariance[t, 0, t, 0] for t in range(101)])
    assert np.abs(smooth.means / law.means - 1).max() < 1e-12
    assert np.abs(smooth.covariances[:, 0, 0] / V - 1).max() < 1e-10
    assert smooth.covariances[0] == pytest.approx(smooth.covariances[99], rel=1e-3)  # a level looks the same backward
    assert smooth.covariances[0] > 1.5 * smooth.covariances[50]


def test_gaps():
    """In a gap the filter stands still, its variance grows by the drift; the smoother draws a line across."""
    run = kalman_filter(book, gaps, initial=unknown)
    smooth, law = rts_smoother(book, run), posterior(book, gaps, initial=unknown)
    assert np.abs(run.filtered[20:40] - run.filtered[19]).max() == 0
    assert np.diff(run.filtered_covariance[20:40, 0, 0]) == pytest.approx(1469.1, rel=1e-9)
    assert np.abs(np.diff(smooth.means[19:41, 0], 2)).max() < 1e-9
    assert np.abs(smooth.means / law.means - 1).max() < 1e-12
    assert run.log_likelihood == pytest.approx(law.log_likelihood, rel=1e-13)


def test_a_wide_start_is_not_an_unknown_one():
    """The control: 1e7 for infinity costs 8 in the likelihood, and two digits of the first levels."""
    wide = kalman_filter(book, y, initial=InitialState([0], [[1e7]]))
    exact = kalman_filter(book, y, initial=unknown)
    assert exact.log_likelihood - wide.log_likelihood == pytest.approx(math.log(1e7) / 2, abs=0.1)
    assert abs(wide.filtered[0, 0] / exact.filtered[0, 0] - 1) > 1e-3


@pytest.mark.real("statsmodels")
def test_statsmodels(top):
    """Beside statsmodels: likelihood, filter, smoother, gaps, maximum, standard errors."""
    from statsmodels.tsa.statespace import structural

    for flows in (y, gaps):
        other = structural.UnobservedComponents(flows[:, 0], "llevel", use_exact_diffuse=True)
        theirs = other.smooth([15099, 1469.1])
        run = kalman_filter(book, flows, initial=unknown)
        smooth = rts_smoother(book, run)
        assert run.log_likelihood == pytest.approx(theirs.llf, rel=1e-13)
        assert np.abs(run.filtered[:, 0] / theirs.filtered_state[0] - 1).max() < 1e-12
        assert np.abs(smooth.means[:-1, 0] / theirs.smoothed_state[0] - 1).max() < 1e-12
        assert np.abs(smooth.covariances[:-1, 0, 0] / theirs.smoothed_state_cov[0, 0] - 1).max() < 1e-10
    plain = structural.UnobservedComponents(y[:, 0], "llevel", use_exact_diffuse=True)
    best = plain.fit(start_params=top.parameters, disp=0)
    assert top.log_likelihood >= best.llf - 1e-10
    assert top.parameters == pytest.approx(best.params, rel=1e-3)
    assert top.standard_errors == pytest.approx(plain.smooth(top.parameters, cov_type="approx").bse, rel=1e-3)
