"""Mamba-2: state-space duality (SSD), a scan with one decay for each head.

    Delta(t) = clip(softplus(dt(t) + bias), limit)
    S(t) = exp(Delta(t) A) S(t-1) + (Delta(t) x(t)) B(t)',     S: (p, n) for each head, A a number
    y(t) = (S(t) C(t) + D x(t)) silu(z(t))

Equivalently Y = (L o (C B')) (Delta x), L(t, s) = exp(sum of Delta A over s+1 ... t): the
dual form.  B and C are shared by the heads of a group.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.ops import Op, operation
from realization.layers import conventions, regimes
from realization.layers.mamba1 import Scan
from realization.layers.maps import gated, scaled, step_size
from realization.layers.packing import changes, check_packing
from realization.layers.readings import complete
from realization.layers.realize import Realization, decays_and_writes, diagonal_system, states, vec
from realization.layers.recurrence import recurrence
from realization.layers.recurrence.chunked import chunked
from realization.layers.recurrence.faults import CONVENTIONS
from realization.layers.recurrence.kernel import kernel, trailing
from realization.layers.recurrence.matrix import matrix

SIGNATURE = (
    "x: *b T h p; dt: *b T h; A: h; B: *b T g n; C: *b T g n; D?: h | h p; z?: *b T h p; dt_bias?: h;"
    "initial_state?: *b h p n | s h p n; seq_idx?: *b T; cu_seqlens?: s1"
    "-> y: *b T h p; final_state: *b h p n | s h p n"
)
INTEGERS = ("seq_idx", "cu_seqlens")


def limits(dt_softplus, dt_limit) -> tuple[Any, Any, Any]:
    """What `step_size` leaves out is None."""
    low, high = dt_limit
    return dt_softplus or None, low, None if high == np.inf else high


def drive(value, step, A, B, C, initial_state=None, seq_idx=None, cu_seqlens=None) -> dict[str, Any]:
    """The arguments of the recurrence, from Delta x and Delta."""
    heads, groups, T, batch = value.shape[-2], B.shape[-2], value.shape[-3], value.shape[:-3]
    if groups == 0 or heads % groups:
        raise ShapeError(f"B has {groups} groups, x {heads} heads; the number of groups must divide that of heads")
    core = {
        "value": value,
        "key": B,
        "query": C,
        "log_decay": step[..., None, None],
        "rate": A[:, None, None],
        "initial": initial_state,
    }
    if seq_idx is not None:
        core["reset"] = changes(seq_idx)
    check_packing(cu_seqlens, initial_state, batch=batch, T=T, behind=3)
    if cu_seqlens is not None:
        return core | {"offsets": cu_seqlens, "initial": None if initial_state is None else initial_state[:, None]}
    return core


@operation(SIGNATURE, integers=INTEGERS)
def ssd(
    *, x: Any, dt: Any, A: Any, B: Any, C: Any, D: Any = None, z: Any = None, dt_bias: Any = None,
    dt_softplus: bool = False, dt_limit: tuple[float, float] = (0.0, np.inf), initial_state: Any = None,
    seq_idx: Any = None, cu_seqlens: Any = None,
) -> Scan:  # fmt: skip
    """S(t) = exp(Delta(t) A) S(t-1) + (Delta(t) x(t)) B(t)',  y(t) = (S(t) C(t) + D x(t)) silu(z(t)).

    Parameters
    ----------
    x : array_like
        Input (*b, T, h, p).
    dt : array_like
        Raw step sizes (*b, T, h).
    A : array_like
        One decay rate for each head (h,), negative.
    B, C : array_like
        Write and read vectors (*b, T, g, n); g divides h, head j uses group j // (h // g).
    D : array_like, optional
        Skip connection (h,) or (h, p).
    z : array_like, optional
        Gate (*b, T, h, p).
    dt_bias : array_like, optional
        Added to dt, (h,).
    dt_softplus : bool
        Delta = softplus(dt + bias), which is the identity above 20.
    dt_limit : pair of float
        Delta is clipped to it, after softplus.
    initial_state : array_like, optional
        (*b, h, p, n); with cu_seqlens one for each sequence, (s, h, p, n).
    seq_idx : array_like of int, optional
        Sequence of each step (*b, T): the state restarts from 0 where it changes.
    cu_seqlens : array_like of int, optional
        Offsets (s+1,) of sequences packed along T, batch 1: each starts from its own initial
        state; steps beyond the last offset give 0.

    Returns
    -------
    Scan
        y (*b, T, h, p) and final_state (*b, h, p, n), with cu_seqlens (s, h, p, n).

    Raises
    ------
    ShapeError
        If a shape does not fit, g does not divide h, or the offsets do not ascend within T.

    References
    ----------
    Dao and Gu, Transformers are SSMs, 2024, arXiv 2405.21060, section 6.

    Examples
    --------
    Two packed sequences know nothing of each other:

    >>> ones = np.ones((1, 4, 1, 1))
    >>> packed = ssd(x=ones, dt=ones[..., 0], A=[-1e-9], B=ones, C=ones, cu_seqlens=[0, 2, 4])
    >>> packed.y.ravel().round(6).tolist()
    [1.0, 2.0, 1.0, 2.0]
    """
    given = (x, dt, A, B, C, D, z, dt_bias, dt_softplus, dt_limit, initial_state, seq_idx, cu_seqlens)
    return layer(recurrence, *given)


def layer(core, x, dt, A, B, C, D, z, dt_bias, dt_softplus, dt_limit, initial_state, seq_idx, cu_seqlens) -> Scan:
    """Map, core and epilogue; the core is the recurrence, or another route to the same."""
    step = step_size(dt, dt_bias, *limits(dt_softplus, dt_limit))
    run = core(**drive(scaled(x, step[..., None]), step, A, B, C, initial_state, seq_idx, cu_seqlens))
    y = gated(run.y, x, D if D is None or len(D.shape) == 2 else D[:, None], z)
    if cu_seqlens is None:
        return Scan(y, run.final)
    inside = (np.arange(x.shape[-3]) < cu_seqlens[-1])[:, None, None]
    return Scan(y * (1.0 * inside) if not inside.all() else y, run.final[:, 0])


@operation(SIGNATURE, integers=INTEGERS, like=ssd)
def compiled(x, dt, A, B, C, D, z, dt_bias, dt_softplus, dt_limit, initial_state, seq_idx, cu_seqlens) -> Any:
    # the same in one pass
    run = kernel(
        **drive(x, dt, A, B, C, initial_state, seq_idx, cu_seqlens),
        step=(step_size, trailing(dt_bias, 2), *limits(dt_softplus, dt_limit)),
        write=scaled,
        after=(gated, x, D if D is None or len(D.shape) == 2 else D[:, None], z),
    )
    return Scan(run.y, run.final if cu_seqlens is None else run.final[:, 0])


def ssd_chunked(*, chunk: int = 64, decay: str = "logdiff", **arguments: Any) -> Scan:
    """Compute `ssd` chunk by chunk: inside a chunk as a matrix, from chunk to chunk by the state.

    Parameters
    ----------
    chunk : int
        Length of a chunk.
    decay : {"product", "logdiff"}
        Decay over several steps as a product, or by a difference of cumulative sums.
    **arguments
        As for `ssd`.

    Returns
    -------
    Scan
        y and final_state.
    """
    return _by(functools.partial(chunked, chunk=chunk, decay=decay))(**arguments)


def ssd_matrix(*, decay: str = "logdiff", **arguments: Any) -> Scan:
    """Compute `ssd` in its dual form Y = (L o (C B')) (Delta X), one masked matrix for each head.

    Parameters
    ----------
    decay : {"product", "logdiff"}
        Decay over several steps as a product, or by a difference of cumulative sums.
    **arguments
        As for `ssd`.

    Returns
    -------
    Scan
        y and final_state.
    """
    return _by(functools.partial(matrix, decay=decay))(**arguments)


def _by(core: Callable[..., Any]) -> Callable[..., Scan]:
    """`ssd` by another route."""
    return operation(SIGNATURE, integers=INTEGERS, like=ssd)(lambda **given: layer(core, **given))


def direct(
    *, x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False, dt_limit=(0.0, np.inf),
    initial_state=None, seq_idx=None, cu_seqlens=None,
) -> Scan:  # fmt: skip
    """The textbook loop over sequences, heads and steps."""
    b, T, h, p = x.shape
    g, n = B.shape[-2:]
    rows = [(i, 0, T) for i in range(b)] if cu_seqlens is None else [(0, *ab) for ab in zip(cu_seqlens, cu_seqlens[1:])]  # noqa: B905
    S = np.zeros((len(rows), h, p, n)) if initial_state is None else np.array(initial_state)
    y = np.zeros(x.shape)
    for r, (i, begin, end) in enumerate(rows):
        for j in range(h):
            for t in range(begin, end):
                raw = dt[i, t, j] + (0 if dt_bias is None else dt_bias[j])
                step = raw if not dt_softplus or raw > 20 else np.log1p(np.exp(raw))
                step = min(max(step, dt_limit[0]), dt_limit[1])
                if seq_idx is not None and t > 0 and seq_idx[i, t] != seq_idx[i, t - 1]:
                    S[r, j] = 0
                group = j // (h // g)
                S[r, j] = np.exp(step * A[j]) * S[r, j] + step * np.outer(x[i, t, j], B[i, t, group])
                y[i, t, j] = S[r, j] @ C[i, t, group] + (0 if D is None else D[j] * x[i, t, j])
                y[i, t, j] *= 1 if z is None else z[i, t, j] / (1 + np.exp(-z[i, t, j]))
    return Scan(y, S)


def as_realization(
    *, A: Any, p: int, n: int, g: int = 1, D: Any = None, dt_bias: Any = None,
    dt_softplus: bool = False, dt_limit: tuple[float, float] = (0.0, np.inf),
) -> Realization:  # fmt: skip
    """Return schedule, bilinear system and read-out of an SSD layer with these parameters.

    Parameters
    ----------
    A, D, dt_bias : array_like
        As for `ssd`.
    p, n, g : int
        Head width, states per head and width, groups.
    dt_softplus, dt_limit
        As for `ssd`.

    Returns
    -------
    Realization
        schedule(x=, dt=, B=), a system with h p n states and readout(y, x=, C=, z=).
    """
    A = np.asarray(A, dtype=np.float64)
    shape = (A.size, p, n)
    skip = None if D is None else np.asarray(D).reshape(A.size, -1)

    def schedule(*, x: Any, dt: Any, B: Any) -> np.ndarray:
        step = step_size(np.asarray(dt), dt_bias, *limits(dt_softplus, dt_limit))
        return decays_and_writes(drive(scaled(np.asarray(x), step[..., None]), step, A, B, B), shape)

    def readout(y: np.ndarray, *, x: Any, C: Any, z: Any = None) -> np.ndarray:
        query = np.repeat(np.asarray(C), A.size // g, axis=-2)
        return gated((states(y, shape, rotating=False) * query[..., None, :]).sum(-1), x, skip, z)

    def start(state: Any) -> np.ndarray:
        return vec(np.asarray(state), shape, rotating=False)

    return Realization(schedule, diagonal_system(A.size * p * n), readout, start)


# What the cases combine: arguments that are present, and sizes (h, p, g, n).
OPTIONS = (
    {"size": (4, 8, 2, 16), "with": ("initial_state",)},
    {"size": (4, 8, 2, 16), "with": ("D", "z", "dt_bias", "dt_softplus", "initial_state")},
    {"size": (2, 4, 1, 8), "with": ("D2", "dt_bias", "dt_softplus", "dt_limit")},
    {"size": (6, 3, 3, 5), "with": ("D", "z", "dt_limit", "initial_state")},
    {"size": (4, 4, 2, 8), "with": ("D", "seq_idx", "dt_softplus", "initial_state")},
    {"size": (4, 4, 2, 8), "with": ("D", "cu_seqlens", "z", "initial_state")},
    {"size": (4, 4, 4, 8), "with": ("cu_seqlens", "dt_bias", "dt_softplus")},
)


def cases(regime, options, *, T, chunk, rng, form, batch=2) -> dict[str, Any]:
    """Draw the arguments of one case (see `layers.regimes`)."""
    (h, p, g, n), have = options["size"], frozenset(options["with"])
    draw = regimes.Draw(regime, T, chunk, rng, form)
    b = 1 if "cu_seqlens" in have else batch
    step, A = draw.steps((b, T, h)), -draw.rates((h,))
    out: dict[str, Any] = {"x": draw.values((b, T, h, p))}
    out |= {"B": draw.signal((b, T, g, n)), "C": draw.reader((b, T, g, n))}
    if "cu_seqlens" in have:
        out["cu_seqlens"] = regimes.offsets(T, chunk, rng)
    if "seq_idx" in have:
        out["seq_idx"] = regimes.sequence_index(b, T, chunk, rng)
    if "initial_state" in have:
        rows = len(out["cu_seqlens"]) - 1 if "cu_seqlens" in have else b
        out["initial_state"] = draw.state((rows, h, p, n))
    if regime.name == "cancelling":
        out["B"], out["C"] = regimes.cancel(out["B"], sign=1), regimes.cancel(out["C"], sign=-1)
        if "initial_state" in out:
            out["initial_state"] = regimes.cancel(out["initial_state"], sign=1)
    if have & {"D", "D2"}:
        out["D"] = draw.skip((h, p) if "D2" in have else (h,))
    if "z" in have:
        out["z"] = draw.gate((b, T, h, p))
    if "dt_limit" in have:
        middle = float(np.median(step)) if step.size else 1.0
        near = (float(np.float32(middle / 2)), float(np.float32(middle * 2)))
        out["dt_limit"] = (0.0, 64.0) if regime.exact else near
    raw = draw.raw_steps(step, h, have, "dt_bias", "dt_softplus")
    out |= {"A": A, "dt": raw.pop("raw")} | raw
    return regimes.integers(out, write="B", read="C", skip="D") if regime.exact else out


SWAPS = (
    *conventions.rates("A"),
    *conventions.steps("dt", "dt_bias", "dt_softplus", "dt_limit"),
    *conventions.gates("x", "D", "z"),
    conventions.scaled("C", -0.5),
    *CONVENTIONS,
)


SSD = complete(
    Op(
        name="ssd",
        title="Mamba-2: scan with one decay per head (state-space duality)",
        signature=SIGNATURE,
        definition=ssd,
        kernel=compiled,
        direct=direct,
        as_realization=as_realization,
        cases=cases,
        regimes=regimes.REGIMES,
        options=OPTIONS,
        properties=("causality", "split", "packed", "batch", "repeat", "linearity", "rough"),
        linear=("x", "initial_state"),
        envelope=regimes.envelope(read="C", exponents=("A", "dt", "dt_bias")),
        reference="Dao and Gu 2024, arXiv 2405.21060, section 6",
        # Most kernels of this op go by chunks of up to 256 and differences of cumulative sums.
        claim={"chunk": 256, "decay": "logdiff"},
        swaps=SWAPS,
    )
)
