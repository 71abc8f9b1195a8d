"""A system with n independent eigenvectors is n scalar systems side by side; a Jordan block never is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.memory import eidetic_memory, modes, profile
from realization.systems import LinearSSM
from realization.systems.families import jordan
from realization.testing import defective_systems, diagonalizable_systems, hidden_nilpotent_systems, tolerance


def eigenvector_condition(A):
    """Of a basis of unit eigenvectors."""
    return np.linalg.cond(np.linalg.eig(A)[1]) if len(A) else 1.0


@given(diagonalizable_systems(), st.integers(0, 2**32 - 1))
def test_the_output_is_a_sum_of_scalar_outputs(drawn, seed):
    """y = D u + sum_i c_i x_i,  x_i(t+1) = p_i x_i(t) + b_i u(t): run mode by mode it is the same signal."""
    system, T = drawn.system, 20
    u = np.random.default_rng(seed).standard_normal((T, system.B.shape[1]))
    p, V = np.linalg.eig(system.A) if drawn.structure else (np.zeros(0), np.zeros((0, 0)))
    B, C = np.linalg.solve(V, system.B), system.C @ V
    y = u @ system.D.T
    for i in range(len(p)):
        x = 0.0
        for t in range(T):
            y[t] += (C[:, i] * x).real
            x = p[i] * x + B[i] @ u[t]
    # 20 steps, each with an input of norm up to 10
    scale = 200 * np.linalg.norm(C, axis=0) @ np.linalg.norm(B, axis=1)
    assert np.abs(system.simulate(u).y - y).max(initial=0.0) <= tolerance(drawn, scale=max(1.0, scale))


@given(diagonalizable_systems())
def test_the_modes_are_its_eigenvalues(drawn):
    """The profile lists every eigenvalue but 0, which is the eidetic part, by its rate."""
    # below the rounding of T A inv(T) an eigenvalue is no longer told from 0
    memory = eidetic_memory(drawn.system)
    found = modes(memory.rest).fading
    assert memory.states == sum(p == 0 for p in drawn.structure)
    assert sum(mode.states for mode in found) == sum(p != 0 for p in drawn.structure)
    rates = sorted((mode.rate for mode in found for _ in range(mode.states)), reverse=True)
    want = sorted((abs(p) for p in drawn.structure if p), reverse=True)
    assert np.abs(np.subtract(rates, want)).max(initial=0.0) <= tolerance(drawn)


@given(diagonalizable_systems())
def test_its_eigenvectors_are_as_good_as_the_basis(drawn):
    """Unit eigenvectors are, up to sqrt(n), the best conditioned: no worse than the basis that was drawn."""
    n = max(len(drawn.structure), 1)
    assert eigenvector_condition(drawn.system.A) <= np.sqrt(n) * drawn.condition * (1 + tolerance(drawn) / 0.1)


@given(defective_systems())
def test_a_jordan_block_has_no_such_basis(drawn):
    """The control: rounding separates the eigenvalues of a block of size k by u^(1/k), and the eigenvectors hardly."""
    assert eigenvector_condition(drawn.system.A) > 1e5
    # its response t^(k-1) p^t is no sum of powers: the k-th difference operator (shift - p)^(k-1) does not kill it
    pole, size = drawn.structure
    block = jordan(pole, [size])
    assert np.linalg.matrix_power(block - pole * np.eye(size), size - 1).any()


@given(hidden_nilpotent_systems())
def test_nilpotent_and_diagonalizable_is_zero(drawn):
    """The control at eigenvalue 0: blocks of size 1 only, or no basis; a nilpotent matrix that has one is 0."""
    if max(drawn.structure, default=1) == 1:
        assert not drawn.system.A.any()
    else:
        assert eidetic_memory(drawn.system).index > 1
        assert drawn.system.A.any()


def test_a_turning_mode_is_a_pair():
    """Complex eigenvalues r exp(i a): two real states, one mode of rate r and period 2 pi / a."""
    a = 2 * np.pi / 12
    turn = 0.9 * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    (mode,) = modes(turn).fading
    assert (mode.states, mode.rate, mode.period) == (2, pytest.approx(0.9, rel=1e-14), pytest.approx(12, rel=1e-13))
    assert mode.half_life == pytest.approx(np.log(2) / -np.log(0.9), rel=1e-13)


def test_integrators_and_growth_are_told_apart():
    """A double pole at 1 moves by sqrt(u) under rounding and still counts as two integrators; 1.0001 grows."""
    found = modes(np.array([[1.0, 1.0], [0.0, 1.0]]))
    assert (found.fading, found.integrators, found.growing) == ((), 2, 0)
    T = np.array([[1.0, 2.0], [0.3, 1.0]])
    hidden = modes(np.linalg.solve(T, np.array([[1.0, 1.0], [0.0, 1.0]]) @ T))
    assert (hidden.integrators, hidden.growing) == (2, 0)
    # three of them move by the cube root, off the circle
    T = np.random.default_rng(0).standard_normal((3, 3))
    three = np.linalg.solve(T, jordan(1.0, [3]) @ T)
    assert np.abs(np.abs(np.linalg.eigvals(three)) - 1).max() > 1e-6
    assert (modes(three).integrators, modes(three).growing) == (3, 0)
    # the control: a double pole by 1e-5 off the circle is farther from it than rounding explains
    assert (modes(jordan(1 - 1e-5, [2])).integrators, modes(jordan(1 + 1e-5, [2])).growing) == (0, 2)
    assert modes(np.diag([1.0001, 0.9999])).growing == 1
    assert modes(np.diag([1.0001, 0.9999])).integrators == 0
    assert modes(np.zeros((0, 0))) == ((), 0, 0)


def test_the_profile_of_nothing():
    """n = 0 is legal: nothing is remembered, nothing fades."""
    found = profile(LinearSSM(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((1, 0)), [[0, 0]]))
    assert (found.guarantee.kind, found.guarantee.number, found.modes, found.eidetic.span) == ("finite", 0, (), 0)
