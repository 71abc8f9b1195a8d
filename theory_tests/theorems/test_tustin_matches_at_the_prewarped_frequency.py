"""Tustin's rule with k = w/tan(w h/2) keeps the frequency response at w, and bends the axis elsewhere."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.systems import ContinuousSSM, frequency_response, tustin

seeds = st.integers(0, 2**32 - 1)


def draw(n, seed):
    """Stable by half: numerical abscissa -1/2, so |inv(i w I - A)| <= 2."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((2, n, n))
    A = X - X.T - Y @ Y.T / n - np.eye(n) / 2
    return ContinuousSSM(A, rng.standard_normal((n, 2)), rng.standard_normal((2, n)), rng.standard_normal((2, 2)))


@given(st.integers(0, 6), st.floats(0.05, 2.0), st.floats(0.01, 0.97), seeds)
def test_the_response_is_kept_where_it_was_asked(n, h, part, seed):
    """At w, at -w and at 0; w anywhere below the half of the sampling frequency."""
    system, w = draw(n, seed), part * np.pi / h
    sampled = tustin(system, h, prewarp=w)
    omega = np.array([0.0, w, -w])
    got, want = frequency_response(sampled, omega * h), frequency_response(system, omega)
    # |inv(k I - A)| <= 1/k, and near z = -1 the rounding of exp(i w h) is multiplied by 1/|1 + z|
    k = w / np.tan(w * h / 2)
    size = 1 + np.linalg.norm(system.B) * np.linalg.norm(system.C) * (2 + (np.linalg.norm(system.A) + k) / min(k, 0.5))
    assert np.abs(got - want).max() <= 200 * (n + 1) * 2.0**-53 * size / np.abs(1 + np.exp(1j * w * h)) ** 2


@given(st.floats(0.05, 1.0), st.floats(0.01, 0.95), seeds)
def test_elsewhere_it_is_the_response_at_a_bent_frequency(h, part, seed):
    """H2(exp(i v h)) = H(i k tan(v h/2)) for every v: all of the axis is there, once."""
    system, v = draw(4, seed), part * np.pi / h
    got = frequency_response(tustin(system, h), v * h)
    want = frequency_response(system, 2 / h * np.tan(v * h / 2))
    size = 1 + np.linalg.norm(system.B) * np.linalg.norm(system.C) * (2 + 2 * h * np.linalg.norm(system.A) + 8 / h)
    assert np.abs(got - want).max() <= 1000 * 2.0**-53 * size / np.abs(1 + np.exp(1j * v * h)) ** 2


def test_without_prewarping_a_resonance_moves():
    """The control: a resonance at w = 2 in steps of 1 is found at 2 arctan(1) = 1.57 without, at 2 with."""
    resonator = ContinuousSSM([[-0.01, 2], [-2, -0.01]], [[0], [1]], [[1, 0]], [[0]])
    omega = np.linspace(0.5, 3, 2501)
    peaks = [
        omega[np.abs(frequency_response(tustin(resonator, 1.0, prewarp=w), omega)).ravel().argmax()]
        for w in (None, 2.0)
    ]
    assert abs(peaks[0] - np.pi / 2) < 0.01
    assert abs(peaks[1] - 2) < 0.01
