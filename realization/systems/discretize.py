"""From continuous time to steps of length h, each rule with the equation it satisfies.

Two rules follow the differential equation exactly for a class of inputs:

    zero_order_hold     u(t) = u(k h)                           on k h <= t < (k+1) h
    first_order_hold    u(t) linear from u(k h) to u((k+1) h)

Three replace s by a function of z, so that H2(z) = H(s(z)) and stability is a matter of
where that function takes the half plane:

    forward_euler   s = (z - 1)/h         backward_euler   s = (z - 1)/(h z)
    tustin          s = k (z - 1)/(z + 1),    k = 2/h, or w/tan(w h/2) to be exact at w

and `mamba` takes A from the first of these and B from the third.  `sample_noise` does for
white noise what the zero-order hold does for inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from realization.core.errors import ShapeError, StructureError
from realization.linalg.decision import EPS
from realization.systems.base import numbers
from realization.systems.continuous import ContinuousSSM
from realization.systems.linear import LinearSSM


class SampledNoise(NamedTuple):
    """x((k+1) h) = A x(k h) + w(k), w white with covariance Q; both (*b, n, n)."""

    A: np.ndarray
    Q: np.ndarray


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
        If exp(h A) leaves the range of float64.

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
    A, B = held(system.A, system.B, _step(h))
    return LinearSSM(A, B, system.C, system.D)


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
        If exp(h A) leaves the range of float64.

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
    A, G1, G2 = ramped(system.A, system.B, _step(h))
    return LinearSSM(A, G1 - G2 + A @ G2, system.C, system.D + system.C @ G2)


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
        If h is not positive and finite.
    StructureError
        If k is an eigenvalue of A in double precision, or w h >= pi; the message gives the number.

    Examples
    --------
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> tustin(lag, 2.0).A.tolist(), tustin(lag, 2.0).D.tolist()
    ([[0.0]], [[0.5]])
    """
    k = _warped(_step(h), prewarp)
    P = k * np.eye(system.A.shape[-1]) - system.A
    _no_eigenvalue("tustin", k, system.A, P)
    R_B, A = np.linalg.solve(P, system.B), np.linalg.solve(P, 2 * k * np.eye(P.shape[-1]) - P)
    C_R = np.swapaxes(np.linalg.solve(np.swapaxes(P, -1, -2), np.swapaxes(system.C, -1, -2)), -1, -2)
    return LinearSSM(A, np.sqrt(2 * k) * R_B, np.sqrt(2 * k) * C_R, system.D + system.C @ R_B)


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

    Examples
    --------
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> forward_euler(lag, 4.0).A.tolist()
    [[-3.0]]
    """
    h = _step(h)
    return LinearSSM(np.eye(system.A.shape[-1]) + h * system.A, h * system.B, system.C, system.D)


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
    h = _step(h)
    n = system.A.shape[-1]
    P = np.eye(n) - h * system.A
    _no_eigenvalue("backward_euler", 1 / h, system.A, P)
    A, B = np.linalg.solve(P, np.broadcast_to(np.eye(n), P.shape)), h * np.linalg.solve(P, system.B)
    C = np.swapaxes(np.linalg.solve(np.swapaxes(P, -1, -2), np.swapaxes(system.C, -1, -2)), -1, -2)
    return LinearSSM(A, B, C, system.D + system.C @ B)


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
        If exp(h A) leaves the range of float64.

    References
    ----------
    Gu and Dao (2023), Mamba: Linear-time sequence modeling with selective state spaces.

    Examples
    --------
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> mamba(lag, 1.0).B.tolist(), zero_order_hold(lag, 1.0).B.round(3).tolist()
    ([[1.0]], [[0.632]])
    """
    h = _step(h)
    return LinearSSM(exponential(h * system.A), h * system.B, system.C, system.D)


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

    Examples
    --------
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> undo_zero_order_hold(zero_order_hold(lag, 0.5), 0.5).A.round(12).tolist()
    [[-1.0]]
    """
    h, n, m = _step(h), system.A.shape[-1], system.B.shape[-1]
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
        L = scipy.linalg.logm(whole[i]) if n + m else whole[i]
        X[i] = (L if np.iscomplexobj(whole) else L.real) / h
    return ContinuousSSM(X[..., :n, :n], X[..., :n, n:], system.C, system.D)


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
    >>> lag = ContinuousSSM(A=[[-1]], B=[[1]], C=[[1]], D=[[0]])
    >>> undo_tustin(tustin(lag, 0.5), 0.5).A.round(12).tolist()
    [[-1.0]]
    """
    k = _warped(_step(h), prewarp)
    I = np.eye(system.A.shape[-1])
    P = I + system.A
    _no_eigenvalue("undo_tustin", -1.0, system.A, P)
    A, R_B = np.linalg.solve(P, k * (system.A - I)), np.linalg.solve(P, system.B)
    C_R = np.swapaxes(np.linalg.solve(np.swapaxes(P, -1, -2), np.swapaxes(system.C, -1, -2)), -1, -2)
    return ContinuousSSM(A, np.sqrt(2 * k) * R_B, np.sqrt(2 * k) * C_R, system.D - system.C @ R_B)


def sample_noise(A: Any, Q: Any, h: float) -> SampledNoise:
    """Sample dx = A x dt + dw, E dw dw' = Q dt: A2 = exp(h A), Q2 = int_0^h exp(s A) Q exp(s A)' ds.

    For a short step both are blocks of one exponential (Van Loan),

        exp(h [-A Q; 0 A']) = [., F12; 0 F22],    A2 = F22',  Q2 = F22' F12,

    in which exp(-h A) would overflow for a long or stiff one.  There the step is halved
    until |h A| <= 1 and doubled back, a sum of positive semidefinite terms:

        Q(2 h) = Q(h) + A2(h) Q(h) A2(h)',    A2(2 h) = A2(h)^2.

    Parameters
    ----------
    A, Q : array_like
        (*b, n, n); Q symmetric, positive semidefinite.  A need not be stable.
    h : float
        Step; positive.

    Returns
    -------
    SampledNoise
        A and Q, (*b, n, n), of x((k+1) h) = A x(k h) + w(k).

    Raises
    ------
    ShapeError
        If the shapes do not fit, an entry is not finite, or h is not positive and finite.
    StructureError
        If Q is not symmetric, or a result leaves the range of float64.

    References
    ----------
    Van Loan (1978), Computing integrals involving the matrix exponential.

    Examples
    --------
    The Ornstein-Uhlenbeck process forgets: Q2 = 1 - exp(-2 h) tends to its stationary variance 1.

    >>> [round(float(sample_noise([[-1]], [[2]], h).Q[0, 0]), 4) for h in (0.1, 1, 1000)]
    [0.1813, 0.8647, 1.0]
    """
    A, Q, h = numbers("A", A), numbers("Q", Q), _step(h)
    n = A.shape[-1] if A.ndim else 0
    if A.shape[-2:] != (n, n) or Q.shape[-2:] != (n, n):
        raise ShapeError(f"A and Q have shapes {A.shape} and {Q.shape}, but (..., n, n) is needed for both")
    skew = np.abs(Q - np.swapaxes(Q, -1, -2).conj()).max(initial=0.0)
    if skew > n * EPS * np.abs(Q).max(initial=0.0):
        raise StructureError(f"Q differs from its transpose by {skew:.1e}; a covariance is symmetric")
    size = h * np.abs(A).sum(-1).max(initial=0.0)
    doublings = max(0, int(np.ceil(np.log2(size)))) if size else 0
    A2, Q2 = _van_loan(A, Q, h / 2**doublings)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(doublings):
            Q2 = Q2 + A2 @ Q2 @ np.swapaxes(A2, -1, -2).conj()
            A2 = A2 @ A2
    return SampledNoise(_in_range("exp(h A)", exponential(h * A)), _in_range("Q2", (Q2 + _adjoint(Q2)) / 2))


def _van_loan(A: np.ndarray, Q: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    n = A.shape[-1]
    A, Q = np.broadcast_arrays(A, Q)
    top, bottom = np.concatenate([-A, Q], axis=-1), np.concatenate([np.zeros_like(A), _adjoint(A)], axis=-1)
    F = exponential(h * np.concatenate([top, bottom], axis=-2))
    A2 = _adjoint(F[..., n:, n:])
    return A2, A2 @ F[..., :n, n:]


def _adjoint(X: np.ndarray) -> np.ndarray:
    return np.swapaxes(X, -1, -2).conj()


def held(A: np.ndarray, B: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    """Return exp(h A) and int_0^h exp(s A) B ds."""
    n, m = B.shape[-2:]
    B, scale = _scaled(A, B)
    F = exponential(h * _top([A, B], m))
    return F[..., :n, :n], scale * F[..., :n, n:]


def ramped(A: np.ndarray, B: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return exp(h A), int_0^h exp(s A) B ds and int_0^h (1 - s/h) exp(s A) B ds."""
    n, m = B.shape[-2:]
    B, scale = _scaled(A, B)
    X = h * _top([A, B, np.zeros_like(B)], 2 * m)
    X[..., n : n + m, n + m :] = np.eye(m)
    F = exponential(X)
    return F[..., :n, :n], scale * F[..., :n, n : n + m], scale * F[..., :n, n + m :]


def _scaled(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, float]:
    """B over a power of two that makes it no larger than A: else the exponential would be scaled down for its sake."""
    a, b = np.abs(A).max(initial=0.0), np.abs(B).max(initial=0.0)
    scale = 2.0 ** min(np.ceil(np.log2(b) - np.log2(a)), 1000.0) if 0 < a < b else 1.0
    return B / scale, scale


def _top(row: list[np.ndarray], below: int) -> np.ndarray:
    """Blocks beside each other above rows of zeros."""
    top = np.concatenate(row, axis=-1)
    return np.concatenate([top, np.zeros((*top.shape[:-2], below, top.shape[-1]), top.dtype)], axis=-2)


def exponential(X: np.ndarray) -> np.ndarray:
    """exp(X), (*b, n, n), empty arrays included.

    Raises
    ------
    StructureError
        If it leaves the range of float64.
    """
    if not X.size:
        return np.array(X)
    with np.errstate(over="ignore", invalid="ignore"):
        return _in_range("the matrix exponential", scipy.linalg.expm(X))


def _in_range(name: str, X: np.ndarray) -> np.ndarray:
    if not np.isfinite(X).all():
        raise StructureError(f"{name} leaves the range of float64; a shorter step is needed")
    return X


def _step(h: Any) -> float:
    if np.ndim(h) or np.asarray(h).dtype.kind not in "iuf" or not 0 < h < np.inf:
        raise ShapeError(f"the step h is {h!r}, but a positive finite number is needed")
    return float(h)


def _warped(h: float, w: float | None) -> float:
    """k = 2/h, or w/tan(w h/2)."""
    if w is None:
        return 2 / h
    if not 0 < w * h < np.pi:
        raise StructureError(f"prewarp: w h = {w * h:.4g}, need 0 < w h < pi: no sampled frequency lies beyond")
    return float(w / np.tan(w * h / 2))


def _no_eigenvalue(rule: str, k: float, A: np.ndarray, P: np.ndarray) -> None:
    """Refuse where P, a multiple of k I - A, cannot be told from a singular matrix."""
    if not P.size:
        return
    condition, limit = np.linalg.cond(P).max(), 1 / (P.shape[-1] * EPS)
    if not condition < limit:
        distance = np.abs(np.linalg.eigvals(A) - k).min()
        raise StructureError(
            f"{rule}: {k:.6g} is an eigenvalue of A (distance {distance:.1e}; condition {condition:.1e}, "
            f"need < {limit:.1e}); another step is needed"
        )
