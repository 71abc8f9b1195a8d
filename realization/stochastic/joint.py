"""Joint covariance of all states and outputs over a horizon, by the recursion of the model itself.

    (x(0), ..., x(T), y(0), ..., y(T-1)) = J e,    E e e' = I,    covariance J J'

e is the state from which the model starts, in unit variance, and then the noise of every step: the rows of J
are what the model makes of them.  Two models of one process that share their states have the same J J', whichever
way they run; their J have nothing in common.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import ShapeError
from realization.linalg.arguments import matrices
from realization.stochastic.factors import regular_factor, state_factor
from realization.stochastic.reverse import start_factor
from realization.systems.base import count, of_kind
from realization.systems.stochastic import (
    BackwardSSM,
    InitialState,
    InnovationsSSM,
    StochasticSSM,
    TimeVaryingBackwardSSM,
    TimeVaryingStochasticSSM,
)


def joint_covariance(model: Any, steps: int | None = None, *, initial: InitialState | None = None) -> np.ndarray:
    """Return the covariance of (x(0), ..., x(T), y(0), ..., y(T-1)).

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM, BackwardSSM, TimeVaryingStochasticSSM or TimeVaryingBackwardSSM
        Continuous ones by way of `in_steps`.
    steps : int, optional
        T.  Default, and largest number, for a model that varies: its own; the only one if it runs backward.
    initial : InitialState, optional
        Of the state from which the model starts: x(0), or z(T-1) or x(T) of one that runs backward; its
        mean is left aside.  Default: the stationary one; a model that varies has none.

    Returns
    -------
    ndarray
        (n (T+1) + p T, the same), positive semidefinite.  The states of a `BackwardSSM` are given
        as x(t+1) = inv(E z z') z(t), those of its forward model.

    Raises
    ------
    ShapeError
        If it is of another kind, steps is no whole number, or no state is given where one is needed.
    StructureError
        If there is no stationary state, or that of a `BackwardSSM` is singular.

    Examples
    --------
    x(0), x(1) and y(0) = x(0) + noise, with P = 4/3:

    >>> joint_covariance(StochasticSSM(A=[[0.5]], B=[[1, 0]], C=[[1]], D=[[0, 1]]), 1).round(4)
    array([[1.3333, 0.6667, 1.3333],
           [0.6667, 1.3333, 0.6667],
           [1.3333, 0.6667, 2.3333]])
    """
    varying, backward = (TimeVaryingStochasticSSM, TimeVaryingBackwardSSM), (BackwardSSM, TimeVaryingBackwardSSM)
    of_kind("joint covariance", model, StochasticSSM, InnovationsSSM, BackwardSSM, *varying)
    model = model.as_stochastic() if isinstance(model, InnovationsSSM) else model
    if isinstance(model, varying):
        T = varying_steps(model, steps, initial)
        A, B, C, D = model.A, model.B, model.C, model.D
    else:
        T = count("steps", steps)
        A, B, C, D = (np.broadcast_to(X, (T, *X.shape)) for X in (model.A, model.B, model.C, model.D))
    L = state_factor(model) if initial is None else start_factor(initial, A.shape[-1])
    order = range(T - 1, -1, -1) if isinstance(model, backward) else range(T)
    x, y = _rows(A, B, C, D, L, order)
    if isinstance(model, BackwardSSM):
        x = scipy.linalg.cho_solve((regular_factor(model, rtol=0.0), True), x)
    J = np.concatenate([*x[:: order.step], *y[:: order.step]])
    return J @ J.T


def varying_steps(model: Any, steps: int | None, initial: InitialState | None) -> int:
    """T of a model that varies: one that runs backward starts at its own end, so that it makes all its steps.

    Raises
    ------
    ShapeError
        If T is another number, or the state at the start is missing.
    """
    own = len(model.A)
    asked = own if steps is None else count("steps", steps)
    if initial is None or asked > own:
        raise ShapeError(f"{asked} steps from {initial}; at most {own}, and the state at the start, are needed")
    if asked < own and isinstance(model, TimeVaryingBackwardSSM):
        raise ShapeError(
            f"{asked} steps of a model that starts at x({own}); {own} are needed, or a model of the first {asked}"
        )
    return asked


def in_deviations(found: Any, wanted: Any) -> float:
    """Return the largest difference of two covariances of (x_1, x_2, ...), entry i, j in units of sd(x_i) sd(x_j).

    Parameters
    ----------
    found, wanted : array_like
        (k, k); the standard deviations are those of `wanted`.

    Returns
    -------
    float
        That of a correlation, whatever the units.

    Raises
    ------
    ShapeError
        If they differ in shape, or an entry is not finite.

    Examples
    --------
    A covariance of 0.1 between variables of standard deviation 1 and 100:

    >>> in_deviations([[1, 0], [0, 10**4]], [[1, 0.1], [0.1, 10**4]])
    0.001
    """
    found, wanted = matrices("found: k k; wanted: k k", found=found, wanted=wanted)
    sd = np.sqrt(np.diag(wanted))
    sd = np.where(sd > 0, sd, 1.0)
    return float(np.abs((found - wanted) / sd[:, None] / sd).max(initial=0.0))


def _rows(A: Any, B: Any, C: Any, D: Any, L: np.ndarray, order: range) -> tuple[np.ndarray, np.ndarray]:
    """Each state and output as it comes, as rows over (start, noise of each step in turn)."""
    r, m, T = L.shape[1], B.shape[-1], len(order)
    e = np.eye(r + T * m)
    x, y = [L @ e[:r]], []
    for k, t in enumerate(order):
        w = e[r + k * m : r + (k + 1) * m]
        y.append(C[t] @ x[-1] + D[t] @ w)
        x.append(A[t] @ x[-1] + B[t] @ w)
    return np.stack(x), np.reshape(y, (T, C.shape[-2], len(e)))
