"""The Kalman filter on information: least squares, one observation after the other.

    p(x(t) | y(0) ... y(t-1)) = constant exp(-|R x(t) - z|^2 / 2),    R'R = inv(P(t|t-1)),   R'z = R'R x(t|t-1)

Nothing known is R = 0: the exact diffuse start is where this form begins.  With D = [F 0] W' the output is
y = C x + d + F w1, which adds rows to the least squares and leaves w2 to drive the state:

    Q [    R       z       ] = [Rf  zf],      x(t+1) = (A - B1 inv(F) C) x(t) + B2 w2(t) + ...,    [B1 B2] = B W
      [inv(F) C inv(F)(y-d)]   [0    e]

The prediction replaces (x(t), w2(t)) by x(t+1) and a complement, and eliminates the complement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.linalg.psd import covariance_factor
from realization.stochastic.filtering.affine import LOG_2PI, reached, upper
from realization.stochastic.filtering.observed import Step, in_range, observed
from realization.systems.base import quiet
from realization.systems.stochastic import InitialState


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InformationRun(Sealed):
    """A run of the filter in information: |R x - z|^2 at every step.

    Parameters
    ----------
    predicted_factor, predicted_vector : ndarray
        R (T+1, n, n) and z (T+1, n) of x(t) given y(0) ... y(t-1).
    filtered_factor, filtered_vector : ndarray
        R (T, n, n) and z (T, n) of x(t) given y(0) ... y(t).
    log_likelihoods : ndarray
        log p(y(t) | y(0) ... y(t-1)) (T,); while the state is not determined 0, and the sum of those
        steps, the diffuse log-likelihood, at the first y(t) that determines it.
    diffuse_steps : int
        Steps whose prediction has information of less than full rank; T+1 if it never has.
    """

    predicted_factor: np.ndarray
    predicted_vector: np.ndarray
    filtered_factor: np.ndarray
    filtered_vector: np.ndarray
    log_likelihoods: np.ndarray
    diffuse_steps: int

    @property
    def predicted_information(self) -> np.ndarray:
        """R'R = inv(P(t|t-1)), (T+1, n, n)."""
        return self.predicted_factor.swapaxes(-1, -2) @ self.predicted_factor

    @property
    def filtered_information(self) -> np.ndarray:
        """R'R = inv(P(t|t)), (T, n, n)."""
        return self.filtered_factor.swapaxes(-1, -2) @ self.filtered_factor

    @property
    def log_likelihood(self) -> float:
        """Sum over time, that of `square_root_filter`; 0 where the outputs never determine the state."""
        return float(self.log_likelihoods.sum())

    def predicted_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means (k, n) and covariances (k, n, n) of x(t|t-1), for the k steps from `diffuse_steps` on."""
        return _moments(self.predicted_factor[self.diffuse_steps :], self.predicted_vector[self.diffuse_steps :])

    def filtered_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means (k, n) and covariances (k, n, n) of x(t|t), for the k steps from max(`diffuse_steps` - 1, 0) on."""
        first = max(self.diffuse_steps - 1, 0)
        return _moments(self.filtered_factor[first:], self.filtered_vector[first:])


class Knowledge(NamedTuple):
    """exp(constant - |R x - z|^2 / 2), which integrates to the density of what was observed; R U = 0."""

    R: np.ndarray
    z: np.ndarray
    U: np.ndarray
    constant: float

    @property
    def log_evidence(self) -> float:
        """The log of the integral over x."""
        n = len(self.z)
        return self.constant + n / 2 * LOG_2PI - float(np.log(np.abs(np.diagonal(self.R))).sum())


@quiet
def information_filter(
    model: Any, y: Any, *, initial: Any = None, state_offset: Any = None, output_offset: Any = None
) -> InformationRun:
    """Filter y with square roots of inverse covariances.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or TimeVaryingStochasticSSM
        With D D' > 0; A may be singular where noise reaches what it forgets, (A, B) of full rank.
    y : array_like
        (T, p); NaN where nothing was observed.
    initial : InitialState, optional
        InitialState.unknown(n) is information 0.  Default: the stationary law.
    state_offset, output_offset : array_like, optional
        c (n,) or (T, n) and d (p,) or (T, p).  Default: 0.

    Returns
    -------
    InformationRun
        Information of every prediction and every filtered state; moments from where they exist.

    Raises
    ------
    ShapeError
        If a shape does not fit, or an entry other than a gap in y is not finite.
    StructureError
        If information is infinite: an output without noise of its own, a known direction of the start, or a
        direction of the next state without noise that A forgets; `square_root_filter` has no such bounds.

    References
    ----------
    Bierman 1977, Factorization Methods for Discrete Sequential Estimation; Kailath, Sayed and Hassibi 2000.

    Examples
    --------
    Of a level of which nothing is known two outputs know as much as one, if they say the same:

    >>> from realization.systems.stochastic import InitialState, StochasticSSM
    >>> level = StochasticSSM.from_noise(A=[[1]], C=[[1], [1]], Q=[[0.5]], R=[[1, 0], [0, 1]])
    >>> run = information_filter(level, [[2.0, 4.0]], initial=InitialState.unknown(1))
    >>> run.filtered_information.round(12).ravel(), run.filtered_moments()[0].ravel().round(12)
    (array([2.]), array([3.]))
    """
    given = observed(model, y, initial, state_offset, output_offset)
    beliefs, filtered = [known(given.initial)], []
    for t, step in enumerate(given.steps()):
        in_range(t, *beliefs[-1][:2])
        seen, ready = _update(beliefs[-1], step)
        filtered.append(seen)
        beliefs.append(_predict(seen, ready))
    n, T = len(given.initial.mean), len(given.y)
    in_range(T, *beliefs[-1][:2])
    undetermined = [x.U.shape[1] > 0 for x in beliefs]
    diffuse = undetermined.index(False) if False in undetermined else T + 1
    if lost := [t for t, x in enumerate(beliefs) if t >= diffuse and not np.diagonal(x.R).all()]:
        raise StructureError(f"information underflows before step {lost[0]}: the model grows unseen; take fewer steps")
    evidence = np.array([x.log_evidence if t >= diffuse else 0.0 for t, x in enumerate(beliefs)])
    return InformationRun(
        _array([x.R for x in beliefs], (T + 1, n, n)), _array([x.z for x in beliefs], (T + 1, n)),
        _array([x.R for x in filtered], (T, n, n)), _array([x.z for x in filtered], (T, n)),
        np.diff(evidence), diffuse,
    )  # fmt: skip


def known(initial: InitialState) -> Knowledge:
    """The start as least squares: what is orthogonal to the diffuse directions is known to a covariance.

    Raises
    ------
    StructureError
        If it is known without error.
    """
    n = len(initial.mean)
    U = covariance_factor(initial.diffuse)
    Q, T = np.linalg.qr(U, mode="complete") if U.size else (np.eye(n), np.zeros((0, 0)))
    r = U.shape[1]
    W = Q[:, r:]
    L = covariance_factor(W.T @ initial.covariance @ W)
    if L.shape[1] < n - r:
        raise StructureError(
            f"the covariance of the initial state has rank {L.shape[1]}, need {n - r}: a direction that is known "
            "without error has infinite information; use square_root_filter"
        )
    white = np.linalg.solve(L, W.T)
    N, _ = _triangular(white, white @ initial.mean, n)
    scale = np.log(np.abs(np.diagonal(T[:r]))).sum() + np.linalg.slogdet(L)[1]
    return Knowledge(N[:, :n], N[:, n], Q[:, :r], float(-n / 2 * LOG_2PI - scale))


def by_size(rows: np.ndarray) -> np.ndarray:
    """Rows by decreasing size: then a reflection keeps the digits of small ones (Cox and Higham 1998)."""
    return rows[np.argsort(-np.linalg.norm(rows, axis=1), kind="stable")]


def _triangular(rows: np.ndarray, z: np.ndarray, n: int) -> tuple[np.ndarray, float]:
    """[R z] (n, n+1), R upper triangular, of the least squares rows x = z; and half the square of the residual."""
    full = upper(by_size(np.column_stack([rows, z])))
    out = np.zeros((n, n + 1))
    out[: min(len(full), n)] = full[:n]
    rest = full[n:, n]
    return out, float(rest @ rest) / 2


def _update(x: Knowledge, step: Step) -> tuple[Knowledge, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Add the rows of y(t); return also the state equation once w1 is known: A - B1 inv(F) C, B2 and the offset."""
    A, B, C, D, c, d, y, seen = step
    n = len(A)
    C, D, y = C[seen], D[seen], (y - d)[seen]
    p, m = D.shape
    W, F = np.linalg.qr(D.T, mode="complete")
    F = F[:p].T
    size = np.linalg.norm(D, axis=1)
    if m < p or (np.abs(np.diagonal(F)) <= m * EPS * size).any():
        raise StructureError(
            f"D D' has rank below {p}, the number of outputs at one step: an output without noise of its own is "
            "infinite information; use square_root_filter"
        )
    white = np.linalg.solve(F, np.column_stack([C, y]))
    R, half = _triangular(np.vstack([x.R, white[:, :n]]), np.append(x.z, white[:, n]), n)
    constant = x.constant - half - p / 2 * LOG_2PI - float(np.log(np.abs(np.diagonal(F))).sum())
    B1, B2 = B @ W[:, :p], B @ W[:, p:]
    U = x.U
    if p and U.shape[1]:
        _, _, Wt, k = reached(white[:, :n] @ U, float(np.linalg.norm(white[:, :n])), "the output")
        U = U @ Wt[k:].T
    return Knowledge(R[:, :n], R[:, n], U, constant), (A - B1 @ white[:, :n], B2, c + B1 @ white[:, n])


def _predict(x: Knowledge, step: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Knowledge:
    """Replace (x(t), w2) by x(t+1) = [A B2] (x(t), w2) + c and a complement, and integrate the complement."""
    A, B, c = step
    n, q = B.shape
    Q, T = np.linalg.qr(np.hstack([A, B]).T, mode="complete")
    T = T[:n].T
    size = np.linalg.norm(np.hstack([A, B]), axis=1)
    worst = float((np.abs(np.diagonal(T)) / np.where(size > 0, size, 1.0)).min(initial=1.0))
    if worst <= (n + q) * EPS:
        raise StructureError(
            f"[A B] without what the outputs have used has a row {worst:.1e} away from the others, need > "
            f"{(n + q) * EPS:.1e}: the next state has a direction without noise, of infinite information; "
            "use square_root_filter"
        )
    rows = scipy.linalg.block_diag(x.R, np.eye(q)) @ Q
    both = upper(by_size(np.column_stack([rows[:, n:], rows[:, :n], np.append(x.z, np.zeros(q))])))
    gone = np.abs(np.diagonal(both))[:q]
    if (gone <= (n + q) * EPS * np.linalg.norm(rows[:, n:], axis=0)).any():
        raise StructureError(
            "A forgets a direction of the state of which nothing is known: the density of the outputs has no integral; "
            "give the initial state a covariance there, or use square_root_filter"
        )
    R = scipy.linalg.solve_triangular(T, both[q:, q:-1].T, lower=True, trans=1).T if n else both[q:, q:-1]
    logs = float(np.log(gone).sum() + np.log(np.abs(np.diagonal(T))).sum())
    z = both[q:, -1] + R @ c
    # R inv(T) is no triangle any more
    N, _ = _triangular(R, z, n)
    # orthonormal, so that its size says nothing about time
    return Knowledge(N[:, :n], N[:, n], np.linalg.qr(A @ x.U)[0], x.constant - logs)


def _array(parts: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(parts) if parts else np.zeros(shape)


def _moments(R: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x = inv(R) z and P = inv(R) inv(R)'."""
    V = np.linalg.solve(R, np.broadcast_to(np.eye(R.shape[-1]), R.shape))
    return np.einsum("tij,tj->ti", V, z), V @ V.swapaxes(-1, -2)
