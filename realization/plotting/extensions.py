"""Figures of processes that share a window of covariances: how each goes on, and where it has its power."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.linalg.decision import EPS
from realization.plotting.frame import COLOURS, STABLE, finish, legend_above, named, new_axes, vector


def densities(omega: Any, densities: Mapping[str, Any], *, ax: Any = None) -> Any:
    """Draw spectral densities of one output on a logarithmic scale.

    Parameters
    ----------
    omega : array_like
        (k,), rising, 0 to pi in radians per step.
    densities : mapping of str to array_like
        (k,), Phi(e^iw) >= 0; a density of 0 is drawn at the floor of double precision.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        With a legend above it.

    Raises
    ------
    ShapeError
        If the lengths differ, or a density is negative or not finite.

    Examples
    --------
    >>> ax = densities([0, 1.5, 3], {"white noise": [1, 1, 1], "first difference": [0.01, 2, 4]})
    >>> [line.get_ydata().tolist() for line in ax.lines]
    [[1.0, 1.0, 1.0], [0.01, 2.0, 4.0]]
    """
    omega, ax = vector("omega", omega).real, new_axes(ax)
    for k, (name, each) in enumerate(named("densities", densities).items()):
        Phi = vector(name, each).real
        if len(Phi) != len(omega):
            raise ShapeError(f"{name} has {len(Phi)} frequencies, omega {len(omega)}; as many are needed")
        if len(Phi) and Phi.min() < 0:
            raise ShapeError(f"{name} has a negative entry, {Phi.min():.3g}; a density >= 0 is needed")
        floor = EPS * max(Phi.max(initial=0.0), np.finfo(float).tiny)
        ax.semilogy(omega, np.maximum(Phi, floor), color=COLOURS[k % len(COLOURS)], label=name)
    finish(ax, xlabel=r"frequency $\omega$, rad per step", ylabel=r"$\Phi(e^{i\omega})$")
    ax.set_xticks([0, np.pi / 2, np.pi], ["0", r"$\pi/2$", r"$\pi$"])
    if densities:
        legend_above(ax)
    return ax


def continuations(window: Any, continued: Mapping[str, Any], *, ax: Any = None) -> Any:
    """Draw the covariances that were given, and how processes that share them go on.

    Parameters
    ----------
    window : array_like
        c(0), ..., c(N), (N+1,).
    continued : mapping of str to array_like
        c(0), c(1), ..., each (lags+1,) with lags >= N.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        The window shaded, with a legend above it.

    Raises
    ------
    ShapeError
        If a continuation is shorter than the window, or something is not finite.

    Examples
    --------
    >>> ax = continuations([1, 0.5], {"autoregression": [1, 0.5, 0.25], "moving average": [1, 0.5, 0]})
    >>> [line.get_ydata().tolist() for line in ax.lines if line.get_label()[0] != "_"]
    [[1.0, 0.5, 0.25], [1.0, 0.5, 0.0], [1.0, 0.5]]
    """
    window, ax = vector("window", window).real, new_axes(ax)
    for k, (name, each) in enumerate(named("continued", continued).items()):
        c = vector(name, each).real
        if len(c) < len(window):
            raise ShapeError(f"{name} has {len(c)} covariances, the window {len(window)}; at least as many are needed")
        ax.plot(np.arange(len(c)), c, "o-", markersize=3, linewidth=1, color=COLOURS[k % len(COLOURS)], label=name)
    if len(window):
        ax.axvspan(-0.5, len(window) - 0.5, color=STABLE, zorder=0)
    ax.axhline(0, color="0.6", linewidth=0.6, zorder=1)
    ax.plot(np.arange(len(window)), window, "o", color="black", markersize=5, label="given")
    finish(ax, xlabel="lag $k$", ylabel=r"$c(k)$")
    if len(window) or continued:
        legend_above(ax)
    return ax
