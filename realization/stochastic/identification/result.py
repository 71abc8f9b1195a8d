"""What identification returns: a model, where it came from, and what speaks for and against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.shapes import numbers
from realization.linalg.dense import spectral_radius
from realization.stochastic.covariance import CovarianceModel
from realization.stochastic.identification.subspace import LARGEST
from realization.stochastic.information_criteria import OrderChoice
from realization.stochastic.positive_real import PositiveRealCertificate
from realization.stochastic.significance import HypothesisTest
from realization.systems.linear import LinearSSM
from realization.systems.stochastic import InnovationsSSM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Identified(Sealed):
    """x(t+1) = A x(t) + B u(t) + K e(t),  y(t) = C x(t) + D u(t) + e(t),  E e e' = R.

    Parameters
    ----------
    method : str
        Its weights: "cva", "n4sid" or "moesp".
    innovations : InnovationsSSM
        A, K, C, R: stable, with a stable predictor A - K C.
    system : LinearSSM or None
        A, B, C, D, where there are inputs.
    covariance : CovarianceModel
        Of what the inputs do not explain.
    positive_real : PositiveRealCertificate
        Proof that it belongs to a process.  It does by construction, for the noise has the covariance of the
        residuals; where the spectral density touches 0, up to rounding, the proof stays open.
    singular_values : ndarray
        Of the weighted projection; canonical correlations for CVA.
    order_choice : OrderChoice or None
        How the order was chosen; None where it was given.
    whiteness : HypothesisTest or None
        Hosking's test of the errors of prediction; None where there are none, or too few for its lags.
    past, future, samples : int
        Windows and the number of moments at which both fit.
    radius : float
        Spectral radius of A as the regression gave it; see `damped`.
    cut_off : float
        rho(A - K C)^past: the share of the state that the window of the past does not see.
    """

    method: str
    innovations: InnovationsSSM
    system: LinearSSM | None
    covariance: CovarianceModel
    positive_real: PositiveRealCertificate
    singular_values: np.ndarray
    order_choice: OrderChoice | None
    whiteness: HypothesisTest | None
    past: int
    future: int
    samples: int
    radius: float
    cut_off: float

    @property
    def order(self) -> int:
        """Number of states."""
        return len(self.innovations.A)

    def __str__(self) -> str:
        rho = spectral_radius(self.innovations.A)
        damped = f", damped from {self.radius:.6g}" * self.damped
        white = "" if self.whiteness is None else f"\nresiduals        {self.whiteness}"
        return (
            f"{self.method}, order {self.order} ({self.order_choice or 'given'}), "
            f"past {self.past}, future {self.future}, {self.samples} moments\n"
            f"spectral radius  {rho:.6g}{damped}; the past cuts off {self.cut_off:.1e}\n"
            f"noise            {self.positive_real}{white}"
        )

    @property
    def damped(self) -> bool:
        """Whether A was not stable, by more than half the digits, and has got the spectral radius 1 / radius."""
        return self.radius > LARGEST

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


def prediction_errors(
    model: InnovationsSSM, system: LinearSSM | None, y: Any, u: Any, x0: np.ndarray | None = None
) -> np.ndarray:
    """What the predictor x+ = (A - K C) x + (B - K D) u + K y leaves of y."""
    y = numbers("y", y)
    n, p = model.K.shape
    if system is None:
        return LinearSSM(model.predictor, model.K, -model.C, np.eye(p)).simulate(y, x0).y
    B, D = np.hstack([system.B - model.K @ system.D, model.K]), np.hstack([-system.D, np.eye(p)])
    return LinearSSM(model.predictor, B, -model.C, D).simulate(np.concatenate([numbers("u", u), y], axis=-1), x0).y
