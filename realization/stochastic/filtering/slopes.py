"""The derivative of the log-likelihood in every matrix of a model, from one pass of filter and smoother.

    dl/d[A B; C D] = sum_t  (r; u) E[(x; w)' | y]  -  Omega [A B; C D] [P 0; 0 I]

with r, N from the smoother, u = inv(F) v - K' r and Omega = [N, -N K; -K'N, inv(F) + K'N K] the covariance of (r; u):
what the outputs say of (x(t+1); y(t)), which [A B; C D] makes of (x(t); w(t)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.stochastic.filtering.smoothing import SmootherRun
from realization.systems.base import of_kind


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Score(Sealed):
    """Derivatives of the log-likelihood.

    Parameters
    ----------
    A, B, C, D : ndarray
        In the matrices: (n, n), (n, m), (p, n), (p, m), and (T, ...) where the model varies.
    mean, covariance : ndarray
        In those of the initial state, (n,) and (n, n).
    """

    A: np.ndarray
    B: np.ndarray
    C: np.ndarray
    D: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray


def score(smooth: SmootherRun) -> Score:
    """Return dl/dA, dl/dB, dl/dC, dl/dD and the derivatives in the initial state.

    Parameters
    ----------
    smooth : SmootherRun
        Of one sequence, from a start without diffuse directions.  Offsets are taken as they are.

    Returns
    -------
    Score
        To the rounding of the smoother; a start that is stationary moves with A and B, which is not counted here.

    Raises
    ------
    ShapeError
        If it is a batch, or no run of `rts_smoother`.
    StructureError
        If the start is diffuse.

    References
    ----------
    Koopman and Shephard 1992 (noise covariances); de Jong and Shephard 1995.

    Examples
    --------
    In the deviation d of one reading v of what is known, l = -log d - v^2 / 2 d^2 has the slope -1/d + v^2/d^3:

    >>> from realization.stochastic import kalman_filter, rts_smoother
    >>> from realization.systems.stochastic import InitialState, StochasticSSM
    >>> model = StochasticSSM([[1]], [[0]], [[1]], [[2]])
    >>> run = kalman_filter(model, [[3]], initial=InitialState.known([0]))
    >>> score(rts_smoother(model, run)).D.item() == -1 / 2 + 9 / 8
    True
    """
    of_kind("score", smooth, SmootherRun)
    run, model = smooth.run, smooth.model
    if smooth.means.ndim != 2:
        raise ShapeError(f"the run has batch axes {smooth.means.shape[:-2]}; one sequence is needed")
    if run.diffuse_steps:
        raise StructureError(f"the start is diffuse for {run.diffuse_steps} steps, need 0: r and N are infinite there")
    n, m = model.B.shape[-2:]
    T, p = run.innovations.shape
    seen = ~np.isnan(run.innovations)
    C, D = (X * seen[:, :, None] for X in (model.C, model.D))
    both = seen[:, :, None] & seen[:, None, :]
    # rows that are missing say nothing: 0 in u and in the inverse of F
    weight = np.linalg.solve(np.where(both, run.innovation_covariance, np.eye(p)), np.eye(p) * seen[:, None, :])
    r, N, K = smooth.scores[1:], smooth.information[1:], run.predictor_gain
    Kt = K.swapaxes(-1, -2)
    u = np.einsum("tpq,tq->tp", weight, np.where(seen, run.innovations, 0.0)) - np.einsum("tnp,tn->tp", K, r)
    omega = np.concatenate([
        np.concatenate([N, -N @ K], axis=2), np.concatenate([-Kt @ N, weight + Kt @ N @ K], axis=2)
    ], axis=1)  # fmt: skip
    H = np.empty((T, n + p, n + m))
    H[:, :n, :n], H[:, :n, n:], H[:, n:, :n], H[:, n:, n:] = model.A, model.B, C, D
    spread = np.zeros((T, n + m, n + m))
    spread[:, :n, :n], spread[:, n:, n:] = run.predicted_covariance[:-1], np.eye(m)
    told = np.concatenate([smooth.means[:-1], smooth.disturbances()[0]], axis=1)
    G = np.concatenate([r, u], axis=1)[:, :, None] * told[:, None, :] - omega @ H @ spread
    G = G if model.A.ndim == 3 else G.sum(axis=0)
    first = smooth.scores[0]
    return Score(
        G[..., :n, :n], G[..., :n, n:], G[..., n:, :n], G[..., n:, n:],
        first, (np.outer(first, first) - smooth.information[0]) / 2,
    )  # fmt: skip
