"""How much a memory recalls, against its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.plotting.frame import COLOURS, finish, legend_above, named, new_axes, vector


def recall_curves(
    curves: Mapping[str, tuple[Any, Any]],
    levels: Mapping[str, float] | None = None,
    *,
    questions: int | None = None,
    needed: float | None = None,
    ax: Any = None,
) -> Any:
    """Draw accuracies against the number of places, and those of memories that have none as lines.

    Parameters
    ----------
    curves : mapping of str to (capacities, accuracies)
        Each a pair of (k,).
    levels : mapping of str to float, optional
        Dashed, named at the right end.
    questions : int, optional
        How many gave each accuracy; draws bands of two standard deviations sqrt(p (1 - p) / n).
    needed : float, optional
        A capacity that is marked.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        From 0 to 1.

    Raises
    ------
    ShapeError
        If capacities and accuracies differ in number, or an accuracy is not between 0 and 1.

    Examples
    --------
    >>> ax = recall_curves({"innovation": ([0, 8, 16], [0.1, 0.5, 1.0])}, {"full attention": 1.0})
    >>> ax.lines[0].get_ydata().tolist(), ax.texts[0].get_text()
    ([0.1, 0.5, 1.0], 'full attention')
    """
    read = {name: tuple(vector(name, x).real for x in pair) for name, pair in named("curves", curves).items()}
    for name, (capacity, p) in read.items():
        if len(capacity) != len(p) or not ((p >= 0) & (p <= 1)).all():
            raise ShapeError(f"{name} has {len(capacity)} capacities and {len(p)} accuracies; as many in [0, 1] needed")
    ax = new_axes(ax)
    for k, (name, (capacity, p)) in enumerate(read.items()):
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(capacity, p, color=colour, marker="osD^vP*"[k % 7], markersize=4, linewidth=1.4, label=name)
        if questions:
            wide = 2 * np.sqrt(p * (1 - p) / questions)
            ax.fill_between(capacity, np.maximum(p - wide, 0), np.minimum(p + wide, 1), color=colour, alpha=0.15, lw=0)
    for name, level in (levels or {}).items():
        ax.axhline(level, color="0.5", linewidth=1, linestyle="--", zorder=1)
        place = {"textcoords": "offset points", "color": "0.35", "fontsize": "small", "va": "center"}
        ax.annotate(name, (1, level), (4, 0), xycoords=("axes fraction", "data"), annotation_clip=False, **place)
    if needed is not None:
        ax.axvline(needed, color="0.7", linewidth=1, linestyle=":", zorder=1)
    ax.set_ylim(-0.03, 1.04)
    finish(ax, xlabel="places, $M$", ylabel="accuracy")
    if read:
        legend_above(ax)
    return ax
