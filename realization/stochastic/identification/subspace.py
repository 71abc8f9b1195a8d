"""One function, three weightings: how the state is read off the past (Van Overschee and De Moor 1996, chapter 4).

    Yf = Theta Zp + Theta_u Uf + noise,      O = Theta Zp      what the past contributes to the future
    W1 O W2 = U S V',     x(t) = S_n^(-1/2) U_n' W1 Theta Zp(t)

              W1                              W2
    n4sid     I                               I
    moesp     I                               projection orthogonal to Uf
    cva       (Yf W2 Yf')^(-1/2)              projection orthogonal to Uf

and the same regression for all, with w, e uncorrelated with x and u and [Q S; S' R] = cov [w; e]:

    x(t+1) = A x(t) + B u(t) + w(t),      y(t) = C x(t) + D u(t) + e(t)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.linalg.dense import spectral_radius
from realization.stochastic.identification.data import Compressed

# The estimate of a unit root errs by some 1/N, above 1 by more than 3/N once in 1000 (Dickey and Fuller 1979);
# the rest is room for several of them
SLACK = 5.0
# Beyond it a pair of poles that is nearly double is not known to be inside the circle
LARGEST = 1 - float(np.sqrt(EPS))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Projected(Sealed):
    """W1 O W2 = U S V.

    Parameters
    ----------
    Theta : ndarray
        (f p, i (m+p)).
    W1 : ndarray
        (r, f p), r = f p but for data without noise.
    U, singular_values, V : ndarray
        (r, r'), (r',) and (r', k') with W1 O W2 = U diag(singular_values) V.
    """

    Theta: np.ndarray
    W1: np.ndarray
    U: np.ndarray
    singular_values: np.ndarray
    V: np.ndarray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Regression(Sealed):
    """A, B, C, D and what they leave over.

    Parameters
    ----------
    A, B, C, D : ndarray
        (n, n), (n, m), (p, n), (p, m).
    left : ndarray
        [w; e] as rows of L, (n+p, k).
    radius : float
        Spectral radius of A as the regression gave it.
    """

    A: np.ndarray
    B: np.ndarray
    C: np.ndarray
    D: np.ndarray
    left: np.ndarray
    radius: float

    @property
    def noise(self) -> np.ndarray:
        """[Q S; S' R], (n+p, n+p), positive semidefinite because it is a Gram matrix."""
        return self.left @ self.left.T


def solved(Y: np.ndarray, X: np.ndarray) -> np.ndarray:
    """argmin over T of |Y - T X|, least norm where X lacks rank, as it does in data without noise."""
    return np.linalg.lstsq(X.T, Y.T, rcond=10 * max(X.shape, default=1) * EPS)[0].T


def n4sid_weights(d: Compressed, O: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """W1 = I, W2 = I."""
    return np.eye(len(O)), O


def moesp_weights(d: Compressed, O: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """W1 = I; the projection W2 leaves out the columns of Q1."""
    return np.eye(len(O)), O[:, len(d.Uf) :]


def cva_weights(d: Compressed, O: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """W1 = inv(s) U' with Yf W2 = U s V': the future then has the covariance I."""
    U, s, _ = np.linalg.svd(d.Yf[:, len(d.Uf) :], full_matrices=False)
    r = int((s > 10 * d.Yf.shape[1] * EPS * s[0]).sum())
    return U[:, :r].T / s[:r, None], O[:, len(d.Uf) :]


Weights = Callable[[Compressed, np.ndarray], tuple[np.ndarray, np.ndarray]]


def project(d: Compressed, weights: Weights) -> Projected:
    """Return the singular value decomposition of W1 O W2.

    Parameters
    ----------
    d : Compressed
        The data.
    weights : callable
        One of the three above: (data, O) -> W1, O W2.

    Returns
    -------
    Projected
        For CVA the singular values are the canonical correlations of past and future, given Uf.
    """
    k1 = len(d.Uf)
    Theta = solved(d.Yf[:, k1:], d.Zp[:, k1:])
    W1, OW2 = weights(d, Theta @ d.Zp)
    return Projected(Theta, W1, *np.linalg.svd(W1 @ OW2, full_matrices=False))


def state_map(found: Projected, n: int) -> np.ndarray:
    """J with x(t) = J Zp(t), (n, i (m+p)).

    Raises
    ------
    StructureError
        If the order is beyond the rank.
    """
    s = found.singular_values
    floor = 10 * found.Theta.shape[1] * EPS * s.max(initial=0.0)
    if n > len(s) or (n and s[n - 1] <= floor):
        raise StructureError(
            f"order {n}: the weighted projection has {int((s > floor).sum())} singular values above {floor:.1e} "
            f"(the largest is {s.max(initial=0.0):.1e}); take a smaller order or longer windows"
        )
    return (found.U[:, :n].T @ found.W1 @ found.Theta) / np.sqrt(s[:n])[:, None]


def regress(d: Compressed, J: np.ndarray, p: int, m: int) -> Regression:
    """Regress x(t+1) and y(t) on x(t) and u(t)."""
    n = len(J)
    X, X1, Y, U = J @ d.Zp, J @ d.Zp_next, d.Yf[:p], d.Uf[:m]
    known, asked = np.concatenate([X, U]), np.concatenate([X1, Y])
    T = solved(asked, known)
    left = asked - T @ known
    A, B, C, D = T[:n, :n], T[:n, n:], T[n:, :n], T[n:, n:]
    return Regression(A, B, C, D, left, spectral_radius(A))


def stabilized(d: Compressed, J: np.ndarray, found: Regression) -> Regression:
    """Return the regression, or, where A is not stable, that with so much data added that its radius r becomes 1/r.

    To the N pairs (x(t), x(t+1)) come (r^2 - 1) N pairs (x, 0), x of the covariance that u leaves unexplained,
    with u = 0: least squares then has A / r^2.  The slowest mode ends as far inside the circle as it was outside.

    Raises
    ------
    StructureError
        If the radius is above exp(5/N): too large for a stationary process.

    References
    ----------
    Chui and Maciejowski 1996; Van Gestel, Suykens, Van Dooren and De Moor 2001.
    """
    if found.radius <= LARGEST:
        return found
    N, (p, m) = d.samples, found.D.shape
    if N * np.log(found.radius) > SLACK:
        raise StructureError(
            f"spectral radius {found.radius:.6g}, need < 1, or at most exp({SLACK:g}/N) = {np.exp(SLACK / N):.6g} to "
            f"be damped: over N = {N} moments this grows by 10^{N * np.log10(found.radius):.1f}, so no stationary "
            "process is behind it; take differences, or a lower order"
        )
    X, X1, Y, U = J @ d.Zp, J @ d.Zp_next, d.Yf[:p], d.Uf[:m]
    A = found.A * (min(1 / found.radius, LARGEST) / found.radius)
    B = solved(X1 - A @ X, U)
    left = np.concatenate([X1 - A @ X - B @ U, Y - found.C @ X - found.D @ U])
    return replace(found, A=A, B=B, left=left)
