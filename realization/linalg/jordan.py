"""The Jordan form of a rational matrix, exact: one set of chains for all roots of an irreducible polynomial.

    T A = J T,     J = blkdiag of k x k blocks with a root a on the diagonal and ones above it

Conjugate roots have conjugate chains, so that all is computed in the field Q(a), a being "the" root
of the irreducible factor, and only at the end is a replaced by each of its values.  In floating
point the form does not exist (a rounding error undoes every block): there the staircase answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from realization.core.errors import ConvergenceError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.block_schur import order_eigenvalues
from realization.linalg.exact import elementary_divisors
from realization.linalg.rational import fractions, rationals, square

# Digits of the roots in which chains are evaluated: cancellation may take 44 of them before a double shows it.
DIGITS = 60
Complex = tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JordanGroup(Sealed):
    """The Jordan blocks of all roots a of one irreducible polynomial p of degree d.

    An entry of V and T is a polynomial in a, as d coefficients, highest first.

    Parameters
    ----------
    polynomial : tuple of Fraction
        p, monic, (d + 1,), highest first.
    sizes : tuple of int
        Sizes of the blocks of each root, largest first; k is their sum.
    V, T : ndarray
        (n, k, d) and (k, n, d), of Fractions: A V = V J and T A = J T, T V = I.
    """

    polynomial: tuple[Fraction, ...]
    sizes: tuple[int, ...]
    V: np.ndarray
    T: np.ndarray

    @property
    def degree(self) -> int:
        """Number of roots."""
        return len(self.polynomial) - 1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RoundedJordan(Sealed):
    """T A = J T in doubles, every entry off by no more than a few roundings.

    Parameters
    ----------
    J, T, inverse : ndarray
        (n, n), complex where an eigenvalue is.
    eigenvalues : ndarray
        One for each block.
    sizes : tuple of int
        Of the blocks, by falling modulus and increasing angle of the eigenvalue, then by falling size.
    """

    J: np.ndarray
    T: np.ndarray
    inverse: np.ndarray
    eigenvalues: np.ndarray
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ExactJordan:
    """The Jordan form of a rational matrix, eigenvalue by eigenvalue.

    Parameters
    ----------
    groups : tuple of JordanGroup
        One for each irreducible factor of the characteristic polynomial.
    n : int
        Size of the matrix.
    """

    groups: tuple[JordanGroup, ...]
    n: int

    @property
    def rational(self) -> bool:
        """Whether all eigenvalues are rational numbers."""
        return all(g.degree == 1 for g in self.groups)

    @property
    def diagonalizable(self) -> bool:
        """Whether all blocks have size 1."""
        return all(size == 1 for g in self.groups for size in g.sizes)

    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """Return J and T as arrays of Fractions.

        Returns
        -------
        tuple of ndarray
            (n, n) each, groups in order.

        Raises
        ------
        StructureError
            If an eigenvalue is not rational; the message gives its polynomial.
        """
        for g in self.groups:
            if g.degree > 1:
                p = " ".join(str(c) for c in g.polynomial)
                raise StructureError(
                    f"an eigenvalue has the minimal polynomial [{p}] of degree {g.degree}, need degree 1 "
                    "for a Jordan form in rational numbers; use rounded()"
                )
        J, T = rationals("J", np.zeros((self.n, self.n), int)).copy(), [np.zeros((0, self.n), object)]
        i = 0
        for g in self.groups:
            T.append(g.T[:, :, 0])
            for size in g.sizes:
                place = slice(i, i + size)
                J[place, place] += -g.polynomial[1] * np.eye(size, dtype=int) + np.eye(size, k=1, dtype=int)
                i += size
        return J, np.vstack(T)

    def rounded(self) -> RoundedJordan:
        """Return J, T and its inverse in doubles.

        Returns
        -------
        RoundedJordan
            Roots and chains are evaluated with 60 digits and rounded once.

        Raises
        ------
        ConvergenceError
            If the roots of a polynomial are not found to so many digits.
        """
        blocks = [block for g in self.groups for block in _blocks(g)]
        order = order_eigenvalues(np.array([a for a, _, _ in blocks])) if blocks else []
        # blocks of one eigenvalue stand in falling size already, and the order is stable
        eigenvalues = np.array([blocks[i][0] for i in order], dtype=np.complex128)
        sizes = tuple(blocks[i][1].shape[1] for i in order)
        V = np.hstack([np.zeros((self.n, 0)), *(blocks[i][1] for i in order)])
        T = np.vstack([np.zeros((0, self.n)), *(blocks[i][2] for i in order)])
        J = np.diag(np.repeat(eigenvalues, sizes)) if self.n else np.zeros((0, 0))
        for end in np.cumsum(sizes)[:-1]:
            J[end - 1, end] = -1
        J = J + np.eye(self.n, k=1)
        real = all(not np.any(X.imag) for X in (J, T, V))
        J, T, V = (X.real.astype(np.float64) if real else X for X in (J, T, V))
        return RoundedJordan(J, T, V, eigenvalues.real if real else eigenvalues, sizes)


def jordan_form(A: Any) -> ExactJordan:
    """Return the Jordan form of a rational matrix, with T A = J T.

    Parameters
    ----------
    A : array_like
        (n, n), of integers, Fractions, strings such as "1/3", or floats at their exact value.

    Returns
    -------
    ExactJordan
        Exact chains; `matrices()` for rational eigenvalues, `rounded()` for all.

    Raises
    ------
    ShapeError
        If A is no square matrix of rational numbers.

    References
    ----------
    Kågström and Ruhe (1980), ACM Trans. Math. Software 6, 398-419, on why doubles cannot; Gantmacher (1959).

    Examples
    --------
    >>> form = jordan_form([[2, -1], [4, -2]])
    >>> J, T = form.matrices()
    >>> J.tolist() == [[0, 1], [0, 0]], bool((T @ [[2, -1], [4, -2]] == J @ T).all())
    (True, True)
    >>> jordan_form([[0, 2], [1, 0]]).rounded().eigenvalues.round(4).tolist()
    [1.4142, -1.4142]
    """
    A = square("A", A)
    return ExactJordan(tuple(_group(A, divisor) for divisor in elementary_divisors(A)), len(A))


def _group(A: np.ndarray, divisor: Any) -> JordanGroup:
    """Right chains V and the left chains T that are dual to them, over Q(a)."""
    K, a = _field(divisor.polynomial)
    V = _chains(A, K, a, divisor.sizes)
    # the left generalised eigenspace is orthogonal to the right ones of all other roots
    L = _chains(A.T, K, a, divisor.sizes).transpose()
    T = (L * V).lu_solve(L)
    degree = len(divisor.polynomial) - 1
    return JordanGroup(divisor.polynomial, divisor.sizes, _coefficients(V, degree), _coefficients(T, degree))


def _field(p: tuple[Fraction, ...]) -> tuple[Any, Any]:
    """The field Q(a) and a, for a root a of p."""
    from sympy import QQ, Poly, Symbol

    rational = [QQ(c.numerator, c.denominator) for c in p]
    if len(p) == 2:
        return QQ, -rational[1]
    K = QQ.alg_field_from_poly(Poly(rational, Symbol("z"), domain=QQ))
    return K, K.unit


def _chains(A: np.ndarray, K: Any, a: Any, sizes: tuple[int, ...]) -> Any:
    """Columns N^(s-1) h, ..., N h, h for heads h of chains of every size s, N = A - a I, as a DomainMatrix over K."""
    from sympy.polys.matrices import DomainMatrix

    n = len(A)
    entries = [[K(x.numerator) / K(x.denominator) - (a if i == j else K.zero) for j, x in enumerate(row)]
               for i, row in enumerate(A)]  # fmt: skip
    N = DomainMatrix(entries, (n, n), K)
    powers = [DomainMatrix.eye(n, K).to_dense()]
    for _ in range(sizes[0]):
        powers.append(powers[-1] * N)
    kernels = [P.nullspace().transpose().to_dense() for P in powers]
    heads: list[tuple[int, Any]] = []
    for s in range(sizes[0], 0, -1):
        # what is in ker N^s, but neither in ker N^(s-1) nor on a longer chain
        known = [kernels[s - 1], *(powers[size - s] * h for size, h in heads)]
        both = (
            DomainMatrix.hstack(*known, kernels[s])
            if known[0].shape[1]
            else DomainMatrix.hstack(*known[1:], kernels[s])
        )
        taken = both.shape[1] - kernels[s].shape[1]
        new = [j for j in both.to_field().rref()[1] if j >= taken]
        heads += [(s, both.extract(list(range(n)), [j])) for j in new]
    columns = [powers[s - 1 - j] * h for s, h in heads for j in range(s)]
    return columns[0].hstack(*columns[1:]).to_dense()


def _coefficients(M: Any, degree: int) -> np.ndarray:
    """Entries of a matrix over Q(a) as coefficients in a, (k, l, degree)."""
    if degree == 1:
        return fractions(M)[:, :, None]
    rows, columns = M.shape
    out = np.full((rows, columns, degree), Fraction(0), dtype=object)
    for i, row in enumerate(M.to_dense().to_list()):
        for j, x in enumerate(row):
            c = [Fraction(int(y.numerator), int(y.denominator)) for y in x.to_list()]
            out[i, j, degree - len(c) :] = c
    return out


def _blocks(g: JordanGroup) -> list[tuple[complex, np.ndarray, np.ndarray]]:
    """For every root and every block: the root, and the columns of V and rows of T in doubles."""
    found = []
    ends = np.cumsum((0, *g.sizes))
    for a in _roots(g.polynomial):
        V, T = _at(g.V, a), _at(g.T, a)
        found += [(_rounded(a), V[:, i:j], T[i:j]) for i, j in zip(ends, ends[1:], strict=False)]
    return found


def _roots(p: tuple[Fraction, ...]) -> list[Complex]:
    """The roots of an irreducible polynomial to so many digits, as rational real and imaginary parts."""
    from sympy import QQ, Poly, Rational, Symbol
    from sympy.polys.polytools import NoConvergence

    if len(p) == 2:
        return [(-p[1], Fraction(0))]
    poly = Poly([QQ(c.numerator, c.denominator) for c in p], Symbol("z"), domain=QQ)
    try:
        roots = poly.nroots(n=DIGITS, maxsteps=500)
    except NoConvergence as error:
        raise ConvergenceError(f"roots of degree {len(p) - 1} to {DIGITS} digits: {error}; use the staircase") from None
    parts = [[Rational(x) for x in root.as_real_imag()] for root in roots]
    return [(Fraction(int(x.p), int(x.q)), Fraction(int(y.p), int(y.q))) for x, y in parts]


def _at(M: np.ndarray, a: Complex) -> np.ndarray:
    """Entries (k, l, d), polynomials in a, at one value of a, rounded once."""
    out = np.zeros(M.shape[:2], dtype=np.complex128)
    for i, j in np.ndindex(out.shape):
        x, y = Fraction(0), Fraction(0)
        for c in M[i, j]:
            x, y = x * a[0] - y * a[1] + c, x * a[1] + y * a[0]
        out[i, j] = _rounded((x, y))
    return out


def _rounded(a: Complex) -> complex:
    return complex(float(a[0]), float(a[1]))
