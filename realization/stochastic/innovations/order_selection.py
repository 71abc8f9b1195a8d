"""How many states the data ask for, by the canonical correlations of past and future that are not noise.

    Bartlett   -(N - (q1+q2+1)/2) sum_{k>n} log(1 - s_k^2) ~ chi2((q1-n)(q2-n)) if n is the order
    SVC        s_{n+1}^2       + d(n) log N / N
    NIC        sum_{k>n} s_k^2 + d(n) log N / N

with d(n) = 2 n p, the number of parameters that n states take with p outputs, n m more with m inputs.
A correlation below about sqrt(2 p log N / N) is hidden from the last two whatever it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import numbers
from realization.stochastic.data import past_future
from realization.stochastic.innovations.information_criteria import OrderChoice, best_two, samples, smallest
from realization.stochastic.innovations.sample_correlations import sample_canonical_correlations
from realization.stochastic.innovations.significance import probability
from realization.systems.base import count


def bartlett(s: Any, N: int, q1: int, q2: int, *, level: float = 0.05) -> OrderChoice:
    """-(N - (q1+q2+1)/2) sum_{k>n} log(1 - s_k^2) ~ chi2((q1-n)(q2-n)): the first n that is not rejected.

    The law is that of N *independent* pairs of past and future.  Windows of a process that overlap are not:
    use `bartlett_of_process`, or windows apart by at least the shorter of the two lengths.

    Parameters
    ----------
    s : array_like
        (k,) canonical correlations, largest first.
    N : int
        Number of pairs.
    q1, q2 : int
        Number of variables on either side, k = min(q1, q2).
    level : float
        Probability at which the right order is rejected.

    Returns
    -------
    OrderChoice
        Decided if the p-values on either side of the level are away from it by a factor of 2, so that
        another level would give the same order; a correlation that the noise hides is not rejected all the same.

    Raises
    ------
    ShapeError
        If s is not a row of k numbers from 0 to 1.
    StructureError
        If N <= q1 + q2.

    References
    ----------
    Bartlett (1941), Biometrika 32, 29-37.

    Examples
    --------
    >>> print(bartlett([0.8, 0.5, 0.05], N=400, q1=3, q2=3))
    Bartlett: order 2, then 3 (margin 0.805)
    """
    s, (Q, degrees) = _correlations(s), _bartlett(s, N, q1, q2)
    return _first_accepted("Bartlett", s, Q, degrees, level)


def bartlett_of_process(y: Any, past: int, future: int, *, level: float = 0.05) -> OrderChoice:
    """Bartlett's tests for windows of a process, with the law that holds although they overlap.

        Q ~ a chi2(d),   a d = tr V,   a^2 d = tr V^2,   V = sum_k G_b(k) (x) G_a(k)

    a and b are the canonical variables beyond the n-th of past and future, G their autocovariances at lags
    below both lengths.  For independent windows V = I.  Otherwise tr V is still (q1-n)(q2-n), but tr V^2 is
    larger: the covariances of white noise at i + j lags stand in i j places of the matrix of past and future.
    Where the law is taken for chi2((q1-n)(q2-n)) all the same, the right order is rejected several times
    too often.

    Parameters
    ----------
    y : array_like
        (T, p), finite, of mean zero.
    past, future : int
        Lengths of the windows in steps.
    level : float
        Probability at which the right order is rejected.

    Returns
    -------
    OrderChoice
        Decided as in `bartlett`.

    Raises
    ------
    ShapeError
        If the shapes do not fit or an entry is NaN.
    StructureError
        If there are too few samples, or windows are linearly dependent.

    Notes
    -----
    The sum over lags is the covariance of sums of products of a and b, of which the second is orthogonal to
    all that comes before its window; matching two moments is Satterthwaite's approximation (1946).

    Examples
    --------
    >>> e = np.random.default_rng(0).standard_normal((2000, 1))
    >>> print(bartlett_of_process(e[1:] + 0.5 * e[:-1], past=4, future=4))
    Bartlett, overlapping windows: order 1, then 2 (margin 0.84)
    """
    found, windows = sample_canonical_correlations(y, past, future), past_future(y, past, future)
    a, b, N, s = found.J @ windows.past, found.M @ windows.future, found.steps, found.values
    Q, degrees = _bartlett(s, N, len(a), len(b))
    K = max(min(past, future), 1)
    Ga, Gb = (np.array([x[:, k:] @ x[:, : N - k].T / N for k in range(K)]) for x in (a, b))
    # lags -K+1 ... K-1, G(-k) = G(k)'
    Ga, Gb = (np.concatenate([G[:0:-1].swapaxes(1, 2), G]) for G in (Ga, Gb))
    scale, effective = np.ones(len(s)), degrees.copy()
    for n in range(len(s)):
        A, B = Ga[:, n:, n:], Gb[:, n:, n:]
        mean = (np.einsum("kii->k", A) * np.einsum("kii->k", B)).sum()
        spread = (np.einsum("kij,lji->kl", A, A) * np.einsum("kij,lji->kl", B, B)).sum()
        scale[n], effective[n] = spread / mean, mean**2 / spread
    return _first_accepted("Bartlett, overlapping windows", s, Q / scale, effective, level)


def svc(s: Any, N: int, p: int, *, inputs: int = 0) -> OrderChoice:
    """SVC(n) = s_{n+1}^2 + n (2 p + inputs) log N / N, the smallest.

    Parameters
    ----------
    s : array_like
        (k,) canonical correlations of past and future, largest first.
    N : int
        Number of samples.
    p : int
        Number of outputs.
    inputs : int
        Number of inputs, where the correlations are those given the inputs to come.

    Returns
    -------
    OrderChoice
        Among 0 ... k.  Decided if the margin is more than the standard deviation of the
        squared correlations in it, 2 s (1 - s^2) / sqrt(N) each.

    Raises
    ------
    ShapeError
        If s is not a row of numbers from 0 to 1, or N < 2.

    References
    ----------
    Peternell, Scherrer and Deistler (1996), Signal Processing 52, 161-177; Bauer (2001), Automatica 37, 1561-1573.

    Examples
    --------
    >>> print(svc([0.8, 0.5, 0.05], N=400, p=1))
    SVC: order 2, then 3 (margin 0.0275)
    """
    s = _correlations(s)
    return _smallest_with_noise("SVC", np.append(s**2, 0.0), s, N, 2 * count("p", p) + count("inputs", inputs))


def nic(s: Any, N: int, p: int, *, inputs: int = 0) -> OrderChoice:
    """NIC(n) = sum_{k>n} s_k^2 + n (2 p + inputs) log N / N, the smallest.

    Parameters
    ----------
    s : array_like
        (k,) canonical correlations of past and future, largest first.
    N : int
        Number of samples.
    p : int
        Number of outputs.
    inputs : int
        Number of inputs, where the correlations are those given the inputs to come.

    Returns
    -------
    OrderChoice
        Among 0 ... k: the number of s_k^2 above the price (2 p + inputs) log N / N of a state, never fewer than `svc`
        takes, which wants the next one below by as much.  Decided as in `svc`.

    Raises
    ------
    ShapeError
        If s is not a row of numbers from 0 to 1, or N < 2.

    References
    ----------
    Bauer (2001), Automatica 37, 1561-1573.

    Examples
    --------
    >>> print(nic([0.8, 0.5, 0.05], N=400, p=1))
    NIC: order 2, then 3 (margin 0.0275)
    """
    s = _correlations(s)
    left = np.append(np.cumsum(s[::-1] ** 2)[::-1], 0.0)
    return _smallest_with_noise("NIC", left, s, N, 2 * count("p", p) + count("inputs", inputs))


def _bartlett(s: np.ndarray, N: int, q1: int, q2: int) -> tuple[np.ndarray, np.ndarray]:
    """Statistic and degrees for n = 0 ... k-1."""
    s = _correlations(s)
    N, q1, q2 = count("N", N), count("q1", q1), count("q2", q2)
    if len(s) != min(q1, q2):
        raise ShapeError(f"{len(s)} correlations of {q1} and {q2} variables; {min(q1, q2)} are needed")
    if q1 + q2 >= N:
        raise StructureError(f"{N} samples of {q1} + {q2} variables, need at least {q1 + q2 + 1}; take shorter windows")
    n = np.arange(len(s))
    lost = -np.log1p(-(np.minimum(s, 1 - 1e-16) ** 2))
    return (N - (q1 + q2 + 1) / 2) * np.cumsum(lost[::-1])[::-1], ((q1 - n) * (q2 - n)).astype(float)


def _first_accepted(name: str, s: np.ndarray, Q: np.ndarray, degrees: np.ndarray, level: float) -> OrderChoice:
    """The first n with p(n) > level, k where there is none; the next best is where the nearer p-value would lead."""
    from scipy.special import chdtrc

    level = probability(level)
    # with all k correlations kept nothing is left to reject
    p = np.append(chdtrc(degrees, Q), 1.0)
    order = int(np.argmax(p > level))
    with np.errstate(divide="ignore"):
        away = np.abs(np.log10(p / level))
    above = away[order] if order < len(s) else np.inf
    below = away[:order].min(initial=np.inf)
    if above <= below:
        runner_up = None if order == len(s) else order + 1 + int(np.argmax(p[order + 1 :] > p[order]))
    else:
        runner_up = int(np.argmin(away[:order]))
    margin = float(min(above, below))
    return OrderChoice(name, order, p, runner_up, margin, bool(margin >= np.log10(2)), tested=True)


def _smallest_with_noise(name: str, left: np.ndarray, s: np.ndarray, N: int, price: int) -> OrderChoice:
    """left(n) + n price log N / N, decided against the deviation of the squares between the best two."""
    N = samples(N)
    values = left + price * np.arange(len(left)) * np.log(N) / N
    first, second = best_two(values)
    between = s[min(first, second) : max(first, second) + 1] if second is not None else s[:0]
    # s^2 varies by 2 s (1 - s^2) / sqrt(N), and where s = 0 by the mean of its square, 1/N
    noise = float(np.sqrt(((2 * between * (1 - between**2)) ** 2 / N + 1 / N**2).sum()))
    return smallest(name, values, noise)


def _correlations(s: Any) -> np.ndarray:
    s = numbers("s", s)
    if s.ndim != 1 or s.dtype.kind == "c" or s.min(initial=0.0) < 0 or s.max(initial=0.0) > 1:
        some = f" with entries from {s.min()} to {s.max()}" if s.size else ""
        raise ShapeError(f"s has shape {s.shape}{some}; a row of numbers in [0, 1] is needed")
    if (np.diff(s) > 0).any():
        raise ShapeError("s increases; correlations are needed largest first")
    return s
