"""Smoothing: the states given all outputs, the later ones included.

    x(t|T) = x(t|t-1) + P(t) r(t-1),    V(t) = P(t) - P(t) N(t-1) P(t)

    r(t-1) = C' inv(F) v + (A - K C)' r(t),    N(t-1) = C' inv(F) C + (A - K C)' N(t) (A - K C)

r and N are what the outputs from t on say of x(t).  This is the Rauch-Tung-Striebel smoother without its
inverse of P(t+1), which may be singular.  While some of the state is unknown P(t) is infinite, and the smoother runs in
coordinates c = (e, d) in which everything is finite,

    x(t) = x(t|t-1) + L e + U d,    e ~ N(0, I),    d unknown,

on the model reversed in time: an orthogonal matrix takes what y(t) has left of (e(t), w(t)) to e(t+1) and to a noise
that no later output sees, so that (c(t), w(t)) = gain v(t) + J c(t+1) + noise, and A is not inverted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed, describe
from realization.linalg.psd import covariance_factor
from realization.stochastic.filtering.backward_steps import Backward, last, turned_around
from realization.stochastic.filtering.kalman import KalmanRun
from realization.systems.base import of_kind
from realization.systems.stochastic import InnovationsSSM, StochasticSSM, TimeVaryingStochasticSSM


class Coordinates(NamedTuple):
    """c(t) given all outputs: means (S, k), covariance (k, k)."""

    means: np.ndarray
    covariance: np.ndarray


class Group(NamedTuple):
    """Sequences that lack the same outputs: x, r (S, T+1, n), filtered (S, T, n), v (S, T, p), 0 where missing.

    For all of them: P, V, N (T+1, n, n), K (T, n, p), F (T, p, p), seen (T, p), W the diffuse factor at the start.
    """

    x: np.ndarray
    r: np.ndarray
    predicted: np.ndarray
    filtered: np.ndarray
    v: np.ndarray
    V: np.ndarray
    N: np.ndarray
    P: np.ndarray
    K: np.ndarray
    F: np.ndarray
    seen: np.ndarray
    diffuse: np.ndarray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SmootherRun(Sealed):
    """States and noise given all outputs.

    Covariances have the batch axes of the sequences, [*b], only where these lack different outputs.

    Parameters
    ----------
    means : ndarray
        E[x(t) | y], t = 0 ... T, (*b, T+1, n).
    covariances : ndarray
        V(t), ([*b], T+1, n, n).
    scores : ndarray
        r(t-1) at t, (*b, T+1, n): the derivative of the log-likelihood of the outputs from t on in x(t|t-1);
        0 while the start is diffuse.
    information : ndarray
        N(t-1) at t, the covariance of r, ([*b], T+1, n, n); 0 while the start is diffuse.
    model : StochasticSSM or TimeVaryingStochasticSSM
        With noise of unit covariance.
    run : KalmanRun
        The filter's.
    backward : tuple
        The steps of the reversed model while the start is diffuse, for each group of sequences.
    """

    means: np.ndarray
    covariances: np.ndarray
    scores: np.ndarray
    information: np.ndarray
    model: Any
    run: Any
    backward: tuple[tuple[Backward, ...], ...]

    def __repr__(self) -> str:
        *batch, T, n = self.means.shape
        return describe("SmootherRun", {"n": n, "T": T - 1}, batch)

    def cross_covariances(self) -> np.ndarray:
        """Return Cov(x(t+1), x(t) | y) = (I - P(t+1) N(t)) (A - K C) P(t), while diffuse from the reversed model.

        Returns
        -------
        ndarray
            ([*b], T, n, n), t = 0 ... T-1.
        """
        P, N, n = self.run.predicted_covariance, self.information, self.means.shape[-1]
        L = self.model.A - self.run.predictor_gain @ self.model.C
        found = (np.eye(n) - P[..., 1:, :, :] @ N[..., 1:, :, :]) @ L @ P[..., :-1, :, :]
        for place, group, steps in zip(flat(found, 3), self._groups(), self.backward, strict=True):
            for t, (_, _, cross) in zip(reversed(range(len(steps) - 1)), _unrolled(group, steps), strict=True):
                place[t] = cross
        return found

    def disturbances(self) -> tuple[np.ndarray, np.ndarray]:
        """Return E[w(t) | y] = D' inv(F) v + (B - K D)' r(t) and its covariance, t = 0 ... T-1.

        Returns
        -------
        means : ndarray
            (*b, T, m).
        covariances : ndarray
            I - D' inv(F) D - (B - K D)' N(t) (B - K D), ([*b], T, m, m).
        """
        found = [_noise(self.model, *each) for each in zip(self._groups(), self.backward, strict=True)]
        T, m = self.means.shape[-2] - 1, self.model.B.shape[-1]
        means = np.concatenate([mean for mean, _ in found]) if found else np.zeros((0, T, m))
        covariances = np.stack([covariance for _, covariance in found]) if found else np.zeros((0, T, m, m))
        return means.reshape(*self.means.shape[:-2], T, m), covariances.reshape(*self.covariances.shape[:-3], T, m, m)

    def _groups(self) -> list[Group]:
        return grouped(self.run, self.means, self.scores, self.covariances, self.information)


def rts_smoother(model: Any, run: Any) -> SmootherRun:
    """x(t|T) = x(t|t-1) + P(t) r(t-1): smooth what `kalman_filter` has filtered.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or TimeVaryingStochasticSSM
        That of the run.
    run : KalmanRun
        With store="all".

    Returns
    -------
    SmootherRun
        Means and covariances of the states; those of the noise and of successive states on request.

    Raises
    ------
    ShapeError
        If the run has not stored all, or does not fit the model.
    StructureError
        If the outputs leave a direction of the initial state unknown.

    Notes
    -----
    V = P - P N P loses the digits of |P| / |V|; `square_root_smoother` adds where this subtracts.

    References
    ----------
    Rauch, Tung and Striebel 1965; de Jong 1989; Koopman 1993 (noise); Lindquist and Picci 1979 (reversal).

    Examples
    --------
    A level between two readings without error is their mean, of variance 1/2, as for a bridge:

    >>> from realization.stochastic.filtering.kalman import kalman_filter
    >>> from realization.systems.stochastic import InitialState
    >>> walk = StochasticSSM(A=[[1]], B=[[1, 0]], C=[[1]], D=[[0, 1e-6]])
    >>> run = kalman_filter(walk, [[0], [np.nan], [2]], initial=InitialState.unknown(1))
    >>> smooth = rts_smoother(walk, run)
    >>> smooth.means[:3].ravel().round(6), smooth.covariances[1].round(6)
    (array([0., 1., 2.]), array([[0.5]]))
    """
    from realization._kernels.smoother import smooth

    model = white(model)
    _complete(model, run)
    means, V = run.predicted.copy(), run.predicted_covariance.copy()
    r, N = np.zeros_like(means), np.zeros_like(V)
    A, C = (X if X.ndim == 3 else X[None] for X in (model.A, model.C))
    backward = []
    for group in grouped(run, means, r, V, N):
        smooth(group.r, group.N, group.x, group.V, A, C, group.K, group.F, group.v, group.seen, run.diffuse_steps)
        backward.append(_reversed(model, group, run.diffuse_steps))
        _back(group, backward[-1])
    return SmootherRun(means, V, r, N, model, run, tuple(backward))


def white(model: Any) -> Any:
    """Return the model with noise of unit covariance."""
    of_kind("smoother", model, StochasticSSM, InnovationsSSM, TimeVaryingStochasticSSM)
    return model.as_stochastic() if isinstance(model, InnovationsSSM) else model


def flat(X: np.ndarray, core: int) -> np.ndarray:
    """X with one batch axis before the last `core` ones, as a view of an array that is contiguous."""
    lead = X.ndim - core
    return X.reshape(math.prod(X.shape[:lead]), *X.shape[lead:])


def grouped(run: Any, x: np.ndarray, r: np.ndarray, V: np.ndarray, N: np.ndarray) -> list[Group]:
    """Sequences that share their covariances, together; views of all that is given, so that it can be filled in."""
    shared = run.predictor_gain.ndim == 3
    v = flat(run.innovations, 2)
    seen = ~np.isnan(v)
    vectors: list[Any] = [flat(X, 2) for X in (x, r, run.predicted, run.filtered)] + [np.where(seen, v, 0.0)]
    matrices: list[Any] = [
        flat(X, 3) for X in (V, N, run.predicted_covariance, run.predictor_gain, run.innovation_covariance)
    ]
    W = flat(run.diffuse_covariance, 3)
    if shared:
        gaps = seen[0] if len(seen) else np.ones(seen.shape[1:], dtype=bool)
        parts = [[*vectors, *(X[0] for X in matrices), gaps, W[0]]]
    else:
        parts = [[*(X[i : i + 1] for X in vectors), *(X[i] for X in matrices), seen[i], W[i]] for i in range(len(seen))]
    return [Group._make(each) for each in parts]


def _complete(model: Any, run: Any) -> None:
    """Refuse a run that has not all that is needed, or belongs to another model."""
    of_kind("smoother", run, KalmanRun)
    if run.store != "all":
        raise ShapeError(f"the run has stored {run.store!r}; kalman_filter(..., store='all') is needed")
    sizes = run.predicted.shape[-1], run.innovations.shape[-1]
    T = run.innovations.shape[-2]
    if sizes != (model.A.shape[-1], model.C.shape[-2]) or (model.A.ndim == 3 and len(model.A) != T):
        raise ShapeError(
            f"the run has n={sizes[0]}, p={sizes[1]} and T={T}, but the model is {model!r}; use that of the run"
        )
    if run.state.diffuse.shape[-1]:
        raise StructureError(
            f"after {T} steps {run.state.diffuse.shape[-1]} directions of the state are unknown: they have no smoothed "
            "covariance; give the initial state one, or more outputs"
        )


def _reversed(model: Any, group: Group, steps: int) -> tuple[Backward, ...]:
    """The law of (c(t), w(t)) given c(t+1) and the outputs up to t, while the start is diffuse; and c where it ends."""
    if not steps:
        return ()
    L, U, found = covariance_factor(group.P[0]), covariance_factor(group.diffuse[0]), []
    for t in range(steps):
        A, B, C, D = (X[t] if X.ndim == 3 else X for X in (model.A, model.B, model.C, model.D))
        step, L, U = turned_around(L, U, A, B, C, D, group.seen[t], t)
        found.append(step)
    return (*found, last(L, U))


def _unrolled(group: Group, steps: tuple[Backward, ...]) -> Iterator[tuple[Coordinates, Coordinates, np.ndarray]]:
    """From the last diffuse step down: (e, d, w), c(t), and Cov(x(t+1), x(t))."""
    if not steps:
        return
    d = len(steps) - 1
    L = steps[d].basis
    c = Coordinates(group.r[:, d] @ L, np.eye(L.shape[1]) - L.T @ group.N[d] @ L)
    for t in reversed(range(d)):
        J, N, gain, basis = steps[t]
        both = Coordinates(group.v[:, t] @ gain.T + c.means @ J.T, J @ c.covariance @ J.T + N @ N.T)
        k = basis.shape[1]
        cross = steps[t + 1].basis @ c.covariance @ J[:k].T @ basis.T
        c = Coordinates(both.means[:, :k], both.covariance[:k, :k])
        yield both, c, cross


def _back(group: Group, steps: tuple[Backward, ...]) -> None:
    """x(t|T) = x(t|t-1) + [L U] c(t|T),  V(t) = [L U] cov c [L U]'."""
    for t, (_, c, _) in zip(reversed(range(len(steps) - 1)), _unrolled(group, steps), strict=True):
        basis = steps[t].basis
        group.x[:, t] = group.predicted[:, t] + c.means @ basis.T
        group.V[t] = basis @ c.covariance @ basis.T


def _noise(model: Any, group: Group, steps: tuple[Backward, ...]) -> tuple[np.ndarray, np.ndarray]:
    """E[w(t) | y] (S, T, m) and its covariance (T, m, m)."""
    m = model.B.shape[-1]
    D = model.D * group.seen[:, :, None]
    both = group.seen[:, :, None] & group.seen[:, None, :]
    # rows that are missing decouple: those of D are zero, and F there is the identity
    white = np.linalg.solve(np.where(both, group.F, np.eye(D.shape[-2])), D)
    B = model.B - group.K @ D
    means = np.einsum("tpm,stp->stm", white, group.v) + np.einsum("tnm,stn->stm", B, group.r[:, 1:])
    covariances = np.eye(m) - D.swapaxes(-1, -2) @ white - B.swapaxes(-1, -2) @ group.N[1:] @ B
    for t, (all_of_it, c, _) in zip(reversed(range(len(steps) - 1)), _unrolled(group, steps), strict=True):
        k = c.means.shape[1]
        means[:, t], covariances[t] = all_of_it.means[:, k:], all_of_it.covariance[k:, k:]
    return means, covariances
