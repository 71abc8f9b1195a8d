"""What identification returns: a model, where it came from, and what speaks for and against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.shapes import numbers
from realization.linalg.decision import Decision
from realization.stochastic.covariance import CovarianceModel
from realization.stochastic.significance import HypothesisTest
from realization.systems.linear import LinearSSM
from realization.systems.stochastic import InnovationsSSM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Identified(Sealed):
    """x(t+1) = A x(t) + B u(t) + K e(t),  y(t) = C x(t) + D u(t) + e(t),  E e e' = R.

    Parameters
    ----------
    method : str
        Its weighting.
    innovations : InnovationsSSM
        A, K, C, R: stable, with a stable predictor A - K C.
    system : LinearSSM or None
        A, B, C, D, where there are inputs.
    covariance : CovarianceModel
        Of what the inputs do not explain.  It belongs to a process because it is that of a model with noise.
    singular_values : ndarray
        Of the weighted projection; canonical correlations for CVA.
    whiteness : HypothesisTest or None
        Hosking's test of the errors of prediction; None where there are none.
    order : Decision
        How the order was chosen.
    past, future, samples : int
        Windows and the number of moments at which both fit.
    radius : float
        Spectral radius of A as the regression gave it; 1 or more has been damped, see `damped`.
    cut_off : float
        rho(A - K C)^past: the share of the state that the window of the past does not see.
    """

    method: str
    innovations: InnovationsSSM
    system: LinearSSM | None
    covariance: CovarianceModel
    singular_values: np.ndarray
    whiteness: HypothesisTest | None
    order: Decision
    past: int
    future: int
    samples: int
    radius: float
    cut_off: float

    @property
    def damped(self) -> bool:
        """Whether A was not stable, and has been damped to the spectral radius 1 - 1/samples."""
        return self.radius >= 1

    def prediction_errors(self, y: Any, u: Any = None) -> np.ndarray:
        """e(t) = y(t) - C x(t) - D u(t), with x(t+1) = A x(t) + B u(t) + K e(t) from x(0) = 0.

        Parameters
        ----------
        y : array_like
            (..., T, p): the data, or others.
        u : array_like, optional
            (..., T, m), where the model has inputs.

        Returns
        -------
        ndarray
            (..., T, p).

        Raises
        ------
        ShapeError
            If y or u does not fit.
        """
        if (u is None) != (self.system is None):
            raise ShapeError(f"u is {'missing; the model has' if u is None else 'given; the model has no'} inputs")
        return prediction_errors(self.innovations, self.system, y, u)


def prediction_errors(model: InnovationsSSM, system: LinearSSM | None, y: Any, u: Any) -> np.ndarray:
    """What the predictor x+ = (A - K C) x + (B - K D) u + K y leaves of y."""
    y = numbers("y", y)
    n, p = model.K.shape
    if system is None:
        return LinearSSM(model.predictor, model.K, -model.C, np.eye(p)).simulate(y).y
    B, D = np.hstack([system.B - model.K @ system.D, model.K]), np.hstack([-system.D, np.eye(p)])
    return LinearSSM(model.predictor, B, -model.C, D).simulate(np.concatenate([numbers("u", u), y], axis=-1)).y
