"""Named bilinear systems: memory that its input opens and shuts, once the gates count as inputs."""

from __future__ import annotations

import numpy as np

from realization.systems.base import count
from realization.systems.bilinear import BilinearSSM
from realization.systems.library import shift


def gated_register(slots: int = 3, width: int = 1) -> BilinearSSM:
    """x(t+1) = (1 - s) x + s (S x + B u): a register that moves only when its gate s(t) in {0, 1} is open.

    Good for selection by innovation: nilpotent in the number of writes, not in time.

    Parameters
    ----------
    slots : int
        Length of the register, the oldest entry first.
    width : int
        Size of an entry.

    Returns
    -------
    BilinearSSM
        Inputs (s, s u), 1 + width of them; the outputs are all slots.

    Examples
    --------
    Tokens 5, 7 and 9, of which the second is not admitted:

    >>> gated_register(2).simulate([[1, 5], [0, 0], [1, 9], [0, 0]]).x[-1].tolist()
    [5.0, 9.0]
    """
    S, B = shift(slots, width)
    n = slots * width
    moves = np.concatenate([[S - np.eye(n)], np.zeros((width, n, n))])
    writes = np.hstack([np.zeros((n, 1)), B])
    rest = {"C": np.eye(n), "M": np.zeros((1 + width, n, n)), "D": np.zeros((n, 1 + width))}
    return BilinearSSM(A=np.eye(n), N=moves, B=writes, **rest)


def selective_channel(states: int = 2) -> BilinearSSM:
    """x_i(t+1) = a_i(t) x_i(t) + w(t), y = sum x_i: a channel of Mamba whose decays are chosen at every step.

    Good for input-dependent fading: the matrices commute, so that what fades in every step fades for good.

    Parameters
    ----------
    states : int
        n.

    Returns
    -------
    BilinearSSM
        Inputs (a_1, ..., a_n, w).

    Examples
    --------
    >>> selective_channel(1).simulate([[0.5, 1], [0.5, 0], [0, 0], [0, 0]]).y.ravel().tolist()
    [0.0, 1.0, 0.5, 0.0]
    """
    n = count("states", states)
    gates = np.concatenate([np.eye(n)[:, :, None] * np.eye(n)[:, None, :], np.zeros((1, n, n))])
    write = np.hstack([np.zeros((n, n)), np.ones((n, 1))])
    rest = {"C": np.ones((1, n)), "M": np.zeros((n + 1, 1, n)), "D": np.zeros((1, n + 1))}
    return BilinearSSM(A=np.zeros((n, n)), N=gates, B=write, **rest)
