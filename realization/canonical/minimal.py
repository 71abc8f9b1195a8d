"""Minimal realization: the order that holds over decades of tolerance, or none.

A staircase reduction drops what is not reachable, then what is not observable, up to a relative
tolerance.  The order it finds is a step function of that tolerance, not always a monotone one.
Its steps are computed, not scanned for: a reduction that keeps singular values above e and drops
those below does the same for every tolerance in between.  An order is believed where

* its transfer function is that of the given system, within what rounding the entries of the
  given system does to it, and no smaller order has that property;
* it holds on a plateau of at least two decades;
* no plateau of a smaller order comes near to having that property.

Observing first and reaching second gives another staircase, with other roundings; it is asked where the
first leaves the order open, or finds a plateau of a smaller order that does not fit.  Where neither
decides, the system comes back as it was, undecided.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from realization.canonical.form import one
from realization.canonical.reduction import UNIT, Reduction, Samples, project, sample
from realization.core.frozen import Sealed
from realization.linalg.decision import Decision
from realization.linalg.dense import two_norm
from realization.systems.compose import dual
from realization.systems.zeros import units

# nobody means a change of the entries by more than this when asking for the same behaviour
CEILING = 1e-3
# two decades: the staircase is backward stable to n u and not to u, and a plateau must outlast that
LEAST = 1e2
# a smaller order that misses by no more than this competes: the bound of rounding is of first order
NEAR = 10.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plateau(Sealed):
    """An order, and the relative tolerances over which a staircase reduction finds it.

    Parameters
    ----------
    order : int
        Number of states that are kept.
    low, high : float
        Tolerances in [low, high) give this order.
    L, R : ndarray
        (order, n) and (n, order): the reduction at `low`.
    """

    order: int
    low: float
    high: float
    L: np.ndarray
    R: np.ndarray

    @property
    def decades(self) -> float:
        """Width, log10(high / low)."""
        return float(np.log10(self.high / self.low))

    @property
    def wide(self) -> bool:
        """Whether the order outlasts rounding."""
        return self.high >= LEAST * self.low


def plateaus(system: Any) -> tuple[Plateau, ...]:
    """Return the order as a function of the tolerance, from rounding level to 1e-3.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        One system.

    Returns
    -------
    tuple of Plateau
        In the order of their tolerances; each begins where the one before ends.

    Raises
    ------
    ShapeError
        If the system has batch axes.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> system = LinearSSM(np.diag([0.5, 0.25]), [[1], [1e-9]], [[1, 1]], [[0]])
    >>> [(plateau.order, round(plateau.decades)) for plateau in plateaus(system)]
    [(2, 7), (1, 6)]
    """
    scaled, scale = _balance(one(system))
    runs = groupby(_runs(scaled.A, scaled.B, scaled.C), key=lambda run: run[0].shape[1])
    found = [(order, list(group)) for order, group in runs]
    return tuple(
        Plateau(order, group[0][1], group[-1][2], group[0][0].conj().T / scale, scale[:, None] * group[0][0])
        for order, group in found
    )


def minimal_realization(system: Any) -> Reduction:
    """Return the system of least order with the same transfer function, where the data decide it.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        One system.

    Returns
    -------
    Reduction
        Its first decision is the order: `gap` is the width of the plateau (high / low), `values` are
        the orders found, the largest first, `rival` the order of the widest other plateau that fits
        the data.  Undecided, the system comes back whole, with L = R = I.

    Raises
    ------
    ShapeError
        If the system has batch axes.

    References
    ----------
    Van Dooren (1981), The generalized eigenstructure problem in linear system theory.

    Examples
    --------
    One of three states is seen:

    >>> from realization.systems import LinearSSM
    >>> system = LinearSSM(np.diag([0.1, 0.2, 0.3]), np.ones((3, 1)), [[1, 0, 0]], [[0]])
    >>> small = minimal_realization(system)
    >>> small.order, small.decided, small.system.A.round(12)
    (1, True, array([[0.1]]))

    A second mode that enters at a few units of rounding leaves the order open:

    >>> blurred = LinearSSM(np.diag([0.5, 0.25]), [[1], [1e-14]], [[1, 1]], [[0]])
    >>> minimal_realization(blurred).decided
    False
    """
    samples = sample(_balance(one(system))[0])
    found = plateaus(system)
    answers = [_judge(system, samples, found)]
    if not (answers[0][1].decided and _settled(found, answers[0][0])):
        answers.append(_judge(system, samples, _observed_first(system)))
    # an order that fits in one of the ways is enough: a smaller one that decides wins
    decided = [answer for answer in answers if answer[1].decided]
    return _reduction(system, samples, *min(decided or answers[:1], key=lambda answer: answer[0].order))


def _settled(found: tuple[Plateau, ...], least: Plateau) -> bool:
    """Whether no smaller order holds over decades at all."""
    return not any(plateau.wide and plateau.order < least.order for plateau in found)


def _observed_first(system: Any) -> tuple[Plateau, ...]:
    return tuple(replace(plateau, L=plateau.R.T, R=plateau.L.T) for plateau in plateaus(dual(system)))


def _judge(system: Any, samples: Samples, found: tuple[Plateau, ...]) -> tuple[Plateau, Decision]:
    errors = [_error(system, samples, plateau) for plateau in found]
    fitting = [plateau for plateau, error in zip(found, errors, strict=True) if error <= 1] or [_whole(system)]
    least = min(fitting, key=lambda plateau: (plateau.order, -plateau.decades))
    near = [p for p, e in zip(found, errors, strict=True) if 1 < e <= NEAR and p.order < least.order]
    others = near or [plateau for plateau in fitting if plateau.order != least.order]
    rival = max(others, key=lambda plateau: plateau.decades, default=None)
    decided = least.wide and not near and len(samples.z) > 0
    orders = np.array(sorted({plateau.order for plateau in found}, reverse=True), dtype=float)
    gap, rival_gap = least.high / least.low, rival.high / rival.low if rival else 1.0
    order = rival.order if rival else None
    return least, Decision("minimal order", least.order, gap, order, rival_gap, decided, orders)


def _whole(system: Any) -> Plateau:
    n = len(system.A)
    return Plateau(n, UNIT, UNIT, np.eye(n), np.eye(n))


def _error(system: Any, samples: Samples, plateau: Plateau) -> float:
    """Largest distance of the transfer functions, over what rounding explains."""
    small, tiny, worst = project(system, plateau.L, plateau.R), np.finfo(float).tiny, 0.0
    # a few points are enough to see that an order does not do
    for part in (samples[::4], samples):
        worst = float((part.distance(small) / np.maximum(part.noise, tiny)).max(initial=0.0))
        if worst > NEAR:
            break
    return worst


def _reduction(system: Any, samples: Samples, least: Plateau, decision: Decision) -> Reduction:
    n = len(system.A)
    I = np.eye(n)
    small, L, R = (project(system, least.L, least.R), least.L, least.R) if decision.decided else (system, I, I)
    residual, bound = (float(x.max(initial=0.0)) for x in (samples.distance(small), samples.noise))
    dropped = f"{n - len(L)} of {n} states: not reachable, or not observable"
    if not decision.decided:
        dropped = f"nothing: {least.order} states may do, or {decision.rival}; the data do not decide"
    return Reduction("minimal realization", small, L, R, residual, bound, samples.size, (decision,), dropped)


def _balance(system: Any) -> tuple[Any, np.ndarray]:
    """Return the system in units of its states in which nothing is out of scale, and these."""
    scale = units(system.A, system.B, system.C)
    return replace(system, A=system.A * scale / scale[:, None], B=system.B / scale[:, None], C=system.C * scale), scale


def _runs(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> Iterator[tuple[np.ndarray, float, float]]:
    """Yield the basis of the states kept (n, r) and the interval of tolerances, upwards from rounding."""
    a, b, c = (two_norm(X) for X in (A, B, C))
    low = max(len(A), 1) * UNIT
    while low < CEILING:
        V, reached = _reachable(A, B, a, b, low)
        W, seen = _reachable(V.conj().T @ A.conj().T @ V, V.conj().T @ C.conj().T, a, c, low)
        # the least step upwards keeps a tie of rounding from coming back to the same tolerance
        high = max(min(reached, seen, CEILING), low * (1 + 4 * UNIT))
        yield V @ W, low, high
        low = high


def _reachable(A: np.ndarray, B: np.ndarray, a: float, b: float, rtol: float) -> tuple[np.ndarray, float]:
    """Return an orthonormal basis of what B reaches under A, and the first tolerance that would find less.

    Singular values of B and of the blocks of A count where they exceed rtol b and rtol a: sizes in the whole
    system, by which a part of it that is all rounding counts as nothing.
    """
    n = len(A)
    A = A.astype(np.result_type(A, B))
    Q, X, size, end, r = np.eye(n, dtype=A.dtype), B, b, np.inf, 0
    while r < n and X.size and size > 0:
        U, s, _ = np.linalg.svd(X)
        kept = s[s > rtol * size]
        if not len(kept):
            break
        end = min(end, kept[-1] / size)
        A[r:], Q[:, r:] = U.conj().T @ A[r:], Q[:, r:] @ U
        A[:, r:] = A[:, r:] @ U
        X, size, r = A[r + len(kept) :, r : r + len(kept)], a, r + len(kept)
    return Q[:, :r], end
