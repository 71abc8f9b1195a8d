"""Paths of `sample_posterior` have the joint law of all states given all outputs: of each time and between times.

    x = E[x | y] + (x+ - E[x+ | y+])      has the mean E[x | y] and every covariance Cov(x(s), x(t) | y)

(Durbin and Koopman 2002).  Each entry of a mean or covariance of N draws is compared in units of its own standard
error; 5 of them for all entries at once, with fixed seeds.
"""

import numpy as np
import pytest

from realization.core.errors import ShapeError
from realization.stochastic import posterior, sample_posterior
from realization.systems.stochastic import InitialState, StochasticSSM, TimeVaryingStochasticSSM

DRAWS = 20_000


def problem(seed, varying, diffuse):
    """Correlated noise, a gap, offsets, two states, five steps."""
    rng = np.random.default_rng(seed)
    k = (5,) if varying else ()
    A, B, C, D = (rng.standard_normal((*k, *shape)) * 0.7 for shape in ((2, 2), (2, 3), (1, 2), (1, 3)))
    model = (TimeVaryingStochasticSSM if varying else StochasticSSM)(A, B, C, D)
    y = rng.standard_normal((5, 1))
    y[2] = np.nan
    X, W = rng.standard_normal((2, 2)), rng.standard_normal((2, diffuse))
    start = InitialState(rng.standard_normal(2), X @ X.T, W @ W.T)
    return model, y, {"initial": start, "state_offset": [1.0, -1.0], "output_offset": rng.standard_normal((5, 1))}


def errors(x, law):
    """Largest errors of means and of covariances, in standard errors: cov s_ij has (C_ii C_jj + C_ij^2) / N."""
    x, mean = x.reshape(len(x), -1), law.means.ravel()
    C = law.covariance.reshape(len(mean), -1)
    S = (x - mean).T @ (x - mean) / len(x)
    v = np.diag(C)
    return (
        (np.abs(x.mean(axis=0) - mean) / np.sqrt(v / len(x))).max(),
        (np.abs(S - C) / np.sqrt((np.outer(v, v) + C**2) / len(x))).max(),
    )


@pytest.mark.parametrize("diffuse", [0, 1, 2])
@pytest.mark.parametrize("varying", [False, True])
def test_means_and_all_covariances(varying, diffuse):
    model, y, arguments = problem(1, varying, diffuse)
    x = sample_posterior(model, y, rng=3, draws=DRAWS, **arguments)
    assert max(errors(x, posterior(model, y, **arguments))) < 5


def test_right_at_each_time_is_not_right():
    """The control: draws of every time by itself, from the right marginals, miss the covariances between times."""
    model, y, arguments = problem(1, False, 0)
    law, rng = posterior(model, y, **arguments), np.random.default_rng(0)
    x = np.stack([
        rng.multivariate_normal(mean, law.covariance[t, :, t], size=DRAWS) for t, mean in enumerate(law.means)
    ], axis=1)  # fmt: skip
    mean, covariance = errors(x, law)
    assert mean < 5 < 20 < covariance


def test_the_outputs_pass_through_every_path():
    """Without noise in the output C x + d = y on all paths, to rounding."""
    model = StochasticSSM([[0.9, 0.2], [0, 0.8]], [[1, 0], [0, 1]], [[1, 0]], [[0, 0]])
    y = np.array([[1.0], [np.nan], [-2.0]])
    x = sample_posterior(model, y, rng=0, draws=100)
    assert np.abs(x[:, [0, 2], 0] - [1, -2]).max() < 1e-12
    assert x[:, 1, 0].std() > 0.1


def test_sequences_and_draws_are_axes():
    model = StochasticSSM.from_noise([[0.5]], [[1]], [[1]], [[1]])
    Y = np.zeros((2, 3, 4, 1))
    Y[1, 2, 1] = np.nan
    assert sample_posterior(model, Y, rng=0, draws=5).shape == (5, 2, 3, 5, 1)
    assert sample_posterior(model, Y, rng=0, draws=0).shape == (0, 2, 3, 5, 1)
    one, other = (sample_posterior(model, Y, rng=seed, draws=2) for seed in (0, 0))
    assert np.array_equal(one, other)
    with pytest.raises(ShapeError, match="draws is -1"):
        sample_posterior(model, Y, rng=0, draws=-1)
