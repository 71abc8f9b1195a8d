"""What a change of basis cannot change, and when two systems do the same.

    same behaviour    D_a = D_b  and  C_a A_a^k B_a = C_b A_b^k B_b  for k < n_a + n_b

By Cayley and Hamilton the rest follows: A_a and A_b together obey one recurrence of order n_a + n_b.
Equality of numbers is never asked for; the difference is compared with what a relative change u of
A, B and C does to each parameter, to first order

    u ( |C| |A^k B| + |C A^k| |B| + sum_(i + j = k - 1) |C A^i| |A| |A^j B| )

times 100 n: sums of n products, in any order, through a few steps; what a change of basis does is
below a tenth of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.canonical.form import one
from realization.canonical.reduction import UNIT
from realization.core.frozen import Sealed
from realization.linalg.gramians import continuous_hankel_singular_values, hankel_singular_values
from realization.linalg.staircase import controllability_staircase, observability_staircase
from realization.systems.continuous import ContinuousSSM
from realization.systems.responses import markov_parameters


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Whether two systems have the same behaviour, and what that rests on.

    Parameters
    ----------
    same : bool
        Whether no Markov parameter differs by more than rounding explains.
    decided : bool
        Whether rounding leaves at least three digits: where it does not, being the same means little.
    worst : int
        The k whose parameter h(k) differs most, in units of what is allowed.
    distance, allowed : float
        |h_a(k) - h_b(k)| there, and what rounding explains.
    size : float
        Largest |h_a(k)|.
    """

    same: bool
    decided: bool
    worst: int
    distance: float
    allowed: float
    size: float

    def __bool__(self) -> bool:
        return self.same


def same_behaviour(a: Any, b: Any) -> Comparison:
    """Return whether two systems answer every input alike from state 0, with the evidence.

    Parameters
    ----------
    a, b : LinearSSM or ContinuousSSM
        Single systems; of any orders.

    Returns
    -------
    Comparison
        True where they are the same, as a bool.

    Raises
    ------
    ShapeError
        If a system is a batch, or no linear one.

    Examples
    --------
    >>> from realization.systems import LinearSSM, similar
    >>> a = LinearSSM([[0.5, 1], [0, 0.2]], [[0], [1]], [[1, 0]], [[0]])
    >>> b = similar(a, [[2, 1], [1, 1]])
    >>> bool(same_behaviour(a, b)), bool(same_behaviour(a, LinearSSM(b.A, b.B, b.C, [[1e-12]])))
    (True, False)
    """
    if type(one(a)) is not type(one(b)) or a.D.shape != b.D.shape:
        return Comparison(False, True, 0, np.inf, 0.0, 0.0)
    steps = len(a.A) + len(b.A) + 1
    h, g = (markov_parameters(each, steps) for each in (a, b))
    distance = np.linalg.norm(h - g, axis=(1, 2))
    n = max(len(a.A), len(b.A), 1)
    allowed = 100 * n * (_rounding(a, steps) + _rounding(b, steps))
    size = float(np.linalg.norm(h, axis=(1, 2)).max())
    worst = int(np.argmax(distance / np.maximum(allowed, np.finfo(float).tiny)))
    same, decided = bool((distance <= allowed).all()), bool(allowed.max() <= 1e-3 * size or size == 0)
    return Comparison(same, decided, worst, float(distance[worst]), float(allowed[worst]), size)


def _rounding(system: Any, steps: int) -> np.ndarray:
    """What a relative change of u does to h(0), ..., h(steps - 1)."""
    size = np.linalg.norm
    X, Y = [system.B], [system.C]
    for _ in range(steps - 2):
        X.append(system.A @ X[-1])
        Y.append(Y[-1] @ system.A)
    x, y = (np.array([size(each) for each in seq]) for seq in (X, Y))
    through = size(system.A) * np.append(0.0, np.convolve(y, x))[: len(x)]
    return UNIT * np.append(size(system.D), size(system.C) * x + y * size(system.B) + through)[:steps]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Invariants(Sealed):
    """What all similar systems share.

    Parameters
    ----------
    poles : ndarray
        (n,), sorted by real part and then by imaginary part.
    controllability_indices, observability_indices : tuple of int
        Largest first; their sums are the dimensions of what is reached and of what is seen.
    hankel : ndarray or None
        Hankel singular values (n,), largest first; None where the system is not stable.
    markov : ndarray
        h(0), ..., h(2 n), (2 n + 1, p, m).
    decided : bool
        Whether every rank behind the indices was decided.
    """

    poles: np.ndarray
    controllability_indices: tuple[int, ...]
    observability_indices: tuple[int, ...]
    hankel: np.ndarray | None
    markov: np.ndarray
    decided: bool


def invariants(system: Any) -> Invariants:
    """Return poles, indices, Hankel singular values and Markov parameters of a system.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        One system.

    Returns
    -------
    Invariants
        Equal, up to rounding under the change of basis, for all similar systems.

    Raises
    ------
    ShapeError
        If the system is a batch.

    Examples
    --------
    >>> from realization.systems.library import delay_line
    >>> found = invariants(delay_line(2))
    >>> found.controllability_indices, found.hankel.round(12).tolist()
    ((2,), [1.0, 1.0])
    """
    A, B, C = one(system).A, system.B, system.C
    poles = np.sort_complex(np.linalg.eigvals(A))
    reach, see = controllability_staircase(A, B), observability_staircase(A, C)
    markov = markov_parameters(system, 2 * len(A) + 1)
    return Invariants(
        poles, reach.indices, see.indices, hankel_spectrum(system, poles), markov, reach.decided and see.decided
    )


def hankel_spectrum(system: Any, poles: np.ndarray) -> np.ndarray | None:
    """Return the Hankel singular values, or None for a system that is not stable.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        One system.
    poles : ndarray
        Its poles.

    Returns
    -------
    ndarray or None
        (n,), largest first.
    """
    if isinstance(system, ContinuousSSM):
        stable, values = poles.real.max(initial=-1) < 0, continuous_hankel_singular_values
    else:
        stable, values = np.abs(poles).max(initial=0) < 1, hankel_singular_values
    return values(system.A, system.B, system.C) if stable else None
