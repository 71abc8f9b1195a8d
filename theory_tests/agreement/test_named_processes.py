"""Every named process has the traits that its entry claims, and those that it does not claim it lacks."""

import numpy as np
import pytest

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import innovations_model, reverse, reverse_varying
from realization.systems import NAMED_CONTINUOUS_STOCHASTIC, NAMED_STOCHASTIC, InitialState, TimeVaryingStochasticSSM
from realization.systems.named import TRAITS
from realization.systems.stochastic import ContinuousStochasticSSM, StochasticSSM
from realization.systems.stochastic_families import random_innovations, random_process
from realization.systems.stochastic_library import follower, maximum_phase, minimum_phase
from realization.testing import covariance_condition

ENTRIES = NAMED_STOCHASTIC | NAMED_CONTINUOUS_STOCHASTIC
MODELS = {name: entry.make() for name, entry in ENTRIES.items()}
every = pytest.mark.parametrize("name", ENTRIES)
stationary = pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if "stable" in entry.traits])


def points(model, k=200):
    """On the unit circle, or on the imaginary axis from 0 on."""
    if isinstance(model, StochasticSSM):
        return np.exp(1j * np.linspace(0, np.pi, k))
    return 1j * np.append(0, np.geomspace(1e-3, 1e3, k))


def density(model):
    """W W* at these points, without the covariances."""
    A, B, C, D = model.A, model.B, model.C, model.D
    W = np.stack([C @ np.linalg.solve(z * np.eye(len(A)) - A, B) + D for z in points(model)])
    return W @ W.conj().swapaxes(1, 2)


@every
def test_entry_is_complete(name):
    entry = ENTRIES[name]
    assert entry.name == name
    assert entry.shows
    assert entry.traits <= set(TRAITS)
    assert entry.make.__doc__.count("Good for") == 1
    assert isinstance(MODELS[name], StochasticSSM if name in NAMED_STOCHASTIC else ContinuousStochasticSSM)


@every
def test_a_notebook_shows_its_equations_and_its_matrices(name):
    text = MODELS[name]._repr_latex_()
    assert text.startswith("$$")
    assert text.count("{") == text.count("}")
    assert text.count(r"\begin{array}") == (sum(MODELS[name].B.shape) <= 8)


def test_a_notebook_shows_in_which_direction_the_state_runs():
    forward = MODELS["follower"]
    walk = TimeVaryingStochasticSSM(*np.ones((4, 3, 1, 1)))
    for model, step in (
        (forward, "x(t+1) &= A x(t) + B w(t)"),
        (reverse(forward), "z(t-1) &= A z(t) + B v(t)"),
        (innovations_model(forward), "y(t) &= C x(t) + e(t)"),
        (reverse(MODELS["chase"]), r"dz &= -A z\,dt + B\,dv"),
        (walk, "x(t+1) &= A(t) x(t) + B(t) w(t)"),
        (reverse_varying(walk, InitialState.known([0])).model, "x(t) &= A(t) x(t+1) + B(t) v(t)"),
    ):
        assert step in model._repr_latex_()


@every
def test_stable(name):
    poles = np.linalg.eigvals(MODELS[name].A)
    found = (np.abs(poles) < 1 - 1e-6).all() if name in NAMED_STOCHASTIC else (poles.real < -1e-6).all()
    assert found == ("stable" in ENTRIES[name].traits)


def in_own_units(model):
    """A and B in units of the noise of each state, or where it has none of what comes of it in a step."""
    A, B = model.A, model.B
    direct, later = (np.linalg.norm(X, axis=1) for X in (B, A @ B))
    u = np.where(direct > 0, direct, np.where(later > 0, later, 1.0))
    return A / u[:, None] * u, B / u[:, None]


@every
def test_reachable(name):
    """[A - l I, B] has full rank at every eigenvalue."""
    A, B = in_own_units(MODELS[name])
    pencils = [np.hstack([A - l * np.eye(len(A)), B]) for l in np.linalg.eigvals(A)]
    least = min((np.linalg.svd(X)[1][-1] for X in pencils), default=1.0)
    assert (least > 1e-6) == ("reachable" in ENTRIES[name].traits)


@every
def test_nilpotent_and_defective(name):
    A = in_own_units(MODELS[name])[0]
    assert (len(A) > 0 and not np.linalg.matrix_power(A, len(A)).any()) == ("nilpotent" in ENTRIES[name].traits)
    V = np.linalg.eig(A)[1] if len(A) else np.eye(1)
    # a computed basis of a block of size k has condition u^(-(k-1)/k): 1e8 and more; the others stay below 100
    assert (np.linalg.cond(V) > 1e6) == ("defective" in ENTRIES[name].traits)


@stationary
def test_coercive_and_symmetric(name):
    Phi, traits = density(MODELS[name]), ENTRIES[name].traits
    lowest = np.linalg.eigvalsh(Phi)[:, 0].min()
    assert (lowest > 1e-6 * np.abs(Phi).max()) == ("coercive" in traits)
    # E y(t+k) y(t)' symmetric for all k: Phi is real
    assert (np.abs(Phi.imag).max() < 1e-12 * np.abs(Phi).max()) == ("symmetric" in traits)


@stationary
def test_smallest_and_largest(name):
    """Zeros are the eigenvalues of A - B inv(D) C, where there are as many noises as outputs."""
    A, B, C, D = (getattr(MODELS[name], X) for X in "ABCD")
    square = D.shape[0] == D.shape[1] and np.linalg.matrix_rank(D) == len(D)
    z = np.abs(np.linalg.eigvals(A - B @ np.linalg.solve(D, C))) if square else np.array([])
    traits = ENTRIES[name].traits
    assert (square and (z <= 1 + 1e-12).all()) == ("smallest" in traits)
    assert (square and (z >= 1 - 1e-12).all()) == ("largest" in traits)


@stationary
def test_internal_and_external(name):
    """Internal: as many noises as Phi has rank at most frequencies; external: more."""
    model, traits = MODELS[name], ENTRIES[name].traits
    scale = np.abs(density(model)).max(axis=0).diagonal() ** 0.5
    own = np.linalg.matrix_rank(density(model) / np.outer(scale, scale), tol=1e-9).max()
    assert (model.D.shape[1] == own) == ("internal" in traits)
    assert (model.D.shape[1] > own) == ("external" in traits)


def test_two_phases_have_one_spectrum():
    np.testing.assert_allclose(density(minimum_phase()), density(maximum_phase()), rtol=1e-14)
    other = density(maximum_phase(zero=0.6))
    assert np.abs(other / density(minimum_phase()) - 1).max() > 0.01, "the control"


def test_a_state_that_is_hardly_reached_has_the_condition_asked_for():
    for distance in (1e-2, 1e-4, 1e-6):
        condition = covariance_condition(NAMED_STOCHASTIC["hardly_reached"].make(distance))
        assert 0.1 < condition * distance**2 < 100


def test_units_do_not_enter_the_condition():
    condition = covariance_condition(NAMED_STOCHASTIC["badly_scaled_process"].make())
    assert condition == pytest.approx(covariance_condition(random_process(condition=1.0)), rel=1e-9)


def test_sizes_may_be_zero():
    assert random_process(0, 1, 1).A.shape == (0, 0)
    assert random_process(2, 1, 0).B.shape == (2, 1)
    assert random_innovations(0, 2).K.shape == (0, 2)
    assert follower(3).A.shape == (3, 3)


@pytest.mark.parametrize(
    "name, parameters, error, message",
    [
        ("near_unit_root", {"pole": 1.0}, StructureError, "pole is 1.0; a number above -1 and below 1 is needed"),
        ("noisy_oscillator", {"radius": 1.5}, StructureError, "radius is 1.5; a number above -1 and below 1"),
        ("follower", {"delay": 0}, StructureError, "delay is 0; a number above 0 is needed"),
        ("follower", {"delay": 1.5}, ShapeError, "delay is 1.5, but a whole number"),
        ("badly_scaled_process", {"ratio": -1.0}, StructureError, "ratio is -1.0; a number above 0"),
        ("ornstein_uhlenbeck", {"rate": np.nan}, StructureError, "rate is nan; a number above 0"),
        ("integrated_ornstein_uhlenbeck", {"rate": -1}, StructureError, "rate is -1"),
        ("damped_resonator", {"damping": 0}, StructureError, "damping is 0"),
        ("chase", {"lag": 0.0}, StructureError, "lag is 0.0"),
        ("slow_and_fast_noise", {"ratio": -2}, StructureError, "ratio is -2"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(name, parameters, error, message):
    with pytest.raises(error, match=message):
        ENTRIES[name].make(**parameters)


def test_a_variance_is_a_covariance_of_one_output():
    assert NAMED_STOCHASTIC["white_noise"].make(4.0).D.tolist() == [[2.0]]
