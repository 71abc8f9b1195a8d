"""Covariances c(0) ... c(n) > 0 and n zeros inside the circle: exactly one process of degree n has both.

Existence by Georgiou 1983, uniqueness by Byrnes, Lindquist, Gusev and Matveev 1995.  So a and (c, sigma) determine each
other: from any stable a, through its covariances, and back; and different zeros give different processes.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import freqz

from realization.core.errors import ConvergenceError, ShapeError, StructureError
from realization.linalg.decision import EPS
from realization.stochastic import (
    autocovariances,
    from_reflections,
    levinson,
    positivity,
    rational_extension,
    spectral_density,
)

seeds, degrees = st.integers(0, 2**32 - 1), st.integers(0, 6)
quarter = settings(max_examples=max(10, settings().max_examples // 4))


def schur_polynomial(rng, n, size=0.8):
    """Monic, its reflections drawn: all stable polynomials arise in this way."""
    c = from_reflections(1.0, rng.uniform(-size, size, n))
    return levinson(c).forward[-1]


def lags(a, sigma, n):
    """c(0) ... c(n) of the process sigma / a, from sums over the circle: a route without a state."""
    T = 2**14
    w = 2 * np.pi * np.arange(T) / T
    Phi = np.abs(freqz(sigma, a, w)[1]) ** 2
    return np.fft.ifft(Phi).real[: n + 1]


@quarter
@given(seeds, degrees)
def test_there_is_one(seed, n):
    """The window is met, the zeros are there, the poles are inside; the density has the form that was promised."""
    rng = np.random.default_rng(seed)
    c, sigma = from_reflections(rng.uniform(0.1, 10), rng.uniform(-0.8, 0.8, n)), schur_polynomial(rng, n)
    found = rational_extension(c, sigma)
    assert found.pole_radius < 1
    # bound of the certificate, times what Phi = |sigma/a|^2 makes of it; digits to spare for the Lyapunov equation
    sensitivity = 1 / (1 - found.pole_radius) ** 2
    assert found.error < 1e-9
    assert found.residual <= 1e3 * found.error * sensitivity
    w = np.linspace(0, np.pi, 9)
    Phi = spectral_density(found.model, w)[:, 0, 0]
    promised = found.R * np.abs(freqz(sigma, found.a, w)[1]) ** 2
    assert np.abs(Phi / promised - 1).max() <= 1e4 * EPS * sensitivity * (promised.max() / promised.min())


@quarter
@given(seeds, degrees)
def test_it_is_the_only_one(seed, n):
    """From a to its covariances, computed on the circle, and back to the same a."""
    rng = np.random.default_rng(seed)
    a, sigma = schur_polynomial(rng, n), schur_polynomial(rng, n)
    radius = max(np.abs(np.roots(a)).max(initial=0.0), 0.0)
    if radius < 0.97:
        found = rational_extension(lags(a, sigma, n), sigma)
        # aliasing 0.97^(2^14) is nothing; the covariances are rounded, and T has a condition
        bound = found.error + 1e3 * EPS / (1 - radius) ** 2 / levinson(lags(a, sigma, n) / lags(a, sigma, 0)).errors[-1]
        assert np.abs(found.a - a).max() <= bound * np.linalg.norm(a) * 100
        assert abs(found.R - 1) <= bound * 100


@quarter
@given(seeds, st.integers(1, 5))
def test_the_window_can_be_continued(seed, n):
    """The covariances of the model are those of a process on every window: the reflections stay below 1."""
    rng = np.random.default_rng(seed)
    c = from_reflections(1.0, rng.uniform(-0.8, 0.8, n))
    found = rational_extension(c, schur_polynomial(rng, n))
    more = autocovariances(found.model, 3 * n)
    assert positivity(more).verdict == "positive"


def test_other_zeros_are_another_process():
    """The control: same window, another zero, another fourth covariance."""
    c = [1, 0.5, 0.2]
    one, two = (rational_extension(c, np.poly(zeros)) for zeros in ([0.5, -0.5], [0.8, -0.2]))
    lag = [autocovariances(each.model, 3)[:, 0, 0] for each in (one, two)]
    assert np.abs(lag[0][:3] - c).max() < 1e-14
    assert np.abs(lag[1][:3] - c).max() < 1e-14
    assert abs(lag[0][3] - lag[1][3]) > 0.02


def test_by_hand():
    """y(t) = a y(t-1) + e(t) + s e(t-1) has the correlation (s + a)(1 + s a) / (1 + s^2 + 2 s a) at lag 1."""
    s, r = -0.5, 0.4
    a1 = -rational_extension([1, r], [1, s]).a[1]
    assert abs((s + a1) * (1 + s * a1) / (1 + s * s + 2 * s * a1) - r) < 1e-14


def test_zeros_near_the_circle():
    """At 0.99999 the path is followed to its end."""
    c = from_reflections(1.0, [0.9, -0.5, 0.3])
    found = rational_extension(c, np.poly([0.99999, 0.99999j, -0.99999j]))
    assert found.error < 1e-9
    assert found.residual <= 1e3 * EPS / (1 - found.pole_radius) ** 2  # what its own Lyapunov equation keeps


def test_zeros_that_floats_cannot_tell_from_the_circle():
    with pytest.raises(ConvergenceError, match="within rounding of the unit circle"):
        rational_extension([1, 0.3, -0.2, 0.4], np.poly([1 - 1e-12, 1e-12 - 1, 0]))


def test_what_is_known_to_less_than_half_of_the_digits_is_refused():
    """Reflections of 1 - 1e-4 and zeros as near the circle: covariances off by 10^-2, and no bound on a."""
    rng, answers = np.random.default_rng(0), {True: 0, False: 0}
    for _ in range(40):
        c = from_reflections(1.0, rng.choice([-1, 1], 3) * (1 - 10.0 ** -rng.uniform(1, 4, 3)))
        zeros = (1 - 10.0 ** -rng.uniform(3, 6)) * np.array([np.exp(1j), np.exp(-1j), 1])
        try:
            found = rational_extension(c, np.poly(zeros).real)
        except ConvergenceError:
            answers[False] += 1
        else:
            assert min(found.residual, found.error) <= EPS**0.5
            answers[True] += 1
    assert min(answers.values()) > 2


def test_degree_twenty_in_units_of_its_own():
    rng = np.random.default_rng(0)
    c = from_reflections(1e60, rng.uniform(-0.4, 0.4, 20))
    found = rational_extension(c, schur_polynomial(rng, 20, size=0.4))
    assert found.residual < 1e-12
    assert found.error < 1e-9


@pytest.mark.parametrize(
    "c, sigma, error, message",
    [
        ([1, 0.5], [1, -2.0], StructureError, "root of modulus 2, need < 1"),
        ([1, 0.5], [1, -1.0], StructureError, "root of modulus 1, need < 1"),
        ([1, 0.5], [1, 0.5, 0.1], ShapeError, "1 to 2 real coefficients are needed"),
        ([1, 0.5], [0, 1], ShapeError, "the first not 0"),
        ([1, 0.5], [1, 0.5j], ShapeError, "sigma is complex"),
        ([1, 0.5], [1, np.nan], ShapeError, "NaN"),
        ([1, 2], [1], StructureError, "at order 1"),
        (np.eye(2)[None], [1], ShapeError, "of one output"),
        ([1, np.inf], [1], ShapeError, "infinite"),
    ],
)
def test_what_is_refused(c, sigma, error, message):
    with pytest.raises(error, match=message):
        rational_extension(c, sigma)
