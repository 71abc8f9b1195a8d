"""The public strategies draw what they promise; careful code keeps their tolerance, and faults do not."""

import numpy as np
import pytest
from hypothesis import given

from realization.linalg.mean_square import mean_square_radius
from realization.systems.families import conditioned
from realization.systems.library import diagonal
from realization.testing import (
    Drawn,
    bilinear_systems,
    conditions,
    defective_systems,
    diagonalizable_systems,
    hidden_nilpotent_systems,
    minimal_systems,
    nearly_uncontrollable_systems,
    nilpotent_systems,
    partitions,
    seeds,
    stable_systems,
    tolerance,
)


@given(conditions)
def test_conditions_are_from_1_to_1000(k):
    assert 1 <= k <= 1000


@given(partitions(7))
def test_partitions_descend(sizes):
    assert sum(sizes) <= 7
    assert sizes == sorted(sizes, reverse=True)
    assert all(sizes)


@given(stable_systems())
def test_stable_systems_have_their_radius(drawn):
    values = np.linalg.eigvals(drawn.system.A)
    (radius,) = drawn.structure
    # Bauer and Fike: eigenvalues move by k times the rounding of A
    assert not len(values) or abs(np.abs(values).max() - radius) <= tolerance(drawn)


@given(nilpotent_systems())
def test_nilpotent_systems_are_exact(drawn):
    """Integers, and powers far below 2^53 on the way."""
    A = drawn.system.A
    assert np.array_equal(A, np.rint(A))
    assert np.abs(A).max(initial=0.0) ** 2 * len(A) < 2**53
    assert drawn.structure == () or not np.linalg.matrix_power(A, max(drawn.structure)).any()


@given(hidden_nilpotent_systems())
def test_hidden_nilpotent_systems_have_no_zeros_left(drawn):
    """But for what stays 0 in any basis: a matrix of blocks of size 1."""
    A = drawn.system.A
    assert len(A) == sum(drawn.structure)
    assert (A != 0).any() == (max(drawn.structure, default=1) > 1)


@given(diagonalizable_systems())
def test_diagonalizable_systems_have_their_eigenvalues(drawn):
    values = np.linalg.eigvals(drawn.system.A)
    assert np.abs(np.sort(values.real) - drawn.structure).max(initial=0.0) <= tolerance(drawn)
    assert np.diff(drawn.structure).min(initial=1.0) >= 0.1 - 1e-12


@given(minimal_systems())
def test_minimal_systems_are_minimal(drawn):
    """Both rank tests of Popov, Belevitch and Hautus at every eigenvalue."""
    A, B, C = drawn.system.A, drawn.system.B, drawn.system.C
    for pole in drawn.structure:
        shifted = A - pole * np.eye(len(A))
        for M in (np.hstack([shifted, B]), np.vstack([shifted, C])):
            assert np.linalg.svd(M, compute_uv=False)[len(A) - 1] > 1e-9


@given(nearly_uncontrollable_systems())
def test_nearly_uncontrollable_systems_are_that_near(drawn):
    (distance,) = drawn.structure
    A, B = drawn.system.A, drawn.system.B
    margins = [
        np.linalg.svd(np.hstack([A - p * np.eye(len(A)), B]), compute_uv=False)[-1] for p in np.linalg.eigvals(A).real
    ]
    assert min(margins) <= distance + 1e-14


@given(defective_systems())
def test_defective_systems_are_defective(drawn):
    """A - p has the rank of a single block: the power size - 1 of it does not vanish on the block's space."""
    pole, size = drawn.structure
    s = np.linalg.svd(drawn.system.A - pole * np.eye(len(drawn.system.A)), compute_uv=False)
    assert size >= 2
    assert s[-1] <= tolerance(drawn)
    assert len(s) == 1 or s[-2] > 1e-8


@given(bilinear_systems())
def test_bilinear_systems_have_their_mean_square_radius(drawn):
    assert mean_square_radius(drawn.system.A, drawn.system.N) == pytest.approx(drawn.structure[0], rel=1e-9)


@given(stable_systems(min_states=1), seeds)
def test_careful_code_keeps_the_tolerance(drawn, seed):
    """Another basis of the same condition, and back: the first Markov parameters survive."""
    A, B, C = drawn.system.A, drawn.system.B, drawn.system.C
    T = conditioned(len(A), drawn.condition, rng=seed)
    A2, B2, C2 = np.linalg.solve(T, A @ T), np.linalg.solve(T, B), C @ T
    scale = np.linalg.norm(B, 2) * np.linalg.norm(C, 2) * 4
    off = max(
        np.abs(C @ np.linalg.matrix_power(A, k) @ B - C2 @ np.linalg.matrix_power(A2, k) @ B2).max() for k in range(3)
    )
    limit = tolerance(drawn, scale=max(1.0, scale) * max(1.0, np.linalg.norm(A, 2)))
    assert off <= limit


def test_and_a_fault_does_not():
    """The control: a pole moved by one part in 10^10 is seen at condition 1, and not at 1000."""
    system = diagonal()
    moved = system.A * (1 + 1e-10)
    off = np.abs(system.C @ (moved - system.A) @ system.B).max()
    assert tolerance(Drawn(system, 1.0, ())) < off < tolerance(Drawn(system, 1000.0, ()))
