"""Spectral densities: of a process, of the models found from records of it, and what a record shows by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import numbers
from realization.plotting.frame import COLOURS, finish, named, new_axes, vector


def identified_spectra(
    omega: Any, drawn: Mapping[str, Any], *, truth: Any = None, periodogram: Any = None, ax: Any = None
) -> Any:
    """Draw spectral densities on a logarithmic scale, bands where there are several of one kind.

    Parameters
    ----------
    omega : array_like
        (k,) frequencies in radians per step.
    drawn : mapping of str to array_like
        For each name (k,), one density, or (s, k), those of s records: their median, and the range of the middle
        nine tenths.  What is not positive is not drawn, and leaves a gap.
    truth : array_like, optional
        (k,), as a dashed line above the others.
    periodogram : array_like, optional
        Pairs (frequency, power), (2, l), as dots.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        One line for each name, then the truth.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or a number is not finite or not real.

    Examples
    --------
    >>> w = np.linspace(0.1, 3, 5)
    >>> ax = identified_spectra(w, {"found": [1 / w, 2 / w, 3 / w]}, truth=2 / w)
    >>> bool(np.array_equal(ax.lines[0].get_ydata(), ax.lines[1].get_ydata())), len(ax.collections)
    (True, 1)
    """
    omega, ax = vector("omega", omega).real, new_axes(ax)
    if periodogram is not None:
        where, power = _rows("periodogram", periodogram, None)
        ax.plot(where, _positive(power), ".", color="0.7", markersize=2.5, zorder=1, label="periodogram")
    for k, (name, values) in enumerate(named("drawn", drawn).items()):
        rows, colour = _rows(name, values, len(omega)), COLOURS[k % len(COLOURS)]
        ax.plot(omega, _positive(np.median(rows, axis=0)), color=colour, linewidth=1.6, zorder=3, label=name)
        if len(rows) > 1:
            low, high = (_positive(q) for q in np.quantile(rows, [0.05, 0.95], axis=0))
            ax.fill_between(omega, low, high, color=colour, alpha=0.25, linewidth=0, zorder=2)
    if truth is not None:
        (row,) = _rows("truth", truth, len(omega))
        ax.plot(omega, _positive(row), color="black", linestyle="--", linewidth=1.2, zorder=4, label="truth")
    ax.set_yscale("log")
    return finish(ax, xlabel=r"frequency $\omega$, rad per step", ylabel=r"spectral density $\Phi(e^{i\omega})$")


def _rows(name: str, x: Any, k: int | None) -> np.ndarray:
    x = np.atleast_2d(numbers(name, x))
    if x.ndim != 2 or x.dtype.kind == "c" or not len(x) or (k is not None and x.shape[1] != k):
        needed = f"({k},) or (s, {k})" if k is not None else "(2, l)"
        raise ShapeError(f"{name} has shape {x.shape} and dtype {x.dtype}, but real {needed} is needed")
    return x


def _positive(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.nan)
