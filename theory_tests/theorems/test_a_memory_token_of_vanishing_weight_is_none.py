"""A memory token whose score goes to -infinity changes nothing in the limit, and at the limit no bit.

    y with it = (1 - p) y without + p v,      p = exp(z) / (exp(lse) + exp(z))
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.layers.readout import Source, merge, readout
from realization.layers.readout.kernel import kernel

K, S = 4, 6


def draw(seed, score):
    """Window of S tokens, and a token with this score for each query, beside one whose score is hidden."""
    rng = np.random.default_rng(seed)
    q, k, v = rng.standard_normal((3, S, 1, K))
    window = Source(k, v, np.tril(np.ones((S, S), int)) * (np.arange(S) + 1) - 1, q)
    # one key for each query, along it
    key = score * q / (q * q).sum(-1, keepdims=True)
    slot = Source(key, rng.standard_normal((S, 1, K)), np.arange(S)[:, None], q)
    return window, slot


@given(seed=st.integers(0, 2**32), score=st.floats(-60, 10))
def test_it_counts_with_its_weight(seed, score):
    """The formula at every score; from about -40 on its weight is below a rounding."""
    window, slot = draw(seed, score)
    alone, both = readout(sources=[window], scale=1.0), readout(sources=[window, slot], scale=1.0)
    p = 1 / (1 + np.exp(alone.lse - score))[..., None]
    want = (1 - p) * alone.y + p * slot.value
    # scores of K terms below 50 err by 50 (K + 2) u, and so do the logarithms of the weights
    largest = max(np.abs(window.value).max(), np.abs(slot.value).max())
    assert np.abs(both.y - want).max() <= 8 * (60 * (K + 2) + S) * 2.0**-53 * largest
    if score < -50:
        assert np.abs(both.y - alone.y).max() <= (2 * S * np.exp(-40) + 8 * S * 2.0**-53) * largest


@given(seed=st.integers(0, 2**32))
def test_at_the_limit_no_bit_changes(seed):
    """Hidden by -inf it is not read at all, not even a NaN; by definition, compiled, and merged."""
    window, slot = draw(seed, 0.0)
    hidden = Source(slot.key * np.nan, slot.value * np.nan, slot.places, slot.query, np.full((1, S, S), -np.inf))
    for read in (readout, kernel, lambda sources, scale: merge([readout(sources=[s], scale=scale) for s in sources])):
        alone, both = read(sources=[window], scale=1.0), read(sources=[window, hidden], scale=1.0)
        assert np.array_equal(alone.y, both.y)
        assert np.array_equal(alone.lse, both.lse)


def test_a_score_of_zero_counts():
    """The control: among six tokens a seventh of an ordinary score changes every output."""
    window, slot = draw(0, 0.0)
    alone, both = readout(sources=[window], scale=1.0), readout(sources=[window, slot], scale=1.0)
    assert np.abs(alone.y - both.y).max(-1).min() > 1e-2
