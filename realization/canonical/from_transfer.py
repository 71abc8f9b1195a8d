"""Realization of a transfer function, and why not by one polynomial of high degree.

    N(z) / d(z)                 companion form, exact in the coefficients; an input or an output at a time
    k prod(z - z_i) / (z - p_i) cascade of sections with two poles each

A polynomial of degree 16 holds its roots to 16 - log10(condition) digits, which may be none; a section
holds its two poles to the last digit.  So coefficients are realized where they are what is given,
zeros and poles where those are.  Every function returns a system that need not be minimal:
`minimal_realization` removes what cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import ShapeError, StructureError
from realization.systems.compose import dual, series
from realization.systems.continuous import ContinuousSSM
from realization.systems.linear import LinearSSM
from realization.systems.transfer import RationalTransfer, ZerosPolesGain

Kind = type[LinearSSM] | type[ContinuousSSM]
Section = tuple[np.ndarray, np.ndarray]  # poles, zeros: at most two of each


def from_rational(transfer: RationalTransfer, kind: Kind = LinearSSM) -> Any:
    """Return a system with G(z) = N(z) / d(z), in block companion form.

    Parameters
    ----------
    transfer : RationalTransfer
        Numerators (p, m, k) over one denominator of degree n.
    kind : LinearSSM or ContinuousSSM
        What z stands for.

    Returns
    -------
    LinearSSM or ContinuousSSM
        With n min(m, p) states.

    Raises
    ------
    StructureError
        If a numerator has a higher degree than the denominator.

    Examples
    --------
    >>> system = from_rational(RationalTransfer([[[1.0, 3.0]]], [1.0, 0.5, 0.25]))
    >>> system.A.tolist(), system.C.tolist()
    ([[0.0, 1.0], [-0.25, -0.5]], [[3.0, 1.0]])
    """
    N, d = transfer.numerators, transfer.denominator / transfer.denominator[0]
    N = _proper(N / transfer.denominator[0], len(d))
    p, m, _ = N.shape
    if p < m:
        flat = RationalTransfer(np.swapaxes(N, 0, 1), d)
        return dual(from_rational(flat, kind))
    n, D = len(d) - 1, N[:, :, 0]
    # N / d = D + (N - D d) / d, and the lowest power comes first in the states
    C = (N - D[:, :, None] * d)[:, :, :0:-1]
    A = np.eye(n, k=1, dtype=N.dtype)
    A[n - 1 :] = -d[:0:-1]
    eye = np.eye(m)
    return kind(np.kron(eye, A), np.kron(eye, np.eye(n, 1, k=1 - n)), C.reshape(p, m * n), D)


def _proper(N: np.ndarray, k: int) -> np.ndarray:
    """Numerators with exactly k coefficients, refusing more that are not 0."""
    extra = N[:, :, : max(N.shape[2] - k, 0)]
    if extra.any():
        i, j, q = (int(x[0]) for x in np.nonzero(extra))
        raise StructureError(
            f"improper: numerator ({i}, {j}) has degree {N.shape[2] - 1 - q}, the denominator {k - 1}; a system has "
            "no more zeros than poles; split off the polynomial part"
        )
    return np.concatenate([np.zeros((*N.shape[:2], max(k - N.shape[2], 0))), N[:, :, extra.shape[2] :]], axis=2)


def from_entries(entries: Sequence[Sequence[Any]], kind: Kind = LinearSSM) -> Any:
    """Return a system with G_ij given one by one, each with a denominator of its own.

    Parameters
    ----------
    entries : sequence of sequences
        p rows of m; each a system with one input and one output, or a pair of coefficient lists
        (numerator, denominator), the highest power first.
    kind : LinearSSM or ContinuousSSM
        What z stands for, in pairs of coefficient lists.

    Returns
    -------
    LinearSSM or ContinuousSSM
        Its states are those of all entries; what they share is not found here.

    Raises
    ------
    ShapeError
        If the rows differ in length, or an entry has another form.
    StructureError
        If an entry is improper.

    Examples
    --------
    Two entries with one pole: a minimal realization has it once.

    >>> from realization.canonical import minimal_realization
    >>> pair = from_entries([[([1.0], [1.0, -0.5])], [([2.0], [1.0, -0.5])]])
    >>> len(pair.A), minimal_realization(pair).order
    (2, 1)
    """
    rows = [[_entry(entry, kind) for entry in row] for row in entries]
    kinds = {type(entry) for row in rows for entry in row}
    if len(kinds) > 1:
        raise ShapeError(
            f"entries are a {' and a '.join(sorted(k.__name__ for k in kinds))}; all of one kind are needed"
        )
    if len({len(row) for row in rows}) > 1:
        raise ShapeError(f"rows have {', '.join(str(len(row)) for row in rows)} entries; as many in each are needed")
    p, m = len(rows), len(rows[0]) if rows else 0
    parts = [(i, j, s) for i, row in enumerate(rows) for j, s in enumerate(row)]
    A = scipy.linalg.block_diag(np.zeros((0, 0)), *(s.A for _, _, s in parts))
    B = np.vstack([np.zeros((0, m)), *(s.B * np.eye(1, m, j) for _, j, s in parts)])
    C = np.hstack([np.zeros((p, 0)), *(np.eye(p, 1, -i) * s.C for i, _, s in parts)])
    D = np.array([[s.D[0, 0] for s in row] for row in rows]).reshape(p, m)
    return (type(parts[0][2]) if parts else kind)(A, B, C, D)


def _entry(entry: Any, kind: Kind) -> Any:
    if isinstance(entry, LinearSSM | ContinuousSSM):
        if entry.D.shape != (1, 1):
            raise ShapeError(f"an entry has {entry.D.shape} outputs and inputs; one of each is needed")
        return entry
    try:
        numerator, denominator = entry
        return from_rational(RationalTransfer([[numerator]], denominator), kind)
    except StructureError as error:
        raise StructureError(f"an entry is {entry!r}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ShapeError(f"an entry is {entry!r}; a system or (numerator, denominator) is needed: {error}") from error


def from_zeros_poles(transfer: ZerosPolesGain, kind: Kind = LinearSSM) -> Any:
    """Return a system with G_ij(z) = k_ij prod(z - z_ij) / prod(z - p), as cascades of second-order sections.

    Parameters
    ----------
    transfer : ZerosPolesGain
        Zeros of each entry, the common poles, gains; complex ones in conjugate pairs.
    kind : LinearSSM or ContinuousSSM
        What z stands for.

    Returns
    -------
    LinearSSM or ContinuousSSM
        With n states for each entry whose gain is not 0.

    Raises
    ------
    StructureError
        If an entry has more zeros than poles, or a complex one without its conjugate.

    Examples
    --------
    Sixteen poles between 0.9 and 0.915, which no polynomial can hold:

    >>> poles = 0.9 + 1e-3 * np.arange(16)
    >>> system = from_zeros_poles(ZerosPolesGain(((np.zeros(0),),), poles, np.array([[1.0]])))
    >>> bool((np.sort(np.diag(system.A)) == poles).all())
    True
    """
    zero = kind(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[0.0]])
    rows = [
        [_cascade(z, transfer.poles, k, kind) if k else zero for z, k in zip(zeros, gains, strict=True)]
        for zeros, gains in zip(transfer.zeros, transfer.gain, strict=True)
    ]
    return from_entries(rows, kind)


def _cascade(zeros: Any, poles: Any, gain: float, kind: Kind) -> Any:
    zeros, poles = np.asarray(zeros, dtype=complex), np.asarray(poles, dtype=complex)
    if len(zeros) > len(poles):
        raise StructureError(f"improper: {len(zeros)} zeros, {len(poles)} poles; at most as many zeros are needed")
    last: Any = kind(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[gain]])
    parts: list[Any] = [kind(*_section(*section)) for section in _sections(poles, zeros)]
    return reduce(series, parts, last)


def _sections(poles: np.ndarray, zeros: np.ndarray) -> list[Section]:
    """Pairs of poles, each with the zeros nearest to it: what cancels almost should do so within a section."""
    pairs, singles = _conjugates("poles", poles)
    groups = pairs + [singles[i : i + 2] for i in range(0, len(singles), 2)]
    free = [len(group) for group in groups]
    taken: list[list[complex]] = [[] for _ in groups]
    pairs, singles = _conjugates("zeros", zeros)
    # pairs first: they need a section of two, of which there are enough
    for zero in [*pairs, *(singles[i : i + 1] for i in range(len(singles)))]:
        room = [i for i, left in enumerate(free) if left >= len(zero)]
        near = min(room, key=lambda i: float(np.abs(groups[i] - zero[0]).min()))
        taken[near] += list(zero)
        free[near] -= len(zero)
    return [(group, np.array(zero)) for group, zero in zip(groups, taken, strict=True)]


def _conjugates(name: str, roots: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Conjugate pairs, and the real ones, largest first."""
    real = np.abs(roots.imag) <= 4 * np.finfo(float).eps * np.abs(roots)
    upper, lower = roots[~real & (roots.imag > 0)], roots[~real & (roots.imag < 0)].conj()
    if len(upper) != len(lower) or not np.allclose(np.sort_complex(upper), np.sort_complex(lower), rtol=1e-8, atol=0):
        raise StructureError(f"{name}: {len(upper)} above and {len(lower)} below the real axis; conjugates are needed")
    singles = roots[real].real
    return [np.array([z, z.conj()]) for z in upper], singles[np.argsort(-np.abs(singles), kind="stable")]


def _section(poles: np.ndarray, zeros: np.ndarray) -> tuple[Any, Any, Any, Any]:
    """One or two poles, with a monic numerator of no higher degree: N = D d + c1 (z - a) + c0."""
    D = 1.0 if len(zeros) == len(poles) else 0.0
    if len(poles) == 1:
        return poles.real[:, None], [[1.0]], [[poles[0].real - zeros[0].real if D else 1.0]], [[D]]
    # about the real part of a pair, about the first of two real poles: nothing cancels but what is given
    a, w2 = poles[0].real, poles[0].imag ** 2
    A = [[a, -w2], [1.0, a]] if w2 else [[poles[1].real, 0.0], [1.0, a]]
    value, slope = np.prod(a - zeros).real, (poles.sum() - zeros.sum()).real
    c1 = {0: 0.0, 1: 1.0, 2: slope}[len(zeros)]
    c0 = value - D * w2
    # inv(zI - A) [1, 0]' = [z - a, 1]' / d in both cases
    return A, [[1.0], [0.0]], [[c1, c0]], [[D]]
