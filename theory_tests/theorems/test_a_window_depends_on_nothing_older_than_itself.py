"""Window attention depends on no token older than its window, B'MOJO-F for given fading tokens on none older than 2 W.

Bit for bit: what is outside of the places of a query is never read.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.layers.attention import SLIDING_WINDOW_ATTENTION
from realization.layers.bmojo import BMOJO_F, bmojo_f_two_pass

SHAPES = {"query": (4, 3), "key": (2, 3), "value": (2, 2), "fading_key": (2, 3), "fading_value": (2, 2)}
# each layer by all its routes, and how many windows it reaches back
LAYERS = {
    "attention": ((SLIDING_WINDOW_ATTENTION.definition, SLIDING_WINDOW_ATTENTION.kernel), 1),
    "bmojo_f": ((BMOJO_F.definition, BMOJO_F.kernel, bmojo_f_two_pass), 2),
}


def draw(rng, T, name):
    names = [k for k in SHAPES if name == "bmojo_f" or not k.startswith("fading")]
    return {k: rng.standard_normal((1, T, *SHAPES[k])) for k in names}


@given(name=st.sampled_from(sorted(LAYERS)), T=st.integers(1, 16), window=st.integers(1, 6), seed=st.integers(0, 999),
       poison=st.booleans())  # fmt: skip
def test_older_tokens_do_not_count(name, T, window, seed, poison):
    """Replace all keys and values that are too old by others, or by NaN: the last outputs keep their bits."""
    rng = np.random.default_rng(seed)
    case, other = draw(rng, T, name), draw(rng, T, name)
    routes, reach = LAYERS[name]
    old = max(T - reach * window, 0)
    stale = {
        k: x if k == "query" else np.concatenate([np.nan * x[:, :old] if poison else other[k][:, :old], x[:, old:]], 1)
        for k, x in case.items()
    }
    for route in routes:
        one, two = route(**case, window=window), route(**stale, window=window)
        assert np.array_equal(one.y[:, -1], two.y[:, -1])
        assert np.array_equal(one.lse[:, -1], two.lse[:, -1])


@pytest.mark.parametrize("name", LAYERS)
def test_the_oldest_token_of_the_window_does(name):
    """The control: one token later, and every output changes."""
    (route, *_), reach = LAYERS[name]
    case = draw(np.random.default_rng(0), 12, name)
    oldest = 12 - 3 * reach
    streams = [k for k in case if k.startswith("fading")] or ["key", "value"]
    moved = {k: x.copy() for k, x in case.items()}
    for k in streams:
        moved[k][:, oldest] += 1.0
    assert (route(**case, window=3).y[:, -1] != route(**moved, window=3).y[:, -1]).all()


def test_through_the_state_the_past_still_reaches_it():
    """The other control: fading tokens that are made from all of the past carry it beyond 2 W."""
    case = draw(np.random.default_rng(1), 12, "bmojo_f")

    def layer(x):
        fading = np.cumsum(x["value"], axis=1)
        return BMOJO_F.definition(**x | {"fading_value": fading}, window=2).y[:, -1]

    moved = case | {"value": case["value"] + np.eye(12)[0][:, None, None]}
    assert (layer(case) != layer(moved)).all()
