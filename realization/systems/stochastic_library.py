"""Named processes, x(t+1) = A x(t) + B w(t), y(t) = C x(t) + D w(t): what a lecture draws, and a test has to survive.

Continuous ones are in `continuous_stochastic_library`, families whose difficulty is a parameter in
`stochastic_families`; `named` lists all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.systems import library
from realization.systems.base import count
from realization.systems.families import between, orthogonal
from realization.systems.linear import LinearSSM
from realization.systems.stochastic import StochasticSSM
from realization.systems.stochastic_families import random_process


def driven_by_noise(system: LinearSSM) -> StochasticSSM:
    """Return the process that a system makes of white noise of unit covariance.

    Parameters
    ----------
    system : LinearSSM
        Its inputs become the noise.

    Returns
    -------
    StochasticSSM
        With the same four matrices.
    """
    return StochasticSSM(system.A, system.B, system.C, system.D)


def white_noise(covariance: Any = ((1.0, 0.5), (0.5, 1.0))) -> StochasticSSM:
    """y(t) white with a given covariance: a process without a past.

    Good for the case n = 0, in which everything has to be an identity.

    Parameters
    ----------
    covariance : array_like
        (p, p), positive semidefinite, or the variance of one output.

    Returns
    -------
    StochasticSSM
        Without a state.

    Examples
    --------
    >>> white_noise()
    StochasticSSM(n=0, m=2, p=2)
    """
    covariance = np.atleast_2d(covariance)
    p = len(covariance)
    return StochasticSSM.from_noise(np.zeros((0, 0)), np.zeros((p, 0)), np.zeros((0, 0)), covariance)


def ar(coefficients: Any = (0.5, 0.3, -0.2)) -> StochasticSSM:
    """y(t) = sum_k a_k y(t-k) + e(t): infinite memory, and a predictor that is a window.

    Good for known answers: Yule and Walker's equations have its coefficients back.

    Parameters
    ----------
    coefficients : array_like
        a, newest first.

    Returns
    -------
    StochasticSSM
        The state is the last outputs.

    Examples
    --------
    >>> ar([0.5]).A.tolist()
    [[0.5]]
    """
    return driven_by_noise(library.autoregression(coefficients))


def ma(weights: Any = (1.0, 0.5, 0.25)) -> StochasticSSM:
    """y(t) = sum_k h_k e(t-k): covariances that end.

    Good for a singular A: reversal must not invert it.

    Parameters
    ----------
    weights : array_like
        h, newest first.

    Returns
    -------
    StochasticSSM
        The state is the last noises: A is nilpotent, P = I.

    Examples
    --------
    >>> ma([1, 0.5]).A.tolist()
    [[0.0]]
    """
    return driven_by_noise(library.moving_average(weights))


def arma(coefficients: Any = (0.6, 0.2), weights: Any = (0.4, 0.3)) -> StochasticSSM:
    """y(t) = sum_k a_k y(t-k) + e(t) + sum_k b_k e(t-k), k = 1 ... n: the innovations form of a scalar process.

    Good for poles and zeros that are chosen.

    Parameters
    ----------
    coefficients, weights : array_like
        a and b, newest first, of one length.

    Returns
    -------
    StochasticSSM
        In observer form, K_k = a_k + b_k.

    Examples
    --------
    >>> arma([0.6], [0.4]).B.tolist()
    [[1.0]]
    """
    a, b = np.asarray(coefficients, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    n = len(a)
    A = np.eye(n, k=1)
    A[:, :1] = a[:, None]
    return StochasticSSM(A, (a + b)[:, None], np.eye(1, n), [[1]])


def first_difference() -> StochasticSSM:
    """y(t) = e(t) - e(t-1): no power at frequency 0.

    Good for the edge of everything that needs Phi > 0: its only realization is the smallest and the largest at once.

    Returns
    -------
    StochasticSSM
        With a zero at 1.

    Examples
    --------
    >>> first_difference().C.tolist()
    [[-1.0]]
    """
    return ma([1.0, -1.0])


def minimum_phase(pole: float = 0.8, zero: float = 0.5) -> StochasticSSM:
    """W = (z - b) / (z - a): the noise can be had back from the past of y.

    Good for a pair with one spectrum, with `maximum_phase`.

    Parameters
    ----------
    pole, zero : float
        a and b, both of modulus below 1.

    Returns
    -------
    StochasticSSM
        With one state.

    Examples
    --------
    >>> minimum_phase().D.tolist()
    [[1.0]]
    """
    return StochasticSSM([[pole]], [[pole - zero]], [[1]], [[1]])


def maximum_phase(pole: float = 0.8, zero: float = 0.5) -> StochasticSSM:
    """W = (1 - b z) / (z - a): the zero of `minimum_phase` mirrored, the noise can be had back from the future of y.

    Good for a pair with one spectrum: |1 - b z| = |z - b| on the circle.

    Parameters
    ----------
    pole, zero : float
        a and b, both of modulus below 1.

    Returns
    -------
    StochasticSSM
        With one state.

    Examples
    --------
    >>> maximum_phase().D.tolist()
    [[-0.5]]
    """
    return StochasticSSM([[pole]], [[1 - zero * pole]], [[1]], [[-zero]])


def smallest_model(A: Any = ((0.7, 0.3), (-0.2, 0.5)), F: Any = ((0.3, -0.2), (0.1, -0.4))) -> StochasticSSM:
    """y(t) - A y(t-1) = e(t) - F e(t-1), F stable: the past of y determines the state, P = P_-.

    Good for the edge of the set of all realizations: a filter has nothing left to estimate.

    Parameters
    ----------
    A, F : array_like
        (n, n), both of spectral radius below 1.

    Returns
    -------
    StochasticSSM
        W = inv(zI - A) (zI - F).

    Examples
    --------
    >>> smallest_model().B.round(12).tolist()
    [[0.4, 0.5], [-0.3, 0.9]]
    """
    A, F = np.asarray(A, dtype=np.float64), np.asarray(F, dtype=np.float64)
    return StochasticSSM(A, A - F, np.eye(len(A)), np.eye(len(A)))


def largest_model(A: Any = ((0.7, 0.3), (-0.2, 0.5)), F: Any = ((1.6, 0.5), (-0.4, -1.5))) -> StochasticSSM:
    """y(t) - A y(t-1) = e(t) - F e(t-1), all of inv(F) stable: the future of y determines the state, P = P_+.

    Good for the other edge of the set: the backward filter has nothing left to estimate.

    Parameters
    ----------
    A, F : array_like
        (n, n), of spectral radius below 1, and with all eigenvalues outside the circle.

    Returns
    -------
    StochasticSSM
        W = inv(zI - A) (zI - F).

    Examples
    --------
    >>> bool((np.abs(np.linalg.eigvals(largest_model().A - largest_model().B)) > 1).all())
    True
    """
    return smallest_model(A, F)


def noisy_oscillator(radius: float = 0.95, angle: float = 0.5, noise: float = 0.5) -> StochasticSSM:
    """A = r [cos a, -sin a; sin a, cos a], seen through noise: a rhythm that forgets its phase.

    Good for complex poles, and for paths that look like something.

    Parameters
    ----------
    radius, angle : float
        r < 1 and a, radians per step.
    noise : float
        Standard deviation of what is added to the output.

    Returns
    -------
    StochasticSSM
        With stationary variance 1 of each state.

    Examples
    --------
    >>> noisy_oscillator()
    StochasticSSM(n=2, m=3, p=1)
    """
    c, s = radius * np.cos(angle), radius * np.sin(angle)
    b = np.sqrt(1 - between("radius", radius, -1, 1) ** 2)
    return StochasticSSM([[c, -s], [s, c]], [[b, 0, 0], [0, b, 0]], [[1, 0]], [[0, 0, noise]])


def follower(delay: int = 1, memory: float = 0.7, coupling: float = 0.9) -> StochasticSSM:
    """y1(t) = a y1(t-1) + e1(t), y2(t) = b y1(t-d) + e2(t): the second repeats what the first has done.

    Good for the direction of time: E y2(t+d) y1(t)' is large and E y1(t+d) y2(t)' is not.

    Parameters
    ----------
    delay : int
        d >= 1.
    memory, coupling : float
        a of modulus below 1, and b.

    Returns
    -------
    StochasticSSM
        The state is y1(t-1), ..., y1(t-d).

    Examples
    --------
    >>> follower(2).C.tolist()
    [[0.7, 0.0], [0.0, 0.9]]
    """
    A = np.eye(int(between("delay", count("delay", delay), 0)), k=-1)
    A[0, 0] += memory
    first, last = np.eye(1, delay), np.eye(1, delay, k=delay - 1)
    B = np.hstack([first.T, np.zeros((delay, 1))])
    return StochasticSSM(A, B, np.vstack([memory * first, coupling * last]), [[1, 0], [0, 0.5]])


def near_unit_root(pole: float = 0.999, noise: float = 1.0) -> StochasticSSM:
    """x(t+1) = a x(t) + sqrt(1 - a^2) w(t), seen through noise, a close to 1: a level that hardly returns.

    Good for long memory: a thousand steps are one time constant.

    Parameters
    ----------
    pole : float
        a, of modulus below 1.
    noise : float
        Standard deviation of what is added to the output.

    Returns
    -------
    StochasticSSM
        With stationary variance 1 of the state.

    Examples
    --------
    >>> near_unit_root(0.6).B.tolist()
    [[0.8, 0.0]]
    """
    b = np.sqrt(1 - between("pole", pole, -1, 1) ** 2)
    return StochasticSSM([[pole]], [[b, 0]], [[1]], [[0, noise]])


def badly_scaled_process(ratio: float = 1e12, *, rng: Any = 0) -> StochasticSSM:
    """`stochastic_families.random_process` with states in units that differ by many powers of ten.

    Good for what must not depend on units: cond(P) is ratio^2, and not a digit is lost.

    Parameters
    ----------
    ratio : float
        Largest unit over the smallest; the units are powers of 2, so the change is exact.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    StochasticSSM
        With four states.

    Examples
    --------
    >>> bool(np.abs(badly_scaled_process().B).max() > 1e11)
    True
    """
    well = random_process(condition=1.0, rng=rng)
    g = 2.0 ** np.round(np.linspace(0, np.log2(between("ratio", ratio, 0)), len(well.A)))
    return StochasticSSM(well.A * g[:, None] / g, well.B * g[:, None], well.C / g, well.D)


def hardly_reached(distance: float = 1e-4, states: int = 4, *, rng: Any = 0) -> StochasticSSM:
    """One direction of the state, in no particular basis, that noise reaches with strength `distance` only.

    Good for laws of error: cond(P) is about 1 / distance^2.

    Parameters
    ----------
    distance : float
        0 makes P singular.
    states : int
        n.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    StochasticSSM
        A symmetric, one output with noise of its own.

    Examples
    --------
    >>> round(float(np.linalg.svd(hardly_reached(1e-4).B)[1].min()), 12)
    0.0001
    """
    Q = orthogonal(states, rng=rng)
    poles = 0.9 * np.linspace(1, -0.5, states)
    B = Q * np.append(np.ones(states - 1), distance)
    return StochasticSSM(
        Q * poles @ Q.T, np.hstack([B, np.zeros((states, 1))]), np.ones((1, states)), np.eye(1, states + 1, k=states)
    )


def silent_state() -> StochasticSSM:
    """x2(t+1) = x2(t) / 2 without noise: stationary it is 0.

    Good for a singular P, which has no model backward in z = inv(P) x.

    Returns
    -------
    StochasticSSM
        With two states, of which noise reaches the first.

    Examples
    --------
    >>> silent_state().B[1].tolist()
    [0.0, 0.0]
    """
    return StochasticSSM([[0.8, 0], [0, 0.5]], [[1, 0], [0, 0]], [[1, 1]], [[0, 1]])


def shared_noise(pole: float = 0.6) -> StochasticSSM:
    """Two outputs driven by one noise: y2 is a function of y1.

    Good for a spectral density of rank 1 at every frequency.

    Parameters
    ----------
    pole : float
        Of modulus below 1.

    Returns
    -------
    StochasticSSM
        With one state and one noise.

    Examples
    --------
    >>> shared_noise().noise_covariance.tolist()
    [[1.0, 1.0, 2.0], [1.0, 1.0, 2.0], [2.0, 2.0, 4.0]]
    """
    return StochasticSSM([[pole]], [[1]], [[1], [-1]], [[1], [2]])


def noisy_level(signal: float = 1.0, noise: float = 2.0) -> StochasticSSM:
    """x(t+1) = x(t) + w(t), seen through noise: the local level of econometrics.

    Good for a process without a stationary state: a filter has one, the process has not.

    Parameters
    ----------
    signal, noise : float
        Standard deviations of a step and of what is added to the output.

    Returns
    -------
    StochasticSSM
        With spectral radius 1.

    Examples
    --------
    >>> noisy_level().A.tolist()
    [[1.0]]
    """
    return StochasticSSM([[1]], [[signal, 0]], [[1]], [[0, noise]])


def local_linear_trend(level: float = 0.5, slope: float = 0.1, noise: float = 1.0) -> StochasticSSM:
    """A level that grows by a slope, both of them wandering, seen through noise.

    Good for two states that need two observations before anything is known of them.

    Parameters
    ----------
    level, slope, noise : float
        Standard deviations of the two steps and of what is added to the output.

    Returns
    -------
    StochasticSSM
        With a Jordan block of size 2 at 1.

    Examples
    --------
    >>> local_linear_trend().A.tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return StochasticSSM([[1, 1], [0, 1]], [[level, 0, 0], [0, slope, 0]], [[1, 0]], [[0, 0, noise]])


def integrated_random_walk(signal: float = 0.1, noise: float = 1.0) -> StochasticSSM:
    """`local_linear_trend` whose level has no noise of its own: smooth curves.

    Good for noise of lower rank than the state.

    Parameters
    ----------
    signal, noise : float
        Standard deviations of a step of the slope and of what is added to the output.

    Returns
    -------
    StochasticSSM
        With a Jordan block of size 2 at 1.

    Examples
    --------
    >>> integrated_random_walk().B.tolist()
    [[0.0, 0.0], [0.1, 0.0]]
    """
    return StochasticSSM([[1, 1], [0, 1]], [[0, 0], [signal, 0]], [[1, 0]], [[0, noise]])


def tracking(step: float = 0.1, acceleration: float = 1.0, noise: float = 0.5) -> StochasticSSM:
    """Position and velocity under white acceleration, sampled exactly, in noise: the target of radar trackers.

    Good for filters: the textbook example, with a noise covariance h^3/3, h^2/2, h.

    Parameters
    ----------
    step : float
        h.
    acceleration, noise : float
        Intensity of the acceleration, and standard deviation of what is added to the position.

    Returns
    -------
    StochasticSSM
        With a Jordan block of size 2 at 1.

    Examples
    --------
    >>> tracking(1.0).noise_covariance.round(4).tolist()
    [[0.3333, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.25]]
    """
    h, q = step, acceleration**2
    return StochasticSSM.from_noise(
        [[1, h], [0, 1]], [[1, 0]], Q=[[q * h**3 / 3, q * h**2 / 2], [q * h**2 / 2, q * h]], R=[[noise**2]]
    )
