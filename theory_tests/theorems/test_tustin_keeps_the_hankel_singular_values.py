"""Tustin's rule keeps both Gramians, hence the Hankel singular values; the zero-order hold does not."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from realization.systems import ContinuousSSM, tustin, zero_order_hold


def draw(n, seed):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((2, n, n))
    A = X - X.T - Y @ Y.T / n - np.eye(n) / 2
    return ContinuousSSM(A, rng.standard_normal((n, 2)), rng.standard_normal((2, n)), np.zeros((2, 2)))


def gramians(system):
    if isinstance(system, ContinuousSSM):
        return (
            solve_continuous_lyapunov(system.A, -system.B @ system.B.T),
            solve_continuous_lyapunov(system.A.T, -system.C.T @ system.C),
        )
    return (
        solve_discrete_lyapunov(system.A, system.B @ system.B.T),
        solve_discrete_lyapunov(system.A.T, system.C.T @ system.C),
    )


def differ(one, other):
    """Largest difference of Gramians, relative."""
    return max(np.abs(P - Q).max() / np.abs(P).max() for P, Q in zip(gramians(one), gramians(other), strict=True))


@given(st.integers(1, 6), st.floats(0.01, 5.0), st.floats(0.01, 3.0), st.integers(0, 2**32 - 1))
def test_gramians_are_kept(n, h, angle, seed):
    """For every step, prewarped or not: A P + P A' + B B' = 0 exactly where A2 P A2' - P + B2 B2' = 0."""
    system = draw(n, seed)
    # the Lyapunov equations have condition about |A|/|abscissa| and 1/(1 - radius^2)
    sizes = [np.linalg.norm(system.A, 2) * (1 + h + 1 / h) for h in (h, np.tan(angle / 2) / angle * 2 * h)]
    for size, w in zip(sizes, (None, angle / h), strict=True):
        assert differ(system, tustin(system, h, prewarp=w)) <= 1000 * n * 2.0**-53 * size**2


def test_a_hold_changes_them():
    """The control."""
    assert differ(draw(3, 0), zero_order_hold(draw(3, 0), 0.5)) > 0.1
