"""Mamba-1: the selective scan.

    Delta(t) = softplus(delta(t) + bias)
    S(t) = S(t-1) o exp(Delta(t) A) + (Delta(t) u(t)) B(t)',     S: (d, n)
    y(t) = (S(t) C(t) + D u(t)) silu(z(t))

One head of the recurrence: the d channels are its values, the n states its keys,
shared by all channels.  A complex A turns (2 n real columns) and reads 2 Re(S C).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from realization.core.functions import concatenate
from realization.core.ops import Op, Swap, operation
from realization.core.pair import Pair
from realization.layers import conventions, regimes
from realization.layers.maps import gated, scaled, step_size
from realization.layers.readings import complete
from realization.layers.realize import Realization, decays_and_writes, diagonal_system, states, vec
from realization.layers.recurrence import recurrence
from realization.layers.recurrence.faults import CONVENTIONS
from realization.layers.recurrence.kernel import kernel, trailing

SIGNATURE = (
    "u: *b T d; delta: *b T d; A: d n; B: *b T n; C: *b T n; D?: d; z?: *b T d; delta_bias?: d;"
    "initial_state?: *b d n -> y: *b T d; final_state: *b d n"
)


class Scan(NamedTuple):
    """Output (*b, T, d) and last state (*b, d, n)."""

    y: Any
    final_state: Any


def drive(value, step, A, B, C, discretization, initial_state) -> dict[str, Any]:
    """The arguments of the recurrence, from Delta u and Delta."""
    regimes.require_one_of("discretization", discretization, ("euler", "zoh"))
    log_decay = step[..., None, :, None]
    core = {"value": value[..., None, :], "log_decay": log_decay, "hold": discretization == "zoh"}
    if not isinstance(A, Pair):
        start = None if initial_state is None else initial_state[..., None, :, :]
        return core | {"key": B[..., None, :], "query": C[..., None, :], "rate": A[None], "initial": start}
    B, C, S = Pair.of(B), Pair.of(C), initial_state
    return core | {
        "key": concatenate([B.real, B.imag], -1)[..., None, :],
        "query": concatenate([C.real + C.real, -(C.imag + C.imag)], -1)[..., None, :],
        "rate": A.real[None],
        "angle": log_decay,
        "spin": A.imag[None],
        "initial": None if S is None else concatenate([Pair.of(S).real, Pair.of(S).imag], -1)[..., None, :, :],
    }


def result(y, final, A) -> Scan:
    """Drop the axis of the one head; with a complex A, columns become complex numbers."""
    final, n = final[..., 0, :, :], A.shape[-1]
    return Scan(y, Pair(final[..., :n], final[..., n:]) if isinstance(A, Pair) else final)


@operation(SIGNATURE)
def selective_scan(
    *, u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any = None, z: Any = None, delta_bias: Any = None,
    delta_softplus: bool = False, discretization: str = "euler", initial_state: Any = None,
) -> Scan:  # fmt: skip
    """S(t) = S(t-1) o exp(Delta(t) A) + (Delta(t) u(t)) B(t)',  y(t) = (S(t) C(t) + D u(t)) silu(z(t)).

    Parameters
    ----------
    u, delta : array_like
        Input and raw step size, (*b, T, d).
    A : array_like
        Continuous-time poles (d, n), real or complex; stable where Re A < 0.
    B, C : array_like
        Write and read vectors (*b, T, n), complex where A is.
    D : array_like, optional
        Skip connection (d,).
    z : array_like, optional
        Gate (*b, T, d); the output is multiplied by silu(z).
    delta_bias : array_like, optional
        Added to delta, (d,).
    delta_softplus : bool
        Delta = softplus(delta + bias), which is the identity above 20.
    discretization : {"euler", "zoh"}
        Input term Delta B u, as released Mamba has it, or (exp(Delta A) - 1)/A B u, exact
        for an input that is held constant over a step.
    initial_state : array_like, optional
        State before the first step (*b, d, n).

    Returns
    -------
    Scan
        y (*b, T, d) and final_state (*b, d, n).

    Raises
    ------
    ShapeError
        If a shape does not fit or the discretization is unknown.

    References
    ----------
    Gu and Dao, Mamba: Linear-Time Sequence Modeling with Selective State Spaces, 2023,
    arXiv 2312.00752, algorithm 2.

    Examples
    --------
    Held constant, the input of a stable pole -1 settles at B u:

    >>> one = np.ones((1, 60, 1))
    >>> held = selective_scan(u=one, delta=one, A=[[-1.0]], B=one, C=one, discretization="zoh")
    >>> bool(abs(held.y[0, -1, 0] - 1) < 1e-15)
    True
    """
    step = step_size(delta, delta_bias, delta_softplus or None, None, None)
    run = recurrence(**drive(scaled(u, step), step, A, B, C, discretization, initial_state))
    return result(gated(run.y[..., 0, :], u, D, z), run.final, A)


@operation(SIGNATURE, like=selective_scan)
def compiled(u, delta, A, B, C, D, z, delta_bias, delta_softplus, discretization, initial_state) -> Any:
    # the same in one pass
    run = kernel(
        **drive(u, delta, A, B, C, discretization, initial_state),
        step=(step_size, trailing(delta_bias), delta_softplus or None, None, None),
        write=scaled,
        after=(gated, u[..., None, :], D, None if z is None else z[..., None, :]),
    )
    return result(run.y[..., 0, :], run.final, A)


def direct(
    *, u, delta, A, B, C, D=None, z=None, delta_bias=None,
    delta_softplus=False, discretization="euler", initial_state=None,
) -> Scan:  # fmt: skip
    """The textbook loop, in complex numbers where A is complex."""
    (*batch, T, d), n = u.shape, A.shape[-1]
    step = delta if delta_bias is None else delta + delta_bias
    if delta_softplus:
        step = np.array([x if x > 20 else np.log1p(np.exp(x)) for x in step.ravel()]).reshape(step.shape)
    x = np.zeros((*batch, d, n), np.result_type(A, B)) if initial_state is None else np.array(initial_state)
    y = np.zeros(u.shape)
    for t in range(T):
        for i in range(d):
            a = np.exp(step[..., t, i, None] * A[i])
            b = step[..., t, i, None] if discretization == "euler" else np.expm1(step[..., t, i, None] * A[i]) / A[i]
            x[..., i, :] = a * x[..., i, :] + b * B[..., t, :] * u[..., t, i, None]
            read = (C[..., t, :] * x[..., i, :]).sum(-1)
            y[..., t, i] = 2 * read.real if np.iscomplexobj(A) else read
            y[..., t, i] += 0 if D is None else D[i] * u[..., t, i]
    return Scan(y if z is None else y * z / (1 + np.exp(-z)), x)


def as_realization(
    *, A: Any, D: Any = None, delta_bias: Any = None, delta_softplus: bool = False, discretization: str = "euler",
) -> Realization:  # fmt: skip
    """Return schedule, bilinear system and read-out of a selective scan with these parameters.

    Parameters
    ----------
    A, D, delta_bias : array_like
        As for `selective_scan`.
    delta_softplus, discretization
        As for `selective_scan`.

    Returns
    -------
    Realization
        schedule(u=, delta=, B=), a system with d n states (2 d n for complex A) and
        readout(y, u=, C=, z=).
    """
    A = np.asarray(A)
    (d, n), turning = A.shape, np.iscomplexobj(A)
    A, shape = (Pair.of(A), (1, d, 2 * n)) if turning else (A, (1, d, n))

    def core(u: Any, delta: Any, B: Any, C: Any) -> dict[str, Any]:
        step = step_size(np.asarray(delta), delta_bias, delta_softplus or None, None, None)
        return drive(scaled(np.asarray(u), step), step, A, B, C, discretization, None)

    def schedule(*, u: Any, delta: Any, B: Any) -> np.ndarray:
        return decays_and_writes(core(u, delta, B, B), shape)

    def readout(y: np.ndarray, *, u: Any, C: Any, z: Any = None) -> np.ndarray:
        query = core(u, u, C, C)["query"]
        return gated((states(y, shape, rotating=turning) * query[..., None, :]).sum(-1)[..., 0, :], u, D, z)

    def start(state: Any) -> np.ndarray:
        return vec(np.concatenate([state.real, state.imag], -1) if turning else state, shape, rotating=turning)

    return Realization(schedule, diagonal_system(d * shape[2], rotating=turning), readout, start)


# What the cases combine: arguments that are present, and sizes (d, n).
OPTIONS = (
    {"size": (8, 16), "with": ("initial_state",)},
    {"size": (8, 16), "with": ("D", "z", "delta_bias", "delta_softplus", "initial_state")},
    {"size": (8, 4), "with": ("D", "delta_bias", "delta_softplus")},
    {"size": (5, 3), "with": ("D", "z", "initial_state")},
    {"size": (8, 16), "with": ("delta_bias", "delta_softplus", "discretization", "initial_state")},
    {"size": (8, 8), "with": ("complex", "D", "z", "delta_softplus", "initial_state")},
    {"size": (4, 6), "with": ("complex", "discretization", "initial_state")},
)


def cases(regime, options, *, T, chunk, rng, form, batch=2) -> dict[str, Any]:
    """Draw the arguments of one case (see `layers.regimes`)."""
    (d, n), have = options["size"], frozenset(options["with"])
    draw = regimes.Draw(regime, T, chunk, rng, form)
    step, A = draw.steps((batch, T, d)), -draw.rates((d, n), stay="discretization" not in have)
    out: dict[str, Any] = {"u": draw.values((batch, T, d))}
    out |= {"B": draw.signal((batch, T, n)), "C": draw.reader((batch, T, n))}
    if "initial_state" in have:
        out["initial_state"] = draw.state((batch, d, n))
    if regime.name == "cancelling":
        A, out["B"], out["C"] = (regimes.cancel(x, sign=s) for x, s in ((A, 1), (out["B"], 1), (out["C"], -1)))
    if "complex" in have:
        A = A + 1j * draw.turns((d, n))
        out |= {name: out[name] + 1j * draw.imaginary(out[name]) for name in ("B", "C", "initial_state")}
    if "D" in have:
        out["D"] = draw.skip((d,))
    if "z" in have:
        out["z"] = draw.gate((batch, T, d))
    if "discretization" in have:
        out["discretization"] = "zoh"
    raw = draw.raw_steps(step, d, have, "delta_bias", "delta_softplus")
    out |= {"A": A, "delta": raw.pop("raw")} | raw
    return regimes.integers(out, write="B", read="C", skip="D") if regime.exact else out


SWAPS = (
    *conventions.rates("A"),
    *conventions.steps("delta", "delta_bias", "delta_softplus"),
    *conventions.gates("u", "D", "z"),
    *conventions.conjugates("A", "C"),
    Swap(
        "zero-order hold",
        "discretization='zoh'",
        arguments=lambda a: None if "discretization" in a else {**a, "discretization": "zoh"},
    ),
    *CONVENTIONS,
)


SELECTIVE_SCAN = complete(
    Op(
        name="selective_scan",
        title="Mamba-1: selective scan with diagonal decay",
        signature=SIGNATURE,
        definition=selective_scan,
        kernel=compiled,
        direct=direct,
        as_realization=as_realization,
        cases=cases,
        regimes=regimes.REGIMES,
        options=OPTIONS,
        properties=("causality", "split", "batch", "repeat", "linearity", "rough"),
        linear=("u", "initial_state"),
        envelope=regimes.envelope(read="C", exponents=("A", "delta", "delta_bias")),
        reference="Gu and Dao 2023, arXiv 2312.00752, algorithm 2",
        swaps=SWAPS,
    )
)
