"""Short causal convolution: the register of the last w tokens, read by one weight for each.

    y(t) = act(bias + sum_i weight(i) x(t - w + 1 + i)),      i = 0 ... w-1, each channel by itself

The shift structure: the state, the last w - 1 inputs, is moved and never computed, so it is
forgotten exactly after w - 1 steps.  act is silu or nothing.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import where
from realization.core.ops import Op, operation
from realization.layers import conventions, regimes
from realization.layers.maps import activated, affine
from realization.layers.packing import check_packing, starts
from realization.layers.readings import complete
from realization.layers.realize import Realization
from realization.layers.regimes import Regime
from realization.layers.register import kept, oldest, packed, register, register_state, register_system, tape
from realization.layers.register.faults import CONVENTIONS

SIGNATURE = (
    "x: *b T d; weight: d w; bias?: d; initial_state?: *b d w1 | s d w1; seq_idx?: *b T; cu_seqlens?: s1"
    "-> y: *b T d; final_state: *b d w1 | s d w1"
)
INTEGERS = ("seq_idx", "cu_seqlens")


class Convolution(NamedTuple):
    """Output (*b, T, d) and last w - 1 inputs (*b, d, w-1)."""

    y: Any
    final_state: Any


@operation(SIGNATURE, integers=INTEGERS)
def causal_conv1d(
    *, x: Any, weight: Any, bias: Any = None, activation: bool | str | None = False,
    initial_state: Any = None, seq_idx: Any = None, cu_seqlens: Any = None,
) -> Convolution:  # fmt: skip
    """y(t) = act(bias + sum_i weight(i) x(t - w + 1 + i)), one filter of w taps for each channel.

    Parameters
    ----------
    x : array_like
        Input (*b, T, d).
    weight : array_like
        Taps (d, w), w >= 1; the last one meets the current token.
    bias : array_like, optional
        (d,).
    activation : bool or str, optional
        Whether act is silu, also by its names "silu" and "swish"; else, and by None, it is left out.
    initial_state : array_like, optional
        The w - 1 inputs before the first, oldest first, (*b, d, w-1); with cu_seqlens one for each
        sequence, (s, d, w-1).  Default: 0.
    seq_idx : array_like of int, optional
        Sequence of each step (*b, T): what lies before a change counts as 0.
    cu_seqlens : array_like of int, optional
        Offsets (s+1,) of sequences packed along T, batch 1: each starts from its own initial
        state; steps beyond the last offset give 0.

    Returns
    -------
    Convolution
        y (*b, T, d) and final_state, the last w - 1 inputs, (*b, d, w-1), with cu_seqlens (s, d, w-1).

    Raises
    ------
    ShapeError
        If a shape does not fit, there is no tap, the activation is another one, or the offsets do not ascend
        within T.

    Notes
    -----
    One step of decoding is a call with T = 1 and the state of the call before.

    References
    ----------
    Gu and Dao, Mamba: Linear-Time Sequence Modeling with Selective State Spaces, 2023,
    arXiv 2312.00752, section 3.4.

    Examples
    --------
    One tap on the token before the last delays by two steps, and two tokens remain to be read:

    >>> out = causal_conv1d(x=[[[1.0], [2.0], [3.0], [4.0]]], weight=[[1.0, 0.0, 0.0]])
    >>> out.y.ravel().tolist(), out.final_state.ravel().tolist()
    ([0.0, 0.0, 1.0, 2.0], [3.0, 4.0])
    """
    return layer(windowed, x, weight, bias, activation, initial_state, seq_idx, cu_seqlens)


def layer(core, x, weight, bias, activation, initial_state, seq_idx, cu_seqlens) -> Convolution:
    """Checks and core, `windowed` or `fused`."""
    *batch, T, _ = x.shape
    check_width(weight, initial_state)
    check_packing(cu_seqlens, initial_state, batch=tuple(batch), T=T, behind=2)
    begin = None if seq_idx is None else starts(seq_idx)
    given = {"x": x, "initial": initial_state, "starts": begin, "offsets": cu_seqlens}
    return Convolution(*core(**given, weight=weight, bias=bias, active=active(activation)))


def active(activation: Any) -> bool | None:
    """True for silu and None for nothing, which is what `activated` and its compiled form take.

    Raises
    ------
    ShapeError
        With what came and what is needed.
    """
    if isinstance(activation, bool | np.bool_ | None):
        return True if activation else None
    if isinstance(activation, str) and activation in ("silu", "swish"):
        return True
    raise ShapeError(f"activation={activation!r} given; True or 'silu', or None or False to leave it out, is needed")


def check_width(weight: Any, initial_state: Any) -> None:
    """Refuse a filter without taps, and a state of another length.

    Raises
    ------
    ShapeError
        With what came and what is needed.
    """
    d, w = weight.shape
    if w < 1:
        raise ShapeError(f"weight has shape {(d, w)}; at least one tap for each channel is needed")
    if initial_state is not None and initial_state.shape[-1] != w - 1:
        raise ShapeError(
            f"initial_state has shape {initial_state.shape}, but (..., {d}, {w - 1}) is needed for axes "
            f"(..., d, w-1): the tokens before the current one; w={w} (from weight)"
        )


def windowed(*, x, weight, bias, active, initial, starts, offsets) -> tuple[Any, Any]:
    """The register, read by the weight after each update; nothing is read outside of all sequences."""
    windows, last = register(x=x, width=weight.shape[-1], initial=initial, starts=starts, offsets=offsets)
    y = activated(affine(windows, weight, bias), active)
    if offsets is not None:
        y = where(np.arange(x.shape[-2])[:, None] < offsets[-1], y, 0)
    return y, last


@packed
def fused(*, x, weight, bias, active, initial, starts) -> tuple[Any, Any]:
    """The same over plain arrays, in one pass and without windows."""
    from realization._kernels.convolution import make_kernel  # loads numba

    *batch, T, d = x.shape
    w, B = weight.shape[-1], math.prod(batch)
    tokens, y = tape(x, w, initial), np.empty((B, T, d))
    first = None if starts is None else oldest(starts, w).reshape(B, T)
    taps, bias = np.array(weight.T, order="C"), None if bias is None else np.array(bias)
    make_kernel(activated)(y, tokens.reshape(B, w - 1 + T, d), first, taps, bias, active)
    return y.reshape(x.shape), kept(tokens, w, starts)


@operation(SIGNATURE, integers=INTEGERS, like=causal_conv1d)
def compiled(x, weight, bias, activation, initial_state, seq_idx, cu_seqlens) -> Any:
    return layer(fused, x, weight, bias, activation, initial_state, seq_idx, cu_seqlens)


def direct(
    *, x, weight, bias=None, activation=False, initial_state=None, seq_idx=None, cu_seqlens=None
) -> Convolution:  # fmt: skip
    """The textbook loop over sequences, channels, steps and taps, with a queue for each channel."""
    b, T, d = x.shape
    w = weight.shape[-1]
    rows = [(i, 0, T) for i in range(b)] if cu_seqlens is None else [(0, *ab) for ab in zip(cu_seqlens, cu_seqlens[1:])]  # noqa: B905
    y, state = np.zeros(x.shape), np.zeros((len(rows), d, w - 1))
    for r, (i, begin, end) in enumerate(rows):
        for c in range(d):
            queue = [0.0] * (w - 1) if initial_state is None else list(initial_state[r, c])
            for t in range(begin, end):
                if seq_idx is not None and t > begin and seq_idx[i, t] != seq_idx[i, t - 1]:
                    queue = [0.0] * (w - 1)
                queue.append(x[i, t, c])
                v = (0.0 if bias is None else bias[c]) + sum(a * s for a, s in zip(weight[c], queue, strict=True))
                y[i, t, c] = v / (1 + np.exp(-v)) if active(activation) else v
                queue.pop(0)
            state[r, c] = queue
    return Convolution(y, state)


def as_realization(*, weight: Any, bias: Any = None, activation: bool | str | None = False) -> Realization:
    """Return schedule, linear system and read-out of a convolution with these parameters.

    Parameters
    ----------
    weight, bias, activation
        As for `causal_conv1d`.

    Returns
    -------
    Realization
        schedule(x=), a register of w tokens, d w states, and readout(y).
    """
    weight = np.asarray(weight, dtype=np.float64)
    bias, act = None if bias is None else np.asarray(bias), active(activation)

    def schedule(*, x: Any) -> np.ndarray:
        return np.asarray(x)

    def readout(y: np.ndarray) -> np.ndarray:
        return activated(affine(y.reshape(*y.shape[:-1], *weight.shape), weight, bias), act)

    def start(state: Any) -> np.ndarray:
        return register_state(np.asarray(state))

    d, w = weight.shape
    return Realization(schedule, register_system(w, d), readout, start)


def never(chunk: int) -> float:
    """Nothing decays: a token is there, and w steps later it is not."""
    return math.inf


REGIMES = (
    Regime("generic", never, "numbers of order 1"),
    Regime("cancelling", never, "outputs that are small differences of large products"),
    Regime("positive", never, "terms of one sign: rounding that leans one way adds up"),
    Regime("impulse", never, "single tokens, each tap by itself"),
    Regime("tiny", never, "close to the subnormal range"),
    Regime("huge", never, "close to overflow"),
    Regime("exact", never, "integers: structure, bit for bit", exact=True),
    Regime("exact-wide", never, "integers whose sums outgrow 16 bits: the width of the sum", exact=True),
)
# What the cases combine: arguments that are present, and sizes (d, w).
OPTIONS = (
    {"size": (8, 4), "with": ("initial_state",)},
    {"size": (8, 4), "with": ("bias", "activation", "initial_state")},
    {"size": (3, 12), "with": ("bias", "initial_state")},
    {"size": (5, 3), "with": ("activation",)},
    {"size": (8, 2), "with": ("bias", "initial_state")},
    {"size": (3, 1), "with": ("bias", "activation")},
    {"size": (4, 4), "with": ("seq_idx", "bias", "initial_state")},
    {"size": (8, 4), "with": ("seq_idx", "bias", "activation")},
    {"size": (4, 3), "with": ("cu_seqlens", "bias", "activation", "initial_state")},
    {"size": (6, 4), "with": ("cu_seqlens",)},
)


def cases(regime, options, *, T, chunk, rng, form, batch=2) -> dict[str, Any]:
    """Draw the arguments of one case (see `layers.regimes`)."""
    (d, w), have = options["size"], frozenset(options["with"])
    draw = regimes.Draw(regime, T, chunk, rng, form)
    b = 1 if "cu_seqlens" in have else batch
    out: dict[str, Any] = {"x": draw.signal((b, T, d)), "weight": draw.signal((d, w))}
    if regime.name == "impulse":
        out["x"][:, np.arange(T) % (w + 1) > 0] = 0.0
    if "bias" in have:
        out["bias"] = draw.signal(d) * (draw.signal(d) if regime.name in ("tiny", "huge") else 1.0)
    if "activation" in have:
        out["activation"] = True
    if "cu_seqlens" in have:
        out["cu_seqlens"] = regimes.offsets(T, chunk, rng)
    if "seq_idx" in have:
        out["seq_idx"] = regimes.sequence_index(b, T, chunk, rng)
    if "initial_state" in have:
        out["initial_state"] = draw.signal((len(out["cu_seqlens"]) - 1 if "cu_seqlens" in have else b, d, w - 1))
    if regime.name == "cancelling":
        return out | _cancelling(out)
    return out | _integers(out, rng, wide=regime.name == "exact-wide") if regime.exact else out


def _cancelling(case: dict[str, Any]) -> dict[str, Any]:
    """Nearly constant signals under taps that come in pairs, opposite up to one part in a thousand."""
    level = case["weight"][:, 0] + 2.0
    weight = regimes.cancel(case["weight"], sign=-1)
    if weight.shape[-1] % 2:
        weight[:, -1] *= 2.0**-10
    small = {name: 2.0**-10 * case[name] for name in ("bias", "x", "initial_state") if name in case}
    steady = {"x": level, "initial_state": level[:, None]}
    return {"weight": weight} | {name: steady[name] * (1 + x) if name in steady else x for name, x in small.items()}


def _integers(case: dict[str, Any], rng: np.random.Generator, *, wide: bool) -> dict[str, Any]:
    """Integers of 7 bits for the wide regime; sums that silu keeps or wipes out, in every format.

    silu(v) = v from v = 64 on, and 0 up to v = -1024, which only sums of both signs need.
    """
    arrays = {name for name in ("x", "weight", "bias", "initial_state") if name in case}
    out = {name: rng.integers(0, 128, case[name].shape) + 0.0 if wide else case[name] for name in arrays}
    scale = (64.0 if wide else 1024.0) if "activation" in case else 1.0
    return out | {name: scale * out[name] for name in arrays & {"weight", "bias"}}


SWAPS = (
    *CONVENTIONS,
    *conventions.newest_first("initial_state", "final_state"),
    *conventions.activations("bias", "activation"),
)


CAUSAL_CONV1D = complete(
    Op(
        name="causal_conv1d",
        title="Short causal convolution of each channel, with bias and silu",
        signature=SIGNATURE,
        definition=causal_conv1d,
        kernel=compiled,
        direct=direct,
        as_realization=as_realization,
        cases=cases,
        regimes=REGIMES,
        typical="generic",
        options=OPTIONS,
        properties=("causality", "split", "packed", "batch", "repeat", "linearity", "rough"),
        linear=("x", "bias", "initial_state"),
        # The state is a copy of inputs: it is never in the accumulator.
        formats={"initial_state": "io", "final_state": "io"},
        envelope=regimes.envelope(),
        reference="Gu and Dao 2023, arXiv 2312.00752, section 3.4",
        swaps=SWAPS,
    )
)
