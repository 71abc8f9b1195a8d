"""Tustin's rule maps the left half plane onto the unit disc: stable to stable, unstable to unstable, for every step."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from realization.systems import ContinuousSSM, backward_euler, forward_euler, tustin

seeds = st.integers(0, 2**32 - 1)


def with_poles(reals, imaginaries, seed):
    """Blocks [a b; -b a] in orthogonal coordinates: normal, so eigenvalues keep to eps |A|."""
    rng = np.random.default_rng(seed)
    n = 2 * len(reals)
    A = np.zeros((n, n))
    for i, (a, b) in enumerate(zip(reals, imaginaries, strict=True)):
        A[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[a, b], [-b, a]]
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return ContinuousSSM(Q @ A @ Q.T, np.zeros((n, 1)), np.zeros((1, n)), [[0]])


def radius(system):
    return np.abs(np.linalg.eigvals(system.A)).max()


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=3), st.floats(0.1, 3), st.booleans(), seeds)
def test_a_pole_is_in_the_disc_exactly_where_it_was_in_the_half_plane(exponents, h, unstable, seed):
    """Poles with real parts from -1e-4 to -1e4, in steps of any length; one sign changed and it is outside."""
    reals = -(10.0 ** np.array(exponents))
    imaginaries = np.random.default_rng(seed).uniform(0, 10, len(reals))
    k = 2 / h
    reals[0] *= -1 if unstable else 1
    # 2/h must be no pole; 1 - |z| >= 2 k a/(k + |s|)^2, with the rounding of inv(k I - A) beside it
    distance = np.abs(k - reals - 1j * imaginaries).min()
    margin = (2 * k * np.abs(reals) / (k + np.abs(reals) + imaginaries) ** 2).min()
    size = np.abs(reals + 1j * imaginaries).max()
    assume(distance > 1e-3 * k and margin > 1e4 * 2.0**-53 * (k + size) / min(distance, k))
    assert (radius(tustin(with_poles(reals, imaginaries, seed), h)) > 1) == unstable


@given(st.floats(0.1, 3), st.floats(0.05, 1.5), seeds)
def test_prewarping_keeps_it(h, angle, seed):
    """k = w/tan(w h/2) is positive for w h < pi, and any positive k will do."""
    system = with_poles([-1.0, -0.1], [2.0, 0.0], seed)
    assert radius(tustin(system, h, prewarp=angle / h)) < 1


def test_both_of_eulers_rules_fail():
    """The controls: forward, a stable pole leaves the disc; backward, an unstable one enters it."""
    stable, unstable = with_poles([-1.0], [0.0], 0), with_poles([1.0], [0.0], 0)
    assert radius(forward_euler(stable, 3.0)) > 1 > radius(tustin(stable, 3.0))
    assert radius(backward_euler(unstable, 3.0)) < 1 < radius(tustin(unstable, 3.0))
