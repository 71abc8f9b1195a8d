"""Algebraic Riccati equations, discrete and continuous: the two extreme solutions, verified before they are returned.

    discrete     X = A'XA - (A'XB + S) inv(R + B'XB) (B'XA + S') + Q,     F = inv(R + B'XB) (B'XA + S')
    continuous   0 = A'X + XA - (XB + S) inv(R) (B'X + S') + Q,           F = inv(R) (B'X + S')

with A, Q: (n, n), B, S: (n, m), R: (m, m), gain F: (m, n), closed loop A - B F, and ' the
conjugate transpose.  R and Q may be indefinite, R singular in discrete time.

The *stabilizing* solution has the closed loop inside the unit disc (left half-plane), the
*antistabilizing* one outside.  Which of them is the larger depends on the sign of R + B'XB:

    control, R > 0:                                           stabilizing = maximal
    Faurre, (A, B, Q, R, S) -> (A', C', 0, -Lambda0, -G):      stabilizing = minimal = P-

where P- is the smallest state covariance of a process with covariances Lambda0 and
C A^(k-1) G, and the antistabilizing solution the largest, P+.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy.linalg

from realization.core.errors import ConvergenceError, ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.arguments import LARGEST_FACTOR, matrices
from realization.linalg.decision import EPS
from realization.linalg.dense import adjoint, divided, two_norm
from realization.linalg.doubling import HUGE
from realization.linalg.pencil import Continuous, Discrete, Which

Path = Literal["doubling", "qz", "scipy"]
NEWTON_STEPS = 3  # each squares the error: from sqrt(sqrt(eps)) to rounding in two


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RiccatiSolution(Sealed):
    """X, and what it is worth.

    Parameters
    ----------
    X : ndarray
        (n, n), symmetric.
    gain, closed_loop : ndarray
        F (m, n) and A - B F (n, n).
    weight : ndarray
        R + B'XB (R in continuous time), (m, m).  In Faurre's equation its negative is the
        covariance of the innovations: where it is not positive definite the data belong to no
        process, although the equation has a solution.
    residual : float
        Frobenius norm of what the equation leaves over, relative to its largest term.  For the
        antistabilizing solution of the discrete equation: of the equation backwards in time,
        M'(...)M with M = inv(A - B F), relative to X.
    condition : float
        To first order |error of X| <= condition residual |X|.  It is the 2-norm of the
        inverse of the Lyapunov operator of the closed loop, times the largest term, over |X|;
        infinite, or above 1e5, with a closed-loop eigenvalue on the boundary.
    error : float
        The Newton step from X over |X|, which estimates the relative error of X; infinite where
        the closed loop is on the boundary and there is no such step.
    on_boundary : int
        Closed-loop eigenvalues on the unit circle (imaginary axis), up to the square root of
        rounding: they are double in the pencil, hence known to half the digits.
    path : {"doubling", "qz", "scipy"}
        The route that led to X.
    """

    X: np.ndarray
    gain: np.ndarray
    closed_loop: np.ndarray
    weight: np.ndarray
    residual: float
    condition: float
    error: float
    on_boundary: int
    path: Path


def discrete_riccati(A: Any, B: Any, Q: Any, R: Any, S: Any = None, *, which: Which = "stabilizing") -> RiccatiSolution:
    """Solve X = A'XA - (A'XB + S) inv(R + B'XB) (B'XA + S') + Q.

    Parameters
    ----------
    A, B, Q, R : array_like
        (n, n), (n, m), (n, n) and (m, m); Q and R symmetric, definite or not, R singular or not.
    S : array_like, optional
        (n, m).  Default: zero.
    which : {"stabilizing", "antistabilizing"}
        Side of the closed-loop eigenvalues.

    Returns
    -------
    RiccatiSolution
        Verified: residual at rounding level or estimated error below sqrt(eps), and
        the closed loop on the side asked for.

    Raises
    ------
    ShapeError
        If the shapes do not fit, Q or R is not symmetric, or an entry is not finite.
    StructureError
        If there is no such solution: eigenvalues of the pencil on the unit circle (a spectral
        density that is not positive, in Faurre's equation), or (A, B) not stabilizable.
    ConvergenceError
        If no route satisfies the equation; the message gives the best residual.

    References
    ----------
    Chu, Fan, Lin and Wang 2004 (doubling); Van Dooren 1981 (extended pencil); Faurre,
    Clerget and Germain 1979.

    Examples
    --------
    Covariances Lambda0 = 2 and C A^(k-1) G = 2^-k, with A = G = 1/2 and C = 1, leave for the
    state covariance what lies between the roots of P^2 - 2 P + 1/4 = 0:

    >>> for which in ("stabilizing", "antistabilizing"):
    ...     discrete_riccati([[0.5]], [[1]], [[0]], [[-2]], [[-0.5]], which=which).X.round(7)
    array([[0.1339746]])
    array([[1.8660254]])
    """
    return _in_units(Discrete(*_arguments(A, B, Q, R, S)), which)


def continuous_riccati(
    A: Any, B: Any, Q: Any, R: Any, S: Any = None, *, which: Which = "stabilizing"
) -> RiccatiSolution:
    """Solve A'X + XA - (XB + S) inv(R) (B'X + S') + Q = 0.

    Parameters
    ----------
    A, B, Q, R : array_like
        (n, n), (n, m), (n, n) and (m, m); Q and R symmetric, definite or not, R invertible.
    S : array_like, optional
        (n, m).  Default: zero.
    which : {"stabilizing", "antistabilizing"}
        Side of the closed-loop eigenvalues.

    Returns
    -------
    RiccatiSolution
        Verified as that of `discrete_riccati`.

    Raises
    ------
    ShapeError
        If the shapes do not fit, Q or R is not symmetric, or an entry is not finite.
    StructureError
        If R is singular, or there is no such solution.
    ConvergenceError
        If no route satisfies the equation; the message gives the best residual.

    References
    ----------
    Chu, Fan and Lin 2005 (doubling); Van Dooren 1981 (extended pencil).

    Examples
    --------
    2 X - X^2 + 3 = 0 has the solutions 3, which stabilizes, and -1:

    >>> continuous_riccati([[1]], [[1]], [[3]], [[1]]).X.round(12)
    array([[3.]])
    >>> continuous_riccati([[1]], [[1]], [[3]], [[1]], which="antistabilizing").X.round(12)
    array([[-1.]])
    """
    problem = Continuous(*_arguments(A, B, Q, R, S))
    values = np.linalg.svd(problem.R, compute_uv=False)
    if len(values) and values[-1] <= len(values) * EPS * values[0]:
        raise StructureError(
            f"R has smallest singular value {values[-1]:.1e}, need > {len(values) * EPS * values[0]:.1e}: "
            "the continuous Riccati equation inverts R"
        )
    return _in_units(problem, which)


def _arguments(A: Any, B: Any, Q: Any, R: Any, S: Any) -> tuple[np.ndarray, ...]:
    S = np.zeros(np.shape(B)) if S is None else S
    A, B, Q, R, S = matrices("A: n n; B: n m; Q: n n; R: m m; S: n m", largest=LARGEST_FACTOR, A=A, B=B, Q=Q, R=R, S=S)
    for name, X in (("Q", Q), ("R", R)):
        skew, size = np.linalg.norm(X - adjoint(X)), np.linalg.norm(X)
        if skew > len(X) * EPS * size:
            raise ShapeError(
                f"{name} has |{name} - {name}'| / |{name}| = {skew / size:.1e}; a symmetric matrix is needed"
            )
    return A, B, (Q + adjoint(Q)) / 2, (R + adjoint(R)) / 2, S


def _in_units(problem: Discrete | Continuous, which: Which) -> RiccatiSolution:
    """The solution in units in which [Q S; S' R] has the size 1: that of (c Q, c R, c S) is c X."""
    largest = max(float(np.abs(X).max(initial=0.0)) for X in (problem.Q, problem.R, problem.S))
    unit = 2.0 ** np.round(np.log2(largest)) if largest else 1.0  # a power of two: nothing is rounded
    Q, R, S = problem.Q / unit, problem.R / unit, problem.S / unit
    found = _solve(replace(problem, Q=Q, R=R, S=S), which)
    return replace(found, X=unit * found.X, weight=unit * found.weight)


def _solve(problem: Discrete | Continuous, which: Which) -> RiccatiSolution:
    """Go through the routes until one satisfies the equation; failing that, take the best of them if it is close."""
    if which not in ("stabilizing", "antistabilizing"):
        raise ShapeError(f"which is {which!r}; 'stabilizing' or 'antistabilizing' is needed")
    n, m = problem.B.shape
    if n == 0:
        return RiccatiSolution(problem.Q, problem.S.T, problem.A, problem.R, 0.0, 0.0, 0.0, 0, "doubling")
    best: RiccatiSolution | None = None
    level = 10 * (n + m) * EPS  # products of length n and m, with a digit for the routes' own rounding
    for path, X in _routes(problem, which):
        found = _refined(problem, X, path, which, level)
        if found is not None and found.residual <= level:
            return found
        if found is not None and (best is None or found.residual < best.residual):
            best = found
    if best is not None and (best.residual <= 100 * level or best.error <= np.sqrt(EPS)):
        return best
    raise _refusal(problem, which, best)


def _routes(problem: Discrete | Continuous, which: Which) -> Iterator[tuple[Path, np.ndarray]]:
    """Candidates, cheapest first; a route that breaks down is passed over."""
    routes: list[tuple[Path, Callable[[], np.ndarray | None]]] = [
        ("doubling", lambda: problem.doubled(which)),
        ("qz", lambda: _by_qz(problem, which)),
    ]
    if which == "stabilizing" and problem.B.size:  # SciPy's has no answer without inputs
        routes.append(("scipy", problem.by_scipy))
    for path, route in routes:
        try:
            X = route()
        except (np.linalg.LinAlgError, ValueError):
            continue
        if X is not None and np.abs(X).max() < HUGE:
            yield path, (X + adjoint(X)) / 2


def _by_qz(problem: Discrete | Continuous, which: Which) -> np.ndarray:
    """X = Z21 inv(Z11) from the ordered QZ form; a second pass scales the costate by |X|, so that Z is balanced."""
    n = len(problem.A)
    X = problem.Q
    scale = max(two_norm(problem.Q), two_norm(problem.R), two_norm(problem.S)) or 1.0
    for _ in range(2):
        output = "real" if problem.A.dtype.kind == "f" else "complex"
        Z = scipy.linalg.ordqz(*problem.pencil(scale), sort=problem.sort[which], output=output)[5]
        X = scale * divided(Z[n:, :n], Z[:n, :n])
        scale = two_norm(X) or 1.0
    return X


def _refined(
    problem: Discrete | Continuous, X: np.ndarray, path: Path, which: Which, level: float
) -> RiccatiSolution | None:
    """Judge X; while its residual is above rounding and a Newton step lowers it, take the step."""
    found, step = _judged(problem, X, path, which)
    for _ in range(NEWTON_STEPS):
        if found is None or step is None or found.residual <= level:
            break
        again, step = _judged(problem, found.X + step, path, which)
        if again is None or again.residual >= found.residual:
            break
        found = again
    return found


def _judged(
    problem: Discrete | Continuous, X: np.ndarray, path: Path, which: Which
) -> tuple[RiccatiSolution | None, np.ndarray | None]:
    """X with its numbers and the Newton step from there; None where the closed loop is on the wrong side."""
    n = len(X)
    try:
        F = problem.gain(X)
        closed = problem.A - problem.B @ F
        terms = problem.terms(X, F)
        K, E = problem.attracting(closed, np.sum(terms, axis=0), which)
    except np.linalg.LinAlgError:
        return None, None
    size = float(np.linalg.norm(X)) if K is not closed else max(float(np.linalg.norm(term)) for term in terms)
    residual = float(np.linalg.norm(E)) / (size or 1.0)
    solved = problem.lyapunov(K, np.stack([(E + adjoint(E)) / 2, np.eye(n, dtype=E.dtype)]))
    step, H = (None, None) if solved is None else solved
    condition, count = np.inf if H is None else two_norm(H), 0
    # double eigenvalues of the pencil are known to sqrt(eps); two digits more for their own condition
    blur = 100 * np.sqrt(EPS)
    if not condition < 1 / blur:
        distance = problem.distance(closed, which)
        if not (distance <= blur).all():
            return None, None
        count = int((np.abs(distance) <= blur).sum())
    norm = float(np.linalg.norm(X)) or size or 1.0
    condition = condition * size / norm if condition < np.inf else np.inf
    error = np.inf if step is None else float(np.linalg.norm(step)) / norm
    return RiccatiSolution(X, F, closed, problem.weight(X), residual, float(condition), error, count, path), step


def _refusal(problem: Discrete | Continuous, which: Which, best: RiccatiSolution | None) -> Exception:
    """Why there is no such solution, read off the pencil; or that none was found."""
    n = len(problem.A)
    H, J = problem.pencil(max(two_norm(problem.Q), two_norm(problem.R), two_norm(problem.S)) or 1.0)
    alpha, beta = scipy.linalg.eigvals(H, J, homogeneous_eigvals=True)
    size = np.hypot(np.abs(alpha), np.abs(beta))
    norm = two_norm(H) + two_norm(J)
    if size.min() <= 2 * n * EPS * norm:
        return StructureError(
            f"the pencil of the Riccati equation is singular: an eigenvalue is 0 / 0 up to {size.min():.1e}, "
            f"need > {2 * n * EPS * norm:.1e}; an input neither costs nor acts"
        )
    gaps = np.abs(problem.gaps(alpha / size, beta / size))
    near = int((gaps <= np.sqrt(EPS)).sum())
    if near:
        return StructureError(
            f"no {which} solution: {near} of {2 * n} eigenvalues of the pencil lie on the {problem.boundary} "
            f"(nearest {gaps.min():.1e}, need > {np.sqrt(EPS):.1e}); in Faurre's equation the spectral density is "
            "then not positive"
        )
    infinite = float((np.abs(beta) / size).min())
    if which == "antistabilizing" and infinite <= 2 * n * EPS:
        return StructureError(
            f"no antistabilizing solution: the closed loop has an eigenvalue above {1 / max(infinite, EPS):.1e}, "
            f"need < {1 / (2 * n * EPS):.1e}; the stabilizing solution of the dual equation is its inverse"
        )
    Z = scipy.linalg.ordqz(H, J, sort=problem.sort[which], output="complex")[5]
    smallest = np.linalg.svd(Z[:n, :n], compute_uv=False)[-1]
    if smallest <= np.sqrt(EPS):
        return StructureError(
            f"no {which} solution: the invariant subspace is a graph only up to {smallest:.1e}, need > "
            f"{np.sqrt(EPS):.1e}; (A, B) has a mode on the wrong side that no input reaches"
        )
    residual = np.inf if best is None else best.residual
    return ConvergenceError(f"no route satisfies the Riccati equation: best residual {residual:.1e} of all routes")
