"""What a filter or a smoother says of one quantity over time: an estimate, how sure it is, what it has seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import numbers
from realization.plotting.frame import COLOURS, finish, new_axes

WITHIN = 1.6449  # standard deviations that hold 90 of 100


def estimate(
    times: Any,
    means: Any,
    variances: Any,
    *,
    observed: Any = None,
    draws: Any = None,
    name: str | None = None,
    ax: Any = None,
) -> Any:
    """Draw means, the band means +- 1.645 sqrt(variances) that holds 90 of 100, the observations and drawn paths.

    Parameters
    ----------
    times, means, variances : array_like
        (T,); a variance is >= 0, and NaN or infinite where nothing is known: the band has a gap there.
    observed : array_like, optional
        (T,), NaN where missing, as dots.
    draws : array_like, optional
        (k, T), thin lines.
    name : str, optional
        Of the means, for the legend.
    ax : Axes, optional
        Where to draw; what is drawn first has the first colour.

    Returns
    -------
    Axes
        With a line and a band; then dots and paths.

    Raises
    ------
    ShapeError
        If lengths differ.
    StructureError
        If a variance is negative.

    Examples
    --------
    >>> ax = estimate([0, 1], [5.0, 6.0], [4.0, 1.0], name="level")
    >>> ax.lines[0].get_ydata(), ax.collections[0].get_datalim(ax.transData).y0.round(2)
    (array([5., 6.]), np.float64(1.71))
    """
    ax = new_axes(ax)
    t, x, v = numbers("times", times), numbers("means", means), np.asarray(variances, dtype=np.float64)
    if t.ndim != 1 or t.shape != x.shape or t.shape != v.shape:
        raise ShapeError(
            f"times, means and variances have shapes {t.shape}, {x.shape}, {v.shape}; three times (T,) needed"
        )
    if (v < 0).any():
        raise StructureError(f"variances has the entry {v[v < 0][0]:.3g}, need >= 0")
    wide = WITHIN * np.sqrt(np.where(np.isfinite(v), v, np.nan))
    colour = COLOURS[sum(line.get_gid() == "estimate" for line in ax.lines) % len(COLOURS)]
    for path in np.empty((0, len(t))) if draws is None else numbers("draws", draws):
        ax.plot(t, path, color=colour, linewidth=0.6, alpha=0.5)
    ax.plot(t, x, color=colour, linewidth=1.6, label=name, gid="estimate")
    ax.fill_between(t, x - wide, x + wide, color=colour, alpha=0.18, linewidth=0)
    if observed is not None:
        ax.plot(t, np.asarray(observed, dtype=np.float64), ".", color="0.35", markersize=4, label="observed", zorder=1)
    return finish(ax)
