"""All states and outputs over a horizon have one covariance, whichever way the model runs.

This subsumes the rest: two Gaussian models with one joint covariance are one process.  Each side is built by its
own recursion from its own stationary state; they share no number.  Differences are measured in standard deviations
and bounded by 100 n u cond(P), with P in units in which its diagonal is 1; with slow modes by that over the gap
1 - |pole|, for P itself is known to n u / gap only.

Lindquist and Picci, "On the stochastic realization problem", SIAM J. Control Optim. 17 (1979), 365-389.
"""

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.stochastic import in_steps, joint_covariance, reverse, state_covariance
from realization.stochastic.factors import gap
from realization.systems import (
    NAMED_CONTINUOUS_STOCHASTIC,
    NAMED_STOCHASTIC,
    BackwardSSM,
    StochasticSSM,
)
from realization.systems.families import conditioned
from realization.systems.stochastic_library import hardly_reached
from realization.testing import covariance_condition, in_deviations, seeds, stochastic_systems

u, STEPS = 2.0**-53, 5
regular = {"stable", "reachable"}
NAMED = [name for name, entry in NAMED_STOCHASTIC.items() if regular <= entry.traits]
CONTINUOUS = [name for name, entry in NAMED_CONTINUOUS_STOCHASTIC.items() if regular <= entry.traits]


def compared(model, backward, steps=STEPS):
    """The difference, and it in units of n u cond(P)."""
    found = in_deviations(joint_covariance(backward, steps), joint_covariance(model, steps))
    return found, found / (max(len(model.A), 1) * u * covariance_condition(model))


@pytest.mark.parametrize("name", NAMED)
def test_named_processes(name, record_property):
    model = NAMED_STOCHASTIC[name].make()
    ratio = compared(model, reverse(model))[1]
    record_property("error in n u cond(P)", ratio)
    assert ratio < 100


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("h", [0.01, 0.5, 20.0])
def test_named_processes_in_continuous_time(name, h):
    """Both ways sampled by themselves, at the same times: rounding of h A is summed up until it is forgotten."""
    model = NAMED_CONTINUOUS_STOCHASTIC[name].make()
    forward, backward = in_steps(model, h), in_steps(reverse(model), h)
    summed = max(1.0, h * np.linalg.norm(model.A, 2)) / (1 - np.abs(np.linalg.eigvals(forward.A)).max() ** 2)
    assert compared(forward, backward)[0] < 100 * len(model.A) * u * covariance_condition(model) * summed


@given(stochastic_systems())
def test_random_processes(drawn):
    assert compared(drawn.system, reverse(drawn.system))[1] < 100


@given(stochastic_systems(max_condition=1e3, max_covariance_condition=1e10, smallest=True))
def test_internal_processes_in_a_bad_basis(drawn):
    assert compared(drawn.system, reverse(drawn.system))[1] < 100


@given(seeds, st.integers(2, 6), st.integers(0, 12))
def test_conditions_up_to_1e12_cost_half_of_their_digits(seed, n, k):
    """The square root of the condition, since P is never formed: 1e-8 at 1e12."""
    model = hardly_reached(10.0 ** (-k / 2), n, rng=seed)
    assert compared(model, reverse(model))[0] < 100 * n * u * np.sqrt(covariance_condition(model))


@st.composite
def with_slow_modes(draw):
    """Poles up to 1 - 1e-13 in a basis of condition up to 1e3, all noises but perhaps the last few."""
    n, m, rng = draw(st.integers(1, 6)), draw(st.integers(1, 4)), np.random.default_rng(draw(seeds))
    T = conditioned(n, 10.0 ** draw(st.integers(0, 3)), rng=rng)
    poles = 1 - 10 ** rng.uniform(-draw(st.integers(1, 13)), -0.5, n)
    A = np.linalg.solve(T.T, (T * poles).T).T
    B, C, D = (rng.standard_normal(shape) for shape in ((n, m), (2, n), (2, m)))
    return StochasticSSM(A, B, C, D)


def refused(model):
    try:
        reverse(model)
    except StructureError:
        return True
    return False


@given(with_slow_modes())
def test_near_a_unit_root_rounding_counts_over_the_gap(model):
    """c n u cond(P) / gap, for P is known to n u / gap only; where that may leave no digit it is refused."""
    number = "smallest eigenvalue|rank|spectral radius"
    with pytest.raises(StructureError, match=number) if refused(model) else nullcontext():
        assert compared(model, reverse(model))[1] * gap(model) < 100


def test_fails_to_count_without_the_gap():
    """The control: one pole at 1 - 1e-10, P = I, and an error of far more than 100 n u."""
    Q, poles = conditioned(4, 1.0, rng=3), np.array([1 - 1e-10, 0.5, 0.2, 0.1])
    model = StochasticSSM(Q * poles @ Q.T, Q * np.sqrt(1 - poles**2), np.ones((1, 4)), np.zeros((1, 4)))
    assert covariance_condition(model) < 1 + 1e-4
    assert compared(model, reverse(model))[1] > 1000


def formed_plainly(model):
    """The control: the formulas as they stand, with P formed and inverted, factored by its eigenvectors."""
    P = state_covariance(model)
    inv = np.linalg.inv(P)
    A, B, C, D = model.A, model.B, model.C, model.D
    Cb = C @ P @ A.T + D @ B.T
    S = C.T - A.T @ inv @ Cb.T
    M = np.block([[inv - A.T @ inv @ A, S], [S.T, C @ P @ C.T + D @ D.T - Cb @ inv @ Cb.T]])
    values, V = np.linalg.eigh((M + M.T) / 2)
    F = V * np.sqrt(np.maximum(values, 0))
    return BackwardSSM(A.T, F[: len(A)], Cb, F[len(A) :])


def test_fails_to_reach_it_with_p_formed():
    """Right where P is well conditioned, and 1000 times worse at 1e8: the digits are lost in P, not in the problem."""
    easy, hard = hardly_reached(1.0), hardly_reached(1e-4)
    assert compared(easy, formed_plainly(easy))[0] < 1e-14
    assert compared(hard, formed_plainly(hard))[0] > 1e-9
    assert compared(hard, reverse(hard))[0] < 1e-12


def inverted_in_time(model):
    """x(t) = inv(A) x(t+1) - inv(A) B w(t), read as if the noise were new."""
    A = np.linalg.inv(model.A)
    return A, -A @ model.B, model.C @ A, model.D - model.C @ A @ model.B


def own_noise(model):
    """The right A' and C, with the noise of the forward model."""
    L = np.linalg.cholesky(state_covariance(model))
    A, C = reverse(model).A, reverse(model).C
    return BackwardSSM(A, np.linalg.solve(L.T, np.linalg.solve(L, model.B)), C, model.D)


@pytest.mark.parametrize("name", ["follower", "smallest_model", "minimum_phase", "noisy_oscillator"])
def test_fails_for_the_naive_reversals(name):
    """Inverting A gives a model that explodes; keeping the noise gives a process with other covariances."""
    model = NAMED_STOCHASTIC[name].make()
    assert np.abs(np.linalg.eigvals(inverted_in_time(model)[0])).max() > 1
    assert compared(model, own_noise(model))[0] > 0.01


def test_a_process_without_a_past_is_its_own_reversal():
    model = StochasticSSM(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((1, 0)), [[1, 2]])
    assert joint_covariance(reverse(model), 3).tolist() == (5 * np.eye(3)).tolist()
