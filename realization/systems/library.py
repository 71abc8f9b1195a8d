"""Named systems, each good for something: what a lecture draws, and what a test has to survive.

Time is discrete, x(t+1) = A x + B u; continuous ones are in `continuous_library`, bilinear ones
in `bilinear_library`, families whose difficulty is a parameter in `families`; `named` lists all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import block_diag

from realization.core.errors import ShapeError
from realization.systems.base import count
from realization.systems.continuous_library import legs
from realization.systems.discretize import zero_order_hold
from realization.systems.linear import LinearSSM


def shift(steps: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A = S (x) I, B = e_last (x) I: a register of inputs, the oldest first; S has ones above its diagonal.

    Parameters
    ----------
    steps, width : int
        Number of entries and size of one.

    Returns
    -------
    tuple of ndarray
        A (n, n) and B (n, width), n = steps width.

    Raises
    ------
    ShapeError
        If one of the two is negative or no whole number.

    Examples
    --------
    >>> shift(2, 1)[0].tolist(), shift(2, 1)[1].ravel().tolist()
    ([[0.0, 1.0], [0.0, 0.0]], [0.0, 1.0])
    """
    steps, eye = count("steps", steps), np.eye(count("width", width))
    return np.kron(np.eye(steps, k=1), eye), np.kron(np.eye(steps, 1, k=1 - steps), eye)


def delay_line(steps: int = 4, width: int = 1) -> LinearSSM:
    """y(t) = u(t - steps): the system that remembers perfectly, and then not at all.

    Good for everything nilpotent: A^steps = 0 exactly, all Hankel singular values are 1.

    Parameters
    ----------
    steps : int
        Length of the delay; n = steps width.
    width : int
        Number of inputs and of outputs.

    Returns
    -------
    LinearSSM
        Superdiagonal ones, the input at the end.

    Raises
    ------
    ShapeError
        If one of the two is negative or no whole number.

    Examples
    --------
    >>> delay_line(2).simulate([[1], [0], [0], [0]]).y.ravel().tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    A, B = shift(steps, width)
    n = len(A)
    D = np.eye(width) if not steps else np.zeros((width, width))
    return LinearSSM(A, B, np.eye(width, n), D)


def moving_average(weights: Any = (0.4, 0.3, 0.2, 0.1)) -> LinearSSM:
    """y(t) = sum_k h_k u(t - k), k = 0 ... w: a window, read linearly.

    Good for finite memory with a read-out: nilpotent like the delay, h_0 is D.

    Parameters
    ----------
    weights : array_like
        h, newest first: (w+1,), or (w+1, p, m) for p outputs and m inputs.

    Returns
    -------
    LinearSSM
        The register of the w inputs before the current one: n = w m.

    Raises
    ------
    ShapeError
        If there is no weight, or the axes are others.

    Examples
    --------
    >>> moving_average([1, 2, 3]).simulate([[1], [0], [0], [0]]).y.ravel().tolist()
    [1.0, 2.0, 3.0, 0.0]
    """
    h = np.asarray(weights, dtype=np.float64)
    h = h[:, None, None] if h.ndim == 1 else h
    if h.ndim != 3 or not len(h):
        raise ShapeError(f"weights has shape {np.shape(weights)}; (w+1,) or (w+1, p, m) is needed, w at least 0")
    A, B = shift(len(h) - 1, h.shape[2])
    return LinearSSM(A, B, C=np.hstack([*h[:0:-1], np.zeros((h.shape[1], 0))]), D=h[0])


def autoregression(coefficients: Any = (0.5, 0.3, -0.2)) -> LinearSSM:
    """y(t) = sum_k a_k y(t - k) + e(t), k = 1 ... p: from the innovation e to y.

    Good for the meeting of window and fading memory: the companion matrix of the
    coefficients, of infinite memory, whose predictor is a window.

    Parameters
    ----------
    coefficients : array_like
        (p,): a_1 first, the weight of the latest output.

    Returns
    -------
    LinearSSM
        State (y(t-p), ..., y(t-1)):  A = S + e_p a', B = e_p, C = a', D = 1, a reversed.

    Examples
    --------
    >>> autoregression([0.5]).simulate([[1], [0], [0]]).y.ravel().tolist()
    [1.0, 0.5, 0.25]
    """
    a = np.asarray(coefficients, dtype=np.float64)[None, ::-1]
    S, e = shift(a.shape[1], 1)
    return LinearSSM(A=S + e @ a, B=e, C=a, D=[[1]])


def autoregression_predictor(coefficients: Any = (0.5, 0.3, -0.2)) -> LinearSSM:
    """yhat(t) = sum_k a_k y(t - k), k = 1 ... p: from the output y to its prediction.

    Good for seeing that an autoregressive model *is* a window: its matrix A - B C is the shift.

    Parameters
    ----------
    coefficients : array_like
        (p,): a_1 first, as in `autoregression`.

    Returns
    -------
    LinearSSM
        (A - B C, B, C, 0) of the autoregression, nilpotent of index p.

    Examples
    --------
    >>> autoregression_predictor([0.5, 0.25]).simulate([[1], [0], [0], [0]]).y.ravel().tolist()
    [0.0, 0.5, 0.25, 0.0]
    """
    return moving_average(np.append(0.0, np.asarray(coefficients, dtype=np.float64)))


def oscillator(radius: float = 0.95, angle: float = np.pi / 8) -> LinearSSM:
    """Poles r exp(+-i w): y(t) = r^(t-1) cos(w (t-1)) after an impulse at 0.

    Good for complex poles in real arithmetic, and at radius 1 for a system on the edge.

    Parameters
    ----------
    radius : float
        Modulus r of the two poles.
    angle : float
        Their argument w, in radians per step.

    Returns
    -------
    LinearSSM
        A is r times a rotation.

    Examples
    --------
    >>> oscillator(1, np.pi / 2).simulate(np.eye(6, 1)).y.ravel().round(12).tolist()
    [0.0, 1.0, 0.0, -1.0, -0.0, 1.0]
    """
    c, s = radius * np.cos(angle), radius * np.sin(angle)
    return LinearSSM(A=[[c, -s], [s, c]], B=[[1], [0]], C=[[1, 0]], D=[[0]])


def diagonal(poles: Any = (0.9, 0.6, 0.3), gains: Any = None) -> LinearSSM:
    """y(t) = sum_i c_i sum_{s<t} l_i^(t-1-s) u(s): fading modes side by side.

    Good for the fading half of the story: S4D, LRU and RetNet are of this form.

    Parameters
    ----------
    poles : array_like
        (n,), real or complex.
    gains : array_like, optional
        Read-out c, (n,).  Default: ones.

    Returns
    -------
    LinearSSM
        A = diag(poles), B = ones, C = gains.

    Examples
    --------
    >>> diagonal([0.5, 0.25]).simulate([[1], [0], [0]]).y.ravel().tolist()
    [0.0, 2.0, 0.75]
    """
    poles = np.asarray(poles)
    gains = np.ones(len(poles)) if gains is None else np.asarray(gains)
    return LinearSSM(np.diag(poles), np.ones((len(poles), 1)), gains[None, :], [[0]])


def mamba_channel(states: int = 4, step: float = 0.1) -> LinearSSM:
    """h(t) = exp(d a) h(t-1) + d u(t), y(t) = sum h(t), a = -1 ... -n: a channel of Mamba at one step size.

    Good for Mamba as what it is while its input does not choose: diagonal, real, stable.
    The layer reads its state after the update; here x(t) = h(t-1).

    Parameters
    ----------
    states : int
        State size n of the channel.
    step : float
        The step d > 0 that softplus of the bias gives.

    Returns
    -------
    LinearSSM
        A = diag(exp(-k d)), B = d, C = exp(-k d), D = n d.

    Examples
    --------
    >>> mamba_channel(1, step=1.0).simulate([[1], [0]]).y.ravel().round(4).tolist()
    [1.0, 0.3679]
    """
    decay = np.exp(-step * np.arange(1, count("states", states) + 1))
    return LinearSSM(np.diag(decay), np.full((states, 1), step), decay[None, :], [[states * step]])


def window_and_fading(window: int = 3, poles: Any = (0.9, 0.5)) -> LinearSSM:
    """A = blkdiag(S, diag(poles)): an exact memory of some steps beside one that fades.

    Good for the memory split; B'MOJO's layer is of this form.

    Parameters
    ----------
    window : int
        Length of the register, w.
    poles : array_like
        (n_f,), the fading modes.

    Returns
    -------
    LinearSSM
        One input; the outputs are the oldest register and the sum of the modes.

    Examples
    --------
    >>> window_and_fading(2, [0.5]).simulate(np.eye(4, 1)).y.tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.5], [0.0, 0.25]]
    """
    eidetic, fading = delay_line(window), diagonal(poles)
    return LinearSSM(
        block_diag(eidetic.A, fading.A),
        np.vstack([eidetic.B, fading.B]),
        block_diag(eidetic.C, fading.C),
        np.zeros((2, 1)),
    )


def integrators(order: int = 2) -> LinearSSM:
    """x_i(t+1) = x_i(t) + x_(i+1)(t): sums of sums, a Jordan block at 1.

    Good for memory that neither ends nor fades, and for what must be refused where stability is needed.

    Parameters
    ----------
    order : int
        Number of sums; without one the output is the input.

    Returns
    -------
    LinearSSM
        The input enters the last state; the output is the first.

    Examples
    --------
    >>> integrators(2).simulate([[1], [0], [0], [0]]).y.ravel().tolist()
    [0.0, 0.0, 1.0, 2.0]
    """
    n = count("order", order)
    return LinearSSM(np.eye(n) + np.eye(n, k=1), np.eye(n, 1, k=1 - n), np.eye(1, n), [[not n]])


def unstable(pole: float = 1.1) -> LinearSSM:
    """A pole outside the circle beside one inside: 1/(z - pole) + 1/(z - 1/2).

    Good for what must be refused where stability is needed, and for the Riccati equation.

    Parameters
    ----------
    pole : float
        The growing one.

    Returns
    -------
    LinearSSM
        Diagonal, two states.

    Examples
    --------
    >>> unstable(2.0).simulate([[1], [0], [0]]).y.ravel().tolist()
    [0.0, 2.0, 2.5]
    """
    return diagonal([pole, 0.5])


def static_gain(gain: Any = ((2.0, -1.0),)) -> LinearSSM:
    """y(t) = D u(t): no state at all.

    Good for the edge that every function has to accept: n = 0.

    Parameters
    ----------
    gain : array_like
        D, (p, m).

    Returns
    -------
    LinearSSM
        With n = 0.

    Examples
    --------
    >>> static_gain([[3]])
    LinearSSM(n=0, m=1, p=1)
    """
    D = np.atleast_2d(np.asarray(gain))
    p, m = D.shape
    return LinearSSM(np.zeros((0, 0)), np.zeros((0, m)), np.zeros((p, 0)), D)


def sampled_legs(states: int = 6, delay: float = 0.5, step: float = 0.1) -> LinearSSM:
    """[A2 B2; 0 I] = exp([A B; 0 0] step): HiPPO-LegS, its input held over each step.

    Good for a fading memory that is far from normal: distinct real poles, ill-conditioned eigenvectors.

    Parameters
    ----------
    states : int
        Number of Legendre coefficients, n.
    delay : float
        How far back the read-out looks, in continuous time.
    step : float
        Length of a step.

    Returns
    -------
    LinearSSM
        With poles exp(-k step), k = 1 ... n.

    Examples
    --------
    >>> np.linalg.eigvals(sampled_legs(3, step=1.0).A).round(4).tolist()
    [0.0498, 0.1353, 0.3679]
    """
    return zero_order_hold(legs(states, delay), step)
