"""Conditioning without covariances: Gaussian vectors as affine maps of unit noise and of unknown numbers.

    z = mean + N e + U d,    e ~ N(0, I),    d ~ N(0, k I) with k without bound

Observing y = mean_y + N_y e + U_y d first spends the directions in which U_y reaches y on d: with the
singular value decomposition U_y = V1 S W1',

    d = W1 inv(S) V1' (y - mean_y - N_y e) + W2 d2

and then conditions e on what is left, M e = V2' (y - mean_y) with M = V2' N_y, by a triangle: M = [F 0] Q'.
No covariance is formed, none is subtracted from another, and no large number stands for infinity.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import StructureError
from realization.linalg.decision import EPS, decide_rank, require_decided

LOG_2PI = float(np.log(2 * np.pi))


class Affine(NamedTuple):
    """z = mean + N e + U d with e ~ N(0, I) and d unknown: mean (k,), N (k, q), U (k, r)."""

    mean: np.ndarray
    N: np.ndarray
    U: np.ndarray

    def mapped(self, A: np.ndarray, offset: np.ndarray | float = 0.0) -> Affine:
        """A z + offset."""
        return Affine(A @ self.mean + offset, A @ self.N, A @ self.U)


class Conditioned(NamedTuple):
    """z given y: its law, z = mean_z + gain (y - mean_y) + ..., log p(y), and how many unknowns y has settled."""

    z: Affine
    gain: np.ndarray
    log_density: float
    settled: int


def remaining(U: np.ndarray, scale: float) -> np.ndarray:
    """Columns (n, s <= r) with the same U U' up to rounding of the scale: directions that A has forgotten are gone."""
    if not U.size:
        return U[:, :0]
    V, s, _ = np.linalg.svd(U, full_matrices=False)
    keep = s > 10 * max(U.shape) * EPS * scale  # a digit for the steps before
    return U if keep.all() else V[:, keep] * s[keep]


def triangle(N: np.ndarray) -> np.ndarray:
    """L (k, min(k, q)) with L L' = N N', lower triangular with diagonal >= 0."""
    if not N.size:
        return np.zeros((N.shape[0], min(N.shape)))
    L = upper(N.T).T
    return L * np.where(np.diagonal(L) < 0, -1.0, 1.0)


def affine(mean: np.ndarray, covariance: np.ndarray, diffuse: np.ndarray) -> Affine:
    """The vector with this mean, covariance and diffuse covariance."""
    from realization.linalg.psd import covariance_factor

    return Affine(mean, covariance_factor(covariance), covariance_factor(diffuse))


def condition(
    z: Affine, y: Affine, value: np.ndarray, *, scale: float | None = None, what: str = "the output"
) -> Conditioned:
    """Condition z on y = value; z and y share e and d.

    Parameters
    ----------
    z, y : Affine
        Of any lengths, with the same e and d.
    value : ndarray
        What y is.
    scale : float, optional
        Size of what U_y was computed from: smaller entries than its rounding are zero.  Default: |U_z| + |U_y|.
    what : str
        Name of y, for messages.

    Returns
    -------
    Conditioned
        log p(y) counts log 2 pi for every entry of y and log det of what multiplies d, once.

    Raises
    ------
    StructureError
        If the rank of U_y is undecided, or y has a direction without noise: it would contradict its model.
    """
    error = value - y.mean
    gain, settled, log_density = np.zeros((len(z.mean), len(value))), 0, 0.0
    zN, zU, V2 = z.N, z.U, None
    if y.U.size:
        gain, V2, W2, logs = _spend(z, y, scale, what)
        settled, log_density = len(value) - V2.shape[1], -logs - LOG_2PI / 2 * (len(value) - V2.shape[1])
        zN, zU = z.N - gain @ y.N, z.U @ W2
    M, rest = (y.N, error) if V2 is None else (V2.T @ y.N, V2.T @ error)
    F, H, N = _regular(zN, M, what)
    white = np.linalg.solve(F, rest)
    log_density -= float(np.log(np.abs(np.diagonal(F))).sum() + white @ white / 2 + LOG_2PI / 2 * len(rest))
    onto = np.linalg.solve(F.T, H.T).T
    # the gain of a contrast V2'y acts on y - mean_y as H inv(F) V2'
    gain = gain + (onto if V2 is None else onto @ V2.T)
    return Conditioned(Affine(z.mean + gain @ error, N, zU), gain, log_density, settled)


def _spend(z: Affine, y: Affine, scale: float | None, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Gain of the directions that settle unknowns, basis of the others, directions of d that stay, log det S."""
    size = scale or float(np.linalg.norm(z.U, 2) if z.U.size else 0.0) + float(np.linalg.norm(y.U, 2))
    V, s, Wt, k = reached(y.U, size, what)
    return z.U @ Wt[:k].T / s[:k] @ V[:, :k].T, V[:, k:], Wt[k:].T, float(np.log(s[:k]).sum())


def upper(X: np.ndarray) -> np.ndarray:
    """R upper triangular with R'R = X'X."""
    R: Any = np.linalg.qr(X, mode="r")
    return np.asarray(R)


def reached(U: np.ndarray, scale: float, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Singular value decomposition of U = V s Wt, and its rank k: so many unknown directions does y reach."""
    V, s, Wt = np.linalg.svd(U)
    noise = max(U.shape) * EPS * scale
    rank = decide_rank(s, scale=scale, noise=noise, what=f"unknown directions that {what} reaches")
    require_decided([rank], "choose other units, or give the initial state a large covariance instead of a diffuse one")
    return V, s, Wt, rank.choice


def _regular(zN: np.ndarray, M: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F lower triangular, H and N with [M; zN] Q = [F 0; H N]."""
    p, q = M.shape
    if q < p:
        raise StructureError(f"{what} has {p} entries but only {q} directions of noise: need as many or more")
    Q, R = np.linalg.qr(M.T, mode="complete")
    F, HN = R[:p].T, zN @ Q
    size = np.linalg.norm(M, axis=1)
    # a row of F that is rounding of its row of M: that entry follows from those before it
    worst = (np.abs(np.diagonal(F)) / np.where(size > 0, size, 1.0)).min(initial=1.0)
    if worst <= q * EPS:
        raise StructureError(
            f"{what} has an entry whose standard deviation, given the others, is {worst:.1e} of its own, "
            f"need > {q * EPS:.1e}: the covariance of the innovations is singular; leave out an output"
        )
    return F, HN[:, :p], HN[:, p:]
