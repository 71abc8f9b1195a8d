"""Jordan form, from exact arithmetic.

    A2 = blkdiag of a I + N,   N with ones above the diagonal,   one block for each chain of generalised eigenvectors

An error in the last bit undoes every block larger than 1, so in floating point the form does not
exist: what is nilpotent there is told by the staircase, what decays by the modal and block-diagonal forms.
Matrices of rationals have it.  A double is a rational number, but one that came out of rounding has
nothing to say about chains; doubles are therefore taken at their value only if they are short, as
numbers that were meant are, or if the system is handed over as an ExactSSM.

What commutes with a block is a polynomial q(N), and leaves T free up to it.  It is fixed by the first
output that sees the head of the chain: its row in the block becomes [1, 0, ..., 0].  Where none does,
the first input that drives the end of the chain gets the column [0, ..., 0, 1]'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from realization.canonical.form import CanonicalForm, Conversion, conversion, one, register, relative, size
from realization.canonical.reduction import UNIT
from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.jordan import ExactJordan, jordan_form
from realization.systems.exact import ExactSSM

# Bits of a double that was meant: a few decimals of a binary fraction, and integers up to a million.
BITS = 20

# eigenvalue, rows of T (k, n) and columns of inv(T) (n, k) of one chain
Chain = tuple[Any, np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExactConversion(Sealed):
    """A rational system in Jordan form: nothing is rounded.

    Parameters
    ----------
    system : ExactSSM
        In coordinates z = T x.
    T, inverse : ndarray
        (n, n), of Fractions.
    eigenvalues, sizes : tuple
        One for each block: by falling modulus, positive before negative, then by falling size.
    freedom : str or None
        As in Conversion.
    """

    system: ExactSSM
    T: np.ndarray
    inverse: np.ndarray
    eigenvalues: tuple[Fraction, ...]
    sizes: tuple[int, ...]
    freedom: str | None


def exact_jordan(system: ExactSSM) -> ExactConversion:
    """T A = (blkdiag of a I + N) T in rational numbers.

    Parameters
    ----------
    system : ExactSSM
        With rational eigenvalues.

    Returns
    -------
    ExactConversion
        Unique where each eigenvalue has one block that an output sees or an input drives.

    Raises
    ------
    StructureError
        If an eigenvalue is not rational; the message gives its polynomial.

    Examples
    --------
    A chain that no eigenvalue computed in doubles would show:

    >>> found = exact_jordan(ExactSSM([[2, -1], [4, -2]], [[1], [3]], [["1/3", 0]], [[0]]))
    >>> found.sizes, found.system.A.astype(int).tolist(), [str(x) for x in found.system.B[:, 0]]
    ((2,), [[0, 1], [0, 0]], ['1/3', '-1/3'])
    """
    form = jordan_form(system.A)
    form.matrices()  # refuses what is not rational
    chains = [chain for g in form.groups for chain in _cut(-g.polynomial[1], g.sizes, g.V[:, :, 0], g.T[:, :, 0])]
    chains = sorted(chains, key=lambda chain: (-abs(chain[0]), chain[0] < 0, -len(chain[1])))
    chains, freedom = _normalised(chains, system.B, system.C, exact=True)
    n = len(system.A)
    T = np.vstack([np.zeros((0, n), object), *(rows for _, rows, _ in chains)])
    V = np.hstack([np.zeros((n, 0), object), *(columns for _, _, columns in chains)])
    J = T @ system.A @ V
    new = ExactSSM(J.reshape(n, n), T @ system.B, system.C @ V, system.D)
    return ExactConversion(
        new, T, V, tuple(a for a, _, _ in chains), tuple(len(rows) for _, rows, _ in chains), freedom
    )


def jordan(system: Any) -> Conversion:
    """Return the Jordan form in doubles: chains from exact arithmetic, rounded once.

    Parameters
    ----------
    system : ExactSSM, LinearSSM or ContinuousSSM
        Of an ExactSSM every number counts at its value.  In doubles the entries of A have to be
        short and its eigenvalues rational; `ExactSSM.of(system)` asks for all others.

    Returns
    -------
    Conversion
        Complex where an eigenvalue is; irrational ones are rounded as well.

    Raises
    ------
    StructureError
        If an entry of A is a double with more than 20 bits, an eigenvalue of doubles is irrational,
        or T is out of reach in double precision.

    References
    ----------
    Golub and Wilkinson 1976, Ill-conditioned eigensystems and the computation of the Jordan canonical form.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> found = jordan(LinearSSM(A=[[2, -1], [4, -2]], B=[[1], [3]], C=[[1, 0]], D=[[0]]))
    >>> found.system.A, found.system.B.round(12)
    (array([[0., 1.],
           [0., 0.]]), array([[ 1.],
           [-1.]]))
    """
    if isinstance(system, ExactSSM):
        form, system = jordan_form(system.A), system.rounded()
    else:
        form = _rational(jordan_form(_short(one(system).A)))
    found = form.rounded()
    ends = np.cumsum((0, *found.sizes))
    chains = [
        (a, found.T[i:j], found.inverse[:, i:j]) for a, i, j in zip(found.eigenvalues, ends, ends[1:], strict=False)
    ]
    chains, freedom = _normalised(chains, system.B, system.C, exact=False)
    T = np.vstack([np.zeros((0, len(found.J))), *(rows for _, rows, _ in chains)])
    V = np.hstack([np.zeros((len(found.J), 0)), *(columns for _, _, columns in chains)])
    return conversion("jordan", system, T, A=found.J, C=system.C @ V, freedom=freedom)


def _short(A: np.ndarray) -> np.ndarray:
    """Return A, refusing doubles that look like results of rounding."""
    for place in np.ndindex(A.shape):
        x = A[place]
        if np.iscomplexobj(A) and x.imag:
            raise StructureError(f"jordan: A{list(place)} = {x} is complex, rational numbers are needed")
        numerator = abs(Fraction(float(x.real)).numerator)
        bits = (numerator // (numerator & -numerator)).bit_length() if numerator else 0
        if bits > BITS:
            raise StructureError(
                f"jordan: A{list(place)} = {float(x.real)!r} has {bits} bits, need <= {BITS} to be taken as exact; "
                "rounding undoes Jordan blocks: use the staircase or the memory split, "
                "or jordan(ExactSSM.of(system)) to insist"
            )
    return A.real


def _rational(form: ExactJordan) -> ExactJordan:
    """Return the form, refusing roots that have to be rounded: converted again, they would be refused."""
    degree = max((g.degree for g in form.groups), default=1)
    if degree > 1:
        raise StructureError(
            f"jordan: an eigenvalue is the root of an irreducible polynomial of degree {degree}, need degree 1; "
            "use the modal form, or jordan(ExactSSM.of(system)) to have its roots rounded"
        )
    return form


def _cut(a: Fraction, sizes: Sequence[int], V: np.ndarray, T: np.ndarray) -> list[Chain]:
    ends = np.cumsum((0, *sizes))
    return [(a, T[i:j], V[:, i:j]) for i, j in zip(ends, ends[1:], strict=False)]


def _normalised(chains: list[Chain], B: np.ndarray, C: np.ndarray, *, exact: bool) -> tuple[list[Chain], str | None]:
    """Fix the polynomial that each chain leaves free; say where something remains."""
    free, done = None, []
    for a, rows, columns in chains:
        q = _fixing(rows, columns, B, C, exact)
        if q is None:
            free = f"the chain at {a} that no output sees and no input drives"
            q = np.eye(1, len(rows), dtype=int)[0].astype(rows.dtype)
        done.append((a, _toeplitz(q) @ rows, columns @ _toeplitz(_reciprocal(q))))
    eigenvalues = [a for a, _, _ in chains]
    repeated = next((a for a in eigenvalues if eigenvalues.count(a) > 1), None)
    return done, f"the eigenvalue {repeated} has more than one block" if repeated is not None else free


def _fixing(rows: np.ndarray, columns: np.ndarray, B: np.ndarray, C: np.ndarray, exact: bool) -> np.ndarray | None:
    """Return the coefficients of q with C inv(q(N)) = [1, 0, ...] in a row, or q(N) B = [..., 0, 1]' in a column."""
    seen, driven = C @ columns, rows @ B
    # rounded once, an entry that is 0 comes out within (n + 2) u of the sum of moduli; twice that decides
    margin = 0 if exact else 2 * (len(columns) + 2) * UNIT
    for c, bound in zip(seen, np.abs(C) @ np.abs(columns) * margin, strict=True):
        if abs(c[0]) > bound[0]:
            return c
    for b, bound in zip(driven.T, (np.abs(rows) @ np.abs(B)).T * margin, strict=True):
        if abs(b[-1]) > bound[-1]:
            return _reciprocal(b[::-1])
    return None


def _toeplitz(q: np.ndarray) -> np.ndarray:
    """Return q_0 I + q_1 N + q_2 N^2 + ..., N with ones above the diagonal."""
    Q = np.zeros((len(q), len(q)), q.dtype)
    for k in range(len(q)):
        Q = Q + q[k] * np.eye(len(q), k=k, dtype=int)
    return Q


def _reciprocal(q: np.ndarray) -> np.ndarray:
    """Return the coefficients of 1 / q as a power series, as many as q has."""
    r = np.zeros_like(q)
    for k in range(len(q)):
        r[k] = ((1 if k == 0 else 0) - sum(q[i] * r[k - i] for i in range(1, k + 1))) / q[0]
    return r


def jordan_defect(system: Any) -> float:
    """Return how far A is from a diagonal with ones or zeros above it, ones between equal entries only."""
    A, n = system.A, len(system.A)
    a, ones = np.diag(A), np.diag(A, 1)
    linked = (np.abs(ones - 1) < 0.5) & (a[1:] == a[:-1])
    return relative(A - np.diag(a) - np.diag(linked.astype(float), 1) if n > 1 else A - np.diag(a), size(A))


JORDAN = register(
    CanonicalForm(
        name="jordan",
        convert=jordan,
        defect=jordan_defect,
        group="unimodular",
        title="Jordan form, from exact arithmetic",
        reference="Golub and Wilkinson 1976",
    )
)
