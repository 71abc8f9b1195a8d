"""Wold 1938: y = H U^t xi + sum_k h(k) e(t-k), the first part known from its past, the second the innovations' alone.

The lines do not change what is left to say at each step: the error of prediction from n values falls to R, with
log det R the mean of log det Phi of the density (Szego 1920), however strong the lines are.
"""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.linalg.decision import EPS
from realization.linalg.lyapunov import discrete_lyapunov
from realization.stochastic import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    levinson,
    positivity,
    schur,
    spectral_density,
    stationary,
    wold,
)
from realization.systems import StochasticSSM
from realization.systems.families import conditioned

seeds, widths = st.integers(0, 2**32 - 1), st.integers(1, 3)
# angles of pi/8 and more apart, 0 and pi among them
lines = st.lists(st.integers(0, 8).map(lambda k: k * np.pi / 8), unique=True, max_size=3)

quarter = settings(max_examples=max(10, settings().max_examples // 4))


def rotation(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s], [-s, c]]) if 0 < angle < np.pi else np.array([[c]])


def mixture(seed, p, n, angles, *, basis=10.0, power=1.0):
    """A regular model, lines at the angles, and the covariances of their sum in a basis that hides them."""
    rng = np.random.default_rng(seed)
    A1 = 0.8 * np.linalg.qr(rng.standard_normal((n, n)))[0]
    B1, C1 = rng.standard_normal((n, n + p)), rng.standard_normal((p, n))
    D = np.hstack([rng.standard_normal((p, n)), 2 * np.eye(p)])
    A2 = scipy.linalg.block_diag(np.zeros((0, 0)), *[rotation(w) for w in angles])
    powers = [power * rng.uniform(0.5, 2) * np.eye(len(rotation(w))) for w in angles]
    A, C = scipy.linalg.block_diag(A1, A2), np.hstack([C1, rng.standard_normal((p, len(A2)))])
    B = np.vstack([B1, np.zeros((len(A2), n + p))])
    P = scipy.linalg.block_diag(discrete_lyapunov(A1, B1 @ B1.T).X, *powers)
    T = conditioned(len(A), basis, rng=rng)
    inverse = np.linalg.inv(T)
    hidden = StochasticSSM(T @ A @ inverse, T @ B, C @ inverse, D)
    return StochasticSSM(A1, B1, C1, D), stationary(hidden, T @ P @ T.T)


@quarter
@given(seeds, widths, st.integers(0, 3), lines)
def test_the_two_parts(seed, p, n, angles):
    regular, data = mixture(seed, p, n, angles)
    found, size = wold(data), np.abs(data.Lambda0).max()
    bound = 1e5 * EPS * size  # a basis of condition 10, its square in covariances, and digits to spare
    assert found.decision.choice == n
    assert found.error <= 1e-6
    assert np.abs(found.U.T @ found.U - np.eye(len(found.U))).max(initial=0.0) <= 4 * EPS
    assert np.allclose(found.frequencies, np.sort(angles), atol=1e5 * EPS)
    assert np.abs(found.powers.sum(axis=0) - found.H @ found.H.T).max() <= bound
    whole, one, two, expected = (
        autocovariances(x, 12) for x in (data, found.regular, found.predictable, covariance_model(regular))
    )
    assert np.abs(one + two - whole).max() <= bound
    assert np.abs(one - expected).max() <= bound
    assert np.abs(autocovariances(found.innovations, 12) - one).max() <= bound


@quarter
@given(seeds, widths, st.integers(0, 2), st.integers(1, 5), st.integers(-8, 8), st.integers(-6, 6))
def test_lines_that_are_near_weak_or_strong_in_any_units(seed, p, n, nearness, strength, unit):
    """10^-1 to 10^-5 apart, 10^-8 to 10^8 of the noise, outputs in units that differ by 10^12."""
    assume(strength - nearness >= -9)  # weaker ones are below the error, and part of the noise
    angles = 1 + 10.0**-nearness * np.arange(3)
    regular, data = mixture(seed, p, n, angles, power=10.0**strength)
    u = np.diag(10.0 ** (unit * np.arange(-1, p - 1)))
    found = wold(CovarianceModel(data.A, u @ data.C, data.G @ u, u @ data.Lambda0 @ u))
    deviations = np.sqrt(np.diag(u @ data.Lambda0 @ u))
    assert found.frequencies.shape == (3,)
    assert np.abs(found.frequencies - angles).max() <= 1e4 * EPS
    expected = autocovariances(covariance_model(regular), 6)
    off = np.abs(autocovariances(found.regular, 6) - u @ expected @ u) / np.outer(deviations, deviations)
    assert found.error <= 1e-6
    assert off.max() <= found.error + 1e3 * EPS  # and the rounding of a regular part, in units of the whole


def test_the_control_lines_that_floats_cannot_tell_apart():
    """10^-9 apart they are neither one line nor two: refused, with the number."""
    with pytest.raises(StructureError, match=r"at frequency 1 is no stationary process: .* has norm .*, need 0"):
        wold(mixture(0, 2, 1, [1.0, 1 + 1e-9])[1])
    assert len(wold(mixture(0, 2, 1, [1.0, 1.0])[1]).frequencies) == 1


@quarter
@given(seeds, st.integers(1, 2), st.integers(0, 3))
def test_the_moving_average_is_what_the_innovations_algorithm_tends_to(seed, p, n):
    """The second route, of 40 values and without a Riccati equation; its rate is the radius of the predictor."""
    regular, data = mixture(seed, p, n, [])
    found, N = wold(data), 40
    radius = np.abs(np.linalg.eigvals(found.innovations.predictor)).max(initial=0.0)
    if radius < 0.7:
        finite = schur(autocovariances(data, N))
        h = finite.moving_average[-p:].reshape(p, N + 1, p).swapaxes(0, 1)[::-1]
        size = np.abs(data.Lambda0).max()
        assert np.abs(h[:9] - found.moving_average(8)).max() <= (1e4 * EPS + 100 * radius ** (2 * (N - 8))) * size
        assert np.abs(finite.errors[-1] - found.innovations.R).max() <= (1e4 * EPS + 100 * radius ** (2 * N)) * size


@quarter
@given(seeds, widths, st.integers(0, 3), lines)
def test_szego(seed, p, n, angles):
    """log det R is the mean of log det Phi of the regular part alone."""
    _, data = mixture(seed, p, n, angles)
    found, T = wold(data), 512
    Phi = spectral_density(found.regular, 2 * np.pi * np.arange(T) / T)
    mean = np.linalg.slogdet(Phi)[1].mean()
    zero = np.abs(np.linalg.eigvals(found.innovations.predictor)).max(initial=0.8)
    if zero < 0.95:
        cond = np.linalg.cond(Phi).max()
        assert abs(mean - np.linalg.slogdet(found.innovations.R)[1]) <= 1e5 * EPS * cond + 100 * zero**T


def test_the_error_of_prediction_falls_to_that_of_the_innovations():
    """From n values a line of any power costs about 1 / n more, and nothing in the end; the control keeps its noise."""
    regular, data = mixture(1, 1, 2, [3 * np.pi / 8])
    R = wold(data).innovations.R[0, 0]
    errors = levinson(autocovariances(data, 400)).errors[:, 0, 0]
    assert (errors > R).all()
    assert (np.diff(errors) <= 0).all()
    excess = errors[[50, 100, 200, 400]] / R - 1
    assert (excess[1:] < 0.6 * excess[:-1]).all()
    noisier = CovarianceModel(data.A, data.C, data.G, data.Lambda0 + 1)
    assert levinson(autocovariances(noisier, 400)).errors[-1, 0, 0] > R + 0.5


def test_what_is_predictable_is_predicted_from_as_many_values_as_it_has_states():
    """Period 3 and a constant: three numbers tell the rest, exactly; with noise of any size they do not."""
    c = np.array([3, 0, 0, 3, 0, 0])  # 1 + 2 cos(2 pi k / 3)
    found = positivity([str(x) for x in c])
    assert (found.verdict, found.order) == ("singular", 3)
    assert positivity(c + 1e-3 * np.eye(1, 6)[0]).verdict == "positive"
    A = scipy.linalg.block_diag([[1.0]], rotation(2 * np.pi / 3))
    H = np.array([[1.0, 2**0.5, 0]])
    alone = wold(CovarianceModel(A, H, A @ H.T, H @ H.T))
    assert alone.innovations.A.shape == (0, 0)
    assert not alone.innovations.R.any()
    assert np.allclose(alone.frequencies, [0, 2 * np.pi / 3], atol=1e-14)
    assert np.allclose(alone.powers.ravel(), [1, 2], atol=1e-13)


def test_a_first_difference_is_a_moving_average_that_is_found_slowly():
    """2, -1: from n values with variance (n+2)/(n+1) and coefficient -n/(n+1), to 1 and -1 in the end."""
    found = schur(["2", "-1", *["0"] * 8])
    assert [str(x) for x in found.errors[:4]] == ["2", "3/2", "4/3", "5/4"]
    assert all(found.moving_average[n, n - 1] * (n + 1) == -n for n in range(1, 10))


@pytest.mark.parametrize(
    "data, message",
    [
        (CovarianceModel([[1.1]], [[1]], [[1]], [[2]]), "spectral radius 1.1, need at most 1"),
        (CovarianceModel([[1, 1], [0, 1]], [[1, 0]], [[1], [1]], [[2]]), "no stationary process"),
        (CovarianceModel([[1 - 1e-9]], [[1]], [[1]], [[2]]), "undecided eigenvalues off the unit circle"),
        (CovarianceModel([[1]], [[1]], [[-1]], [[1]]), "eigenvalue -1, need >= 0"),
        (CovarianceModel([[1]], [[1]], [[2]], [[1]]), "smallest eigenvalue -1 "),
    ],
    ids=["unstable", "Jordan block", "too near", "negative power", "lines stronger than the process"],
)
def test_the_control_covariances_that_have_no_such_parts(data, message):
    with pytest.raises(StructureError, match=message):
        wold(data)


def test_a_state_covariance_that_changes_is_refused():
    """Noise that reaches a mode on the circle makes it grow; the covariance of an oscillation is invariant."""
    with pytest.raises(StructureError, match="P changes with time"):
        stationary(StochasticSSM([[1]], [[1]], [[1]], [[1]]), [[1]])
    with pytest.raises(StructureError, match="P changes with time"):
        stationary(StochasticSSM(rotation(1.0), np.zeros((2, 1)), [[1, 0]], [[1]]), np.diag([1, 2]))
    assert stationary(StochasticSSM(rotation(1.0), np.zeros((2, 1)), [[1, 0]], [[1]]), np.eye(2)).Lambda0 == 2
