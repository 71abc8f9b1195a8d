"""Past and future: what each canonical variable carries, and the angles between subspaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.plotting.frame import COLOURS, finish, named, new_axes, vector


def information_carried(correlations: Any, models: Any = None, *, ax: Any = None) -> Any:
    """Draw what each canonical variable carries, -1/2 log(1 - sigma_k^2), and what the first r of them do together.

    Parameters
    ----------
    correlations : array_like
        (n,) canonical correlations in [0, 1), largest first.
    models : array_like, optional
        What the models of 0, 1, ... states carry, in nats.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        In nats, over the number of states that are kept; a bar at k is the share of the k-th variable.

    Raises
    ------
    ShapeError
        If a correlation is not in [0, 1), or a number is not finite.

    Examples
    --------
    >>> ax = information_carried([0.9, 0.3], [0, 0.7, 0.88])
    >>> ax.lines[0].get_ydata().round(2).tolist(), ax.patches[1].get_height().round(2).item()
    ([0.0, 0.83, 0.88], 0.05)
    """
    s = vector("correlations", correlations).real
    if ((s < 0) | (s >= 1)).any():
        raise ShapeError(f"correlations is {s}, but numbers from 0 to below 1 are needed: 1 carries without end")
    ax, share = new_axes(ax), -(np.log1p(-s) + np.log1p(s)) / 2
    ax.bar(np.arange(1, len(s) + 1), share, width=0.5, color=COLOURS[5], label="share of variable $r$")
    kept = np.concatenate([[0.0], np.cumsum(share)])
    if len(s):
        ax.plot(np.arange(len(kept)), kept, "o-", color=COLOURS[0], markersize=5, label="first $r$ variables")
    if models is not None and len(own := vector("models", models).real):
        ax.plot(np.arange(len(own)), own, "s--", color=COLOURS[1], markersize=5, label="model of $r$ states")
    return finish(ax, xlabel="kept, $r$", ylabel="information on the future, nats")


def directions(angles: Mapping[str, Any], *, ax: Any = None) -> Any:
    """Draw principal angles between subspaces as rays: the first space lies along the axis, the second on the rays.

    Parameters
    ----------
    angles : mapping of str to array_like
        For each pair of spaces (k,) angles in [0, pi/2].
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        A quarter circle for each pair, smaller from one to the next: what the spaces share lies along the axis,
        what is uncorrelated stands upright.  A number counts rays that coincide.

    Raises
    ------
    ShapeError
        If an angle is not in [0, pi/2].

    Examples
    --------
    >>> ax = directions({"outputs": [0.4, 1.2], "with their states": [0, 0, np.pi / 2, np.pi / 2, np.pi / 2]})
    >>> [text.get_text() for text in ax.texts]
    ['2', '3']
    """
    ax = new_axes(ax, (3.6, 3.6))
    for i, (name, given) in enumerate(named("angles", angles).items()):
        theta, radius, colour = np.sort(vector(name, given).real), 1 - 0.18 * i, COLOURS[i % len(COLOURS)]
        if ((theta < 0) | (theta > np.pi / 2 * (1 + 1e-12))).any():
            raise ShapeError(f"{name} is {theta}, but angles from 0 to pi/2 are needed")
        circle = np.linspace(0, np.pi / 2, 91 if len(theta) else 0)
        ax.plot(radius * np.cos(circle), radius * np.sin(circle), color="0.8", linewidth=1, zorder=1)
        for k, t in enumerate(theta):
            x, y = radius * np.cos(t), radius * np.sin(t)
            label = name if k == 0 else None
            ax.plot([0, x], [0, y], "-", color=colour, linewidth=1.6, label=label, zorder=3 - i / 10)
            ax.plot([x], [y], "o", color=colour, markersize=5, zorder=4)
        for t, count in _coinciding(theta):
            place = (radius * np.cos(t), radius * np.sin(t))
            ax.annotate(str(count), place, (5, 5), textcoords="offset points", color=colour, annotation_clip=False)
    ax.set_aspect("equal")
    finish(ax, xlabel="shared", ylabel="uncorrelated")
    ax.set(xlim=(-0.02, 1.12), ylim=(-0.02, 1.12), xticks=[], yticks=[])
    return ax


def _coinciding(theta: np.ndarray) -> list[tuple[float, int]]:
    """Angles, sorted, that several rays have to what can be seen, with their number."""
    groups = np.split(theta, np.flatnonzero(np.diff(theta) > 1e-3) + 1) if len(theta) else []
    return [(float(group[0]), len(group)) for group in groups if len(group) > 1]
