"""Golden values: the exact result, correctly rounded to float64.

Such a value is unique: it depends neither on the platform nor on the order of any sum.
Double-double decides nearly every entry (Ziv's test: the interval rounds to one number);
balls of growing precision decide the rest.  An exact zero takes more than 1075 bits, where all
that it can be rounds to 0; an exact tie that hangs on rounded numbers no precision decides:
it keeps its value and radius, and a flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.certify.ball import MissingPackage, balls, correctly_rounded, flint, precision
from realization.core.ops import Op
from realization.core.pair import Pair

BITS = (128, 256, 512, 1024, 2048)


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """A certified output: |exact - (value + low)| <= radius.

    Parameters
    ----------
    value : ndarray
        Float64 (complex128): correctly rounded where `decided`.
    low, radius : ndarray
        Second word and radius (float64, of each part where value is complex).
    decided : ndarray of bool
        Whether the value is the correctly rounded exact result.
    method : str
        "double-double", or "double-double, balls of N bits".
    """

    value: np.ndarray
    low: np.ndarray
    radius: np.ndarray
    decided: np.ndarray
    method: str


def golden(op: Op, arguments: Mapping[str, Any]) -> dict[str, Golden]:
    """Return the exact outputs of an op, correctly rounded.

    Parameters
    ----------
    op : Op
        The operation.
    arguments : mapping
        As for its definition; inputs and constants count as exact.

    Returns
    -------
    dict
        A Golden for each output.

    Notes
    -----
    Entries that double-double leaves undecided are computed again in ball arithmetic if
    python-flint is there (extra `certify`), else they stay flagged.

    References
    ----------
    Ziv, Fast evaluation of elementary mathematical functions with correctly rounded last
    bit, 1991.

    Examples
    --------
    In float64, 0.1 + 0.2 * 1 would give 0.30000000000000004; here A = 0 keeps everything:

    >>> from realization.layers import SELECTIVE_SCAN
    >>> x = np.array([0.1, 0.2]).reshape(1, 2, 1)
    >>> one = np.ones((1, 2, 1))
    >>> y = golden(SELECTIVE_SCAN, {"u": x, "delta": one, "A": [[0.0]], "B": one, "C": one})["y"]
    >>> y.value.ravel().tolist(), bool(y.decided.all())
    ([0.1, 0.30000000000000004], True)
    """
    found = {name: _from_dd(x) for name, x in op.certified(arguments).items()}  # type: ignore[misc]
    for bits in BITS:
        if all(g.decided.all() for g in found.values()):
            break
        try:
            found = _refined(op, arguments, found, bits)
        except MissingPackage:
            break
    return found


def _from_dd(x: Any) -> Golden:
    parts = [x.real, x.imag] if isinstance(x, Pair) else [x]
    rounded = [part.rounded() for part in parts]
    decided = np.logical_and.reduce([d for _, d in rounded])
    value, low = (_joined([getattr(p, word) for p in parts]) for word in ("hi", "lo"))
    return Golden(value, low, np.maximum.reduce([p.radius for p in parts]), decided, "double-double")


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] + 1j * parts[1] if len(parts) == 2 else parts[0].copy()


def _refined(op: Op, arguments: Mapping[str, Any], found: dict[str, Golden], bits: int) -> dict[str, Golden]:
    """Decide entries by the definition on balls; entries that are decided already stay."""
    axes = op.axes.arguments

    def lift(name: str, x: Any) -> Any:
        if name not in axes or x is None or np.asarray(x).dtype.kind in "iu":
            return x
        x = np.asarray(x)
        return Pair(balls(x.real), balls(x.imag)) if x.dtype.kind == "c" else balls(x.astype(np.float64))

    with precision(bits):
        outputs = op.named(op.definition(**{k: lift(k, x) for k, x in arguments.items()}))
        return {name: _merged(found[name], outputs[name], bits) for name in found}


def _merged(old: Golden, x: Any, bits: int) -> Golden:
    parts = [x.real, x.imag] if isinstance(x, Pair) else [x]
    value, decided = old.value.copy(), old.decided.copy()
    low, radius = old.low.copy(), old.radius.copy()
    for place in map(tuple, np.argwhere(~old.decided)):
        rounded = [correctly_rounded(flint().arb(part[place])) for part in parts]  # a reset leaves a plain 0
        if all(sure for _, sure in rounded):
            numbers = [number for number, _ in rounded]
            value[place] = complex(*numbers) if len(parts) == 2 else numbers[0]
            # A correctly rounded value is within half a unit in the last place.
            low[place], radius[place] = 0.0, max(np.spacing(abs(n)) / 2 for n in numbers)
            decided[place] = True
    return Golden(value, low, radius, decided, f"double-double, balls of {bits} bits")
