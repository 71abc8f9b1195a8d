"""All processes whose first covariances are given: one step, many steps, and the one that is hardest to predict.

    Lambda(n+1) = centre + L Gamma Lbar',   |Gamma| < 1,     S_n = L L',  Sbar_n = Lbar Lbar'

The next covariance lies anywhere in a ball, and the reflections of `levinson` are coordinates of all extensions.
Gamma = 0 for ever maximizes the entropy: the autoregression of order N, whose predictor is a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.frozen import Sealed
from realization.stochastic.levinson import checked, extended, levinson
from realization.stochastic.window import covariance_window, squeezed
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
    *_, lattice = checked(Lambda)
    return squeezed(extended(Lambda, lattice, reflections), covariances)


def maximum_entropy_extension(covariances: Any) -> MaximumEntropy:
    """Return the autoregression of order N with the given covariances, by Levinson's recursion.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,) where p = 1.

    Returns
    -------
    MaximumEntropy
        The model, stable, and its entropy rate.

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
