"""Paths of the state drawn from their law given the outputs: a drawn path, moved by what the outputs have to say.

    x = E[x | y] + (x+ - E[x+ | y+])

with (x+, y+) drawn from the model without its outputs.  x+ - E[x+ | y+] has the covariance of x given y, which does
not depend on y, and is independent of it; so x has the posterior law, of all times jointly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.linalg.psd import covariance_factor
from realization.stochastic.filtering.kalman import KalmanState, kalman_filter
from realization.stochastic.filtering.smoothing import rts_smoother, white
from realization.systems.base import count
from realization.systems.stochastic import InitialState


def sample_posterior(
    model: Any,
    y: Any,
    *,
    rng: Any,
    draws: int = 1,
    initial: Any = None,
    state_offset: Any = None,
    output_offset: Any = None,
) -> np.ndarray:
    """Draw x(0), ..., x(T) jointly from their law given y, x = E[x | y] + (x+ - E[x+ | y+]).

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or TimeVaryingStochasticSSM
        Noise of state and output may be correlated.
    y : array_like
        (*b, T, p); NaN is a missing output.
    rng : int or Generator
        As `numpy.random.default_rng` takes it.
    draws : int
        How many paths, independent of each other.
    initial : InitialState, optional
        Unknown directions are allowed where the outputs tell them.  Default: the stationary law.
    state_offset, output_offset : array_like, optional
        As `kalman_filter` takes them.

    Returns
    -------
    ndarray
        (draws, *b, T+1, n).

    Raises
    ------
    ShapeError
        If a shape does not fit.
    StructureError
        If the filter or the smoother refuses: no stationary start, singular innovations, a state that stays unknown.

    References
    ----------
    Durbin and Koopman 2002, A simple and efficient simulation smoother for state space time series analysis.

    Examples
    --------
    A walk seen without error at both ends is a bridge: pinned there, of variance 1/2 in the middle.

    >>> from realization.systems.stochastic import StochasticSSM
    >>> walk = StochasticSSM(A=[[1]], B=[[1, 0]], C=[[1]], D=[[0, 1e-9]])
    >>> start = InitialState.unknown(1)
    >>> x = sample_posterior(walk, [[0], [np.nan], [0]], rng=1, draws=4000, initial=start)
    >>> x[:, :3].std(axis=0).ravel().round(1)
    array([0. , 0.7, 0. ])
    """
    model, rng = white(model), np.random.default_rng(rng)
    if isinstance(initial, KalmanState):
        raise ShapeError("initial is a KalmanState; an InitialState is needed, whose covariance can be drawn from")
    run = kalman_filter(model, y, initial=initial, state_offset=state_offset, output_offset=output_offset, store="all")
    shape = (count("draws", draws), *run.innovations.shape)  # type: ignore[union-attr]
    n, batch, T = model.A.shape[-1], shape[:-2], shape[-2]
    start = _centred(run, initial, n)
    w = rng.standard_normal((*batch, T, model.B.shape[-1]))
    x = np.empty((*batch, T + 1, n))
    L = covariance_factor(start.covariance)
    x[..., 0, :] = rng.standard_normal((*batch, L.shape[1])) @ L.T
    A, B, C, D = (np.broadcast_to(X, (T, *X.shape[-2:])).swapaxes(-1, -2) for X in (model.A, model.B, model.C, model.D))
    for t in range(T):
        x[..., t + 1, :] = x[..., t, :] @ A[t] + w[..., t, :] @ B[t]
    outputs = np.einsum("...tn,tnp->...tp", x[..., :-1, :], C) + np.einsum("...tm,tmp->...tp", w, D)
    outputs = np.where(np.isnan(run.innovations), np.nan, outputs)  # type: ignore[arg-type]
    seen = rts_smoother(model, kalman_filter(model, outputs, initial=start, store="all")).means
    return rts_smoother(model, run).means + x - seen


def _centred(run: Any, initial: Any, n: int) -> InitialState:
    """The start with mean 0; the stationary covariance is that of the run's first prediction."""
    if initial is None:
        P = run.predicted_covariance
        return InitialState(np.zeros(n), P.reshape(-1, *P.shape[-3:])[0, 0])
    return InitialState(np.zeros(n), initial.covariance, initial.diffuse)
