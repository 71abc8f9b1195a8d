"""Balanced forms: coordinates in which what is reached and what is seen are measured alike.

    balanced         P = Q = S               P = A P A' + B B'   (0 = A P + P A' + B B' in continuous time)
    input normal     P = I,  Q = S^2         Q = A' Q A + C' C   (0 = A' Q + Q A + C' C)
    output normal    P = S^2,  Q = I         S = diag(Hankel singular values), largest first

With factors P = L L', Q = M M' and M' L = U S V', the balancing change of basis is

    T = S^(-1/2) U' M',     inv(T) = L V S^(-1/2)

and neither Gramian is formed, since its small eigenvalues are squares (Laub, Heath, Paige and Ward 1987).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from realization.canonical.form import CanonicalForm, Conversion, conversion, one, register, relative, size
from realization.canonical.modal import WEAK, phases
from realization.canonical.reduction import UNIT
from realization.core.errors import StructureError
from realization.linalg.gramians import (
    continuous_controllability_factor,
    continuous_observability_factor,
    controllability_factor,
    observability_factor,
)
from realization.systems.continuous import ContinuousSSM

# half of the digits: values that agree in these leave the rotation between their coordinates to rounding
TIED = 1e-8


class Balance(NamedTuple):
    """M' L = U S V': factors M, L of the Gramians Q = M M', P = L L', and S (k,), largest first."""

    M: np.ndarray
    L: np.ndarray
    U: np.ndarray
    S: np.ndarray
    V: np.ndarray

    @property
    def noise(self) -> float:
        """What rounding does to a value of S."""
        return max(len(self.M), 1) * UNIT * float(np.linalg.norm(self.M) * np.linalg.norm(self.L))


def factors(system: Any) -> Balance:
    """Return factors of both Gramians and the singular values of their product.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Stable.

    Returns
    -------
    Balance
        With n values, zeros where there is nothing to reach or to see.

    Raises
    ------
    StructureError
        If the system is not stable; the message gives the spectral radius or abscissa.
    """
    continuous = isinstance(one(system), ContinuousSSM)
    reach = continuous_controllability_factor if continuous else controllability_factor
    see = continuous_observability_factor if continuous else observability_factor
    L, M = reach(system.A, system.B), see(system.A, system.C)
    U, S, Vh = np.linalg.svd(M.conj().T @ L, full_matrices=False)
    n = len(system.A)
    S = np.concatenate([S, np.zeros(max(n - len(S), 0))])[:n]
    return Balance(M, L, U, S, Vh.conj().T)


def balanced(system: Any) -> Conversion:
    """Return the system with both Gramians equal to diag(Hankel singular values).

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Stable and minimal.

    Returns
    -------
    Conversion
        Unique, with the first large entry of each row of B positive, where the Hankel singular
        values differ.

    Raises
    ------
    ShapeError
        If the system is a batch.
    StructureError
        If the system is not stable, or not minimal to rounding; the message gives the spectral
        radius, or the smallest Hankel singular value.

    References
    ----------
    Moore (1981), Principal component analysis in linear systems.

    Examples
    --------
    >>> from realization.linalg import controllability_factor
    >>> from realization.systems import LinearSSM
    >>> even = balanced(LinearSSM(A=[[0.5, 1], [0, 0.2]], B=[[0], [1]], C=[[1, 0]], D=[[0]])).system
    >>> L = controllability_factor(even.A, even.B)
    >>> (L @ L.T).round(4) + 0
    array([[1.8829, 0.    ],
           [0.    , 0.9107]])
    """
    return _normalised("balanced", system, 0.0)


def input_normal(system: Any) -> Conversion:
    """Return the system with P = I and Q = diag(squared Hankel singular values).

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Stable and minimal.

    Returns
    -------
    Conversion
        Unique as the balanced form is.

    Raises
    ------
    ShapeError, StructureError
        As for `balanced`.

    Examples
    --------
    Any input of energy 1 reaches the unit ball:

    >>> from realization.linalg import controllability_factor
    >>> from realization.systems import LinearSSM
    >>> even = input_normal(LinearSSM(A=[[0.5, 1], [0, 0.2]], B=[[0], [1]], C=[[1, 0]], D=[[0]])).system
    >>> L = controllability_factor(even.A, even.B)
    >>> (L @ L.T).round(12) + 0
    array([[1., 0.],
           [0., 1.]])
    """
    return _normalised("input_normal", system, -0.5)


def output_normal(system: Any) -> Conversion:
    """Return the system with Q = I and P = diag(squared Hankel singular values).

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Stable and minimal.

    Returns
    -------
    Conversion
        Unique as the balanced form is.

    Raises
    ------
    ShapeError, StructureError
        As for `balanced`.

    Examples
    --------
    Any state of norm 1 sends out energy 1:

    >>> from realization.linalg import observability_factor
    >>> from realization.systems import LinearSSM
    >>> even = output_normal(LinearSSM(A=[[0.5, 1], [0, 0.2]], B=[[0], [1]], C=[[1, 0]], D=[[0]])).system
    >>> M = observability_factor(even.A, even.C)
    >>> (M @ M.T).round(12) + 0
    array([[1., 0.],
           [0., 1.]])
    """
    return _normalised("output_normal", system, 0.5)


def _normalised(form: str, system: Any, power: float) -> Conversion:
    """T = S^power S^(-1/2) U' M'."""
    M, L, U, S, V = found = factors(system)
    n = len(S)
    least = 100 * found.noise
    above = int((least < S).sum())
    if above < n:
        raise StructureError(
            f"{form}: the smallest Hankel singular value is {S[-1]:.1e}, the largest {S[0]:.1e}, and rounding "
            f"explains {least:.1e}; a minimal system is needed: balanced_truncation to order {above} gives one"
        )
    T = S[:, None] ** (power - 0.5) * (U[:, :n].conj().T @ M.conj().T)
    inverse = L @ V[:, :n] * S ** (-power - 0.5)
    B, C = T @ system.B, system.C @ inverse
    d = phases(B, C, np.linalg.norm(B, axis=1) > WEAK * size(B))
    return conversion(form, system, d[:, None] * T, freedom=_free(S, least))


def _free(S: np.ndarray, least: float) -> str | None:
    """Rounding turns two coordinates into each other by its size over the gap between their values."""
    tied = -np.diff(S) <= np.maximum(TIED * S[:-1], least)
    if not tied.any():
        return None
    i = int(np.argmax(tied))
    return f"a rotation: Hankel singular values {i} and {i + 1}, {S[i]:.6g} and {S[i + 1]:.6g}, agree to rounding"


def _defect(power: float) -> Any:
    def defect(system: Any) -> float:
        found = factors(system)
        P, Q = found.L @ found.L.conj().T, found.M @ found.M.conj().T
        S = found.S
        off = [P - np.diag(S ** (1 + 2 * power)), Q - np.diag(S ** (1 - 2 * power))]
        return max(relative(X, size(G)) for X, G in zip(off, (P, Q), strict=True))

    return defect


BALANCED, INPUT_NORMAL, OUTPUT_NORMAL = (
    register(
        CanonicalForm(
            name=name,
            convert=convert,
            defect=_defect(power),
            group="general",
            title=title,
            reference="Moore 1981",
        )
    )
    for name, convert, power, title in (
        ("balanced", balanced, 0.0, "balanced: both Gramians are diag(Hankel singular values)"),
        ("input_normal", input_normal, -0.5, "input normal: what is reached is the unit ball"),
        ("output_normal", output_normal, 0.5, "output normal: what is seen has the norm of the state"),
    )
)
