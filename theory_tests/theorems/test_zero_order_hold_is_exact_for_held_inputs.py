"""Zero-order hold samples x' = A x + B u without error while u is held; the Euler input term does not."""

import numpy as np
import pytest
from scipy.linalg import expm

from realization.core.claim import Claim
from realization.layers import OPS
from realization.layers.mamba1 import selective_scan

RNG = np.random.default_rng(0)
D, N, T = 2, 4, 12
DELTA = RNG.uniform(0.05, 0.8, (1, T, D))  # the steps may be of any length
REAL = -RNG.uniform(0.1, 3, (D, N))
POLES = {"real": REAL, "complex": REAL + 1j * RNG.uniform(0, 3, (D, N))}


def layer(A, **options):
    """Input 1 and B = C = 1, held over all steps."""
    ones = np.ones((1, T, N))
    return dict(u=np.ones((1, T, D)), delta=DELTA, A=A, B=ones, C=ones, **options)


def continuous(A, u=1.0):
    """x(t) = (exp(A t) - 1)/A at the ends of the steps, by the exponential of [[A, u], [0, 0]]: no formula shared."""
    times = np.cumsum(DELTA[0], axis=0)
    x = [expm(t * np.array([[a, u], [0, 0]]))[0, 1] for ts in times for t, row in zip(ts, A, strict=True) for a in row]
    return np.reshape(x, (T, D, N))


@pytest.mark.parametrize("poles", POLES)
def test_held_inputs_are_sampled_exactly(poles):
    """Outputs and last state equal the solution of the differential equation, whatever the steps."""
    A = POLES[poles]
    case = layer(A, discretization="zoh")
    got, want = selective_scan(**case), continuous(A)
    bound = OPS["selective_scan"].bound(case, Claim(io="float64", accumulate="float64"))
    read = want.sum(-1) * (2 if np.iscomplexobj(A) else 1)
    # expm is backward stable: a few units of the exponential of a 2x2 matrix of norm below 40
    slack = 100 * 2.0**-53 * np.abs(want).sum(-1)
    assert (np.abs(got.y[0] - read.real) <= bound["y"].error[0] + 2 * slack).all()
    np.testing.assert_allclose(got.final_state[0], want[-1], rtol=100 * 2.0**-52)


@pytest.mark.parametrize("poles", POLES)
def test_euler_input_is_not(poles):
    """The control: the released layer's input term Delta B u is off by more than a percent at these steps."""
    want = continuous(POLES[poles])
    euler = selective_scan(**layer(POLES[poles]), discretization="euler").final_state[0]
    assert (np.abs(euler - want[-1]) > 0.01 * np.abs(want[-1])).all()


def test_inputs_that_move_within_a_step_are_not_held():
    """The other control: halving the steps changes nothing for held inputs, and does for others."""
    A, steps = POLES["real"], DELTA / 2
    fine = {"delta": np.repeat(steps, 2, axis=1), "B": np.ones((1, 2 * T, N)), "C": np.ones((1, 2 * T, N)), "A": A}
    coarse = selective_scan(**layer(A, discretization="zoh")).final_state
    held = selective_scan(**fine, u=np.ones((1, 2 * T, D)), discretization="zoh").final_state
    moved = np.ones((1, 2 * T, D)) + 0.1 * (-1.0) ** np.arange(2 * T)[:, None]
    np.testing.assert_allclose(held, coarse, rtol=100 * 2.0**-52)
    assert np.abs(selective_scan(**fine, u=moved, discretization="zoh").final_state - coarse).max() > 1e-4


def test_an_integrator_integrates():
    """At a pole 0 the weight of the write is Delta itself: the limit of (exp(Delta A) - 1)/A."""
    zero = selective_scan(**layer(np.zeros((D, N)), discretization="zoh")).final_state
    np.testing.assert_allclose(zero[0, :, 0], DELTA[0].sum(0), rtol=T * 2.0**-53)
    near = selective_scan(**layer(np.full((D, N), -1e-13), discretization="zoh")).final_state
    np.testing.assert_allclose(near, zero, rtol=1e-11)
