"""The other road: covariances first, then Ho and Kalman's realization of them (Akaike 1974; Faurre 1976).

    Lambda(k) = (1/T) sum_t y(t+k) y(t)',     [Lambda(i+j+1)] = O R,     A, G, C from O and R,  Lambda(0) given

Nothing here sees to it that C A^(k-1) G are covariances at all, beyond the lags that were given: a
truncated rank may leave a spectral density that is negative somewhere.  The verdict says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from realization.canonical.ho_kalman import era, ho_kalman
from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.core.shapes import numbers
from realization.linalg.decision import Decision, require_decided
from realization.linalg.dense import spectral_radius, two_norm
from realization.stochastic.covariance import CovarianceModel
from realization.stochastic.data import LARGEST, signal, stacked
from realization.stochastic.faurre.positive_real import PositiveRealCertificate, positive_real
from realization.stochastic.faurre.spectral_factors import innovations_model
from realization.systems.base import count
from realization.systems.stochastic import InnovationsSSM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CovarianceRealization(Sealed):
    """(A, C, G, Lambda0) from covariances, and whether they belong to a process.

    Parameters
    ----------
    covariance : CovarianceModel
        What was found.
    positive_real : PositiveRealCertificate
        The verdict on it: a P that proves it, or the frequency at which its spectral density is negative.
    innovations : InnovationsSSM or None
        Its model, where it is proved to have one.
    lacking : float
        The least c for which Lambda0 + c I would do, 0 where nothing is lacking: see `lifted`.
    order : Decision
        The rank of the Hankel matrix, or the order given.
    residual : float
        Largest |C A^(k-1) G - Lambda(k)| over the lags given, in the 2-norm.
    """

    covariance: CovarianceModel
    positive_real: PositiveRealCertificate
    innovations: InnovationsSSM | None
    lacking: float
    order: Decision
    residual: float


def sample_covariances(y: Any, lags: int) -> np.ndarray:
    """Lambda(k) = (1/T) sum_t y(t+k) y(t)', k = 0 ... lags: over T, not T - k.

    Parameters
    ----------
    y : array_like
        (..., T, p) of mean zero, NaN not allowed; batch axes are records of one process.
    lags : int
        Largest k, below T.

    Returns
    -------
    ndarray
        (lags + 1, p, p).

    Raises
    ------
    ShapeError
        If y has other axes, is not finite, or is not longer than the lags.

    Notes
    -----
    Divided by T the sequence is that of a process, the record surrounded by zeros: its block Toeplitz matrices
    are positive semidefinite at every size, which T - k would not grant.

    Examples
    --------
    >>> sample_covariances([[1.0], [-1.0], [1.0], [-1.0]], 3).ravel().tolist()
    [1.0, -0.75, 0.5, -0.25]
    """
    y = stacked(signal("y", y))
    b, T, _ = y.shape
    if not b or count("lags", lags) >= T:
        raise ShapeError(f"lags is {lags}, but {b} record(s) of T = {T} steps have at most {T - 1 if b else -1}")
    if np.abs(y).max(initial=0.0) > LARGEST:
        raise ShapeError(f"y has entries up to {np.abs(y).max():.1e}, need <= {LARGEST:.0e}: their squares overflow")
    return np.stack([np.einsum("bti,btj->ij", y[:, k:], y[:, : T - k]) for k in range(lags + 1)]) / (b * T)


def covariance_ho_kalman(covariances: Any, order: int | None = None) -> CovarianceRealization:
    """Realize Lambda(k) = C A^(k-1) G, k = 1 ... K, and decide whether the result belongs to a process.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(K), (K+1, p, p), Lambda(k) = E y(t+k) y(t)'; Lambda(0) symmetric.
    order : int, optional
        States.  Default: the rank of the Hankel matrix, which exact covariances have; those of a
        sample have full rank, so an order is to be given, see `cva` for a choice.

    Returns
    -------
    CovarianceRealization
        With a verdict that may be negative: sample covariances, cut off at a rank, need not be positive real.

    Raises
    ------
    ShapeError
        If the covariances have other axes, Lambda(0) is not symmetric, or there are too few lags for the order.
    StructureError
        If the rank is undecided or full, or A is not stable: no stationary process has these covariances.

    References
    ----------
    Ho and Kalman 1966; Akaike 1974; Faurre, Clerget and Germain 1979; Lindquist and Picci 1996, on why positivity
    has to be asked for.

    Examples
    --------
    Exact covariances give the process back, to the last digits:

    >>> found = covariance_ho_kalman(2.0 * 0.5 ** np.arange(1, 8).reshape(7, 1, 1))
    >>> found.order.choice, found.covariance.A.round(12), found.positive_real.verdict
    (1, array([[0.5]]), 'positive real')

    The numbers 1, 0.8, 0.4 are covariances, but with one mode, 0.8 0.5^(k-1), no longer:

    >>> found = covariance_ho_kalman(np.array([1, 0.8, 0.4]).reshape(3, 1, 1), 1)
    >>> found.positive_real.verdict, found.innovations
    ('not positive real', None)
    >>> round(found.positive_real.omega, 4), round(found.positive_real.density, 4), round(found.lacking, 4)
    (3.1416, -0.0667, 0.0667)
    """
    h = _checked(covariances, order)
    found = ho_kalman(h) if order is None else era(h, order)
    if order is None:
        require_decided(found.decisions, "covariances of a sample have no rank: give an order")
        if found.order and found.order == len(found.decisions[0].values):
            raise StructureError(
                f"the Hankel matrix of {len(h)} covariances has full rank, {found.order}: give an order, as those of a "
                "sample need, or more of them"
            )
    s = found.system
    if (radius := spectral_radius(s.A)) >= 1:
        raise StructureError(
            f"spectral radius {radius:.6g}, need < 1: no stationary process of order {len(s.A)} has these covariances; "
            "take another order or more lags, or `cva`, which keeps to stable models"
        )
    data = CovarianceModel(s.A, s.C, s.B, s.D)
    verdict = positive_real(data)
    model = innovations_model(data) if verdict.verdict == "positive real" else None
    return CovarianceRealization(data, verdict, model, max(-verdict.density, 0.0), found.decisions[0], found.residual)


def _checked(covariances: Any, order: int | None) -> np.ndarray:
    """Lambda(0), ..., Lambda(K), real, Lambda(0) symmetric, and enough of them for the order."""
    h = numbers("covariances", covariances)
    if h.ndim != 3 or h.shape[1] != h.shape[2] or not len(h) or h.dtype.kind == "c":
        raise ShapeError(
            f"covariances have shape {h.shape} and dtype {h.dtype}, but real (K+1, p, p) are needed; "
            "`sample_covariances` makes them"
        )
    K, p = len(h) - 1, len(h[0])
    CovarianceModel(np.zeros((0, 0)), np.zeros((p, 0)), np.zeros((0, p)), h[0])  # refuses what is not symmetric
    if order is not None and count("order", order) > (most := K // 2 * p):
        raise ShapeError(
            f"order {order} from K = {K} lags of p = {p} outputs, which have at most {most}, p (K // 2); "
            f"need K >= {2 * -(-order // max(p, 1))}"
        )
    return h


def lifted(data: CovarianceModel) -> CovarianceModel:
    """Lambda0 + c I, c = -min over w of the eigenvalues of Phi(e^iw): the nearest process, if white noise is added.

    Parameters
    ----------
    data : CovarianceModel
        With stable A.

    Returns
    -------
    CovarianceModel
        The data themselves where they are positive real.  Otherwise Phi touches 0 up to the share of Lambda0,
        a millionth where that is enough, that is added to c so that it can be proved.

    Raises
    ------
    StructureError
        If A is not stable.

    Examples
    --------
    >>> short = CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[0.5]])
    >>> lifted(short).Lambda0.round(4), positive_real(lifted(short)).verdict
    (array([[0.6667]]), 'positive real')
    """
    verdict, found, I = positive_real(data), data, np.eye(len(data.Lambda0))
    c, size, share = max(-verdict.density, 0.0), two_norm(data.Lambda0) or 1.0, 1e-6
    while verdict.verdict != "positive real":
        found = replace(data, Lambda0=data.Lambda0 + (c + share * size) * I)
        verdict, share = positive_real(found), 10 * share
    return found
