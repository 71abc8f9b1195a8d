"""The gradient of the recurrence: itself a recurrence, which runs backwards in time.

Let L depend on y and on the last state, with cotangents ybar = dL/dy and finalbar.  Then
P(t) = dL/dS(t) has the structure of S, with key and query exchanged and the angle turned round,

    P(t) = ybar(t) q(t)' + P(t+1) o a(t+1),      P(T) o a(T) = finalbar

and with the weight w of the write (1, or phi1(g) under `hold`) and g = log_decay rate

    vbar = (w o P) k         kbar = (w o P)' v         qbar = S' ybar         Sbar(-1) = P(0) o a(0)
    gbar = P o a o S(t-1) + P o (v k') phi1'(g)

With an erase, S = S~ - (S~ c) d' + v k', the cotangent of S~(t) is that of S(t) met by the transposed
erase, and these are the states of a recurrence with an erase again, backwards in time,

    R(t) = P(t) - (P(t) d) c'          P(t) = ybar(t) q(t)' + R(t+1) o a(t+1)
         = R~ - (R~ d) c' + ybar (q - (q'd) c)',      R~ = R(t+1) o a(t+1)
    cbar = -S~' P d          dbar = -P' S~ c          gbar = R o S~          Sbar(-1) = R(0) o a(0)

each summed over what the arguments share: values, columns, heads of a group; with `Tape` from g
on to log decay, rate, angle and spin.  A rotation has abar in complex numbers, conj(a S) P, whose real
part is the cotangent of g and whose imaginary part is that of the angle.

The values may be numbers of any type.  Read with `Err` this is the bound of a gradient: that of
the recurrence for S and for P, contractions, and what `losses` charges for three things that
kernels do, among them the form

    gbar(t) = sum over s >= t of (q.qbar - k.kbar)(s)

in which chunked kernels with decays by difference (claim "logdiff") sum what cancels.

Packed sequences are differentiated one by one, and resets cut P as they cut S.  States and their
cotangents are kept for all steps; what is formed of them, a block of steps at a time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization.certify.err import Err
from realization.certify.tape import Tape, gradients, joint, primal, unbroadcast
from realization.core.functions import arrange, concatenate, contract, phi1, stack, where
from realization.core.pair import Pair
from realization.layers.recurrence import Run, bound, definition, losses, recurrence, rows
from realization.layers.recurrence.transition import (
    BEHIND_TIME,
    at,
    complex_phi1,
    erased,
    flip,
    packed,
    padded,
    share,
    shifted,
    times,
    transition,
)  # fmt: skip

BLOCK = 2_000_000  # entries of the states of a block
EXPONENTS = ("log_decay", "rate", "angle", "spin")
GRID = ("slack", "ends", "later", "begins")


def run(*, offsets: Any = None, states: bool = False, **arrays: Any) -> Run:
    """Read the recurrence with `Tape` (see `recurrence` for the arguments)."""
    if states:  # the states of all steps are differentiated by the definition itself
        return definition.run(**arrays, offsets=offsets, states=True)
    inner = {name: primal(x) for name, x in arrays.items()}
    claim = claim_of(inner)
    grid = dict.fromkeys(GRID) if claim is None else bound.chunks(bound.lifted(inner, claim), offsets, claim)
    return _run(**arrays, offsets=offsets, **grid)


@packed
def _run(*, hold: bool, reset: Any, states: bool, slack: Any, ends: Any, later: Any, begins: Any, **tapes: Any) -> Run:
    x = {name: primal(tape) for name, tape in tapes.items()}
    claim = claim_of(x)
    x = x if claim is None else bound.lifted(x, claim)
    forward = read(x, hold=hold, reset=reset, slack=slack, ends=ends)

    def pull(bars: dict[int, Any]) -> list[tuple[Tape, Any]]:
        ybar = bars[0] if 0 in bars else np.zeros(forward.y.shape)
        if claim is not None and not isinstance(ybar, Err):
            ybar = Err(ybar, claim=claim)
        found = pulled(x, forward.states, ybar, bars.get(1), hold=hold, reset=reset, later=later, begins=begins)
        return [(tape, found[name]) for name, tape in tapes.items() if isinstance(tape, Tape)]

    y, final = joint([forward.y, forward.final], pull)
    return Run(y, final)


def claim_of(arrays: dict[str, Any]) -> Any:
    """The claim of the first `Err`; None for other numbers."""
    return next((x.claim for x in arrays.values() if isinstance(x, Err)), None)


def read(x: dict[str, Any], *, hold: bool, reset: Any, slack: Any, ends: Any) -> Run:
    """The recurrence with all its states, in the number type of the arguments."""
    claim = claim_of(x)
    if claim is None:
        x = dict(x)
        c, d = x.pop("erase_key"), x.pop("erase_value")
        return recurrence(**x, erase=None if c is None else (c, d), hold=hold, reset=reset, states=True)
    return bound.sequence(
        **bound.lifted(x, claim), hold=hold, reset=reset, states=True, slack=slack, ends=ends, claim=claim
    )


def pulled(
    x: dict[str, Any], S: Any, ybar: Any, finalbar: Any, *, hold: bool, reset: Any, later: Any, begins: Any
) -> dict[str, Any]:
    """The cotangent of every argument."""
    claim, T = claim_of(x), ybar.shape[-3]
    back = backwards(x, ybar, finalbar)
    slack, ends = (None, None) if begins is None else (padded(later, 3), padded(begins.any(0), 0))
    run = read(back, hold=False, reset=shifted(reset, 0), slack=slack, ends=ends)
    P = flip(at(run.states, slice(0, T), 3), 3)
    arriving = None if x["erase_key"] is None else _arriving(P, finalbar, x, reset)
    per_step = max(math.prod(S.shape) // max(T, 1), 1)
    length = max(1, BLOCK // per_step)
    given = x | {"ybar": ybar, "reset": reset}
    blocks = []
    for start in range(0, T, length):
        steps = slice(start, min(start + length, T))
        part = {name: at(a, steps, BEHIND_TIME.get(name, 2)) if name not in WHOLE else a for name, a in given.items()}
        old = before(S, x["initial"], steps)
        if arriving is None:
            blocks.append(_tokens(part, at(S, steps, 3), old, at(P, steps, 3), hold))
        else:
            blocks.append(_replaced(part, at(S, steps, 3), old, at(P, steps, 3), at(arriving, steps, 3)))
    if not blocks:
        return {name: np.zeros(a.shape) for name, a in x.items() if a is not None} | {"initial": run.final}
    bars = {name: concatenate([b[name] for b in blocks], -1 - BEHIND_TIME.get(name, 3)) for name in blocks[0]}
    if not hold and arriving is None:
        bars["value"] = flip(at(run.y, slice(0, T), 2), 2)
    if claim is not None:
        bars = losses.charged(bars, x, back, hold=hold, reset=reset, begins=begins, claim=claim)
    return bars | {"initial": run.final} | _exponents(x, bars, hold)


WHOLE = frozenset({"rate", "spin", "initial"})


def backwards(x: dict[str, Any], ybar: Any, finalbar: Any) -> dict[str, Any]:
    """The arguments of the recurrence that P is; a last step without a write takes it to S(-1)."""
    g, rate, angle = shifted(x["log_decay"], 3), x["rate"], shifted(x["angle"], 3)
    c, d, q = x["erase_key"], x["erase_value"], x["query"]
    if c is not None:
        q = erased(share(q, x["value"].shape[-2])[..., None, :], d, c)[..., 0, :]
    if rate is not None and claim_of(x) is not None:
        g, rate = g * rate, None  # in the bound, log decay and rate apart mean a step that value and decay share
    return {
        "value": padded(ybar, 2),
        "key": padded(q, 2),
        "query": padded(x["key"], 2),
        "log_decay": g,
        "rate": rate,
        "angle": None if angle is None else -angle,
        "spin": x["spin"],
        "erase_key": padded(d, 2),
        "erase_value": padded(c, 2),
        "initial": finalbar,
    }


def _tokens(x: dict[str, Any], S: Any, old: Any, P: Any, hold: bool) -> dict[str, Any]:
    """Cotangents of key, query, value and exponents for some steps; old is S(t-1)."""
    v, ybar, H = x["value"], x["ybar"], x["value"].shape[-2]
    k, G = share(x["key"], H), x["key"].shape[-2]
    a, w = transition(x["log_decay"], x["rate"], x["angle"], x["spin"], hold)
    plain = v[..., :, None] * k[..., None, :]
    Pw = times(P, conjugate(w))  # the cotangent of v k'
    bars = {"key": _by_group(Pw, v, G), "query": _by_group(S, ybar, G)}
    if w is not None:
        bars["value"] = contract(Pw, k[..., None, :], -1)
        bars |= _aligned("weight", plain, P, isinstance(w, Pair), (w.shape, w.shape))
    if a is not None:
        if x["reset"] is not None:
            old = where(x["reset"][..., None, None, None], 0, old)
        moved = losses.by_difference(times(old, a), S, times(plain, w))
        bars |= _aligned("exponent", moved, P, isinstance(a, Pair), exponent_shapes(x))
    return bars


def _arriving(R: Any, finalbar: Any, x: dict[str, Any], reset: Any) -> Any:
    """R(t+1) o a(t+1), of all steps; at the last one the cotangent of the last state."""
    end = np.zeros(at(R, 0, 3).shape) if finalbar is None else finalbar
    end = arrange(lambda parts: np.expand_dims(parts[0], -4), (end,))
    if x["log_decay"] is None:
        moved = at(R, slice(1, None), 3)
    else:
        a, _ = transition(at(x["log_decay"], slice(1, None), 3), x["rate"], None, None, False)
        moved = rows.decayed(at(R, slice(1, None), 3), a)
    if reset is not None:
        moved = where(at(reset, slice(1, None), 0)[..., None, None, None], 0, moved)
    return concatenate([moved, end], -4)


def _replaced(x: dict[str, Any], S: Any, old: Any, R: Any, arriving: Any) -> dict[str, Any]:
    """Cotangents of some steps with an erase; R is the cotangent of S~."""
    v, ybar, H = x["value"], x["ybar"], x["value"].shape[-2]
    k, q, c, d = (share(x[name], H) for name in ("key", "query", "erase_key", "erase_value"))
    a, _ = transition(x["log_decay"], x["rate"], None, None, False)
    if x["reset"] is not None:
        old = where(x["reset"][..., None, None, None], 0, old)
    held = old if a is None else rows.decayed(old, a)
    P = rows.written(arriving, ybar, q)
    lost, kept = rows.read(held, c), rows.read(P, d)
    bars = {
        "value": rows.read(P, k),
        "key": _by_group(P, v, x["key"].shape[-2]),
        "query": _by_group(S, ybar, x["query"].shape[-2]),
        "erase_key": -_by_group(held, kept, x["erase_key"].shape[-2]),
        "erase_value": -_by_group(P, lost, x["erase_value"].shape[-2]),
    }
    if a is not None:
        moved = losses.by_difference(held, S, v[..., :, None] * k[..., None, :])
        bars |= _aligned("exponent", moved, R, False, (a.shape, a.shape))
    return bars


def _by_group(S: Any, x: Any, G: int) -> Any:
    """sum over the heads of a group, and over their values, of S' x: (*b, T, G, K)."""
    *lead, H, V, K = S.shape
    states = arrange(lambda parts: parts[0].reshape(*lead, G, H // G, V, K), (S,))
    values = arrange(lambda parts: parts[0].reshape(*lead, G, H // G, V, 1), (x,))
    return contract(states, values, (-3, -2))


def _aligned(name: str, x: Any, P: Any, rotating: bool, shapes: tuple[Any, ...]) -> dict[str, Any]:
    """Sum conj(x) P to the shapes given: of its real part, and where it turns, of its imaginary part."""
    if not rotating:
        return {name: unbroadcast(P, shapes[0], x)}
    n = P.shape[-1] // 2
    columns = stack([x[..., :n], x[..., n:]], -1)
    turned = {name: stack([P[..., :n], P[..., n:]], -1), f"{name} turn": stack([P[..., n:], -P[..., :n]], -1)}
    return {part: _summed(p, columns, shape) for (part, p), shape in zip(turned.items(), shapes, strict=True)}


def _summed(P: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """Sum P x over the last axis, and to the shape."""
    return arrange(lambda parts: parts[0].reshape(shape), (unbroadcast(P, (*shape, 1), x),))


def exponent_shapes(x: dict[str, Any]) -> tuple[Any, ...]:
    """Shapes of g and of the angle; where there is only one of them, both are its."""
    pairs = [(x[first], x[second]) for first, second in (("log_decay", "rate"), ("angle", "spin"))]
    shapes = [np.broadcast_shapes(*(y.shape for y in pair if y is not None)) for pair in pairs if pair[0] is not None]
    return shapes[0], shapes[-1]


def _exponents(x: dict[str, Any], bars: dict[str, Any], hold: bool) -> dict[str, Any]:
    """On from g and the angle to log decay, rate, angle and spin."""
    leaves = {name: Tape(x[name]) for name in EXPONENTS if x[name] is not None}
    if not leaves:
        return {}
    g, turn = (_product(leaves, *names) for names in (("log_decay", "rate"), ("angle", "spin")))
    seeds = [(y, bars[name]) for y, name in ((g, "exponent"), (turn, "exponent turn")) if y is not None]
    if hold and turn is None:
        seeds.append((phi1(g), bars["weight"]))
    elif hold and turn is not None:
        w = complex_phi1(turn * 0.0 if g is None else g, turn)
        seeds += [(w.real, bars["weight"]), (w.imag, bars["weight turn"])]
    return dict(zip(leaves, gradients(seeds, list(leaves.values())), strict=True))


def _product(leaves: dict[str, Tape], first: str, second: str) -> Tape | None:
    return leaves[first] * leaves[second] if second in leaves and first in leaves else leaves.get(first)


def before(S: Any, initial: Any, steps: slice) -> Any:
    """S(t-1) for the steps."""
    if steps.start:
        return at(S, slice(steps.start - 1, steps.stop - 1), 3)
    first = np.zeros(at(S, 0, 3).shape) if initial is None else initial
    first = arrange(lambda parts: np.expand_dims(parts[0], -4), (first,))
    return concatenate([first, at(S, slice(0, steps.stop - 1), 3)], -4)


def conjugate(a: Any) -> Any:
    """Conjugate of a Pair; real numbers and None as they are."""
    return Pair(a.real, -a.imag) if isinstance(a, Pair) else a
