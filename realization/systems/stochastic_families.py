"""Processes whose difficulty is a parameter: condition of the basis, spectral radius, how far from singular.

    x(t+1) = A x(t) + B w(t),    y(t) = C x(t) + D w(t) + E v(t)

with A as in `families`; E is well conditioned, so that Phi >= E E' > 0 at every frequency.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.linalg.dense import spectral_radius
from realization.systems.base import count
from realization.systems.families import conditioned, random_stable
from realization.systems.stochastic import InnovationsSSM, StochasticSSM


def random_process(
    states: int = 4,
    outputs: int = 2,
    noises: int = 3,
    *,
    condition: float = 10.0,
    radius: float = 0.9,
    weight: float = 1.0,
    rng: Any = 0,
) -> StochasticSSM:
    """B = [B1 0], D = [D1 weight E], E with singular values from 2 to 1/2: a spectral density >= weight^2 / 4.

    Good for whatever needs Phi > 0, and with a small weight for what comes close to losing it.

    Parameters
    ----------
    states, outputs, noises : int
        n, p, and the columns of B1; the model has noises + p.
    condition : float
        Of the basis.
    radius : float
        Largest |eigenvalue|, below 1.
    weight : float
        Of the noise that the output has for itself.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    StochasticSSM
        Reachable with probability 1 if noises > 0.

    Examples
    --------
    >>> random_process(3, 2, 1)
    StochasticSSM(n=3, m=3, p=2)
    """
    rng = np.random.default_rng(rng)
    system = random_stable(states, noises, outputs, condition=condition, radius=radius, rng=rng)
    E = weight * conditioned(outputs, 4.0, rng=rng)
    B = np.hstack([system.B, np.zeros((count("states", states), outputs))])
    return StochasticSSM(system.A, B, system.C, np.hstack([system.D, E]))


def random_innovations(
    states: int = 4, outputs: int = 2, *, condition: float = 10.0, radius: float = 0.9, rng: Any = 0
) -> InnovationsSSM:
    """K so small that A and A - K C are stable: the past of y determines x, and the zeros lie inside the circle.

    Good for P = P_-: this is the smallest realization of its process.

    Parameters
    ----------
    states, outputs : int
        n and p.
    condition : float
        Of the basis, for A - K C.
    radius : float
        Spectral radius of A - K C; that of A is at most (1 + radius) / 2.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    InnovationsSSM
        With R = E E' of condition 16.

    Examples
    --------
    >>> model = random_innovations(3, 1, radius=0.5)
    >>> round(float(np.abs(np.linalg.eigvals(model.predictor)).max()), 12)
    0.5
    """
    rng = np.random.default_rng(rng)
    predictor = random_stable(states, outputs, outputs, condition=condition, radius=radius, rng=rng)
    F, K, C = predictor.A, predictor.B, predictor.C
    while spectral_radius(F + K @ C) > (1 + radius) / 2:
        K = K / 2
    E = conditioned(outputs, 4.0, rng=rng)
    return InnovationsSSM(F + K @ C, K, C, E @ E.T)
