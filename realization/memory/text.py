"""How the memory of a checkpoint is told: a table, or JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.memory.checkpoint import LayerMemory
from realization.memory.durations import steps_until, whole_steps_until

COLUMNS: dict[str, Callable[[float, Any], np.ndarray]] = {
    "time constant": lambda precision, exponent: steps_until(math.exp(-1), exponent),
    "half-life": lambda precision, exponent: steps_until(0.5, exponent),
    "window": whole_steps_until,
}


def text(layers: Sequence[LayerMemory], *, precision: float, layer: int | None = None) -> str:
    """Return the table of a checkpoint, or of every head of one layer.

    Parameters
    ----------
    layers : sequence of LayerMemory
        As `checkpoint_memory` returns them.
    precision : float
        What the window is measured at.
    layer : int, optional
        This layer only, head by head.

    Returns
    -------
    str
        Lines without a final newline.

    Raises
    ------
    ShapeError
        If there is no such layer.
    """
    legend = [
        "Steps at the step size of the bias, softplus(bias): the data, which choose it, are not seen.",
        f"time constant: until 1/e of a write is left; half-life: until 1/2 is; window: until {precision:.3g} is.",
        "eidetic: inputs, the current one included, that the convolution holds exactly.",
    ]
    if layer is None:
        legend.append("Three numbers: least, median and most over heads or channels, each by its slowest state.")
    rows = _overview(layers, precision) if layer is None else _heads(_chosen(layers, layer), precision)
    integrators = sum(one.integrators for one in layers)
    closing = (
        "Decay: every step is a contraction, since its size is positive; no bound below 1 holds for all data unless "
        "the step is bounded from below."
    )
    if integrators:
        closing = f"Integrators: {integrators} states do not decay at this step size.\n{closing}"
    return "\n".join([*legend, "", *_aligned(rows), "", closing])


def _chosen(layers: Sequence[LayerMemory], layer: int) -> LayerMemory:
    if layer >= len(layers):
        raise ShapeError(f"layer {layer} given, but there are {len(layers)} Mamba layers, counted from 0")
    return layers[layer]


def _overview(layers: Sequence[LayerMemory], precision: float) -> list[list[str]]:
    """One line a layer: least, median and most of its heads, each by its slowest state."""
    rows = [["layer", "name", "kind", "eidetic", "heads", *COLUMNS]]
    for i, one in enumerate(layers):
        cells = [_spread(column(precision, one.slowest)) for column in COLUMNS.values()]
        held = "-" if one.eidetic is None else str(one.eidetic)
        rows.append([str(i), one.name, one.kind, held, str(len(one.step)), *cells])
    return rows


def _heads(one: LayerMemory, precision: float) -> list[list[str]]:
    """One line a head, or a channel of Mamba-1: from its fastest state to its slowest."""
    rows = [["head" if one.exponent.shape[-1] == 1 else "channel", "step", *COLUMNS]]
    for i, step in enumerate(one.step):
        ends = [one.fastest[i], one.slowest[i]] if one.exponent.shape[-1] > 1 else [one.slowest[i]]
        cells = [" - ".join(number(x) for x in column(precision, np.array(ends))) for column in COLUMNS.values()]
        rows.append([str(i), f"{step:.3g}", *cells])
    return rows


def _spread(x: np.ndarray) -> str:
    ends = np.sort(x)[[0, (len(x) - 1) // 2, -1]] if x.size else x
    return "  ".join(number(v) for v in ends) or "-"


def number(x: float) -> str:
    """Three digits, all of a whole part: 3.14, 271, 12345, inf."""
    return f"{x:.3g}" if x < 100 or not x < 1e7 else f"{x:.0f}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def as_json(layers: Sequence[LayerMemory], *, precision: float) -> dict[str, Any]:
    """Return the same as a tree of lists and numbers; None stands for infinity.

    Parameters
    ----------
    layers : sequence of LayerMemory
        As `checkpoint_memory` returns them.
    precision : float
        What the window is measured at.

    Returns
    -------
    dict
        Under "layers" one entry each; lists have one number for each head or channel, by its
        slowest state, and "fastest" repeats them by its fastest.
    """
    return {
        "schema": "realization-memory/1",
        "step": "softplus(bias)",
        "precision": precision,
        "layers": [
            {"name": one.name, "kind": one.kind, "eidetic": one.eidetic, "integrators": one.integrators}
            | {"step": one.step.tolist()}
            | _columns(precision, one.slowest)
            | {"fastest": _columns(precision, one.fastest)}
            for one in layers
        ],
    }


def _columns(precision: float, exponent: np.ndarray) -> dict[str, list[float | None]]:
    columns = {name: column(precision, exponent) for name, column in COLUMNS.items()}
    return {
        name.replace(" ", "_").replace("-", "_"): [_plain(x, int if name == "window" else float) for x in values]
        for name, values in columns.items()
    }


def _plain(x: float, kind: type[int] | type[float]) -> float | None:
    """A number that JSON has."""
    return kind(x) if math.isfinite(x) else None
