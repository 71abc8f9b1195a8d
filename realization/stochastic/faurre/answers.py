"""What is asked of one covariance of the state, and the answers: is it in the set, internal, and how well known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from realization.linalg.decision import Decision


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """Whether M(P) >= 0.

    Parameters
    ----------
    verdict : {"inside", "outside", "boundary"}
        Inside and outside by more than the error; on the boundary lie the models with fewer than n + p noises.
    margin : float
        Smallest eigenvalue of M(P).
    error : float
        Bound of its error: the rounding of the products, and what the error of P makes of it.
    """

    verdict: Literal["inside", "outside", "boundary"]
    margin: float
    error: float

    def __bool__(self) -> bool:
        return self.verdict != "outside"


@dataclass(frozen=True, slots=True, eq=False)
class Internality:
    """Whether a state lies in the space of the outputs, past and future.

    Parameters
    ----------
    verdict : {"internal", "external", "undecided"}
        As many noises as outputs, more, or a rank of M(P) that rounding leaves open.
    rank : Decision
        How the number of noises was decided.
    """

    verdict: Literal["internal", "external", "undecided"]
    rank: Decision

    def __bool__(self) -> bool:
        return self.verdict == "internal"


class StateErrors(NamedTuple):
    """Covariance of what outputs leave unknown of a state: past ones, present and future ones, all of them.

    Parameters
    ----------
    past : ndarray
        P - P_-, (n, n): that of the Kalman predictor; zero where the model is that of the innovations.
    future : ndarray
        P - P Pb P, (n, n), Pb = inv(P_+): zero where P = P_+.
    both : ndarray
        Q - Q O Q, (n, n), Q = P - P_-: that of the smoother; zero where the model has as few noises as outputs.
    """

    past: np.ndarray
    future: np.ndarray
    both: np.ndarray
