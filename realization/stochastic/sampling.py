"""Sample paths of processes, forward and backward in time."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from realization.stochastic.factors import regular_factor, state_factor
from realization.stochastic.joint import varying_steps
from realization.stochastic.reverse import start_factor
from realization.systems.base import Response, count, of_kind
from realization.systems.linear import LinearSSM
from realization.systems.stochastic import (
    BackwardSSM,
    InitialState,
    InnovationsSSM,
    StochasticSSM,
    TimeVaryingBackwardSSM,
    TimeVaryingStochasticSSM,
)
from realization.systems.varying import TimeVaryingSSM


def sample(
    model: Any, steps: int, *, rng: Any, initial: InitialState | None = None, batch: tuple[int, ...] = ()
) -> Response:
    """Draw paths whose covariance is that of `joint_covariance`.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM, BackwardSSM, TimeVaryingStochasticSSM or TimeVaryingBackwardSSM
        Continuous ones by way of `in_steps`, which is exact at the times of the steps.
    steps : int
        T; at most that of a model that varies, and no less if it runs backward.
    rng : optional
        As `numpy.random.default_rng` takes it.
    initial : InitialState, optional
        Of the state from which the model starts: x(0), or z(T-1) or x(T) of one that runs backward.
        Default: the stationary one; a model that varies has none.
    batch : tuple of int
        Of independent paths.

    Returns
    -------
    Response
        y (*batch, T, p) and x (*batch, T+1, n), in increasing time whichever way the model runs; the states of
        a `BackwardSSM` are given as x(t+1) = inv(E z z') z(t), those of its forward model.

    Raises
    ------
    ShapeError
        If it is of another kind, steps is no whole number, or no state is given where one is needed.
    StructureError
        If there is no stationary state, that of a `BackwardSSM` is singular, or a path leaves the range
        of float64.

    Examples
    --------
    A million steps of a process with variance 4/3 + 1:

    >>> ar1 = StochasticSSM(A=[[0.5]], B=[[1, 0]], C=[[1]], D=[[0, 1]])
    >>> y, x = sample(ar1, 10**6, rng=0)
    >>> bool(abs(y.var() / (7 / 3) - 1) < 0.01)
    True
    """
    varying, backward = (TimeVaryingStochasticSSM, TimeVaryingBackwardSSM), (BackwardSSM, TimeVaryingBackwardSSM)
    of_kind("sample", model, StochasticSSM, InnovationsSSM, BackwardSSM, *varying)
    T, rng = count("steps", steps), np.random.default_rng(rng)
    batch = tuple(count("batch", k) for k in np.atleast_1d(np.asarray(batch)).tolist())
    model = model.as_stochastic() if isinstance(model, InnovationsSSM) else model
    system = _system(model, T, initial)
    L = state_factor(model) if initial is None else start_factor(initial, system.A.shape[-1])
    start = rng.standard_normal((*batch, L.shape[1])) @ L.T + (0.0 if initial is None else initial.mean)
    y, x = system.simulate(rng.standard_normal((*batch, T, system.B.shape[-1])), start)
    if isinstance(model, BackwardSSM):
        z = x.reshape(np.prod(x.shape[:-1], dtype=int), x.shape[-1])
        x = scipy.linalg.cho_solve((regular_factor(model, rtol=0.0), True), z.T).T.reshape(x.shape)
    return Response(y[..., ::-1, :], x[..., ::-1, :]) if isinstance(model, backward) else Response(y, x)


def _system(model: Any, T: int, initial: Any) -> Any:
    """The steps in the order in which they are made."""
    if isinstance(model, StochasticSSM | BackwardSSM):
        return LinearSSM(model.A, model.B, model.C, model.D)
    T = varying_steps(model, T, initial)
    order = slice(None) if isinstance(model, TimeVaryingStochasticSSM) else slice(None, None, -1)
    return TimeVaryingSSM(*(X[:T][order] for X in (model.A, model.B, model.C, model.D)))
