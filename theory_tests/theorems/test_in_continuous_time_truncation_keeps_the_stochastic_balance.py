"""In continuous time the first states of stochastically balanced data are stochastically balanced data.

    P_- = Pbar_- = diag(sigma_1, ..., sigma_r),    |inv(W) (W - W_r)| <= q - 1

with q the product of (1 + sigma_k) / (1 - sigma_k) over k > r (Desai and Pal 1984; Green 1988 for the bound).  What
the kept variables carry of the future is then what the smaller model carries of its own.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.stochastic import (
    canonical_correlations,
    continuous_covariance_model,
    information,
    stochastic_truncation,
)
from realization.stochastic.continuous_covariance import cayley_covariances
from realization.systems.stochastic import ContinuousStochasticSSM
from realization.testing import seeds

# every order of each draw is looked at: these are about a hundred reductions
eighth = settings(max_examples=max(10, settings().max_examples // 8))


def process(seed, n, p=2):
    """Noise of its own in every output, so that R = I."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    A -= (np.linalg.eigvals(A).real.max() + 0.2) * np.eye(n)
    B = np.hstack([rng.standard_normal((n, 2)), rng.standard_normal((n, p))])
    return continuous_covariance_model(
        ContinuousStochasticSSM(A, B, rng.standard_normal((p, n)), np.eye(p, 2 + p, k=2))
    )


@eighth
@given(seeds, st.integers(1, 5))
def test_at_every_order(seed, n):
    """To the error of the values, which the basis divides by the smallest of them; 1e-9 of the bound is rounding."""
    data = process(seed, n)
    known = canonical_correlations(data)
    for r in range(int((known.values > 1e3 * known.error).sum())):
        small, kept = stochastic_truncation(data, r), known.values[:r]
        tolerance = 10 * known.error / kept.min(initial=1)
        own = canonical_correlations(small.system).values
        assert small.positive_real
        assert np.abs(own - kept).max(initial=0) <= tolerance
        slack = 4 * tolerance * np.sum(1 / (1 - kept))
        assert information(own) == pytest.approx(information(kept), abs=1e-13 + slack)
        assert small.residual <= small.bound * (1 + 1e-9) + 1e-9
        assert np.array_equal(small.system.R, data.R)


def test_in_discrete_time_it_does_not():
    """The control: the same processes after a Cayley map, which have the same correlations."""
    moved = []
    for seed in range(10):
        data = cayley_covariances(process(seed, 3))[0]
        kept = canonical_correlations(data).values[:2]
        moved.append(np.abs(canonical_correlations(stochastic_truncation(data, 2).system).values - kept).max())
    assert np.median(moved) > 1e-3
