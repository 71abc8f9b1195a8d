"""The process with given covariances and given zeros: rational extension of a window, of one output.

    Phi = |sigma|^2 / |a|^2,    c(k) = mean of Phi e^{ikw},  k = 0 ... n

has for every sigma of degree n with its roots inside the unit circle exactly one solution a of degree n with its roots
inside (Georgiou 1983; Byrnes, Lindquist, Gusev and Matveev 1995).  With f = c(0)/2 + c(1)/z + ... and b the first
n+1 coefficients of a f it reads, coefficient by coefficient,

    a b* + b a* = sigma sigma*,    b = L a,    L = [f(i - j)]  lower triangular,

a quadratic equation in a, solved by Newton's method along a path from sigma sigma* = constant, where Levinson's a
solves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import hankel, toeplitz

from realization.core.errors import ConvergenceError, ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.linalg.dense import spectral_radius
from realization.stochastic.classical.levinson import levinson, step_down
from realization.stochastic.classical.window import covariance_window, entries
from realization.stochastic.covariance import autocovariances
from realization.systems.stochastic import InnovationsSSM

NEWTON_STEPS = 30  # a path is followed by three or four for each of its steps
SHORTEST = 2.0**-30  # step along the path
HALF = EPS**0.5  # half of the digits: known to less neither by its covariances nor by its polynomial it is no answer


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RationalExtension(Sealed):
    """Phi = R |sigma|^2 / |a|^2, with c(0) ... c(n) and sigma as prescribed.

    Parameters
    ----------
    model : InnovationsSSM
        n states, poles the roots of a, zeros those of sigma.
    a, sigma : ndarray
        (n+1,), monic, highest power first.
    R : float
        Variance of the innovations.
    entropy_rate : float
        log(2 pi e R) / 2 in nats for each step.
    residual : float
        Largest error of the covariances of the model, computed from its matrices, over c(0): with poles near the
        circle it grows, as floats cannot say where they are, although the polynomial is right.
    error : float
        Bound on the error of the polynomial a / sqrt(R) over its norm, from Newton and Kantorovich: the equation has a
        solution that near; infinite where their condition fails, rounding of the residual apart.
    pole_radius, zero_radius : float
        Largest modulus of a pole and of a zero.
    steps : int
        How many Newton steps were taken.
    """

    model: InnovationsSSM
    a: np.ndarray
    sigma: np.ndarray
    R: float
    entropy_rate: float
    residual: float
    error: float
    pole_radius: float
    zero_radius: float
    steps: int


def rational_extension(covariances: Any, sigma: Any = (1.0,)) -> RationalExtension:
    """Return the process with covariances c(0) ... c(n), at most n poles, and the roots of sigma as zeros.

    Parameters
    ----------
    covariances : array_like
        c(0), ..., c(n), (n+1,), of one output.
    sigma : array_like
        At most n + 1 coefficients, highest power first, all roots inside the unit circle; what is missing of the
        degree n are zeros at 0.  With zeros given it is `numpy.poly(zeros)`.  Default: all at 0, maximum entropy.

    Returns
    -------
    RationalExtension
        The only one; with what certifies it.

    Raises
    ------
    ShapeError
        If the shapes do not fit, sigma begins with 0, or an entry is no finite real number.
    StructureError
        If the covariances are not positive definite, with the order, or a root of sigma is not inside.
    ConvergenceError
        If the path cannot be followed to its end, or neither covariances nor polynomial are known to half of
        the digits: zeros or poles too near the circle for floats.

    References
    ----------
    Byrnes, Gusev and Lindquist 1998; Byrnes and Lindquist 1997.

    Examples
    --------
    The covariances 1, 0 with a zero at 1/2: white noise, whose pole is there too.

    >>> found = rational_extension([1, 0], np.poly([0.5]))
    >>> found.a.round(12), round(found.R, 12)
    (array([ 1. , -0.5]), 1.0)
    """
    c = _scalar_window(covariances)
    s = _zero_polynomial(sigma, len(c))
    start = levinson(c)
    unit, a = c / c[0], start.forward[-1] * np.sqrt(c[0] / start.errors[-1])
    target = correlate(s, s)
    begin = np.zeros_like(target)
    begin[0] = target[0]  # the same power, spread evenly
    L = np.tril(toeplitz(np.append(unit[:1] / 2, unit[1:])))
    with np.errstate(all="ignore"):  # what is not finite is no solution, and a shorter step is taken
        a, steps = _follow(np.sqrt(target[0]) * a, L, begin, target)
    return _certified(a, s, c, L, steps)


def correlate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of z^k in x y* for k = 0 ... n: sum_i x_i y_{i+k}."""
    return np.correlate(y, x, "full")[len(x) - 1 :]


def paired(x: np.ndarray) -> np.ndarray:
    """The matrix S(x) of y -> x y* + y x*, (n+1, n+1)."""
    return np.triu(toeplitz(x)) + hankel(x)


def _follow(a: np.ndarray, L: np.ndarray, begin: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, int]:
    """Newton's a along a b* + b a* = begin + t (target - begin), t from 0 to 1 in steps that are halved where it fails.

    Raises
    ------
    ConvergenceError
        If steps of 2^-30 fail.
    """
    t, step, taken = 0.0, 1.0, 0
    while t < 1:
        reach = min(t + step, 1.0)
        found, more = _newton(a, L, begin + reach * (target - begin))
        taken += more
        if _stable(found):
            a, t, step = found, reach, 2 * step
        elif (step := step / 2) < SHORTEST:
            residual = np.linalg.norm(paired(a) @ L @ a - target) / np.linalg.norm(target)
            raise ConvergenceError(
                f"the path of extensions ends at {t:.6g} of the way after {taken} Newton steps, relative residual "
                f"{residual:.1e}: zeros or poles are too near the unit circle, or the window is "
                "nearly singular; move the zeros inwards"
            )
    return a, taken


def _newton(a: np.ndarray, L: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, int]:
    """Solve S(a) L a = s, whose derivative is S(L a) + S(a) L; NaN where it does not converge."""
    close = False
    for step in range(1, NEWTON_STEPS + 1):
        b = L @ a
        try:
            h = np.linalg.solve(paired(b) + paired(a) @ L, s - paired(a) @ b)
        except np.linalg.LinAlgError:
            break
        a = a + h
        if close or not np.isfinite(a).all():
            return a, step
        close = bool(np.linalg.norm(h) <= np.sqrt(EPS) * np.linalg.norm(a))  # the next one reaches rounding
    return np.full_like(a, np.nan), step


def _stable(a: np.ndarray) -> bool:
    try:
        step_down(-a[1:] / a[0])
    except (ShapeError, StructureError):  # not finite; a root outside
        return False
    return True


def _certified(a: np.ndarray, s: np.ndarray, c: np.ndarray, L: np.ndarray, steps: int) -> RationalExtension:
    n, monic, R = len(a) - 1, a / a[0], float(1 / a[0] ** 2)
    K, C = (s - monic)[1:, None], np.eye(1, n)
    A = np.eye(n, k=1) - monic[1:, None] @ C
    poles = spectral_radius(A)
    try:
        found = autocovariances(InnovationsSSM(A, K, C, [[R]]), n)[:, 0, 0]  # in units of c(0), as L is
    except StructureError as reason:
        raise ConvergenceError(
            f"the poles come within rounding of the unit circle, radius {poles:.17g} after {steps} Newton steps "
            f"({reason}); move the zeros inwards"
        ) from None
    residual, error = float(np.abs(found - c / c[0]).max()), _error(a, s, L)
    if min(residual, error) > HALF:
        raise ConvergenceError(
            f"the covariances are missed by {residual:.1e} of c(0), the polynomial is known to {error:.1e}, need one "
            f"of them below {HALF:.1e}: poles of modulus {poles:.17g} are too near the unit circle for floats; "
            "move the zeros inwards"
        )
    zeros = float(np.abs(np.roots(s)).max(initial=0.0))
    model, R = InnovationsSSM(A, K, C, [[c[0] * R]]), float(c[0] * R)
    rate = float(np.log(2 * np.pi * np.e * R) / 2)
    return RationalExtension(model, monic, s, R, rate, residual, error, poles, zeros, steps)


def _error(a: np.ndarray, s: np.ndarray, L: np.ndarray) -> float:
    """h = -inv(D) (E + S(h) L h) has a solution |h| <= 2 beta where 4 beta kappa <= 1 (Newton and Kantorovich).

    beta bounds |inv(D) E|, with the rounding of E, and kappa |inv(D) S(h) L h| / |h|^2.
    """
    b, size = L @ a, np.abs(L) @ np.abs(a)
    E = np.abs(paired(a) @ b - correlate(s, s)) + 2 * (len(a) + 2) * EPS * paired(np.abs(a)) @ size
    inverse = 1 / np.linalg.svd(paired(b) + paired(a) @ L, compute_uv=False)[-1]
    beta = inverse * np.linalg.norm(E)
    kappa = inverse * 2 * np.sqrt(len(a)) * np.linalg.norm(L, 2)
    return float(2 * beta / np.linalg.norm(a)) if 4 * beta * kappa <= 1 else np.inf


def _scalar_window(covariances: Any) -> np.ndarray:
    Lambda = covariance_window(covariances)
    if Lambda.shape[1:] != (1, 1):
        raise ShapeError(f"covariances has shape {np.shape(covariances)}, but (n+1,) of one output is needed")
    return Lambda[:, 0, 0].astype(np.float64)


def _zero_polynomial(sigma: Any, length: int) -> np.ndarray:
    s = entries("sigma", sigma).astype(np.float64)
    if s.ndim != 1 or not 0 < len(s) <= length or not s[0]:
        raise ShapeError(
            f"sigma has shape {s.shape}, but 1 to {length} real coefficients are needed, the first not 0, "
            f"for {length} covariances; more zeros need more covariances"
        )
    if len(s) > 1 and not (radius := np.abs(np.roots(s)).max(initial=0.0)) < 1:
        raise StructureError(f"sigma has a root of modulus {radius:.6g}, need < 1; replace z by 1/z there")
    return np.append(s / s[0], np.zeros(length - len(s)))
