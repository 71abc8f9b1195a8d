"""Without fading and selected tokens the layer is attention over a sliding window, between its projections."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.layers import sliding_window_attention
from realization.layers.bmojo import BMojo, Rotary, bound, sequential, window_only
from realization.layers.fading import Mamba1
from realization.layers.predictors import state_predictor
from realization.memory.selection import Fitted, InnovationTest, Selection

D, MIXER = 6, Mamba1.random(6, 2, rng=0)


def layer(seed, window, capacity=3):
    """All three memories, with norms and positions."""
    rng = np.random.default_rng(seed)
    choice = Selection(capacity, window=window, chunk=2)
    return BMojo.random(
        D, heads=4, groups=2, width=4, window=window, mixer=MIXER, rotary=Rotary.of_width(4), rng=rng,
        test=InnovationTest(state_predictor(MIXER, Fitted()), "squared", choice),
        query_norm=rng.uniform(0.5, 2, 4), key_norm=rng.uniform(0.5, 2, 4),
    )  # fmt: skip


def windowed(one, x):
    """Projections as sums, the op, and the projection of the output."""
    weights = {name: getattr(one, f"{name}_weight") for name in ("query", "key", "value")}
    heads = {name: np.einsum("td,hkd->thk", x, W) for name, W in weights.items()}
    angle = np.arange(len(x))[:, None] * one.rotary.frequencies
    y = sliding_window_attention(
        **heads, window=one.window, cos=np.cos(angle), sin=np.sin(angle), query_norm=one.query_norm,
        key_norm=one.key_norm, norm_eps=one.norm_eps,
    ).y  # fmt: skip
    return np.einsum("thv,dhv->td", y, one.output_weight)


@settings(max_examples=max(10, settings().max_examples // 4))
@given(seed=st.integers(0, 2**32), T=st.integers(0, 20), window=st.integers(1, 6))
def test_the_layer_is_a_window(seed, T, window):
    """Within two bounds; a memory without places and fading tokens without width are no memories either."""
    one, x = layer(seed, window), np.random.default_rng(seed).standard_normal((T, D))
    y, error = sequential(window_only(one), x).y, bound(window_only(one), x).error
    # the tables of the two differ by a rounding of the cosine
    assert (np.abs(y - windowed(one, x)) <= 2 * error + 1e-13).all()
    empty = dataclasses.replace(layer(seed, window, capacity=0), fading_width=0)
    assert np.array_equal(sequential(empty, x).y, y)


def test_with_either_memory_it_is_more():
    """The control: fading or selected tokens alone change what is read, from the first query on that sees one."""
    one, x = layer(0, 3), np.random.default_rng(1).standard_normal((16, D))
    plain = windowed(one, x)
    for part in ("mixer", "test"):
        off = np.abs(sequential(dataclasses.replace(one, **{part: None}), x).y - plain).max(-1)
        assert off[:3].max() < 1e-12
        assert off[6:].min() > 1e-3
