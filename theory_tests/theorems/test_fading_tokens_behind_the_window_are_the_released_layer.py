"""Fading tokens at the distance of the window, as many as it has, and no memory: the released B'MOJO-F layer.

The op `bmojo_f_layer` is that of the public repository awslabs/hybrid-model-factory; Zancato et al. 2024,
arXiv 2407.06324, is the variant with selected tokens too.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.layers import BMOJO_F_LAYER
from realization.layers.bmojo import BMojo, Rotary, bound, sequential, stream, without_memory
from realization.layers.fading import Mamba2
from realization.layers.predictors import state_predictor
from realization.memory.selection import Fitted, InnovationTest, Selection

D, MIXER = 6, Mamba2.random(6, 2, rng=0)
NORMS = ("query_norm", "key_norm")


def layer(seed, window, tied):
    rng = np.random.default_rng(seed)
    biases = {"query_bias": (4, 4), "key_bias": (2, 4), "value_bias": (2, 4), "output_bias": (D,)}
    given = {name: rng.standard_normal(shape) for name, shape in biases.items()}
    given |= {name: rng.uniform(0.5, 2, 4) for name in NORMS}
    given |= {} if tied else {f"fading_{name}": rng.uniform(0.5, 2, 4) for name in NORMS}
    test = InnovationTest(state_predictor(MIXER, Fitted()), "squared", Selection(3, window=window, chunk=2))
    return BMojo.random(
        D, heads=4, groups=2, width=4, window=window, mixer=MIXER, test=test, tied=tied, rotary=Rotary.of_width(4),
        rng=rng, **given,
    )  # fmt: skip


def released(one, x):
    """The op, given the fading tokens of the mixer."""
    named = [name for name in BMOJO_F_LAYER.axes.arguments if hasattr(one, name)]
    weights = {name: getattr(one, name) for name in named if getattr(one, name) is not None}
    angle = np.arange(len(x))[:, None] * one.rotary.frequencies
    return BMOJO_F_LAYER.definition(
        x=x, fading=MIXER(x).tokens, window=one.window, cos=np.cos(angle), sin=np.sin(angle), **weights
    ).y


@settings(max_examples=max(10, settings().max_examples // 4))
@given(seed=st.integers(0, 2**32), T=st.integers(0, 20), window=st.integers(1, 6), tied=st.booleans())
def test_the_layer_without_memory_is_the_released_one(seed, T, window, tied):
    """Within two bounds, and a rounding of the cosines in the tables."""
    one, x = without_memory(layer(seed, window, tied)), np.random.default_rng(seed).standard_normal((T, D))
    want, error = released(one, x), bound(one, x).error
    for y in (sequential(one, x).y, stream(one, None, x)[0].y):
        assert (np.abs(y - want) <= 2 * error + 1e-12).all()


@pytest.mark.parametrize("tied", [True, False])
def test_another_distance_is_another_layer(tied):
    """The controls: one token nearer or wider, or a memory, changes the outputs behind the window."""
    one, x = layer(0, 3, tied), np.random.default_rng(1).standard_normal((16, D))
    want, plain = released(one, x), without_memory(one)
    for other in (one, dataclasses.replace(plain, fading_lag=2), dataclasses.replace(plain, fading_width=4)):
        off = np.abs(sequential(other, x).y - want).max(-1)
        assert off[:2].max() < 1e-12
        assert off[8:].max() > 1e-3
