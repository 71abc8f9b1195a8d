"""Layers that see one fading token and layers that see all raw tokens, by turns, are a hybrid stack such as Jamba.

Lieber et al. 2024, arXiv 2403.19887: blocks h + mixer(norm(h)), where the mixer is Mamba or attention.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.layers import mamba_mixer, sliding_window_attention
from realization.layers.bmojo import BMojo, full_attention, mixer_only, sequential
from realization.layers.fading import Mamba1

D = 6


def blocks(seed, count=4):
    """One object for both kinds; what is set differs."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        one = BMojo.random(
            D, heads=2, width=3, window=4, mixer=Mamba1.random(D, 2, rng=rng), norm_weight=rng.uniform(0.5, 2, D),
            rng=rng,
        )  # fmt: skip
        yield full_attention(one) if i % 2 else mixer_only(one), one.mixer


def stack(layers, x):
    for one, _ in layers:
        x = x + sequential(one, x).y
    return x


def hybrid(layers, x):
    """Mamba and attention by their ops, by turns."""
    for i, (one, mixer) in enumerate(layers):
        u = x / np.sqrt((x * x).mean(-1, keepdims=True) + one.norm_eps) * one.norm_weight
        q, k, v = (np.einsum("...d,hkd->...hk", u, W) for W in (one.query_weight, one.key_weight, one.value_weight))
        if i % 2:
            mixed = sliding_window_attention(query=q, key=k, value=v).y
        else:
            f = mamba_mixer(x=u, **{name: getattr(mixer, name) for name in mixer.__slots__}).y
            mixed = np.einsum("...d,hvd->...hv", f, one.value_weight)
        x = x + np.einsum("...hv,dhv->...d", mixed, one.output_weight)
    return x


@settings(max_examples=max(10, settings().max_examples // 4))
@given(seed=st.integers(0, 2**32), T=st.integers(1, 12))
def test_the_stack_is_a_hybrid(seed, T):
    """Four blocks of sums of fewer than 100 terms of order 1: 1e-10 is 1e4 times what they lose, and blocks amplify."""
    layers, x = list(blocks(seed)), np.random.default_rng(seed).standard_normal((T, D))
    want = hybrid(layers, x)
    assert np.abs(stack(layers, x) - want).max() <= 1e-10 * np.abs(want).max()


def test_the_order_of_the_kinds_matters():
    """The control: attention first and Mamba second, with the same weights, is another function."""
    layers, x = list(blocks(0)), np.random.default_rng(1).standard_normal((12, D))
    turned = [layers[1], layers[0], layers[3], layers[2]]
    assert np.abs(stack(turned, x) - stack(layers, x)).max() > 1e-2
