"""How a run of the Kalman filter is carried out: sequences in groups, matrices as the kernel has them, arrays to fill.

Sequences that lack the same outputs share covariances and gains, which are then computed once.  Steps in which part
of the state is unknown are taken by `diffuse_step`, all others by the compiled kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.stochastic.filtering.diffuse import diffuse_step, moved, unseen
from realization.systems.base import of_kind, quiet
from realization.systems.stochastic import InnovationsSSM, StochasticSSM, TimeVaryingStochasticSSM

LEVELS = {"likelihood": 0, "means": 1, "covariances": 2, "all": 3}
MEANS, COVARIANCES, GAINS = 1, 2, 3
OF_EACH = ("log_likelihoods", "predicted", "filtered", "innovations")  # of each sequence; the rest is shared


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Turned(Sealed):
    """x(t+1) = A x + B w + u,  y = C x + D w: w of as many components as y, cov u = Q, u and w independent.

    All have a first axis of 1, or T where the model varies.
    """

    A: np.ndarray
    C: np.ndarray
    B: np.ndarray
    D: np.ndarray
    Q: np.ndarray
    varies: bool

    def at(self, t: int) -> tuple[np.ndarray, ...]:
        """A, C, B, D, Q of one step."""
        t = t if self.varies else 0
        return self.A[t], self.C[t], self.B[t], self.D[t], self.Q[t]

    def between(self, start: int, stop: int) -> Turned:
        """Those steps of a model that varies."""
        A, C, B, D, Q = (X[start:stop] for X in (self.A, self.C, self.B, self.D, self.Q))
        return Turned(A, C, B, D, Q, self.varies)


def turned(model: Any) -> Turned:
    """Turn the noise of a model, w to U w with U orthogonal, such that D U = [D1 0]; then B U = [B1 B2], Q = B2 B2'.

    Raises
    ------
    ShapeError
        If it is of another kind.
    """
    of_kind("Kalman filter", model, StochasticSSM, InnovationsSSM, TimeVaryingStochasticSSM)
    if isinstance(model, InnovationsSSM):
        model = model.as_stochastic()
    A, B, C, D = (X if X.ndim == 3 else X[None] for X in (model.A, model.B, model.C, model.D))
    p, m = D.shape[-2:]
    if m < p:
        B, D = (np.concatenate([X, np.zeros((*X.shape[:-1], p - m))], axis=-1) for X in (B, D))
    U = np.linalg.qr(D.swapaxes(-1, -2), mode="complete").Q
    B, D = B @ U, (D @ U)[..., :p]
    varies = isinstance(model, TimeVaryingStochasticSSM)
    return Turned(A, C, B[..., :p], D, B[..., p:] @ B[..., p:].swapaxes(-1, -2), varies)


def alike(y: np.ndarray) -> list[np.ndarray]:
    """Indices of the sequences y (s, T, p) in groups that lack the same outputs."""
    missing = np.isnan(y).reshape(len(y), -1) if len(y) > 1 else np.zeros((len(y), 0), bool)
    if (missing == missing[:1]).all():
        return [np.arange(len(y))]
    which = np.unique(missing, axis=0, return_inverse=True)[1].ravel()
    return [np.flatnonzero(which == k) for k in range(which.max() + 1)]


class Task(NamedTuple):
    """Sequences y (s, T, p) that lack the same outputs, offsets (1 or s, 1 or T, .), and how to filter them."""

    model: Turned
    y: np.ndarray
    c: np.ndarray
    d: np.ndarray
    level: int
    tolerance: float
    time: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Found(Sealed):
    """What the recursion leaves: arrays of all steps that are kept, and the last state."""

    arrays: dict[str, np.ndarray]
    total: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    diffuse: np.ndarray
    diffuse_steps: int
    steady_from: int | None
    steady_steps: int


def _allocated(level: int, s: int, T: int, n: int, p: int) -> dict[str, np.ndarray]:
    """Arrays that a level keeps; of the others a placeholder with as many axes."""
    shapes = {
        "log_likelihoods": (MEANS, (s, T)),
        "predicted": (MEANS, (s, T + 1, n)),
        "filtered": (MEANS, (s, T, n)),
        "innovations": (MEANS, (s, T, p)),
        "predicted_covariance": (COVARIANCES, (T + 1, n, n)),
        "filtered_covariance": (COVARIANCES, (T, n, n)),
        "innovation_covariance": (COVARIANCES, (T, p, p)),
        "predictor_gain": (GAINS, (T, n, p)),
        "filter_gain": (GAINS, (T, n, p)),
    }
    kept = {name: np.zeros(shape if level >= need else (0,) * len(shape)) for name, (need, shape) in shapes.items()}
    kept["innovations"][...] = np.nan
    return kept


@quiet
def recursion(task: Task, a: np.ndarray, P: np.ndarray, W: np.ndarray) -> Found:
    """Filter from x(0) = a (s, n) with covariance P + k W W'.

    Raises
    ------
    StructureError
        If a covariance of innovations is not positive definite, or the state leaves the range of float64.
    """
    (s, T, p), n = task.y.shape, P.shape[-1]
    if not s:  # covariances and gains need no data
        found = recursion(
            task._replace(y=np.zeros((1, T, p)), c=np.zeros((1, 1, n)), d=np.zeros((1, 1, p))), np.zeros((1, n)), P, W
        )
        arrays = {name: x[:0] if name in OF_EACH else x for name, x in found.arrays.items()}
        return replace(found, arrays=arrays, total=found.total[:0], mean=found.mean[:0])
    arrays, total = _allocated(task.level, s, T, n, p), np.zeros(s)
    infinite: list[np.ndarray] | None = [] if task.level >= COVARIANCES else None
    a, P, W, begun, unknown = _begun(task, a, P, W, arrays, total, infinite)
    first, frozen = _compiled(task, a, P, begun, arrays, total)
    if not all(np.isfinite(x).all() for x in (a, P, W, total)):
        raise StructureError(f"the state leaves the range of float64 within {T} steps; fewer steps are needed")
    if task.level >= MEANS:
        arrays["predicted"][:, T] = a
    if infinite is not None:
        arrays["predicted_covariance"][T] = P
        arrays["diffuse_covariance"] = np.array(infinite).reshape(len(infinite), n, n)
    kept = {name: x for name, x in arrays.items() if task.level >= _needs(name)}
    return Found(kept, total, a, P, W, unknown, first if first >= 0 else None, frozen)


def _needs(name: str) -> int:
    return MEANS if name in OF_EACH else GAINS if name.endswith("gain") else COVARIANCES


def _handed(x: np.ndarray) -> np.ndarray:
    """Contiguous and read-only, one type for the compiler."""
    x = np.ascontiguousarray(x, dtype=np.float64).view()
    x.setflags(write=False)
    return x


def _begun(
    task: Task,
    a: np.ndarray,
    P: np.ndarray,
    W: np.ndarray,
    arrays: dict[str, np.ndarray],
    total: np.ndarray,
    infinite: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
    """Steps while outputs tell of what is unknown: a, P after them, W after all, how many, and until all is known."""
    m, T, begun = task.model, task.y.shape[1], 0
    W = np.array(W[:, W.any(axis=0)], order="C")  # others may need more columns
    while begun < T and W.shape[1] and (m.varies or not unseen(m.A[0], m.C[0], W)):
        if infinite is not None:
            infinite.append(W @ W.T)
        a, P, W = _unknown(task, a, P, W, begun, arrays, total)
        begun += 1
    W, more = _drifted(m.A, W, T - begun, infinite)
    return np.array(a, order="C"), np.array(P, order="C"), W, begun, begun + more


def _unknown(
    task: Task, a: np.ndarray, P: np.ndarray, W: np.ndarray, t: int, arrays: dict[str, np.ndarray], total: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step of all sequences while part of the state is unknown; the state after it."""
    (A, C, B, D, Q), y, level = task.model.at(t), task.y[:, t], task.level
    c, d = (x[:, min(t, x.shape[1] - 1)] for x in (task.c, task.d))
    rows = ~np.isnan(y[0])
    done = diffuse_step(A, C[rows], B, D[rows], Q, P, W, task.time + t)
    v = (y - d - _times(C, a))[:, rows]
    likely = done.log_likelihood(v)
    total += likely
    if level >= MEANS:
        arrays["log_likelihoods"][:, t] = likely
        arrays["predicted"][:, t] = a
        arrays["filtered"][:, t] = a + _times(done.filter_gain, v)
        arrays["innovations"][:, t, rows] = v
    if level >= COVARIANCES:
        arrays["predicted_covariance"][t] = P
        arrays["filtered_covariance"][t] = done.updated
        arrays["innovation_covariance"][t] = C @ P @ C.T + D @ D.T
    if level >= GAINS:
        arrays["predictor_gain"][t][:, rows] = done.predictor_gain
        arrays["filter_gain"][t][:, rows] = done.filter_gain
    return _times(A, a) + _times(done.predictor_gain, v) + c, done.covariance, done.diffuse


def _compiled(
    task: Task, a: np.ndarray, P: np.ndarray, begun: int, arrays: dict[str, np.ndarray], total: np.ndarray
) -> tuple[int, int]:
    """All steps from `begun` on by the kernel, which replaces a and P: first step with frozen gains, their number."""
    from realization._kernels import kalman as kernel

    m, y, n, p = task.model, task.y, P.shape[-1], task.y.shape[-1]
    At, Ct, Bt, Dt = (X.swapaxes(-1, -2) for X in (m.A, m.C, m.B, m.D))
    given = At, m.C, Ct, Bt, m.D, m.D @ Bt, m.D @ Dt, m.Q, y, task.c, task.d
    F, scale = np.zeros((p, p)), np.zeros(n) if m.varies else np.diagonal(m.Q[0] + m.B[0] @ Bt[0])
    options = _handed(scale), task.tolerance, task.level, begun
    failed, first, frozen = kernel.run(*map(_handed, given), a, P, F, *options, total, *arrays.values())
    if failed >= 0:
        raise _indefinite(F, ~np.isnan(y[0, failed]), task.time + failed, n)
    return first, frozen


def _drifted(A: np.ndarray, W: np.ndarray, steps: int, infinite: list[np.ndarray] | None) -> tuple[np.ndarray, int]:
    """W after so many steps in which no output tells of it, and in how many it was not zero; W W' before each."""
    for t in range(steps):
        if not W.shape[1]:
            return W, t
        new = moved(A[0], W)
        still = np.array_equal(new, W)
        if infinite is not None:
            infinite += [W @ W.T] * (steps - t if still else 1)
        if still:
            break
        W = new
    return W, steps


def _times(X: np.ndarray, x: np.ndarray) -> np.ndarray:
    """X x for each of the vectors x (s, n) by itself: the bits do not depend on how many there are."""
    return (X @ x[..., None])[..., 0]


def _indefinite(F: np.ndarray, rows: np.ndarray, t: int, n: int) -> StructureError:
    """Why the covariance of the innovations of a step could not be factored."""
    F = F[np.ix_(rows, rows)]
    if not np.isfinite(F).all():
        return StructureError(f"the state leaves the range of float64 at step {t}; fewer steps are needed")
    variances = np.diag(F)
    units = np.sqrt(np.maximum(variances, 0.0))
    smallest = np.linalg.eigvalsh(F / np.outer(units, units))[0] if units.all() else variances.min()
    return StructureError(
        f"the covariance of the innovations at step {t} has smallest eigenvalue {smallest:.3g} in units of their "
        f"deviations, need > {(n + len(rows)) * EPS:.1e}: an output repeats what is known; leave it out (NaN) or give "
        "it noise"
    )


def assembled(
    found: Sequence[Found], groups: Sequence[np.ndarray], count: int, batch: tuple[int, ...], *, shared: bool
) -> dict[str, np.ndarray]:
    """The arrays of all groups in the order of the sequences, with the batch axes."""
    columns = max(f.diffuse.shape[1] for f in found)
    widest = max(f.diffuse_steps for f in found)
    each: dict[str, np.ndarray] = {}
    for f, g in zip(found, groups, strict=True):
        W = np.pad(f.diffuse, ((0, 0), (0, columns - f.diffuse.shape[1])))
        arrays = f.arrays | {"total": f.total, "mean": f.mean, "covariance": f.covariance, "diffuse": W}
        if "diffuse_covariance" in arrays:
            arrays["diffuse_covariance"] = np.pad(
                arrays["diffuse_covariance"], ((0, widest - f.diffuse_steps), (0, 0), (0, 0))
            )
        for name, x in arrays.items():
            own = name in (*OF_EACH, "total", "mean")
            if shared or (len(groups) == 1 and own):
                each[name] = x.reshape((*batch, *x.shape[1:])) if own else x
                continue
            shape = x.shape[1:] if own else x.shape
            whole = each.setdefault(name, np.zeros((*batch, *shape)))
            whole.reshape((count, *shape))[g] = x
    return each
