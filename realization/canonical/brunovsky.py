"""Brunovsky's form: what feedback and a change of input can make of a controllable pair.

    T (A + B K) inv(T) = diag(S_k1, S_k2, ...),    T B G = [e at the end of each chain, 0]

Under u = K x + G v the input v_i drives chain i of k_i integrators (delays in discrete time) and
nothing else.  Feedback moves every pole, so what is left are the lengths: k_1 >= k_2 >= ... are the
only invariants of (A, B).  It is no similarity, and keeps neither poles nor transfer function.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from realization.canonical.form import condition, one, relative, size
from realization.canonical.hessenberg import controllable
from realization.canonical.luenberger import in_chains
from realization.core.frozen import Sealed
from realization.linalg.decision import Decision
from realization.systems.base import right_divide


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Brunovsky(Sealed):
    """Chains of integrators, and the feedback that makes them of a system.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        A2 = T (A + B K) inv(T), B2 = T B G, C2 = (C + D K) inv(T), D2 = D G: input v, state z = T x.
    T : ndarray
        (n, n).
    K, G : ndarray
        (m, n) and (m, m), G invertible: u = K x + G v.
    indices : tuple of int
        Controllability indices, largest first: one for each input, 0 where B is not of full rank.
    condition : float
        Of T, in the 2-norm.
    residual : float
        Larger of |T (A + B K) - A2 T| and |T B G - B2|, relative to what is compared.
    decisions : tuple of Decision
        How many directions the input reaches, with the gap.
    """

    system: Any
    T: np.ndarray
    K: np.ndarray
    G: np.ndarray
    indices: tuple[int, ...]
    condition: float
    residual: float
    decisions: tuple[Decision, ...]


def brunovsky(system: Any) -> Brunovsky:
    """Return T, K, G that turn x+ = A x + B u into chains of integrators driven by v, u = K x + G v.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Controllable, n states and m inputs.

    Returns
    -------
    Brunovsky
        A2 and B2 are exact: zeros and ones.

    Raises
    ------
    StructureError
        If the inputs do not reach the whole state, or T is out of reach in double precision.

    References
    ----------
    Brunovsky 1970, A classification of linear controllable systems.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> found = brunovsky(LinearSSM(A=[[2, 0], [0, 3]], B=[[1], [1]], C=[[1, 1]], D=[[0]]))
    >>> found.indices, found.system.A.tolist()
    ((2,), [[0.0, 1.0], [0.0, 0.0]])
    """
    selection = controllable("brunovsky", one(system))
    chains = in_chains("brunovsky", system, selection)
    k = np.array(selection.indices, dtype=int)
    order = np.argsort(-k, kind="stable")
    used, ends = np.flatnonzero(k), np.cumsum(k[k > 0], dtype=int) - 1
    K, G = _feedback(chains.system.A[ends], chains.system.B[ends], used)
    # longest chain first
    starts = {int(i): int(end - k[i] + 1) for i, end in zip(used, ends, strict=True)}
    rows = [starts[int(i)] + step for i in order if k[i] for step in range(k[i])]
    T = chains.T[rows]
    return _judged(system, T, K @ chains.T, G[:, order], tuple(int(x) for x in k[order]), chains.decisions)


def _feedback(F: np.ndarray, B: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return K, G with F + B K = 0 and B G = [1 in the columns of used inputs, 0 in the others].

    B (r, m) is the input of the last rows: unit upper triangular in the columns of used inputs.
    """
    m = B.shape[1]
    U, rest = B[:, used], np.setdiff1d(np.arange(m), used)
    K, G = np.zeros((m, F.shape[1]), F.dtype), np.eye(m, dtype=F.dtype)
    if len(used):
        K[used] = -solve_triangular(U, F)
        G[np.ix_(used, used)] = solve_triangular(U, np.eye(len(used)))
        G[np.ix_(used, rest)] = -solve_triangular(U, B[:, rest]) if len(rest) else 0.0
    return K, G


def _judged(
    system: Any, T: np.ndarray, K: np.ndarray, G: np.ndarray, indices: tuple[int, ...], decisions: tuple[Decision, ...]
) -> Brunovsky:
    A, B, n = system.A + system.B @ K, system.B @ G, len(system.A)
    ends = np.cumsum([k for k in indices if k], dtype=int) - 1
    A2, B2 = np.eye(n, k=1), np.zeros(B.shape)
    A2[ends] = 0.0
    B2[ends, np.arange(len(ends))] = 1.0
    new = dataclasses.replace(system, A=A2, B=B2, C=right_divide(system.C + system.D @ K, T), D=system.D @ G)
    # relative to A and B K, not to their sum, which the feedback may have made small
    residual = max(
        relative(T @ A - A2 @ T, size(T) * (size(system.A) + size(system.B) * size(K)) + size(A2) * size(T)),
        relative(T @ B - B2, size(T) * size(system.B) * size(G) + size(B2)),
    )
    return Brunovsky(new, T, K, G, indices, condition(T), residual, decisions)
