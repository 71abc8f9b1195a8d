"""Two minimal realizations of one response are similar, by exactly one T: that of their reachability matrices.

T [B, A B, ...] = [B2, A2 B2, ...]      [C; C A; ...] = [C2; C2 A2; ...] T
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import ho_kalman, minimal_realization, same_behaviour
from realization.systems import LinearSSM, direct_sum, markov_parameters, similar
from realization.systems.families import conditioned, random_stable


def reached(system, steps):
    """[B, A B, ...], (n, steps m)."""
    powers = [system.B]
    for _ in range(steps - 1):
        powers.append(system.A @ powers[-1])
    return np.hstack(powers)


def seen(system, steps):
    """[C; C A; ...], (steps p, n)."""
    return reached(LinearSSM(system.A.T, system.C.T, system.B.T, system.D.T), steps).T


def between(one, other):
    """The T of the reachability matrices, and the condition of what it is solved from."""
    steps = 2 * len(one.A)
    X = reached(one, steps)
    return reached(other, steps) @ np.linalg.pinv(X), np.linalg.cond(X)


def gaps(one, other, T):
    """|T A - A2 T|, |T B - B2|, |C - C2 T|."""
    return [np.linalg.norm(X) for X in (T @ one.A - other.A @ T, T @ one.B - other.B, one.C - other.C @ T)]


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 2), st.integers(1, 2))
def test_realizations_from_one_response(seed, n, m, p):
    """One system in two ways that share no basis: given, and from its response by Ho and Kalman."""
    one = random_stable(n, m, p, rng=seed)
    found = ho_kalman(markov_parameters(one, 3 * n + 4))
    if not found.decided or found.order < n:
        return
    T, kappa = between(one, found.system)
    # the second system reproduces the response to found.bound, and T is solved from a matrix of this condition
    law = (1 + kappa) * (1e-12 + found.bound / found.size)
    assert max(gaps(one, found.system, T)) <= law * max(1, np.linalg.norm(T)) * (1 + np.linalg.norm(one.C))
    assert np.linalg.matrix_rank(T) == n


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_similarity_is_unique(seed, n):
    """From reachability and from observability comes one T, and it is the one that made the second system."""
    one = random_stable(n, 2, 2, rng=seed)
    S = conditioned(n, 10, rng=seed)
    other = similar(one, S)
    T, kappa = between(one, other)
    O, O2 = seen(one, 2 * n), seen(other, 2 * n)
    np.testing.assert_allclose(T, S, atol=1e-13 * 100 * n * kappa)
    np.testing.assert_allclose(np.linalg.pinv(O2) @ O, S, atol=1e-13 * 100 * n * np.linalg.cond(O2))


def test_minimal_parts_of_two_different_systems():
    """A system beside an unseen mode, and beside an unreached one: of orders n + 1, with similar minimal parts."""
    core = random_stable(4, 1, 1, rng=7)
    unseen, unreached = ([[0.3]], [[1]], [[0]], [[0]]), ([[-0.6]], [[0]], [[1]], [[0]])
    small = []
    for extra in (unseen, unreached):
        both = direct_sum(core, LinearSSM(*extra))
        system = LinearSSM(both.A, both.B.sum(1, keepdims=True), both.C.sum(0, keepdims=True), core.D)
        small.append(minimal_realization(similar(system, conditioned(5, 10, rng=1))).system)
    T, kappa = between(*small)
    assert max(gaps(*small, T)) <= 1e-11 * kappa


def test_without_minimality_they_need_not_be():
    """The control: one behaviour, orders equal, poles different, so no T exists."""
    one = LinearSSM(np.diag([0.5, 0.3]), [[1], [0]], [[1, 1]], [[0]])
    other = LinearSSM(np.diag([0.5, -0.6]), [[1], [1]], [[1, 0]], [[0]])
    assert same_behaviour(one, other)
    T, _ = between(one, other)
    assert max(gaps(one, other, T)) > 0.1
    assert np.linalg.eigvals(one.A).min() != pytest.approx(np.linalg.eigvals(other.A).min())
