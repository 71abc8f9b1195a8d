"""Gradients of B'MOJO's attention: those of the streams, and of a gathered memory back to where its keys lie.

    dk(j) = sum over the queries that see j, in their window or in their memory

The statistics choose and get no gradient.
"""

from __future__ import annotations

import numpy as np

from .attention import Positions, of_queries
from .backward_attention import (
    _RAW,
    Gradients,
    _cotangents,
    _short,
    into_arguments,
    read_out_gradients,
)
from .eidetic import pieces, selected_positions, three_streams
from .gradients import directions, over_members
from .plan import Plan


def stream_sums(forward: Plan, plan: Plan, keys: dict, dy, dlse) -> dict[str, list[np.ndarray]]:
    """By stream [dq, dk, dv], heads first: query gradients side by side, key gradients added up where they belong."""
    sums = {name: [np.zeros_like(x) for x in (k.query, k.key, k.value)] for name, k in keys.items()}
    found_pieces = list(pieces(forward, keys))
    for n, piece in enumerate(found_pieces):
        rows = slice(piece.low, piece.high)
        cotangents = dy[:, :, rows], dlse[:, :, rows]
        found, _ = read_out_gradients(forward, plan, list(piece.streams.values()), None, *cotangents)
        for name, (dq, dk, dv, _) in zip(piece.streams, found, strict=True):
            query, *rest = sums[name]
            query[:, :, rows] = dq
            if name != "memory" or piece.gathered is None:
                for total, part in zip(rest, (dk, dv), strict=True):
                    total += part
                continue
            last = n == len(found_pieces) - 1
            for total, part in zip(rest, (dk, dv), strict=True):
                scatter(plan, total, part, piece.gathered, last)
    return sums


def scatter(plan: Plan, total: np.ndarray, part: np.ndarray, gathered: np.ndarray, last: bool) -> None:
    """Add the gradients of a buffer to those of its keys."""
    if plan.fault == "gradients of the last buffer only" and not last:
        return
    for b, index in enumerate(gathered):
        there = index >= 0
        match plan.fault:
            case "gradient scattered to the slot":
                np.add.at(total[b], (slice(None), np.arange(len(index))[there]), part[b][:, there])
            case "gradient scattered without adding":
                total[b][:, index[there]] = part[b][:, there]
            case "gradient scattered to the next key":
                np.add.at(total[b], (slice(None), np.minimum(index[there] + 1, total.shape[2] - 1)), part[b][:, there])
            case "gradient added twice":
                np.add.at(total[b], (slice(None), index[there]), 2 * part[b][:, there])
            case "gradient of the newest slot lost":
                np.add.at(total[b], (slice(None), index[there][1:]), part[b][:, there][:, 1:])
            case _:
                np.add.at(total[b], (slice(None), index[there]), part[b][:, there])


def bmojo(plan, *, cotangent_y=None, cotangent_lse=None, **arguments):
    forward, plan = directions(plan)
    keys, _ = three_streams(forward, **arguments)
    out = into_streams(forward, plan, keys, arguments, cotangent_y, cotangent_lse)
    out["surprise"] = np.zeros(np.shape(arguments["surprise"]), np.float32)
    return _short(plan, out)


def into_streams(forward: Plan, plan: Plan, keys: dict, arguments: dict, cotangent_y, cotangent_lse) -> Gradients:
    """Gradients of queries, keys and values, of norms and of tables."""
    dy, dlse = _cotangents(plan, arguments, keys["window"].value, cotangent_y, cotangent_lse)
    sums = stream_sums(forward, plan, keys, dy, dlse)
    fading = {name: f"fading_{name}" if arguments.get(f"fading_{name}") is not None else name for name in _RAW}
    tables = Positions.of(plan, arguments.get("cos"), arguments.get("sin"), arguments.get("interleaved", False))
    own = tables if arguments.get("slot_positions", True) else None
    positions = {"window": (tables, tables), "fading": (tables, tables), "memory": (own, selected_positions(plan, own))}
    out = Gradients()
    for name, parts in sums.items():
        if plan.memory == "mask" and name == "memory" and keys["memory"].key is keys["window"].key:
            continue  # its part is in the window's
        _add(plan, out, parts, fading if name == "fading" else _RAW, arguments, positions[name], name)
    return out


def _add(plan: Plan, out: Gradients, parts, names: dict, arguments: dict, positions, stream: str) -> None:
    """Gradients of one stream, reduced over groups, into its query, key and value."""
    dq, dk, dv = (np.swapaxes(x, 1, 2) for x in parts)
    T, S, groups = dq.shape[1], dk.shape[1], arguments[names["key"]].shape[2]
    if plan.fault == f"query gradient of the {stream} lost":
        dq = np.zeros_like(dq)
    if plan.fault == f"key gradient of the {stream} lost":
        dk = np.zeros_like(dk)
    if plan.fault == f"value gradient of the {stream} lost":
        dv = np.zeros_like(dv)
    if plan.fault == f"gradients of the {stream} twice":
        dk, dv = 2 * dk, 2 * dv
    of_query, of_key = positions
    turned = of_queries(plan, of_query, T, S)
    into_arguments(plan, out, dq, names["query"], names["query_norm"], arguments, turned, slice(S - T, S))
    dk = over_members(plan, dk, groups, "dk")
    into_arguments(plan, out, dk, names["key"], names["key_norm"], arguments, of_key, slice(0, S))
    out.add(names["value"], over_members(plan, dv, groups, "dv"))
