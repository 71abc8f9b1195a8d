"""Where the weight of one query lies: in the window, on selected tokens, and behind the fading kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.plotting.frame import COLOURS, finish, named, new_axes, vector

SIZE = (6.4, 3.6)


def memory_spectrum(
    spikes: Mapping[str, tuple[Any, Any]], kernels: Mapping[str, tuple[Any, Any]] | None = None, *, ax: Any = None
) -> Any:
    """Draw the weight of each token against its age: spikes where tokens are held verbatim, areas where they fade.

    Parameters
    ----------
    spikes : mapping of str to (ages, weights)
        Each a pair of (k,); ages 1, 2, ..., the newest token being 1, and weights >= 0.
    kernels : mapping of str to (ages, weights), optional
        The same for what is held in superposition: drawn as an area.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        Logarithmic in both directions; each name is followed by the sum of its weights.  A weight of 0 is left out.

    Raises
    ------
    ShapeError
        If ages and weights differ in number, an age is below 1, or a weight is negative.

    Examples
    --------
    >>> ax = memory_spectrum({"window": ([1, 2], [0.5, 0.2])}, {"fading": ([3, 4, 5], [0.15, 0.1, 0.05])})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['window: 0.70', 'fading: 0.30']
    """
    spikes, kernels = (_checked(name, x) for name, x in (("spikes", spikes), ("kernels", kernels or {})))
    ax = new_axes(ax, SIZE)
    ax.set(xscale="log", yscale="log")
    weights = np.concatenate([w[w > 0] for _, w in (*spikes.values(), *kernels.values())] or [np.ones(0)])
    bottom = 10.0 ** np.floor(np.log10(max(weights.min(initial=0.1), 1e-6)))
    for k, (name, (age, weight)) in enumerate(spikes.items()):
        style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "zorder": 3}
        age, weight = age[weight >= bottom], weight[weight >= bottom]
        ax.vlines(age, bottom, weight, linewidth=0.8, alpha=0.7, **style)
        ax.plot(age, weight, "o^sD"[k % 4], markersize=3.5, label=_with_sum(name, spikes[name][1]), **style)
    for k, (name, (age, weight)) in enumerate(kernels.items(), len(spikes)):
        colour = COLOURS[k % len(COLOURS)]
        ax.fill_between(age, bottom, np.maximum(weight, bottom), color=colour, alpha=0.3, linewidth=0, zorder=1)
        ax.plot(age, np.maximum(weight, bottom), color=colour, linewidth=1.4, label=_with_sum(name, weight), zorder=2)
    if weights.size:
        ax.set_ylim(bottom=bottom, top=2.0)
    return finish(ax, xlabel="age of the token, steps", ylabel="weight in the answer")


def _checked(what: str, x: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    read = {name: (vector(name, age).real, vector(name, weight).real) for name, (age, weight) in named(what, x).items()}
    for name, (age, weight) in read.items():
        if len(age) != len(weight) or (age < 1).any() or (weight < 0).any():
            raise ShapeError(
                f"{name} has {len(age)} ages and {len(weight)} weights, the least {age.min(initial=1):.3g} and "
                f"{weight.min(initial=0):.3g}; as many, of ages from 1 on and weights from 0 on, are needed"
            )
    return read


def _with_sum(name: str, weight: np.ndarray) -> str:
    return f"{name}: {weight.sum():.2f}"
