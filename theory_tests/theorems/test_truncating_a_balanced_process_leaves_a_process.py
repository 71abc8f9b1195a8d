"""The first states of stochastically balanced data are data of a process again: positive real, and stable.

With P = diag(S1, S2), a covariance of the given data,

    M(S1) of the truncated data = part of M(P) + [A12; C2] S2 [A12; C2]' >= 0

(Desai and Pal 1984; Harshavardhana, Jonckheere and Silverman 1984).  The truncated data are not balanced any more, in
discrete time; and the proof needs no balance, only a basis in which some P is block diagonal.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.canonical import balanced_truncation
from realization.stochastic import (
    CovarianceModel,
    canonical_correlations,
    covariance_model,
    phase,
    spectral_density,
    state_covariance,
    stochastic_truncation,
)
from realization.systems import LinearSSM, StochasticSSM
from realization.systems.stochastic_families import random_process
from realization.testing import covariance_data

# every order of each draw is looked at: these are about a hundred reductions
eighth = settings(max_examples=max(10, settings().max_examples // 8))
OMEGA = np.linspace(0, np.pi, 101)


def lowest(data):
    """Least eigenvalue of the spectral density over the circle, relative to the largest."""
    values = np.linalg.eigvalsh(spectral_density(data, OMEGA))
    return values.min() / np.abs(values).max()


def deterministic(data, order):
    """Balanced truncation of C inv(zI - A) G, with the variance of the output left as it is."""
    small = balanced_truncation(LinearSSM(data.A, data.G, data.C, data.Lambda0), order).system
    return CovarianceModel(small.A, small.C, small.B, data.Lambda0)


@eighth
@given(covariance_data(min_states=1))
def test_at_every_order(drawn):
    """P = S1 proves it, the spectral density agrees, and P_- of what is left exists, which A - K C stable shows."""
    data = drawn.system
    known = canonical_correlations(data)
    for r in range(int((known.values > 1e3 * known.error).sum())):
        small = stochastic_truncation(data, r)
        assert small.positive_real
        assert lowest(small.system) >= -small.noise
        assert np.abs(np.linalg.eigvals(small.system.A)).max(initial=0) < 1
        assert phase(small.system).rate < 1


@eighth
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_in_any_basis_in_which_a_covariance_is_block_diagonal(seed, n):
    """That of the model, whose covariance is I after a change of basis, will do; tolerance as for M of products."""
    model = random_process(n, 2, n, rng=seed)
    data, L = covariance_model(model), np.linalg.cholesky(state_covariance(model))
    A, C, G = np.linalg.solve(L, data.A @ L), data.C @ L, np.linalg.solve(L, data.G)
    for r in range(n):
        assert lowest(CovarianceModel(A[:r, :r], C[:, :r], G[:r], data.Lambda0)) > -1e-12


def test_deterministic_truncation_leaves_none():
    """The control, recorded: an output with the spectral density of no process, -0.118 of the variance at one end."""
    data = covariance_model(StochasticSSM(np.diag([0.4, 0.6]), [[0.5], [1]], [[-1.5, 1]], [[0.2]]))
    Phi = spectral_density(deterministic(data, 1), [0, np.pi]).real.ravel() / data.Lambda0.item()
    assert round(Phi.min(), 3) == -0.118
    assert stochastic_truncation(data, 1).positive_real
    assert lowest(stochastic_truncation(data, 1).system) > 0


def test_deterministic_truncation_often_leaves_none():
    """The control over draws: that of small noise in the output loses a process now and then, the other never."""
    lost = [0, 0]
    for seed in range(20):
        data = covariance_model(random_process(3, 2, 2, condition=3, weight=0.1, rng=seed))
        lost[0] += any(lowest(deterministic(data, r)) < -1e-6 for r in (1, 2))
        lost[1] += any(lowest(stochastic_truncation(data, r).system) < -1e-12 for r in (1, 2))
    assert lost[0] > 5
    assert lost[1] == 0


def test_what_is_left_is_not_balanced():
    """In discrete time: P_- of the truncated data is not diag(S1), though close to it."""
    data = covariance_model(StochasticSSM(np.diag([0.4, 0.6]), [[0.5], [1]], [[-1.5, 1]], [[0.2]]))
    kept, own = (
        canonical_correlations(data).values[0],
        canonical_correlations(stochastic_truncation(data, 1).system).values[0],
    )
    assert own < kept - 0.01
