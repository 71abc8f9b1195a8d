"""Affine maps and norms: sums that start from the bias, blocks of tokens, and the bound of each."""

import numpy as np
import pytest

from realization.certify.dd import DD
from realization.certify.err import Err
from realization.certify.rounded import Rounded
from realization.certify.tape import Tape, gradients
from realization.core.claim import Claim
from realization.core.functions import contract
from realization.core.rounding import round_to
from realization.layers import maps

FLOAT64 = Claim(io="float64", accumulate="float64")


def drawn(*shape, form="float32", seed=0):
    return round_to(np.random.default_rng(seed).standard_normal(shape), form)


def from_the_bias(x, weight, bias):
    """A float32 kernel whose accumulator starts with the bias."""
    total = np.broadcast_to(np.float32(bias), np.broadcast_shapes(x.shape, weight.shape)[:-1]).copy()
    for i in range(x.shape[-1]):
        total = total + np.float32(x[..., i]) * np.float32(weight[..., i])
    assert total.dtype == np.float32
    return total


def test_a_sum_may_start_from_a_large_bias():
    """Every addition rounds the bias again; a bound that adds it last, with one rounding, is exceeded."""
    x, weight, bias = drawn(500, 12), drawn(500, 12, seed=1), 1000 * drawn(500, seed=2)
    exact = maps.affine(DD.exact(x), DD.exact(weight), DD.exact(bias)).hi
    error = np.abs(from_the_bias(x, weight, bias) - exact)
    lift = [Err(a, claim=Claim()) for a in (x, weight, bias)]
    assert (error <= maps.affine(*lift).error).all()
    assert (error > (contract(*lift[:2]) + lift[2]).error).any()


@pytest.mark.parametrize("block", [1, 7, 10**6])
@pytest.mark.parametrize("T", [0, 1, 9])
def test_blocks_of_tokens_change_nothing(block, T, monkeypatch):
    """x W' + b, in NumPy's product and in ours, for every number type."""
    x, weight, bias = drawn(2, T, 5), drawn(3, 5, seed=1), drawn(3, seed=2)
    whole = maps.linear(x, weight, bias)
    monkeypatch.setattr(maps, "BLOCK", block * 2 * 3 * 5)
    assert np.array_equal(maps.linear(x, weight, bias), whole)
    bound = maps.linear(*(Err(a, claim=FLOAT64) for a in (x, weight, bias)))
    assert whole.shape == bound.error.shape == (2, T, 3)
    assert (np.abs(x @ weight.T + bias - whole) <= 2 * bound.error).all()
    assert not T or (np.abs(x @ weight.T + bias * (1 + 1e-9) - whole) > 2 * bound.error).any()
    tapes = [Tape(a) for a in (x, weight, bias)]
    bars = gradients([(maps.linear(*tapes), np.ones((2, T, 3)))], tapes)
    want = (np.ones((2, T, 3)) @ weight, np.ones((2 * T, 3)).T @ x.reshape(-1, 5), np.full(3, 2.0 * T))
    # sums of at most 18 products of order 1, in two orders
    assert all(np.abs(bar - g).max(initial=0) <= 18 * 2.0**-50 for bar, g in zip(bars, want, strict=True))


@pytest.mark.parametrize("form", ["float32", "bfloat16"])
def test_the_norm_keeps_its_bound(form, record_property):
    """Rounded step by step in the format; eps and weight a thousandth off do not, in float32."""
    x, weight, eps = drawn(50, 16, form=form), drawn(16, form=form, seed=1), 2.0**-4
    low = maps.rms_norm(Rounded(x, form), Rounded(weight, form), eps).value
    bound = maps.rms_norm(*(Err(a, claim=Claim(io=form, accumulate=form)) for a in (x, weight)), eps)
    record_property("worst", float((np.abs(low - bound.value) / bound.error).max()))
    assert (np.abs(low - bound.value) <= bound.error).all()
    exact = x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight
    assert np.abs(bound.value - exact).max() <= 16 * 2.0**-53 * np.abs(exact).max()
    if form == "float32":
        for wrong in (maps.rms_norm(x, weight, 1.001 * eps), maps.rms_norm(x, 1.001 * weight, eps)):
            assert (np.abs(wrong - bound.value) > bound.error).any()


def test_a_norm_forgets_the_scale_but_for_eps():
    """norm(c x) = norm(x) for eps = 0, and eps is what tells them apart; powers of two leave every bit."""
    x, weight = drawn(4, 8), np.ones(8)
    assert np.array_equal(maps.rms_norm(1024 * x, weight, 0.0), maps.rms_norm(x, weight, 0.0))
    assert not np.array_equal(maps.rms_norm(1024 * x, weight, 0.5), maps.rms_norm(x, weight, 0.5))
