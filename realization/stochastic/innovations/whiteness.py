"""Innovations of the right model are white: three tests of colour.

    Ljung-Box     Q = N (N+2) sum_k r_k^2 / (N - k)                          ~ chi2(lags), each output
    Hosking       Q = N^2 sum_k tr(G_k' inv(G_0) G_k inv(G_0)) / (N - k)     ~ chi2(p^2 lags)
    Bartlett      the cumulative periodogram departs from a straight line as empirical from true uniforms do

NaN is what is missing.  All three subtract the mean: whether that drifts is asked by `cusum`, and whether the
variance is the claimed one by `nis`.  The law of the third is exact for Gaussian innovations, the
others hold for many samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.linalg.decision import EPS
from realization.stochastic.innovations.normalized import innovations
from realization.stochastic.innovations.significance import HypothesisTest, probability
from realization.systems.base import count


def ljung_box(e: Any, lags: int, *, fitted: int = 0, level: float = 0.05) -> HypothesisTest:
    """Q = N (N+2) sum_{k=1}^{lags} r_k^2 / (N - k) ~ chi2(lags - fitted), for each output.

    r_k are the autocorrelations after the mean is subtracted.  Where values are missing, N - k is
    the number of pairs that are there.

    Parameters
    ----------
    e : array_like
        (T, p); NaN where an entry is missing.
    lags : int
        Fewer than T.
    fitted : int
        Parameters that were estimated from the same data.
    level : float
        Probability at which white noise is rejected.

    Returns
    -------
    HypothesisTest
        p statistics.

    Raises
    ------
    ShapeError
        If e has another shape or an infinite entry, or lags is not in fitted+1 ... T-1.
    StructureError
        If an output is constant, or no pair at one of the lags is complete.

    References
    ----------
    Ljung and Box (1978), Biometrika 65, 297-303.

    Examples
    --------
    Noise is white, its running sum is not:

    >>> e = np.random.default_rng(0).standard_normal((400, 1))
    >>> print(ljung_box(e, 10))
    Ljung-Box, 10 lags: 8.201 on 10, p = 0.609
    >>> ljung_box(np.cumsum(e, axis=0), 10).rejected
    True
    """
    from scipy.special import chdtrc

    e = innovations(e)
    h = _lags(lags, len(e), fitted)
    seen = ~np.isnan(e)
    N, x = seen.sum(axis=0), _centred(e)
    C, pairs = _products(x, h), _products(seen.astype(float), h)
    if (pairs == 0).any():
        raise StructureError(
            f"no two values {np.argwhere(pairs == 0)[0][0] + 1} steps apart are there; take fewer lags"
        )
    variance = (x**2).sum(axis=0) / N
    Q = (N + 2) / N * ((C / variance) ** 2 / pairs).sum(axis=0)
    degrees = np.full(Q.shape, float(h - fitted))
    return HypothesisTest(f"Ljung-Box, {h} lags", Q, degrees, chdtrc(degrees, Q), probability(level))


def hosking(e: Any, lags: int, *, fitted: int = 0, level: float = 0.05) -> HypothesisTest:
    """Q = N^2 sum_{k=1}^{lags} tr(G_k' inv(G_0) G_k inv(G_0)) / (N - k) ~ chi2(p^2 lags - fitted).

    G_k are the sample autocovariances.  With w = inv(L) e, G_0 = L L', and its sums of products C_k this
    is sum |C_k|^2 / (N - k): it sees what one output has of the past of another, which `ljung_box` does not.
    It is the same for M e, M invertible, and w is an orthonormal basis of the outputs, so that no covariance is formed.

    Parameters
    ----------
    e : array_like
        (T, p); a step of which an entry is NaN counts as missing.
    lags : int
        Fewer than T.
    fitted : int
        Parameters that were estimated from the same data, 2 n p for an innovations model of order n.
    level : float
        Probability at which white noise is rejected.

    Returns
    -------
    HypothesisTest
        One statistic.

    Raises
    ------
    ShapeError
        If e has another shape or an infinite entry, lags is not in 1 ... T-1, or as many parameters are
        fitted as there are degrees.
    StructureError
        If outputs are linearly dependent, or no pair at one of the lags is complete.

    References
    ----------
    Hosking (1980), Journal of the American Statistical Association 75, 602-608.

    Examples
    --------
    Two outputs of the same noise, the second one later: each is white, the pair is not.

    >>> e = np.random.default_rng(0).standard_normal((401, 1))
    >>> pair = np.concatenate([e[1:], e[:-1]], axis=1)
    >>> ljung_box(pair, 5).rejected, hosking(pair, 5).rejected
    (False, True)
    """
    from scipy.special import chdtrc

    e = innovations(e)
    T, p = e.shape
    h = _lags(lags, T, fitted, p * p)
    seen = ~np.isnan(e).any(axis=1)
    x = _centred(np.where(seen[:, None], e, np.nan))
    pairs = np.array([(seen[k:] & seen[:-k]).sum() for k in range(1, h + 1)])
    if (pairs == 0).any():
        raise StructureError(f"no two complete steps are {np.argmin(pairs) + 1} apart; take fewer lags, or one output")
    w = np.sqrt(seen.sum()) * _basis(x)
    C = np.array([w[k:].T @ w[:-k] for k in range(1, h + 1)])
    Q = np.array([((C**2).sum(axis=(1, 2)) / pairs).sum()])
    degrees = np.array([float(p * p * h - fitted)])
    return HypothesisTest(f"Hosking, {h} lags", Q, degrees, chdtrc(degrees, Q), probability(level))


def cumulative_periodogram(e: Any, *, level: float = 0.05) -> HypothesisTest:
    """D = max |U_j - F_j|,  U_j = (I_1 + ... + I_j) / (I_1 + ... + I_q): a straight line for white noise.

    I_j is the periodogram at the q = (N-1)//2 frequencies between 0 and the highest one.  For Gaussian white
    noise U_1, ..., U_{q-1} are distributed exactly as q - 1 sorted uniforms (Durbin), so D has the law of
    Kolmogorov and Smirnov.  What is missing is left out: the rest is white all the same.

    Parameters
    ----------
    e : array_like
        (T, p); NaN where an entry is missing.
    level : float
        Probability at which white noise is rejected.

    Returns
    -------
    HypothesisTest
        p statistics.

    Raises
    ------
    ShapeError
        If e has another shape or an infinite entry.
    StructureError
        If an output is constant, alternates between two values or has fewer than 5 values.

    References
    ----------
    Bartlett (1955), An Introduction to Stochastic Processes; Durbin (1969), Biometrika 56, 1-15.

    Examples
    --------
    >>> e = np.random.default_rng(0).standard_normal((400, 1))
    >>> cumulative_periodogram(e).rejected, cumulative_periodogram(e[1:] + e[:-1]).rejected
    (False, True)
    """
    from scipy.stats import kstwo

    paths = cumulative_power(e)
    D = np.array([_distance(U[:-1]) for U in paths])
    n = np.array([float(len(U) - 1) for U in paths])
    return HypothesisTest("cumulative periodogram", D, n, kstwo.sf(D, n), probability(level))


def cumulative_power(e: Any) -> list[np.ndarray]:
    """U_j = (I_1 + ... + I_j) / (I_1 + ... + I_q) of each output, I_j = |sum_t e(t) exp(-2 pi i j t / N)|^2.

    Parameters
    ----------
    e : array_like
        (T, p); NaN where an entry is missing.

    Returns
    -------
    list of ndarray
        For each output (q,), q = (N-1)//2 of the N values that are there; the last is 1.

    Raises
    ------
    ShapeError
        If e has another shape or an infinite entry.
    StructureError
        If an output is constant, alternates between two values or has fewer than 5 values.

    Examples
    --------
    >>> cumulative_power(np.cos(np.pi * np.arange(8) / 2)[:, None])[0].round(12)
    array([0., 1., 1.])
    """
    e = innovations(e)
    N = (~np.isnan(e)).sum(axis=0)
    if (N < 5).any():
        raise StructureError(f"output {np.argmin(N) + 1} has {N.min()} values, need at least 5 for two frequencies")
    x = [column[seen] for column, seen in zip(_centred(e).T, ~np.isnan(e).T, strict=True)]
    powers = [np.abs(np.fft.rfft(each)[1 : (len(each) - 1) // 2 + 1]) ** 2 for each in x]
    for k, (power, each) in enumerate(zip(powers, x, strict=True)):
        # each has N entries of size 1 at most, and so an error of eps N in each ordinate, before it is squared
        if power.max() <= (len(each) * EPS) ** 2:
            raise StructureError(
                f"output {k + 1} has power {power.max():.1e} between frequency 0 and the highest, "
                f"need > {(len(each) * EPS) ** 2:.1e}: it alternates between two values"
            )
    return [np.cumsum(power) / power.sum() for power in powers]


def autocorrelations(e: Any, lags: int) -> np.ndarray:
    """r_k[i, j] = sum_t x_i(t+k) x_j(t) / sqrt(n_i n_j), over the pairs that are there; n_i = sum x_i^2.

    Parameters
    ----------
    e : array_like
        (T, p); NaN where an entry is missing; x is e less its mean.
    lags : int
        Largest k.

    Returns
    -------
    ndarray
        (lags + 1, p, p).  For white noise entries of k > 0 have standard deviation 1/sqrt(T).

    Raises
    ------
    ShapeError
        If e has another shape or an infinite entry, or lags is not in 1 ... T-1.
    StructureError
        If an output is constant.

    Examples
    --------
    >>> autocorrelations([[1.0], [-1.0], [1.0], [-1.0]], 2).ravel()
    array([ 1.  , -0.75,  0.5 ])
    """
    e = innovations(e)
    x = _centred(e)
    x = x / np.linalg.norm(x, axis=0)
    return np.array([x[k:].T @ x[: len(x) - k] for k in range(_lags(lags, len(x), 0) + 1)])


def _lags(lags: Any, T: int, fitted: Any, each: int = 1) -> int:
    h, taken = count("lags", lags), count("fitted", fitted)
    if not 0 < h < T:
        raise ShapeError(f"{h} lags of {T} samples; at least 1 and fewer than the samples are needed")
    if taken >= max(each, 1) * h:
        raise ShapeError(f"{taken} parameters fitted, {each * h} degrees of freedom in {h} lags; take more lags")
    return h


def _centred(e: np.ndarray) -> np.ndarray:
    """e less the mean of what is there, over its largest entry, 0 where it is missing; refused where it is constant."""
    seen = ~np.isnan(e)
    N = seen.sum(axis=0)
    if (N == 0).any():
        raise StructureError(f"output {np.argmin(N) + 1} has no value that is there; at least one is needed")
    x = np.where(seen, e, 0.0)
    x = np.where(seen, x - x.sum(axis=0) / N, 0.0)
    size = np.abs(np.where(seen, e, 0.0)).max(axis=0, initial=0.0)
    # of a constant the subtraction leaves the rounding of its mean
    flat = np.abs(x).max(axis=0, initial=0.0) <= N * EPS * size
    if flat.any():
        k = int(np.argmax(flat))
        raise StructureError(
            f"output {k + 1} varies by {np.abs(x[:, k]).max(initial=0):.1e} about its mean, "
            f"need > {N[k] * EPS * size[k]:.1e}: a constant has no colour"
        )
    return x / np.abs(x).max(axis=0, initial=0.0)  # colour has no units, and squares of 1e200 no place in float64


def _basis(x: np.ndarray) -> np.ndarray:
    """Q with x = Q R, Q' Q = I; columns that are linearly dependent are refused."""
    Q, R = np.linalg.qr(x / np.linalg.norm(x, axis=0))
    size = np.linalg.svd(R, compute_uv=False)
    if len(size) and size[-1] <= (error := len(x) * EPS * size[0]):  # of R, in norm
        raise StructureError(
            f"outputs are linearly dependent: singular values from {size[0]:.1e} down to {size[-1]:.1e}, "
            f"need > {error:.1e}; drop one"
        )
    return Q


def _products(x: np.ndarray, lags: int) -> np.ndarray:
    """sum_t x(t+k) x(t) for k = 1 ... lags, (lags, p)."""
    return np.array([(x[k:] * x[:-k]).sum(axis=0) for k in range(1, lags + 1)])


def _distance(u: np.ndarray) -> float:
    """The largest distance of an empirical distribution from the uniform one, u sorted."""
    n = len(u)
    above, below = np.arange(1, n + 1) / n - u, u - np.arange(n) / n
    return float(max(above.max(), below.max()))
