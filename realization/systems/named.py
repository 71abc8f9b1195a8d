"""The named systems with their defaults, so that tests and pages go through all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realization.systems import (
    bilinear_library,
    continuous_library,
    continuous_stochastic_library,
    families,
    library,
    stochastic_families,
    stochastic_library,
)


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
    "reachable": "noise reaches every state: the covariance of the state, where there is one, is positive definite",
    "coercive": "spectral density > 0 at every frequency",
    "internal": "the outputs, past and future, determine the state: no more noises than they have themselves",
    "external": "they do not: more noises than the outputs have themselves",
    "smallest": "the past of the outputs determines the state, P = P_-: internal, no zero outside",
    "largest": "their future determines the state, P = P_+: internal, no zero inside",
    "symmetric": "E y(t+k) y(t)' is symmetric for all k: backward in time the output looks the same",
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

NAMED_STOCHASTIC = table(
    (
        stochastic_library.white_noise,
        "no past, no state",
        "stable reachable coercive internal smallest largest symmetric",
    ),
    (
        stochastic_library.ar,
        "companion matrix, infinite memory",
        "stable reachable coercive internal smallest symmetric",
    ),
    (
        stochastic_library.ma,
        "covariances that end",
        "stable nilpotent defective reachable coercive internal smallest symmetric",
    ),
    (stochastic_library.arma, "chosen poles and zeros", "stable reachable coercive internal smallest symmetric"),
    (
        stochastic_library.first_difference,
        "no power at frequency 0",
        "stable nilpotent reachable internal smallest largest symmetric",
    ),
    (stochastic_library.minimum_phase, "noise from the past", "stable reachable coercive internal smallest symmetric"),
    (stochastic_library.maximum_phase, "noise from the future", "stable reachable coercive internal largest symmetric"),
    (stochastic_library.smallest_model, "P = P_-", "stable reachable coercive internal smallest"),
    (stochastic_library.largest_model, "P = P_+", "stable reachable coercive internal largest"),
    (stochastic_library.noisy_oscillator, "a rhythm in noise", "stable reachable coercive external symmetric"),
    (stochastic_library.follower, "cause before effect", "stable reachable coercive internal smallest"),
    (stochastic_library.near_unit_root, "a level that hardly returns", "stable reachable coercive external symmetric"),
    (stochastic_library.shared_noise, "two outputs of one noise", "stable reachable internal"),
    (stochastic_library.silent_state, "a singular state covariance", "stable coercive external symmetric"),
    (
        stochastic_library.hardly_reached,
        "a state covariance of condition 1e8",
        "stable reachable coercive external symmetric hard",
    ),
    (
        stochastic_library.badly_scaled_process,
        "units that differ by many powers of ten",
        "stable reachable coercive external",
    ),
    (stochastic_families.random_process, "poles and basis of known condition", "stable reachable coercive external"),
    (stochastic_library.noisy_level, "a random walk in noise", "reachable"),
    (stochastic_library.local_linear_trend, "level and slope, both wandering", "defective reachable"),
    (stochastic_library.integrated_random_walk, "smooth curves", "defective reachable"),
    (stochastic_library.tracking, "position from radar", "defective reachable"),
)

NAMED_CONTINUOUS_STOCHASTIC = table(
    (
        continuous_stochastic_library.ornstein_uhlenbeck,
        "the stationary Markov process",
        "stable reachable coercive external symmetric",
    ),
    (
        continuous_stochastic_library.damped_resonator,
        "a resonance in a bath",
        "stable reachable coercive external symmetric",
    ),
    (
        continuous_stochastic_library.critically_damped_langevin,
        "position and momentum, a double rate",
        "stable defective reachable coercive external symmetric",
    ),
    (continuous_stochastic_library.chase, "cause before effect", "stable reachable coercive external"),
    (
        continuous_stochastic_library.slow_and_fast_noise,
        "a stiff process",
        "stable reachable coercive external symmetric",
    ),
    (continuous_stochastic_library.integrated_ornstein_uhlenbeck, "inertia", "reachable"),
)
