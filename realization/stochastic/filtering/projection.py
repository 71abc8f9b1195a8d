"""The law of all states given all outputs in one projection: the definition of what filters and smoothers compute.

    X = m_x + N_x e + U_x d,    Y = m_y + N_y e + U_y d,    e ~ N(0, I),  d unknown

    G = N_x N_y' inv(V),   V = N_y N_y',     E[X | Y] = m_x + G (Y - m_y) + (U_x - G U_y) dhat

where dhat is the weighted least squares estimate of d, of covariance inv(U_y' inv(V) U_y).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.linalg.psd import covariance_factor
from realization.stochastic.filtering.observed import in_range, observed
from realization.systems.base import quiet


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Posterior(Sealed):
    """The law of x(0) ... x(T) given y(0) ... y(T-1).

    Parameters
    ----------
    means : ndarray
        (T+1, n).
    covariance : ndarray
        (T+1, n, T+1, n): the first two axes are of one state, the last two of another.
    log_likelihood : float
        log p(y), the diffuse one where the start is unknown: log 2 pi counts for every output that was observed.
    condition : float
        cond(V) cond(U_y' inv(V) U_y), V the covariance of all outputs: what rounding is multiplied by.
    """

    means: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    condition: float


@quiet
def posterior(
    model: Any, y: Any, *, initial: Any = None, state_offset: Any = None, output_offset: Any = None
) -> Posterior:
    """Project all states on all outputs: (T p)^3 operations, for small T.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or TimeVaryingStochasticSSM
        Noise of state and output may be the same.
    y : array_like
        (T, p); NaN where nothing was observed.
    initial : InitialState, optional
        Default: the stationary law.
    state_offset, output_offset : array_like, optional
        c (n,) or (T, n) and d (p,) or (T, p).  Default: 0.

    Returns
    -------
    Posterior
        Means, covariances of every pair of states, log-likelihood.

    Raises
    ------
    ShapeError
        If a shape does not fit, or an entry other than a gap in y is not finite.
    StructureError
        If the outputs have a singular covariance or leave an unknown direction of the start unknown.

    Examples
    --------
    A level between two observations of equal weight is their mean:

    >>> from realization.systems.stochastic import InitialState, StochasticSSM
    >>> walk = StochasticSSM(A=[[1]], B=[[1, 0]], C=[[1]], D=[[0, 1e-6]])
    >>> law = posterior(walk, [[0.0], [float("nan")], [2.0]], initial=InitialState.unknown(1))
    >>> law.means[:3].ravel().round(6), law.covariance[1, 0, 1, 0].round(4)
    (array([0., 1., 2.]), np.float64(0.5))
    """
    given = observed(model, y, initial, state_offset, output_offset)
    mx, Nx, Ux, my, Ny, Uy = _joint(given)
    in_range(len(given.y), mx, Nx @ Nx.T, Ux @ Ux.T)
    keep = given.seen.ravel()
    my, Ny, Uy, value = my[keep], Ny[keep], Uy[keep], given.y.ravel()[keep]
    V = Ny @ Ny.T
    try:
        factor = np.linalg.cholesky(V)
    except np.linalg.LinAlgError:
        raise StructureError(
            f"the covariance of {len(V)} outputs is singular: its smallest eigenvalue is {np.linalg.eigvalsh(V)[0]:.1e}"
        ) from None
    white = np.linalg.solve(factor, np.column_stack([Ny, Uy, value - my]))
    N, U, e = white[:, : Ny.shape[1]], white[:, Ny.shape[1] : -1], white[:, -1]
    Q, R = np.linalg.qr(U)
    least = float(np.linalg.svd(R, compute_uv=False).min(initial=np.inf)) if len(R) == len(R.T) else 0.0
    if least <= len(U) * EPS * np.linalg.norm(U):
        raise StructureError(
            f"the outputs leave a direction of the initial state unknown (singular value {least:.1e}, need > "
            f"{len(U) * EPS * np.linalg.norm(U):.1e}): there is no posterior law"
        )
    G = Nx @ N.T  # on whitened outputs
    rest = Ux - G @ U
    spread = np.linalg.solve(R.T, rest.T).T
    mean = mx + G @ e + spread @ (Q.T @ e)
    left = e - Q @ (Q.T @ e)
    covariance = Nx @ Nx.T - G @ G.T + spread @ spread.T
    half = np.log(np.diagonal(factor)).sum() + np.log(np.abs(np.diagonal(R))).sum() + left @ left / 2
    T, n = len(given.y), len(given.initial.mean)
    return Posterior(
        mean.reshape(T + 1, n),
        covariance.reshape(T + 1, n, T + 1, n),
        float(-half - len(e) / 2 * np.log(2 * np.pi)),
        (_condition(factor) * _condition(R)) ** 2,
    )


def _condition(X: np.ndarray) -> float:
    return float(np.linalg.cond(X)) if X.size else 1.0


def _joint(given: Any) -> tuple[np.ndarray, ...]:
    """Means, noise and unknown parts of all states and of all outputs; e = (start, w(0), ..., w(T-1))."""
    T, m, n = len(given.y), given.B.shape[-1], len(given.initial.mean)
    L, U = covariance_factor(given.initial.covariance), covariance_factor(given.initial.diffuse)
    r = L.shape[1]
    N = np.zeros((n, r + T * m))
    N[:, :r] = L
    mean = given.initial.mean
    states, outs = [(mean, N, U)], []
    for t, (A, B, C, D, c, d, _, _) in enumerate(given.steps()):
        w = slice(r + t * m, r + (t + 1) * m)
        seen = C @ N
        seen[:, w] += D
        outs.append((C @ mean + d, seen, C @ U))
        mean, N, U = A @ mean + c, A @ N, A @ U
        N[:, w] += B
        states.append((mean, N, U))
    empty = (np.zeros(0), np.zeros((0, N.shape[1])), np.zeros((0, U.shape[1])))
    return (*map(np.concatenate, zip(*states, strict=True)), *map(np.concatenate, zip(empty, *outs, strict=True)))
