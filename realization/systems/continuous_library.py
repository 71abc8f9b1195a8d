"""Named systems in continuous time, dx/dt = A x + B u: what discretisation, margins and poles are shown on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import legendre

from realization.systems import families
from realization.systems.base import count
from realization.systems.continuous import ContinuousSSM


def legs(states: int = 6, delay: float = 0.5) -> ContinuousSSM:
    """A_ij = -sqrt((2i+1)(2j+1)) below the diagonal, -(i+1) on it, B_i = sqrt(2i+1): HiPPO-LegS.

    exp(A s) B = e^-s L_i(e^-s), with L_i the Legendre polynomials that are orthonormal
    on (0, 1): x are the coefficients of the past on the warped axis v = e^-s, and
    C_i = L_i(e^-delay) reads from them what u was `delay` ago.  Good for a fading memory
    that is far from normal.

    Parameters
    ----------
    states : int
        Number of coefficients, n.
    delay : float
        How far back the read-out looks, >= 0.

    Returns
    -------
    ContinuousSSM
        Poles -1 ... -n, one input, one output.

    References
    ----------
    Gu, Dao, Ermon, Rudra, Re, "HiPPO: recurrent memory with optimal polynomial projections", 2020.

    Examples
    --------
    >>> legs(2).A.round(3).tolist(), legs(2).B.ravel().round(3).tolist()
    ([[-1.0, 0.0], [-1.732, -2.0]], [1.0, 1.732])
    """
    i = np.arange(count("states", states))
    root = np.sqrt(2.0 * i + 1)
    A = np.tril(-np.outer(root, root), -1) - np.diag(i + 1.0)
    C = root * legendre.legvander(np.array([2 * np.exp(-delay) - 1]), max(states - 1, 0))[:, :states]
    return ContinuousSSM(A, root[:, None], C, [[0]])


def modes(rates: Any = (1.0, 2.0, 4.0)) -> ContinuousSSM:
    """dx_i/dt = -a_i x_i + u, y = sum x_i: fading modes side by side.

    Good for a Mamba channel before its step size is chosen: a = 1 ... n there.

    Parameters
    ----------
    rates : array_like
        a, (n,); the time constants are 1/a.

    Returns
    -------
    ContinuousSSM
        A = -diag(rates).

    Examples
    --------
    >>> modes([2.0]).A.tolist()
    [[-2.0]]
    """
    a = np.asarray(rates, dtype=np.float64)
    return ContinuousSSM(-np.diag(a), np.ones((len(a), 1)), np.ones((1, len(a))), [[0]])


def resonator(frequency: float = 2.0, damping: float = 0.1) -> ContinuousSSM:
    """w^2 / (s^2 + 2 d w s + w^2): a mass, a spring and a damper.

    Good for frequency responses, and for what a step size does to a resonance.

    Parameters
    ----------
    frequency : float
        w > 0, radians per unit of time.
    damping : float
        d; 0 does not fade, 1 is critical: a double pole.

    Returns
    -------
    ContinuousSSM
        States: position and velocity over w.

    Examples
    --------
    >>> resonator(2.0, 0.25).A.tolist()
    [[0.0, 2.0], [-2.0, -1.0]]
    """
    w, d = frequency, damping
    return ContinuousSSM([[0, w], [-w, -2 * d * w]], [[0], [w]], [[1, 0]], [[0]])


def integrator_chain(order: int = 2) -> ContinuousSSM:
    """1 / s^order: position from acceleration, order 2.

    Good for what must be refused where stability is needed; A is nilpotent, and its memory does not end.

    Parameters
    ----------
    order : int
        Number of integrators; without one the output is the input.

    Returns
    -------
    ContinuousSSM
        The input enters the last state; the output is the first.

    Examples
    --------
    >>> integrator_chain(2).A.tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    n = count("order", order)
    return ContinuousSSM(np.eye(n, k=1), np.eye(n, 1, k=1 - n), np.eye(1, n), [[not n]])


def slow_and_fast(ratio: float = 1e4) -> ContinuousSSM:
    """Poles -1 and -ratio: a stiff system.

    Good for discretisation: a step made for the slow mode is a catastrophe for the fast one under Euler's rule.

    Parameters
    ----------
    ratio : float
        Of the two rates.

    Returns
    -------
    ContinuousSSM
        Coupled: the fast state drives the slow one.

    Examples
    --------
    >>> slow_and_fast(100.0).A.tolist()
    [[-1.0, 1.0], [0.0, -100.0]]
    """
    return ContinuousSSM([[-1, 1], [0, -ratio]], [[0], [ratio]], [[1, 0]], [[0]])


def close_rates(states: int = 4, gap: float = 1e-4) -> ContinuousSSM:
    """Poles -1 + k gap, k = 0 ... n-1: `families.close_poles` in continuous time.

    Good for companion forms, whose coefficients are well determined here for every gap.

    Parameters
    ----------
    states : int
        n.
    gap : float
        Distance between neighbours, < 1/n.

    Returns
    -------
    ContinuousSSM
        One input, one output, A symmetric.

    Examples
    --------
    >>> np.linalg.eigvalsh(close_rates(3, 0.125).A).round(12).tolist()
    [-1.0, -0.875, -0.75]
    """
    system = families.close_poles(states, gap, centre=-1.0)
    return ContinuousSSM(system.A, system.B, system.C, system.D)
