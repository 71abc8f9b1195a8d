"""A text, how surprising each of its letters was, and which of them are kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.plotting.frame import COLOURS, new_axes, vector


def surprising_text(text: Any, surprise: Any, kept: Any = None, *, columns: int = 64, ax: Any = None) -> Any:
    """Write a text in lines of equal length, dark where it surprises, with frames around the letters that are kept.

    Parameters
    ----------
    text : array_like of uint8, or bytes
        (T,).
    surprise : array_like
        (T,).
    kept : array_like of bool, optional
        (T,).  Default: none.
    columns : int
        Letters in a line, at least 1.
    ax : Axes, optional
        Where to write.

    Returns
    -------
    Axes
        What has no letter, such as the end of a line, is a dot.

    Raises
    ------
    ShapeError
        If lengths differ, or a number is not finite.

    Examples
    --------
    >>> ax = surprising_text(b"aaab", [0.1, 0.1, 0.1, 2.0], [False, False, False, True], columns=2)
    >>> [letter.get_text() for letter in ax.texts], len(ax.patches)
    (['a', 'a', 'a', 'b'], 1)
    """
    letters, s = np.frombuffer(bytes(bytearray(text)), np.uint8), vector("surprise", surprise).real
    kept = np.zeros(len(s), bool) if kept is None else np.asarray(kept, bool)
    if not len(letters) == len(s) == len(kept) or columns < 1:
        raise ShapeError(
            f"text, surprise and kept have {len(letters)}, {len(s)} and {len(kept)} entries, in lines of {columns}; "
            "equal numbers, and lines of 1 or more, are needed"
        )
    lines = -(-len(s) // columns)
    ax = new_axes(ax, (0.125 * columns, max(0.25 * lines, 0.5)))
    ax.set_axis_off()
    if not lines:
        return ax
    grid = np.full(lines * columns, np.nan)
    grid[: len(s)] = s
    ax.imshow(grid.reshape(lines, columns), cmap="Blues", vmin=0, vmax=1.6 * s.max(), aspect="auto")
    for i, letter in enumerate(letters):
        y, x = divmod(i, columns)
        ax.text(x, y, chr(letter) if 32 <= letter < 127 else "·", ha="center", va="center", family="monospace", size=8)
        if kept[i]:
            ax.add_patch(_frame(x, y))
    return ax


def _frame(x: int, y: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=COLOURS[1], linewidth=1.4)
