"""With a window of at least T tokens the layer is causal softmax attention: no token fades, and none is selected.

Zancato et al. 2024, arXiv 2407.06324, count the Transformer among the special cases of B'MOJO; the layer is that of
Vaswani et al. 2017, arXiv 1706.03762, equation 1.
"""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.layers.bmojo import BMojo, bound, full_attention, sequential, stream
from realization.layers.fading import Diagonal
from realization.layers.predictors import state_predictor
from realization.memory.selection import Fitted, InnovationTest, Selection

D, MIXER = 6, Diagonal.random(6, 3, rng=0)


def layer(seed, window):
    """All three memories, with a window of this length."""
    test = InnovationTest(state_predictor(MIXER, Fitted()), "squared", Selection(12, window=window, chunk=2))
    return BMojo.random(
        D, heads=4, groups=2, width=3, window=window, mixer=MIXER, test=test, norm_weight=np.ones(D), rng=seed
    )


def transformer(one, x):
    """softmax(causal Q K' / sqrt(k)) V Wo', written out with matrices."""
    u = x / np.sqrt((x * x).mean(-1, keepdims=True) + one.norm_eps) * one.norm_weight
    q, k, v = (np.einsum("td,hkd->htk", u, W) for W in (one.query_weight, one.key_weight, one.value_weight))
    k, v = k.repeat(2, axis=0), v.repeat(2, axis=0)
    z = np.where(np.tri(len(x), dtype=bool), q @ np.swapaxes(k, 1, 2) / np.sqrt(3), -np.inf)
    p = np.exp(z - z.max(-1, keepdims=True))
    return np.einsum("htv,dhv->td", p / p.sum(-1, keepdims=True) @ v, one.output_weight)


@settings(max_examples=max(10, settings().max_examples // 4))
@given(seed=st.integers(0, 2**32), T=st.integers(1, 16), more=st.integers(0, 3))
def test_the_layer_is_a_transformer_layer(seed, T, more):
    """Memory and fading tokens are there and empty; without them the values are the same, bit for bit."""
    one, x = layer(seed, T + more), np.random.default_rng(seed).standard_normal((T, D))
    read, error = sequential(one, x), bound(one, x).error
    assert (read.places == -1).all()
    assert (np.abs(read.y - transformer(one, x)) <= 2 * error + 2.0**-50 * np.abs(read.y)).all()
    assert np.array_equal(sequential(full_attention(one), x).y, read.y)
    assert (np.abs(stream(full_attention(one), None, x)[0].y - read.y) <= 2 * error).all()


def test_one_token_less_reads_other_memories():
    """The control: with a window of T - 1 the last query, and no other, sees a fading and a selected token."""
    one, x = layer(0, 11), np.random.default_rng(1).standard_normal((12, D))
    off = np.abs(sequential(one, x).y - transformer(one, x)).max(-1)
    assert (off[:-1] <= 2 * bound(one, x).error.max()).all()
    assert off[-1] > 1e-3
    for part in ("mixer", "test"):
        assert np.abs(sequential(dataclasses.replace(one, **{part: None}), x).y - sequential(one, x).y)[-1].max() > 1e-3
