"""What all simulated backward kernels share: plans of the two directions, gates, sums over shared axes.

A slip of a backward kernel is named "backward: ..." where the forward pass knows the same slip, in
faults and in sites: the forward pass, which is run again for what it saved, stays right.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .plan import Plan

_MARK = "backward: "


def directions(plan: Plan) -> tuple[Plan, Plan]:
    """The plans of the recomputed forward pass and of the backward pass."""
    own = {site: form for site, form in plan.formats.items() if not site.startswith(_MARK)}
    narrow = {site.removeprefix(_MARK): form for site, form in plan.formats.items()}
    return replace(plan, fault="", formats=own), replace(plan, fault=plan.fault.removeprefix(_MARK), formats=narrow)


def cotangent(plan: Plan, given, like: np.ndarray) -> np.ndarray:
    """The cotangent of an output; 0 for an output that does not take part."""
    return np.zeros_like(like) if given is None else plan.at("load", given)


def summed(plan: Plan, x: np.ndarray, axes: tuple[int, ...], site: str) -> np.ndarray:
    """Sum over the axes along which an argument was shared: one atomic add per term where the site is narrow."""
    axes = tuple(a % x.ndim for a in axes)
    kept = [a for a in range(x.ndim) if a not in axes]
    moved = x.transpose(*kept, *axes)
    return plan.total(moved.reshape(*moved.shape[: len(kept)], math.prod(x.shape[a] for a in axes)), site)


def over_batch(plan: Plan, x: np.ndarray, axes: tuple[int, ...], site: str) -> np.ndarray:
    """The same where the first axis is the batch."""
    if plan.fault == f"{site} of the last batch row only":
        x = x[-1:]
    return summed(plan, x, axes, site)


def over_members(plan: Plan, x: np.ndarray, groups: int, site: str) -> np.ndarray:
    """(b, T, h, n) to (b, T, g, n): sum over the heads of a group."""
    batch, length, heads, width = x.shape
    if plan.fault == f"{site} by heads h % g":
        return summed(plan, x.reshape(batch, length, heads // groups, groups, width), (2,), site)
    grouped = x.reshape(batch, length, groups, heads // groups, width)
    if plan.fault == f"{site} of the last head of a group":
        return grouped[:, :, :, -1]
    if plan.fault == f"{site} of the first head of a group":
        return grouped[:, :, :, 0]
    if plan.fault == f"{site} as a mean over the group":
        return grouped.mean(axis=3)
    return summed(plan, grouped, (3,), site)


def sigmoid(plan: Plan, x: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(x))
    reciprocal = plan.at("reciprocal", 1 / (1 + small))
    return plan.at("sigmoid", np.where(x >= 0, reciprocal, small * reciprocal))


def silu_gradient(plan: Plan, x: np.ndarray) -> np.ndarray:
    """sigmoid(x) (1 + x (1 - sigmoid(x)))"""
    s = sigmoid(plan, x)
    match plan.fault:
        case "silu' without its second term":
            return s
        case "silu' of a sigmoid":
            return s * (1 - s)
        case "silu' is silu":
            return x * s
        case "silu' with the sign of its second term wrong":
            return s * (1 - x * (1 - s))
    # sigmoid(-x), not 1 - sigmoid(x), which cancels for large x
    return plan.at("gate", s * (1 + x * sigmoid(plan, -x)))


def softplus_gradient(plan: Plan, raw: np.ndarray) -> np.ndarray:
    """sigmoid(raw), and 1 where softplus is the identity."""
    match plan.fault:
        case "softplus' missing":
            return np.ones_like(raw)
        case "softplus' zero beyond the threshold":
            return np.where(raw > 20, 0, sigmoid(plan, raw)).astype(raw.dtype)
        case "softplus' as exp / (1 + exp)":
            return np.exp(raw) / (1 + np.exp(raw))
        case "softplus' as 1 - exp(-softplus)":
            return 1 - np.exp(-np.log1p(np.exp(np.minimum(raw, 20))))
        case "softplus' as a sigmoid throughout":
            return sigmoid(plan, raw)
        case "softplus' beyond 2 is 1":
            return np.where(raw > 2, 1, sigmoid(plan, raw)).astype(raw.dtype)
    return np.where(raw > 20, raw.dtype.type(1), sigmoid(plan, raw))
