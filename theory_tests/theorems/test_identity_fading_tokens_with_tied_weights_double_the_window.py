"""B'MOJO-F whose fading tokens are the raw tokens, with tied weights, is attention over a window of 2 W."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.claim import Claim
from realization.layers.attention import sliding_window_attention
from realization.layers.bmojo import BMOJO_F, BMojo, Rotary, bmojo_f, bound, sequential, stream, window_only
from realization.layers.fading import Identity, ShortConvolution

FLOAT64 = Claim(io="float64", accumulate="float64")


def draw(seed, T, past=0):
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 6, (T + past, 3))
    return {
        "query": rng.standard_normal((2, T, 4, 8)), "key": rng.standard_normal((2, T + past, 2, 8)),
        "value": rng.standard_normal((2, T + past, 2, 5)), "cos": np.cos(angle), "sin": np.sin(angle),
        "query_norm": rng.uniform(0.5, 2, 8), "key_norm": rng.uniform(0.5, 2, 8),
    }  # fmt: skip


def off(case, window, **fading):
    """Largest difference in units of both bounds: the layer's, and that of a window whose sum has as many terms."""
    fading = {"fading_key": case["key"], "fading_value": case["value"]} | fading
    layer = bmojo_f(**case, **fading, window=window)
    plain = sliding_window_attention(**case, window=2 * window)
    bound = BMOJO_F.bound(case | fading | {"window": window}, FLOAT64)
    return max(
        (np.abs(a - b) / (2 * bound[name].error)).max(initial=0.0)
        for a, b, name in zip(layer, plain, ("y", "lse"), strict=True)
    )


@given(window=st.sampled_from([1, 2, 3, 5, 64]), T=st.integers(1, 140), past=st.integers(0, 9), seed=st.integers(0, 99))
def test_the_window_is_twice_as_long(window, T, past, seed):
    """Norms, positions and groups included; both are the same sum of the same terms, so both bounds hold."""
    assert off(draw(seed, T, past), window) <= 1


@pytest.mark.parametrize("window", [1, 3])
def test_other_fading_tokens_do_not(window):
    """The controls: scaled fading values, keys of another token, and untied weights leave the bound by far."""
    case, rng = draw(0, 20), np.random.default_rng(1)
    assert off(case, window, fading_value=1.001 * case["value"]) > 1e6
    assert off(case, window, fading_key=np.roll(case["key"], 1, axis=1)) > 1e6
    assert off(case, window, fading_query=rng.standard_normal(case["query"].shape)) > 1e6


def layer(seed, window, mixer, tied=True):
    return BMojo.random(
        6, heads=2, width=4, window=window, mixer=mixer, tied=tied, rotary=Rotary.of_width(4),
        query_norm=np.ones(4), key_norm=np.ones(4), rng=seed,
    )  # fmt: skip


@settings(max_examples=max(10, settings().max_examples // 4))
@given(window=st.integers(1, 5), T=st.integers(0, 20), seed=st.integers(0, 99))
def test_so_it_is_for_the_whole_layer(window, T, seed):
    """A mixer without memory beside the window, by the definition and as a stream; a delay or own weights do not."""
    x = np.random.default_rng(seed).standard_normal((T, 6))
    one, plain = layer(seed, window, Identity(6)), window_only(layer(seed, 2 * window, None))
    want, error = sequential(plain, x).y, bound(plain, x).error + bound(one, x).error
    for y in (sequential(one, x).y, stream(one, None, x)[0].y):
        assert (np.abs(y - want) <= error).all()
    if 2 * window < T:
        delayed = layer(seed, window, ShortConvolution(np.tile([1.0, 0.0], (6, 1))))
        for other in (delayed, layer(seed, window, Identity(6), tied=False)):
            assert (np.abs(sequential(other, x).y - want) > error).any()
