"""Exact answers on matrices of rational numbers: yes or no, where a double can only be close.

Integers, Fractions, strings such as "1/3" and floats (each is a dyadic rational) come in;
arrays of Fraction go out.  A polynomial is an array of its coefficients, highest first, as in
`numpy.poly`.  The numbers grow with every step: meant for n up to about 20.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.linalg.rational import domain_matrix, eye, fraction, fractions, matrix, rank, rationals, solve, square

__all__ = [
    "ElementaryDivisor",
    "ExactFittingSplit",
    "are_similar",
    "characteristic_polynomial",
    "controllable_dimension",
    "elementary_divisors",
    "evaluate_polynomial",
    "fitting_split",
    "invariant_factors",
    "is_minimal",
    "minimal_polynomial",
    "nilpotency_index",
    "observable_dimension",
    "rank",
    "rationals",
    "solve",
]


class ElementaryDivisor(NamedTuple):
    """An irreducible factor of the characteristic polynomial, and the sizes of its Jordan blocks.

    Parameters
    ----------
    polynomial : tuple of Fraction
        Monic, coefficients highest first.
    sizes : tuple of int
        The same for each of its roots, largest first.
    """

    polynomial: tuple[Fraction, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExactFittingSplit(Sealed):
    """T A = [[N, 0], [0, M]] T without an error.

    Parameters
    ----------
    N, M : ndarray
        (k, k) nilpotent, (n - k, n - k) invertible, of Fractions.
    T, inverse : ndarray
        (n, n).
    index : int
        That of N.
    """

    N: np.ndarray
    M: np.ndarray
    T: np.ndarray
    inverse: np.ndarray
    index: int


def nilpotency_index(A: Any) -> int | None:
    """Return the smallest k with A^k = 0, or None where there is none.

    Parameters
    ----------
    A : array_like
        (n, n).

    Returns
    -------
    int or None
        At most n; 0 for n = 0.

    Raises
    ------
    ShapeError
        If A is no square matrix of rational numbers.

    Examples
    --------
    >>> nilpotency_index([[2, -1], [4, -2]]), nilpotency_index([[2, -1], [4, -2 + 2**-51]])
    (2, None)
    """
    A = square("A", A)
    power = eye(len(A))
    for k in range(len(A) + 1):
        if not power.any():
            return k
        power = power @ A
    return None


def controllable_dimension(A: Any, B: Any) -> int:
    """Return the rank of [B, A B, ..., A^(n-1) B].

    Parameters
    ----------
    A, B : array_like
        (n, n) and (n, m).

    Returns
    -------
    int
        n where (A, B) is controllable.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is no rational number.

    Examples
    --------
    >>> controllable_dimension([["1/3", 0], [0, "1/3"]], [[1], [1]])
    1
    """
    A, B = square("A", A), matrix("B", B)
    if len(B) != len(A):
        raise ShapeError(f"B has shape {B.shape}, but ({len(A)}, m) is needed; n={len(A)} (from A)")
    reached = [B]
    for _ in range(len(A) - 1):
        reached.append(A @ reached[-1])
    return rank(np.hstack(reached))


def observable_dimension(A: Any, C: Any) -> int:
    """Return the rank of [C; C A; ...; C A^(n-1)].

    Parameters
    ----------
    A, C : array_like
        (n, n) and (p, n).

    Returns
    -------
    int
        n where (A, C) is observable.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is no rational number.

    Examples
    --------
    >>> observable_dimension([[0, 1], [0, 0]], [[0, 1]])
    1
    """
    A, C = square("A", A), matrix("C", C)
    if C.shape[1] != len(A):
        raise ShapeError(f"C has shape {C.shape}, but (p, {len(A)}) is needed; n={len(A)} (from A)")
    return controllable_dimension(A.T, C.T)


def is_minimal(A: Any, B: Any, C: Any) -> bool:
    """Return whether (A, B) is controllable and (A, C) observable: no smaller system has the same answers.

    Parameters
    ----------
    A, B, C : array_like
        (n, n), (n, m) and (p, n).

    Returns
    -------
    bool
        True for n = 0.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is no rational number.

    Examples
    --------
    >>> is_minimal([["1/2", 0], [0, "1/3"]], [[1], [1]], [[1, 1]])
    True
    """
    return controllable_dimension(A, B) == observable_dimension(A, C) == len(A)


def characteristic_polynomial(A: Any) -> np.ndarray:
    """Return the coefficients of det(z I - A), highest first.

    Parameters
    ----------
    A : array_like
        (n, n).

    Returns
    -------
    ndarray
        (n + 1,), of Fractions; the first is 1.

    Raises
    ------
    ShapeError
        If A is no square matrix of rational numbers.

    Examples
    --------
    >>> [str(c) for c in characteristic_polynomial([["1/2", 1], [0, "1/3"]])]
    ['1', '-5/6', '1/6']
    """
    A = square("A", A)
    coefficients = domain_matrix(A).charpoly() if len(A) else [1]
    return rationals("p", [fraction(c) for c in coefficients])


def elementary_divisors(A: Any) -> tuple[ElementaryDivisor, ...]:
    """Return the irreducible factors p of det(z I - A) with the sizes of their Jordan blocks.

    With r_k the rank of p(A)^k, there are (r_(k-1) - r_k) / deg p blocks of size k and more.

    Parameters
    ----------
    A : array_like
        (n, n).

    Returns
    -------
    tuple of ElementaryDivisor
        By falling degree of the factor, then by its coefficients.

    Raises
    ------
    ShapeError
        If A is no square matrix of rational numbers.

    Examples
    --------
    >>> (quadratic, zero) = elementary_divisors([[0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    >>> [str(c) for c in quadratic.polynomial], quadratic.sizes
    (['1', '0', '-2'], (1,))
    >>> [str(c) for c in zero.polynomial], zero.sizes
    (['1', '0'], (2,))
    """
    A = square("A", A)
    found = []
    for p, multiplicity in _factors(characteristic_polynomial(A)):
        degree, power, P = len(p) - 1, eye(len(A)), evaluate_polynomial(p, A)
        ranks = [len(A)]
        while ranks[-1] > len(A) - degree * multiplicity:
            power = power @ P
            ranks.append(rank(power))
        at_least = [(a - b) // degree for a, b in zip(ranks, ranks[1:], strict=False)]
        sizes = tuple(sum(count > j for count in at_least) for j in range(at_least[0]))
        found.append(ElementaryDivisor(p, sizes))
    return tuple(sorted(found, key=lambda d: (-len(d.polynomial), d.polynomial)))


def invariant_factors(A: Any) -> tuple[np.ndarray, ...]:
    """Return the monic polynomials d_1, d_2, ... of positive degree, each divisible by the next.

    They are what is left of z I - A under invertible operations on its rows and columns; d_1 is the minimal
    polynomial, their product the characteristic one.

    Parameters
    ----------
    A : array_like
        (n, n).

    Returns
    -------
    tuple of ndarray
        Coefficients, highest first, of Fractions.

    Raises
    ------
    ShapeError
        If A is no square matrix of rational numbers.

    References
    ----------
    Gantmacher (1959), The Theory of Matrices, on elementary divisors.

    Examples
    --------
    >>> [[str(c) for c in d] for d in invariant_factors([[0, 1, 0], [0, 0, 0], [0, 0, 0]])]
    [['1', '0', '0'], ['1', '0']]
    """
    divisors = elementary_divisors(A)
    factors = []
    for sizes in zip_longest(*(d.sizes for d in divisors), fillvalue=0):
        product = rationals("d", [1])
        for divisor, size in zip(divisors, sizes, strict=True):
            for _ in range(size):
                product = np.convolve(product, np.array(divisor.polynomial, dtype=object))
        factors.append(product)
    return tuple(factors)


def minimal_polynomial(A: Any) -> np.ndarray:
    """Return the monic polynomial of least degree with p(A) = 0.

    Parameters
    ----------
    A : array_like
        (n, n).

    Returns
    -------
    ndarray
        Coefficients, highest first, of Fractions.

    Raises
    ------
    ShapeError
        If A is no square matrix of rational numbers.

    Examples
    --------
    >>> [str(c) for c in minimal_polynomial([["1/2", 0], [0, "1/2"]])]
    ['1', '-1/2']
    """
    return next(iter(invariant_factors(A)), rationals("p", [1]))


def are_similar(A: Any, B: Any) -> bool:
    """Return whether T A = B T for an invertible T.

    It exists over the rationals if it does over the complex numbers: both mean equal elementary divisors.

    Parameters
    ----------
    A, B : array_like
        (n, n) each.

    Returns
    -------
    bool
        False as well where the sizes differ.

    Raises
    ------
    ShapeError
        If A or B is no square matrix of rational numbers.

    Examples
    --------
    Equal eigenvalues, different Jordan blocks:

    >>> are_similar([[0, 1], [0, 0]], [[2, -1], [4, -2]]), are_similar([[0, 1], [0, 0]], [[0, 0], [0, 0]])
    (True, False)
    """
    A, B = square("A", A), square("B", B)
    return A.shape == B.shape and elementary_divisors(A) == elementary_divisors(B)


def fitting_split(A: Any) -> ExactFittingSplit:
    """Return T with T A = [[N, 0], [0, M]] T: the columns of its inverse span ker A^n and im A^n.

    Parameters
    ----------
    A : array_like
        (n, n).

    Returns
    -------
    ExactFittingSplit
        Always there: no condition stands in the way of exact arithmetic.

    Raises
    ------
    ShapeError
        If A is no square matrix of rational numbers.

    Examples
    --------
    >>> split = fitting_split([[0, 1, 0], [0, 0, 1], [0, 0, "1/2000"]])
    >>> split.index, split.M.tolist(), [str(y) for y in split.inverse[:2, 2] / split.inverse[2, 2]]
    (2, [[Fraction(1, 2000)]], ['4000000', '2000'])
    """
    A = square("A", A)
    n = len(A)
    if n == 0:
        return ExactFittingSplit(A, A, A, A, 0)
    power = np.linalg.matrix_power(A, n)
    P = domain_matrix(power)
    V = np.hstack([fractions(P.nullspace()).reshape(-1, n).T, fractions(P.columnspace()).reshape(n, -1)])
    T = solve(V, eye(n))
    A2 = T @ A @ V
    k = n - rank(power)
    return ExactFittingSplit(A2[:k, :k], A2[k:, k:], T, V, nilpotency_index(A2[:k, :k]) or 0)


def evaluate_polynomial(p: Sequence[Fraction] | np.ndarray, A: np.ndarray) -> np.ndarray:
    """Return p(A) by Horner's rule.

    Parameters
    ----------
    p : sequence of Fraction
        Coefficients, highest first.
    A : ndarray
        (n, n), of Fractions.

    Returns
    -------
    ndarray
        (n, n).

    Examples
    --------
    >>> bool(evaluate_polynomial(characteristic_polynomial([[1, 2], [3, 4]]), rationals("A", [[1, 2], [3, 4]])).any())
    False
    """
    P = eye(len(A)) * Fraction(0)
    for c in p:
        P = P @ A + c * eye(len(A))
    return P


def _factors(p: np.ndarray) -> list[tuple[tuple[Fraction, ...], int]]:
    """The monic irreducible factors over the rationals, with their multiplicities."""
    from sympy import QQ, Poly, Symbol

    if len(p) == 1:
        return []
    _, found = Poly([QQ(c.numerator, c.denominator) for c in p], Symbol("z"), domain=QQ).factor_list()
    return [(tuple(fraction(c) for c in f.monic().rep.to_list()), k) for f, k in found]
