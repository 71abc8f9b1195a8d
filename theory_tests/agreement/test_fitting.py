"""The Fitting split is decoupled where its condition allows, and otherwise says which number forbade it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag

from realization.core.errors import ShapeError
from realization.linalg.fitting import LARGEST_CONDITION, fitting_split

EPS = 2.0**-52


def orthogonal(n, rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0] if n else np.zeros((0, 0))


def coupled(index, mu, rng):
    """[[J, X], [0, M]], |M x| = mu |x|."""
    X, M = rng.standard_normal((index, 4)), mu * orthogonal(4, rng)
    return np.block([[np.eye(index, k=1), X], [np.zeros((4, index)), M]])


def turned(A, rng):
    Q = orthogonal(len(A), rng)
    return Q @ A @ Q.T


def markov(A, B, C, steps):
    return [C @ np.linalg.matrix_power(A, t) @ B for t in range(steps)]


@pytest.mark.parametrize("mu", [0.8, 0.4, 0.2])
def test_a_short_window_beside_slow_modes_is_decoupled(mu):
    """Index 6: two blocks without coupling, and the Markov parameters are the sum of a finite and an infinite part."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        A = turned(coupled(6, mu, rng), rng)
        B, C = rng.standard_normal((10, 2)), rng.standard_normal((2, 10))
        split = fitting_split(A)
        assert split.decided
        assert split.decoupled
        assert split.index == 6
        assert split.condition == pytest.approx(np.linalg.cond(split.T), rel=1e-3)
        assert split.residual <= 1e-12
        B2, C2 = split.T @ B, np.linalg.solve(split.T.T, C.T).T
        finite = markov(split.N, B2[:6], C2[:, :6], 12)
        infinite = markov(split.M, B2[6:], C2[:, 6:], 12)
        # a few hundred roundings of numbers as large as |Y|
        tolerance = 300 * EPS * np.linalg.norm(split.Y, 2) * np.linalg.norm(B) * np.linalg.norm(C)
        for t, h in enumerate(markov(A, B, C, 12)):
            assert np.abs(h - finite[t] - infinite[t]).max() <= tolerance * max(1, np.linalg.norm(A, 2)) ** t
        assert not np.any(finite[6:])


@pytest.mark.parametrize("index", [12, 14])
def test_a_long_window_beside_fast_modes_is_not(index):
    """|mu| = .3: the triangular form is found, the condition |mu|^(-2 index) forbids the rest."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        split = fitting_split(turned(coupled(index, 0.3, rng), rng))
        assert split.decided
        assert split.index == index
        assert split.residual <= 1e-13
        assert split.T is None
        assert split.condition > 1e11 > split.bound == LARGEST_CONDITION


def test_at_index_32_the_triangular_form_is_perfect_and_the_split_is_hopeless():
    """Where the zeros of A can be seen: decided, to rounding, and 1e33 forbids T; beside modes of .9 all is well."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        split = fitting_split(coupled(32, 0.3, rng))
        assert split.decided
        assert split.index == 32
        assert split.residual <= 100 * EPS
        assert split.T is None
        assert split.condition > 1e30
        benign = fitting_split(turned(coupled(32, 0.9, rng), rng))
        assert benign.decoupled
        assert benign.index == 32


def test_where_rotations_have_hidden_the_zeros_the_index_is_open():
    """.3^-32 > 1 / eps: the data have several indices to rounding; what is returned is triangular and perfect."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        split = fitting_split(turned(coupled(32, 0.3, rng), rng))
        assert split.T is None
        assert not split.decided
        assert 20 <= split.index <= 36
        assert split.residual <= 100 * 36 * EPS
        assert split.condition > 1e30


def test_forced_it_would_be_wrong():
    """The control: from the exact N, X and M of index 32, the similarity does not give A back."""
    rng = np.random.default_rng(0)
    A = coupled(32, 0.3, rng)
    N, X, M = A[:32, :32], A[:32, 32:], A[32:, 32:]
    Y = sum(np.linalg.matrix_power(N, j) @ X @ np.linalg.matrix_power(np.linalg.solve(M, np.eye(4)), j + 1)
            for j in range(32))  # fmt: skip
    T = np.block([[np.eye(32), -Y], [np.zeros((4, 32)), np.eye(4)]])
    Q = orthogonal(36, rng)
    back = np.linalg.solve(T @ Q.T, block_diag(N, M) @ (T @ Q.T))
    assert np.linalg.norm(back - Q @ A @ Q.T, 2) > 0.1 * np.linalg.norm(A, 2)


@pytest.mark.parametrize("mu", [0.05, 0.02])
def test_what_the_condition_costs_is_what_is_lost(mu):
    """The other control: refused at index 6; forced, reconstruction is worse than rounding by about |Y|."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        A = turned(coupled(6, mu, rng), rng)
        assert not fitting_split(A).decoupled
        forced = fitting_split(A, bound=np.inf)
        back = np.linalg.solve(forced.T, block_diag(forced.N, forced.M) @ forced.T)
        error = np.linalg.norm(back - A, 2) / np.linalg.norm(A, 2)
        assert 1e3 * EPS < error <= forced.condition * EPS


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(0, 6), r=st.integers(0, 4), mu=st.floats(0.3, 2))
def test_both_equations_hold(seed, k, r, mu):
    """Y M - N Y = X by another route (a Sylvester solver), N^index = 0, and the similarity."""
    rng = np.random.default_rng(seed)
    N = np.triu(rng.standard_normal((k, k)), 1)
    A = np.block([[N, 0.3 * rng.standard_normal((k, r))], [np.zeros((r, k)), mu * orthogonal(r, rng)]])
    A = turned(A, rng) if k + r else np.zeros((0, 0))
    split = fitting_split(A)
    assert len(split.M) == r or not split.decided
    assert not np.any(np.linalg.matrix_power(split.N, max(split.index, 1)) if len(split.N) else 0)
    N, X, M, Y = split.N, split.X, split.M, split.Y
    scale = (np.linalg.norm(N) + np.linalg.norm(M)) * np.linalg.norm(Y) + np.linalg.norm(X)
    assert np.linalg.norm(Y @ M - N @ Y - X) <= 100 * EPS * scale * max(1, np.linalg.cond(M) if M.size else 1)
    if split.decoupled:
        T = split.T
        # rounding in Y stands in the coupling: u |Y| |M|
        tolerance = 10 * (split.noise + EPS * split.condition)
        assert np.linalg.norm(T @ A - block_diag(N, M) @ T) <= tolerance * (1 + np.linalg.norm(T) * np.linalg.norm(A))


def test_the_ends_of_the_range():
    """Nothing; only nilpotent; only invertible; complex; an overflow is a refusal."""
    assert fitting_split(np.zeros((0, 0))).T.shape == (0, 0)
    nilpotent = fitting_split(np.eye(4, k=1))
    assert nilpotent.index == 4
    assert nilpotent.M.shape == (0, 0)
    assert nilpotent.condition == 1
    invertible = fitting_split(np.diag([0.5, 2.0]))
    assert invertible.index == 0
    assert invertible.N.shape == (0, 0)
    assert invertible.decoupled
    assert fitting_split(np.array([[0, 1], [0, 0.5j]])).residual < 10 * EPS
    J = np.eye(200, k=1)
    J[:, -1] = 1e-5
    J[-1, -1] = 1e-2
    overflow = fitting_split(J, rtol=1e-3)
    assert not overflow.decoupled
    with pytest.raises(ShapeError, match=r"A has shape \(2, 3\)"):
        fitting_split(np.zeros((2, 3)))
