"""Conventions with which layers are confused, for the `swaps` of their records.

Each is a function of the names of an op's arguments; the functions inside get numbers of any type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from realization.core.functions import arrange, exp, maximum, minimum, sigmoid, softplus, where
from realization.core.ops import Swap
from realization.core.pair import Pair
from realization.layers.maps import rms_norm, rotary

Arguments = Mapping[str, Any]


def rates(A: str) -> tuple[Swap, ...]:
    """The decay rates: as log(-A), which is what checkpoints store, or with the sign left out."""
    return (
        Swap(f"{A} as log(-{A})", f"{A} read as log(-{A}), so that the rate is -exp({A})",
             arguments=lambda a: None if isinstance(a[A], Pair) or _complex(a[A]) else {**a, A: -exp(a[A])}),
        Swap(f"{A} negated", f"the sign of {A} reversed: states that grow",
             arguments=lambda a: {**a, A: _negated(a[A])}),
    )  # fmt: skip


def steps(raw: str, bias: str, softly: str, limit: str | None = None) -> tuple[Swap, ...]:
    """The map to the step size in another order: bias, softplus, limits."""

    def after(a: Arguments) -> Arguments | None:
        if a.get(bias) is None or not a.get(softly):
            return None
        biased = softplus(a[raw]) + a[bias]
        return {**a, raw: biased, bias: None, softly: False}

    def before(a: Arguments) -> Arguments | None:
        if limit is None or limit not in a or not a.get(softly):
            return None
        low, high = a[limit]
        biased = a[raw] if a.get(bias) is None else a[raw] + a[bias]
        clipped = minimum(maximum(biased, low), high) if np.isfinite(high) else maximum(biased, low)
        return {**a, raw: clipped, bias: None, limit: (0.0, np.inf)}

    found = (Swap(f"{bias} after softplus", f"{bias} added after softplus", arguments=after),)
    return found if limit is None else (*found, Swap(f"{limit} before softplus", f"{limit} applied before softplus",
                                                     arguments=before))  # fmt: skip


def gates(x: str, skip: str, gate: str) -> tuple[Swap, ...]:
    """The gate before the skip connection, or a sigmoid in its place."""

    def without(name: str) -> Any:
        return lambda a: None if a.get(skip) is None or a.get(gate) is None else {**a, name: None}

    def skipped(out: Arguments, a: Arguments) -> Arguments:
        D = a[skip]
        return {**out, "y": out["y"] + (D if len(D.shape) == 2 or len(a[x].shape) < 4 else D[:, None]) * a[x]}

    return (
        Swap("gate before skip", f"the skip {skip} {x} added after the gate", arguments=without(skip), outputs=skipped),
        Swap("gate a sigmoid", f"the gate sigmoid({gate}) in the place of silu({gate})",
             arguments=lambda a: None if a.get(gate) is None else {**a, gate: None},
             outputs=lambda out, a: {**out, "y": out["y"] * sigmoid(a[gate])}),
    )  # fmt: skip


def conjugates(*names: str) -> tuple[Swap, ...]:
    """A complex argument conjugated."""

    def conjugated(name: str) -> Any:
        return lambda a: {**a, name: _conjugate(a[name])} if _complex(a[name]) else None

    return tuple(Swap(f"{n} conjugated", f"the conjugate of {n}", arguments=conjugated(n)) for n in names)


def scaled(name: str, power: float) -> Swap:
    """An argument scaled by a power of its last axis, as attention scales queries."""
    return Swap(
        f"{name} scaled",
        f"{name} scaled by n**{power:g}, n its width",
        arguments=lambda a: None if _complex(a[name]) else {**a, name: a[name] * float(a[name].shape[-1]) ** power},
    )


# Attention ------------------------------------------------------------------


def exchanged(one: str, other: str) -> Swap:
    """Two arguments whose axes have other names and may have equal sizes."""
    return Swap(
        f"{one} and {other} exchanged",
        f"{one} and {other} exchanged",
        arguments=lambda a: {**a, one: a[other], other: a[one]} if a[one].shape == a[other].shape else None,
    )


def windows(window: str) -> tuple[Swap, ...]:
    """The current token counted besides, or the first and the last."""

    def longer(by: int) -> Any:
        return lambda a: None if a.get(window) is None else {**a, window: a[window] + by}

    return (
        Swap(f"{window} - 1", f"a window of {window} - 1 keys", arguments=longer(-1)),
        Swap(f"{window} + 1", f"a window of {window} + 1 keys", arguments=longer(1)),
    )


def scales(query: str, scale: str) -> tuple[Swap, ...]:
    """Other factors of the scores, and those of kernels that compute powers of 2."""

    def factor(change: Callable[[float, int], float]) -> Any:
        def arguments(a: Arguments) -> Arguments:
            k = a[query].shape[-1]
            given = k**-0.5 if a.get(scale) is None else a[scale]
            return {**a, scale: change(given, k)}

        return arguments

    return (
        Swap(f"{scale} 1", "scores that are not scaled", arguments=factor(lambda s, k: 1.0)),
        Swap("scale of the hidden size", "the scale (h k)^(-1/2), the rule of the hidden size",
             arguments=lambda a: {**a, scale: (a[query].shape[-1] * a[query].shape[-2]) ** -0.5}),
        Swap(f"{scale} 1/k", "the scale 1/k, k the width of the keys", arguments=factor(lambda s, k: 1 / k)),
        Swap("log2(e) folded in twice", "the scores scaled by log2(e) once too often",
             arguments=factor(lambda s, k: s / math.log(2))),
        Swap("log2(e) left out", "the scores scaled by log2(e) once too little (powers of 2 for exponentials)",
             arguments=factor(lambda s, k: s * math.log(2))),
    )  # fmt: skip


def logarithm(lse: str) -> Swap:
    """The logarithm of a kernel that computes powers of 2."""
    return Swap(f"{lse} in base 2", f"{lse} as the logarithm to base 2",
                outputs=lambda out, _: {**out, lse: out[lse] * (1 / math.log(2))})  # fmt: skip


STREAM = ("query", "key", "query_norm", "key_norm")


def embeddings(*streams: tuple[str, str, str, str]) -> tuple[Swap, ...]:
    """Norm and rotation of queries and keys; the names of a further stream default to those of the first."""

    def embedded(read: Callable[..., tuple[Any, Any] | None]) -> Any:
        def arguments(a: Arguments) -> Arguments | None:
            out = {**a, "cos": None, "sin": None}
            for names in streams:
                given = [a.get(own) if a.get(own) is not None else a.get(first)
                         for own, first in zip(names, streams[0], strict=True)]  # fmt: skip
                pair = None if a.get("cos") is None else read(a, *given)
                if pair is None:
                    return None
                out |= dict(zip(names, (*pair, None, None), strict=True))
            return out

        return arguments

    def one_weights(a: Arguments) -> Arguments | None:
        norms = {name: 1.0 + a[name] for names in streams for name in names[2:] if a.get(name) is not None}
        return {**a, **norms} if norms else None

    return (
        Swap("sine negated", "the sine negated (rotation in the other sense)",
             arguments=lambda a: None if a.get("sin") is None else {**a, "sin": _negated(a["sin"])}),
        Swap("queries one position ahead", "queries turned by the position after their own",
             arguments=embedded(lambda a, *x: _rows_moved(a, *x, by=1))),
        Swap("queries one position behind", "queries turned by the position before their own",
             arguments=embedded(lambda a, *x: _rows_moved(a, *x, by=-1))),
        Swap("query positions from 0", "query t turned by position t, not t + S - T",
             arguments=embedded(lambda a, q, k, *norms: None if q.shape[-3] == k.shape[-3] else
                                _rows_moved(a, q, k, *norms, by=q.shape[-3] - k.shape[-3]))),
        Swap("keys not turned", "queries turned by their positions and keys not turned",
             arguments=embedded(_queries_turned)),
        Swap("norm after rotation", "the norms after the rotation", arguments=embedded(_normed_last)),
        Swap("norm weights 1 + w", "norms weighted by 1 + w", arguments=one_weights),
    )  # fmt: skip


def _own(q: Any, k: Any) -> np.ndarray:
    """Positions of the queries, the last of the keys."""
    return np.arange(k.shape[-3] - q.shape[-3], k.shape[-3])


def _normed(a: Arguments, x: Any, weight: Any) -> Any:
    return x if weight is None else rms_norm(x, weight, a.get("norm_eps", 1e-6))


def _turned(a: Arguments, x: Any, rows: np.ndarray) -> Any:
    return rotary(x, a["cos"][..., rows, :], a["sin"][..., rows, :], a.get("interleaved", False))


def _rows_moved(a: Arguments, q: Any, k: Any, nq: Any, nk: Any, *, by: int) -> tuple[Any, Any]:
    """Queries turned by other rows of the tables; the first and the last row stand for what is outside."""
    S = k.shape[-3]
    rows = np.clip(_own(q, k) + by, 0, max(S - 1, 0))
    return _turned(a, _normed(a, q, nq), rows), _turned(a, _normed(a, k, nk), np.arange(S))


def _queries_turned(a: Arguments, q: Any, k: Any, nq: Any, nk: Any) -> tuple[Any, Any]:
    return _turned(a, _normed(a, q, nq), _own(q, k)), _normed(a, k, nk)


def _normed_last(a: Arguments, q: Any, k: Any, nq: Any, nk: Any) -> tuple[Any, Any] | None:
    if nq is None and nk is None:
        return None
    return _normed(a, _turned(a, q, _own(q, k)), nq), _normed(a, _turned(a, k, np.arange(k.shape[-3])), nk)


# Convolutions ---------------------------------------------------------------


def newest_first(given: str, returned: str) -> tuple[Swap, ...]:
    """A state of tokens in the other order, as it is read, returned, or both."""

    def read(a: Arguments) -> Arguments | None:
        return None if a.get(given) is None else {**a, given: _backwards(a[given])}

    def write(out: Arguments, _: Arguments) -> Arguments:
        return {**out, returned: _backwards(out[returned])}

    return (
        Swap(f"{returned} newest first", f"{returned} newest token first", outputs=write),
        Swap(f"{given} newest first", f"{given} newest token first", arguments=read),
        Swap("states newest first", "both states newest token first", arguments=read, outputs=write),
    )


def activations(bias: str, active: str) -> tuple[Swap, ...]:
    """The bias behind the activation, or a sigmoid in its place."""

    def without(name: str, value: Any) -> Any:
        return lambda a: {**a, name: value} if a.get(active) and a.get(name) is not None else None

    return (
        Swap(f"{bias} after {active}", f"the {bias} added after the {active}", arguments=without(bias, None),
             outputs=lambda out, a: {**out, "y": _inside(out["y"] + a[bias], out["y"], a)}),
        Swap(f"{active} a sigmoid", f"the sigmoid as {active}", arguments=without(active, False),
             outputs=lambda out, a: {**out, "y": _inside(sigmoid(out["y"]), out["y"], a)}),
    )  # fmt: skip


def _inside(x: Any, y: Any, a: Arguments) -> Any:
    """x, but y at steps that lie in no packed sequence."""
    offsets = a.get("cu_seqlens")
    return x if offsets is None else where(np.arange(x.shape[-2])[:, None] < offsets[-1], x, y)


def _backwards(x: Any) -> Any:
    return arrange(lambda parts: parts[0][..., ::-1], [x])


# Numbers of any type --------------------------------------------------------


def _complex(x: Any) -> bool:
    return isinstance(x, Pair) or (isinstance(x, np.ndarray) and x.dtype.kind == "c")


def _negated(x: Any) -> Any:
    return Pair(-x.real, -x.imag) if isinstance(x, Pair) else -x


def _conjugate(x: Any) -> Any:
    return Pair(x.real, -x.imag) if isinstance(x, Pair) else np.conj(x)
