"""Modes of a linear system: how fast each fades, and which are integrators, with the doubt of each eigenvalue."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from realization.linalg.arguments import matrices
from realization.linalg.decision import EPS
from realization.memory.durations import half_life, time_constant

LARGEST_DOUBT = 1e-3


class Mode(NamedTuple):
    """States that fade alike.

    Parameters
    ----------
    rate : float
        What is left after one step.
    states : int
        How many: 2 for a pair of conjugate eigenvalues.
    period : float
        Steps of one turn: infinite for a positive eigenvalue, 2 for a negative one.
    """

    rate: float
    states: int
    period: float = np.inf

    @property
    def time_constant(self) -> float:
        """Steps until 1/e is left; infinite where nothing fades."""
        return time_constant(self.rate)

    @property
    def half_life(self) -> float:
        """Steps until 1/2 is left."""
        return half_life(self.rate)


class Modes(NamedTuple):
    """The modes of a matrix, sorted by what their eigenvalues do.

    Parameters
    ----------
    fading : tuple of Mode
        Slowest first.
    integrators : int
        States whose eigenvalue is on the unit circle, within its doubt: they hold for ever.
    growing : int
        States whose eigenvalue is outside.
    """

    fading: tuple[Mode, ...]
    integrators: int
    growing: int


def modes(A: Any) -> Modes:
    """Return the modes of a matrix without eigenvalue 0.

    Parameters
    ----------
    A : array_like
        (n, n), real or complex.

    Returns
    -------
    Modes
        Eigenvalues that differ by less than their doubt in rate and period share a mode.

    Raises
    ------
    ShapeError
        If A is not square, or an entry is not finite.

    Examples
    --------
    >>> found = modes(np.diag([1.0, 0.5, 0.25]))
    >>> found.integrators, [mode.half_life for mode in found.fading]
    (1, [1.0, 0.5])
    """
    (A,) = matrices("A: n n", A=A)
    values, doubts = eigenvalues(A)
    size = np.abs(values)
    circle = np.abs(size - 1) <= doubts
    fading: list[Mode] = []
    last = 0.0
    for i in sorted(np.flatnonzero((size < 1) & ~circle), key=lambda i: (-size[i], abs(values[i].imag))):
        angle = abs(float(np.angle(values[i])))
        one = Mode(float(size[i]), 1, 2 * np.pi / angle if angle * size[i] > doubts[i] else np.inf)
        same = fading and np.isclose(one.rate, fading[-1].rate, rtol=0, atol=doubts[i] + last)
        if same and np.isclose(one.period, fading[-1].period, rtol=1e-6):
            fading[-1] = fading[-1]._replace(states=fading[-1].states + 1)
        else:
            fading.append(one)
        last = doubts[i]
    return Modes(tuple(fading), int(circle.sum()), int(((size > 1) & ~circle).sum()))


def eigenvalues(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues and by how much rounding E may have moved each.

    To first order that is |E| / |y' x|, x and y its right and left eigenvectors of norm 1; at a defective
    eigenvalue, where y' x is 0 up to rounding, no more than (2 |A|)^(1 - 1/n) |E|^(1/n) (Elsner 1985).  It is
    1e-3 at most: an eigenvalue that may be anywhere counts as where it was computed.
    """
    if not A.size:
        return np.zeros(0, np.complex128), np.zeros(0)
    values, Y, X = scipy.linalg.eig(A, left=True, right=True)
    overlap = np.maximum(np.abs((Y.conj() * X).sum(axis=0)), np.finfo(np.float64).tiny)
    n, size = len(A), float(np.linalg.norm(A, 2))
    rounding = 10 * n * EPS * size
    most = (2 * size) ** (1 - 1 / n) * rounding ** (1 / n)
    return values, np.minimum(rounding / overlap, min(most, LARGEST_DOUBT))


def doubt(A: np.ndarray) -> float:
    """Return the doubt of the spectral radius: the largest among eigenvalues that may have that size."""
    values, doubts = eigenvalues(A)
    size = np.abs(values)
    return float(doubts[size + doubts >= size.max(initial=0.0)].max(initial=0.0))
