"""How recurrences go wrong: the faults that kernels of this core have had, each as a run of its own.

A fault is made of right runs, put together wrongly.  The recurrence is linear in (value,
initial state) and splits into what its own tokens write and what is left of the state,

    y = own.y + history.y,      S(T) = own.S(T) + history.S(T)

so that a lost, stale or wrongly decayed state is another history beside the right own part.
`CONVENTIONS` are exact in every number type and so serve as references; `FAULTS` holds them too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import concatenate, exp, log1p, minimum, reciprocal, stack
from realization.core.ops import Swap
from realization.layers.cores import Fault
from realization.layers.recurrence import Run
from realization.layers.recurrence.chunk_faults import CHUNK_FAULTS
from realization.layers.recurrence.chunked import chunked
from realization.layers.recurrence.parts import Core, before, decaying, each, erase_pair, history, moved, own, plus
from realization.layers.recurrence.transition import BEHIND_TIME, at, erased, packed, share, slices, zeros

# Chunks of the right run: short ones cost the least memory, and the result does not depend on them.
route: Core = partial(chunked, chunk=16, decay="product")


# Faults of the whole run ----------------------------------------------------


@packed
def _exclusive(*, core: Core, states: bool = False, **a: Any) -> Run:
    return Run(before(core, a), core(**a).final) if a["value"].shape[-3] else core(**a)


@packed
def _strict(*, core: Core, states: bool = False, **a: Any) -> Run:
    """y(t) = [a(t) S(t-1)] q(t): the decay has met the state, the token has not."""
    alone = np.ones(a["value"].shape[:-2], bool)
    run = core(**a)
    return Run(run.y - own(core, {**a, "reset": alone}).y, run.final)


@packed
def _other_decay(*, core: Core, by: int, states: bool = False, **a: Any) -> Run:
    """The decay of another token; the weight of a held write stays its own."""
    if not a["value"].shape[-3]:
        return core(**a)
    if a.get("hold"):
        raise ShapeError("a held write hangs on the decay of its own token: the fault is not defined")
    return core(**decaying(a, lambda g: moved(g, by, 3, outside=1.0)))


@packed
def _undecayed_start(*, core: Core, states: bool = False, **a: Any) -> Run:
    if not a["value"].shape[-3]:
        return core(**a)
    kept = decaying(a, lambda g: concatenate([at(g, slice(0, 1), 3) * 0.0, at(g, slice(1, None), 3)], axis=-4))
    return plus(own(core, a), history(core, kept))


@packed
def _without_last_token(*, core: Core, states: bool = False, **a: Any) -> Run:
    T = a["value"].shape[-3]
    if not T:
        return core(**a)
    short = {k: at(x, slice(0, T - 1), BEHIND_TIME[k]) if k in BEHIND_TIME else x for k, x in a.items()}
    return Run(core(**a).y, core(**short).final)


def _boundaries_ignored(core: Core, chunk: int, *, offsets: Any = None, initial: Any = None, **a: Any) -> Run:
    """One sequence instead of many: it ends nowhere but at the last offset."""
    if offsets is None:
        return core(**a, initial=initial)
    last = int(offsets[-1])
    whole = {k: at(x, slice(0, last), BEHIND_TIME[k]) if k in BEHIND_TIME else x for k, x in a.items()}
    start = None if initial is None else initial[0]
    run = core(**{**whole, "states": True}, initial=start)
    after = concatenate([(zeros(a["value"], a["key"]) if start is None else start)[..., None, :, :, :], run.states], -4)
    rest = at(a["value"], slice(last, None), 2) * 0.0
    finals = stack([after[..., int(end), :, :, :] for end in offsets[1:]], axis=0)
    return Run(concatenate([run.y, rest], axis=-3), finals)


def _first_state_for_all(core: Core, chunk: int, **a: Any) -> Run:
    if a.get("offsets") is not None and a.get("initial") is not None:
        a["initial"] = np.stack([a["initial"][0]] * len(a["initial"]))
    return core(**a)


def _empty_keeps_previous(core: Core, chunk: int, **a: Any) -> Run:
    run = core(**a)
    if a.get("offsets") is None:
        return run
    finals: list[Any] = []
    for i, steps in enumerate(slices(a["offsets"])):
        finals.append(finals[-1] if finals and steps.start == steps.stop else run.final[i])
    return Run(run.y, stack(finals, axis=0))


def _rows_leak(core: Core, chunk: int, **a: Any) -> Run:
    """Each row of the batch starts from the state in which the row before ended."""
    rows = a["value"].shape[0]
    if a.get("offsets") is not None or a["value"].ndim != 4 or rows < 2:
        return core(**a)
    start = a.get("initial")
    runs: list[Run] = []
    per_row = [k for k, x in a.items() if k in BEHIND_TIME and x is not None]
    for i in range(rows):
        row = {**a, **{k: each(a[k], itemgetter(slice(i, i + 1))) for k in per_row}}
        row["initial"] = runs[-1].final if runs else None if start is None else start[:1]
        runs.append(core(**row))
    return Run(concatenate([r.y for r in runs], 0), concatenate([r.final for r in runs], 0))


def _groups_interleaved(core: Core, chunk: int, **a: Any) -> Run:
    """Head h reads group h % G."""
    heads = np.arange(a["value"].shape[-2])
    return core(**{**a, **{k: a[k][..., heads % a[k].shape[-2], :] for k in ("key", "query")}})


def _reset_moved(core: Core, chunk: int, *, by: int, **a: Any) -> Run:
    reset = a.get("reset")
    return core(**a) if reset is None else core(**{**a, "reset": moved(reset, by, 0) != 0})


def _reset_at_chunks(core: Core, chunk: int, **a: Any) -> Run:
    reset = a.get("reset")
    return core(**a) if reset is None else core(**{**a, "reset": reset & (np.arange(reset.shape[-1]) % chunk == 0)})


def _columns(core: Core, chunk: int, *, name: str, keep: Callable[[int], int], **a: Any) -> Run:
    x, (K, pair) = a[name], (a["key"].shape[-1], a.get("angle") is not None)
    mask = np.arange(K) % (K // 2 if pair else K) < keep(K // 2 if pair else K)
    return core(**{**a, name: np.where(mask, x, 0.0)})


def _clamped(core: Core, chunk: int, **a: Any) -> Run:
    if a.get("log_decay") is None:
        return core(**a)
    g = a["log_decay"] if a.get("rate") is None else a["log_decay"] * a["rate"]
    return core(**{**a, "log_decay": np.maximum(g, -20.0), "rate": None})


def _final_from(core: Core, chunk: int, *, y: str, final: str, **a: Any) -> Run:
    """Outputs of one run, state of the other: with the initial state, or without."""
    runs = {"with": core(**a), "without": own(core, a)}
    return Run(runs[y].y, runs[final].final)


def _changed(core: Core, chunk: int, *, change: Callable[[dict[str, Any]], dict[str, Any]], **a: Any) -> Run:
    return core(**{**a, **change(a)})


def _whole(run: Callable[..., Run], **fixed: Any) -> Callable[..., Run]:
    """A fault that knows no chunks."""
    return lambda core, chunk, **a: run(core=core, **fixed, **a)


def _with(**fixed: Any) -> Callable[..., Run]:
    """A fault of arguments: some have another value."""
    return partial(_changed, change=lambda a: fixed)


# Faults of an erase ----------------------------------------------------------


def _without_erase(*, core: Core, **a: Any) -> Run:
    """A linear attention: what the key held stays."""
    erase_pair(a)
    return core(**{**a, "erase": None})


def _erase_undecayed(*, core: Core, **a: Any) -> Run:
    """S~ - (S(t-1) c) d': the state is read before it decays."""
    c, d = erase_pair(a)
    if a.get("log_decay") is None or a["log_decay"].shape[-2] != 1:
        raise ShapeError("there is no decay that all values share")
    g = a["log_decay"] if a.get("rate") is None else a["log_decay"] * a["rate"]
    # where a state has decayed by exp(-60), nothing is left to read
    return core(**{**a, "erase": (c * exp(minimum(-g[..., 0, :], 60.0)), d)})


def _erase_last(*, core: Core, **a: Any) -> Run:
    """(S~ + v k')(I - c d'): the token erases what it wrote itself."""
    c, d = erase_pair(a)
    k = share(a["key"], a["value"].shape[-2])
    query = share(a["query"], a["value"].shape[-2])
    return core(**{**a, "key": erased(k[..., None, :], c, d)[..., 0, :], "query": query, "erase": (c, d)})


def _erase_of_previous(*, core: Core, **a: Any) -> Run:
    """S~ - (S~ c(t-1)) d(t-1)': the erase of the token before."""
    return core(**{**a, "erase": moved(erase_pair(a), 1, 1)}) if a["value"].shape[-3] else core(**a)


def _previous_strength(*, core: Core, **a: Any) -> Run:
    """The erase has the strength of the token before; the write keeps its own."""
    return core(**{**a, "erase": moved(_strength(a), 1, 1)}) if a["value"].shape[-3] else core(**a)


def _scaled_erase(*, core: Core, change: Callable[[Any], Any], **a: Any) -> Run:
    return core(**{**a, "erase": change(_strength(a))})


def _strength(a: dict[str, Any]) -> Any:
    if a.get("erase") is None or isinstance(a["erase"], tuple):
        raise ShapeError("there is no erase with a strength")
    return a["erase"]


# The tables -----------------------------------------------------------------

_READ_LATE = "the output reads the state before its own token is written (an exclusive for an inclusive scan)"
_WHOLE = (
    Fault("initial state ignored", "the initial state is not read", _with(initial=None)),
    Fault("initial state missing from the final state", "the initial state enters the outputs, not the final state",
          partial(_final_from, y="with", final="without")),
    Fault("initial state missing from the outputs", "the initial state enters the final state, not the outputs",
          partial(_final_from, y="without", final="with")),
    Fault("initial state not decayed", "the first step does not decay the initial state", _whole(_undecayed_start)),
    Fault("output before its token", _READ_LATE, _whole(_exclusive)),
    Fault("strict mask", "a token does not see itself (a strict for an inclusive mask)", _whole(_strict)),
    Fault("final state before the last token", "the final state is stored before the last token",
          _whole(_without_last_token)),
    Fault("decay of the next token", "every step decays the state by the decay of the next token",
          _whole(_other_decay, by=-1)),
    Fault("decay of the previous token", "every step decays the state by the decay of the previous token",
          _whole(_other_decay, by=1)),
    Fault("no decay", "the state does not decay", partial(_changed, change=lambda a: decaying(a, lambda g: g * 0.0))),
    Fault("log decay clamped at -20", "log decays below -20 are taken for -20", _clamped),
    Fault("write not held", "the write is not weighted for an input held over the step (Euler for zero-order hold)",
          _with(hold=False)),
    Fault("rotation reversed", "the state turns in the other sense (the conjugate pole)",
          partial(_changed, change=lambda a: {} if a.get("angle") is None else {"angle": -a["angle"]})),
    Fault("rotation missing", "the state decays and does not turn (the real part of the pole)",
          partial(_changed, change=lambda a: {} if a.get("angle") is None else {"angle": a["angle"] * 0.0})),
    Fault("groups interleaved", "head h uses group h % G, not h // (H // G)", _groups_interleaved),
    Fault("last state column not read", "the last column of the state is not read",
          partial(_columns, name="query", keep=lambda n: n - 1)),
    Fault("last state column not written", "the last column of the state is not written",
          partial(_columns, name="key", keep=lambda n: n - 1)),
    Fault("columns beyond a multiple of 4", "columns of the state beyond a multiple of 4 are not written",
          partial(_columns, name="key", keep=lambda n: n // 4 * 4)),
    Fault("rows leak", "each row of the batch starts from the state in which the row before ended", _rows_leak),
    Fault("resets ignored", "the state is not reset where the sequence changes", _with(reset=None)),
    Fault("reset one token late", "the state is reset one token late", partial(_reset_moved, by=1)),
    Fault("reset one token early", "the state is reset one token early", partial(_reset_moved, by=-1)),
    Fault("packed boundaries ignored", "the state runs on across the ends of packed sequences", _boundaries_ignored),
    Fault("first initial state for all", "every packed sequence starts from the initial state of the first",
          _first_state_for_all),
    Fault("empty sequence keeps the previous state", "an empty sequence returns the final state of the one before",
          _empty_keeps_previous),
    Fault("no erase", "nothing is erased: the write adds to what its key held", _whole(_without_erase)),
    Fault("erase of the undecayed state", "the erase reads the state before it decays", _whole(_erase_undecayed)),
    Fault("erase after the write", "a token erases what it wrote itself", _whole(_erase_last)),
    Fault("erase of the previous token", "every step erases under the key of the token before",
          _whole(_erase_of_previous)),
    Fault("strength of the previous token", "the erase has the strength of the token before",
          _whole(_previous_strength)),
    Fault("erase without its strength", "the erase takes out all that the key held, whatever its strength",
          _whole(_scaled_erase, change=lambda b: b * 0.0 + 1.0)),
    Fault("erase reversed", "the erase adds what it should take out", _whole(_scaled_erase, change=lambda b: -b)),
    Fault("strength at most 1", "strengths above 1 are taken for 1",
          _whole(_scaled_erase, change=lambda b: minimum(b, 1.0))),
)  # fmt: skip
FAULTS = (
    *_WHOLE,
    *CHUNK_FAULTS,
    Fault("resets inside chunks ignored", "the state is reset only where a chunk of {chunk} steps begins",
          _reset_at_chunks, chunked=True),
)  # fmt: skip


def _linear_gate(*, core: Core, **a: Any) -> Run:
    """The decay 1 + g, to first order exp(g)."""
    if a.get("log_decay") is None or a.get("angle") is not None or a.get("hold"):
        raise ShapeError("there is no real decay that could be linear")
    g = a["log_decay"] if a.get("rate") is None else a["log_decay"] * a["rate"]
    return core(**{**a, "log_decay": log1p(g), "rate": None})


def _unscaled_write(*, core: Core, **a: Any) -> Run:
    """With a rate, log decay and value share the step size as a factor: without it in the value."""
    if a.get("log_decay") is None or a.get("rate") is None:
        raise ShapeError("there is no step size that the write could lack")
    return core(**{**a, "value": a["value"] * reciprocal(a["log_decay"][..., 0])})


# Conventions rather than slips: as references they are read with every number type.
CONVENTIONS = (
    Swap("exclusive read", "y(t) reading the state before token t", core=lambda core, **a: _exclusive(core=core, **a)),
    Swap("read between decay and write", "y(t) reading the state after its decay and before its write",
         core=lambda core, **a: _strict(core=core, **a)),
    Swap("decay of the next token", "every step decaying by the next token's decay",
         core=lambda core, **a: _other_decay(core=core, by=-1, **a)),
    Swap("decay of the previous token", "every step decaying by the previous token's decay",
         core=lambda core, **a: _other_decay(core=core, by=1, **a)),
    Swap("linear gate", "the decay 1 + g in the place of exp(g)", core=lambda core, **a: _linear_gate(core=core, **a)),
    Swap("write without its step", "the write not scaled by the step size",
         core=lambda core, **a: _unscaled_write(core=core, **a)),
)  # fmt: skip
# And those of an erase.
ERASING = (
    Swap("no erase", "nothing erased: the write added to what its key held",
         core=lambda core, **a: _without_erase(core=core, **a)),
    Swap("erase of the undecayed state", "the erase reading the state before it decays",
         core=lambda core, **a: _erase_undecayed(core=core, **a)),
    Swap("erase after the write", "a token erasing what it wrote itself",
         core=lambda core, **a: _erase_last(core=core, **a)),
)  # fmt: skip
