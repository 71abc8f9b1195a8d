"""With the newest fading token and nothing else the layer is its mixer, Mamba say, followed by a linear map.

The softmax over one token is 1, whatever the score: y = Wo Wv f + Wo bv + bo.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.layers import mamba2_mixer, mamba_mixer
from realization.layers.bmojo import BMojo, Rotary, bound, mixer_only, sequential, stream
from realization.layers.fading import Mamba1, Mamba2

D = 6
OPS = {"mamba1": (Mamba1.random(D, 3, rng=0), mamba_mixer), "mamba2": (Mamba2.random(D, 3, rng=1), mamba2_mixer)}


def layer(seed, name):
    """A layer with window and fading memory, positions and biases."""
    rng = np.random.default_rng(seed)
    return BMojo.random(
        D, heads=4, groups=2, width=4, window=3, mixer=OPS[name][0], rotary=Rotary.of_width(4),
        value_bias=rng.standard_normal((2, 4)), output_bias=rng.standard_normal(D), rng=rng,
    )  # fmt: skip


def linear_behind(one, name, x):
    """The op of the mixer with its weights, and one matrix."""
    mixer, op = OPS[name]
    f = op(x=x, **{field: getattr(mixer, field) for field in mixer.__slots__}).y
    v = one.value_weight.repeat(2, axis=0)
    matrix = np.einsum("dhv,hve->de", one.output_weight, v)
    return f @ matrix.T + one.output_bias + np.einsum("dhv,hv->d", one.output_weight, one.value_bias.repeat(2, axis=0))


@settings(max_examples=max(10, settings().max_examples // 4))
@given(seed=st.integers(0, 2**32), T=st.integers(0, 16), name=st.sampled_from(list(OPS)))
def test_the_layer_is_a_linear_map_of_the_mixer(seed, T, name):
    """To the bound of the layer, and that of the mixer: its sums of fewer than 50 terms of order 1 carry 1e-13."""
    one, x = mixer_only(layer(seed, name)), np.random.default_rng(seed).standard_normal((T, D))
    want, error = linear_behind(one, name, x), bound(one, x).error
    for y in (sequential(one, x).y, stream(one, None, x)[0].y):
        assert (np.abs(y - want) <= 2 * error + 1e-12).all()


@pytest.mark.parametrize("name", OPS)
def test_a_second_token_is_weighed(name):
    """The control: with two fading tokens, or the window, the scores count and no linear map of f is left."""
    one, x = layer(0, name), np.random.default_rng(1).standard_normal((12, D))
    want = linear_behind(one, name, x)
    for other in (dataclasses.replace(mixer_only(one), fading_width=2), dataclasses.replace(mixer_only(one), window=1)):
        assert np.abs(sequential(other, x).y - want)[1:].max() > 1e-2
