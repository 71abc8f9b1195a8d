"""A step of filter and model turned around, in coordinates in which nothing is infinite and nothing is inverted.

    x(t) = x(t|t-1) + L e + U d,    e ~ N(0, I),  d unknown,    c = (e, d)

    (e, d, w)(t) = gain v(t) + J c(t+1) + N n,    n ~ N(0, I) independent of c(t+1) and of all later outputs

What y(t) has left of the noise (e, w) is turned by an orthogonal matrix, [A L  B] Q = [L+  0]: its first part is
e(t+1), its second part n.  This is the reversed model of Lindquist and Picci, of a process of which the past is known.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from realization.core.errors import StructureError
from realization.stochastic.filtering.affine import Affine, condition, remaining


class Backward(NamedTuple):
    """(e, d, w) = gain v + J c(t+1) + N n: J (k+m, k+), N (k+m, q), gain (k+m, p); basis is [L U], (n, k)."""

    J: np.ndarray
    N: np.ndarray
    gain: np.ndarray
    basis: np.ndarray


def turned_around(
    L: np.ndarray, U: np.ndarray, A: np.ndarray, B: np.ndarray, C: np.ndarray, D: np.ndarray, seen: np.ndarray, t: int
) -> tuple[Backward, np.ndarray, np.ndarray]:
    """Turn step t around, of whose outputs some are seen; return also L and U of the next prediction.

    Raises
    ------
    StructureError
        If A forgets a direction of which nothing is known: no later output can tell it.
    """
    (n, m), k, r = B.shape, L.shape[1], U.shape[1]
    one = np.eye(k + r + m)
    all_of_it = Affine(np.zeros(k + r + m), np.delete(one, slice(k, k + r), axis=1), one[:, k : k + r])
    output = all_of_it.mapped(np.hstack([C @ L, C @ U, D])[seen])
    scale = float(np.linalg.norm(C) * np.linalg.norm(U))
    now = condition(all_of_it, output, np.zeros(len(output.mean)), scale=scale or None)
    gain = np.zeros((k + r + m, len(C)))
    gain[:, seen] = now.gain
    after = now.z.mapped(np.hstack([A @ L, A @ U, B]))
    size = float(np.linalg.norm(A) * np.linalg.norm(U @ now.z.U[k : k + r]))
    if remaining(after.U, size).shape[1] < after.U.shape[1]:
        raise StructureError(
            f"A forgets at step {t} a direction of which nothing is known: its smoothed covariance is infinite; "
            "give the initial state a covariance there"
        )
    Q, R = np.linalg.qr(after.N.T, mode="complete")
    J = np.hstack([now.z.N @ Q[:, :n], now.z.U])
    return Backward(J, now.z.N @ Q[:, n:], gain, np.hstack([L, U])), R[:n].T, after.U


def last(L: np.ndarray, U: np.ndarray) -> Backward:
    """The coordinates at the end, from which no step starts."""
    none = np.zeros((0, 0))
    return Backward(none, none, none, np.hstack([L, U]))
