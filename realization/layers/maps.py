"""Maps and epilogues that several layers share; each is read by arrays, number types and compiled kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization.core.functions import (
    concatenate,
    contract,
    maximum,
    minimum,
    reciprocal,
    silu,
    softplus,
    sqrt,
    stack,
)


def step_size(raw: Any, bias: Any, softly: Any, low: Any, high: Any) -> Any:
    """Delta = clip(softplus(raw + bias), low, high); what is None is left out."""
    if bias is not None:
        raw = raw + bias
    if softly is not None:
        raw = softplus(raw)
    if low is not None:
        raw = maximum(raw, low)
    if high is not None:
        raw = minimum(raw, high)
    return raw


def gated(y: Any, x: Any, skip: Any, gate: Any) -> Any:
    """(y + skip x) silu(gate); what is None is left out."""
    if skip is not None:
        y = y + skip * x
    if gate is not None:
        y = y * silu(gate)
    return y


def activated(x: Any, active: Any) -> Any:
    """silu(x), or x where `active` is None."""
    return x if active is None else silu(x)


def scaled(x: Any, step: Any) -> Any:
    """Delta x: the input that a step of this length admits."""
    return step * x


def rms_norm(x: Any, weight: Any, eps: Any) -> Any:
    """x / sqrt(mean(x^2) + eps) weight, along the last axis; eps counts as exact."""
    mean = (x * x).sum(-1) / x.shape[-1]
    return x * reciprocal(sqrt(mean + eps))[..., None] * weight


def l2_norm(x: Any, eps: Any) -> Any:
    """x / sqrt(|x|^2 + eps), along the last axis; eps counts as exact."""
    return x * reciprocal(sqrt((x * x).sum(-1) + eps))[..., None]


def rotary(x: Any, cosine: Any, sine: Any, interleaved: bool) -> Any:
    """Turn pairs (x1, x2) of columns of x (*b, T, h, k) to (x1 c - x2 s, x2 c + x1 s); c, s (T, r) or (*b, T, r).

    Pairs are columns (i, i + r), or (2 i, 2 i + 1) if interleaved, i < r; columns beyond 2 r stay.
    """
    r = cosine.shape[-1]
    c, s = cosine[..., None, :], sine[..., None, :]
    first, second = (slice(0, 2 * r, 2), slice(1, 2 * r, 2)) if interleaved else (slice(0, r), slice(r, 2 * r))
    x1, x2 = x[..., first], x[..., second]
    y1, y2 = x1 * c - x2 * s, x2 * c + x1 * s
    if interleaved:
        turned = stack([y1, y2], axis=-1).reshape(*x.shape[:-1], 2 * r)
    else:
        turned = concatenate([y1, y2], axis=-1)
    return concatenate([turned, x[..., 2 * r :]], axis=-1)


def affine(x: Any, weight: Any, bias: Any) -> Any:
    """Sum of weight x along the last axis, plus bias; x (..., n) and weight (..., n) may share other axes.

    The bias is a term of the sum, as the weight of a constant 1: a kernel may start from it and
    round it once more with every addition.
    """
    if bias is not None:
        one = np.ones((*x.shape[:-1], 1), getattr(x, "dtype", np.float64))
        x = concatenate([x, one], axis=-1)
        weight = concatenate([weight, bias[..., None]], axis=-1)
    return contract(x, weight)


BLOCK = 1_000_000  # products that lie in memory at once


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x W' + b for x (*b, T, n) and W (m, n), a block of tokens at a time."""
    *batch, T, n = x.shape
    count = max(1, BLOCK // max(1, math.prod(batch) * weight.shape[0] * n))
    blocks = [slice(t, t + count) for t in range(0, max(T, 1), count)]
    return concatenate([affine(x[..., steps, None, :], weight, bias) for steps in blocks], axis=-2)
