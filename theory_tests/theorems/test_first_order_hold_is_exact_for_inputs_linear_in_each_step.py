"""First-order hold samples x' = A x + B u without error while u is linear in each step; zero-order hold does not."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from realization.systems import ContinuousSSM, evaluate, first_order_hold, zero_order_hold

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
seeds = st.integers(0, 2**32 - 1)


def dissipative(n, m, p, norm, seed):
    """x'(A + A')x <= 0, |A| = norm: |exp(s A)| <= 1, so an error of A enters exp(A) at most once."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((2, n, n))
    A = X - X.T - Y @ Y.T / n
    A *= norm / np.linalg.norm(A, 2)
    return ContinuousSSM(A, rng.standard_normal((n, m)), rng.standard_normal((p, n)), rng.standard_normal((p, m)))


def integrated(system, u, h):
    """x(t+h) = exp(h A) x(t) + int_0^h exp((h - s) A) B u(t + s) ds by Gauss-Legendre: no block of an exponential.

    24 nodes integrate a polynomial of degree 47 exactly: for |h A| <= 4 the rest is below 4^48/48! = 1e-32.
    """
    s = (NODES + 1) / 2
    kernels = [w / 2 * h * expm(h * (1 - a) * system.A) @ system.B for a, w in zip(s, WEIGHTS, strict=True)]
    x = [np.zeros(len(system.A))]
    for now, then in zip(u, u[1:], strict=False):
        forced = sum(K @ (now + a * (then - now)) for K, a in zip(kernels, s, strict=True))
        x.append(expm(h * system.A) @ x[-1] + forced)
    return np.array(x)


def tolerance(system, x, u, h):
    """Each of 10 steps uses exponentials of matrices within 10 n eps |h A| of h A, and adds |h B u| times that."""
    n = len(system.A)
    forced = h * np.abs(system.B).sum() * np.abs(u).max()
    return 10 * 100 * (n + 2) * 2.0**-53 * (1 + h * np.linalg.norm(system.A, 2)) * (np.abs(x).max() + forced)


@given(st.integers(1, 6), st.floats(0.01, 4.0), st.floats(0.1, 10.0), seeds)
def test_joined_samples_are_followed_exactly(n, size, h, seed):
    """States and outputs at the samples, for |h A| up to 4: errors are those of the exponentials."""
    system = dissipative(n, 2, 2, size / h, seed)
    u = np.random.default_rng(seed + 1).standard_normal((10, 2))
    x = integrated(system, u, h)
    answer = system.simulate(u, h, hold="first")
    assert np.abs(answer.x[:-1] - x).max() <= tolerance(system, x, u, h)
    y = x @ system.C.T + u @ system.D.T
    assert np.abs(answer.y - y).max() <= tolerance(system, x, u, h) * (1 + np.abs(system.C).sum())


@given(st.integers(1, 6), st.floats(0.01, 4.0), seeds)
def test_the_discrete_state_is_ahead_by_what_the_next_input_adds(n, h, seed):
    """z = x - G2 u, G2 = int_0^h (1 - s/h) exp(s A) B ds, the integral by quadrature again."""
    system = dissipative(n, 2, 2, 1.0, seed)
    u = np.random.default_rng(seed + 1).standard_normal((10, 2))
    x = integrated(system, u, h)
    s = (NODES + 1) / 2
    G2 = sum(w / 2 * h * (1 - a) * expm(h * a * system.A) @ system.B for a, w in zip(s, WEIGHTS, strict=True))
    z = first_order_hold(system, h).simulate(u, x[0] - G2 @ u[0]).x[:-1]
    assert np.abs(z + u @ G2.T - x).max() <= tolerance(system, x, u, h)


def test_a_held_input_is_another():
    """The control: zero-order hold on the same samples is off, halving its error with the step."""
    system = dissipative(3, 1, 1, 1.0, 0)

    def error(h):
        t = np.arange(0, 8 + h / 2, h)
        u = np.abs(t % 4 - 2)[:, None]  # a triangle with corners at whole times
        exact = system.simulate(np.abs(np.arange(9) % 4 - 2.0)[:, None], 1.0, hold="first").x[8]
        return np.abs(system.simulate(u, h).x[-2] - exact).max(), np.abs(
            system.simulate(u, h, hold="first").x[-2] - exact
        ).max()

    held, joined = zip(*(error(h) for h in (1.0, 0.5, 0.25)), strict=True)
    # errors of at most 32 steps, each of some units of the last place of |x| < 10
    assert max(joined) < 32 * 100 * 2.0**-53
    assert min(held) > 1e-3
    assert held[0] > 1.6 * held[1] > 2.5 * held[2]


def test_constant_inputs_have_the_same_gain_under_both_holds():
    """H2(1) = H(0): two solves of condition about |A|/0.01 around errors of eps."""
    system = dissipative(4, 2, 3, 1.0, 1)
    gain = evaluate(system, 0.0)
    for hold in (first_order_hold, zero_order_hold):
        assert np.abs(evaluate(hold(system, 0.7), 1.0) - gain).max() <= 1000 * 2.0**-53 * np.abs(gain).max() * 100
    assert np.abs(evaluate(hold(system, 0.7), 1.1) - gain).max() > 1e-3
