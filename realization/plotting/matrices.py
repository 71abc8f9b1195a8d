"""Singular values and the rank that they show; entries of a matrix and its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import numbers
from realization.linalg.decision import EPS, Decision
from realization.plotting.frame import COLOURS, finish, new_axes, vector


def spectrum(values: Any, *, decision: Decision | None = None, label: str | None = None, ax: Any = None) -> Any:
    """Draw singular values, largest first, and the rank that a decision reads off them.

    Parameters
    ----------
    values : array_like
        (k,), nonnegative: Hankel singular values, say.
    decision : Decision, optional
        Its gap is marked, and that of its rival where it is undecided.
    label : str, optional
        Name in the legend.
    ax : Axes, optional
        Where to draw; what is there keeps its colour.

    Returns
    -------
    Axes
        Logarithmic; below the grey line, eps times the largest, is rounding.  Zeros are drawn on it.

    Raises
    ------
    ShapeError
        If a value is negative or not finite.

    Examples
    --------
    >>> from realization.linalg.decision import decide_rank
    >>> s = [1.0, 0.1, 1e-13]
    >>> [text.get_text() for text in spectrum(s, decision=decide_rank(s)).texts]
    ['rank 2']
    """
    s = vector("values", values).real
    if (s < 0).any():
        raise ShapeError(f"values has a negative entry, {s.min():.3g}; singular values are needed")
    ax = new_axes(ax)
    largest = float(s.max(initial=0.0)) or 1.0
    colour = COLOURS[sum(line.get_marker() == "o" for line in ax.lines) % len(COLOURS)]
    if not any(line.get_linestyle() == ":" for line in ax.lines):
        ax.axhline(EPS * largest, color="0.6", linewidth=1, linestyle=":")
    ax.semilogy(np.arange(1, len(s) + 1), np.maximum(s, EPS * largest), "o", color=colour, markersize=5, label=label)
    for rank, name, dark in _choices(decision):
        ax.axvline(rank + 0.5, color="black", alpha=1.0 if dark else 0.4, linewidth=1, linestyle="--")
        ax.annotate(name, (rank + 0.5, 1), (4, -12), xycoords=("data", "axes fraction"), textcoords="offset points")
    return finish(ax, xlabel="index $k$", ylabel=r"singular value $\sigma_k$")


def blocks(A: Any, sizes: Sequence[int] = (), *, scale: bool = True, ax: Any = None) -> Any:
    """Draw the sizes of the entries of a matrix, and lines between the blocks of its structure.

    Parameters
    ----------
    A : array_like
        (k, n).
    sizes : sequence of int, optional
        Sizes of the diagonal blocks, from the upper left.
    scale : bool
        Whether the scale of colours is drawn beside it.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Dark where an entry is as large as the largest, light at eps times that, white where it is exactly 0.

    Raises
    ------
    ShapeError
        If A is not a finite matrix, or the sizes do not fit into it.

    Examples
    --------
    >>> blocks([[0, 1, 2], [0, 0, 3], [0, 0, 0.5]], (2, 1)).images[0].get_array().mask.sum().item()
    5
    """
    A = numbers("A", A)
    if A.ndim != 2 or sum(sizes) > min(A.shape):
        raise ShapeError(f"A has shape {A.shape} and blocks of sizes {list(sizes)}; a matrix that holds them is needed")
    ax = new_axes(ax, (3.9, 3.3))
    size = np.abs(A)
    level = np.ma.log10(np.ma.masked_equal(size, 0) / (size.max(initial=0.0) or 1.0))
    ax.set(xticks=[], yticks=[])
    if not A.size:
        return ax
    image = ax.imshow(level, cmap="Blues", vmin=np.log10(EPS), vmax=0, interpolation="nearest")
    for edge in np.cumsum(sizes)[: None if sum(sizes) < min(A.shape) else -1] - 0.5:
        ax.axhline(edge, color="black", linewidth=0.8)
        ax.axvline(edge, color="black", linewidth=0.8)
    if scale:
        ax.figure.colorbar(image, ax=ax, label=r"$\log_{10}$ of $|a_{ij}|$ / largest")
    return ax


def _choices(decision: Decision | None) -> list[tuple[int, str, bool]]:
    """(rank, what to write, whether it is the choice) for what a decision marks."""
    if decision is None:
        return []
    if decision.decided:
        return [(decision.choice, f"rank {decision.choice}", True)]
    rivals = [decision.choice, *([] if decision.rival is None else [decision.rival])]
    return [(rank, f"rank {rank}?", False) for rank in sorted(rivals)]
