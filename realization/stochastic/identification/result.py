"""What identification returns: a model, where it came from, and what speaks for and against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.linalg.dense import spectral_radius
from realization.stochastic.covariance import CovarianceModel
from realization.stochastic.data import signal
from realization.stochastic.faurre.positive_real import PositiveRealCertificate
from realization.stochastic.identification.subspace import LARGEST, SLACK
from realization.stochastic.innovations.information_criteria import OrderChoice
from realization.stochastic.innovations.significance import HypothesisTest
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
    centred : HypothesisTest or None
        Whether the outputs have mean zero, at the level 0.001; None where the record is too short to tell,
        or there are inputs, which may have made a mean.
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
    centred: HypothesisTest | None
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
            f"noise            {self.positive_real}{white}{self._doubts()}"
        )

    def _doubts(self) -> str:
        """What speaks against a mean of zero: its test, and a pole at 1."""
        offset = self.centred is not None and self.centred.rejected
        mean = f"\nmean             {self.centred}: subtract it, or it is taken for a state" * offset
        pole = (
            f"\npole at 1        as far as {self.samples} moments can tell: a mean or trend that was left in the data, "
            "or a random walk; subtract it, or take differences"
        )
        return mean + pole * self.unit_root

    @property
    def unit_root(self) -> bool:
        """Whether A has an eigenvalue within 5/N of 1, which N moments cannot tell from 1."""
        poles = np.linalg.eigvals(self.innovations.A)
        return bool(np.abs(poles - 1).min(initial=np.inf) <= SLACK / self.samples)

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
        y, p, m = signal("y", y), len(self.innovations.C), 0 if self.system is None else self.system.B.shape[1]
        u = np.zeros((*y.shape[:-1], 0)) if u is None else signal("u", u)
        if y.shape[-1] != p or u.shape != (*y.shape[:-1], m):
            raise ShapeError(
                f"y has shape {y.shape}"
                + f" and u {u.shape}" * bool(m)
                + f", but (..., T, {p})"
                + f" and (..., T, {m}) of as many records and steps are needed" * bool(m)
                + " is needed" * (not m)
            )
        return prediction_errors(self.innovations, self.system, y, u)


def prediction_errors(
    model: InnovationsSSM, system: LinearSSM | None, y: np.ndarray, u: np.ndarray | None, x0: np.ndarray | None = None
) -> np.ndarray:
    """What the predictor x+ = (A - K C) x + (B - K D) u + K y leaves of y."""
    n, p = model.K.shape
    if system is None:
        return LinearSSM(model.predictor, model.K, -model.C, np.eye(p)).simulate(y, x0).y
    B, D = np.hstack([system.B - model.K @ system.D, model.K]), np.hstack([-system.D, np.eye(p)])
    return LinearSSM(model.predictor, B, -model.C, D).simulate(np.concatenate([u, y], axis=-1), x0).y
