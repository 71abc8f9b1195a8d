"""Counts with half a symbol each predict with the mixture of all memoryless laws under Jeffreys' prior.

    (n(x) + 1/2) / (n + V/2) = E[p(x) | symbols so far],    p of Dirichlet(1/2, ..., 1/2)

(Krichevsky and Trofimov 1981), so under that prior predictions are calibrated: among the times when p is predicted the
symbol comes with frequency p, and what a symbol's log-loss exceeds the entropy of the prediction by has mean 0.
"""

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.memory.selection import symbol_counts

RUNS, T, V = 500, 80, 3


def streams(prior, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(V, prior), RUNS)
    return (rng.random((RUNS, T, 1)) > np.cumsum(p, axis=-1)[:, None, :-1]).sum(axis=-1)


def probability(symbols, V):
    """p(symbols) of the mixture: a quotient of gamma functions."""
    n = np.bincount(symbols, minlength=V)
    log = (
        sum(math.lgamma(k + 0.5) - math.lgamma(0.5) for k in n) + math.lgamma(V / 2) - math.lgamma(len(symbols) + V / 2)
    )
    return math.exp(log)


@given(st.integers(1, 4), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_the_product_of_predictions_is_the_mixture(V, T, seed):
    symbols = np.random.default_rng(seed).integers(0, V, T)
    total = symbol_counts(V)(symbols).prediction[np.arange(T), symbols].sum()
    np.testing.assert_allclose(np.exp(total), probability(symbols, V), rtol=1e-12)  # 60 logarithms of size 10 at most


def test_all_sequences_together_have_probability_one():
    sequences = np.array(list(itertools.product(range(V), repeat=6)))
    logp = symbol_counts(V)(sequences).prediction
    p = np.exp(np.take_along_axis(logp, sequences[..., None], axis=-1).sum(axis=(1, 2)))
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-13)


def excess(symbols):
    """Of every step: the log-loss less the entropy of what was predicted, and its variance given the past."""
    logp = symbol_counts(V)(symbols).prediction
    loss, p = -np.take_along_axis(logp, symbols[..., None], axis=-1)[..., 0], np.exp(logp)
    entropy = -(p * logp).sum(axis=-1)
    return loss - entropy, (p * logp**2).sum(axis=-1) - entropy**2


def test_the_log_loss_is_that_of_the_prediction_on_average():
    """A martingale: its sum over its predicted variance is standard normal, 4 of it the band."""
    x, variance = excess(streams(0.5, 1))
    assert abs(x.sum()) < 4 * np.sqrt(variance.sum())
    assert abs(x[:, :3].sum()) < 4 * np.sqrt(variance[:, :3].sum()), "the first steps too"
    x, variance = excess(streams(20.0, 1))
    assert x.sum() > 4 * np.sqrt(variance.sum()), "the control: another prior"


def test_what_is_predicted_with_p_comes_with_frequency_p():
    symbols = streams(0.5, 2)
    p = np.exp(symbol_counts(V)(symbols).prediction)
    came = symbols[..., None] == np.arange(V)
    for low in np.arange(0, 1, 0.1):
        inside = (p >= low) & (p < low + 0.1)
        band = 4 * np.sqrt((p * (1 - p))[inside].sum())
        assert abs((came - p)[inside].sum()) < band
    wrong = 0.5 * p + 0.5 / V
    inside = wrong > 0.6
    assert abs((came - wrong)[inside].sum()) > 4 * np.sqrt((wrong * (1 - wrong))[inside].sum()), (
        "the control: too modest"
    )
