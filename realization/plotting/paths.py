"""Paths of processes, and the covariances that they have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import numbers
from realization.plotting.frame import COLOURS, finish, legend_above, named, new_axes, vector


def paths(
    drawn: Mapping[str, Any], *, backward: Collection[str] = (), outputs: tuple[str, ...] = (), ax: Any = None
) -> Any:
    """Draw paths below each other, with arrows that say in which direction each was made.

    Parameters
    ----------
    drawn : mapping of str to array_like
        For each name (T,) or (T, p) real numbers, p <= 7 outputs in colours.
    backward : collection of str
        Names of those that were made from the last step to the first.
    outputs : tuple of str
        Names of the colours, for the legend.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        In one unit for all: the first path at its own values, each next one moved down by what keeps them apart.

    Raises
    ------
    ShapeError
        If a path has another shape, a number is not finite, or a name in `backward` is not drawn.

    Examples
    --------
    >>> ax = paths({"made forward": [0, 1, 0.5], "made backward": [1, 0, 0.5]}, backward=["made backward"])
    >>> [text.get_text() for text in ax.texts]
    ['made forward ⟶', '⟵ made backward']
    """
    lanes = {name: _path(name, y) for name, y in named("drawn", drawn).items()}
    backward = {backward} if isinstance(backward, str) else set(backward)
    if strange := sorted(backward - set(lanes)):
        raise ShapeError(f"backward names {', '.join(strange)}, not among {', '.join(lanes)}")
    ax, floor, T = new_axes(ax, (4.8, 1 + 1.2 * max(len(lanes), 1))), 0.0, 1
    for k, (name, y) in enumerate(lanes.items()):
        high, low = float(y.max(initial=0.0)), float(y.min(initial=0.0))
        gap = 0.2 * (high - low)
        shift = floor - high - gap if k else 0.0
        for i, column in enumerate(y.T):
            label = outputs[i] if not k and i < len(outputs) else None
            ax.plot(np.arange(len(y)), column + shift, color=COLOURS[i % len(COLOURS)], linewidth=1.3, label=label)
        floor, T = shift + low, max(T, len(y))
        text = f"⟵ {name}" if name in backward else f"{name} ⟶"
        ax.text(0.0, shift + high, text, fontsize="small", color="0.3", va="bottom")
    finish(ax, xlabel="time $t$", ylabel="$y(t)$")
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    if outputs and lanes:
        legend_above(ax, gap=1.2)
    return ax


def covariance_sequence(truth: Any, found: Mapping[str, Any] | None = None, *, ax: Any = None) -> Any:
    """Draw covariances at the lags -K ... K as a line, and what was estimated of them as marks.

    Parameters
    ----------
    truth : array_like
        (2K+1,), lag 0 in the middle.
    found : mapping of str to array_like, optional
        (2K+1,) for each name in the legend.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        With the lags on the horizontal axis.

    Raises
    ------
    ShapeError
        If a number is not real and finite, or there is no middle: an even number of lags, or numbers that differ.

    Examples
    --------
    >>> ax = covariance_sequence([0.1, 1, 0.5], {"1000 steps": [0.12, 1.03, 0.49]})
    >>> [line.get_xdata().tolist() for line in ax.lines if line.get_label() == "1000 steps"]
    [[-1, 0, 1]]
    """
    truth = _real("truth", truth)
    marks = {name: _real(name, x) for name, x in named("found", found or {}).items()}
    for name, x in {"truth": truth, **marks}.items():
        if len(x) != len(truth) or (len(x) % 2 == 0 and len(x)):
            raise ShapeError(
                f"{name} has {len(x)} lags; an odd number is needed, the same for all ({len(truth)} of truth)"
            )
    ax, lags = new_axes(ax), np.arange(len(truth)) - len(truth) // 2
    ax.axvline(0, color="0.75", linewidth=0.8, zorder=0)
    ax.axhline(0, color="0.75", linewidth=0.8, zorder=0)
    ax.plot(lags, truth, color="0.3", linewidth=1.4, zorder=1)
    for k, (name, x) in enumerate(marks.items()):
        style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "markersize": 7 - 2 * k, "fillstyle": "none"}
        ax.plot(lags, x, "os^Dv<>"[k % 7], label=name, markeredgewidth=1.3, **style)
    finish(ax, xlabel="lag $k$", ylabel="covariance")
    if marks:
        legend_above(ax)
    return ax


def _real(name: str, x: Any) -> np.ndarray:
    if (x := vector(name, x)).imag.any():
        raise ShapeError(f"{name} is complex; the covariances of one pair of real outputs are needed")
    return x.real


def _path(name: str, y: Any) -> np.ndarray:
    y = numbers(name, y)
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or y.dtype.kind == "c" or y.shape[1] > len(COLOURS):
        raise ShapeError(f"{name} has shape {y.shape}, {y.dtype}; real numbers (T,) or (T, p), p <= 7, are needed")
    return y
