"""Processes in continuous time, looked at every h.

    dx = A x dt + B dw,  dy = C x dt + D dw     ->     x(t+1) = A2 x(t) + w(t),  y(t+1) - y(t) = C2 x(t) + v(t)

[x; y] obeys the one equation with the matrix [A 0; C 0], so that its noise over a step is that of `sample_noise`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.systems.base import of_kind
from realization.systems.noise import sample_noise
from realization.systems.stochastic import (
    BackwardSSM,
    ContinuousBackwardSSM,
    ContinuousStochasticSSM,
    StochasticSSM,
    factored_noise,
)


def in_steps(model: Any, h: float) -> Any:
    """Return the model of x(k h) and of the increments y(k h + h) - y(k h): exact, whatever h.

    Parameters
    ----------
    model : ContinuousStochasticSSM or ContinuousBackwardSSM
        Need not be stable.
    h : float
        Step; positive.

    Returns
    -------
    StochasticSSM or BackwardSSM
        Of x(k) = x(k h), or of z(k-1) = z(k h), with as many noises as the step has rank.

    Raises
    ------
    ShapeError
        If it is of another kind, or h is not positive and finite.
    StructureError
        If a result leaves the range of float64.

    Examples
    --------
    A Wiener process seen in noise: over 3 units of time its variance grows by 3.

    >>> wiener = ContinuousStochasticSSM(A=[[0]], B=[[1, 0]], C=[[1]], D=[[0, 1]])
    >>> in_steps(wiener, 3.0).noise_covariance.round(12)
    array([[ 3. ,  4.5],
           [ 4.5, 12. ]])
    """
    of_kind("in_steps", model, ContinuousStochasticSSM, ContinuousBackwardSSM)
    forward, n, p = isinstance(model, ContinuousStochasticSSM), len(model.A), len(model.C)
    A = np.block([[model.A, np.zeros((n, p))], [model.C, np.zeros((p, p))]])
    # an increment of y that runs backward is one of -y, with the same C and the noise on the other side
    F = np.vstack([model.B, model.D if forward else -model.D])
    A, Q = sample_noise(A, F @ F.T, h)
    B, D = factored_noise(Q[:n, :n], Q[:n, n:], Q[n:, n:])
    return (StochasticSSM if forward else BackwardSSM)(A[:n, :n], B, A[n:, :n], D)
