"""White noise in steps of length h: what the zero-order hold is for inputs, this is for noise."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import numbers
from realization.linalg.decision import EPS
from realization.linalg.dense import balance, powers_of_two
from realization.systems.base import broadcast, quiet
from realization.systems.exponential import exponential, in_range, positive_step


class SampledNoise(NamedTuple):
    """x((k+1) h) = A x(k h) + w(k), w white with covariance Q.

    Parameters
    ----------
    A, Q : ndarray
        (*b, n, n).
    """

    A: np.ndarray
    Q: np.ndarray


@quiet
def sample_noise(A: Any, Q: Any, h: float) -> SampledNoise:
    """Sample dx = A x dt + dw, E dw dw' = Q dt: A2 = exp(h A), Q2 = int_0^h exp(s A) Q exp(s A)' ds.

    For a short step both are blocks of one exponential (Van Loan),

        exp(h [-A Q; 0 A']) = [., F12; 0 F22],    A2 = F22',  Q2 = F22' F12,

    in which exp(-h A) would overflow for a long or stiff one.  There the step is halved
    until |h A| <= 1 and doubled back, a sum of positive semidefinite terms:

        Q(2 h) = Q(h) + A2(h) Q(h) A2(h)'.

    States in other units give the same answer in other units, to the last bit.

    Parameters
    ----------
    A, Q : array_like
        (*b, n, n); Q symmetric, positive semidefinite.  A need not be stable.
    h : float
        Step; positive.

    Returns
    -------
    SampledNoise
        A and Q, (*b, n, n), of x((k+1) h) = A x(k h) + w(k).

    Raises
    ------
    ShapeError
        If the shapes do not fit, an entry is not finite, or h is not positive and finite.
    StructureError
        If Q is not symmetric or has a negative eigenvalue, or a result leaves the range of float64.

    References
    ----------
    Van Loan (1978), Computing integrals involving the matrix exponential.

    Examples
    --------
    The Ornstein-Uhlenbeck process forgets: Q2 = 1 - exp(-2 h) tends to its stationary variance 1.

    >>> [round(float(sample_noise([[-1]], [[2]], h).Q[0, 0]), 4) for h in (0.1, 1, 1000)]
    [0.1813, 0.8647, 1.0]
    """
    A, Q, h = numbers("A", A), numbers("Q", Q), positive_step(h)
    n = A.shape[-1] if A.ndim else 0
    if A.shape[-2:] != (n, n) or Q.shape[-2:] != (n, n):
        raise ShapeError(f"A and Q have shapes {A.shape} and {Q.shape}, but (..., n, n) is needed for both")
    A, Q = broadcast([A, Q])
    skew = np.abs(Q - _adjoint(Q)).max(initial=0.0)
    if skew > n * EPS * np.abs(Q).max(initial=0.0):
        raise StructureError(f"Q differs from its transpose by {skew:.1e}; a covariance is symmetric")
    if not n:
        return SampledNoise(A, Q)
    if (least := np.linalg.eigvalsh(Q).min(initial=0.0)) < -n * EPS * np.abs(Q).max(initial=0.0):
        raise StructureError(f"Q has the eigenvalue {least:.1e}; a covariance has none below 0")
    # twice: in units that even out A, then in those in which the variances are about 1
    units = np.reshape([balance(a)[1] for a in A.reshape(-1, n, n)], A.shape[:-1])
    variances = np.diagonal(_in_units(units, A, Q, h)[1], axis1=-2, axis2=-1).real
    A2, Q2 = _in_units(powers_of_two(np.sqrt(np.maximum(variances, 0.0))), A, Q, h)
    return SampledNoise(A2, in_range("Q2", Q2 / 2 + _adjoint(Q2) / 2))


def _in_units(u: np.ndarray, A: np.ndarray, Q: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    """`_doubled` of x / u, and its results in units of x again."""
    row, column = u[..., :, None], u[..., None, :]
    A2, Q2 = _doubled(A / row * column, Q / row / column, h)
    return row * A2 / column, row * Q2 * column


def _doubled(A: np.ndarray, Q: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    """A2 and Q2 of the step h, from one in which |h A| <= 1."""
    size = in_range("h A", h * np.abs(A).sum(-1).max(initial=0.0))
    doublings = max(0, int(np.ceil(np.log2(size)))) if size else 0
    step = h / 2**doublings
    A2, Q2 = _van_loan(A, Q, step)
    for k in range(doublings):
        Q2 = Q2 + A2 @ Q2 @ _adjoint(A2)
        A2 = exponential(A, step * 2 ** (k + 1))  # not A2 @ A2, whose error doubles every time
    return A2, Q2


def _van_loan(A: np.ndarray, Q: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    n = A.shape[-1]
    top, bottom = np.concatenate([-A, Q], axis=-1), np.concatenate([np.zeros_like(A), _adjoint(A)], axis=-1)
    F = exponential(np.concatenate([top, bottom], axis=-2), h)
    A2 = _adjoint(F[..., n:, n:])
    return A2, A2 @ F[..., :n, n:]


def _adjoint(X: np.ndarray) -> np.ndarray:
    return np.swapaxes(X, -1, -2).conj()
