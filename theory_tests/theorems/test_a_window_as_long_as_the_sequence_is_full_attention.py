"""A window of at least as many tokens as there are shows all that is past: full causal attention, bit for bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.layers.attention import sliding_window_attention
from realization.layers.bmojo import bmojo_f


def draw(seed, T, past):
    rng = np.random.default_rng(seed)
    key, value = rng.standard_normal((2, 1, T + past, 2, 4))
    return {"query": rng.standard_normal((1, T, 4, 4)), "key": key, "value": value}


def full(case):
    """Softmax of the causal matrix of scores, written out."""
    T, S = case["query"].shape[1], case["key"].shape[1]
    key, value = (np.repeat(case[name], 2, axis=2) for name in ("key", "value"))
    z = np.einsum("bthk,bshk->bhts", case["query"], key) / 2
    z = np.where(np.arange(S) <= np.arange(S - T, S)[:, None], z, -np.inf)
    p = np.exp(z - z.max(-1, keepdims=True))
    return np.einsum("bhts,bshv->bthv", p / p.sum(-1, keepdims=True), value)


@given(T=st.integers(1, 20), past=st.integers(0, 5), more=st.integers(0, 9), seed=st.integers(0, 999))
def test_a_longer_window_shows_nothing_more(T, past, more, seed):
    """The same bits for every window from the number of keys on, and for none; both layers."""
    case = draw(seed, T, past)
    S = T + past
    want = sliding_window_attention(**case)
    got = sliding_window_attention(**case, window=S + more)
    assert np.array_equal(got.y, want.y)
    assert np.array_equal(got.lse, want.lse)
    layer = bmojo_f(**case, fading_key=case["key"] * np.nan, fading_value=case["value"] * np.nan, window=S + more)
    assert np.array_equal(layer.y, want.y)
    # weights and values below 4 and at most S of them: each sum errs by less than 4 (S + 8) u
    assert np.abs(want.y - full(case)).max() <= 16 * (S + 8) * 2.0**-53


def test_one_token_less_is_another_function():
    """The control: a window of S - 1 misses the first token in the last row, and there only."""
    case = draw(0, 12, 0)
    short, want = sliding_window_attention(**case, window=11).y, sliding_window_attention(**case).y
    assert np.abs(short[:, :-1] - want[:, :-1]).max() <= 16 * 20 * 2.0**-53
    assert (np.abs(short[:, -1] - want[:, -1]) > 1e-4).all()
