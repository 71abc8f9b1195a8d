"""What remains of an input, and what an imitation of memory costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.plotting.frame import COLOURS, finish, legend_above, named, new_axes, vector


def memory_decay(
    remains: Mapping[str, Any], envelopes: Mapping[str, tuple[float, float]] | None = None, *, ax: Any = None
) -> Any:
    """Draw what remains of an input after t = 0, 1, ... steps, and bounds c lambda^t on it.

    Parameters
    ----------
    remains : mapping of str to array_like
        For each system (T,) numbers >= 0, such as |C A^t B| over its largest value.
    envelopes : mapping of str to (c, lambda), optional
        Drawn dashed in the colour of the system of that name.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Logarithmic.  What is exactly 0 lies on the lower edge as an open circle.

    Raises
    ------
    ShapeError
        If a number is negative or not finite, or an envelope names no system.

    Examples
    --------
    >>> ax = memory_decay({"window": [1, 1, 0, 0], "fading": [1, 0.5, 0.25, 0.125]}, {"fading": (1.0, 0.5)})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['window', 'fading', '$c\\\\lambda^t$ of fading']
    """
    curves = {name: vector(name, x).real for name, x in named("remains", remains).items()}
    envelopes = dict(envelopes or {})
    for name, x in curves.items():
        if (x < 0).any():
            raise ShapeError(f"{name} has a negative entry, {x.min():.3g}; norms are needed")
    if strange := sorted(set(envelopes) - set(curves)):
        raise ShapeError(f"envelopes given for {', '.join(strange)}, which are not among {', '.join(curves)}")
    ax = new_axes(ax)
    positive = np.concatenate([x[x > 0] for x in curves.values()] or [np.ones(0)])
    bottom = 10.0 ** np.floor(np.log10(positive.min(initial=0.1)) - 0.5)
    for k, (name, x) in enumerate(curves.items()):
        # what comes first lies on top: a window and an integrator are equal for a while
        t = np.arange(len(x))
        style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "zorder": 3 - k / len(curves)}
        ax.semilogy(t, np.maximum(x, bottom), linewidth=1.4, label=name, **style)
        ax.semilogy(t[x > 0], x[x > 0], "o", markersize=4, **style)
        ax.semilogy(t[x == 0], np.full((x == 0).sum(), bottom), "o", **_open(style["color"]))
        if name in envelopes:
            c, rate = envelopes[name]
            label = rf"$c\lambda^t$ of {name}"
            ax.semilogy(t, np.maximum(c * rate**t, bottom), "--", linewidth=1.2, label=label, **style)
    ax.set_ylim(bottom=bottom)
    finish(ax, xlabel="steps since the input, $t$", ylabel="what remains")
    if curves:
        legend_above(ax)
    return ax


def size_against_error(
    curves: Mapping[str, tuple[Any, Any]], formats: Mapping[str, float] | None = None, *, ax: Any = None
) -> Any:
    """Draw the error of approximations over the size of their coefficients, and what rounding adds.

    A read-out with coefficients of size c, computed with unit roundoff u, is off by about
    c u: where that line meets a curve the format can follow it no further.

    Parameters
    ----------
    curves : mapping of str to (sizes, errors)
        Each a pair of positive (k,).
    formats : mapping of str to float, optional
        Unit roundoff of each format; drawn as the line size times roundoff.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Logarithmic in both directions.

    Raises
    ------
    ShapeError
        If sizes and errors differ in length, or are not positive and finite.

    Examples
    --------
    >>> ax = size_against_error({"8 poles": ([1, 10, 100], [1, 0.1, 0.01])}, {"float32": 2.0**-24})
    >>> ax.get_xscale(), ax.texts[0].get_text()
    ('log', 'float32')
    """
    curves, ax = named("curves", curves), new_axes(ax)
    reach = []
    for k, (name, pair) in enumerate(curves.items()):
        size, error = (vector(name, x).real for x in pair)
        if len(size) != len(error) or (size <= 0).any() or (error <= 0).any():
            raise ShapeError(f"{name} has {len(size)} sizes and {len(error)} errors; as many, all > 0, are needed")
        marker = "osD^vP*"[k % 7]
        ax.loglog(size, error, color=COLOURS[k % len(COLOURS)], marker=marker, markersize=4, linewidth=1.4, label=name)
        reach += [size.min(initial=1), size.max(initial=1)]
    left, right = min(reach, default=1.0), max(reach, default=1.0)
    low, high = ax.get_ylim()
    low = min([low, *(0.3 * roundoff * right for roundoff in (formats or {}).values())])
    for name, roundoff in (formats or {}).items():
        # the name stands where the line leaves the frame
        end = min(right, high / roundoff)
        ax.loglog([left, end], [roundoff * left, roundoff * end], color="0.45", linewidth=1, linestyle="--", zorder=1)
        place = {"ha": "left", "va": "center"} if end == right else {"ha": "center", "va": "bottom"}
        style = {"textcoords": "offset points", "color": "0.35", "fontsize": "small", "annotation_clip": False}
        ax.annotate(name, (end, roundoff * end), (4, 0) if end == right else (0, 3), **place, **style)
    ax.set_ylim(low, high)
    finish(ax, xlabel="size of the read-out", ylabel="error")
    if curves:
        legend_above(ax, gap=1.5)
    return ax


def _open(colour: str) -> dict[str, Any]:
    return {"markerfacecolor": "white", "markeredgecolor": colour, "markersize": 6, "clip_on": False, "zorder": 4}
