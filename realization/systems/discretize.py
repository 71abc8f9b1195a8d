"""From continuous time to steps of length h, each rule with the equation it satisfies.

Two rules follow the differential equation exactly for a class of inputs:

    zero_order_hold     u(t) = u(k h)                           on k h <= t < (k+1) h
    first_order_hold    u(t) linear from u(k h) to u((k+1) h)

Three replace s by a function of z, so that H2(z) = H(s(z)) and stability is a matter of
where that function takes the half plane:

    forward_euler   s = (z - 1)/h         backward_euler   s = (z - 1)/(h z)
    tustin          s = k (z - 1)/(z + 1),    k = 2/h, or w/tan(w h/2) to be exact at w

and `mamba` takes A from the first of these and B from the third.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.linalg.decision import EPS
from realization.systems.base import of_kind, quiet, right_divide
from realization.systems.continuous import ContinuousSSM
from realization.systems.exponential import exponential, held, in_range, positive_step, ramped
from realization.systems.linear import LinearSSM


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One way to discretize.

    Parameters
    ----------
    apply : callable
        (ContinuousSSM, h) -> LinearSSM.
    equation : str
        What the result satisfies.
    condition : str
        When it does.
    """

    apply: Callable[[ContinuousSSM, float], LinearSSM]
    equation: str
    condition: str


def discretize(system: ContinuousSSM, h: float, rule: str = "zero_order_hold") -> LinearSSM:
    """Return the system in steps of length h, by a rule of RULES.

    Parameters
    ----------
    system : ContinuousSSM
        With n states, m inputs, p outputs.
    h : float
        Step, in the unit of time of A; positive.
    rule : str
        One of RULES, which tell the equation and the condition of each.

    Returns
    -------
    LinearSSM
        With as many states.

    Raises
    ------
    ShapeError
        If h is not positive and finite, or the rule is unknown.
    StructureError
        If the rule does not apply; the message gives the number.

    Examples
    --------
    A pole -1 at h = 0.1, by each rule:

    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> {rule: round(float(discretize(lag, 0.1, rule).A[0, 0]), 4) for rule in RULES}
    {'zero_order_hold': 0.9048, 'first_order_hold': 0.9048, 'tustin': 0.9048,
     'forward_euler': 0.9, 'backward_euler': 0.9091, 'mamba': 0.9048}
    """
    if rule not in RULES:
        raise ShapeError(f"rule {rule!r} is unknown; one of {', '.join(RULES)} is needed")
    return RULES[rule].apply(system, h)


@quiet
def zero_order_hold(system: ContinuousSSM, h: float) -> LinearSSM:
    """x(t+h) = exp(h A) x(t) + int_0^h exp(s A) B ds u(t): exact while u is held.

    The two matrices are blocks of one exponential, so that A may be singular:

        exp(h [A B; 0 0]) = [A2 B2; 0 I].

    Parameters
    ----------
    system : ContinuousSSM
        With n states, m inputs, p outputs.
    h : float
        Step; positive.

    Returns
    -------
    LinearSSM
        Its states are those of the system at the times k h.

    Raises
    ------
    ShapeError
        If h is not positive and finite.
    StructureError
        If exp(h A), or a matrix of the result, leaves the range of float64.

    References
    ----------
    Van Loan (1978), Computing integrals involving the matrix exponential.

    Examples
    --------
    A double integrator:

    >>> double = ContinuousSSM(A=[[0, 1], [0, 0]], B=[[0], [1]], C=[[1, 0]], D=[[0]])
    >>> zero_order_hold(double, 2.0).B.ravel().tolist()
    [2.0, 2.0]
    """
    of_kind("zero_order_hold", system, ContinuousSSM)
    A, B = held(system.A, system.B, positive_step(h))
    return _sampled(A, B, system.C, system.D)


@quiet
def first_order_hold(system: ContinuousSSM, h: float) -> LinearSSM:
    """x(t+h) = exp(h A) x(t) + (G1 - G2) u(t) + G2 u(t+h): exact while u is linear in each step.

    G1 = int_0^h exp(s A) B ds and G2 = int_0^h (1 - s/h) exp(s A) B ds are blocks of

        exp(h [A B 0; 0 0 I/h; 0 0 0]) = [A2 G1 G2; 0 I I; 0 0 I].

    The input of the next step enters through the state z = x - G2 u.

    Parameters
    ----------
    system : ContinuousSSM
        With n states, m inputs, p outputs.
    h : float
        Step; positive.

    Returns
    -------
    LinearSSM
        Its states are z; its outputs those of the system at the times k h.

    Raises
    ------
    ShapeError
        If h is not positive and finite.
    StructureError
        If exp(h A), or a matrix of the result, leaves the range of float64.

    References
    ----------
    Franklin, Powell and Workman (1998), Digital Control of Dynamic Systems: the triangle hold.

    Examples
    --------
    An integrator becomes the trapezoidal rule:

    >>> integrator = ContinuousSSM(A=[[0]], B=[[1]], C=[[1]], D=[[0]])
    >>> first_order_hold(integrator, 1.0).simulate([[0], [1], [2], [3]], [0]).y.ravel().tolist()
    [0.0, 0.5, 2.0, 4.5]
    """
    of_kind("first_order_hold", system, ContinuousSSM)
    A, G1, G2 = ramped(system.A, system.B, positive_step(h))
    return _sampled(A, G1 - G2 + A @ G2, system.C, system.D + system.C @ G2)


@quiet
def tustin(system: ContinuousSSM, h: float, *, prewarp: float | None = None) -> LinearSSM:
    """H2(z) = H(k (z - 1)/(z + 1)), k = 2/h: the trapezoidal rule; it maps stable to stable and back.

    With R = inv(k I - A),

        A2 = R (k I + A),  B2 = sqrt(2 k) R B,  C2 = sqrt(2 k) C R,  D2 = D + C R B.

    The factor is shared between B2 and C2, so that both Gramians, and the Hankel singular
    values, are those of the continuous system.

    Parameters
    ----------
    system : ContinuousSSM
        With n states, m inputs, p outputs; k is no eigenvalue of A.
    h : float
        Step; positive.
    prewarp : float, optional
        Frequency w in radians per unit of time, 0 < w < pi/h, at which H2(exp(i w h)) = H(i w):
        k = w/tan(w h/2).  Default: 0, where the two agree for every k.

    Returns
    -------
    LinearSSM
        With as many states; they are not samples of those of the system.

    Raises
    ------
    ShapeError
        If h is not positive and finite, or w no real number.
    StructureError
        If k is an eigenvalue of A in double precision, or w h >= pi; the message gives the number.

    Examples
    --------
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> tustin(lag, 2.0).A.tolist(), tustin(lag, 2.0).D.tolist()
    ([[0.0]], [[0.5]])
    """
    of_kind("tustin", system, ContinuousSSM)
    k = warped(positive_step(h), prewarp)
    P = k * np.eye(system.A.shape[-1]) - system.A
    no_eigenvalue("tustin", k, system.A, P)
    R_B, A = np.linalg.solve(P, system.B), np.linalg.solve(P, 2 * k * np.eye(P.shape[-1]) - P)
    C_R = right_divide(system.C, P)
    return _sampled(A, np.sqrt(2 * k) * R_B, np.sqrt(2 * k) * C_R, system.D + system.C @ R_B)


@quiet
def forward_euler(system: ContinuousSSM, h: float) -> LinearSSM:
    """x(t+h) = x(t) + h (A x(t) + B u(t)), H2(z) = H((z - 1)/h).

    Stable only where every eigenvalue of A lies in the disc |1 + h s| < 1.

    Parameters
    ----------
    system : ContinuousSSM
        With n states, m inputs, p outputs.
    h : float
        Step; positive.

    Returns
    -------
    LinearSSM
        With as many states.

    Raises
    ------
    ShapeError
        If h is not positive and finite.
    StructureError
        If a matrix of the result leaves the range of float64.

    Examples
    --------
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> forward_euler(lag, 4.0).A.tolist()
    [[-3.0]]
    """
    of_kind("forward_euler", system, ContinuousSSM)
    h = positive_step(h)
    return _sampled(np.eye(system.A.shape[-1]) + h * system.A, h * system.B, system.C, system.D)


@quiet
def backward_euler(system: ContinuousSSM, h: float) -> LinearSSM:
    """x(t+h) = x(t) + h (A x(t+h) + B u(t+h)), H2(z) = H((z - 1)/(h z)).

    With P = I - h A, in the state z(t) = x(t-h),

        A2 = inv(P),  B2 = h inv(P) B,  C2 = C inv(P),  D2 = D + h C inv(P) B.

    Maps stable to stable, and some unstable systems too.

    Parameters
    ----------
    system : ContinuousSSM
        With n states, m inputs, p outputs; 1/h is no eigenvalue of A.
    h : float
        Step; positive.

    Returns
    -------
    LinearSSM
        With as many states.

    Raises
    ------
    ShapeError
        If h is not positive and finite.
    StructureError
        If 1/h is an eigenvalue of A in double precision; the message gives the number.

    Examples
    --------
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> backward_euler(lag, 4.0).A.tolist()
    [[0.2]]
    """
    of_kind("backward_euler", system, ContinuousSSM)
    h = positive_step(h)
    n = system.A.shape[-1]
    P = np.eye(n) - h * system.A
    no_eigenvalue("backward_euler", 1 / h, system.A, P)
    A, B = np.linalg.solve(P, np.broadcast_to(np.eye(n), P.shape)), h * np.linalg.solve(P, system.B)
    C = right_divide(system.C, P)
    return _sampled(A, B, C, system.D + system.C @ B)


@quiet
def mamba(system: ContinuousSSM, h: float) -> LinearSSM:
    """x(t+h) = exp(h A) x(t) + h B u(t): the zero-order hold in A, Euler in B.

    What Mamba computes.  B2 differs from that of the zero-order hold by h^2 A B/2 + O(h^3).

    Parameters
    ----------
    system : ContinuousSSM
        With n states, m inputs, p outputs.
    h : float
        Step; positive.

    Returns
    -------
    LinearSSM
        With as many states; stable where the system is.

    Raises
    ------
    ShapeError
        If h is not positive and finite.
    StructureError
        If exp(h A), or a matrix of the result, leaves the range of float64.

    References
    ----------
    Gu and Dao (2023), Mamba: Linear-time sequence modeling with selective state spaces.

    Examples
    --------
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> mamba(lag, 1.0).B.tolist(), zero_order_hold(lag, 1.0).B.round(3).tolist()
    ([[1.0]], [[0.632]])
    """
    of_kind("mamba", system, ContinuousSSM)
    h = positive_step(h)
    return _sampled(exponential(system.A, h), h * system.B, system.C, system.D)


RULES = {
    "zero_order_hold": Rule(zero_order_hold, "A2 = exp(h A), B2 = int_0^h exp(s A) B ds", "exact while u is held"),
    "first_order_hold": Rule(
        first_order_hold, "x(t+h) = exp(h A) x(t) + (G1 - G2) u(t) + G2 u(t+h)", "exact while u is linear in each step"
    ),
    "tustin": Rule(tustin, "H2(z) = H(2/h (z - 1)/(z + 1))", "2/h no eigenvalue of A; stable exactly where A is"),
    "forward_euler": Rule(forward_euler, "H2(z) = H((z - 1)/h)", "stable where |1 + h s| < 1 for every eigenvalue s"),
    "backward_euler": Rule(
        backward_euler, "H2(z) = H((z - 1)/(h z))", "1/h no eigenvalue of A; stable where |1 - h s| > 1"
    ),
    "mamba": Rule(mamba, "A2 = exp(h A), B2 = h B", "stable where A is; B2 to first order in h"),
}


def _sampled(A: np.ndarray, B: np.ndarray, C: np.ndarray, D: np.ndarray) -> LinearSSM:
    named = zip("ABCD", (A, B, C, D), strict=True)
    needed = "another step, or other units, are needed"
    return LinearSSM(*(in_range(f"{name} of the discrete system", X, needed) for name, X in named))


def warped(h: float, w: float | None) -> float:
    """k = 2/h, or w/tan(w h/2), 0 < w h < pi."""
    if w is None:
        return 2 / h
    if np.ndim(w) or np.asarray(w).dtype.kind not in "iuf":
        raise ShapeError(f"prewarp is {w!r}, but a frequency, a real number, is needed")
    if not 0 < w * h < np.pi:
        raise StructureError(f"prewarp: w h = {w * h:.4g}, need 0 < w h < pi: no sampled frequency lies beyond")
    return float(w / np.tan(w * h / 2))


def no_eigenvalue(rule: str, k: float, A: np.ndarray, P: np.ndarray) -> None:
    """Refuse where P, a multiple of k I - A, cannot be told from a singular matrix."""
    if not P.size:
        return
    in_range(f"the matrix that {rule} inverts", P, "another step is needed")
    condition, limit = np.linalg.cond(P).max(), 1 / (P.shape[-1] * EPS)
    if not condition < limit:
        distance = np.abs(np.linalg.eigvals(A) - k).min()
        raise StructureError(
            f"{rule}: {k:.6g} is an eigenvalue of A (distance {distance:.1e}; condition {condition:.1e}, "
            f"need < {limit:.1e}); another step is needed"
        )
