"""Matrix exponentials by which a system in continuous time is sampled."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import ShapeError, StructureError
from realization.systems.base import quiet


@quiet
def held(A: np.ndarray, B: np.ndarray, h: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return exp(h A) and int_0^h exp(s A) B ds."""
    n, m = B.shape[-2:]
    B, scale = _scaled(A, B)
    F = exponential(_top([A, B], m), h)
    return F[..., :n, :n], scale * F[..., :n, n:]


@quiet
def ramped(A: np.ndarray, B: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return exp(h A), int_0^h exp(s A) B ds and int_0^h (1 - s/h) exp(s A) B ds."""
    n, m = B.shape[-2:]
    B, scale = _scaled(A, B)
    X = _top([A, B, np.zeros_like(B)], 2 * m)
    X[..., n : n + m, n + m :] = np.eye(m) / h
    F = exponential(X, h)
    return F[..., :n, :n], scale * F[..., :n, n : n + m], scale * F[..., :n, n + m :]


def _scaled(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, float]:
    """B over a power of two that makes it no larger than A: else the exponential would be scaled down for its sake."""
    a, b = np.abs(A).max(initial=0.0), np.abs(B).max(initial=0.0)
    scale = 2.0 ** min(np.ceil(np.log2(b) - np.log2(a)), 1000.0) if 0 < a < b else 1.0
    return B / scale, scale


def _top(row: list[np.ndarray], below: int) -> np.ndarray:
    """Blocks beside each other above rows of zeros."""
    top = np.concatenate(row, axis=-1)
    return np.concatenate([top, np.zeros((*top.shape[:-2], below, top.shape[-1]), top.dtype)], axis=-2)


@quiet
def exponential(A: np.ndarray, h: Any = 1.0) -> np.ndarray:
    """exp(h A), A (*b, n, n), empty arrays included; h a number or an array of them with two axes more.

    Raises
    ------
    StructureError
        If h A or its exponential leaves the range of float64.
    """
    X = in_range("h A", h * A)
    return in_range("the matrix exponential", scipy.linalg.expm(X)) if X.size else X


def in_range(name: str, X: np.ndarray, needed: str = "a shorter step is needed") -> np.ndarray:
    """Return X, refused where it is not finite, which finite numbers make only by overflow."""
    if not np.isfinite(X).all():
        raise StructureError(f"{name} leaves the range of float64; {needed}")
    return X


def positive_step(h: Any) -> float:
    """Return the step, refused unless it is one positive finite number."""
    if np.ndim(h) or np.asarray(h).dtype.kind not in "iuf" or not 0 < h < np.inf:
        raise ShapeError(f"the step h is {h!r}, but a positive finite number is needed")
    return float(h)
