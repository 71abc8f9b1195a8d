"""The named systems with their defaults, so that tests and pages go through all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realization.systems import bilinear_library, continuous_library, families, library


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """An entry of the library.

    Parameters
    ----------
    name : str
        Its key in `NAMED`.
    make : callable
        Every parameter has a default; what it returns has the traits.
    shows : str
        What the system is good for, in one line.
    traits : frozenset of str
        Of `TRAITS`: what is true of the defaults, by construction.
    """

    name: str
    make: Callable[..., Any]
    shows: str
    traits: frozenset[str]


TRAITS = {
    "stable": "spectral radius below 1, or abscissa below 0",
    "minimal": "controllable and observable",
    "redundant": "has states that are not both, by construction",
    "nilpotent": "A^n = 0",
    "separated": "eigenvalues no closer than a tenth of the spectral radius over n",
    "defective": "has a Jordan block larger than 1",
    "exact": "entries are short binary fractions: a rational twin answers for it",
    "hard": "a decision about it is close to what rounding can decide",
}


def table(*rows: tuple[Callable[..., Any], str, str]) -> dict[str, Named]:
    """Return entries by the names of their functions.

    Parameters
    ----------
    *rows : tuple
        Function, what it shows, its traits separated by blanks.

    Returns
    -------
    dict
        In the order given.

    Examples
    --------
    >>> table((library.delay_line, "exact memory", "stable"))["delay_line"].shows
    'exact memory'
    """
    return {make.__name__: Named(make.__name__, make, shows, frozenset(traits.split())) for make, shows, traits in rows}


NAMED = table(
    (library.delay_line, "exact memory that ends", "stable minimal nilpotent defective exact"),
    (library.moving_average, "a window, read linearly", "stable minimal nilpotent defective"),
    (library.autoregression, "companion matrix, infinite memory", "stable minimal separated"),
    (library.autoregression_predictor, "an autoregressive model is a window", "stable minimal nilpotent defective"),
    (library.oscillator, "complex poles in real arithmetic", "stable minimal separated"),
    (library.diagonal, "fading modes side by side", "stable minimal separated"),
    (library.mamba_channel, "a Mamba channel at one step size", "stable minimal separated"),
    (library.window_and_fading, "exact and fading memory", "stable minimal defective"),
    (library.integrators, "memory that neither ends nor fades", "minimal defective exact"),
    (library.unstable, "a pole outside the circle", "minimal separated"),
    (library.static_gain, "no state at all", "stable minimal nilpotent separated exact"),
    (library.sampled_legs, "HiPPO-LegS, far from normal", "stable minimal separated hard"),
    (families.random_stable, "poles and basis of known condition", "stable minimal separated"),
    (families.hidden_jordan, "Jordan blocks that no eigenvalue shows", "stable minimal defective"),
    (families.nearly_uncontrollable, "one mode that the input hardly reaches", "stable minimal separated hard"),
    (families.badly_scaled, "units that differ by many powers of ten", "stable minimal separated"),
    (families.redundant, "30 of 50 states do nothing", "stable redundant"),
    (families.with_indices, "several inputs, known indices", "stable minimal"),
    (families.close_poles, "poles closer than a companion's basis bears", "stable minimal hard"),
)

NAMED_CONTINUOUS = table(
    (continuous_library.legs, "HiPPO-LegS, far from normal", "stable minimal separated hard"),
    (continuous_library.modes, "fading modes side by side", "stable minimal separated exact"),
    (continuous_library.resonator, "a resonance", "stable minimal separated"),
    (continuous_library.integrator_chain, "nilpotent, and yet it does not forget", "minimal nilpotent defective exact"),
    (continuous_library.slow_and_fast, "a stiff system", "stable minimal separated"),
    (continuous_library.close_rates, "poles closer than a basis bears", "stable minimal hard"),
)

NAMED_BILINEAR = table(
    (bilinear_library.gated_register, "nilpotent in writes, not in time", ""),
    (bilinear_library.selective_channel, "decays chosen at every step", ""),
)
