"""Schur's algorithm: the same reflections as Levinson's, and a Cholesky factor of T, without a predictor.

    U_n(k) = E y(k) e_n(n)',  k >= n        V_n(k) = E y(k) b_n(n)',  k > n,    b_n(n) the error of y(0)

    Delta = V_n(n+1),    S_n = U_n(n),    K = Delta inv(Sbar_n),    Kbar = Delta' inv(S_n)

    U_{n+1}(k) = U_n(k-1) - V_n(k) K',    V_{n+1}(k) = V_n(k) - U_n(k-1) Kbar'

and T = U inv(diag S) U'; U_0 and V_0 are the covariances themselves.  U inv(diag S) writes the outputs in terms of
their innovations.  For p = 1 the quotient
f_n = V_n / U_n of power series is bounded by 1 in the disc as long as T > 0, and the reflections are its values at 0,
Schur's parameters: f_{n+1} = (f_n - f_n(0)) / (z (1 - f_n(0) f_n)).

It is stable where Levinson's recursion need not be: only covariances of outputs with errors occur, which Lambda(0)
bounds, where the coefficients of predictors grow up to 2^n (Bojanczyk, Brent, de Hoog and Sweet 1995).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.stochastic.classical.levinson import reflection
from realization.stochastic.classical.positivity import judge, require_positive
from realization.stochastic.classical.window import (
    covariance_window,
    diagonal_units,
    entries,
    exact,
    factor,
    right_divided,
    squeezed,
    stacked,
    symmetric,
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Schur(Sealed):
    """T = U inv(diag S) U', U block lower triangular, and the reflections.

    Where the covariances came as one row of numbers the axes p are left out of S, K, Kbar and Gamma; where they came as
    fractions all is exact but the reflections of p > 1 outputs.

    Parameters
    ----------
    U : ndarray
        ((N+1) p, (N+1) p), block (k, n) = E y(k) e_n(n)'.
    errors, backward_errors : ndarray
        S_n and Sbar_n, (N+1, p, p).
    gains, backward_gains : ndarray
        K and Kbar of the steps 1 ... N, (N, p, p).
    reflections : ndarray
        Gamma of the steps 1 ... N, (N, p, p): all of norm below 1.
    """

    U: np.ndarray
    errors: np.ndarray
    backward_errors: np.ndarray
    gains: np.ndarray
    backward_gains: np.ndarray
    reflections: np.ndarray

    @property
    def moving_average(self) -> np.ndarray:
        """Theta = U inv(diag S), ((N+1) p, (N+1) p): y(t) = sum_n Theta(t, n) e_n(n), the *innovations algorithm*."""
        return np.concatenate([right_divided(U, S) for U, S in self._columns()], axis=1)

    @property
    def cholesky(self) -> np.ndarray:
        """L lower triangular, T = L L', ((N+1) p, (N+1) p) floats: block column n is U_n inv(L_n)', S_n = L_n L_n'."""
        L = [np.linalg.solve(factor(S), U.T.astype(np.float64)).T for U, S in self._columns()]
        return np.concatenate(L, axis=1)

    @property
    def last_row(self) -> np.ndarray:
        """E y(N) e_n(n)' for n = 0 ... N, (N+1, p, p)."""
        N, p = len(self.errors), len(self.U) // len(self.errors)
        return self.U[len(self.U) - p :].reshape(p, N, p).swapaxes(0, 1)

    def _columns(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """U_n and S_n, also where the axes p are left out."""
        p = len(self.U) // len(self.errors)
        for n, S in enumerate(self.errors):
            yield self.U[:, n * p : (n + 1) * p], np.reshape(S, (p, p))


def schur(covariances: Any) -> Schur:
    """Return the triangular factor of T = [Lambda(i - j)] and the reflections.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,) where p = 1.
        Fractions, or strings such as "1/3", are computed with exactly.

    Returns
    -------
    Schur
        With p^3 N^2 operations.

    Raises
    ------
    ShapeError
        If the axes are others, Lambda(0) is not symmetric, or an entry is no finite real number.
    StructureError
        If the covariances are not positive definite, up to rounding; with the order.

    References
    ----------
    Schur 1917; Bareiss 1969; Kailath and Sayed 1995; Brockwell and Davis 1991 (the innovations algorithm).

    Examples
    --------
    >>> found = schur(["2", "1", "1"])
    >>> [str(x) for x in found.reflections]
    ['1/2', '1/3']
    >>> L = found.cholesky
    >>> (L @ L.T).round(12)
    array([[2., 1., 1.],
           [1., 2., 1.],
           [1., 1., 2.]])

    A first difference of white noise is not quite invertible: from n values it is predicted with variance
    (n+2) / (n+1).

    >>> found = schur(["2", "-1", "0", "0"])
    >>> [str(x) for x in found.errors], [str(x) for x in found.moving_average[3]]
    (['2', '3/2', '4/3', '5/4'], ['0', '0', '-3/4', '1'])
    """
    Lambda = covariance_window(covariances)
    N, p = len(Lambda) - 1, Lambda.shape[-1]
    units = diagonal_units(Lambda)
    U = V = Lambda  # U_n(n), ..., U_n(N) and V_n(n), ..., V_n(N); V_n(n) is not used
    S, Sbar, K, Kbar, Gamma, columns = [Lambda[0]], [Lambda[0]], [], [], [], [Lambda]
    _require_positive(0, units, S[0])
    for n in range(N):
        U, V = U[:-1], V[1:]
        K.append(right_divided(V[0], Sbar[n]))
        Kbar.append(right_divided(V[0].T, S[n]))
        Gamma.append(reflection(K[n], S[n], Sbar[n]))
        Sbar.append(symmetric(Sbar[n] - Kbar[n] @ V[0]))
        U, V = U - V @ K[n].T, V - U @ Kbar[n].T
        S.append(symmetric(U[0]))
        _require_positive(n + 1, units, S[-1], Sbar[-1])
        columns.append(np.concatenate([Lambda[: n + 1] * 0, U]))
    blocks = (S, Sbar, K, Kbar, Gamma)
    triangle = np.stack(columns).transpose(1, 2, 0, 3).reshape((N + 1) * p, (N + 1) * p)
    return Schur(triangle, *(squeezed(stacked(X, Lambda), covariances) for X in blocks))


def schur_parameters(numerator: Any, denominator: Any = None) -> np.ndarray:
    """Return f_0(0), f_1(0), ... of f = numerator / denominator, f_{n+1} = (f_n - f_n(0)) / (z (1 - f_n(0) f_n)).

    Parameters
    ----------
    numerator : array_like
        (N,) coefficients of a power series, lowest first.
    denominator : array_like, optional
        (N,), the first not 0.  Default: 1.

    Returns
    -------
    ndarray
        (N,), all below 1 in modulus: so they are, for all N, if and only if |f| <= 1 in the disc and f is no quotient
        that has modulus 1 on the whole circle.

    Raises
    ------
    ShapeError
        If the coefficients are no row of finite real numbers, or two rows differ in length.
    StructureError
        If a parameter is 1 or more in modulus; with its place.

    References
    ----------
    Schur 1917.

    Examples
    --------
    z / (2 - z) is bounded by 1, and equals it at z = 1; z / (1 - z / 2) is 2 there:

    >>> [str(x) for x in schur_parameters(["0", "1", "0", "0"], ["2", "-1", "0", "0"])]
    ['0', '1/2', '1/3', '1/4']
    >>> schur_parameters([0, 1, 0, 0], [1, -0.5, 0, 0])
    Traceback (most recent call last):
    realization.core.errors.StructureError: parameter 1 is 1, need below 1 in modulus: the series is not bounded by 1, \
or it is a Blaschke product of degree 1
    """
    v = entries("numerator", numerator)
    u = _one(v) if denominator is None else entries("denominator", denominator)
    if exact(u) != exact(v):
        u, v = u.astype(np.float64), v.astype(np.float64)
    if v.ndim != 1 or u.shape != v.shape or (len(u) and not u[0]):
        raise ShapeError(
            f"numerator and denominator have shapes {v.shape} and {u.shape}, first coefficient "
            f"{u.flat[0] if u.size else None}; two rows (N,) are needed, the denominator not 0 at 0"
        )
    found: list[Any] = []
    for n in range(len(v)):
        found.append(v[0] / u[0])
        if not abs(found[n]) < 1:
            raise StructureError(
                f"parameter {n} is {float(found[n]):.6g}, need below 1 in modulus: the series is not bounded by 1, "
                f"or it is a Blaschke product of degree {n}"
            )
        u, v = (u - found[n] * v)[:-1], (v - found[n] * u)[1:]
    return np.array(found, dtype=u.dtype)


def _one(v: np.ndarray) -> Any:
    """The series 1."""
    return np.concatenate([v[:1] * 0 + 1, v[1:] * 0])


def _require_positive(n: int, units: np.ndarray, *errors: np.ndarray) -> None:
    """Refuse errors that are not positive definite, up to n + 1 roundings of what was subtracted."""
    for S in errors:
        require_positive(judge(n, S, units, (n + 1) * len(S) * EPS))
