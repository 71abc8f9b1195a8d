"""Properties that need no reference, on any stateful function.

A function (inputs, state) -> (outputs, state) that runs over time must give the same
whether it is fed at once or in pieces, and must not look ahead.  What it computes does
not matter, so a whole mixer with its cache can be asked as well as a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PASS, FAIL, NOTE = "pass", "fail", "note"


@dataclass(frozen=True, slots=True, eq=False)
class Property:
    """What was found about one property.

    Parameters
    ----------
    name : str
        "causality", "split", ...
    status : {"pass", "fail", "note"}
        A note is worth knowing and no failure.
    ratio : float
        Largest difference over tolerance.
    difference : float
        Largest difference.
    reason : str
        In words.
    first : int or None
        First step at which the outputs differ by more than the tolerance.
    cut : tuple of int or None
        Where the input was cut.
    """

    name: str
    status: str
    ratio: float
    difference: float
    reason: str
    first: int | None = None
    cut: tuple[int, ...] | None = None


Stateful = Callable[[Any, Any], tuple[Any, Any]]


def cuts(T: int, *, rng: Any = None, sampled: int = 8, every_below: int = 12) -> list[int]:
    """All places to cut a sequence of T steps in two if it is short, else the ends and a sample."""
    if every_below > T:
        return list(range(T + 1))
    draw = np.random.default_rng(0 if rng is None else rng)
    inner = draw.choice(np.arange(2, T - 1), size=min(sampled, T - 3), replace=False)
    return sorted({0, 1, T // 2, T - 1, T, *map(int, inner)})


def split_invariance(
    function: Stateful,
    inputs: Any,
    *,
    state: Any = None,
    at: Sequence[tuple[int, ...]] | None = None,
    axis: int = 1,
    tolerance: Any = 0.0,
    state_tolerance: Any = None,
    rng: Any = None,
) -> Property:
    """Compare f(whole) with f(first), f(second), ... where each piece starts from the state before.

    Parameters
    ----------
    function : callable
        (inputs, state) -> (outputs, state); arrays, or tuples, lists or mappings of arrays.
    inputs : array or nest of arrays
        With time along `axis`.
    state : nest of arrays, optional
        State before the first step.
    at : sequence of tuples of int, optional
        Places to cut, one tuple for each way.  Default: every single cut for short
        sequences, a sample for long ones, and one step at a time.
    axis : int
        Time axis of inputs and outputs.
    tolerance, state_tolerance : float or array
        Largest difference allowed in the outputs (an array like theirs) and in the
        state.  Default for the state: that of the outputs.
    rng : seed, optional
        For the sample of cuts.

    Returns
    -------
    Property
        With the worst cut, and the first step after which the outputs differ.

    Examples
    --------
    A sum that forgets its state at each call:

    >>> forgetful = lambda x, s: (np.cumsum(x, 1), None)
    >>> split_invariance(forgetful, np.ones((1, 4)), tolerance=1e-9).status
    'fail'
    >>> summing = lambda x, s: (np.cumsum(x, 1) + s, s + x.sum(1, keepdims=True))
    >>> split_invariance(summing, np.ones((1, 4)), state=np.zeros((1, 1)), tolerance=1e-9).status
    'pass'
    """
    T = leaves(inputs)[0].shape[axis]
    whole, last = function(inputs, state)
    at = [(c,) for c in cuts(T, rng=rng)] + [tuple(range(1, T))] if at is None else at
    state_tolerance = tolerance if state_tolerance is None else state_tolerance
    worst = Property("split", PASS, 0.0, 0.0, "no cut was made")
    for places in at:
        edges = [0, *places, T]
        current, pieces = state, []
        for a, b in zip(edges[:-1], edges[1:], strict=True):
            y, current = function(take(inputs, slice(a, b), axis), current)
            pieces.append(y)
        joined = _join(pieces, axis)
        found = _compare("split", whole, joined, tolerance, axis, f"{_spell(places, T)}: ", tuple(places))
        about = f"{_spell(places, T)}, last state: "
        states = _compare("split", last, current, state_tolerance, None, about, tuple(places))
        worst = max(worst, found, states, key=_rank)
    if worst.cut is None and at:
        return Property("split", PASS, 0.0, 0.0, f"{len(at)} ways to cut {T} steps agree bit for bit")
    return worst


def causality(
    function: Callable[[Any], Any],
    inputs: Any,
    other: Any,
    *,
    at: Sequence[int] | None = None,
    axis: int = 1,
    tolerance: Any = 0.0,
) -> Property:
    """Replace what comes from step t on by other finite values: the outputs before t keep their bits.

    Parameters
    ----------
    function : callable
        Inputs -> outputs.
    inputs, other : array or nest of arrays
        Two inputs of one shape, time along `axis`.
    at : sequence of int, optional
        Steps t.  Default: as for `split_invariance`.
    axis : int
        Time axis.
    tolerance : float or array
        Difference allowed, for functions that do not repeat bit for bit.

    Returns
    -------
    Property
        NaN is no probe: in a masked product 0 NaN reaches every row of a right kernel.

    Examples
    --------
    >>> x = np.arange(6.0)[None]
    >>> causality(lambda x: np.cumsum(x, 1), x, -x).status
    'pass'
    >>> causality(lambda x: x - x.mean(1), x, -x).status
    'fail'
    """
    T = leaves(inputs)[0].shape[axis]
    base = function(inputs)
    worst = Property("causality", PASS, 0.0, 0.0, "outputs before a change keep their bits")
    for t in [t for t in (cuts(T) if at is None else at) if 0 < t < T]:
        mixed = _join([take(inputs, slice(0, t), axis), take(other, slice(t, T), axis)], axis)
        before = [take(x, slice(0, t), axis) for x in (base, function(mixed))]
        limit = tolerance if np.ndim(tolerance) == 0 else take(tolerance, slice(0, t), axis)
        about = f"inputs changed from step {t} on: "
        worst = max(worst, _compare("causality", before[0], before[1], limit, axis, about, (t,)), key=_rank)
    return worst


def repeatability(function: Callable[[], Any], *, times: int = 3) -> Property:
    """Call it again on the same inputs: the bits should be the same.

    Parameters
    ----------
    function : callable
        Without arguments.
    times : int
        How often.

    Returns
    -------
    Property
        A note where bits differ: atomics and run-time choices do that to right kernels.
    """
    first = function()
    worst = max((_compare("repeat", first, function(), 0.0, None, "", None) for _ in range(times - 1)), key=_rank)
    if worst.status == PASS:
        return Property("repeat", PASS, 0.0, 0.0, f"{times} runs agree bit for bit")
    reason = f"bits differ from run to run, by up to {worst.difference:.3g}"
    return Property("repeat", NOTE, 0.0, worst.difference, reason)


def agreement(name: str, one: Any, other: Any, *, tolerance: Any, axis: int | None = 1, about: str = "") -> Property:
    """Compare two nests of arrays that should be equal up to a tolerance.

    Parameters
    ----------
    name : str
        Of the property.
    one, other : nests of arrays
        Of equal structure.
    tolerance : float or array
        Difference allowed.
    axis : int or None
        Time axis, for the first step that differs.
    about : str
        Goes in front of the reason.

    Returns
    -------
    Property
    """
    found = _compare(name, one, other, tolerance, axis, about, None)
    if found.status == PASS:
        bits = "bit for bit" if found.difference == 0 else f"to {found.ratio:.2g} of the tolerance, not bit for bit"
        return Property(name, PASS, found.ratio, found.difference, f"{about}agree {bits}")
    return found


def _compare(name: str, one: Any, other: Any, tolerance: Any, axis: int | None, about: str, cut: Any) -> Property:
    worst = Property(name, PASS, 0.0, 0.0, f"{about}equal", None, cut)
    for x, y in zip(leaves(one), leaves(other), strict=True):
        if x.shape != y.shape:
            return Property(name, FAIL, np.inf, np.inf, f"{about}shapes {x.shape} and {y.shape}", None, cut)
        if not x.size:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = np.abs(np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, x - y))
            ratio = np.where(difference == 0, 0.0, difference / np.broadcast_to(tolerance, x.shape))
        ratio = np.where(np.isnan(ratio), np.inf, ratio)
        top = float(ratio.max())
        if top <= max(worst.ratio, 0) and top <= 1:
            continue
        first = None
        if axis is not None and top > 1:
            rest = tuple(i for i in range(ratio.ndim) if i != axis % ratio.ndim)
            first = int(np.argmax(ratio.max(rest) > 1))
        where = "" if first is None else f", from step {first} on"
        reason = f"{about}off by up to {difference.max():.3g}{where}" if top > 1 else f"{about}within tolerance"
        status = FAIL if top > 1 else PASS
        worst = max(worst, Property(name, status, top, float(difference.max()), reason, first, cut), key=_rank)
    return worst


def _rank(p: Property) -> tuple[bool, float]:
    return (p.status == FAIL, p.ratio)


def _spell(places: Sequence[int], T: int) -> str:
    return "one step at a time" if len(places) == T - 1 > 1 else f"cut at {', '.join(map(str, places))}"


# Nests of arrays ------------------------------------------------------------


def leaves(nest: Any) -> list[np.ndarray]:
    """The arrays of a nest of tuples, lists and mappings, in order; None holds none."""
    return [np.asarray(x) for x in _walk(nest)]


def _walk(nest: Any) -> Iterator[Any]:
    if isinstance(nest, dict):
        for key in sorted(nest):
            yield from _walk(nest[key])
    elif isinstance(nest, tuple | list):
        for x in nest:
            yield from _walk(x)
    elif nest is not None:
        yield nest


def _map(function: Callable[..., Any], *nests: Any) -> Any:
    first = nests[0]
    if isinstance(first, dict):
        return {key: _map(function, *(n[key] for n in nests)) for key in first}
    if isinstance(first, tuple | list):
        return [_map(function, *parts) for parts in zip(*nests, strict=True)]
    return None if first is None else function(*nests)


def take(nest: Any, steps: slice, axis: int) -> Any:
    """The same nest with only some steps of every array."""
    return _map(lambda x: np.asarray(x)[(slice(None),) * axis + (steps,)], nest)


def _join(nests: Sequence[Any], axis: int) -> Any:
    return _map(lambda *parts: np.concatenate(parts, axis=axis), *nests)
