"""The Kalman filter: what the outputs before t say of the state at t, and how likely they were.

    v(t) = y(t) - C x(t|t-1)                    innovation, with covariance F = C P C' + R
    x(t|t)   = x(t|t-1) + Kf v(t)               Kf = P C' inv(F)               filter gain
    x(t+1|t) = A x(t|t-1) + K v(t)              K  = (A P C' + S) inv(F)       predictor gain
    P(t+1)   = (A - K C) P (A - K C)' + (B - K D) (B - K D)'

for x(t+1) = A x(t) + B w(t), y(t) = C x(t) + D w(t), with S = B D' and R = D D'.  Outputs that are NaN are missing:
their rows of C and D are left out.  Both gains are given, since K tells nothing of Kf where A is singular, and
K = A Kf only where S = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed, describe
from realization.core.shapes import array, numbers
from realization.linalg.decision import EPS, at_least
from realization.linalg.psd import covariance_factor
from realization.stochastic.covariance import state_covariance
from realization.stochastic.filtering.recursion import LEVELS, Task, Turned, alike, assembled, recursion, turned
from realization.systems.base import of_kind
from realization.systems.stochastic import InitialState, TimeVaryingStochasticSSM

Store = Literal["all", "covariances", "means", "likelihood"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KalmanState(Sealed):
    """What the filter knows of x(time) from the outputs before: a run can go on from there.

    Parameters
    ----------
    mean : ndarray
        x(time | time-1), (*b, n).
    covariance : ndarray
        Its error covariance (n, n), or (*b, n, n) where the sequences lack different outputs.
    diffuse : ndarray
        W (n, d), or (*b, n, d): the covariance is that and k W W', k without bound.  d = 0 when all is known.
    time : int
        Steps that lie behind.
    """

    mean: np.ndarray
    covariance: np.ndarray
    diffuse: np.ndarray
    time: int = 0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KalmanRun(Sealed):
    """What the filter has found.  Fields that `store` leaves out are None.

    Covariances and gains have the batch axes of the sequences, [*b], only where these lack different outputs.

    Parameters
    ----------
    log_likelihood : float or ndarray
        Of all outputs that were seen, (*b,).  In a diffuse step an output that tells what was unknown counts
        -1/2 log 2 pi f, k f being its variance.
    state : KalmanState
        x(T | T-1), from which the next outputs can be filtered.
    diffuse_steps : int
        Steps until all of the state was known; T where some never was.
    steady_from : int or None
        First step with frozen gains.
    steady_steps : int
        How many there were.
    store : {"all", "covariances", "means", "likelihood"}
        What is stored.
    log_likelihoods : ndarray or None
        (*b, T), per step.
    predicted : ndarray or None
        x(t|t-1) for t = 0 ... T, (*b, T+1, n).
    filtered : ndarray or None
        x(t|t), (*b, T, n).
    innovations : ndarray or None
        (*b, T, p); NaN where missing.
    predicted_covariance : ndarray or None
        P(t), ([*b], T+1, n, n); while diffuse the part that is finite.
    filtered_covariance : ndarray or None
        Of x(t) - x(t|t), ([*b], T, n, n).
    innovation_covariance : ndarray or None
        F(t), ([*b], T, p, p), of all outputs, missing or not.
    diffuse_covariance : ndarray or None
        W W' of P(t) + k W W', ([*b], diffuse_steps, n, n).
    predictor_gain : ndarray or None
        K(t), ([*b], T, n, p); columns of missing outputs are zero.
    filter_gain : ndarray or None
        Kf(t), ([*b], T, n, p); columns of missing outputs are zero.
    """

    log_likelihood: Any
    state: KalmanState
    diffuse_steps: int
    steady_from: int | None
    steady_steps: int
    store: Store
    log_likelihoods: np.ndarray | None = None
    predicted: np.ndarray | None = None
    filtered: np.ndarray | None = None
    innovations: np.ndarray | None = None
    predicted_covariance: np.ndarray | None = None
    filtered_covariance: np.ndarray | None = None
    innovation_covariance: np.ndarray | None = None
    diffuse_covariance: np.ndarray | None = None
    predictor_gain: np.ndarray | None = None
    filter_gain: np.ndarray | None = None

    def __repr__(self) -> str:
        shown = describe("KalmanRun", {"n": self.state.mean.shape[-1]}, self.state.mean.shape[:-1])
        ll = f"{self.log_likelihood:.6g}" if np.ndim(self.log_likelihood) == 0 else "..."
        return f"{shown[:-1]}, log_likelihood={ll}, diffuse_steps={self.diffuse_steps}, store={self.store!r})"


def kalman_filter(
    model: Any,
    y: Any,
    *,
    initial: Any = None,
    state_offset: Any = None,
    output_offset: Any = None,
    store: Store = "all",
    steady: bool | float = False,
) -> KalmanRun:
    """x(t+1|t) = A x(t|t-1) + K(t) (y(t) - C x(t|t-1)): filter sequences of one model.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or TimeVaryingStochasticSSM
        Noise of state and output may be correlated.
    y : array_like
        (*b, T, p); NaN is a missing output.
    initial : InitialState or KalmanState, optional
        What is known of x(0), `InitialState.unknown(n)` for nothing.  Default: the stationary state.
    state_offset, output_offset : array_like, optional
        Added to x(t+1) and y(t), such as B u(t) and D u(t) of known inputs: (n,), (T, n) or (*b, T, n), and likewise
        with p.
    store : {"all", "covariances", "means", "likelihood"}
        "likelihood" keeps the sum and the last state, in memory that does not grow with T; "means" predicted and
        filtered states, innovations and the likelihood of each step; "covariances" those of all of these as well;
        "all" also the gains.
    steady : bool or float
        Freeze the gains when a step changes P by less than this tolerance, relative to sqrt(Pii + Qii) of the states;
        a missing output thaws them.  True: 2 (n + p) eps.  Without effect where the model varies.

    Returns
    -------
    KalmanRun
        With predicted and filtered states, their covariances, gains and likelihood.

    Raises
    ------
    ShapeError
        If a shape does not fit, or an entry is infinite (of others than y: or NaN).
    StructureError
        If there is no stationary state and `initial` is not given, a covariance of innovations is not positive
        definite, or the state leaves the range of float64; with the step and the number.

    Notes
    -----
    With E = P(t+1) - P(t) and Phi(t) = A - K(t) C, the Riccati recursion has P(t+2) - P(t+1) = Phi(t+1) E Phi(t)':
    changes shrink by the square of the spectral radius of Phi, and what follows changes P by no more than
    |E| |1 + Phi Phi' + Phi^2 Phi^2' + ...|.  With |E| at 2 (n + p) eps |P| that is what the roundings of the products
    would change as well, so the default costs no digits that were there.  See `steady_state` for the limit.

    The likelihood with a diffuse start is that of Durbin and Koopman (2012): k^(d/2) times the likelihood, for k to
    infinity, d the number of outputs that told what was unknown.

    References
    ----------
    Kalman 1960; Anderson and Moore 1979; Durbin and Koopman 2012.

    Examples
    --------
    Two readings, noise 1, of a constant of which nothing is known: it is their mean, with variance 1/2.

    >>> from realization.systems import StochasticSSM
    >>> constant = StochasticSSM.from_noise(A=[[1]], C=[[1]], Q=[[0]], R=[[1]])
    >>> run = kalman_filter(constant, [[3], [np.nan], [5]], initial=InitialState.unknown(1))
    >>> run.filtered.ravel().round(12), run.filtered_covariance.ravel().round(12), run.diffuse_steps
    (array([3., 3., 4.]), array([1. , 1. , 0.5]), 1)
    """
    matrices = turned(model)
    n, p = matrices.B.shape[-2:]
    if store not in LEVELS:
        raise ShapeError(f"store is {store!r}; one of {', '.join(map(repr, LEVELS))} is needed")
    y = _outputs(y, p)
    state = _started(model, initial)
    if isinstance(model, TimeVaryingStochasticSSM):
        matrices = _from(matrices, state.time, y.shape[-2], isinstance(initial, KalmanState))
        steady = False
    tolerance = _tolerance(steady, n + p)
    batch = _batch(y, state)
    c, d = (_offset(*x, y, batch) for x in (("state_offset", state_offset, n), ("output_offset", output_offset, p)))
    return _run(matrices, y, state, batch, c, d, store, tolerance)


def step(model: Any, state: Any, y: Any) -> tuple[KalmanState, KalmanRun]:
    """x(t+1|t) = A x(t|t-1) + K(t) (y(t) - C x(t|t-1)): one step, by the code that filters whole sequences.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or TimeVaryingStochasticSSM
        A model that varies is taken at the time of the state.
    state : KalmanState or InitialState
        Before the step.
    y : array_like
        (*b, p); NaN is a missing output.

    Returns
    -------
    state : KalmanState
        After the step.
    run : KalmanRun
        With the filtered state, innovation, gains and likelihood, time axes of length 1.

    Raises
    ------
    ShapeError
        If a shape does not fit, or an entry is infinite.
    StructureError
        If the covariance of the innovation is not positive definite.

    Examples
    --------
    >>> from realization.systems import StochasticSSM
    >>> constant = StochasticSSM.from_noise(A=[[1]], C=[[1]], Q=[[0]], R=[[1]])
    >>> state, _ = step(constant, InitialState.unknown(1), [3])
    >>> state, run = step(constant, state, [5])
    >>> run.filtered, state.time
    (array([[4.]]), 2)
    """
    run = kalman_filter(model, array("y", y)[..., None, :], initial=_state(state))
    return run.state, run


def _outputs(y: Any, p: int) -> np.ndarray:
    """y (*b, T, p) as float64 without infinities."""
    from realization._kernels.kalman import first_infinite

    y = array("y", y)
    if y.dtype.kind not in "biufO":
        raise ShapeError(f"y has dtype {y.dtype}, but real numbers are needed; NaN where missing")
    try:
        y = np.ascontiguousarray(y, dtype=np.float64).view()
    except (TypeError, ValueError) as error:
        raise ShapeError(f"y has an entry that is no real number ({error}); NaN where missing") from None
    if y.ndim < 2 or y.shape[-1] != p:
        hint = ""
        if y.ndim == 1 and p == 1:
            hint = "; one output is y[:, None]"
        elif y.ndim > 1 and y.shape[-2] == p:
            hint = "; time comes first here: np.swapaxes(y, -1, -2)"
        raise ShapeError(f"y has shape {y.shape}, but (..., T, {p}) is needed for axes (T, p); p={p} (from C){hint}")
    y.setflags(write=False)
    if (place := first_infinite(y.reshape(-1))) >= 0:
        at = tuple(int(i) for i in np.unravel_index(place, y.shape))
        raise ShapeError(f"y has an infinite entry at {at}; finite numbers are needed, NaN where missing")
    return y


def _started(model: Any, initial: Any) -> KalmanState:
    """The state at time 0."""
    n = model.A.shape[-1]
    if initial is None:
        return KalmanState(np.zeros(n), _stationary(model), np.zeros((n, 0)))
    state = _state(initial)
    if state.mean.shape[-1] != n:
        raise ShapeError(f"initial has a state of {state.mean.shape[-1]} entries, but n={n} (from A)")
    return state


def _state(initial: Any) -> KalmanState:
    of_kind("start", initial, InitialState, KalmanState)
    if isinstance(initial, KalmanState):
        return initial
    W = covariance_factor(initial.diffuse, what="diffuse covariance of the initial state")
    return KalmanState(initial.mean, initial.covariance, W)


def _stationary(model: Any) -> np.ndarray:
    advice = "give initial=InitialState.unknown(n), or .known(x0)"
    if isinstance(model, TimeVaryingStochasticSSM):
        raise StructureError(f"a model that varies has no stationary state; {advice}")
    try:
        return state_covariance(model)
    except StructureError as error:
        raise StructureError(f"no stationary state to start from ({error}); {advice}") from None


def _tolerance(steady: bool | float, products: int) -> float:
    """-1 for never."""
    if isinstance(steady, bool | np.bool_):
        return 2 * products * EPS if steady else -1.0
    return at_least(0.0, "steady", steady)


def _from(matrices: Turned, time: int, steps: int, going_on: bool) -> Turned:
    """So many steps of a model that varies, from time on; all of them unless a run goes on."""
    left = len(matrices.A) - time
    if steps > left or (steps < left and not going_on):
        raise ShapeError(f"y has {steps} steps, the model {left} from time {time} on; they must be equal")
    return matrices.between(time, time + steps)


def _batch(y: np.ndarray, state: KalmanState) -> tuple[int, ...]:
    """The batch axes of the run."""
    try:
        return np.broadcast_shapes(y.shape[:-2], state.mean.shape[:-1], state.covariance.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"batch axes {y.shape[:-2]} of y and {state.mean.shape[:-1]} of the initial state given; "
            "axes that broadcast are needed"
        ) from None


def _offset(name: str, x: Any, size: int, y: np.ndarray, batch: tuple[int, ...]) -> np.ndarray:
    """The offset with axes (1 or sequences, 1 or T, size)."""
    if x is None:
        return np.zeros((1, 1, size))
    x, T = numbers(name, x), y.shape[-2]
    if x.dtype.kind == "c" or x.shape not in ((size,), (T, size), (*batch, T, size)):
        raise ShapeError(
            f"{name} has shape {x.shape} and dtype {x.dtype}, but real numbers of shape {(size,)}, {(T, size)} "
            f"or {(*batch, T, size)} are needed"
        )
    return x.reshape(math.prod(x.shape[:-2]), *(x.shape[-2:] if x.ndim > 1 else (1, size)))


def _run(
    matrices: Turned,
    y: np.ndarray,
    state: KalmanState,
    batch: tuple[int, ...],
    c: np.ndarray,
    d: np.ndarray,
    store: Store,
    tolerance: float,
) -> KalmanRun:
    """Sequences that lack the same outputs go together; what each group has found is put in its place."""
    (T, p), n, count = y.shape[-2:], state.mean.shape[-1], math.prod(batch)
    y = np.broadcast_to(y, (*batch, T, p)).reshape(count, T, p)
    a = np.broadcast_to(state.mean, (*batch, n)).reshape(count, n)
    many = state.covariance.ndim > 2
    P, W = (
        np.broadcast_to(X, (*batch, *X.shape[-2:])).reshape(count, *X.shape[-2:]) if many else X[None]
        for X in (state.covariance, state.diffuse)
    )
    groups = [np.array([i]) for i in range(count)] if many else alike(y)
    shared = len(groups) == 1 and not many
    found = []
    for g in groups:
        of = slice(None) if shared else g  # a slice copies nothing
        c_of, d_of = (x[of] if len(x) > 1 else x for x in (c, d))
        task = Task(matrices, y[of], c_of, d_of, LEVELS[store], tolerance, state.time)
        found.append(recursion(task, a[of], P[g[0] if many else 0], W[g[0] if many else 0]))
    each = assembled(found, groups, count, batch, shared=shared)
    total = each.pop("total")
    first = [f.steady_from for f in found if f.steady_from is not None]
    return KalmanRun(
        log_likelihood=total if batch else float(total),
        state=KalmanState(each.pop("mean"), each.pop("covariance"), each.pop("diffuse"), state.time + T),
        diffuse_steps=max((f.diffuse_steps for f in found), default=0),
        steady_from=min(first, default=None),
        steady_steps=max((f.steady_steps for f in found), default=0),
        store=store,
        **each,
    )
