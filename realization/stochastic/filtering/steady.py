"""The limit of the Kalman filter of an invariant model, by the Riccati equation.

    P = A P A' + Q - K F K',    K = (A P C' + S) inv(F),    F = C P C' + R

Of all solutions the one with A - K C stable: the filter goes there from every start of positive covariance, and
what is not yet forgotten of the start shrinks by the square of the spectral radius of A - K C per step.  Where a mode
on the unit circle is not driven by noise, or the outputs have a zero there, that radius is 1: the limit exists, and
is approached like 1/t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.linalg.dense import spectral_radius
from realization.linalg.riccati import discrete_riccati
from realization.systems.base import of_kind
from realization.systems.stochastic import InnovationsSSM, StochasticSSM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SteadyKalman(Sealed):
    """The steady state of the filter, and what it is worth.

    Parameters
    ----------
    covariance, filtered_covariance : ndarray
        P of x(t) - x(t|t-1) and that of x(t) - x(t|t), (n, n).
    predictor_gain, filter_gain : ndarray
        K = (A P C' + S) inv(F) and Kf = P C' inv(F), (n, p).
    innovation_covariance : ndarray
        F = C P C' + R, (p, p).
    closed_loop : ndarray
        A - K C, (n, n).
    radius : float
        Its spectral radius: errors of the start shrink like radius^t, those of the covariance like radius^(2t).
    residual : float
        What the Riccati equation leaves over, relative to its largest term.
    condition : float
        To first order the error of P is at most condition residual |P|.
    error : float
        Estimate of the relative error of P, the Newton step from there; infinite where the radius is 1, P then being
        known to half the digits.
    """

    covariance: np.ndarray
    filtered_covariance: np.ndarray
    predictor_gain: np.ndarray
    filter_gain: np.ndarray
    innovation_covariance: np.ndarray
    closed_loop: np.ndarray
    radius: float
    residual: float
    condition: float
    error: float


def steady_state(model: Any) -> SteadyKalman:
    """Solve P = A P A' + Q - K F K', K = (A P C' + S) inv(F), F = C P C' + R, with A - K C stable.

    Parameters
    ----------
    model : StochasticSSM or InnovationsSSM
        Stable or not; what is not stable must be seen in y.

    Returns
    -------
    SteadyKalman
        With residual, condition and estimated error.

    Raises
    ------
    ShapeError
        If it is of another kind.
    StructureError
        If there is none, since a mode that is not stable is not seen in y, or F is not positive definite.
    ConvergenceError
        If no route satisfies the equation.

    References
    ----------
    Kailath, Sayed and Hassibi 2000; Lancaster and Rodman 1995.

    Examples
    --------
    A level with steps of variance 1, read with noise of variance 2: P^2 = P + 2, and the filter moves by half of
    each innovation.

    >>> level = StochasticSSM.from_noise(A=[[1]], C=[[1]], Q=[[1]], R=[[2]])
    >>> steady = steady_state(level)
    >>> steady.covariance.round(12), steady.filter_gain.round(12), round(steady.radius, 12)
    (array([[2.]]), array([[0.5]]), 0.5)
    """
    of_kind("steady state", model, StochasticSSM, InnovationsSSM)
    model = model.as_stochastic() if isinstance(model, InnovationsSSM) else model
    A, B, C, D = model.A, model.B, model.C, model.D
    try:
        found = discrete_riccati(A.T, C.T, B @ B.T, D @ D.T, B @ D.T)
    except StructureError as error:
        raise StructureError(
            f"no steady state of the filter ({error}); what is not stable must be seen in y, and an output that "
            "repeats others needs noise of its own, or is to be left out"
        ) from None
    P, K, F = found.X, found.gain.T, found.weight
    smallest = np.linalg.eigvalsh(F).min(initial=np.inf)
    need = (len(A) + len(C)) * EPS * np.abs(F).max(initial=0.0)
    if not smallest > need:
        raise StructureError(f"the covariance of the innovations has eigenvalue {smallest:.3g}, need > {need:.1e}")
    Kf = np.linalg.solve(F, C @ P).T
    I_KC = np.eye(len(A)) - Kf @ C
    updated = I_KC @ P @ I_KC.T + Kf @ D @ D.T @ Kf.T
    return SteadyKalman(
        P,
        (updated + updated.T) / 2,
        K,
        Kf,
        F,
        A - K @ C,
        spectral_radius(A - K @ C),
        found.residual,
        found.condition,
        found.error,
    )
