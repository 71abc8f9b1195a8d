"""What the cases of the ops with a memory combine: patterns of statistics, and every legal way to fill it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from realization.core.rounding import Format
from realization.layers import attention_cases, regimes
from realization.layers.attention_cases import regime
from realization.layers.bmojo.sources import beside
from realization.layers.packing import starts
from realization.layers.readout.places import band
from realization.layers.regimes import Regime
from realization.memory.selection import Selection, select
from realization.memory.selection.choice import ENTRIES, LEGAL

PERIOD = 5
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _along(values: Callable[[np.ndarray], np.ndarray]) -> Draw:
    return lambda rng, shape: np.broadcast_to(values(np.arange(shape[-1])), shape).copy()


# The same numbers in every row and at every width: multiples of 1/8 that all formats hold.
PATTERNS: Mapping[str, Draw] = {
    "generic": lambda rng, shape: rng.exponential(size=shape),
    "ties": lambda rng, shape: rng.integers(-1, 3, shape).astype(float),
    "equal": _along(lambda t: 0.0 * t + 2.0),
    "periodic": _along(lambda t: (3.0 * t) % PERIOD),
    "rising": _along(lambda t: t / 8.0),
    "falling": _along(lambda t: (len(t) - t) / 8.0),
}
REGIMES = (
    regime("generic", "statistics that all differ"),
    regime("ties", "four values: of equals the older stays in, and goes first", exact=True),
    regime("close", "what differs in its last three bits", exact=True),
    regime("equal", "all alike: nothing but order decides", exact=True),
    regime("periodic", "tokens that come back", exact=True),
    regime("rising", "every token enters a full memory", exact=True),
    regime("falling", "the memory keeps the first tokens", exact=True),
)


def surprises(name: str, rng: np.random.Generator, shape: tuple[int, ...], form: Format) -> np.ndarray:
    """Statistics (b, S) in a pattern; those of the extreme regimes are as large, or as small, as numbers get."""
    if name == "close":
        return 1.0 + 2 * form.u * rng.integers(0, 8, shape)
    extreme = {"tiny": 2.0 ** min(form.emin + 16, 0), "huge": 2.0 ** max(form.emax - 12, 0)}
    return PATTERNS.get(name, PATTERNS["generic"])(rng, shape) * extreme.get(name, 1.0)


def option(size: Any, arrays: str = "", *, required: tuple[str, ...] = ("window", "capacity"), **chosen: Any) -> Any:
    """Sizes, arrays that are present, and what is chosen; what a kernel need not know stands beside the arrays."""
    rest = tuple(name for name in chosen if name not in required)
    return {"size": size, "set": chosen, "with": (*arrays.split(), *rest), "needs": required}


def chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """What is chosen, if a kernel knows all of it; else what it cannot do without."""
    known = {name: x for name, x in options["set"].items() if name in {*options["needs"], *options["with"]}}
    whole = len(known) == len(options["set"])
    return known if whole else {name: known[name] for name in options["needs"]}


def ways() -> list[dict[str, Any]]:
    """Every legal combination of rule, eviction, visibility and entry."""
    # at a statistic, and just below it: there a coarse format holds no threshold
    limit = {"arrival": 1.0, "leaving": 1.0 - 2.0**-12}

    def own(rule: str, entry: str) -> dict[str, float]:
        return {"threshold": limit[entry]} if rule == "threshold" else {"count": 2} if rule == "top-of-chunk" else {}

    return [
        {"rule": rule, "eviction": out, "visibility": seen, "entry": entry, **own(rule, entry)}
        for rule, (_, evictions, visibilities, _) in LEGAL.items()
        for out, seen, entry in itertools.product(evictions, visibilities, ENTRIES)
    ]


# Capacity, window and chunk go through all ways by turns: none, one, more than there are tokens; on no common grid.
SIZES = ((3, 2, 7), (8, 5, 16), (1, 0, 4), (5, 9, 3), (200, 3, 10), (0, 4, 8), (6, 1, 64))
SELECT_OPTIONS = tuple(
    option({}, "seq_idx" if i % 3 == 2 else "", required=("capacity",), capacity=M, window=w, chunk=c, seed=i, **way)
    for i, (way, (M, w, c)) in enumerate(zip(ways(), itertools.cycle(SIZES), strict=False))
)


def select_cases(regime: Regime, options: Any, *, T: int, chunk: int, rng: Any, form: Format, batch: int = 2) -> Any:
    """Draw the arguments of one case of `select`."""
    out = chosen(options) | {"surprise": surprises(regime.name, rng, (batch, T), form)}
    if "seq_idx" in options["with"]:
        out["seq_idx"] = regimes.sequence_index(batch, T, chunk, rng)
    return out


# What the cases of `bmojo` combine: sizes (h, g, k, v), key sets, and how the memory is filled.
TURNED, NORMS = "cos sin", "query_norm key_norm fading_query_norm fading_key_norm"
STREAM, UNTIED = "fading_key fading_value", "fading_key fading_value fading_query"
BMOJO_OPTIONS = (
    option((4, 2, 16, 16), STREAM, window=16, capacity=8, chunk=16),
    option((4, 2, 16, 8), f"{UNTIED} past", window=6, capacity=4, rule="threshold", threshold=1.0, eviction="fifo",
           visibility="at-once"),
    option((4, 4, 8, 8), f"{STREAM} {TURNED} query_norm key_norm seq_idx", window=5, capacity=3, rule="top-of-chunk",
           count=2, eviction="reservoir", chunk=7, entry="leaving", seed=3),
    option((6, 2, 8, 8), f"{UNTIED} {TURNED} {NORMS}", window=3, capacity=6, rule="threshold", threshold=0.5, chunk=5,
           entry="leaving", slot_positions=False),
    option((2, 1, 8, 8), f"{TURNED} past", window=2, capacity=5, visibility="at-once", interleaved=True, scale=0.3),
    option((2, 1, 8, 3), STREAM, window=0, capacity=0, fading_lag=0, fading_width=1),
    option((2, 1, 8, 4), "seq_idx", window=0, capacity=6, rule="threshold", threshold=1.0, visibility="at-once"),
    option((2, 2, 8, 8), STREAM, window=4, capacity=150, rule="threshold", threshold=-1.0, eviction="fifo", chunk=4,
           fading_lag=2, fading_width=5),
    option((2, 1, 8, 8), f"{STREAM} {TURNED} past", window=3, capacity=4, rule="top-of-chunk", count=3, chunk=6,
           eviction="fifo", fading_lag=9, fading_width=3, slot_positions=False),
)  # fmt: skip
# How the statistics go in a regime of the scores.
ALONG = {"flat": "equal", "sharp": "ties", "rising": "rising", "falling": "falling", "common-mean": "close",
         "exact": "ties", "repeating": "periodic"}  # fmt: skip
BMOJO_REGIMES = (*attention_cases.REGIMES, regime("repeating", "tokens that come back: equal keys, equal statistics"))


def bmojo_cases(regime: Regime, options: Any, *, T: int, chunk: int, rng: Any, form: Format, batch: int = 2) -> Any:
    """Draw the arguments of one case of `bmojo`."""
    (h, g, k, v), have, out = options["size"], frozenset(options["with"]), chosen(options)
    draw, S = attention_cases.Draw(regime, rng, form), T + (chunk // 2 + 3 if "past" in have else 0)
    fading, shape = {"fading_key", "fading_value"} <= have, (batch, S, g)
    out["surprise"] = surprises(ALONG.get(regime.name, "generic"), rng, (batch, S), form)
    if "seq_idx" in have:
        out["seq_idx"] = regimes.sequence_index(batch, S, chunk, rng)
    if {"cos", "sin"} <= have:
        out["cos"], out["sin"] = draw.turns(S, 3 * k // 8)
    if not regime.exact:
        out |= {name: draw.norm(k) for name in sorted(have) if name.endswith("norm")}
    names = ("key", "fading_key")[: 1 + fading]
    if regime.exact:
        streams = [(shape, places) for places in _places(out, T, S)[: len(names)]]
        queries, keys = attention_cases.meet(rng, h, k, streams, tied="fading_query" not in have)
    else:
        queries, keys = [draw.queries((batch, T, h, k)) for _ in names], [draw.keys((*shape, k)) for _ in names]
    out |= {"query": queries[0]} | dict(zip(names, keys, strict=True))
    out |= {name: draw.values((*shape, v)) for name in ("value", "fading_value")[: len(names)]}
    if fading and "fading_query" in have:
        out["fading_query"] = queries[1]
    return _repeating(out) if regime.name == "repeating" else out


def _places(given: Mapping[str, Any], T: int, S: int) -> list[np.ndarray]:
    """Raw and selected keys, and fading ones, that each query of the case sees."""
    window, seq_idx = given["window"], given.get("seq_idx")
    names = ("capacity", "rule", "threshold", "count", "eviction", "visibility", "chunk", "entry", "seed", "window")
    selection = Selection(**{name: given[name] for name in names if name in given})
    kept = select(given["surprise"], selection, seq_idx=seq_idx).places[:, S - T :]
    first = None if seq_idx is None else starts(seq_idx)
    lag, width = (given.get(f"fading_{name}", window) for name in ("lag", "width"))
    old = band(T, S, width, shift=lag, first=first)
    return [beside(band(T, S, window, first=first), kept), old if old.ndim == 3 else old[None]]


def _repeating(given: Mapping[str, Any]) -> dict[str, Any]:
    """The tokens come back after a period, each with its keys and values."""
    moving = {name for name in given if name.removeprefix("fading_") in ("key", "value")}
    return {name: x[:, np.arange(x.shape[1]) % PERIOD] if name in moving else x for name, x in given.items()}
