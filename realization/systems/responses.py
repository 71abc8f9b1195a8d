"""What a system answers to an impulse, a step and a sinusoid.

    h(0) = D,  h(k) = C A^(k-1) B                  Markov parameters
    H(z) = C inv(z I - A) B + D = sum_k h(k) z^-k  transfer function

Every answer has the batch axes of the system first and the axes (p, m) last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import numbers
from realization.systems.base import count, of_kind, quiet
from realization.systems.bilinear import BilinearSSM
from realization.systems.continuous import ContinuousSSM
from realization.systems.exponential import exponential, held, in_range
from realization.systems.linear import LinearSSM
from realization.systems.zeros import scaled

MANY = 10**7  # n^3 times points: below, solving for all points takes less time than loading the compiled routine
SHORTER = "a stable system or a shorter time is needed"


@quiet
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

    Raises
    ------
    ShapeError
        If steps is negative or no whole number.
    StructureError
        If a parameter leaves the range of float64; the message gives the first.

    Examples
    --------
    Of a delay of two steps:

    >>> delay = LinearSSM(A=[[0, 1], [0, 0]], B=[[0], [1]], C=[[1, 0]], D=[[0]])
    >>> markov_parameters(delay, 5).ravel().tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0]
    """
    of_kind("markov_parameters", system, LinearSSM, ContinuousSSM)
    A, B, C, D = system.A, system.B, system.C, system.D
    steps, h, X = count("steps", steps), [D], B
    for _ in range(steps - 1):
        h.append(C @ X)
        X = A @ X
    parameters = np.stack(h, axis=-3)[..., :steps, :, :]
    if not (good := np.isfinite(parameters)).all():
        first = min(int(place[-3]) for place in np.argwhere(~good))
        raise StructureError(f"the Markov parameter {first} of {steps} leaves the range of float64; fewer are needed")
    return parameters


@quiet
def word_coefficients(system: BilinearSSM, words: Any) -> np.ndarray:
    """C N_wk ... N_w1 B for each word w1 ... wk of inputs, A being the letter 0 and N_i the letter i.

    The coefficients of the words decide what the states contribute to the output, as the
    Markov parameters do for a linear system: words of zeros give C A^k B.

    Parameters
    ----------
    system : BilinearSSM
        With n states, m inputs, p outputs, without batch axes or with.
    words : sequence of sequences of int
        Letters 0 ... m, the first applied first.

    Returns
    -------
    ndarray
        (*b, len(words), p, m).

    Raises
    ------
    ShapeError
        If a letter is not among 0 ... m.
    StructureError
        If a coefficient leaves the range of float64.

    Examples
    --------
    >>> gate = BilinearSSM(A=[[0]], N=[[[1]], [[0]]], B=[[0, 1]], C=[[1]], M=[[[0]], [[0]]], D=[[0, 0]])
    >>> word_coefficients(gate, [(), (1,), (1, 1), (2,)])[:, 0, 1].tolist()
    [1.0, 1.0, 1.0, 0.0]
    """
    of_kind("word_coefficients", system, BilinearSSM)
    m = system.B.shape[-1]
    letters = np.concatenate([system.A[..., None, :, :], system.N], axis=-3)
    coefficients = np.empty((*system.D.shape[:-2], len(words), *system.D.shape[-2:]), letters.dtype)
    for k, word in enumerate(words):
        if any(not isinstance(letter, int | np.integer) or not 0 <= letter <= m for letter in word):
            raise ShapeError(f"word {tuple(word)} has a letter beyond 0 ... {m}, the inputs being 1 ... {m}")
        X = system.B
        for letter in word:
            X = letters[..., letter, :, :] @ X
        coefficients[..., k, :, :] = system.C @ X
    return in_range("a coefficient", coefficients, "shorter words are needed")


@quiet
def impulse_response(system: LinearSSM | ContinuousSSM, times: Any) -> np.ndarray:
    """h(0) = D, h(k) = C A^(k-1) B in discrete time; C exp(A t) B, without the impulse D delta(t), in continuous time.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With n states, m inputs, p outputs.
    times : int or array_like
        For a LinearSSM the number of steps; for a ContinuousSSM the times (K,), none negative.

    Returns
    -------
    ndarray
        (*b, K, p, m).

    Raises
    ------
    ShapeError
        If times are not as the system needs them.
    StructureError
        If the response leaves the range of float64.

    Examples
    --------
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> impulse_response(lag, [0.0, np.log(2)]).ravel().round(12).tolist()
    [1.0, 0.5]
    """
    of_kind("impulse_response", system, LinearSSM, ContinuousSSM)
    if isinstance(system, LinearSSM):
        return markov_parameters(system, count("times", times))
    A, B, C = (X[..., None, :, :] for X in (system.A, system.B, system.C))
    return in_range("the impulse response", C @ exponential(A, _times(times)) @ B, SHORTER)


@quiet
def step_response(system: LinearSSM | ContinuousSSM, times: Any) -> np.ndarray:
    """h(0) + ... + h(k) in discrete time; D + C int_0^t exp(A s) ds B in continuous time.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With n states, m inputs, p outputs.
    times : int or array_like
        For a LinearSSM the number of steps; for a ContinuousSSM the times (K,), none negative.

    Returns
    -------
    ndarray
        (*b, K, p, m): the column j answers a step of the input j.

    Raises
    ------
    ShapeError
        If times are not as the system needs them.
    StructureError
        If the response leaves the range of float64.

    Examples
    --------
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> step_response(lag, [0.0, np.log(2)]).ravel().round(12).tolist()
    [0.0, 0.5]
    """
    of_kind("step_response", system, LinearSSM, ContinuousSSM)
    if isinstance(system, LinearSSM):
        h = markov_parameters(system, count("times", times))
        return in_range("the step response", np.cumsum(h, axis=-3), SHORTER)
    A, B, C, D = (X[..., None, :, :] for X in (system.A, system.B, system.C, system.D))
    return in_range("the step response", D + C @ held(A, B, _times(times))[1], SHORTER)


def frequency_response(system: LinearSSM | ContinuousSSM, omega: Any) -> np.ndarray:
    """H(exp(i omega)) in discrete time, H(i omega) in continuous time.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With n states, m inputs, p outputs.
    omega : array_like
        Frequencies of any shape (*k): radians per step, or per unit of time of A.

    Returns
    -------
    ndarray
        (*b, *k, p, m), complex128.

    Raises
    ------
    StructureError
        If there is a pole at one of the frequencies.

    Examples
    --------
    A lag 1/(s + 1) at its corner has lost half of the power:

    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> float(abs(frequency_response(lag, 1.0)[0, 0]) ** 2)
    0.5000000000000001
    """
    of_kind("frequency_response", system, LinearSSM, ContinuousSSM)
    omega = numbers("omega", omega)
    return evaluate(system, 1j * omega if isinstance(system, ContinuousSSM) else np.exp(1j * omega))


def evaluate(system: LinearSSM | ContinuousSSM, z: Any) -> np.ndarray:
    """H(z) = C inv(z I - A) B + D.

    The states are scaled by powers of two first, which costs no rounding and lets rows of
    very different size keep their own accuracy.  For many points of a large system A is
    brought to Hessenberg form once, after which each takes n^2 operations.

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
    of_kind("evaluate", system, LinearSSM, ContinuousSSM)
    z = numbers("z", z).astype(np.complex128)
    batch, (p, m) = system.D.shape[:-2], system.D.shape[-2:]
    H = np.empty((*batch, z.size, p, m), np.complex128)
    for i in np.ndindex(*batch):
        H[i] = _resolvent(z.ravel(), system.A[i], system.B[i], system.C[i])
    return H.reshape(*batch, *z.shape, p, m) + system.D.reshape(*batch, *(1,) * z.ndim, p, m)


def _resolvent(z: np.ndarray, A: np.ndarray, B: np.ndarray, C: np.ndarray) -> np.ndarray:
    """C inv(z I - A) B at z (K,)."""
    n = A.shape[-1]
    if not n:
        return np.zeros((len(z), len(C), B.shape[-1]))
    A, B, C = scaled(A, B, C)
    if len(z) * n**3 < MANY:
        try:
            return C @ np.linalg.solve(z[:, None, None] * np.eye(n) - A, B.astype(np.complex128))
        except np.linalg.LinAlgError:
            raise StructureError("z I - A is singular for one of the z, a pole; another point is needed") from None
    from realization._kernels.resolvent import resolvent

    H, Q = scipy.linalg.hessenberg(A, calc_q=True)
    out = np.empty((len(z), len(C), B.shape[-1]), np.complex128)
    arrays = (X.astype(np.complex128, order="C") for X in (H, Q.conj().T @ B, C @ Q))
    if (pole := resolvent(out, z, *arrays)) >= 0:
        raise StructureError(f"z I - A is singular at z = {z[pole]:.6g}, a pole; another point is needed")
    return out


def _times(times: Any) -> np.ndarray:
    t = numbers("times", times)
    if t.ndim != 1 or np.iscomplexobj(t) or (t < 0).any():
        raise ShapeError(f"times have shape {t.shape}, but a ContinuousSSM needs times (K,), real and >= 0")
    return t[:, None, None]
