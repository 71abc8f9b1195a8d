"""Smoothing by two filters: one through the past on the forward model, one through the future on the backward model.

    inv(V) = inv(Sf) + inv(Sb) - inv(P),    inv(V) (x(t|T) - m) = inv(Sf) (xf - m) + inv(Sb) (xb - m)

xf(t) = E[x(t) | y(0) ... y(t-1)] with error covariance Sf, xb(t) = E[x(t) | y(t) ... y(T-1)] with Sb, and m, P
the mean and covariance of x(t) itself, which both filters have used: it counts once too often.  In
coordinates in which P = I, F and G being Sf and Sb there, this is, without an inverse of either,

    V = G inv(M) F,    x(t|T) - m = G inv(M) (xf - m) + F inv(M)' (xb - m),    M = I - (I - F)(I - G)

For a stationary process and t far from both ends Sf = P - P_- and inv(Sb) - inv(P) = inv(P_+ - P).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.linalg.psd import covariance_factor
from realization.stochastic.filtering.kalman import kalman_filter
from realization.stochastic.filtering.observed import Observed, in_range, observed
from realization.stochastic.filtering.smoothing import white
from realization.stochastic.reverse import reversed_step
from realization.systems.base import quiet
from realization.systems.stochastic import InitialState, TimeVaryingStochasticSSM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TwoFilterRun(Sealed):
    """States given all outputs, and what past and future say of them alone.

    Parameters
    ----------
    means, covariances : ndarray
        E[x(t) | y] (T+1, n) and V(t) (T+1, n, n), t = 0 ... T.
    past, past_covariances : ndarray
        xf (T+1, n) and Sf (T+1, n, n).
    future, future_covariances : ndarray
        xb (T+1, n) and Sb (T+1, n, n).
    prior, prior_covariances : ndarray
        m (T+1, n) and P (T+1, n, n).
    """

    means: np.ndarray
    covariances: np.ndarray
    past: np.ndarray
    past_covariances: np.ndarray
    future: np.ndarray
    future_covariances: np.ndarray
    prior: np.ndarray
    prior_covariances: np.ndarray


@quiet
def two_filter_smoother(
    model: Any, y: Any, *, initial: Any = None, state_offset: Any = None, output_offset: Any = None
) -> TwoFilterRun:
    """Combine a filter of the past and one of the future, inv(V) = inv(Sf) + inv(Sb) - inv(P).

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or TimeVaryingStochasticSSM
        Reversed in time by `reversed_step`, step by step, from the state at the start.
    y : array_like
        (T, p); NaN is a missing output.
    initial : InitialState, optional
        Nothing diffuse: the backward model starts from the covariance of x(T).  Default: the stationary law.
    state_offset, output_offset : array_like, optional
        c (n,) or (T, n) and d (p,) or (T, p).  Default: 0.

    Returns
    -------
    TwoFilterRun
        The smoothed states of `rts_smoother`, by another road.

    Raises
    ------
    ShapeError
        If a shape does not fit, or an entry other than a gap in y is not finite.
    StructureError
        If a direction of the start is diffuse, or past and future both know a direction of the state without error.

    References
    ----------
    Wall, Willsky and Sandell 1981; Badawi, Lindquist and Pavon 1979; Lindquist and Picci 2015.

    Examples
    --------
    One step from a reading that shows the walk itself: the past knows x(1), the future knows nothing of it.

    >>> from realization.systems.stochastic import StochasticSSM
    >>> walk = StochasticSSM(A=[[1]], B=[[1, 0]], C=[[1]], D=[[0, 1]])
    >>> run = two_filter_smoother(walk, [[2.0]], initial=InitialState([0], [[1]]))
    >>> run.past.ravel(), run.future.ravel(), run.means.ravel()
    (array([0., 1.]), array([1., 0.]), array([1., 1.]))
    """
    model = white(model)
    given = observed(model, y, initial, state_offset, output_offset)
    if given.initial.diffuse.any():
        raise StructureError(
            f"the initial state has a diffuse covariance of size {np.abs(given.initial.diffuse).max():.2g}, need 0: "
            "the future is filtered from the covariance of x(T); use rts_smoother"
        )
    m = _means(given)
    in_range(len(m) - 1, m)
    seen = np.where(given.seen, given.y - given.d - np.einsum("tpn,tn->tp", given.C, m[:-1]), np.nan)
    factors, back = _backward(given)
    # both from mean 0: x - m, and y - C m - d
    still = InitialState(np.zeros_like(m[0]), given.initial.covariance)
    forth = TimeVaryingStochasticSSM(given.A, given.B, given.C, given.D)
    past, Sf = _predictions(forth, seen, still)
    end = InitialState(np.zeros_like(m[0]), factors[-1] @ factors[-1].T)
    future, Sb = (X[::-1] for X in _predictions(back, seen[::-1], end))
    both = [_combined(*parts, t) for t, parts in enumerate(zip(factors, past, Sf, future, Sb, strict=True))]
    return TwoFilterRun(
        m + np.stack([x for x, _ in both]), np.stack([V for _, V in both]), m + past, Sf, m + future, Sb,
        m, np.stack([L @ L.T for L in factors]),
    )  # fmt: skip


def _means(given: Observed) -> np.ndarray:
    """m(t+1) = A m(t) + c, (T+1, n)."""
    m = [given.initial.mean]
    for A, c in zip(given.A, given.c, strict=True):
        m.append(A @ m[-1] + c)
    return np.stack(m)


def _backward(given: Observed) -> tuple[list[np.ndarray], TimeVaryingStochasticSSM]:
    """Factors of P(t), t = 0 ... T, and the backward model with its steps in the order in which they are taken."""
    factors, steps = [covariance_factor(given.initial.covariance)], []
    for A, B, C, D in zip(given.A, given.B, given.C, given.D, strict=True):
        steps.append(reversed_step(A, B, C, D, factors[-1]))
        factors.append(steps[-1].L)
    T, n, m = given.B.shape
    k = max((step.B.shape[1] for step in steps), default=m)
    A, B, C, D = np.zeros((T, n, n)), np.zeros((T, n, k)), np.zeros(given.C.shape), np.zeros((T, given.D.shape[1], k))
    for t, step in enumerate(reversed(steps)):
        A[t], B[t, :, : step.B.shape[1]], C[t], D[t, :, : step.D.shape[1]] = step.A, step.B, step.C, step.D
    return factors, TimeVaryingStochasticSSM(A, B, C, D)


def _predictions(model: Any, y: np.ndarray, start: InitialState) -> tuple[np.ndarray, np.ndarray]:
    run: Any = kalman_filter(model, y, initial=start, store="covariances")
    return run.predicted, run.predicted_covariance


def _combined(
    L: np.ndarray, past: np.ndarray, Sf: np.ndarray, future: np.ndarray, Sb: np.ndarray, t: int
) -> tuple[np.ndarray, np.ndarray]:
    """x = L (G inv(M) f + F inv(M)' g) and V = L G inv(M) F L', f and g being xf and xb in coordinates L."""
    r = L.shape[1]
    W = np.linalg.lstsq(L, np.eye(len(L)), rcond=None)[0]
    F, G, f, g = W @ Sf @ W.T, W @ Sb @ W.T, W @ past, W @ future
    M = np.eye(r) - (np.eye(r) - F) @ (np.eye(r) - G)
    least = float(np.linalg.svd(M, compute_uv=False).min(initial=np.inf))
    if least <= r * EPS:
        raise StructureError(
            f"past and future both know a direction of x({t}) without error (singular value {least:.1e} of "
            f"I - (I - F)(I - G), need > {r * EPS:.1e}): they are not combined by inverses; use rts_smoother"
        )
    known = np.linalg.solve(M, np.column_stack([F, f]))
    V = G @ known[:, :r]
    x = G @ known[:, r] + F @ np.linalg.solve(M.T, g)
    return L @ x, L @ ((V + V.T) / 2) @ L.T
