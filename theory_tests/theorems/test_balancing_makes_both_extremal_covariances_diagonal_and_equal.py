"""In one basis the least covariances of the forward and of the backward state are both diag(canonical correlations).

    T P_- T' = inv(T)' Pbar_- inv(T) = diag(sigma)

P_- is E x_- x_-' of the prediction of the state from the past, Pbar_- that of the prediction of inv(P) x from the
future (Desai and Pal 1984).
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings

from realization.canonical import balanced
from realization.core.errors import StructureError
from realization.linalg import discrete_riccati
from realization.stochastic import (
    CovarianceModel,
    canonical_correlations,
    covariance_model,
    stochastic_truncation,
    stochastically_balanced,
)
from realization.systems import LinearSSM
from realization.systems.stochastic_families import random_process
from realization.testing import covariance_data

quarter = settings(max_examples=max(10, settings().max_examples // 4))


def extremes(data):
    """P_- and Pbar_- from Riccati's equation, which the library's balancing does not ask for in these coordinates."""
    O = np.zeros_like(data.A)
    return [discrete_riccati(d.A.T, d.C.T, O, -d.Lambda0, -d.G).X for d in (data, data.dual)]


@quarter
@given(covariance_data(min_states=1))
def test_both_are_diagonal(drawn):
    """To the error of the correlations, relative to the smallest of them: the basis divides by it."""
    known = canonical_correlations(drawn.system)
    assume(known.values[-1] > 1e3 * known.error)
    found = stochastically_balanced(drawn.system)
    tolerance = known.error / known.values[-1]
    for P in extremes(found.system):
        assert np.abs(P - np.diag(known.values)).max() <= tolerance


@quarter
@given(covariance_data(min_states=1))
def test_the_basis_takes_the_covariances_along(drawn):
    """T P_- T' and inv(T)' Pbar_- inv(T), of those in the basis in which the data came."""
    known = canonical_correlations(drawn.system)
    assume(known.values[-1] > 1e3 * known.error)
    T = stochastically_balanced(drawn.system).T
    P, Pbar = extremes(drawn.system)
    tolerance = known.error / known.values[-1]
    assert np.abs(T @ P @ T.T - np.diag(known.values)).max() <= tolerance
    assert np.abs(np.linalg.solve(T.T, np.linalg.solve(T.T, Pbar).T) - np.diag(known.values)).max() <= tolerance


@pytest.mark.parametrize("n", [20, 50])
def test_of_many_states(n):
    """The part of the basis that rounding leaves: L P_- L' = R' Pbar_- R = diag, L R = I."""
    data = covariance_model(random_process(n, 3, n, radius=0.98, rng=n))
    known = canonical_correlations(data)
    r = int((known.values > 1e3 * known.error).sum())
    found = stochastic_truncation(data, r)
    P, Pbar = extremes(data)
    for S in (found.L @ P @ found.L.T, found.R.T @ Pbar @ found.R):
        assert np.abs(S - np.diag(known.values[:r])).max() <= known.error / known.values[r - 1]
    assert r > 15


def test_deterministic_balancing_does_not():
    """The control: the basis in which the Gramians of (A, G, C) are equal has others."""
    data = covariance_model(random_process(3, 1, 2, rng=0))
    other = balanced(LinearSSM(data.A, data.G, data.C, data.Lambda0)).system
    P, Pbar = extremes(CovarianceModel(other.A, other.C, other.B, data.Lambda0))
    assert np.abs(P - Pbar).max() > 0.05 * np.abs(P).max()


def test_a_state_that_the_outputs_do_not_show_is_refused():
    """Its canonical correlation is 0, and no basis makes it positive."""
    data = CovarianceModel(np.diag([0.5, 0.3]), [[1, 0]], [[0.5], [1]], [[2]])
    assert canonical_correlations(data).nonzero.choice == 1
    with pytest.raises(StructureError, match="balanced: the smallest Hankel singular value"):
        stochastically_balanced(data)
