"""Reverse-time models of a process (Lindquist and Picci 1979).

A forward model and its backward model describe the *same* process y; only the direction in which the
state is propagated changes.  With P the state covariance,

    forward     x(t+1) = A x(t)  + B w(t),     y(t) = C x(t)  + D w(t)
    backward    z(t-1) = A' z(t) + Bb v(t),    y(t) = Cb z(t) + Db v(t)

where  z(t) = inv(P) x(t+1),   Cb = C P A' + D B',   and  w, v are white with unit covariance.
The pair (Bb, Db) is a factor of the positive semidefinite matrix whose blocks are

    inv(P) - A' inv(P) A        C' - A' inv(P) Cb'
    C - Cb inv(P) A             Lambda0 - Cb inv(P) Cb'

which is never formed.  One orthogonal matrix U turns the step around: with P(t) = L L',

    [A L  B]       [L+     0 ]
    [L    0]  U  = [Ab L+  Bb]        x(t) = Ab x(t+1) + Bb v(t)
    [C L  D]       [Cb L+  Db]        y(t) = Cb x(t+1) + Db v(t)        P(t+1) = L+ L+'

for [x(t+1); x(t); y(t)] is the left matrix times unit noise [inv(L) x(t); w(t)], hence the right one times U' of
it, whose first part is inv(L+) x(t+1) and whose second part, v(t), is uncorrelated with it.  The backward
noise is what U leaves over: no subtraction, as many columns as the forward noise, and A is not inverted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from realization.core.errors import ShapeError, StructureError
from realization.linalg.arguments import matrices
from realization.linalg.decision import EPS, decide_rank, require_decided
from realization.linalg.dense import powers_of_two
from realization.linalg.psd import covariance_factor
from realization.stochastic.factors import regular_factor
from realization.systems.base import of_kind
from realization.systems.stochastic import (
    BackwardSSM,
    ContinuousBackwardSSM,
    ContinuousStochasticSSM,
    InitialState,
    InnovationsSSM,
    StochasticSSM,
    TimeVaryingBackwardSSM,
    TimeVaryingStochasticSSM,
)


class ReversedStep(NamedTuple):
    """x(t) = A x(t+1) + B v(t),  y(t) = C x(t+1) + D v(t),  P(t+1) = L L'.

    Parameters
    ----------
    A, B, C, D : ndarray
        (n, n), (n, k), (p, n), (p, k).
    L : ndarray
        (n, r), r the rank of P(t+1).
    """

    A: np.ndarray
    B: np.ndarray
    C: np.ndarray
    D: np.ndarray
    L: np.ndarray


class VaryingReversal(NamedTuple):
    """A model that runs the other way, and the state from which it starts.

    Parameters
    ----------
    model : TimeVaryingBackwardSSM or TimeVaryingStochasticSSM
        In the coordinates x of the model that was reversed.
    start : InitialState
        Of x(T) for a backward model, of x(0) for a forward one.
    """

    model: Any
    start: InitialState


def reverse(model: Any, *, rtol: float | None = None) -> Any:
    """Return the model of the same stationary process that runs the other way in time.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM, BackwardSSM, ContinuousStochasticSSM or ContinuousBackwardSSM
        Stable with P > 0, i.e. (A, B) reachable.
    rtol : float, optional
        Smallest eigenvalue that P may have, in units in which its diagonal is 1.  Default: n eps / gap, where
        gap = 1 - |eigenvalue of A| of the slowest mode: below it not a digit may be left.

    Returns
    -------
    BackwardSSM, StochasticSSM, ContinuousBackwardSSM or ContinuousStochasticSSM
        With as many noises, the spectrum of A, and z(t) = inv(P) x(t+1); in continuous time z = inv(P) x,

            dz = -A' z dt + inv(P) B dv,    dy = (C P + D B') z dt + D dv,    dv = dw - B' inv(P) x dt.

    Raises
    ------
    ShapeError
        If it is of another kind; time-varying models have `reverse_varying`.
    StructureError
        If A is not stable, or P is not positive definite; the message gives the spectral radius or the
        smallest eigenvalue of P.

    Notes
    -----
    Reversing twice gives back the model up to an orthogonal change of the noise basis.  Covariances of
    both agree to c n u cond(P), with P in units in which its diagonal is 1; where A is close to normal,
    to c n u sqrt(cond(P)).  Near a unit root P itself is known to n u / gap only, and they agree to
    c n u cond(P) / gap.

    References
    ----------
    Lindquist and Picci 1979 (discrete time); Anderson 1982 (continuous time).

    Examples
    --------
    A first-order process in unit noise has P = 4/3, hence Cb = 2/3:

    >>> ar1 = StochasticSSM(A=[[0.5]], B=[[1.0, 0.0]], C=[[1.0]], D=[[0.0, 1.0]])
    >>> back = reverse(ar1)
    >>> back.A, back.C.round(4)
    (array([[0.5]]), array([[0.6667]]))

    and back again:

    >>> reverse(back).C.round(12), type(reverse(back)).__name__
    (array([[1.]]), 'StochasticSSM')
    """
    if isinstance(model, TimeVaryingStochasticSSM | TimeVaryingBackwardSSM):
        raise ShapeError(
            f"reverse of a {type(model).__name__}: use `reverse_varying`, which takes the state at its start"
        )
    of_kind("reverse", model, InnovationsSSM, *_OTHER_WAY)
    model = model.as_stochastic() if isinstance(model, InnovationsSSM) else model
    L = regular_factor(model, rtol=rtol)
    A, B, C, D = model.A, model.B, model.C, model.D
    if isinstance(model, StochasticSSM | BackwardSSM):
        step = reversed_step(A, B, C, D, L)
        Bb, Cb, Db = step.B, C @ L @ (A @ L).T + D @ B.T, step.D
    else:
        # time runs the other way, and with it the sign of dy against dv
        sign = 1 if isinstance(model, ContinuousStochasticSSM) else -1
        Bb, Cb, Db = B, C @ L @ L.T + sign * D @ B.T, D
    return _OTHER_WAY[type(model)](A.T, scipy.linalg.cho_solve((L, True), Bb), Cb, Db)


_OTHER_WAY: dict[type, Any] = {
    StochasticSSM: BackwardSSM,
    BackwardSSM: StochasticSSM,
    ContinuousStochasticSSM: ContinuousBackwardSSM,
    ContinuousBackwardSSM: ContinuousStochasticSSM,
}


def reverse_varying(model: Any, start: InitialState) -> VaryingReversal:
    """Return the model of the same process that runs the other way, in the same coordinates x.

    Parameters
    ----------
    model : TimeVaryingStochasticSSM or TimeVaryingBackwardSSM
        Of T steps; need not be stable.
    start : InitialState
        Of x(0), or of x(T) for a backward model; its covariance may be singular.

    Returns
    -------
    VaryingReversal
        The model and the state at its own start.  P(t) = 0 in some direction is no obstacle: x(t+1) never
        leaves the range of P(t+1), and there alone A(t) is determined.

    Raises
    ------
    ShapeError
        If it is of another kind, or n differs.
    StructureError
        If the rank of some P(t) is undecided, the mean is not 0, or a direction is diffuse.

    Notes
    -----
    Reversing twice gives back the model up to orthogonal changes of the noise bases, where P(t) > 0;
    elsewhere A(t) P(t) instead of A(t).

    Examples
    --------
    A random walk from a known place looks, backward, like a bridge to that place: x(1) = x(2) / 2 + noise.

    >>> one = np.ones((3, 1, 1))
    >>> walk = TimeVaryingStochasticSSM(A=one, B=one, C=one, D=0 * one)
    >>> back, end = reverse_varying(walk, InitialState.known([0]))
    >>> end.covariance.round(12).item(), back.A.ravel().round(4)
    (3.0, array([0.    , 0.5   , 0.6667]))
    """
    of_kind("reverse_varying", model, TimeVaryingStochasticSSM, TimeVaryingBackwardSSM)
    forward = isinstance(model, TimeVaryingStochasticSSM)
    order = slice(None) if forward else slice(None, None, -1)
    L, steps = start_factor(start, model.A.shape[-1]), []
    if (size := np.abs(start.mean).max(initial=0.0)) > 0:
        raise StructureError(f"the mean has an entry {size:.3g}, need 0: take x - E x, which obeys the same equations")
    for A, B, C, D in zip(model.A[order], model.B[order], model.C[order], model.D[order], strict=True):
        steps.append(reversed_step(A, B, C, D, L))
        L = steps[-1].L
    A, B, C, D = (_stacked([getattr(step, X) for step in steps], getattr(model, X))[order] for X in "ABCD")
    kind = TimeVaryingBackwardSSM if forward else TimeVaryingStochasticSSM
    return VaryingReversal(kind(A, B, C, D), InitialState(np.zeros(len(L)), L @ L.T))


def reversed_step(A: Any, B: Any, C: Any, D: Any, L: Any) -> ReversedStep:
    """Turn x+ = A x + B w,  y = C x + D w  around:  x = Ab x+ + Bb v,  y = Cb x+ + Db v.

    Parameters
    ----------
    A, B, C, D : array_like
        (n, n), (n, m), (p, n), (p, m).
    L : array_like
        (n, k), the covariance of x is P = L L'; it may be singular.

    Returns
    -------
    ReversedStep
        With v of unit covariance, uncorrelated with x+; k + m - r noises, r the rank of
        P+ = A P A' + B B'.  Ab = P A' inv(P+), where the inverse is that on the range of P+, and
        Bb Bb' = (I - Ab A) P (I - Ab A)' + Ab B B' Ab'.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    StructureError
        If the rank of P+ is undecided, with its singular values.

    Examples
    --------
    Half of what is left of a unit variance under unit noise is the state, and half the noise:

    >>> step = reversed_step([[1]], [[1]], [[1]], [[0]], [[1]])
    >>> step.A.round(12).item(), (step.B @ step.B.T).round(12).item()
    (0.5, 0.5)
    """
    A, B, C, D, L = matrices("A: n n; B: n m; C: p n; D: p m; L: n k", A=A, B=B, C=C, D=D, L=L)
    M = np.hstack([A @ L, B])
    N = np.vstack([np.hstack([L, np.zeros((len(L), B.shape[1]))]), np.hstack([C @ L, D])])
    # in units of what went into each state, not of what came out: there rounding is EPS for each term
    units = powers_of_two(np.abs(A) @ np.abs(L).sum(axis=1) + np.abs(B).sum(axis=1))[:, None]
    U, s, Vt = np.linalg.svd(M / units)
    r = _rank(s, noise=(M.shape[0] + M.shape[1]) * EPS)
    U, s, V, V2 = U[:, :r], s[:r], Vt[:r].T, Vt[r:].T
    gain = N @ V / s @ U.T / units.T
    n = len(A)
    return ReversedStep(gain[:n], N[:n] @ V2, gain[n:], N[n:] @ V2, units * U * s)


def _rank(s: np.ndarray, *, noise: float) -> int:
    """How many values are above rounding, and clearly so: none between 10 and 1000 times its level."""
    rank = decide_rank(s, scale=1.0, noise=noise, ceiling=1e3 * noise, what="rank of the square root of P(t+1)")
    require_decided([rank], "scale the states that are hardly ever disturbed, or remove them")
    return rank.choice


def start_factor(start: InitialState, n: int) -> np.ndarray:
    """L (n, r) with L L' the covariance of the state at the start, which has one: nothing is diffuse."""
    of_kind("the state at the start", start, InitialState)
    if len(start.mean) != n:
        raise ShapeError(f"the state at the start has n={len(start.mean)}, but n={n} (from A) is needed")
    if (size := np.abs(start.diffuse).max(initial=0.0)) > 0:
        raise StructureError(f"the diffuse covariance has an entry {size:.3g}, need 0: give the state a covariance")
    return covariance_factor(start.covariance, what="covariance of the initial state")


def _stacked(matrices: list[np.ndarray], like: np.ndarray) -> np.ndarray:
    """(T, rows, columns), filled up with zero columns: a step of less noise than another."""
    if not matrices:
        return like
    width = max(X.shape[1] for X in matrices)
    return np.stack([np.pad(X, ((0, 0), (0, width - X.shape[1]))) for X in matrices])
