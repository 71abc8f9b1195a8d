"""What a system answers to an impulse, a step and a sinusoid.

    h(0) = D,  h(k) = C A^(k-1) B                  Markov parameters
    H(z) = C inv(z I - A) B + D = sum_k h(k) z^-k  transfer function

Every answer has the batch axes of the system first and the axes (p, m) last.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.systems.base import numbers
from realization.systems.continuous import ContinuousSSM
from realization.systems.linear import LinearSSM


def markov_parameters(system: LinearSSM | ContinuousSSM, steps: int) -> np.ndarray:
    """h(0) = D, h(k) = C A^(k-1) B.

    In discrete time they are the impulse response; in continuous time h(k), k > 0, is the
    derivative of order k - 1 of C exp(A t) B at t = 0.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With n states, m inputs, p outputs.
    steps : int
        Number of parameters, h(0) among them.

    Returns
    -------
    ndarray
        (*b, steps, p, m).

    Examples
    --------
    Of a delay of two steps:

    >>> delay = LinearSSM(A=[[0, 1], [0, 0]], B=[[0], [1]], C=[[1, 0]], D=[[0]])
    >>> markov_parameters(delay, 5).ravel().tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0]
    """
    A, B, C, D = system.A, system.B, system.C, system.D
    h, X = [D], B
    for _ in range(steps - 1):
        h.append(C @ X)
        X = A @ X
    return np.stack(h, axis=-3)[..., :steps, :, :]


def evaluate(system: LinearSSM | ContinuousSSM, z: Any) -> np.ndarray:
    """H(z) = C inv(z I - A) B + D.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With n states, m inputs, p outputs.
    z : array_like
        Complex numbers of any shape (*k); in continuous time one would write s.

    Returns
    -------
    ndarray
        (*b, *k, p, m), complex128.

    Raises
    ------
    StructureError
        If some z is a pole to the last bit.

    Examples
    --------
    A delay of two steps is z^-2:

    >>> delay = LinearSSM(A=[[0, 1], [0, 0]], B=[[0], [1]], C=[[1, 0]], D=[[0]])
    >>> evaluate(delay, [2, 1j]).real.ravel().tolist()
    [0.25, -1.0]
    """
    z = numbers("z", z)
    lead = (...,) + (None,) * z.ndim + (slice(None), slice(None))
    A, B, C, D = (X[lead] for X in (system.A, system.B, system.C, system.D))
    try:
        return C @ np.linalg.solve(z[..., None, None] * np.eye(A.shape[-1]) - A.astype(np.complex128), B) + D
    except np.linalg.LinAlgError:
        raise StructureError("z I - A is singular for one of the z: it is a pole; another point is needed") from None
