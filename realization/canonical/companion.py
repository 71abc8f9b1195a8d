"""Companion forms of systems with one input or one output, built from polynomials.

    A = S_n - e_n a',   B = e_n,   C = c,         det(z I - A) = z^n + a_{n-1} z^{n-1} + ... + a_0

S_n has ones above the diagonal, and row i of c holds the numerator of output i, both by ascending
powers: the system is its transfer function, written down.  The way through [B, A B, ...]
squares an already bad condition; here the controller-Hessenberg form yields

    adj(z I - A) B = W [1, z, ..., z^{n-1}]',     c = C W,     T = inv(W)

by products alone.  So the *system* is at rounding level where T is out of reach.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from realization.canonical.form import (
    CanonicalForm,
    Conversion,
    conversion,
    one,
    register,
    relative,
    size,
    within_reach,
)
from realization.canonical.hessenberg import controllable, in_selected
from realization.core.errors import ShapeError
from realization.systems.compose import dual
from realization.systems.transfer import resolvent_polynomials


def companion_system(system: Any) -> Any:
    """Return A = S_n - e_n a', B = e_n, C = c, D with the transfer function of a system of one input.

    No T is formed: this is accurate where the T that leads here has no digit left.  For one
    output it is `dual(companion_system(dual(system)))`.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        One input, controllable.

    Returns
    -------
    LinearSSM or ContinuousSSM
        Of the type that came in.

    Raises
    ------
    ShapeError
        If there is not exactly one input.
    StructureError
        If the input does not reach the whole state; the message gives margin and gap.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> companion = companion_system(LinearSSM(A=[[2, 0], [0, 3]], B=[[1], [1]], C=[[1, 1]], D=[[0]]))
    >>> companion.A[-1].round(12), companion.C.round(12)
    (array([-6.,  5.]), array([[-5.,  2.]]))
    """
    hosted, a, Y = _polynomials("companion_system", system)
    return _companion(system, a, hosted.system.C @ Y)


def controllable_companion(system: Any) -> Conversion:
    """Return A2 = S_n - e_n a', B2 = e_n, C2 = c and T with T A = A2 T.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        One input, controllable.

    Returns
    -------
    Conversion
        Unique; the system is that of `companion_system`.

    Raises
    ------
    ShapeError
        If there is not exactly one input: `controllable_luenberger` takes more.
    StructureError
        If the input does not reach the whole state, or T is out of reach in double precision.

    References
    ----------
    Kailath 1980, Linear Systems.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> controllable_companion(LinearSSM(A=[[2, 0], [0, 3]], B=[[1], [1]], C=[[1, 1]], D=[[0]])).T.round(12)
    array([[-1.,  1.],
           [-2.,  3.]])
    """
    name = "controllable_companion"
    hosted, a, Y = _polynomials(name, system)
    within_reach(name, Y)
    # Y is upper triangular with its columns reversed: row k has degree n - 1 - k
    T = solve_triangular(Y[:, ::-1], hosted.T)[::-1] if len(Y) else Y
    new = _companion(system, a, hosted.system.C @ Y)
    return conversion(name, system, T, A=new.A, B=new.B, C=new.C, decisions=hosted.decisions)


def observable_companion(system: Any) -> Conversion:
    """Return A2 = S_n' - a e_n', B2 = b, C2 = e_n': the controllable companion of the dual, transposed.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        One output, observable.

    Returns
    -------
    Conversion
        Unique.

    Raises
    ------
    ShapeError
        If there is not exactly one output: `observable_luenberger` takes more.
    StructureError
        If the output does not see the whole state, or T is out of reach in double precision.

    References
    ----------
    Kailath 1980, Linear Systems.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> observable_companion(LinearSSM(A=[[2, 0], [0, 3]], B=[[1], [1]], C=[[1, 1]], D=[[0]])).system.A.round(12) + 0
    array([[ 0., -6.],
           [ 1.,  5.]])
    """
    name = "observable_companion"
    hosted, a, Y = _polynomials(name, dual(one(system)), mirrored=True)
    new = dual(_companion(dual(system), a, hosted.system.C @ Y))
    # inv(T of the dual)' = (Q Y)'
    T = Y.T @ hosted.T.conj()
    return conversion(name, system, T, A=new.A, B=new.B, C=new.C, decisions=hosted.decisions)


def _polynomials(name: str, system: Any, *, mirrored: bool = False) -> tuple[Conversion, np.ndarray, np.ndarray]:
    """Return the Hessenberg form z = Q* x, the a of det(z I - A) and Y with adj(z I - A) B = Q Y [1, z, ...]'."""
    if one(system).B.shape[1] != 1:
        raise ShapeError(
            f"{name} needs one {'output' if mirrored else 'input'}, "
            f"{system.B.shape[1]} came; the Luenberger forms take any number"
        )
    hosted = in_selected(system, controllable(name, system, mirrored=mirrored))
    a, Y = resolvent_polynomials(hosted.system.A, hosted.system.B[:1, 0])
    # ascending powers, without the leading 1 and the z^n that the adjugate does not have
    return hosted, a[:0:-1], Y[:, :0:-1]


def _companion(system: Any, a: np.ndarray, c: np.ndarray) -> Any:
    n = len(a)
    A = np.eye(n, k=1, dtype=a.dtype)
    A[n - 1 :] = -a
    return dataclasses.replace(system, A=A, B=np.eye(n, 1, k=1 - n), C=c)


def controllable_companion_defect(system: Any) -> float:
    """Return |(A without its last row) - S_n| and |B - e_n|, relative."""
    n = len(system.A)
    A, B = system.A[: n - 1] - np.eye(n, k=1)[: n - 1], system.B - np.eye(n, 1, k=1 - n)
    return max(relative(A, size(system.A)), size(B))


def observable_companion_defect(system: Any) -> float:
    """Return the defect of the dual."""
    return controllable_companion_defect(dual(system))


CONTROLLABLE_COMPANION = register(
    CanonicalForm(
        name="controllable_companion",
        convert=controllable_companion,
        defect=controllable_companion_defect,
        group="general",
        title="controllable companion: A = S_n - e_n a', B = e_n",
        reference="Kailath 1980",
    )
)
OBSERVABLE_COMPANION = register(
    CanonicalForm(
        name="observable_companion",
        convert=observable_companion,
        defect=observable_companion_defect,
        group="general",
        title="observable companion: A = S_n' - a e_n', C = e_n'",
        reference="Kailath 1980",
    )
)
