"""Factors of state covariances: P = L L', L lower triangular, found without forming P.

The error of L is u |L|, so that what divides by P loses half of the digits that it would lose with P formed first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.linalg.decision import EPS, at_least
from realization.linalg.dense import balance, powers_of_two
from realization.linalg.gramians import continuous_controllability_factor, controllability_factor
from realization.systems.base import of_kind
from realization.systems.stochastic import (
    BackwardSSM,
    ContinuousBackwardSSM,
    ContinuousStochasticSSM,
    InnovationsSSM,
    StochasticSSM,
    stable,
)


def state_factor(model: Any) -> np.ndarray:
    """Solve L L' = A L L' A' + B B', or A L L' + L L' A' + B B' = 0 in continuous time.

    Parameters
    ----------
    model : StochasticSSM, BackwardSSM, InnovationsSSM, ContinuousStochasticSSM or ContinuousBackwardSSM
        Stable; (A, B) need not be reachable.

    Returns
    -------
    ndarray
        L (n, r), r <= n, lower triangular where r = n.

    Raises
    ------
    ShapeError
        If it is of another kind.
    StructureError
        If the spectral radius is 1 or more, or the spectral abscissa 0 or more.

    Notes
    -----
    States in other units give the same L in other units, to the last bits: the equation is solved where
    every state has about unit variance.

    Examples
    --------
    A standard deviation of sqrt(4/3):

    >>> abs(state_factor(StochasticSSM(A=[[0.5]], B=[[1]], C=[[1]], D=[[1]]))).round(6)
    array([[1.154701]])
    """
    discrete, continuous = (
        (StochasticSSM, BackwardSSM, InnovationsSSM),
        (ContinuousStochasticSSM, ContinuousBackwardSSM),
    )
    of_kind("covariance", model, *discrete, *continuous)
    model = model.as_stochastic() if isinstance(model, InnovationsSSM) else model
    if isinstance(model, discrete):
        stable(model.A)
    solve = controllability_factor if isinstance(model, discrete) else continuous_controllability_factor

    def in_units(u: np.ndarray) -> np.ndarray:
        return u[:, None] * solve(model.A / u[:, None] * u, model.B / u[:, None])

    # twice: in units that even out A, then in those in which the variances are about 1
    L = in_units(balance(model.A)[1] if len(model.A) else np.ones(0))
    L = in_units(powers_of_two(np.linalg.norm(L, axis=1)))
    return triangular(L)


def regular_factor(model: Any, *, rtol: float | None = None) -> np.ndarray:
    """Return `state_factor`, refusing a singular P.

    Parameters
    ----------
    model : StochasticSSM, BackwardSSM, ...
        As there.
    rtol : float, optional
        Smallest eigenvalue that P may have, in units in which its diagonal is 1.  Default: n eps / gap, below
        which the error of n eps / (gap eigenvalue) may leave no digit; see `gap`.

    Returns
    -------
    ndarray
        L (n, n), lower triangular.

    Raises
    ------
    ShapeError
        If it is of another kind, or rtol is negative.
    StructureError
        If it is not stable, or P has a smaller eigenvalue; with the eigenvalue.

    Examples
    --------
    A state without noise:

    >>> regular_factor(StochasticSSM(A=[[0.5, 0], [0, 0.2]], B=[[1], [0]], C=[[1, 1]], D=[[1]]))
    Traceback (most recent call last):
    ...
    realization.core.errors.StructureError: the state covariance has smallest eigenvalue 0 (in units in which its
    diagonal is 1), need > 8.9e-16: states that noise hardly reaches, or for rounding to hide; remove them, reverse in
    x with `reverse_varying`, or choose rtol
    """
    L = state_factor(model)
    n, r = L.shape
    size = np.linalg.norm(L, axis=1, keepdims=True)
    s = np.linalg.svd(L / np.where(size > 0, size, 1.0), compute_uv=False)
    least = float(s[-1] ** 2) if r == n and n else float(n == 0)
    need = n * EPS / gap(model) if rtol is None else at_least(0.0, "rtol", rtol)
    if not least > need:
        raise StructureError(
            f"the state covariance has smallest eigenvalue {least:.3g} (in units in which its diagonal is 1), "
            f"need > {need:.2g}: states that noise hardly reaches, or for rounding to hide; remove them, reverse in "
            "x with `reverse_varying`, or choose rtol"
        )
    return L


def covariance_condition(model: Any) -> float:
    """Return the condition of the state covariance in units in which its diagonal is 1.

    Parameters
    ----------
    model : StochasticSSM, BackwardSSM, ContinuousStochasticSSM, ...
        Stable.

    Returns
    -------
    float
        From a factor of P, so that it is known up to 1e30; 1 for n = 0.

    Raises
    ------
    ShapeError
        If it is of another kind.
    StructureError
        If it is not stable.

    Examples
    --------
    States of variance 4/3 and 1e20 that are nearly uncorrelated:

    >>> model = StochasticSSM(A=[[0.5, 0], [0, 0]], B=[[1, 0], [0, 1e10]], C=[[1, 1]], D=[[0, 0]])
    >>> round(covariance_condition(model), 12)
    1.0
    """
    L = state_factor(model)
    size = np.linalg.norm(L, axis=1, keepdims=True)
    return float(np.linalg.cond(L / np.where(size > 0, size, 1.0)) ** 2) if L.size else 1.0


def gap(model: Any) -> float:
    """How far the slowest mode is from not being stationary; P is right to n eps over it.

    Parameters
    ----------
    model : StochasticSSM, ContinuousStochasticSSM, ...
        Stable.

    Returns
    -------
    float
        1 - max |eigenvalue|; in continuous time min -Re(eigenvalue) over max |eigenvalue|; 1 for n = 0.

    Examples
    --------
    >>> gap(ContinuousStochasticSSM(A=[[-1, 0], [0, -100]], B=[[1], [1]], C=[[1, 1]], D=[[1]]))
    0.01
    """
    values = np.linalg.eigvals(model.A)
    size = float(np.abs(values).max(initial=0.0))
    if isinstance(model, ContinuousStochasticSSM | ContinuousBackwardSSM):
        return float(-values.real.max()) / size if len(values) else 1.0
    return 1 - size


def triangular(L: np.ndarray) -> np.ndarray:
    """L2 L2' = L L' with L2 (n, r) lower triangular, r <= n; Householder, so every row keeps its own digits."""
    R: Any = np.linalg.qr(L.T, mode="r")
    return R.T
