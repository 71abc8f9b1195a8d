"""Ho-Kalman and ERA: judged by input and output, since the states are the algorithm's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import balanced, era, ho_kalman, same_behaviour
from realization.core.errors import ShapeError, StructureError
from realization.linalg import controllability_factor, hankel_singular_values, observability_factor
from realization.systems import LinearSSM, markov_parameters, similar
from realization.systems.families import conditioned
from realization.systems.library import delay_line, integrators, moving_average


def separated(n, m, p, seed):
    """Eigenvalues at least 1.5 / n apart, in a random basis of condition 10."""
    rng = np.random.default_rng(seed)
    A = np.diag(rng.permutation(np.linspace(-0.8, 0.9, n)))
    system = LinearSSM(A, *(rng.choice([-1, 1], k) * rng.uniform(0.5, 2, k) for k in ((n, m), (p, n), (p, m))))
    return similar(system, conditioned(n, 10, rng=rng))


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))
def test_the_response_is_reproduced(seed, n, m, p):
    """The order is that of the system, and so is the response, beyond what was given as well."""
    system = separated(n, m, p, seed)
    found = ho_kalman(markov_parameters(system, 2 * n + 4))
    assert (found.order, found.decided) == (n, True)
    assert found.residual <= found.bound
    later = markov_parameters(system, 4 * n + 8)
    error = np.abs(markov_parameters(found.system, 4 * n + 8) - later).max()
    assert error <= 1e-8 * np.abs(later).max()


def test_the_bases_differ():
    """The control of judging by input and output: A itself is another matrix for every basis."""
    system = separated(3, 1, 1, 0)
    found = ho_kalman(markov_parameters(system, 10)).system
    assert np.abs(found.A - system.A).max() > 0.1
    assert same_behaviour(found, system).distance <= 1e-10


def test_integers_unstable_and_nilpotent():
    """No stability is asked for: Fibonacci's numbers, sums of sums, a delay and a window."""
    fibonacci = np.array([0, 1, 1, 2, 3, 5, 8, 13, 21, 34.0]).reshape(-1, 1, 1)
    found = ho_kalman(fibonacci)
    assert found.order == 2
    assert markov_parameters(found.system, 21)[20, 0, 0] == pytest.approx(6765, rel=1e-9)
    for system, order in ((integrators(3), 3), (delay_line(4, 2), 8), (moving_average(), 3)):
        found = ho_kalman(markov_parameters(system, 14))
        assert (found.order, found.decided) == (order, True)


def test_more_states_than_the_data_hold_are_not_found():
    """Five parameters make a Hankel matrix of two rows: order 3 is out of sight, and the residual shows it."""
    found = ho_kalman(markov_parameters(separated(3, 1, 1, 2), 5))
    assert found.order == 2
    assert found.residual <= found.bound
    longer = markov_parameters(separated(3, 1, 1, 2), 12)
    assert np.abs(markov_parameters(found.system, 12) - longer).max() > 1e-4


def test_left_and_right_inverse():
    """R maps the past to the state, and the register of the past is a realization too: A R = R times the shift."""
    system = separated(3, 2, 2, 4)
    h = markov_parameters(system, 12)
    found = ho_kalman(h)
    columns = found.L.shape[1] // 2
    np.testing.assert_allclose(found.L @ found.R, np.eye(3), atol=1e-12)
    reach = np.hstack([np.linalg.matrix_power(found.system.A, k) @ found.system.B for k in range(columns)])
    np.testing.assert_allclose(found.L, reach, atol=1e-9)


def test_long_data_come_out_balanced():
    """With a tail below rounding both Gramians are the Hankel singular values, as in the balanced form."""
    system = separated(3, 1, 2, 5)
    h = markov_parameters(system, 600)
    found = ho_kalman(h).system
    sigma = hankel_singular_values(system.A, system.B, system.C)
    for L in (controllability_factor(found.A, found.B), observability_factor(found.A, found.C)):
        np.testing.assert_allclose(L @ L.T, np.diag(sigma), atol=1e-9 * sigma[0])
    np.testing.assert_allclose(np.abs(found.A), np.abs(balanced(system).system.A), atol=1e-8)


def test_era_under_noise():
    """The error of poles falls with the noise, and the gap with it; a wrong order is seen in the residual."""
    system = separated(3, 2, 2, 6)
    poles = np.sort(np.linalg.eigvals(system.A).real)
    h = markov_parameters(system, 60)
    noise = np.random.default_rng(0).standard_normal(h.shape)
    errors, gaps = [], []
    for size in (1e-3, 1e-5, 1e-7):
        found = era(h + size * noise, 3)
        errors.append(np.abs(np.sort(np.linalg.eigvals(found.system.A).real) - poles).max())
        gaps.append(found.decisions[0].gap)
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert gaps[0] < gaps[1] < gaps[2]
    assert era(h, 2).residual > 100 * era(h, 3).residual


def test_noise_is_undecided_without_an_order():
    """White noise has no rank below the full one: nothing is dropped silently."""
    h = np.random.default_rng(1).standard_normal((20, 1, 1))
    found = ho_kalman(h)
    assert found.order == 9
    assert "0 of 9" in found.dropped


def test_nothing_to_realize():
    """One parameter is a gain; a response of zeros, or one without inputs or outputs, needs no state."""
    for h in (np.ones((1, 2, 3)), np.zeros((9, 2, 1)), np.zeros((6, 0, 2)), np.zeros((6, 2, 0))):
        found = ho_kalman(h)
        assert found.order == 0
        assert np.array_equal(found.system.D, h[0])


def test_bad_input():
    with pytest.raises(ShapeError, match=r"h\(0\) = D at least"):
        ho_kalman(np.zeros((0, 1, 1)))
    with pytest.raises(ShapeError, match="markov"):
        ho_kalman(np.zeros((5, 1)))
    with pytest.raises(ShapeError, match="NaN"):
        ho_kalman(np.full((5, 1, 1), np.nan))
    with pytest.raises(StructureError, match=r"order 4: .* singular value .*need >"):
        era(markov_parameters(separated(3, 1, 1, 0), 12), 4)
    with pytest.raises(StructureError, match="order 99"):
        era(np.ones((5, 1, 1)), 99)
    with pytest.raises(ShapeError, match=r"order is 1\.5, but a whole number"):
        era(np.ones((5, 1, 1)), 1.5)
