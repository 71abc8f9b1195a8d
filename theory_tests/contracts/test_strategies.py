"""The public strategies draw what they promise; careful code keeps their tolerance, and faults do not."""

import numpy as np
import pytest
from hypothesis import given

from realization.linalg.mean_square import mean_square_radius
from realization.stochastic.covariance import spectral_density, state_covariance
from realization.systems.families import conditioned
from realization.systems.library import diagonal
from realization.testing import (
    Drawn,
    bilinear_systems,
    conditions,
    covariance_data,
    covariance_tolerance,
    defective_systems,
    diagonalizable_systems,
    hidden_nilpotent_systems,
    minimal_systems,
    nearly_uncontrollable_systems,
    nilpotent_systems,
    partitions,
    refuted_covariance_data,
    seeds,
    stable_systems,
    stochastic_systems,
    time_varying_stochastic_systems,
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


@given(stochastic_systems())
def test_stochastic_systems_have_their_radius_and_condition(drawn):
    model = drawn.system
    assert np.abs(np.linalg.eigvals(model.A)).max(initial=0.0) <= drawn.structure[0] + tolerance(drawn)
    assert drawn.condition == pytest.approx(np.linalg.cond(state_covariance(model)) if len(model.A) else 1.0)
    assert np.linalg.matrix_rank(model.D) == len(model.C)


@given(stochastic_systems(weight=0.1))
def test_the_noise_of_the_output_bounds_the_spectral_density(drawn):
    """Phi >= weight^2 / 4 at every frequency, and not more than that by construction."""
    lowest = np.linalg.eigvalsh(spectral_density(drawn.system, np.linspace(0, np.pi, 50)))[:, 0]
    assert lowest.min() >= 0.1**2 / 4 - covariance_tolerance(drawn, scale=lowest.max())


@given(stochastic_systems(smallest=True))
def test_smallest_systems_have_their_zeros_inside(drawn):
    """x(t+1) = (A - B inv(D) C) x(t) + B inv(D) y(t) forgets where it started: y determines x."""
    A, B, C, D = (getattr(drawn.system, name) for name in "ABCD")
    zeros = np.linalg.eigvals(A - B @ np.linalg.solve(D, C))
    assert np.abs(zeros).max(initial=0.0) < 1
    assert D.shape[0] == D.shape[1]


@given(time_varying_stochastic_systems())
def test_time_varying_stochastic_systems_start_from_their_state(drawn):
    (state,) = drawn.structure
    assert len(state.mean) == drawn.system.A.shape[-1]
    assert 1 <= drawn.condition <= 1e8
    assert not state.diffuse.any()


@given(covariance_data(), refuted_covariance_data())
def test_covariance_data_have_a_spectral_density_and_the_control_has_not(good, bad):
    lowest = np.linalg.eigvalsh(spectral_density(good.system, np.linspace(0, np.pi, 50)))[:, 0]
    assert lowest.min() > 0
    omega, depth = bad.structure
    assert np.linalg.eigvalsh(spectral_density(bad.system, omega))[0, 0] == pytest.approx(depth, rel=1e-6)


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
