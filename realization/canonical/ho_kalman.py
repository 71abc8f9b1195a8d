"""Realization from an impulse response (Ho and Kalman 1966): a Hankel matrix, factored.

    H = [h(i + j + 1)] = O R,   O = [C; C A; ...],   R = [B, A B, ...],    H+ = [h(i + j + 2)] = O A R

    H = U S V',   O = U S^(1/2),   R = S^(1/2) V',   A = pinv(O) H+ pinv(R),   B, C: first blocks of R and O

The rank of H is the order; with exact data it is decided by the largest gap (`ho_kalman`), with
noisy data it is given (`era`, the eigensystem realization algorithm of Juang and Pappa 1985).
What comes out is balanced up to the tail of the response that H does not hold.

As a reduction: the past u(t-1), u(t-2), ... is a state already, of as many inputs as H has
columns, and R maps it to the small one: L = R, and R is its right inverse V S^(-1/2).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.canonical.reduction import UNIT, Reduction
from realization.core.errors import ShapeError, StructureError
from realization.linalg.arguments import matrices
from realization.linalg.decision import Decision, decide_rank
from realization.linalg.hankel import block_hankel
from realization.systems.base import count
from realization.systems.linear import LinearSSM
from realization.systems.responses import markov_parameters


def ho_kalman(markov: Any) -> Reduction:
    """Return a minimal system with the impulse response h, its order the rank of the Hankel matrix.

    Parameters
    ----------
    markov : array_like
        h(0) = D, h(1) = C B, ..., (T, p, m).  An order n needs T >= 2 n + 1 where m = p = 1, fewer
        where the controllability and observability indices are smaller.

    Returns
    -------
    Reduction
        Its decision is the rank, by the largest gap; the residual is that of h(k), k >= 1.

    Raises
    ------
    ShapeError
        If h has other axes, is not finite, or is empty.

    Examples
    --------
    Fibonacci's numbers come from two states:

    >>> h = np.array([0, 1, 1, 2, 3, 5, 8, 13.0]).reshape(8, 1, 1)
    >>> found = ho_kalman(h)
    >>> found.order, np.linalg.eigvals(found.system.A).max().round(6)
    (2, np.float64(1.618034))
    """
    h, H, svd = _decompose(markov)
    # H is known to rounding of its entries
    decision = decide_rank(svd[1], what="rank of the Hankel matrix")
    return _realize("Ho-Kalman", h, H, svd, decision)


def era(markov: Any, order: int) -> Reduction:
    """Return a system of given order whose impulse response is close to h.

    Parameters
    ----------
    markov : array_like
        h(0) = D, h(1), ..., (T, p, m), noise allowed.
    order : int
        At most the rank of the Hankel matrix.

    Returns
    -------
    Reduction
        Its decision holds the singular values, `gap` the one at the order; `bound` is the first
        singular value that was dropped: no Hankel matrix of this rank is nearer.

    Raises
    ------
    ShapeError
        If h has other axes, is not finite, or is empty, or if the order is no whole number >= 0.
    StructureError
        If the order is beyond the rank; the message gives the singular values.

    Examples
    --------
    Noise of 1e-6 hides no gap:

    >>> rng = np.random.default_rng(0)
    >>> h = (0.5 ** np.arange(10) + 1e-6 * rng.standard_normal(10)).reshape(10, 1, 1)
    >>> found = era(h, 1)
    >>> found.system.A.round(4), found.decisions[0].gap > 1e4
    (array([[0.5]]), True)
    """
    h, H, svd = _decompose(markov)
    s = np.append(svd[1], 0.0)
    if count("order", order) >= len(s) or (order and s[order - 1] <= _floor(H, s)):
        least, largest = s[min(max(order, 1), len(s)) - 1], s[0]
        raise StructureError(
            f"order {order}: the Hankel matrix {H.shape} has singular value {least:.1e} there, the largest is "
            f"{largest:.1e}, need > {_floor(H, s):.1e}; take a smaller order"
        )
    gap = s[order - 1] / s[order] if order and s[order] else np.inf
    given = Decision("order, given", order, float(gap), None, 1.0, True, svd[1])
    return _realize("ERA", h, H, svd, given)


def _decompose(markov: Any) -> tuple[np.ndarray, np.ndarray, Any]:
    (h,) = matrices("markov: T p m", markov=markov)
    if not len(h):
        raise ShapeError("markov has no parameter; h(0) = D at least is needed")
    rows, columns = _shape(len(h))
    H = block_hankel(h[1:], rows, columns)
    return h, H, np.linalg.svd(H, full_matrices=False)


def _shape(steps: int) -> tuple[int, int]:
    """Block rows and columns such that H+ fits into h(1) ... h(steps - 1) as well."""
    rows = max(steps - 1, 0) // 2
    return rows, max(steps - 1 - rows, 0) if rows else 0


def _floor(H: np.ndarray, s: np.ndarray) -> float:
    """What rounding does to a singular value of H."""
    return max(H.shape, default=1) * UNIT * float(s.max(initial=0.0))


def _realize(method: str, h: np.ndarray, H: np.ndarray, svd: Any, decision: Decision) -> Reduction:
    U, s, Vh = svd
    r, (_, p, m), (rows, columns) = decision.choice, h.shape, _shape(len(h))
    root = np.sqrt(s[:r])
    O, R = U[:, :r] * root, root[:, None] * Vh[:r]
    later = block_hankel(h[2:], rows, columns)
    left, right = (U[:, :r] / root).conj().T, Vh[:r].conj().T / root
    system = LinearSSM(left @ later @ right, R[:, :m].reshape(r, m), O[:p].reshape(p, r), h[0])
    found = markov_parameters(system, len(h))
    residual = float(np.linalg.norm((found - h)[1:], axis=(1, 2)).max(initial=0.0))
    size = float(np.linalg.norm(h[1:], axis=(1, 2)).max(initial=0.0)) or 1.0
    tail = float(s[r]) if r < len(s) else 0.0
    # an error u s_0 of H reaches A through pinv(O) and pinv(R), which multiply it by 1 / s_r
    noise = len(h) * _floor(H, s) * float(s[0] / s[r - 1]) if r else 0.0
    dropped = f"singular values of the Hankel matrix from {tail:.1e} on, {len(s) - r} of {len(s)}"
    return Reduction(method, system, R, right, residual, tail + noise, size, (decision,), dropped)
