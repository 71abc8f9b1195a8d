"""The transition of one step, and packed sequences: what all readings share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import arrange, concatenate, cos, exp, expm1, phi1, plain, reciprocal, sin, stack, where
from realization.core.pair import Pair
from realization.layers.recurrence import Run

# Axes behind time, for every argument that runs over time.
BEHIND_TIME = {
    "value": 2, "key": 2, "query": 2, "log_decay": 3, "angle": 3, "erase": 1, "erase_key": 2,
    "erase_value": 2, "reset": 0,
    "slack": 3, "ends": 0, "later": 3, "begins": 0,
}  # fmt: skip


def transition(log_decay: Any, rate: Any, angle: Any, spin: Any, hold: bool) -> tuple[Any, Any]:
    """Return decay and weight of the write: None for 1, an array, or a Pair for complex numbers."""
    g = log_decay if rate is None else log_decay * rate
    if angle is None:
        return (None, None) if g is None else (exp(g), phi1(g) if hold else None)
    turn = angle if spin is None else angle * spin
    if g is None:
        g = turn * 0.0
    a = exp(g)
    return Pair(a * cos(turn), a * sin(turn)), complex_phi1(g, turn) if hold else None


def complex_phi1(g: Any, turn: Any) -> Pair:
    """(exp(z) - 1) / z at z = g + i turn, with Re(exp(z) - 1) = expm1(g) cos(turn) - 2 sin(turn/2)^2."""
    zero = (plain(g) == 0) & (plain(turn) == 0)
    half = sin(turn * 0.5)
    x, y = expm1(g) * cos(turn) - 2.0 * (half * half), exp(g) * sin(turn)
    scale = reciprocal(where(zero, 1.0, g * g + turn * turn))
    return Pair(where(zero, 1.0, (x * g + y * turn) * scale), (y * g - x * turn) * scale)


def times(S: Any, a: Any) -> Any:
    """S o a; for a Pair the columns of S are real parts, then imaginary parts."""
    if a is None:
        return S
    if not isinstance(a, Pair):
        return a * S
    P = S.shape[-1] // 2
    x, y = S[..., :P], S[..., P:]
    return concatenate([a.real * x - a.imag * y, a.imag * x + a.real * y], axis=-1)


def erasing(erase: Any, key: Any, heads: int, angle: Any, hold: bool) -> tuple[Any, Any]:
    """The pair (c, d) of an erase S~ - (S~ c) d': that given, or (k, b k) of a strength b; None for none.

    Raises
    ------
    ShapeError
        If the erase comes with an angle or a held write, or does not fit the keys.
    """
    if erase is None:
        return None, None
    if angle is not None or hold:
        other = "hold" if angle is None else "an angle"
        raise ShapeError(f"an erase and {other} are given; an erase needs real decays and a plain write: leave one out")
    strength = not isinstance(erase, tuple | list)
    parts = [erase] if strength else list(erase)
    wanted = (*key.shape[:-2], heads) if strength else (*key.shape[:-2], "G", key.shape[-1])
    fits = [
        all(n in (m, "G") for n, m in zip(wanted, x.shape, strict=False)) and len(x.shape) == len(wanted) for x in parts
    ]
    divides = strength or all(x.shape[-2] and heads % x.shape[-2] == 0 for x in parts)
    if len(parts) != 2 - strength or not all(fits) or not divides:
        raise ShapeError(
            f"erase has shape {' and '.join(str(x.shape) for x in parts)}; a strength {(*key.shape[:-2], heads)}, or a "
            f"pair of {(*key.shape[:-2], 'G', key.shape[-1])} with G a divisor of {heads} heads, is needed"
        )
    return (key, erase[..., None] * share(key, heads)) if strength else (parts[0], parts[1])


def erased(S: Any, c: Any, d: Any) -> Any:
    """S - (S c) d'; c, d (*b, G, K), None for no erase."""
    if c is None:
        return S
    c, d = (share(x, S.shape[-3]) for x in (c, d))
    return S - (S * c[..., None, :]).sum(-1)[..., None] * d[..., None, :]


def erase_norm(c: Any, d: Any, c_error: Any, d_error: Any) -> Any:
    """An upper bound of the 2-norm of I - c d', where c and d (..., K) are known up to errors.

    Its singular values but 1 are those of two dimensions: with x = (1 - c'd)^2 and
    z = |c|^2 |d|^2 - (c'd)^2, which is 0 if d = b c,

        |I - c d'|^2 = (1 + x + z + sqrt((x + z - 1)^2 + 4 z)) / 2 = max(1, x) for z = 0
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        size, width, off, more = (np.hypot.reduce(y, -1) for y in (c, d, c_error, d_error))
        off = size * more + off * (width + more) + (c.shape[-1] + 4) * 2.0**-50 * size * width
        inner = (c * d).sum(-1)
        x = (np.abs(1 - inner) + off) ** 2
        z = np.maximum((size * width + off) ** 2 - np.maximum(np.abs(inner) - off, 0) ** 2, 0)
        norm = np.sqrt((1 + x + z + np.sqrt((x + z - 1) ** 2 + 4 * z)) / 2) * (1 + 2.0**-48)
    return np.where(np.isnan(norm), np.inf, norm)


def share(x: Any, heads: int) -> Any:
    """Give every head the row of its group: (*b, G, K) -> (*b, H, K)."""
    groups = x.shape[-2]
    return x if groups == heads else x[..., np.arange(heads) // (heads // groups), :]


def at(x: Any, steps: Any, behind: int) -> Any:
    """Take a step, or a slice of steps, from the time axis, which has `behind` axes after it.

    A pair of vectors in the place of a number has one axis more.
    """
    if isinstance(x, tuple):
        return tuple(at(part, steps, behind + 1) for part in x)
    return None if x is None else x[(..., steps) + (slice(None),) * behind]


def flip(x: Any, behind: int) -> Any:
    """Reverse the time axis, which has `behind` axes after it."""
    return None if x is None else arrange(lambda parts: np.flip(parts[0], -1 - behind), (x,))


def shifted(x: Any, behind: int) -> Any:
    """x(t+1) for what runs backwards in time: 0, x(T-1), ..., x(0)."""
    return None if x is None else concatenate([_zero(x, behind), flip(x, behind)], -1 - behind)


def padded(x: Any, behind: int) -> Any:
    """x(t) for what runs backwards in time, and a step more: x(T-1), ..., x(0), 0."""
    return None if x is None else concatenate([flip(x, behind), _zero(x, behind)], -1 - behind)


def _zero(x: Any, behind: int) -> Any:
    """One step of zeros; of False among booleans."""
    time = len(x.shape) - 1 - behind
    return np.zeros((*x.shape[:time], 1, *x.shape[time + 1 :]), getattr(x, "dtype", None))


def packed(run: Callable[..., Run]) -> Callable[..., Run]:
    """Let a reading of one sequence accept `offsets`: it runs on each sequence by itself."""

    @functools.wraps(run)
    def whole(*, offsets: Any = None, initial: Any = None, states: bool = False, **arrays: Any) -> Run:
        if offsets is None:
            return run(**arrays, initial=initial, states=states)
        runs = []
        for i, steps in enumerate(slices(offsets)):
            part = {name: at(x, steps, BEHIND_TIME[name]) if name in BEHIND_TIME else x for name, x in arrays.items()}
            runs.append(run(**part, initial=None if initial is None else initial[i], states=states))
        value = arrays["value"]
        rest = value.shape[-3] - int(offsets[-1])
        y = concatenate([r.y for r in runs] + [np.zeros((*value.shape[:-3], rest, *value.shape[-2:]))], axis=-3)
        finals = stack([r.final for r in runs], axis=0)
        if not states:
            return Run(y, finals)
        outside = np.zeros((*value.shape[:-3], rest, *finals.shape[-3:]))
        return Run(y, finals, concatenate([r.states for r in runs] + [outside], axis=-4))

    return whole


def slices(offsets: Any) -> list[slice]:
    """The steps of each packed sequence."""
    return [slice(int(a), int(b)) for a, b in zip(offsets[:-1], offsets[1:], strict=True)]


def zeros(value: Any, key: Any) -> np.ndarray:
    """The state 0 that fits value and key."""
    # In the type of value: an integer 0 among objects leaves rationals what they are.
    dtype = getattr(value, "dtype", np.float64)
    return np.zeros((*value.shape[:-3], *value.shape[-2:], key.shape[-1]), dtype)
