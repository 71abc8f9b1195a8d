"""All processes whose first covariances are given: one step, many steps, and the one that is hardest to predict.

    Lambda(n+1) = centre + L Gamma Lbar',   |Gamma| < 1,     S_n = L L',  Sbar_n = Lbar Lbar'

The next covariance lies anywhere in a ball, and the reflections of `levinson` are coordinates of all extensions.
Gamma = 0 for ever maximizes the entropy: the autoregression of order N, whose predictor is a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.dense import two_norm
from realization.stochastic.classical.levinson import checked, levinson
from realization.stochastic.classical.positivity import judge, require_positive
from realization.stochastic.classical.schur_algorithm import schur
from realization.stochastic.classical.window import (
    covariance_window,
    diagonal_units,
    entries,
    exact,
    factor,
    right_divided,
    squeezed,
)
from realization.systems.stochastic import InnovationsSSM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MatrixBall(Sealed):
    """{centre + X: X inv(right) X' < left}: where the next covariance of a process lies.

    Parameters
    ----------
    centre : ndarray
        (p, p), what the autoregression of order N continues with.
    left, right : ndarray
        S_N and Sbar_N, (p, p).  Of one output both are the radius, and all three numbers where a row of them came.
    """

    centre: np.ndarray
    left: np.ndarray
    right: np.ndarray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MaximumEntropy(Sealed):
    """The process with given covariances Lambda(0) ... Lambda(N) that is the hardest to predict.

    Parameters
    ----------
    model : InnovationsSSM
        y(t) = a_1 y(t-1) + ... + a_N y(t-N) + e(t), with N p states.
    entropy_rate : float
        log det(2 pi e R) / 2 in nats for each step, R the covariance of e.
    """

    model: InnovationsSSM
    entropy_rate: float


def next_covariance(covariances: Any) -> MatrixBall:
    """Return the ball in which Lambda(N+1) lies.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,) where p = 1.

    Returns
    -------
    MatrixBall
        Centre and radii; of Fraction where Fractions came.

    Raises
    ------
    ShapeError
        If the axes are others, Lambda(0) is not symmetric, or an entry is no finite real number.
    StructureError
        If the covariances are not positive definite; with the order.

    Examples
    --------
    >>> ball = next_covariance(["1", "1/2"])
    >>> print(ball.centre, ball.left)
    1/4 3/4
    """
    Lambda = covariance_window(covariances)
    *_, lattice = checked(Lambda)
    ball = np.stack([lattice.predicted(Lambda), lattice.S, lattice.Sbar])
    return MatrixBall(*squeezed(ball, covariances))


def extend(covariances: Any, reflections: Any) -> np.ndarray:
    """Return the window continued by the covariances with the given reflections: all positive ones arise in this way.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,) where p = 1.
    reflections : array_like
        Of the orders N+1 ... N+M, (M, p, p), or (M,) where p = 1; each of norm below 1.

    Returns
    -------
    ndarray
        Lambda(0), ..., Lambda(N+M); of Fraction where p = 1 and Fractions came.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is no finite real number.
    StructureError
        If the covariances are not positive definite, or a reflection has a norm of 1 or more; with its order.

    Examples
    --------
    >>> [str(x) for x in extend(["1", "1/2"], ["1/3", "0"])]
    ['1', '1/2', '1/2', '1/3']
    """
    Lambda = covariance_window(covariances)
    return squeezed(continued(Lambda, reflections), covariances)


def from_reflections(Lambda0: Any, reflections: Any) -> np.ndarray:
    """Return the covariances with given reflections: the inverse of `levinson` and of `schur`.

    Parameters
    ----------
    Lambda0 : array_like
        (p, p), or a number where p = 1.
    reflections : array_like
        (N, p, p), or (N,) where p = 1; each of norm below 1.

    Returns
    -------
    ndarray
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,); of Fraction where p = 1 and Fractions came.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is no finite real number.
    StructureError
        If Lambda0 is not positive definite, or a reflection has a norm of 1 or more; with its order.

    Examples
    --------
    >>> [str(x) for x in from_reflections("1", ["1/2", "1/3"])]
    ['1', '1/2', '1/2']
    """
    start = entries("Lambda0", Lambda0)
    if start.ndim not in (0, 2):
        raise ShapeError(f"Lambda0 has shape {start.shape}, but (p, p), or a number where p = 1, is needed")
    Lambda = covariance_window(start[None], name="Lambda0")
    return squeezed(continued(Lambda, reflections), start[None])


def maximum_entropy_extension(covariances: Any) -> MaximumEntropy:
    """Return the autoregression of order N with the given covariances, by Levinson's recursion.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,) where p = 1.

    Returns
    -------
    MaximumEntropy
        The model, stable, and its entropy rate.  Its covariances are those given to eps / (1 - r)^2, r the modulus of
        its largest pole: a window that is nearly singular, see `positivity`, has poles near the circle.

    Raises
    ------
    ShapeError
        If the axes are others, Lambda(0) is not symmetric, or an entry is no finite real number.
    StructureError
        If the covariances are not positive definite; with the order.

    References
    ----------
    Burg 1975.

    Examples
    --------
    >>> found = maximum_entropy_extension([4 / 3, 2 / 3])
    >>> found.model.A.round(12), found.model.R.round(12), round(found.entropy_rate, 6)
    (array([[0.5]]), array([[1.]]), 1.418939)
    """
    found = levinson(covariance_window(covariances))
    a, R = found.predictor.astype(np.float64), found.errors[-1].astype(np.float64)
    N, p, _ = a.shape
    K, C = a.reshape(N * p, p), np.eye(p, N * p)
    A = np.eye(N * p, k=p) + K @ C  # A - K C is the block shift
    rate = (p * np.log(2 * np.pi * np.e) + np.linalg.slogdet(R)[1]) / 2
    return MaximumEntropy(InnovationsSSM(A, K, C, R), float(rate))


def continued(Lambda: np.ndarray, reflections: Any) -> np.ndarray:
    """Lambda with one more covariance for each reflection, by Schur's algorithm the other way round.

    V_n(n+1) = Delta = L Gamma Lbar',    V_m(n+1) = V_{m+1}(n+1) + U_m(n) Kbar_m',    Lambda(n+1) = V_0(n+1)

    Raises
    ------
    ShapeError
        If the reflections have other axes.
    StructureError
        If the window is not positive, a reflection has a norm of 1 or more, or the errors vanish in rounding before it.
    """
    Gamma, p = _of_width(reflections, Lambda.shape[-1]), Lambda.shape[-1]
    if exact(Lambda) != exact(Gamma) or p > 1:  # a square root, or floats on either side
        Lambda, Gamma = Lambda.astype(np.float64), Gamma.astype(np.float64)
    found, units = schur(Lambda), diagonal_units(Lambda)
    U, K, Kbar = list(found.last_row), list(found.gains), list(found.backward_gains)  # U_m(n), m = 0 ... n
    # of one output S itself, which needs no root
    L, Lbar = (S if p == 1 else factor(S) for S in (found.errors[-1], found.backward_errors[-1]))
    for each in Gamma:
        n = len(U) - 1
        require_positive(judge(n, np.diag(np.diag(L)), units, 0.0))
        if not (size := abs(each[0, 0]) if p == 1 else two_norm(each)) < 1:
            raise StructureError(f"reflection {n + 1} has norm {float(size):.6g}, need < 1: no process has it")
        V, k, kbar, L, Lbar = _reflected(each, L, Lbar)
        K.append(k)
        Kbar.append(kbar)
        row = [L if p == 1 else L @ L.T]
        for m in reversed(range(n)):
            V = V + U[m] @ Kbar[m].T
            row.append(U[m] - V @ K[m].T)
        U = [V, *reversed(row)]
        Lambda = np.concatenate([Lambda, V[None]])
    return Lambda


def _reflected(Gamma: np.ndarray, L: np.ndarray, Lbar: np.ndarray) -> tuple[np.ndarray, ...]:
    """Delta, K, Kbar, and factors of the next S = L (I - Gamma Gamma') L': products, so that nothing cancels."""
    if len(L) == 1:
        S = (1 - Gamma) * (1 + Gamma) * L
        return Gamma * L, Gamma, Gamma, S, S
    K, Kbar, I = right_divided(L @ Gamma, Lbar), right_divided(Lbar @ Gamma.T, L), np.eye(len(L))
    return L @ Gamma @ Lbar.T, K, Kbar, L @ factor(I - Gamma @ Gamma.T), Lbar @ factor(I - Gamma.T @ Gamma)


def _of_width(reflections: Any, p: int) -> np.ndarray:
    """Reflections (N, p, p), a row of numbers where p = 1."""
    Gamma = entries("reflections", reflections)
    if Gamma.ndim == 1 and (p == 1 or not Gamma.size):  # a row of none is one for any p
        Gamma = Gamma.reshape(len(Gamma), p, p)
    if Gamma.shape[1:] != (p, p):
        needed = f"(N, {p}, {p})" + ", or (N,)," * (p == 1)
        raise ShapeError(f"reflections has shape {Gamma.shape}, but {needed} is needed; p={p} (from Lambda(0))")
    return Gamma
