"""Poles and zeros, and what a system answers: to an impulse, to a step, to a frequency."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.linalg.decision import EPS
from realization.plotting.frame import COLOURS, STABLE, finish, legend_above, new_axes, parts_of, series_of, vector


def pole_zero(poles: Any, zeros: Any = (), *, continuous: bool = False, ax: Any = None) -> Any:
    """Draw poles (crosses) and zeros (circles) in the complex plane.

    Parameters
    ----------
    poles, zeros : array_like
        Complex numbers, (n,) and (k,).  Where several fall on one spot their number stands beside it;
        zeros beyond twice the largest pole (and beyond 2) are counted in the legend, not drawn.
    continuous : bool
        Whether a pole is stable left of the imaginary axis, and not inside the unit circle.
    ax : Axes, optional
        Where to draw.  Default: a new figure.

    Returns
    -------
    Axes
        With equal scales.

    Raises
    ------
    ShapeError
        If a number is not finite, or they do not form a vector.

    Examples
    --------
    >>> ax = pole_zero([0.9, 0.5j, -0.5j], [-1.0])
    >>> [len(line.get_xdata()) for line in ax.lines if line.get_label() in ("poles", "zeros")]
    [3, 1]
    """
    poles, zeros = (vector(name, x) for name, x in (("poles", poles), ("zeros", zeros)))
    ax = new_axes(ax, (3.8, 3.6))
    # a zero far out would press everything else into one spot
    inner = np.abs(poles).max(initial=1.0)
    shown = zeros[np.abs(zeros) <= 2 * inner]
    reach = 1.12 * np.abs(shown).max(initial=inner)
    outside = len(zeros) - len(shown)
    told = f"zeros ({outside} of {len(zeros)} outside)" if outside else "zeros"
    ax.axhline(0, color="0.75", linewidth=0.8, zorder=1)
    ax.axvline(0, color="0.75", linewidth=0.8, zorder=1)
    if continuous:
        ax.axvspan(-reach, 0, color=STABLE, zorder=0)
    else:
        turn = np.exp(2j * np.pi * np.linspace(0, 1, 361))
        ax.fill(turn.real, turn.imag, facecolor=STABLE, edgecolor="0.4", linewidth=1, zorder=0)
    for name, values, marker, colour in (("poles", poles, "x", COLOURS[0]), (told, shown, "o", COLOURS[1])):
        if len(values) or (name is told and outside):
            style = {"markersize": 8, "markeredgewidth": 1.8, "fillstyle": "none", "zorder": 3, "clip_on": False}
            ax.plot(values.real, values.imag, marker, color=colour, label=name, **style)
        for z, count in _spots(values, reach / 60):
            offset = (6, 6 if name == "poles" else -13)
            ax.annotate(
                str(count), (z.real, z.imag), offset, textcoords="offset points", color=colour, fontsize="small"
            )
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel=f"Re ${_plane(continuous)}$")
    ax.set(ylabel=f"Im ${_plane(continuous)}$", aspect="equal")
    if len(zeros) and (len(poles) or outside):
        legend_above(ax)
    return ax


def impulse(h: Any, *, label: str | None = None, ax: Any = None) -> Any:
    """Draw an impulse response h(t), t = 0, 1, ..., as stems; h(0) = D, h(t) = C A^(t-1) B.

    Parameters
    ----------
    h : array_like
        (T,), or (T, p, m) as `markov_parameters` returns it.
    label : str, optional
        Name in the legend, where h is (T,).
    ax : Axes, optional
        Where to draw; what is there keeps its colour.

    Returns
    -------
    Axes
        With one series of stems for each pair of output and input, two where they are complex.

    Raises
    ------
    ShapeError
        If h has other axes, or is not finite.

    Examples
    --------
    >>> impulse([0, 0, 1, 0]).get_ylabel()
    '$h(t)$'
    """
    ax = new_axes(ax)
    series = parts_of("h", h, label)
    for k, (name, values) in enumerate(series):
        colour = COLOURS[len(ax.collections) % len(COLOURS)]
        t = np.arange(len(values)) + 0.12 * (k - (len(series) - 1) / 2)
        ax.vlines(t, 0, values, color=colour, linewidth=1.5, label=name)
        ax.plot(t, values, "o", color=colour, markersize=4)
    ax.axhline(0, color="0.75", linewidth=0.8, zorder=0)
    return finish(ax, xlabel="step $t$", ylabel="$h(t)$")


def step(y: Any, *, label: str | None = None, ax: Any = None) -> Any:
    """Draw a step response y(t), t = 0, 1, ..., each value held until the next.

    Parameters
    ----------
    y : array_like
        (T,) or (T, p, m).
    label : str, optional
        Name in the legend, where y is (T,).
    ax : Axes, optional
        Where to draw; what is there keeps its colour.

    Returns
    -------
    Axes
        With one line for each pair of output and input, two where they are complex.

    Raises
    ------
    ShapeError
        If y has other axes, or is not finite.

    Examples
    --------
    >>> step([0, 1, 1.5, 1.75]).lines[0].get_ydata().tolist()
    [0.0, 1.0, 1.5, 1.75]
    """
    ax = new_axes(ax)
    for name, values in parts_of("y", y, label):
        colour = COLOURS[len(ax.lines) % len(COLOURS)]
        ax.step(np.arange(len(values)), values, where="post", color=colour, linewidth=1.6, label=name)
    return finish(ax, xlabel="step $t$", ylabel="$y(t)$ for $u = 1$")


def bode(omega: Any, H: Any, *, continuous: bool = False, label: str | None = None, axes: Any = None) -> Any:
    """Draw 20 log10 |H| and the angle of H over the frequency.

    Parameters
    ----------
    omega : array_like
        (k,), rising, positive, in radians per step (per unit of time in continuous time).
    H : array_like
        (k,) or (k, p, m), complex.
    continuous : bool
        Whether a frequency is one per unit of time, and not per step.
    label : str, optional
        Name in the legend, where H is (k,).
    axes : pair of Axes, optional
        For the size and for the angle.

    Returns
    -------
    pair of Axes
        Size in decibels above, unwrapped angle in degrees below.

    Raises
    ------
    ShapeError
        If the lengths differ, or something is not finite.

    Examples
    --------
    A delay leaves the size alone and turns by 180 degrees at the highest frequency:

    >>> w = np.array([0.5, 1.0, 2.0, np.pi])
    >>> size, angle = bode(w, np.exp(-1j * w))
    >>> size.lines[0].get_ydata().round(12).tolist(), angle.lines[0].get_ydata()[-1].round(9).item()
    ([0.0, 0.0, 0.0, 0.0], -180.0)
    """
    omega = vector("omega", omega).real
    series = series_of("H", H, label)
    if any(len(values) != len(omega) for _, values in series):
        raise ShapeError(f"H has {len(series[0][1])} frequencies, omega {len(omega)}; as many are needed")
    if axes is None:
        import matplotlib.pyplot as plt

        axes = plt.subplots(2, 1, sharex=True, figsize=(4.8, 4.2), layout="constrained")[1]
    size, angle = axes
    for name, values in series:
        colour = COLOURS[len(size.lines) % len(COLOURS)]
        # a zero on the circle is drawn at the floor of double precision
        floor = EPS * max(np.abs(values).max(initial=0.0), np.finfo(float).tiny)
        size.semilogx(omega, 20 * np.log10(np.maximum(np.abs(values), floor)), color=colour, label=name)
        angle.semilogx(omega, np.degrees(np.unwrap(np.angle(values))), color=colour)
    for ax in (size, angle):
        ax.grid(True, which="both", color="0.92", linewidth=0.6)
    unit = "unit of time" if continuous else "step"
    angle.set(ylabel=r"angle of $H$, degrees", xlabel=rf"frequency $\omega$, rad per {unit}")
    finish(size, ylabel=r"$|H|$, dB")
    return size, angle


def _spots(values: np.ndarray, radius: float) -> list[tuple[complex, int]]:
    """Places that several of the values share at the resolution of the figure, and how many do."""
    left, found = list(values), []
    while left:
        near = [z for z in left if abs(z - left[0]) <= radius]
        if len(near) > 1:
            found.append((complex(near[0]), len(near)))
        left = [z for z in left if abs(z - left[0]) > radius]
    return found


def _plane(continuous: bool) -> str:
    return "s" if continuous else "z"
