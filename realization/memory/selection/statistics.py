"""How far a token is from what was predicted: a number s >= 0 for each, larger for the more surprising.

    squared     |e|^2,  e = target - prediction
    relative    |e|^2 / |target|^2
    whitened    e' inv(Sigma) e
    log-loss    -log p(target)

Sums run in one fixed order, over one token at a time: the bits do not depend on how a stream is cut into blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.core.rounding import near_one
from realization.core.shapes import Signature, array, finite
from realization.linalg.decision import EPS
from realization.systems.stochastic import real, require_symmetric

STATISTICS = ("squared", "relative", "whitened", "log-loss")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RunningCovariance(Sealed):
    """Sigma = factor factor' / count: of the innovations so far, and of the prior.

    Parameters
    ----------
    count : ndarray
        How many (*b,), the prior's included.
    factor : ndarray
        Lower triangular (*b, m, m).
    """

    count: np.ndarray
    factor: np.ndarray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Measured(Sealed):
    """The statistics of a block, and the state after it.

    Parameters
    ----------
    surprise : ndarray
        s (*b, T).
    state : RunningCovariance or None
        To go on from; only a running covariance has one.
    """

    surprise: np.ndarray
    state: RunningCovariance | None


def statistic(
    name: str, target: Any, prediction: Any, *, begins: Any = None, covariance: Any = None,
    prior: tuple[Any, float] | None = None, state: RunningCovariance | None = None,
) -> Measured:  # fmt: skip
    """s(t) = |e|^2, |e|^2 / |target|^2, e' inv(Sigma(t)) e with e = target - prediction, or -log p(target).

    Parameters
    ----------
    name : {"squared", "relative", "whitened", "log-loss"}
        Which.
    target : array_like
        u (*b, T, m); for "log-loss" symbols (*b, T), whole numbers from 0 to V - 1.
    prediction : array_like
        u^ (*b, T, m), each from the tokens before; for "log-loss" log-probabilities (*b, T, V).
    begins : array_like of bool, optional
        Which tokens (*b, T) begin a document: a running covariance starts afresh there.
    covariance : array_like, optional
        Sigma (m, m) of "whitened".  Default: running, Sigma(t) = (nu Sigma0 + sum of e e' before t) / (nu + n) with
        the n innovations of the document before t.
    prior : tuple of array_like and float, optional
        Sigma0 (m, m) and nu > 0 of the running covariance.  Default: nu = 0.
    state : RunningCovariance, optional
        What the block before this one left.

    Returns
    -------
    Measured
        surprise (*b, T) and state.

    Raises
    ------
    ShapeError
        If the name is unknown, a shape does not fit, an entry is not finite, a symbol has no log-probability, an
        option belongs to another statistic, or s overflows.
    StructureError
        If a covariance is not positive definite, or a symbol that came had probability 0.

    Notes
    -----
    "relative" is 0 for a target of norm 0, whatever was predicted: there is nothing in it to keep.  "squared" is 0
    where squares underflow, |e| < 1e-162; the others have no unit and do not.

    "whitened" is 0 where Sigma(t) is singular, within rounding (4 m eps sqrt(n) of a row of its factor): while n < m
    without a prior, and as long as the innovations do not span the space (a coordinate that is always predicted
    exactly never lets them).  What cannot be compared is not called surprising; a prior leaves no such time.

    For independent Gaussian innovations without a prior s (n - m + 1) / (n m) has the law F(m, n - m + 1) (Hotelling);
    with the true Sigma, s has chi^2(m).

    Examples
    --------
    >>> statistic("squared", [[3.0, 4.0]], [[0.0, 0.0]]).surprise
    array([25.])

    Innovations (2, 0) and (0, 2) make Sigma = 2 I, known from the third on:

    >>> statistic("whitened", [[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]], np.zeros((3, 2))).surprise.round(12)
    array([0., 0., 1.])
    """
    check_options(name, covariance, prior)
    if state is not None and (name != "whitened" or covariance is not None):
        raise ShapeError(f"state was given, but the statistic {name!r} has none here: leave it out")
    if name == "log-loss":
        return Measured(finite("surprise", _log_loss(target, prediction)), None)
    u, e = _innovations(target, prediction)
    new = None
    if name == "squared":
        s = _sum_of_squares(e)
    elif name == "relative":
        s = _relative(e, u)
    else:
        s, new = _whitened(e, begins, covariance, prior, state)
    return Measured(finite("surprise", s), new)


def check_options(name: Any, covariance: Any = None, prior: Any = None) -> None:
    """Refuse an unknown statistic, and options that are not its own.

    Raises
    ------
    ShapeError
        With what came and what is needed.
    """
    if not isinstance(name, str) or name not in STATISTICS:
        raise ShapeError(f"statistic is {name!r}, but one of {', '.join(STATISTICS)} is needed")
    if name != "whitened" and (covariance is not None or prior is not None):
        raise ShapeError(f"the statistic {name!r} was given a covariance or a prior; they belong to 'whitened'")
    if covariance is not None and prior is not None:
        raise ShapeError("both a covariance and a prior were given; a prior is that of a running covariance: give one")
    if prior is not None and not (isinstance(prior, tuple) and len(prior) == 2):
        raise ShapeError("prior is no pair, but (Sigma0, nu) is needed: a covariance and a number of innovations")


def _innovations(target: Any, prediction: Any) -> tuple[np.ndarray, np.ndarray]:
    u, guess = real("target", target), real("prediction", prediction)
    Signature.parse("target: *b T m; prediction: *b T m ->").check({"target": u, "prediction": guess})
    with np.errstate(over="ignore"):
        return u, finite("target - prediction", u - guess)


def _sum_of_squares(e: np.ndarray) -> np.ndarray:
    """|e|^2 over the last axis, one after the other: the order of NumPy's own sum depends on how an array lies."""
    s = np.zeros(e.shape[:-1])
    with np.errstate(over="ignore", under="ignore"):
        for i in range(e.shape[-1]):
            s += e[..., i] * e[..., i]
    return s


def _relative(e: np.ndarray, u: np.ndarray) -> np.ndarray:
    """|e|^2 / |u|^2, and 0 for u = 0."""
    u, e = near_one(u, e)
    size = _sum_of_squares(u)
    return np.where(size > 0, _sum_of_squares(e), 0.0) / np.where(size > 0, size, 1.0)


def _log_loss(target: Any, prediction: Any) -> np.ndarray:
    symbol, logs = array("target", target), array("prediction", prediction)
    if symbol.dtype.kind not in "iu" and symbol.size:
        raise ShapeError(f"target has dtype {symbol.dtype}, but log-loss needs symbols, whole numbers")
    if logs.dtype.kind not in "fiu":
        raise ShapeError(f"prediction has dtype {logs.dtype}, but log-loss needs log-probabilities, real numbers")
    V = Signature.parse("target: *b T; prediction: *b T V ->").check({"target": symbol, "prediction": logs})["V"]
    if symbol.size and not 0 <= symbol.min() <= symbol.max() < V:
        raise ShapeError(f"target has symbols from {symbol.min()} to {symbol.max()}, but 0 to {V - 1} are predicted")
    # exp of a log-sum over V numbers is off by about V eps; anything near this is not rounding
    if np.isnan(logs).any() or (logs > 1e-6).any():
        raise ShapeError("prediction has entries that are NaN or above 0, but logarithms of probabilities are needed")
    s = -np.take_along_axis(logs, symbol.astype(np.int64)[..., None], axis=-1)[..., 0].astype(np.float64)
    if (impossible := np.isinf(s)).any():
        place = tuple(int(i) for i in np.argwhere(impossible)[0])
        raise StructureError(
            f"the symbol {symbol[place]} at {place} came with probability 0, need > 0: its log-loss is infinite; "
            "mix a little of the uniform law into the prediction"
        )
    return s


def _whitened(
    e: np.ndarray, begins: Any, covariance: Any, prior: tuple[Any, float] | None, state: RunningCovariance | None
) -> tuple[np.ndarray, RunningCovariance | None]:
    from realization._kernels.whitening import whitened  # loads numba

    *batch, T, m = e.shape
    running = covariance is None
    first, count = np.zeros((m, m)), 0.0
    if covariance is not None:
        first, count = _factor("covariance", covariance, m), 1.0
    elif prior is not None:
        count = _weight(prior[1])
        first = np.sqrt(count) * _factor("prior", prior[0], m)
    if state is None:
        state = RunningCovariance(np.full(batch, count), np.broadcast_to(first, (*batch, m, m)))
    Signature.parse("e: *b T m; count: *b; factor: *b m m ->").check(
        {"e": e, "count": state.count, "factor": state.factor}
    )
    begin = np.zeros((*batch, T), np.bool_) if begins is None else np.asarray(begins, np.bool_)
    Signature.parse("e: *b T m; begins: *b T ->").check({"e": e, "begins": begin})
    counts, L = np.array(state.count), np.array(state.factor)
    s, rows = np.empty((*batch, T)), int(np.prod(batch))
    # a pivot is known to a few eps of its row for each of the m rotations of a step that it takes part in
    floor = 4 * m * EPS
    flat = np.ascontiguousarray(e).reshape(rows, T, m), np.ascontiguousarray(begin).reshape(rows, T)
    whitened(*flat, counts.reshape(rows), L.reshape(rows, m, m), count, first, running, floor, s.reshape(rows, T))
    return s, RunningCovariance(counts, L) if running else None


def _factor(name: str, covariance: Any, m: int) -> np.ndarray:
    Sigma = real(name, covariance)
    if Sigma.shape != (m, m):
        raise ShapeError(f"{name} has shape {Sigma.shape}, but ({m}, {m}) is needed for innovations of {m} entries")
    require_symmetric(name, Sigma)
    try:
        return np.linalg.cholesky(Sigma)
    except np.linalg.LinAlgError:
        least = float(np.linalg.eigvalsh(Sigma).min())
        raise StructureError(f"{name} has the eigenvalue {least:.3g}, need > 0: it must be positive definite") from None


def _weight(nu: Any) -> float:
    if not isinstance(nu, int | float | np.integer | np.floating) or not 0 < nu < np.inf:
        raise ShapeError(f"prior has the weight {nu!r}, but a positive number of innovations is needed")
    return float(nu)
