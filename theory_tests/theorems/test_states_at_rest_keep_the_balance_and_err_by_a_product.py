"""Holding the last canonical states at rest leaves balanced data, whose relative error is bounded by a product.

    sigma_k stays for k <= r,    |inv(W) (W - W_r)| <= q - 1,    |inv(W) (Phi - Phi_r) inv(W)*| <= q^2 - 1

    q = product of (1 + sigma_k) / (1 - sigma_k) over k > r

with the states of Z = Lambda0 / 2 + C inv(zI - A) G, or of the innovations model W, at rest.  This is truncation of
the process in continuous time that a Cayley map makes, with z = 1 at infinity; the map keeps every covariance in
Faurre's set (Green 1988 for the bound).
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings

from realization.canonical.truncation import at_rest
from realization.linalg import discrete_riccati
from realization.stochastic import (
    CovarianceModel,
    canonical_correlations,
    covariance_model,
    spectral_density,
    stochastic_singular_perturbation,
    stochastic_truncation,
    stochastically_balanced,
)
from realization.systems import LinearSSM, StochasticSSM, evaluate
from realization.testing import covariance_data

# every order of each draw is looked at: these are about a hundred reductions
eighth = settings(max_examples=max(10, settings().max_examples // 8))
OMEGA = np.linspace(0, np.pi, 101)


def factor(data):
    """W = F + C inv(zI - A) K F of the innovations."""
    half = discrete_riccati(data.A.T, data.C.T, np.zeros_like(data.A), -data.Lambda0, -data.G)
    F = np.linalg.cholesky(-half.weight)
    return LinearSSM(data.A, half.gain.T @ F, data.C, F)


def largest(W, other):
    W, other = (evaluate(each, np.exp(1j * OMEGA)) for each in (W, other))
    return np.linalg.norm(np.linalg.solve(W, W - other), 2, axis=(1, 2)).max()


def clear(data):
    """Correlations that are known to three digits."""
    known = canonical_correlations(data)
    return known, int((known.values > 1e3 * known.error).sum())


@eighth
@given(covariance_data(min_states=1))
def test_the_correlations_stay(drawn):
    known, orders = clear(drawn.system)
    for r in range(orders):
        small = stochastic_singular_perturbation(drawn.system, r)
        assert small.positive_real
        tolerance = 10 * known.error / known.values[:orders].min()
        assert np.abs(canonical_correlations(small.system).values - known.values[:r]).max(initial=0) <= tolerance
        ends = [spectral_density(data, [0]) for data in (drawn.system, small.system)]
        # the density at 0, where the states rest, as well as inv(I - A) is known
        assert np.abs(ends[1] - ends[0]).max() <= 1e-9 * np.abs(ends[0]).max()


@eighth
@given(covariance_data(min_states=1))
def test_the_error_is_below_the_bound(drawn):
    """Of the spectral factor and of the density; 1e-9 is rounding, where all that was left out is."""
    known, orders = clear(drawn.system)
    assume(orders == len(known.values))
    W, even = factor(drawn.system), stochastically_balanced(drawn.system)
    W = LinearSSM(even.system.A, even.T @ W.B, even.system.C, W.D)
    for r in range(orders):
        small, dropped = stochastic_singular_perturbation(drawn.system, r), known.values[r:]
        q = np.prod((1 + dropped) / (1 - dropped))
        assert small.bound == pytest.approx(q**2 - 1)
        assert small.residual <= small.bound * (1 + 1e-9)
        assert largest(W, at_rest(W, r)) <= (q - 1) * (1 + 1e-9)


def test_the_bound_is_reached():
    """One state beside white noise, put at rest: at z = -1 the error is what the bound says."""
    data = CovarianceModel([[0]], [[1]], [[0.5]], [[1.25]])
    small = stochastic_singular_perturbation(data, 0)
    assert canonical_correlations(data).values[0] == pytest.approx(0.5)
    assert small.residual == pytest.approx(small.bound, rel=1e-9)
    assert small.bound == pytest.approx(8)


def test_truncation_does_not_keep_the_balance():
    """The control: states that are left out in discrete time; and states at rest in another basis err by more."""
    data = covariance_model(StochasticSSM(np.diag([0.9, -0.4]), [[0.5], [1]], [[-1.5, 1]], [[0.4]]))
    known = canonical_correlations(data).values
    assert abs(canonical_correlations(stochastic_truncation(data, 1).system).values[0] - known[0]) > 0.003
    W, q = factor(data), (1 + known[1]) / (1 - known[1])
    assert largest(W, at_rest(W, 1)) > q - 1
