"""What the past of a process knows about its future, in nats.

    I(past; future) = -1/2 sum_k log(1 - sigma_k^2)                       sigma the canonical correlations
                    = lim 1/2 log( det T_i det T_j / det T_(i+j) )        T_i the covariance of i steps

Of n canonical variables the first r carry -1/2 sum_{k<=r} log(1 - sigma_k^2): `kept_information`.  The process of
the truncated *model* is another process, whose past knows about its own future what its own correlations say:
`model_information`.  It is never more than what the variables carry: diag(sigma_1, ..., sigma_r) is in the set of
covariances of the truncated data and in that of their dual, and P_- and Pbar_- are the smallest there.

Divided by NATS_PER_BIT = log 2 all of these are bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import numbers
from realization.linalg.psd import positive_factor
from realization.stochastic.covariance import autocovariances
from realization.stochastic.geometry.canonical_correlations import (
    CanonicalCorrelations,
    canonical_correlations,
    window_covariance,
)
from realization.stochastic.geometry.stochastic_balancing import stochastic_truncation
from realization.systems.base import count

NATS_PER_BIT = float(np.log(2))


def information(correlations: Any) -> float:
    """-1/2 sum log(1 - sigma_k^2), of two Gaussian vectors or spaces with these canonical correlations.

    Parameters
    ----------
    correlations : array_like or CanonicalCorrelations
        (k,) in [0, 1].

    Returns
    -------
    float
        In nats; infinite where a correlation is 1 (up to its error, where that is known).

    Raises
    ------
    ShapeError
        If they are no row of numbers between 0 and 1.

    Examples
    --------
    Half a bit is a correlation of sqrt(1/2):

    >>> round(information([0.5**0.5]) / NATS_PER_BIT, 12)
    0.5
    """
    if isinstance(correlations, CanonicalCorrelations):
        if correlations.ones:
            return np.inf
        correlations = correlations.values
    s = numbers("correlations", correlations)
    if s.ndim != 1 or s.dtype.kind == "c":
        raise ShapeError(f"correlations has shape {s.shape} and dtype {s.dtype}, but one row of real numbers is needed")
    if (outside := s[(s < 0) | (s > 1)]).size:
        raise ShapeError(f"correlations has the entry {outside[0]:g}, but numbers between 0 and 1 are needed")
    with np.errstate(divide="ignore"):  # log 0 is meant
        return float(-np.sum(np.log1p(-s) + np.log1p(s)) / 2) + 0.0


def mutual_information(data: Any) -> float:
    """I(past; future) = -1/2 sum log(1 - sigma_k^2) of a process, over its whole past and future.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, ContinuousCovarianceModel or ContinuousStochasticSSM
        Stable.

    Returns
    -------
    float
        In nats; infinite where past and future share a variable.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, if the data belong to no process, or if the innovations are singular.

    Notes
    -----
    A correlation is known to about 1e-16, and so 1 - sigma^2 only relative to itself: the last digits go where
    sigma is close to 1.

    Examples
    --------
    >>> from realization.systems import StochasticSSM
    >>> ar1 = StochasticSSM(A=[[0.5]], B=[[1]], C=[[0.5]], D=[[1]])
    >>> round(mutual_information(ar1), 6), float(round(-np.log(0.75) / 2, 6))
    (0.143841, 0.143841)
    """
    return information(canonical_correlations(data))


def kept_information(data: Any, order: int) -> float:
    """-1/2 sum_{k<=r} log(1 - sigma_k^2): what the first r canonical variables of the past carry of the future.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, ContinuousCovarianceModel or ContinuousStochasticSSM
        Stable.
    order : int
        r; all of them from n on.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    ShapeError
        If data are of another kind, or the order is no whole number >= 0.
    StructureError
        As for `mutual_information`.

    Examples
    --------
    >>> from realization.systems import StochasticSSM
    >>> model = StochasticSSM(A=[[0.5, 1], [0, -0.3]], B=[[1, 0], [1, 1]], C=[[1, 0]], D=[[0, 1]])
    >>> [round(kept_information(model, r), 4) for r in (0, 1, 2)]
    [0.0, 0.1793, 0.2035]
    """
    found = canonical_correlations(data)
    return np.inf if found.ones and order else information(found.values[: count("order", order)])


def model_information(data: Any, order: int) -> float:
    """I(past; future) of the process of the stochastically truncated model, at most the `kept_information`.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, ContinuousCovarianceModel or ContinuousStochasticSSM
        Stable.
    order : int
        Number of states of that model.

    Returns
    -------
    float
        In nats.

    Raises
    ------
    ShapeError
        If data are of another kind, or the order is no whole number >= 0.
    StructureError
        As for `mutual_information`, or if the order is beyond what rounding leaves.

    Examples
    --------
    >>> from realization.systems import StochasticSSM
    >>> model = StochasticSSM(A=[[0.5, 1], [0, -0.3]], B=[[1, 0], [1, 1]], C=[[1, 0]], D=[[0, 1]])
    >>> [round(model_information(model, r), 4) for r in (0, 1, 2)]
    [0.0, 0.1444, 0.2035]
    """
    return mutual_information(stochastic_truncation(data, order).system)


def window_information(data: Any, past: int, future: int) -> float:
    """I(y(-i), ..., y(-1); y(0), ..., y(j-1)) = 1/2 log( det T_i det T_j / det T_(i+j) ).

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM or InnovationsSSM
        Of spectral radius below 1.
    past, future : int
        Steps i and j.

    Returns
    -------
    float
        In nats; it grows with i and j to `mutual_information`.

    Raises
    ------
    ShapeError
        If data are of another kind, or a length is no whole number >= 0, or the windows are too long.
    StructureError
        If the window of i + j steps is degenerate: one of its numbers follows from the others.

    Examples
    --------
    An autoregression of order 1 needs one step:

    >>> from realization.systems import StochasticSSM
    >>> ar1 = StochasticSSM(A=[[0.5]], B=[[1]], C=[[0.5]], D=[[1]])
    >>> [round(window_information(ar1, 1, j), 6) for j in (0, 1, 5)]
    [0.0, 0.143841, 0.143841]
    """
    i, j = count("past", past), count("future", future)
    Lambda = autocovariances(data, i + j)
    # the longest first: what is too long is refused at once
    both, past_, future_ = (_log_det(window_covariance(Lambda, k)) for k in (i + j, i, j))
    return (past_ + future_ - both) / 2


def _log_det(T: np.ndarray) -> float:
    """log det T, of a covariance."""
    found = positive_factor(T, what="the covariance of a window")
    if found.rank.decided and found.rank.choice < len(T):
        raise StructureError(
            f"a window of {len(T)} numbers has a covariance of rank {found.rank.choice}: one of them follows from the "
            "others, and what the window tells is infinite or undetermined; leave out what follows from the rest"
        )
    return float(np.log(found.eigenvalues).sum())
