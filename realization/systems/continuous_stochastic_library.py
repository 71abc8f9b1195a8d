"""Named processes in continuous time, dx = A x dt + B dw, dy = C x dt + D dw; y is what a noisy meter adds up."""

from __future__ import annotations

import numpy as np

from realization.systems.families import between
from realization.systems.stochastic import ContinuousStochasticSSM


def ornstein_uhlenbeck(rate: float = 1.0, noise: float = 0.5) -> ContinuousStochasticSSM:
    """dx = -a x dt + sqrt(2 a) dw: the stationary Markov process with variance 1.

    Good for answers in closed form: E x(t+s) x(t) = exp(-a s), and backward it looks the same.

    Parameters
    ----------
    rate : float
        a > 0.
    noise : float
        Of the meter.

    Returns
    -------
    ContinuousStochasticSSM
        With one state.

    Examples
    --------
    >>> ornstein_uhlenbeck(2.0).B.tolist()
    [[2.0, 0.0]]
    """
    b = np.sqrt(2 * between("rate", rate, 0))
    return ContinuousStochasticSSM([[-rate]], [[b, 0]], [[1]], [[0, noise]])


def integrated_ornstein_uhlenbeck(rate: float = 1.0, noise: float = 0.5) -> ContinuousStochasticSSM:
    """Position of a particle whose velocity is `ornstein_uhlenbeck`: Brownian motion with inertia.

    Good for a process without a stationary state that is nearly known.

    Parameters
    ----------
    rate : float
        a > 0.
    noise : float
        Of the meter.

    Returns
    -------
    ContinuousStochasticSSM
        Position and velocity.

    Examples
    --------
    >>> integrated_ornstein_uhlenbeck().A.tolist()
    [[0.0, 1.0], [0.0, -1.0]]
    """
    b = np.sqrt(2 * between("rate", rate, 0))
    return ContinuousStochasticSSM([[0, 1], [0, -rate]], [[0, 0], [b, 0]], [[1, 0]], [[0, noise]])


def damped_resonator(frequency: float = 2.0, damping: float = 0.1, noise: float = 0.5) -> ContinuousStochasticSSM:
    """A mass on a spring in a thermal bath: dq = w p dt, dp = -(w q + 2 d w p) dt + sqrt(4 d w) db.

    Good for an asymmetry in time that no output shows: p changes its sign, q does not.

    Parameters
    ----------
    frequency, damping : float
        w and d > 0.
    noise : float
        Of the meter of q.

    Returns
    -------
    ContinuousStochasticSSM
        With stationary covariance I.

    Examples
    --------
    >>> damped_resonator(2.0, 0.5).A.tolist()
    [[0.0, 2.0], [-2.0, -2.0]]
    """
    w, d = between("frequency", frequency, 0), between("damping", damping, 0)
    return ContinuousStochasticSSM(
        [[0, w], [-w, -2 * d * w]], [[0, 0], [np.sqrt(4 * d * w), 0]], [[1, 0]], [[0, noise]]
    )


def critically_damped_langevin(frequency: float = 1.0, noise: float = 0.5) -> ContinuousStochasticSSM:
    """`damped_resonator` with damping 1: the double rate at which position and momentum mix fastest.

    Good for a drift that is not diagonalizable.

    Parameters
    ----------
    frequency : float
        The double rate is -frequency.
    noise : float
        Of the meter of q.

    Returns
    -------
    ContinuousStochasticSSM
        With stationary covariance I.

    Examples
    --------
    >>> critically_damped_langevin().A.tolist()
    [[0.0, 1.0], [-1.0, -2.0]]
    """
    return damped_resonator(frequency, 1.0, noise)


def chase(lag: float = 0.5, rate: float = 1.0, noise: float = 0.3) -> ContinuousStochasticSSM:
    """dx1 = -a x1 dt + dw1, dx2 = (x1 - x2) / lag dt + small dw2: the second runs after the first.

    Good for the direction of time in continuous time: reversed, the first runs after the second.

    Parameters
    ----------
    lag, rate : float
        Time constant of the second, and a, both > 0.
    noise : float
        Of the second, and of both meters.

    Returns
    -------
    ContinuousStochasticSSM
        With two states, four noises and two outputs.

    Examples
    --------
    >>> chase().A.tolist()
    [[-1.0, 0.0], [2.0, -2.0]]
    """
    lag, rate = between("lag", lag, 0), between("rate", rate, 0)
    return ContinuousStochasticSSM(
        [[-rate, 0], [1 / lag, -1 / lag]], np.diag([1, noise, 0, 0])[:2], np.eye(2), noise * np.eye(2, 4, k=2)
    )


def slow_and_fast_noise(ratio: float = 1e6, noise: float = 0.5) -> ContinuousStochasticSSM:
    """Rates 1 and `ratio`, each of variance 1: a stiff process.

    Good for steps in which exp(-A h) overflows.

    Parameters
    ----------
    ratio : float
        Of the two rates.
    noise : float
        Of the meter of the sum.

    Returns
    -------
    ContinuousStochasticSSM
        With stationary covariance I.

    Examples
    --------
    >>> slow_and_fast_noise(50.0).B[1].tolist()
    [0.0, 10.0, 0.0]
    """
    return ContinuousStochasticSSM(
        np.diag([-1.0, -between("ratio", ratio, 0)]),
        [[np.sqrt(2), 0, 0], [0, np.sqrt(2 * ratio), 0]],
        [[1, 1]],
        [[0, 0, noise]],
    )
