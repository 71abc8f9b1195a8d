"""Brunovsky's form: feedback leaves the controllability indices, and ranks of [B, A B, ...] in rationals give them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import brunovsky, popov_selection
from realization.core.errors import StructureError
from realization.systems import LinearSSM
from realization.systems.families import conditioned, with_indices

U = 2.0**-53
lengths = st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(any)


def chains(indices):
    """Integrators in chains of these lengths; the input of a chain of length 0 reaches nothing."""
    n, m = sum(indices), len(indices)
    used = [i for i, k in enumerate(indices) if k]
    ends = np.cumsum([indices[i] for i in used]) - 1
    A, B = np.eye(n, k=1), np.zeros((n, m))
    A[ends] = 0
    B[ends, used] = 1
    return A, B


def disturbed(indices, seed, kappa):
    """Chains after a feedback, a change of input and a change of basis of condition kappa."""
    rng = np.random.default_rng(seed)
    A, B = chains(indices)
    n, m = B.shape
    A, B = A + B @ rng.standard_normal((m, n)) / 2, B @ conditioned(m, 3, rng=rng)
    T = conditioned(n, kappa, rng=rng)
    A, B = np.linalg.solve(T, A @ T), np.linalg.solve(T, B)
    return LinearSSM(A, B, rng.standard_normal((2, n)), rng.standard_normal((2, m)))


def indices_by_rank(A, B):
    """k_i = how many of the numbers rank [B ... A^j B] - rank [B ... A^(j-1) B] are >= i, in exact rationals."""
    import sympy

    A, X = sympy.Matrix(A.astype(int)), sympy.Matrix(B.astype(int))
    m, ranks, reach = X.cols, [0], X[:, :0]
    for _ in range(A.rows):
        reach, X = reach.row_join(X), A * X
        ranks.append(reach.rank())
    steps = np.diff(ranks)
    return tuple(int((steps > i).sum()) for i in range(m))


@given(lengths, st.integers(0, 2**32 - 1), st.sampled_from([1.0, 10.0, 100.0]))
def test_feedback_and_inputs_are_undone(indices, seed, kappa):
    """T (A + B K) = A2 T and T B G = B2, with the lengths that the chains had before."""
    system = disturbed(indices, seed, kappa)
    found = brunovsky(system)
    assert found.indices == tuple(sorted(indices, reverse=True))
    A2, B2 = chains(found.indices)
    assert np.array_equal(found.system.A, A2)
    assert np.array_equal(found.system.B, B2)
    assert found.residual <= 100 * len(A2) * U * found.condition
    assert np.linalg.matrix_rank(found.G) == len(indices)


@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_the_indices_are_those_of_the_exact_ranks(n, m, seed):
    """Small integers, often with dependent columns, so that indices differ."""
    rng = np.random.default_rng(seed)
    A, B = rng.integers(-1, 2, (n, n)).astype(float), rng.integers(-1, 2, (n, m)).astype(float)
    exact, found = indices_by_rank(A, B), popov_selection(A, B)
    assert found.decision.decided
    assert tuple(sorted(found.indices, reverse=True)) == exact


@given(lengths, st.integers(0, 2**32 - 1))
def test_the_form_answers_as_the_system_under_feedback(indices, seed):
    """Two routes to one output: v into the form, and v into the system with u = K x + G v."""
    system = disturbed(indices, seed, 3.0)
    found = brunovsky(system)
    K, G = found.K, found.G
    looped = LinearSSM(system.A + system.B @ K, system.B @ G, system.C + system.D @ K, system.D @ G)
    v = np.random.default_rng(seed).standard_normal((6, len(indices)))
    y, z = looped.simulate(v).y, found.system.simulate(v).y
    assert np.abs(y - z).max() <= 1e4 * U * found.condition**2 * max(1.0, np.abs(y).max(), np.linalg.norm(K))


def test_without_the_feedback_it_is_no_chain():
    """The control: T alone does not make integrators of a system with poles."""
    system = with_indices([3, 2])
    found = brunovsky(system)
    assert np.abs(found.T @ system.A - found.system.A @ found.T).max() > 0.1


def test_an_uncontrollable_pair_has_no_such_form():
    with pytest.raises(StructureError, match=r"reaches 1 of 2 directions .* margin \d"):
        brunovsky(LinearSSM(np.diag([0.5, 0.2]), [[1], [0]], [[1, 1]], [[0]]))


def test_no_state():
    found = brunovsky(LinearSSM(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((1, 0)), np.ones((1, 2))))
    assert found.indices == (0, 0)
    assert np.array_equal(found.system.D, [[1, 1]])
