"""All realizations of one process in continuous time (Faurre 1976; Anderson 1973).

    M(P) = [-A P - P A'    G - P C']  = [B; D] [B; D]'  >= 0
           [.              R       ]

    P_-:        A P + P A' + K R K' = 0,      K = (G - P C') inv(R),      F = A - K C
    inv(P_+):   A' Pb + Pb A + Kb R Kb' = 0,  Kb = (C' - Pb G) inv(R)
    between:    P = P_- + inv(O + X),         F' O + O F + C' inv(R) C = 0,   F' X + X F + W = 0,   W >= 0

All that `faurre` says of the set in discrete time holds in the same words, with zeros that move to their
negatives instead of their reciprocals; the innovations have the covariance R of the outputs' own noise.
"""

from __future__ import annotations

from typing import Any

from realization.stochastic.continuous_covariance import continuous_covariance_model
from realization.stochastic.faurre import FaurreSet, between_ends
from realization.stochastic.noise_matrix import checked


def continuous_faurre_set(data: Any) -> FaurreSet:
    """Return the set of all state covariances of a process in continuous time.

    Parameters
    ----------
    data : ContinuousCovarianceModel or ContinuousStochasticSSM
        Stable, with R > 0.

    Returns
    -------
    FaurreSet
        P_-, inv(P_+), the innovations forward and backward, and the methods that lead to all other models.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, R is not positive definite, or the data belong to no process: the message gives
        the frequency and the eigenvalue of the spectral density.
    ConvergenceError
        If the data are proved to be those of a process, and yet the equation was not solved.

    References
    ----------
    Anderson 1973, *The inverse problem of stationary covariance generation*; Lindquist and Picci 1979.

    Examples
    --------
    With A = -1, C = R = 1 and G = 1/2 the ends solve 2 P = (1/2 - P)^2, so that P^2 - 3 P + 1/4 = 0:

    >>> from realization.stochastic import ContinuousCovarianceModel
    >>> one = continuous_faurre_set(ContinuousCovarianceModel(A=[[-1]], C=[[1]], G=[[0.5]], R=[[1]]))
    >>> one.P_minus.round(7), one.P_plus.round(7)
    (array([[0.0857864]]), array([[2.9142136]]))
    """
    data = continuous_covariance_model(data)
    checked("Faurre's set", data)
    return between_ends(data)
