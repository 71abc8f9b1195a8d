"""Canonical correlations of the past and the future: what the one tells about the other, direction by direction.

    sigma_k = sqrt(eigenvalue_k of P_- Pbar_-) = cosine of the k-th principal angle between past and future

P_- is the least state covariance of the process, Pbar_- that of the process that runs backward.  Neither is
multiplied by the other.  With the innovations e = F u of the past and ebar = Fbar ubar of the future,

    x_-(t+1) = A x_-(t) + K F u(t),     xbar_+(t-1) = A' xbar_+(t) + Kbar Fbar ubar(t),     E u u' = E ubar ubar' = I

the future ubar(0), ubar(1), ... is correlated with the past u(-1), u(-2), ... by the Hankel matrix of

    E ubar(i) u(-1-j)' = (Kbar Fbar)' A^(i+j) K F

whose Gramians are P_- and Pbar_-: the canonical correlations are the Hankel singular values of that system, the
`phase`, and each comes out as accurate as the factors are.

References
----------
Akaike 1975; Desai and Pal 1984.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.canonical.balanced import Balance, factors
from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS, SAME_SIZE, Decision, decide_rank
from realization.linalg.dense import spectral_abscissa, spectral_radius, two_norm
from realization.linalg.gramians import continuous_hankel_singular_values, hankel_singular_values
from realization.linalg.psd import positive_factor
from realization.stochastic.classical.window import block_toeplitz, covariance_window
from realization.stochastic.continuous_covariance import ContinuousCovarianceModel, continuous_covariance_model
from realization.stochastic.covariance import CovarianceModel, covariance_model
from realization.stochastic.factors import gap
from realization.stochastic.faurre.continuous_faurre import continuous_faurre_set
from realization.stochastic.faurre.covariance_set import faurre_set
from realization.stochastic.faurre.noise_matrix import checked, in_units, units
from realization.systems.base import count, of_kind
from realization.systems.continuous import ContinuousSSM
from realization.systems.linear import LinearSSM
from realization.systems.stochastic import ContinuousStochasticSSM, InnovationsSSM, StochasticSSM

COVARIANCES = (CovarianceModel, ContinuousCovarianceModel)
KINDS = (*COVARIANCES, StochasticSSM, InnovationsSSM, ContinuousStochasticSSM)
LONGEST = 4096  # rows of a window: its factorization takes about a minute there


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CanonicalCorrelations(Sealed):
    """Cosines of the principal angles between past and future, and how well they are known.

    Parameters
    ----------
    values : ndarray
        (n,) in [0, 1], largest first.
    nonzero : Decision
        How many differ from 0: the order of the process.
    ones : int
        How many are 1 up to their error: so much of the future is known without error, or the spectral
        density has zeros on the circle.
    error : float
        Estimate of the absolute error of the values.
    """

    values: np.ndarray
    nonzero: Decision
    ones: int
    error: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Phase(Sealed):
    """x+ = A x + (K F) u,  y = (Kbar Fbar)' x: its Hankel matrix takes the whitened past to the whitened future.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With the Gramians P_- and Pbar_-, of the state x / units.
    units : ndarray
        (n,) powers of 2; all 1 unless states are out of scale.
    error : float
        Estimate of the relative error of the two.
    rate : float
        Spectral radius of A - K C, in continuous time of exp(A - K C): what a window of length t misses decreases
        like rate^(2t).
    on_boundary : int
        Zeros of the process on the unit circle (imaginary axis).
    """

    system: Any
    units: np.ndarray
    error: float
    rate: float
    on_boundary: int


def phase(data: Any) -> Phase:
    """Return the system from whitened past to whitened future, A, K F, (Kbar Fbar)'.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, ContinuousCovarianceModel or ContinuousStochasticSSM
        Stable.

    Returns
    -------
    Phase
        The system, how well it is known, and how fast windows converge to it.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, if the data belong to no process, or if the innovations are singular.

    Examples
    --------
    >>> found = phase(CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]]))
    >>> found.system.B.round(4), round(found.rate, 4)
    (array([[0.317]]), 0.2679)
    """
    given, data = data, covariances_of(data)
    checked("canonical correlations", data)
    x = units(data)[0]
    data, continuous = in_units(data, x, np.ones(len(data.C))), isinstance(data, ContinuousCovarianceModel)
    full = (continuous_faurre_set if continuous else faurre_set)(data)
    n, p = full.K.shape
    B, C = full.K @ np.linalg.cholesky(full.R), (full.Kbar @ np.linalg.cholesky(full.Rbar)).T
    rate = np.exp(spectral_abscissa(full.predictor)) if continuous else spectral_radius(full.predictor)
    # a Newton step does not see what it rounds itself, nor what rounds in K and R: a digit for the constants; and
    # what the covariances of a model lose near the unit circle, in P = A P A' + B B', is not seen in the data
    error = 10 * (n + p) * EPS + (0.0 if isinstance(given, COVARIANCES) else 2 * n * EPS / gap(given))
    error += sum(e / (two_norm(P) or 1.0) for e, P in ((full.error, full.P_minus), (full.error_bar, full.Pbar_minus)))
    system = (ContinuousSSM if continuous else LinearSSM)(data.A, B, C, np.zeros((p, p)))
    return Phase(system, x, error, float(rate), full.on_boundary)


def canonical_correlations(data: Any) -> CanonicalCorrelations:
    """sigma_k = sqrt(eigenvalue_k of P_- Pbar_-), the Hankel singular values of the `phase`.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, ContinuousCovarianceModel or ContinuousStochasticSSM
        Stable.

    Returns
    -------
    CanonicalCorrelations
        The values (n,), and how many of them are neither 0 nor 1.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, if the data belong to no process, or if the innovations are singular.

    References
    ----------
    Akaike 1975; Desai and Pal 1984.

    Examples
    --------
    An autoregression y(t+1) = a y(t) + e(t) remembers one number, and its correlation is a:

    >>> from realization.systems import StochasticSSM
    >>> canonical_correlations(StochasticSSM(A=[[0.5]], B=[[1]], C=[[0.5]], D=[[1]])).values.round(12)
    array([0.5])

    Past and future of a difference of white noise, y(t) = e(t) - e(t-1), share the variable e(-1): the sums of
    the future forget all else that they begin with.

    >>> canonical_correlations(CovarianceModel(A=[[0]], C=[[1]], G=[[-1]], Lambda0=[[2]])).ones
    1
    """
    found = phase(data)
    return correlations_of(found, factors(found.system))


def correlations_of(found: Phase, basis: Balance) -> CanonicalCorrelations:
    """Return the canonical correlations of the process with this phase, and these factors of its Gramians."""
    s = found.system
    hankel = continuous_hankel_singular_values if isinstance(s, ContinuousSSM) else hankel_singular_values
    values = np.minimum(hankel(s.A, s.B, s.C), 1.0)
    # sigma moves by at most |dM| |L| + |M| |dL|, in units in which x_- has variances 1
    deviations = np.linalg.norm(basis.L, axis=1)[:, None]
    deviations = np.where(deviations > 0, deviations, 1.0)
    error = found.error * two_norm(basis.M * deviations) * two_norm(basis.L / deviations)
    # G is a difference of products, and no better than they are; what is above is no rounding, however small
    noise = max(error, 10 * sum(s.B.shape) * EPS)
    nonzero = decide_rank(values, scale=1.0, noise=noise, ceiling=SAME_SIZE * noise, what="order of the process")
    # a zero on the circle is a shared variable, and one at 1 - 1e-6 is told from it: P_- knows it to half the digits
    away = 1 - values
    ones = max(int((away <= error).sum()), min(found.on_boundary, int((away <= 10 * error).sum())))
    return CanonicalCorrelations(values, nonzero, ones, error)


def window_correlations(covariances: Any, past: int, future: int) -> np.ndarray:
    """Return the singular values of inv(L_f) H inv(L_p)', the canonical correlations of two finite windows.

        H = E [y(0); ...; y(j-1)] [y(-1); ...; y(-i)]' = [Lambda(1), Lambda(2), ...; Lambda(2), ...]

    with L L' the block Toeplitz covariance of each window; where a window is degenerate, L has its rank.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), Lambda(1), ..., at least up to Lambda(past + future - 1): (k, p, p), or (k,) where p = 1.
    past, future : int
        Steps i and j.

    Returns
    -------
    ndarray
        (min of the ranks,) in [0, 1], largest first.  Of a model with n states all but n are rounding, and
        the n grow to the `canonical_correlations` as the windows do, see `window_length`.

    Raises
    ------
    ShapeError
        If the covariances are of another shape, too few, or the windows too long.
    StructureError
        If past, future, or both together have a covariance that is not positive semidefinite.

    Examples
    --------
    Of y(t) = e(t) - e(t-1), whose canonical correlation is 1, windows of i steps show i / (i + 1):

    >>> [float(window_correlations([2, -1] + 18 * [0], i, i)[0].round(6)) for i in (1, 3, 9)]
    [0.5, 0.75, 0.9]
    """
    Lambda = covariance_window(covariances).astype(np.float64)
    i, j = count("past", past), count("future", future)
    if len(Lambda) < i + j:
        raise ShapeError(
            f"{len(Lambda)} covariances, but windows of {i} and {j} steps need at least {i + j} covariances"
        )
    # the past is listed backward in time, and so has the covariances of the reversed process
    W_f, error_f = _whitening(window_covariance(Lambda, j))
    W_p, error_p = _whitening(window_covariance(Lambda.swapaxes(1, 2), i))
    H = _joined(Lambda[np.add.outer(np.arange(j), np.arange(i)) + 1])
    values = np.linalg.svd(W_f.T @ H @ W_p, compute_uv=False)
    if (excess := values.max(initial=0.0) - 1) > error_f + error_p:
        raise StructureError(
            f"past and future have the correlation 1 + {excess:.2g}, need <= 1 (rounding is {error_f + error_p:.1e}): "
            "the covariances belong to no process"
        )
    return np.minimum(values, 1.0)


def window_length(data: Any, *, atol: float = 1e-12) -> int:
    """Return i with rate^(2i) <= atol, the window in which canonical correlations have converged so far.

    After i steps of the past the Kalman filter has the error covariance of the infinite past up to terms of
    rate^(2i), with rate the spectral radius of A - K C.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM or InnovationsSSM
        Of spectral radius below 1.
    atol : float
        What may be missing, but for a constant.

    Returns
    -------
    int
        At least the number of states, which a window has to tell apart.

    Raises
    ------
    ShapeError
        If data are of another kind, or atol is not between 0 and 1.
    StructureError
        If the data belong to no process, or A - K C has an eigenvalue on the unit circle: no window is long
        enough then, since the error decreases like 1 / i.

    Examples
    --------
    >>> window_length(CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]]))
    11
    """
    if not 0 < atol < 1:
        raise ShapeError(f"atol is {atol}, but a number between 0 and 1 is needed")
    of_kind("window", data, CovarianceModel, StochasticSSM, InnovationsSSM)
    found = phase(data)
    n = len(found.system.A)
    if found.on_boundary:
        raise StructureError(
            f"A - K C has {found.on_boundary} eigenvalues on the unit circle, radius 1 - {1 - found.rate:.1e}: "
            "windows converge like 1 / length; canonical_correlations needs none"
        )
    steps = np.log(atol) / (2 * np.log(found.rate)) if found.rate > 0 else 0.0
    return max(n, int(np.ceil(steps)))


def covariances_of(data: Any) -> CovarianceModel | ContinuousCovarianceModel:
    """Return data themselves, or those of a model."""
    of_kind("canonical correlations", data, *KINDS)
    if isinstance(data, ContinuousStochasticSSM):
        return continuous_covariance_model(data)
    return covariance_model(data) if isinstance(data, StochasticSSM | InnovationsSSM) else data


def window_covariance(Lambda: np.ndarray, steps: int) -> np.ndarray:
    """Covariance (steps p, steps p) of as many steps, none included, refusing what is beyond a minute."""
    if (size := steps * Lambda.shape[1]) > LONGEST:
        raise ShapeError(
            f"a window of {steps} steps is {size} numbers, need at most {LONGEST}; `window_length` says how many do, "
            "and `canonical_correlations` and `mutual_information` need none"
        )
    return block_toeplitz(Lambda[:steps]) if steps else np.zeros((0, 0))


def _joined(blocks: np.ndarray) -> np.ndarray:
    """(j, i, p, q) as one matrix (j p, i q)."""
    j, i, p, q = blocks.shape
    return blocks.swapaxes(1, 2).reshape(j * p, i * q)


def _whitening(T: np.ndarray) -> tuple[np.ndarray, float]:
    """W with W' T W = I on the range of T, and what rounding of T does to it: the condition of T, times its size."""
    found = positive_factor(T, what="the covariance of a window")
    kept = found.eigenvalues[: found.F.shape[1]]
    error = 10 * len(T) * EPS * float(kept[0] / kept[-1]) if len(kept) else 0.0
    return found.F / kept, error
