"""Matrices of rational numbers: arrays of Fraction, read-only, with rank and solution decided and not estimated."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError


def rationals(name: str, x: Any) -> np.ndarray:
    """Return an array of Fractions, read-only.

    Parameters
    ----------
    name : str
        For messages.
    x : array_like
        Integers, Fractions, strings such as "1/3", floats at their exact value.

    Returns
    -------
    ndarray
        Of dtype object.

    Raises
    ------
    ShapeError
        If an entry is no rational number.

    Examples
    --------
    >>> rationals("x", ["1/3", 0.5, 2]).tolist()
    [Fraction(1, 3), Fraction(1, 2), Fraction(2, 1)]
    """
    try:
        x = np.asarray(x, dtype=object)
        exact = [Fraction(entry.item() if isinstance(entry, np.generic) else entry) for entry in x.flat]
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise ShapeError(
            f"{name} has an entry that is no rational number ({error}); integers, "
            'Fractions, strings such as "1/3" or finite real floats are needed'
        ) from None
    array = np.array(exact, dtype=object).reshape(x.shape)
    array.setflags(write=False)
    return array


def rank(M: Any) -> int:
    """Return the rank of M.

    Parameters
    ----------
    M : array_like
        (k, l).

    Returns
    -------
    int
        Decided, not estimated.

    Raises
    ------
    ShapeError
        If M is no matrix of rational numbers.

    Examples
    --------
    One unit in the last place makes the difference, which a singular value of 1e-17 does not show:

    >>> rank([[1, 1], [1, 1 + 2**-52]]), rank([[1, 1], [1, 1]])
    (2, 1)
    """
    M = matrix("M", M)
    return int(domain_matrix(M).rank()) if M.size else 0


def solve(A: Any, B: Any) -> np.ndarray:
    """Return X with A X = B.

    Parameters
    ----------
    A, B : array_like
        (n, n) and (n, m).

    Returns
    -------
    ndarray
        (n, m), of Fractions.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is no rational number.
    StructureError
        If A is singular; the message gives its rank.

    Examples
    --------
    >>> solve([[3]], [[1]]).tolist()
    [[Fraction(1, 3)]]
    """
    A, B = square("A", A), matrix("B", B)
    if len(B) != len(A):
        raise ShapeError(f"B has shape {B.shape}, but ({len(A)}, m) is needed; n={len(A)} (from A)")
    if not B.size:
        return B
    if (r := rank(A)) < len(A):
        raise StructureError(f"A has rank {r}, need {len(A)}: A X = B has no unique solution")
    return fractions(domain_matrix(A).lu_solve(domain_matrix(B)))


def domain_matrix(M: np.ndarray) -> Any:
    """Return a matrix of Fractions as SymPy's DomainMatrix over the field of rationals.

    Parameters
    ----------
    M : ndarray
        (k, l), of Fractions.

    Returns
    -------
    sympy.polys.matrices.DomainMatrix
        Dense.
    """
    from sympy import QQ
    from sympy.polys.matrices import DomainMatrix

    return DomainMatrix([[QQ(x.numerator, x.denominator) for x in row] for row in M], M.shape, QQ)


def fractions(M: Any) -> np.ndarray:
    """Return a DomainMatrix over the rationals as an array of Fractions.

    Parameters
    ----------
    M : sympy.polys.matrices.DomainMatrix
        (k, l).

    Returns
    -------
    ndarray
        (k, l), of dtype object.
    """
    entries = np.array([fraction(x) for row in M.to_dense().to_list() for x in row], dtype=object)
    return entries.reshape(M.shape)


def fraction(x: Any) -> Fraction:
    """An element of SymPy's field of rationals as a Fraction."""
    return Fraction(int(x.numerator), int(x.denominator))


def matrix(name: str, M: Any) -> np.ndarray:
    """Return a matrix of Fractions, refusing other shapes by name."""
    M = rationals(name, M)
    if M.ndim != 2:
        raise ShapeError(f"{name} has shape {M.shape}, but a matrix is needed")
    return M


def square(name: str, A: Any) -> np.ndarray:
    """Return a square matrix of Fractions.

    Parameters
    ----------
    name : str
        For messages.
    A : array_like
        (n, n).

    Returns
    -------
    ndarray
        Of dtype object.

    Raises
    ------
    ShapeError
        If A is no square matrix of rational numbers.
    """
    A = matrix(name, A)
    if A.shape[0] != A.shape[1]:
        raise ShapeError(f"{name} has shape {A.shape}, but a square matrix is needed")
    return A


def eye(n: int) -> np.ndarray:
    """The identity, in Fractions."""
    return rationals("I", np.eye(n, dtype=int))
