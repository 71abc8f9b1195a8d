"""Back from steps to continuous time, for the two rules that can be undone in closed form."""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np
import scipy.linalg

from realization.core.errors import ConvergenceError, StructureError
from realization.linalg.decision import EPS
from realization.systems.base import of_kind, right_divide
from realization.systems.continuous import ContinuousSSM
from realization.systems.discretize import no_eigenvalue, warped
from realization.systems.exponential import exponential, positive_step
from realization.systems.linear import LinearSSM


def undo_zero_order_hold(system: LinearSSM, h: float) -> ContinuousSSM:
    """Return the system of which this one is the zero-order hold: h [A B; 0 0] = log [A2 B2; 0 I].

    Parameters
    ----------
    system : LinearSSM
        No eigenvalue of its A lies on the closed negative real axis.
    h : float
        Step; positive.

    Returns
    -------
    ContinuousSSM
        The one whose modes turn by less than half a turn in a step.

    Raises
    ------
    ShapeError
        If h is not positive and finite.
    StructureError
        If there is an eigenvalue on the negative real axis, or 0; the message gives it.
    ConvergenceError
        If the logarithm has lost half of its digits; the message gives its error.

    Examples
    --------
    >>> from realization.systems.discretize import zero_order_hold
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> undo_zero_order_hold(zero_order_hold(lag, 0.5), 0.5).A.round(12).tolist()
    [[-1.0]]
    """
    of_kind("undo_zero_order_hold", system, LinearSSM)
    h, n, m = positive_step(h), system.A.shape[-1], system.B.shape[-1]
    poles = np.linalg.eigvals(system.A)
    # an eigenvalue is known to about eps |A|
    size = EPS * n * np.linalg.norm(system.A, axis=(-2, -1))[..., None] if n else np.zeros(())
    if (bad := (poles.real <= size) & (np.abs(poles.imag) <= size)).any():
        raise StructureError(f"A has the eigenvalue {poles[bad][0]:.3g}, which no exp(h A) has; none <= 0 is needed")
    joint = np.concatenate([system.A, system.B], axis=-1)
    bottom = np.broadcast_to(np.eye(n + m)[n:], (*joint.shape[:-2], m, n + m))
    whole = np.concatenate([joint, bottom], axis=-2)
    X = np.empty(whole.shape, whole.dtype)
    for i in np.ndindex(*whole.shape[:-2]):
        X[i] = _logarithm(whole[i]) / h
    return ContinuousSSM(X[..., :n, :n], X[..., :n, n:], system.C, system.D)


def _logarithm(F: np.ndarray) -> np.ndarray:
    """The principal logarithm, real for a real matrix without eigenvalues <= 0."""
    if not F.size:
        return F
    # SciPy warns of an inaccurate result, or prints so, by its version; here its error decides
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
        L = scipy.linalg.logm(F)
    L = L if np.iscomplexobj(F) else L.real
    error = np.linalg.norm(exponential(L) - F) / np.linalg.norm(F)
    # half of the digits: a step as long as this cannot be undone in double precision
    if not error <= np.sqrt(EPS):
        raise ConvergenceError(f"exp(log(F)) differs from F by {error:.1e}, need <= {np.sqrt(EPS):.1e}, in one step")
    return L


def undo_tustin(system: LinearSSM, h: float, *, prewarp: float | None = None) -> ContinuousSSM:
    """H(s) = H2((k + s)/(k - s)), k = 2/h or w/tan(w h/2): the inverse of `tustin`.

    With R = inv(I + A2): A = k (A2 - I) R, B = sqrt(2 k) R B2, C = sqrt(2 k) C2 R, D = D2 - C2 R B2.

    Parameters
    ----------
    system : LinearSSM
        -1 is no eigenvalue of its A.
    h : float
        Step; positive.
    prewarp : float, optional
        As in `tustin`.

    Returns
    -------
    ContinuousSSM
        Stable exactly where the system is.

    Raises
    ------
    ShapeError
        If h is not positive and finite.
    StructureError
        If -1 is an eigenvalue of A in double precision; the message gives the number.

    Examples
    --------
    >>> from realization.systems.discretize import tustin
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> undo_tustin(tustin(lag, 0.5), 0.5).A.round(12).tolist()
    [[-1.0]]
    """
    of_kind("undo_tustin", system, LinearSSM)
    k = warped(positive_step(h), prewarp)
    I = np.eye(system.A.shape[-1])
    P = I + system.A
    no_eigenvalue("undo_tustin", -1.0, system.A, P)
    A, R_B = np.linalg.solve(P, k * (system.A - I)), np.linalg.solve(P, system.B)
    C_R = right_divide(system.C, P)
    return ContinuousSSM(A, np.sqrt(2 * k) * R_B, np.sqrt(2 * k) * C_R, system.D - system.C @ R_B)
