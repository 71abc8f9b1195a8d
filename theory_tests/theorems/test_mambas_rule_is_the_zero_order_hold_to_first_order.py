"""Mamba's rule exp(h A), h B is the zero-order hold in A; in B it differs by at most h^2 |A B|/2, and by that much."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.layers.mamba1 import selective_scan
from realization.systems import ContinuousSSM, mamba, zero_order_hold

seeds = st.integers(0, 2**32 - 1)


def draw(n, seed):
    """Dissipative: |exp(s A)| <= 1."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((2, n, n))
    return ContinuousSSM(X - X.T - Y @ Y.T / n, rng.standard_normal((n, 2)), np.eye(n), np.zeros((n, 2)))


@given(st.integers(1, 6), st.floats(-4, 0), seeds)
def test_the_difference_is_of_second_order(n, exponent, seed):
    """int_0^h (exp(s A) - I) B ds = h^2 A B/2 + R with |R| <= h^3 |A|^2 |B|/6, by Taylor's remainder."""
    system, h = draw(n, seed), 10.0**exponent
    held, mixed = zero_order_hold(system, h), mamba(system, h)
    a, b = np.linalg.norm(system.A, 2), np.linalg.norm(system.B, 2)
    rounding = 100 * n * 2.0**-53 * (1 + h * a)
    assert np.abs(held.A - mixed.A).max() <= rounding
    difference = held.B - mixed.B
    assert np.linalg.norm(difference, 2) <= h**2 * a * b / 2 + rounding * h * b
    assert np.linalg.norm(difference - h**2 * system.A @ system.B / 2, 2) <= h**3 * a**2 * b / 6 + rounding * h * b


@given(st.integers(1, 6), seeds)
def test_it_is_not_of_third_order(n, seed):
    """The control: the term h^2 A B/2 is there, so the rules differ at moderate steps."""
    system, h = draw(n, seed), 1e-3
    term = h**2 * np.linalg.norm(system.A @ system.B, 2) / 2
    difference = np.linalg.norm(zero_order_hold(system, h).B - mamba(system, h).B, 2)
    assert difference > 0.9 * term - h**3 * np.linalg.norm(system.A, 2) ** 2 * np.linalg.norm(system.B, 2) / 6


def test_at_the_steps_of_a_model_it_is_a_matter_of_a_third():
    """A pole -1 at h = 1/2: 0.5 for 0.393."""
    lag = ContinuousSSM([[-1]], [[1]], [[1]], [[0]])
    assert round(mamba(lag, 0.5).B[0, 0] / zero_order_hold(lag, 0.5).B[0, 0], 2) == 1.27


@given(seeds)
def test_the_layer_does_the_same(seed):
    """States of selective_scan with a constant step, channel by channel."""
    rng = np.random.default_rng(seed)
    h, T, n = rng.uniform(0.05, 0.8), 6, 3
    A, B, u = -rng.uniform(0.1, 3, n), rng.standard_normal(n), rng.standard_normal((T, 1))
    channel = ContinuousSSM(np.diag(A), B[:, None], np.ones((1, n)), [[0]])
    shared = np.broadcast_to(B, (1, T, n))
    layer = selective_scan(
        u=u[None], delta=np.full((1, T, 1), h), A=A[None], B=shared, C=shared, discretization="euler"
    )
    state = mamba(channel, h).simulate(u).x[-1]
    np.testing.assert_allclose(
        layer.final_state[0, 0], state, rtol=0, atol=100 * T * 2.0**-53 * np.abs(state).max() + 1e-15
    )
