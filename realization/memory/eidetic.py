"""Eidetic memory: which past inputs a system holds exactly, and how well they can be read back.

    x(t) = B u(t-1) + A B u(t-2) + ... + A^(k-1) B u(t-k) + A^k x(t-k)

The part of A that is nilpotent, A^v = 0, forgets what is older than its index v completely.  Two
conventions differ by one and mean the same: the register of the last w inputs, the current one
included, has index w and is read after its update, y(t) = C x(t+1); the same map as
x(t+1) = A x(t) + B u(t), y(t) = C x(t) + D u(t) has index w - 1 and the current input in D.  The
*span* counts inputs that reach the output, the current one included: it is w in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array, eye_array

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS, Decision, decide_rank
from realization.linalg.dense import balance, two_norm
from realization.linalg.fitting import FittingSplit, fitting_split
from realization.linalg.radius import acyclic
from realization.systems import LinearSSM
from realization.systems.base import single


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Eidetic(Sealed):
    """What a linear system holds exactly: its finite impulse response part.

    Parameters
    ----------
    states : int
        Dimension of the nilpotent part of A.
    index : int
        Smallest v with N^v = 0 for that part N; 0 where there is none.
    finite : bool
        Whether all of A is nilpotent: x(t) depends on the last `index` inputs and nothing else.
    lags : tuple of int or None
        The k for which u(t-k) reaches y(t) through this part, 0 through D; None where the part
        cannot be decoupled from the rest in double precision.
    condition : float
        Of the change of basis that decouples it; 1 where nothing had to be.
    exact : bool
        Whether it vanishes entry by entry, so that nothing older leaves even a rounding error.
    rest : ndarray
        The invertible part of A, (n - states, n - states): what fades, holds for ever or grows.
    decisions : tuple of Decision
        Every rank that was decided on the way.
    """

    states: int
    index: int
    finite: bool
    lags: tuple[int, ...] | None
    condition: float
    exact: bool
    rest: np.ndarray
    decisions: tuple[Decision, ...] = ()

    @property
    def span(self) -> int | None:
        """Inputs, the current one included, from the newest to the oldest that reaches the output."""
        return None if self.lags is None else max(self.lags, default=-1) + 1

    @property
    def decided(self) -> bool:
        """Whether every rank was decided."""
        return all(d.decided for d in self.decisions)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reconstruction(Sealed):
    """How the last k inputs are read back from a state: x = R (u(t-1), ..., u(t-k)).

    Parameters
    ----------
    R : ndarray
        (n, k m), [B, A B, ..., A^(k-1) B].
    inverse : ndarray
        (k, m, n), the pseudo-inverse of R at the rank decided, lag by lag.
    singular_values : ndarray
        Those of R.
    determined : ndarray of bool
        (k,): whether the state determines the input of lag 1, ..., k.
    amplification : ndarray
        (k,): |error of u(t-j)| <= amplification[j-1] |error of x|; infinite where not determined.
    decision : Decision
        The rank of R.
    """

    R: np.ndarray
    inverse: np.ndarray
    singular_values: np.ndarray
    determined: np.ndarray
    amplification: np.ndarray
    decision: Decision

    @property
    def condition(self) -> float:
        """Largest over smallest singular value that counts; infinite where some input is lost."""
        s = self.singular_values[: self.decision.choice]
        return float(s[0] / s[-1]) if len(s) and self.determined.all() else 1.0 if not self.R.size else np.inf

    def recover(self, x: np.ndarray) -> np.ndarray:
        """Return the inputs of least norm that lead to states x.

        Parameters
        ----------
        x : ndarray
            (*b, n).

        Returns
        -------
        ndarray
            (*b, k, m), newest first; right where `determined`.
        """
        return np.einsum("kmn,...n->...km", self.inverse, np.asarray(x))


def eidetic_memory(system: LinearSSM) -> Eidetic:
    """Return what a system holds exactly: C (zI-A)^-1 B + D = sum over k of G_k z^-k + a part with nonzero poles.

    Parameters
    ----------
    system : LinearSSM
        Without batch axes.

    Returns
    -------
    Eidetic
        Lags are those k with G_k != 0, judged against the rounding of the products.

    Raises
    ------
    ShapeError
        If the system has batch axes.

    Examples
    --------
    A window of three inputs beside a pole at 1/2; the window of a short convolution:

    >>> beside = LinearSSM([[0, 1, 0], [0, 0, 0], [0, 0, 0.5]], [[0], [1], [1]], [[1, 1, 1]], [[1]])
    >>> memory = eidetic_memory(beside)
    >>> memory.span, memory.index, memory.finite
    (3, 2, False)
    """
    A, B, C, D = single("eidetic_memory", system, LinearSSM)
    n = len(A)
    if acyclic(A != 0):
        N, read = csr_array(A), csr_array(C)  # registers have one entry a row, and thousands of rows
        index = _index(N)
        seen = _lags(N, B, read, D, _entries(abs(N), abs(B), abs(read), index))
        return Eidetic(n, index, True, seen, 1.0, True, A[:0, :0])
    A, units = balance(A)  # ranks do not see the units
    B, C = B / units[:, None], C * units
    split = fitting_split(A)
    k = len(split.N)
    whole = k == n
    lags: tuple[int, ...] | None = None
    if whole or split.decoupled:
        B_, C_ = split.Q.conj().T @ B, C @ split.Q
        entering = B_[:k] if whole else B_[:k] - split.Y @ B_[k:]
        sizes = _rotated(split.N, entering, C_[:, :k], _decoupling(split) * B_, C_, split.index)
        lags = _lags(split.N, entering, C_[:, :k], D, sizes)
    return Eidetic(k, split.index, whole, lags, split.condition, False, split.M, split.decisions)


def reconstruction(system: LinearSSM, steps: int) -> Reconstruction:
    """Return how well the last inputs can be read back from the state, when older ones were 0 or are forgotten.

    Parameters
    ----------
    system : LinearSSM
        Without batch axes.
    steps : int
        k, the inputs that are asked for; for a nilpotent system its index leaves out nothing.

    Returns
    -------
    Reconstruction
        With the amplification of errors, lag by lag.

    Raises
    ------
    ShapeError
        If the system has batch axes, or steps < 0.

    Examples
    --------
    A register gives every input back; four decays hold the same four inputs, under a magnifying glass.

    >>> register = LinearSSM(np.eye(4, k=1), np.eye(4)[:, -1:], np.eye(4), np.zeros((4, 1)))
    >>> reconstruction(register, 4).amplification
    array([1., 1., 1., 1.])
    >>> fading = LinearSSM(np.diag([0.9, 0.8, 0.7, 0.6]), np.ones((4, 1)), np.eye(4), np.zeros((4, 1)))
    >>> reconstruction(fading, 4).amplification.round()
    array([ 304., 1245., 1678.,  745.])
    """
    A, B, _, _ = single("reconstruction", system, LinearSSM)
    if steps < 0:
        raise ShapeError(f"steps={steps} given, need >= 0")
    n, m = B.shape
    blocks = [B]
    for _ in range(steps - 1):
        blocks.append(A @ blocks[-1])
    R = np.concatenate(blocks[:steps], axis=1) if steps else np.zeros((n, 0))
    U, s, V = np.linalg.svd(R, full_matrices=True)
    decision = decide_rank(s, what="rank of the map from inputs to the state")
    r = decision.choice
    inverse = ((V[:r].conj().T / s[:r]) @ U[:, :r].conj().T).reshape(steps, m, n)
    lost = np.linalg.norm(V[r:].reshape(len(V) - r, steps, m), axis=(0, 2))
    # the null space is known up to the rounding of R over its smallest singular value that counts
    level = 10 * max(R.shape) * EPS * (s[0] / s[r - 1]) if r else 0.5
    size = np.linalg.norm(inverse, 2, axis=(1, 2)) if inverse.size else np.zeros(steps)
    determined = lost <= level
    return Reconstruction(R, inverse, s, determined, np.where(determined, size, np.inf), decision)


def _index(A: Any) -> int:
    """The least v with A^v = 0 of a sparse matrix without cycles."""
    power, index, A = eye_array(A.shape[0], format="csr"), 0, unit(A)
    while power.count_nonzero():
        power, index = unit(power @ A), index + 1
    return index


def unit(X: Any) -> Any:
    """X times a power of two that brings its largest entry near 1: exact, and products neither over- nor underflow."""
    largest = abs(X).max() if X.shape[0] and X.shape[1] else 0.0
    return X * np.ldexp(1.0, -int(np.clip(np.frexp(largest)[1], -1000, 1000)))


@np.errstate(over="ignore", invalid="ignore")
def _lags(N: Any, B: np.ndarray, C: Any, D: np.ndarray, sizes: Iterable[np.ndarray]) -> tuple[int, ...]:
    """The k with G_k != 0 for G_0 = D, G_k = C N^(k-1) B; an entry within the rounding of what has `sizes` is 0."""
    lags = [0] if D.any() else []
    for k, size in enumerate(sizes, 1):
        G = C @ B
        if (
            (np.abs(G) > 4 * (k + 1) * (N.shape[0] + 1) * EPS * size) | ~np.isfinite(G)
        ).any():  # what overflows is there
            lags.append(k)
        B = N @ B
    return tuple(lags)


def _entries(N: Any, B: np.ndarray, C: Any, index: int) -> Iterator[np.ndarray]:
    """|C| |N|^(k-1) |B| for k = 1, ..., index: what is summed where no entry has an error."""
    for _ in range(index):
        yield C @ B
        B = N @ B


def _rotated(
    N: np.ndarray, B: np.ndarray, C: np.ndarray, B_all: np.ndarray, C_all: np.ndarray, index: int
) -> Iterator[np.ndarray]:
    """How C N^(k-1) B moves if each factor moves by its own norm, to first order: a change of basis leaves no zeros."""
    rows, columns = [_rows(C)], [_rows(B.T).T]
    for k in range(index):
        inside = (two_norm(N) * rows[i] * columns[k - 1 - i] for i in range(k))
        yield sum(inside, _rows(C_all) * columns[k] + rows[k] * _rows(B_all.T).T)
        B, C = N @ B, C @ N
        rows.append(_rows(C))
        columns.append(_rows(B.T).T)


def _rows(X: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(X, axis=1, keepdims=True))


def _decoupling(split: FittingSplit) -> float:
    """The condition of T, times |A| sum over j of |N^j| |M^-(j+1)|: by how much Y M - N Y = X multiplies an error."""
    if not len(split.N) or not len(split.M):
        return 1.0
    inverse = np.linalg.solve(split.M, np.eye(len(split.M)))
    size, total, left, right = max(two_norm(split.N), two_norm(split.M)), 0.0, np.eye(len(split.N)), inverse
    for _ in range(split.index):
        total += two_norm(left) * two_norm(right)
        left, right = split.N @ left, inverse @ right
    return split.condition * max(1.0, size * total)
