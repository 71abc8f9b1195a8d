"""All realizations of one process in continuous time (Faurre 1976; Anderson 1973).

    M(P) = [-A P - P A'    G - P C']  = [B; D] [B; D]'  >= 0
           [.              R       ]

    P_-:        A P + P A' + K R K' = 0,      K = (G - P C') inv(R),      F = A - K C
    inv(P_+):   A' Pb + Pb A + Kb R Kb' = 0,  Kb = (C' - Pb G) inv(R)
    between:    P = P_- + inv(O + X),         F' O + O F + C' inv(R) C = 0,   F' X + X F + W = 0,   W >= 0

All that `faurre` says of the set in discrete time holds in the same words, with zeros that move to their
negatives instead of their reciprocals; the innovations have the covariance R of the outputs' own noise.  With
R = F F' the extreme spectral factors, Phi(s) = W(s) W(-s)', need no P_+ either:

    W_-(s) = C inv(sI - A) K F + F,     W_+(s) = C inv(sI - A) K+ F + F,   K+ = (G - P_+ C') inv(R) = -inv(Pb) Kb
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.stochastic.continuous_covariance import ContinuousCovarianceModel, continuous_covariance_model
from realization.stochastic.faurre.covariance_set import FaurreSet, between_ends
from realization.stochastic.faurre.noise_matrix import checked
from realization.stochastic.faurre.smallest import inverse
from realization.systems.base import of_kind
from realization.systems.stochastic import ContinuousBackwardSSM, ContinuousStochasticSSM


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

    >>> one = continuous_faurre_set(ContinuousCovarianceModel(A=[[-1]], C=[[1]], G=[[0.5]], R=[[1]]))
    >>> one.P_minus.round(7), one.P_plus.round(7)
    (array([[0.0857864]]), array([[2.9142136]]))
    """
    data = continuous_covariance_model(data)
    checked("Faurre's set", data)
    return between_ends(data)


def continuous_innovations_model(data: Any) -> ContinuousStochasticSSM:
    """dx = A x dt + K F de,  dy = C x dt + F de,  F F' = R, with A - K C stable: prediction from the past.

    Parameters
    ----------
    data : ContinuousCovarianceModel, ContinuousStochasticSSM or FaurreSet
        The process.

    Returns
    -------
    ContinuousStochasticSSM
        Its state has the covariance P_-; W_- is its transfer function.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, R is not positive definite, or the data belong to no process.

    Examples
    --------
    The zero of (s + 2) / (s + 1) is inside, that of (s - 2) / (s + 1) is not: they are factors of one density:

    >>> model = continuous_innovations_model(ContinuousStochasticSSM([[-1]], [[-3]], [[1]], [[1]]))
    >>> model.B.round(12), model.D
    (array([[1.]]), array([[1.]]))
    """
    full = _full(data)
    F = np.linalg.cholesky(full.R)
    return ContinuousStochasticSSM(full.data.A, full.K @ F, full.data.C, F)


def continuous_backward_innovations_model(data: Any) -> ContinuousBackwardSSM:
    """dz = -A' z dt - Kb F dv,  dy = G' z dt + F dv,  run backward, with A' - Kb G' stable: prediction from the future.

    Parameters
    ----------
    data : ContinuousCovarianceModel, ContinuousStochasticSSM or FaurreSet
        The process.

    Returns
    -------
    ContinuousBackwardSSM
        Its state has the covariance inv(P_+).

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, R is not positive definite, or the data belong to no process.
    """
    full = _full(data)
    F = np.linalg.cholesky(full.Rbar)
    return ContinuousBackwardSSM(full.data.A.T, -full.Kbar @ F, full.data.G.T, F)


def continuous_maximum_phase_model(data: Any) -> ContinuousStochasticSSM:
    """dx = A x dt - inv(Pb) Kb F dw,  dy = C x dt + F dw: the model of state covariance P_+, no zero in the left half.

    Parameters
    ----------
    data : ContinuousCovarianceModel, ContinuousStochasticSSM or FaurreSet
        The process.

    Returns
    -------
    ContinuousStochasticSSM
        W_+ is its transfer function.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, R is not positive definite, or the data belong to no process,
        or inv(P_+) is singular: a direction of the state is not seen in the outputs.

    Examples
    --------
    >>> model = continuous_maximum_phase_model(ContinuousStochasticSSM([[-1]], [[1]], [[1]], [[1]]))
    >>> model.B.round(12), model.D
    (array([[-3.]]), array([[1.]]))
    """
    full = _full(data)
    F, n = np.linalg.cholesky(full.R), len(full.data.A)
    x = full.units[:n, None]
    Pb = x * full.Pbar_minus * x.T
    inverse(Pb, "inv(P_+)")  # refused where it is singular
    return ContinuousStochasticSSM(full.data.A, -x * np.linalg.solve(Pb, x * full.Kbar) @ F, full.data.C, F)


def _full(data: Any) -> FaurreSet:
    full = data if isinstance(data, FaurreSet) else continuous_faurre_set(data)
    of_kind("continuous spectral factors", full.data, ContinuousCovarianceModel)
    return full
