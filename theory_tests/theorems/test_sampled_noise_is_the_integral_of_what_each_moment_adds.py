"""Sampled noise has covariance int_0^h exp(s A) Q exp(s A)' ds, by one exponential or by doubling."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm, solve_continuous_lyapunov

from realization.systems import sample_noise
from realization.testing import in_deviations, seeds

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)


def draw(n, norm, seed, *, rank=2):
    """A dissipative, |A| = norm; Q of a rank."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((2, n, n))
    A = X - X.T - Y @ Y.T / n - np.eye(n) / 4
    B = rng.standard_normal((n, rank))
    return A * norm / np.linalg.norm(A, 2), B @ B.T


def integral(A, Q, h):
    """By Gauss-Legendre over pieces of |h A| <= 2: exact to 4^48/48!."""
    pieces = int(np.ceil(h * np.linalg.norm(A, 2) / 2)) or 1
    total = np.zeros_like(Q)
    for k in range(pieces):
        for a, w in zip((NODES + 1) / 2, WEIGHTS / 2, strict=True):
            E = expm((k + a) * h / pieces * A)
            total += w * h / pieces * E @ Q @ E.T
    return total


@given(st.integers(1, 5), st.floats(0.01, 20), st.floats(0.1, 10), seeds)
def test_it_is_the_integral(n, size, h, seed):
    """|h A| up to 20: from one exponential to five doublings."""
    A, Q = draw(n, size / h, seed)
    noise = sample_noise(A, Q, h)
    # an exponential is that of a matrix within 10 n eps |h A|, and |exp(s A)| <= 1
    tolerance = 100 * n * 2.0**-53 * (1 + size) * h * np.linalg.norm(Q, 2)
    assert np.abs(noise.A - expm(h * A)).max() <= 100 * n * 2.0**-53 * (1 + size)
    assert np.abs(noise.Q - integral(A, Q, h)).max() <= tolerance
    assert np.linalg.eigvalsh(noise.Q).min() >= -tolerance


@given(st.integers(1, 5), st.floats(1, 5), seeds)
def test_long_and_stiff_steps_reach_the_stationary_covariance(n, exponent, seed):
    """Q2 = P - A2 P A2' with A P + P A' + Q = 0, where exp(-h A) is far beyond the range of float64."""
    rng = np.random.default_rng(seed)
    rates = -(10.0 ** rng.uniform(0, exponent, n))
    U = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A, (_, Q) = U @ np.diag(rates) @ U.T, draw(n, 1.0, seed)
    A = (A + A.T) / 2
    noise = sample_noise(A, Q, 1.0)
    P = solve_continuous_lyapunov(A, -Q)
    size = np.abs(rates).max()
    tolerance = 100 * n * 2.0**-53 * (1 + size) * np.abs(P).max()
    assert np.abs(noise.Q - (P - noise.A @ P @ noise.A.T)).max() <= tolerance


@given(st.integers(1, 4), st.floats(0.1, 3), seeds)
def test_two_steps_add_up(n, h, seed):
    """Q(2h) = Q(h) + A2 Q(h) A2', unstable systems included."""
    A, Q = draw(n, 1.0, seed)
    one, two = sample_noise(-A, Q, h), sample_noise(-A, Q, 2 * h)
    expected = one.Q + one.A @ one.Q @ one.A.T
    assert np.abs(two.Q - expected).max() <= 1000 * n * 2.0**-53 * np.exp(4 * h) * np.abs(expected).max()


@given(st.integers(0, 8), st.floats(0.01, 20), st.integers(-9, 9))
def test_stiffness_alone_costs_nothing(exponent, h, correlation):
    """Rates 1 and up to 1e8, which do not mix: q_ij (1 - exp(-(a_i + a_j) h)) / (a_i + a_j), in standard deviations.

    Each of up to 31 doublings adds a rounding or two: 100 u.
    """
    a = np.array([1.0, 10.0**exponent])
    Q = 2 * np.sqrt(np.outer(a, a)) * [[1, correlation / 10], [correlation / 10, 1]]
    wanted = -Q * np.expm1(-np.add.outer(a, a) * h) / np.add.outer(a, a)
    assert in_deviations(sample_noise(-np.diag(a), Q, h).Q, wanted) <= 100 * 2.0**-53


def test_fails_to_be_right_by_squaring():
    """The control: A2(2h) = A2(h)^2 doubles a rounding of A2 in each of 24 steps."""
    a, h = 1.0, 2.0**-24
    A2, Q2 = np.exp(-a * h), -np.expm1(-2 * a * h)
    for _ in range(24):
        A2, Q2 = A2**2, Q2 + A2**2 * Q2
    assert abs(Q2 / -np.expm1(-2 * a) - 1) > 1e-12


@given(st.integers(1, 4), st.floats(0.1, 30), seeds)
def test_other_units_give_the_same_in_other_units(n, h, seed):
    """To the last bit, for units from 1e-9 to 1e9: a small state beside a large one loses nothing."""
    A, Q = draw(n, 1.0, seed, rank=n)
    g = 2.0 ** np.random.default_rng(seed).integers(-30, 30, n)
    one, other = sample_noise(A, Q, h), sample_noise(A * g[:, None] / g, Q * g[:, None] * g, h)
    assert np.array_equal(other.A / g[:, None] * g, one.A)
    assert np.array_equal(other.Q / g[:, None] / g, one.Q)


def test_a_covariance_times_the_step_is_not_it():
    """The control: h Q is right to first order only."""
    A, Q = draw(3, 1.0, 0)
    assert np.abs(sample_noise(A, Q, 1.0).Q - Q).max() > 0.1 * np.abs(Q).max()
    assert np.abs(sample_noise(A, Q, 1e-6).Q / 1e-6 - Q).max() < 1e-5 * np.abs(Q).max()


def test_integrated_noise_grows_by_the_cube():
    """A double integrator of white noise has variance h^3/3: exact rationals, no decay needed."""
    Q = sample_noise([[0, 1], [0, 0]], [[0, 0], [0, 1]], 3.0).Q
    np.testing.assert_allclose(Q, [[9, 4.5], [4.5, 3]], rtol=1e-15)
