"""One register with a feedback row is a window where the row is 0, and fading modes where its roots are distinct."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial.polynomial import polyfromroots

from realization.canonical import feedback_register, feedback_row, gated_feedback_register, vandermonde
from realization.canonical.checks import markov_distance
from realization.core.errors import StructureError
from realization.systems import LinearSSM
from realization.systems.families import conditioned

U = 2.0**-53
seeds = st.integers(0, 2**32 - 1)


def side_by_side(window, poles, seed, kappa=1.0):
    """One input into a delay of `window` steps and into modes, in a basis of condition kappa."""
    rng = np.random.default_rng(seed)
    n = window + len(poles)
    A, B = np.diag([*np.zeros(window), *poles]), np.ones((n, 1))
    A[:window, :window] = np.eye(window, k=1)
    B[: max(window - 1, 0)] = 0
    T = conditioned(n, kappa, rng=rng)
    return LinearSSM(
        np.linalg.solve(T, A @ T), np.linalg.solve(T, B), rng.standard_normal((2, n)) @ T, np.zeros((2, 1))
    )


@given(st.integers(1, 6), st.integers(1, 3), seeds)
def test_without_feedback_it_is_a_window(L, d, seed):
    """x(t) is the last L inputs, bit for bit, whatever the register held before."""
    rng = np.random.default_rng(seed)
    window = feedback_register(np.zeros((d, L * d)), np.zeros((0, L * d)), np.zeros((0, d)))
    u = rng.standard_normal((L + 3, d))
    assert np.array_equal(window.simulate(u, rng.standard_normal(L * d)).x[-1], u[-L:].ravel())
    assert not np.linalg.matrix_power(window.A, L).any()
    assert np.linalg.matrix_power(window.A, L - 1).any()


@given(st.integers(0, 3), st.lists(st.sampled_from([-0.8, -0.4, 0.3, 0.6, 0.9]), max_size=3, unique=True), seeds)
def test_a_window_and_modes_fit_one_register(window, poles, seed):
    """The row is -a' with a(z) = z^window prod (z - pole): its first entries are the window's zeros."""
    system = side_by_side(window, poles, seed, kappa=3.0)
    hosted = feedback_row(system)
    n = len(system.A)
    a = np.concatenate([np.zeros(window), polyfromroots(poles)])[:n]
    tolerance = 100 * n * U * hosted.condition**2
    assert np.abs(hosted.system.A[n - 1 :] + a).max(initial=0) <= tolerance
    assert markov_distance(system, hosted.system) <= tolerance


@given(st.lists(st.sampled_from([-0.8, -0.4, 0.3, 0.6, 0.9]), min_size=1, max_size=4, unique=True), seeds)
def test_distinct_roots_are_fading_modes(poles, seed):
    """Companion to diagonal: the poles, and residues that answer as the register does."""
    system = feedback_register(
        [-polyfromroots(poles)[:-1]], np.random.default_rng(seed).standard_normal((2, len(poles))), [[0], [0]]
    )
    modes = vandermonde(system)
    tolerance = 100 * len(poles) * U * modes.condition**2
    assert np.abs(np.sort(np.diag(modes.system.A)) - np.sort(poles)).max() <= tolerance
    assert np.array_equal(modes.system.A, np.diag(np.diag(modes.system.A)))
    assert markov_distance(system, modes.system) <= tolerance
    assert modes.residual <= tolerance


def test_real_poles_part_from_the_window_and_roots_of_one_do_not():
    """The condition between register and modes: exponential in n for real poles, 1 on the circle."""

    def condition(row):
        return vandermonde(feedback_register([row], np.zeros((0, len(row))), np.zeros((0, 1)))).condition

    def real(n):
        return -polyfromroots(np.linspace(0.05, 0.95, n))[:-1]

    conditions = [condition(real(n)) for n in (4, 8, 12)]
    assert conditions[0] > 1e2
    assert conditions[1] > 1e3 * conditions[0]
    assert conditions[2] > 1e3 * conditions[1]
    for n in (4, 8, 16, 32):
        # z^n = 1: the register is a circle
        assert condition(np.eye(1, n)[0]) < 1 + 1e-12
    with pytest.raises(StructureError, match=r"condition \d\.\de\+1\d"):
        condition(real(16))


def test_a_window_has_no_modes():
    """The control: 0 is a root L times over, and no Vandermonde matrix tells the roots apart."""
    with pytest.raises(StructureError, match="two poles are equal"):
        vandermonde(feedback_register([[0, 0, 0]], [[1, 1, 1]], [[0]]))


def test_two_modes_with_one_pole_do_not_fit():
    """The control: one input reaches one direction of a repeated pole, and one of two windows."""
    for A in (np.diag([0.5, 0.5]), np.zeros((2, 2))):
        with pytest.raises(StructureError, match="reaches 1 of 2 directions"):
            feedback_row(LinearSSM(A, [[1], [2]], [[1, 1]], [[0]]))


@given(st.integers(1, 4), st.integers(1, 2), seeds)
def test_gates_switch_between_window_and_feedback(L, d, seed):
    """While the gate is 0 for L steps the register forgets all before, bit for bit; while it is 1 it does not."""
    rng = np.random.default_rng(seed)
    gates = np.concatenate([np.zeros((d, d, L * d)), rng.standard_normal((1, d, L * d))])
    memory = gated_feedback_register(np.zeros((d, L * d)), gates, np.zeros((0, L * d)), np.zeros((0, d + 1)))
    u = np.hstack([rng.standard_normal((2 * L, d)), np.r_[np.ones(L), np.zeros(L)][:, None]])
    one, other = (memory.simulate(u, rng.standard_normal(L * d)).x for _ in range(2))
    assert not np.array_equal(one[L], other[L])
    assert np.array_equal(one[-1], other[-1])
    assert np.array_equal(one[-1], u[-L:, :d].ravel())


def test_equal_indices_are_needed():
    system = LinearSSM(np.eye(3, k=1), [[0, 0], [1, 0], [0, 1]], [[1, 0, 0]], [[0, 0]])
    with pytest.raises(StructureError, match=r"indices \(\d, \d\), equal ones are needed"):
        feedback_row(system)
