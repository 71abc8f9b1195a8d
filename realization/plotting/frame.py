"""What all figures share: colours, a new figure where none is given, labels, and data that can be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import numbers

# Okabe and Ito (2008): told apart by all kinds of colour vision, and in grey by their order
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STABLE = "#F0F0F0"
SIZE = (4.8, 3.2)


def new_axes(ax: Any, size: tuple[float, float] = SIZE) -> Any:
    """The Axes given, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def finish(ax: Any, **labels: str) -> Any:
    """Labels, whole numbers of steps, a frame open to the upper right, and a legend where something has a name."""
    ax.set(**labels)
    if ax.get_xscale() == "linear":
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    ax.spines[["top", "right"]].set_visible(False)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    return ax


def legend_above(ax: Any, gap: float = 0.2) -> None:
    """Where the numbers fill the frame from edge to edge."""
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=gap, ncols=2)


def named(name: str, x: Any) -> Mapping[str, Any]:
    if not isinstance(x, Mapping):
        raise ShapeError(f"{name} is a {type(x).__name__}; a mapping from the names in the legend is needed")
    return x


def vector(name: str, x: Any) -> np.ndarray:
    x = numbers(name, x).astype(complex)
    if x.ndim != 1:
        raise ShapeError(f"{name} has shape {x.shape}, but a vector is needed")
    return x


def series_of(name: str, x: Any, label: str | None) -> list[tuple[str | None, np.ndarray]]:
    """(label, values) for each pair of output and input."""
    x = numbers(name, x)
    if x.ndim == 1:
        return [(label, x)]
    if x.ndim != 3:
        raise ShapeError(f"{name} has shape {x.shape}, but (T,) or (T, p, m) is needed")
    p, m = x.shape[1:]
    if p == m == 1:
        return [(label, x[:, 0, 0])]
    return [(f"${name}_{{{i + 1}{j + 1}}}$", x[:, i, j]) for i in range(p) for j in range(m)]


def parts_of(name: str, x: Any, label: str | None) -> list[tuple[str | None, np.ndarray]]:
    """The same in real numbers: real and imaginary part where x is complex."""
    series = series_of(name, x, label)
    if not any(values.imag.any() for _, values in series):
        return [(each, values.real) for each, values in series]
    parts = (("Re", np.real), ("Im", np.imag))
    return [(f"{word} {each or f'${name}$'}", part(values)) for each, values in series for word, part in parts]
