"""Same behaviour: true for similar systems and for reductions, false for what differs by more than rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import invariants, minimal_realization, same_behaviour
from realization.core.errors import ShapeError
from realization.systems import ContinuousSSM, LinearSSM, direct_sum, dual, similar, subsystem
from realization.systems.families import conditioned, random_stable, redundant, with_indices
from realization.systems.library import delay_line, integrators


def moved(system, k, by):
    """The same system with h(k) moved by so much: through D, or through a delay beside it."""
    if k == 0:
        return LinearSSM(system.A, system.B, system.C, system.D + by)
    both = direct_sum(system, delay_line(k))
    B, C = both.B.sum(axis=1, keepdims=True), both.C.sum(axis=0, keepdims=True)
    C[:, len(system.A) :] *= by
    return LinearSSM(both.A, B, C, system.D)


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(0, 3))
def test_similar_systems_behave_alike(seed, n, decades):
    """In any basis of condition up to 1e3, and so does the same system with more states than it needs."""
    system = random_stable(n, 2, 2, rng=seed)
    other = similar(system, conditioned(n, 10.0**decades, rng=seed + 1))
    comparison = same_behaviour(system, other)
    assert comparison
    assert comparison.distance <= 0.1 * comparison.allowed
    assert same_behaviour(other, system)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 8))
def test_one_parameter_makes_the_difference(seed, n, k):
    """h(k) moved by 1e-9 is found, at the k where it was moved, although all other parameters are the same."""
    system = random_stable(n, 1, 1, rng=seed)
    other = moved(system, k, 1e-9)
    comparison = same_behaviour(system, other)
    assert not comparison
    assert comparison.worst == k
    assert comparison.distance == pytest.approx(1e-9, rel=1e-3)
    assert same_behaviour(system, moved(system, k, 0.0))


def test_fewer_parameters_would_not_do():
    """Two delays of n and n + 1 steps agree in h(0) ... h(n - 1): all n_a + n_b + 1 have to be looked at."""
    for n in range(1, 5):
        comparison = same_behaviour(delay_line(n), delay_line(n + 1))
        assert not comparison
        assert comparison.worst in (n, n + 1)


def test_a_reduction_behaves_alike():
    system = redundant(rng=0)
    assert same_behaviour(system, minimal_realization(system).system)
    assert not same_behaviour(system, random_stable(20, 2, 2, rng=0))


def test_being_the_same_may_mean_little():
    """In a basis of condition 1e9 rounding explains everything: same, and undecided."""
    system = redundant(condition=1e9, rng=0)
    comparison = same_behaviour(system, redundant(condition=1e9, rng=1))
    assert not comparison.decided
    assert same_behaviour(redundant(rng=0), redundant(rng=0)).decided


def test_kinds_and_sizes():
    """A system in continuous time, or with other inputs and outputs, is another one."""
    system = random_stable(3, 1, 1, rng=0)
    assert not same_behaviour(system, ContinuousSSM(system.A, system.B, system.C, system.D))
    assert not same_behaviour(system, random_stable(3, 2, 1, rng=0))
    gain = LinearSSM(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[2]])
    assert same_behaviour(gain, LinearSSM([[0.5]], [[0]], [[1]], [[2]]))
    with pytest.raises(ShapeError, match="one system at a time"):
        same_behaviour(
            system, LinearSSM(np.zeros((5, 1, 1)), np.zeros((5, 1, 1)), np.zeros((5, 1, 1)), np.zeros((5, 1, 1)))
        )


def test_infinite_growth_is_no_excuse():
    """Unstable systems: what is allowed grows with the parameters, not faster."""
    system = LinearSSM([[2.0, 1], [0, 1.5]], [[0], [1]], [[1, 0]], [[0]])
    assert same_behaviour(system, similar(system, conditioned(2, 10, rng=0)))
    assert not same_behaviour(system, LinearSSM(system.A + 1e-12, system.B, system.C, system.D))


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_indices_stay(seed, indices):
    """Controllability indices are built in, those of the dual are seen at the output, a change of basis keeps both."""
    system = with_indices(indices, rng=seed)
    found = invariants(similar(system, conditioned(sum(indices), 10, rng=seed)))
    if found.decided:
        assert found.controllability_indices == tuple(sorted(indices, reverse=True))
        assert invariants(dual(system)).observability_indices == found.controllability_indices


def test_what_stays_and_what_does_not():
    """Poles, Hankel singular values and Markov parameters; leaving out an input changes the indices."""
    system = random_stable(5, 2, 2, rng=3)
    one, other = invariants(system), invariants(similar(system, conditioned(5, 100, rng=1)))
    for name in ("poles", "hankel", "markov"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-10)
    assert one.controllability_indices == other.controllability_indices == (3, 2)
    assert invariants(subsystem(system, inputs=[0])).controllability_indices == (5,)
    assert invariants(integrators(2)).hankel is None
    continuous = ContinuousSSM([[-1.0]], [[1]], [[1]], [[0]])
    np.testing.assert_allclose(invariants(continuous).hankel, [0.5])
