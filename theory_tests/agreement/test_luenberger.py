"""Popov's selection and the Luenberger form against exact rationals: indices, T and coefficients."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import controllable_luenberger, convert, hessenberg, observable_luenberger, popov_selection
from realization.canonical.checks import markov_distance
from realization.core.errors import StructureError
from realization.systems import LinearSSM, dual, similar
from realization.systems.families import conditioned, nearly_uncontrollable, with_indices

U = 2.0**-53
seeds = st.integers(0, 2**32 - 1)
indices = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def integers(n, m, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 2, (n, n)), rng.integers(-1, 2, (n, m))


def solve(M, X):
    """Gauss-Jordan in rationals; None if M is singular."""
    n = len(M)
    W = np.array([[Fraction(int(x)) if not isinstance(x, Fraction) else x for x in row] for row in np.hstack([M, X])])
    for j in range(n):
        pivot = next((i for i in range(j, n) if W[i, j]), None)
        if pivot is None:
            return None
        W[[j, pivot]] = W[[pivot, j]]
        W[j] = W[j] / W[j, j]
        for i in range(n):
            if i != j:
                W[i] = W[i] - W[i, j] * W[j]
    return W[:, n:]


def rank(columns):
    """Rank of integer columns, by elimination in rationals."""
    rows, r = [[Fraction(int(x)) for x in c] for c in columns], 0
    for j in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(r, len(rows)) if rows[i][j]), None)
        if pivot is None:
            continue
        rows[r], rows[pivot] = rows[pivot], rows[r]
        for i in range(r + 1, len(rows)):
            f = rows[i][j] / rows[r][j]
            rows[i] = [x - f * y for x, y in zip(rows[i], rows[r], strict=True)]
        r += 1
    return r


def exact_chains(A, B):
    """The lengths of Popov's chains, one column after the other, in exact arithmetic."""
    n, m = B.shape
    kept, lengths = [], [0] * m
    queue = [(i, B[:, i].astype(object)) for i in range(m)]
    while queue:
        i, v = queue.pop(0)
        if rank([*kept, v]) > len(kept):
            kept.append(v)
            lengths[i] += 1
            queue.append((i, A.astype(object) @ v))
    return tuple(lengths)


@given(st.integers(1, 6), st.integers(1, 3), seeds)
def test_the_chains_are_those_of_exact_arithmetic(n, m, seed):
    """Entries -1, 0, 1: dependent columns come in every order."""
    A, B = integers(n, m, seed)
    found = popov_selection(A.astype(float), B.astype(float))
    assert found.decision.decided
    assert found.indices == exact_chains(A, B)


@given(st.integers(1, 5), st.integers(1, 3), seeds)
def test_t_and_coefficients_are_those_of_exact_arithmetic(n, m, seed):
    """T from rows of the exact inverse of the selected columns, A2 = T A inv(T) exactly."""
    A, B = integers(n, m, seed)
    k = exact_chains(A, B)
    if sum(k) < n:
        with pytest.raises(StructureError, match=rf"reaches {sum(k)} of {n} directions"):
            controllable_luenberger(LinearSSM(A, B, np.eye(n), np.zeros((n, m))))
        return
    powers = [np.linalg.matrix_power(A.astype(object), j) for j in range(n + 1)]
    M = np.column_stack([powers[j] @ B[:, i] for i in range(m) for j in range(k[i])])
    inverse = solve(M, np.eye(n, dtype=int))
    last = np.cumsum(k) - 1
    T = np.array([inverse[last[i]] @ powers[j] for i in range(m) for j in range(k[i])])
    A2, B2 = solve(T.T, (T @ A).T).T, T @ B
    found = controllable_luenberger(LinearSSM(A, B, np.eye(n), np.zeros((n, m))))
    for X, exact in ((found.T, T), (found.system.A, A2), (found.system.B, B2)):
        exact = exact.astype(float)
        assert np.linalg.norm(X - exact) <= 100 * n * U * found.condition**2 * max(1.0, np.linalg.norm(exact))


@given(indices, seeds, st.sampled_from([1.0, 10.0, 100.0]))
def test_known_indices_come_back_from_any_basis(indices, seed, kappa):
    system = with_indices(indices, condition=kappa, rng=seed)
    found = popov_selection(system.A, system.B)
    assert sorted(found.indices) == sorted(indices)
    assert found.decision.gap > 1e3


@given(indices, seeds)
def test_the_observable_form_mirrors_the_controllable_one(indices, seed):
    """Two routes: transposed by hand, and through the form."""
    system = dual(with_indices(indices, rng=seed))
    one, other = observable_luenberger(system), controllable_luenberger(dual(system))
    assert np.array_equal(one.system.A, other.system.A.T)
    assert np.array_equal(one.system.C, other.system.B.T)
    assert markov_distance(system, one.system) <= 100 * len(system.A) * U * one.condition**2


@given(st.integers(1, 6), st.integers(1, 3), seeds)
def test_hessenberg_is_the_orthogonalised_selection(n, m, seed):
    """[B2, A2] = Q' [B, A Q] against NumPy's QR of the selected columns: Q up to signs."""
    rng = np.random.default_rng(seed)
    system = LinearSSM(conditioned(n, 3, rng=rng), rng.standard_normal((n, m)), np.zeros((1, n)), np.zeros((1, m)))
    found = popov_selection(system.A, system.B)
    order = sorted((q, i, k) for i, chain in enumerate(found.chains) for k, q in enumerate(chain))
    M = np.column_stack([np.linalg.matrix_power(system.A, k) @ system.B[:, i] for _, i, k in order])
    Q = np.linalg.qr(M)[0]
    T = hessenberg(system).T
    assert np.abs(np.abs(T @ Q) - np.eye(n)).max() <= 100 * n * U * np.linalg.cond(M)


def test_a_repeated_mode_needs_two_inputs():
    """The control: with one input diag(1, 1) is out of reach, with two its chains have length 1."""
    two = LinearSSM(np.eye(2), [[1, 0], [1, 1]], [[1, 0]], [[0, 0]])
    assert popov_selection(two.A, two.B).indices == (1, 1)
    with pytest.raises(StructureError, match="reaches 1 of 2 directions"):
        controllable_luenberger(LinearSSM(np.eye(2), [[1], [1]], [[1, 0]], [[0]]))


def test_a_scaled_input_is_no_weak_input():
    """An input in other units (1e-9) reaches as much: dependence is a question of direction."""
    system = with_indices([2, 2])
    small = LinearSSM(system.A, system.B * [1, 1e-9], system.C, system.D)
    assert popov_selection(small.A, small.B).indices == (2, 2)


@pytest.mark.parametrize("distance, decided", [(1e-3, True), (1e-6, True), (1e-8, False)])
def test_a_weak_direction_is_kept_with_its_margin(distance, decided):
    """Kept where the gap to rounding is the wider one; where the gap above it competes the decision says so."""
    found = convert(similar(nearly_uncontrollable(4, distance), conditioned(4, rng=1)), "controllable_luenberger")
    decision = found.decisions[0]
    assert decision.decided == decided
    assert distance < decision.values[3] < 10 * distance
    assert found.condition * distance > 1


def test_a_direction_at_rounding_level_is_refused_with_its_margin():
    """The other side: nothing is kept that the gap says is not there."""
    with pytest.raises(StructureError, match=r"reaches 3 of 4 directions .* margin \d\.\de-12 \(gap \d\.\de\+10\)"):
        convert(similar(nearly_uncontrollable(4, 1e-12), conditioned(4, rng=1)), "controllable_luenberger")
