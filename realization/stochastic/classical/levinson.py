"""Prediction from a growing past (Levinson 1947; Durbin 1960; Whittle 1963), and the reflections that it meets.

    e_n(t) = A_n(0) y(t) + ... + A_n(n) y(t-n),  A_n(0) = I     error of y(t),   given what lies between
    b_n(t) = B_n(0) y(t) + ... + B_n(n) y(t-n),  B_n(n) = I     error of y(t-n), given what lies between

    Delta = E e_n(t) b_n(t-1)' = sum_i A_n(i) Lambda(n+1-i)

    e_{n+1}(t) = e_n(t) - K b_n(t-1),      K = Delta inv(Sbar_n),    S_{n+1}    = S_n - K Delta'
    b_{n+1}(t) = b_n(t-1) - Kbar e_n(t),   Kbar = Delta' inv(S_n),   Sbar_{n+1} = Sbar_n - Kbar Delta

with S_n = E e_n e_n' and Sbar_n = E b_n b_n'.  With S_n = L L' and Sbar_n = Lbar Lbar' (Cholesky) the
reflection coefficient is Gamma = inv(L) Delta inv(Lbar)', the correlation of y(t) and y(t-n-1) when what lies
between is taken out; for p = 1 it is K = Kbar, the *partial autocorrelation* (elsewhere often with the other sign).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.stochastic.classical.positivity import Positivity, judge, require_positive
from realization.stochastic.classical.window import (
    covariance_window,
    diagonal_units,
    entries,
    exact,
    factor,
    identity,
    right_divided,
    squeezed,
    stacked,
    symmetric,
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Levinson(Sealed):
    """The predictors of all orders 0 ... N, and the errors that they leave.

    Where the covariances came as one row of numbers the axes p are left out; where they came as fractions all is exact
    but the reflections of p > 1 outputs, which need a square root.

    Parameters
    ----------
    forward, backward : tuple of ndarray
        A_n and B_n, (n+1, p, p) for n = 0 ... N: coefficients of y(t), ..., y(t-n).
    errors, backward_errors : ndarray
        S_n and Sbar_n, (N+1, p, p).
    gains, backward_gains : ndarray
        K and Kbar of the steps 1 ... N, (N, p, p).
    reflections : ndarray
        Gamma of the steps 1 ... N, (N, p, p): all of norm below 1.
    """

    forward: tuple[np.ndarray, ...]
    backward: tuple[np.ndarray, ...]
    errors: np.ndarray
    backward_errors: np.ndarray
    gains: np.ndarray
    backward_gains: np.ndarray
    reflections: np.ndarray

    @property
    def predictor(self) -> np.ndarray:
        """a_1, ..., a_N of the best prediction a_1 y(t-1) + ... + a_N y(t-N), (N, p, p)."""
        return -self.forward[-1][1:]


class Lattice(NamedTuple):
    """Both predictors of one order, their errors, and the gains of the step that led here."""

    A: np.ndarray
    B: np.ndarray
    S: np.ndarray
    Sbar: np.ndarray
    K: np.ndarray
    Kbar: np.ndarray

    def step(self, Delta: np.ndarray) -> Lattice:
        """The next order."""
        K, Kbar = right_divided(Delta, self.Sbar), right_divided(Delta.T, self.S)
        zero = self.A[:1] * 0
        A, B = np.concatenate([self.A, zero]), np.concatenate([zero, self.B])
        S, Sbar = symmetric(self.S - K @ Delta.T), symmetric(self.Sbar - Kbar @ Delta)
        return Lattice(A - K @ B, B - Kbar @ A, S, Sbar, K, Kbar)

    def predicted(self, Lambda: np.ndarray) -> np.ndarray:
        """The Lambda(n+1) for which Delta = 0."""
        return -(self.A[1:] @ Lambda[len(self.A) - 1 : 0 : -1]).sum(axis=0) + 0 * self.S


def levinson(covariances: Any) -> Levinson:
    """Predict y(t) from y(t-1), ..., y(t-n), and y(t-n) from what follows it, for n = 0 ... N.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,) where p = 1; Lambda(k) = E y(t+k) y(t)'.
        Fractions, or strings such as "1/3", are computed with exactly.

    Returns
    -------
    Levinson
        With p^3 N^2 operations.

    Raises
    ------
    ShapeError
        If the axes are others, Lambda(0) is not symmetric, or an entry is no finite real number.
    StructureError
        If the covariances are not positive definite: with the order, and the eigenvalue of the prediction error.

    References
    ----------
    Levinson 1947; Durbin 1960; Whittle 1963 and Wiggins and Robinson 1965 (several outputs).

    Examples
    --------
    1, 1/2, 1/4, ... is y(t) = y(t-1) / 2 + e(t): one reflection, and the rest of the past says nothing more.

    >>> found = levinson(["1", "1/2", "1/4"])
    >>> [str(x) for x in found.reflections], [str(x) for x in found.errors]
    (['1/2', '0'], ['1', '3/4', '3/4'])
    """
    Lambda = covariance_window(covariances)
    steps = list(checked(Lambda))
    blocks = {
        "errors": [s.S for s in steps],
        "backward_errors": [s.Sbar for s in steps],
        "gains": [s.K for s in steps[1:]],
        "backward_gains": [s.Kbar for s in steps[1:]],
        "reflections": [reflection(s.K, before.S, before.Sbar) for before, s in zip(steps, steps[1:], strict=False)],
    }
    return Levinson(
        tuple(squeezed(s.A, covariances) for s in steps),
        tuple(squeezed(s.B, covariances) for s in steps),
        **{name: squeezed(stacked(X, Lambda), covariances) for name, X in blocks.items()},
    )


def positivity(covariances: Any) -> Positivity:
    """Decide whether T = [Lambda(i - j)] > 0, and where not at which order it fails first.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,) where p = 1.

    Returns
    -------
    Positivity
        In fractions decided; in floats "singular" also covers what rounding leaves open.

    Raises
    ------
    ShapeError
        If the axes are others, Lambda(0) is not symmetric, or an entry is no finite real number.

    Notes
    -----
    S_n = A_n T A_n' with the coefficients in a row, and A_n minimizes it: to first order a change E of T changes S_n by
    A_n E A_n', which the threshold bounds for covariances that are rounded.

    Examples
    --------
    Two values tell all of y(t) = -y(t-2), and of y(t) = y(t-2); no process has a correlation -1 after 1/2:

    >>> print(positivity([1, 0, -1, 0]))
    singular: at order 2 the prediction error has eigenvalue 0, need > 2.7e-15
    >>> print(positivity(["1", "1/2", "1"]), positivity(["1", "1/2", "-1"]), sep=chr(10))
    singular: at order 2 the prediction error has eigenvalue 0, need > 0.0e+00
    indefinite: at order 2 the prediction error has eigenvalue -1.33, need > 0.0e+00
    """
    *_, (_, found) = judged(covariance_window(covariances))
    return found


def step_down(predictor: Any) -> np.ndarray:
    """Return the reflections of y(t) = a_1 y(t-1) + ... + a_N y(t-N) + e(t): all below 1 if and only if it is stable.

    Levinson's step backward, A_{n-1} = (A_n + K B_n) / (1 - K^2) with K = a_n, which is the test of Schur and Cohn.

    Parameters
    ----------
    predictor : array_like
        a_1, ..., a_N, (N,); of one output.

    Returns
    -------
    ndarray
        (N,), the first of order 1; of Fraction where Fractions came.

    Raises
    ------
    ShapeError
        If it is not one row of finite real numbers.
    StructureError
        If a reflection is not below 1 in modulus: the polynomial has a root on or outside the unit circle.

    Notes
    -----
    Each step divides by 1 - K^2: roots that crowd near the circle, such as ten at 0.99, cost floats all their digits.
    Fractions are decided.

    Examples
    --------
    >>> [str(x) for x in step_down(["1/2", "1/4"])]
    ['2/3', '1/4']
    """
    a = entries("predictor", predictor)
    if a.ndim != 1:
        raise ShapeError(f"predictor has shape {a.shape}, but one row (N,) is needed")
    found: list[Any] = []
    for n in range(len(a), 0, -1):
        K = a[-1]
        if not abs(K) < 1:
            raise StructureError(
                f"reflection {float(K):.6g} at order {n}, need below 1 in modulus: "
                "the autoregression is not stable, the polynomial has a root of modulus 1 or more"
            )
        found.insert(0, K)
        a = (a[:-1] + K * a[-2::-1]) / (1 - K * K) if n > 1 else a[:0]
    return np.array(found, dtype=a.dtype)


def checked(Lambda: np.ndarray) -> Iterator[Lattice]:
    """The lattices of all orders.

    Raises
    ------
    StructureError
        At the first order whose prediction error is not positive definite.
    """
    for lattice, found in judged(Lambda):
        require_positive(found)
        yield lattice


def judged(Lambda: np.ndarray) -> Iterator[tuple[Lattice, Positivity]]:
    """The lattices of all orders with the verdict on each, up to the first that is not positive."""
    I = identity(Lambda)[None]
    lattice = Lattice(I, I, Lambda[0], Lambda[0], I[0], I[0])
    units = diagonal_units(Lambda)
    for n in range(len(Lambda)):
        found = _judge(n, lattice, units)
        yield lattice, found
        if found.verdict != "positive":
            return
        if n + 1 < len(Lambda):
            lattice = lattice.step(Lambda[n + 1] - lattice.predicted(Lambda))


def _judge(n: int, lattice: Lattice, units: np.ndarray) -> Positivity:
    """S_n and Sbar_n are positive definite together; in floats the smaller decides."""
    forward = judge(n, lattice.S, units, _rounding(lattice.A, units))
    if exact(lattice.S):
        return forward
    backward = judge(n, lattice.Sbar, units, _rounding(lattice.B, units))
    return min(forward, backward, key=lambda side: side.eigenvalue - side.threshold)


def _rounding(A: np.ndarray, units: np.ndarray) -> float:
    """What rounding of the covariances does to S_n = A_n T A_n', in units of the outputs."""
    rows = np.abs(A.astype(np.float64) * (units / units[:, None])).sum(axis=(0, 2))
    return A.shape[0] * len(units) * EPS * float(rows.max(initial=0.0)) ** 2


def reflection(K: np.ndarray, S: np.ndarray, Sbar: np.ndarray) -> np.ndarray:
    """inv(L) Delta inv(Lbar)' = inv(L) K Lbar; K itself where p = 1, without a square root."""
    if len(K) == 1:
        return K
    return np.linalg.solve(factor(S), K.astype(np.float64) @ factor(Sbar))
