"""Figures of whole systems: here something is computed before it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.linalg.dense import spectral_radius
from realization.linalg.gramians import hankel_singular_values
from realization.memory.fading import decay_envelope, remains
from realization.plotting.frame import named
from realization.plotting.matrices import spectrum
from realization.plotting.remembering import memory_decay
from realization.plotting.responses import bode, impulse, pole_zero
from realization.systems import LinearSSM, frequency_response, hankel_operator, markov_parameters, poles, zeros
from realization.systems.base import single


def portrait(system: LinearSSM, *, steps: int = 40) -> dict[str, Any]:
    """Draw a system from four sides: poles and zeros, impulse response, frequency response, Hankel singular values.

    Parameters
    ----------
    system : LinearSSM
        Without batch axes.  Where it is not stable the singular values are those of the Hankel
        matrix of n steps.
    steps : int
        Length of the impulse response.

    Returns
    -------
    dict
        Axes by the names poles, impulse, size, angle, hankel.

    Raises
    ------
    ShapeError
        If the system is of another kind or has batch axes.

    Examples
    --------
    >>> from realization.systems.library import delay_line
    >>> axes = portrait(delay_line(4))
    >>> [line.get_ydata().tolist() for line in axes["hankel"].lines if line.get_marker() == "o"]
    [[1.0, 1.0, 1.0, 1.0]]
    """
    import matplotlib.pyplot as plt

    single("portrait", system, LinearSSM)
    H = hankel_operator(system)
    stable = spectral_radius(system.A) < 1
    values = hankel_singular_values(system.A, system.B, system.C) if stable else np.linalg.svd(H.dense())[1]
    omega = np.geomspace(1e-2, np.pi, 400)
    sides = [["poles", "impulse"], ["size", "hankel"], ["angle", "hankel"]]
    axes = plt.figure(figsize=(8.4, 7.2), layout="constrained").subplot_mosaic(sides, height_ratios=[2, 1, 1])
    pole_zero(poles(system), zeros(system), ax=axes["poles"])
    impulse(markov_parameters(system, steps), ax=axes["impulse"])
    bode(omega, frequency_response(system, omega), axes=(axes["size"], axes["angle"]))
    spectrum(values, ax=axes["hankel"])
    if legend := axes["size"].get_legend():
        legend.remove()  # the colours are those of the impulse responses
    return axes


def memory_of(systems: Mapping[str, LinearSSM], *, steps: int = 40, ax: Any = None) -> Any:
    """Draw |A^t B| over |B| for systems, with a proved envelope for each that fades.

    Parameters
    ----------
    systems : mapping of str to LinearSSM
        Without batch axes.
    steps : int
        How far to look.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        As `memory_decay` returns them.

    Raises
    ------
    ShapeError
        If a system is of another kind or has batch axes.

    Examples
    --------
    >>> from realization.systems.library import delay_line, diagonal
    >>> ax = memory_of({"window": delay_line(4), "fading": diagonal([0.5])}, steps=8)
    >>> (envelope,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    >>> envelope.get_ydata()[:4].round(6).tolist()
    [1.0, 0.5, 0.25, 0.125]
    """
    for name, system in named("systems", systems).items():
        single(f"memory_of {name}", system, LinearSSM)
    left = {name: remains(system.A, system.B, steps=steps) for name, system in systems.items()}
    size = {name: x[0] if steps and x[0] else 1.0 for name, x in left.items()}
    envelopes = {}
    for name, system in systems.items():
        # what ends within the figure needs no bound
        if left[name][-1:].any() and spectral_radius(system.A) < 1:
            decay = decay_envelope(system.A, system.B)
            envelopes[name] = decay.c / size[name], decay.rate
    return memory_decay({name: x / size[name] for name, x in left.items()}, envelopes, ax=ax)
