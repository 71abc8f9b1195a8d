"""The Kalman filter on factors of its covariances: what is squared is never formed.

    [C L  D]       [F   0   0]
    [L    0] Q  =  [H   Lf  0],      P(t|t-1) = L L',   P(t|t) = Lf Lf',   F F' = innovation covariance
    [A L  B]       [G   *   *]

with Q orthogonal: the gain of the filter is H inv(F), that of the predictor G inv(F), and the rows of (*) are a
factor of P(t+1|t).  Noise shared by state and output needs no term of its own.  The factors stay
positive whatever is rounded, and hold variances over the squares of the range of a float's digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.frozen import Sealed
from realization.stochastic.filtering.affine import Affine, Conditioned, affine, condition, remaining, triangle
from realization.stochastic.filtering.observed import Observed, Step, in_range, observed
from realization.systems.base import quiet


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SquareRootRun(Sealed):
    """A run of the filter in factors: P(t|t-1) = L L' + k U U', k without bound.

    Parameters
    ----------
    predicted, predicted_factor, predicted_diffuse : ndarray
        x(t|t-1) (T+1, n), its factor L (T+1, n, n), lower triangular, and the directions U of which
        nothing is known (T+1, n, r), 0 once they are settled.
    filtered, filtered_factor, filtered_diffuse : ndarray
        x(t|t) (T, n), (T, n, n), (T, n, r).
    innovations : ndarray
        y(t) - C x(t|t-1) - d (T, p); NaN where nothing was observed.
    innovation_factor : ndarray
        F (T, p, p), lower triangular; of all outputs, observed or not.
    filter_gain, predictor_gain : ndarray
        (T, n, p): x(t|t) = x(t|t-1) + filter_gain e and x(t+1|t) = A x(t|t-1) + c + predictor_gain e.
    log_likelihoods : ndarray
        log p(y(t) | y(0) ... y(t-1)) (T,).
    diffuse_steps : int
        Steps until all of the state was known; T where some never was.
    """

    predicted: np.ndarray
    predicted_factor: np.ndarray
    predicted_diffuse: np.ndarray
    filtered: np.ndarray
    filtered_factor: np.ndarray
    filtered_diffuse: np.ndarray
    innovations: np.ndarray
    innovation_factor: np.ndarray
    filter_gain: np.ndarray
    predictor_gain: np.ndarray
    log_likelihoods: np.ndarray
    diffuse_steps: int

    @property
    def predicted_covariance(self) -> np.ndarray:
        """L L' (T+1, n, n), what is not diffuse of P(t|t-1)."""
        return self.predicted_factor @ self.predicted_factor.swapaxes(-1, -2)

    @property
    def filtered_covariance(self) -> np.ndarray:
        """Lf Lf' (T, n, n), what is not diffuse of P(t|t)."""
        return self.filtered_factor @ self.filtered_factor.swapaxes(-1, -2)

    @property
    def innovation_covariance(self) -> np.ndarray:
        """F F' (T, p, p)."""
        return self.innovation_factor @ self.innovation_factor.swapaxes(-1, -2)

    @property
    def log_likelihood(self) -> float:
        """Sum over time; with an unknown start the diffuse one, log 2 pi counted for every output that was observed."""
        return float(self.log_likelihoods.sum())


@quiet
def square_root_filter(
    model: Any, y: Any, *, initial: Any = None, state_offset: Any = None, output_offset: Any = None
) -> SquareRootRun:
    """Filter y with triangular factors of all covariances.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or TimeVaryingStochasticSSM
        Noise of state and output may be the same.
    y : array_like
        (T, p); NaN where nothing was observed.
    initial : InitialState, optional
        Diffuse directions are exact: no large number stands for infinity.  Default: the stationary law.
    state_offset, output_offset : array_like, optional
        c (n,) or (T, n) and d (p,) or (T, p).  Default: 0.

    Returns
    -------
    SquareRootRun
        Means, factors of covariances, gains, innovations, log-likelihood.

    Raises
    ------
    ShapeError
        If a shape does not fit, or an entry other than a gap in y is not finite.
    StructureError
        If the covariance of the innovations is singular in double precision of its *factor*, if it is undecided how
        many unknown directions an output reaches, if the state leaves the range of float64, or if the model has no
        stationary start and none is given.

    References
    ----------
    Kailath, Sayed and Hassibi 2000, Linear Estimation (array algorithms); Anderson and Moore 1979, Optimal Filtering.

    Examples
    --------
    A level known to one part in 1e12 of its drift: its variance is positive, and right.

    >>> from realization.systems.stochastic import InitialState, StochasticSSM
    >>> level = StochasticSSM(A=[[1]], B=[[1, 0]], C=[[1]], D=[[0, 1e-12]])
    >>> run = square_root_filter(level, [[1.0], [2.0]], initial=InitialState.unknown(1))
    >>> float(run.filtered_factor[1, 0, 0]), run.filtered.ravel()
    (1e-12, array([1., 2.]))
    """
    given = observed(model, y, initial, state_offset, output_offset)
    x = affine(given.initial.mean, given.initial.covariance, given.initial.diffuse)
    T, n, r = len(given.y), len(x.mean), x.U.shape[1]
    beliefs, filtered, found = [x], [], []
    for t, step in enumerate(given.steps()):
        in_range(t, *beliefs[-1])
        after = filter_step(beliefs[-1], step)
        found.append(after)
        filtered.append(part(after.z, slice(0, n)))
        x = part(after.z, slice(n, 2 * n))
        scale = np.linalg.norm(step.A) * np.linalg.norm(after.z.U[:n])
        beliefs.append(x._replace(U=remaining(x.U, float(scale))))
    in_range(T, *beliefs[-1])
    means, factors, unknown = _stacked(beliefs, n, r)
    gains = _gains(found, given.seen, n)
    innovations = np.where(given.seen, given.y - given.d - np.einsum("tpn,tn->tp", given.C, means[:T]), np.nan)
    return SquareRootRun(
        means, factors, unknown, *_stacked(filtered, n, r), innovations, _innovation_factor(given, factors),
        gains[:, :n], gains[:, n:], np.array([after.log_density for after in found]), _diffuse(unknown),
    )  # fmt: skip


def filter_step(x: Affine, step: Step) -> Conditioned:
    """Condition (x(t), x(t+1)) on y(t), x(t) being given y(0) ... y(t-1)."""
    A, B, C, D, c, d, y, seen = step
    both = Affine(np.append(x.mean, A @ x.mean + c), _noise(x.N, A, B), np.vstack([x.U, A @ x.U]))
    output = Affine(C @ x.mean + d, np.hstack([C @ x.N, D]), C @ x.U)
    scale = float(np.linalg.norm(C[seen]) * np.linalg.norm(x.U))
    return condition(both, Affine(*(X[seen] for X in output)), y[seen], scale=scale or None)


def _noise(L: np.ndarray, A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """[L 0; A L B]."""
    return np.block([[L, np.zeros_like(B)], [A @ L, B]])


def part(z: Affine, rows: slice) -> Affine:
    """Some entries of z, with a triangular factor."""
    return Affine(z.mean[rows], triangle(z.N[rows]), z.U[rows])


def _stacked(beliefs: list[Affine], n: int, r: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, factors and unknown directions in arrays, filled up with columns of zeros."""
    T = len(beliefs)
    means, factors, unknown = np.zeros((T, n)), np.zeros((T, n, n)), np.zeros((T, n, r))
    for t, x in enumerate(beliefs):
        means[t], factors[t, :, : x.N.shape[1]], unknown[t, :, : x.U.shape[1]] = x
    return means, factors, unknown


def _gains(found: list[Conditioned], seen: np.ndarray, n: int) -> np.ndarray:
    gains = np.zeros((len(found), 2 * n, seen.shape[1]))
    for gain, after, s in zip(gains, found, seen, strict=True):
        gain[:, s] = after.gain
    return gains


def _innovation_factor(given: Observed, factors: np.ndarray) -> np.ndarray:
    pairs = zip(given.C @ factors[: len(given.y)], given.D, strict=True)
    found = np.zeros((*given.y.shape, given.y.shape[1]))
    for F, (CL, D) in zip(found, pairs, strict=True):
        N = triangle(np.hstack([CL, D]))
        F[:, : N.shape[1]] = N
    return found


def _diffuse(unknown: np.ndarray) -> int:
    """The first step that starts without unknown directions, or the number of steps."""
    left = unknown[:-1].any(axis=(1, 2))
    return int(np.argmin(np.append(left, False)))
