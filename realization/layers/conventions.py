"""Conventions with which scans are confused, for the `swaps` of their records.

Each is a function of the names of an op's arguments; the functions inside get numbers of any type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.functions import exp, maximum, minimum, sigmoid, softplus
from realization.core.ops import Swap
from realization.core.pair import Pair

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


def _complex(x: Any) -> bool:
    return isinstance(x, Pair) or (isinstance(x, np.ndarray) and x.dtype.kind == "c")


def _negated(x: Any) -> Any:
    return Pair(-x.real, -x.imag) if isinstance(x, Pair) else -x


def _conjugate(x: Any) -> Any:
    return Pair(x.real, -x.imag) if isinstance(x, Pair) else np.conj(x)
