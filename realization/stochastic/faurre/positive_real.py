"""Whether data belong to a process: a state covariance that proves it, or a frequency that refutes it.

    M(P) = [P - A P A'    G - A P C'      ]  >= 0  for some P     <=>     Phi(e^iw) >= 0  for every w
           [.             Lambda0 - C P C']

(Kalman, Yakubovich, Popov; Faurre).  In continuous time M(P) = [-A P - P A', G - P C'; ., R].

The proof is a P with M(P) > 0, checked with the rounding of its products included.  The refutation
is a frequency and a vector v with v* Phi v < 0 by more than its rounding.  Between the two, where Phi
touches 0, the numbers are given and nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.linalg

from realization.core.errors import ConvergenceError, RealizationError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.certificate import U, certainly_positive
from realization.linalg.dense import adjoint, two_norm
from realization.linalg.lyapunov import discrete_lyapunov
from realization.stochastic.continuous_covariance import (
    ContinuousCovarianceModel,
    cayley_covariances,
)
from realization.stochastic.covariance import CovarianceModel, spectral_density
from realization.stochastic.faurre.faurre_equation import stabilizing
from realization.stochastic.faurre.noise_matrix import at_once, checked, in_units, noise_matrix, noise_rounding, units

Verdict = Literal["positive real", "not positive real", "undecided"]
LEVELS = 30  # the level converges quadratically; this many are never used
SHARES = 16  # the smallest share of the process that is set aside is 4^-16, above the rounding of M(P)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PositiveRealCertificate(Sealed):
    """Verdict and evidence on data of a process.

    Parameters
    ----------
    verdict : {"positive real", "not positive real", "undecided"}
        Proved, refuted, or too close to the boundary for either.
    P : ndarray or None
        (n, n) with M(P) positive definite: the proof.
    margin : float
        Smallest eigenvalue of M(P); NaN where there is no such P.
    omega : float
        Frequency at which the smallest eigenvalue of Phi is least: the refutation, where it is negative.  With outputs
        out of scale it is the eigenvalue in fitting units where that refutes and the other does not.
        Infinite where that is the limit in continuous time.
    vector : ndarray
        (p,), complex, of norm 1: its eigenvector, in the units of the data.
    density : float
        v* Phi v at that frequency.
    error : float
        Bound of the rounding of `density`, to first order.
    """

    verdict: Verdict
    P: np.ndarray | None
    margin: float
    omega: float
    vector: np.ndarray
    density: float
    error: float

    def __str__(self) -> str:
        found = f"{self.verdict}: the spectral density has smallest eigenvalue {self.density:.3g}"
        proof = "" if self.P is None else f"; M(P) > 0 with smallest eigenvalue {self.margin:.3g}"
        return f"{found} (known to {self.error:.1e}) at frequency {self.omega:.6g}{proof}"


def positive_real(data: Any) -> PositiveRealCertificate:
    """Decide whether some P has M(P) >= 0, that is, whether Phi >= 0 at all frequencies.

    Parameters
    ----------
    data : CovarianceModel or ContinuousCovarianceModel
        With stable A.

    Returns
    -------
    PositiveRealCertificate
        P that proves it, or the frequency and the vector that refute it, or neither.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable.

    Notes
    -----
    The smallest eigenvalue of Phi over all frequencies is found by levels: the frequencies at which
    Phi - level I is singular are the eigenvalues of a symplectic pencil on the unit circle, between them
    lie the arcs on which Phi is below the level, and the middles of these give the next level
    (Boyd and Balakrishnan 1990; Bruinsma and Steinbuch 1990).  No grid is involved.

    Examples
    --------
    Lambda = 2, 1/2, 1/4, ... is a sequence of covariances; half of Lambda(0) is too little:

    >>> data = CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]])
    >>> print(positive_real(data).verdict)
    positive real
    >>> found = positive_real(CovarianceModel(data.A, data.C, data.G, Lambda0=[[0.5]]))
    >>> found.verdict, round(found.density, 6), round(found.omega, 6)
    ('not positive real', -0.166667, 3.141593)

    A difference of white noise has a zero on the circle, which a change of the last digit moves off it:

    >>> positive_real(CovarianceModel(A=[[0]], C=[[1]], G=[[-1]], Lambda0=[[2]])).verdict
    'undecided'
    """
    checked("the positive-real test", data)
    continuous = isinstance(data, ContinuousCovarianceModel)
    discrete, a = cayley_covariances(data) if continuous else (data, 1.0)
    x, y = units(discrete)
    omega, v, density, error = _least(data, discrete, a, x, np.ones_like(y))
    if density >= -error and (y != 1).any():  # a small output's density drowns in the rounding of a large one's
        other = _least(data, discrete, a, x, y)
        omega, v, density, error = other if other[2] < -other[3] else (omega, v, density, error)
    P = None if density < -error else next(_proofs(data, discrete), None)
    verdict: Verdict = "not positive real" if density < -error else "undecided" if P is None else "positive real"
    margin = np.nan if P is None else float(np.linalg.eigvalsh(noise_matrix(data, P)).min(initial=np.inf))
    return PositiveRealCertificate(verdict, P, margin, omega, v, density, error)


def _least(
    data: Any, discrete: CovarianceModel, a: float, x: np.ndarray, y: np.ndarray
) -> tuple[float, np.ndarray, float, float]:
    """Frequency, vector of norm 1, v* Phi v and its error, where Phi is least in these units of states and outputs."""
    angle, v = least_density(in_units(discrete, x, y))
    # near z = -1 the map of the circle to the axis loses digits that the limit R has
    if isinstance(data, CovarianceModel):
        omega = angle
    else:
        omega = np.inf if angle >= np.pi * (1 - 1e-8) else a * float(np.tan(angle / 2))
    density, error = quadratic_density(in_units(data, x, y), omega, v)
    size = float(np.linalg.norm(v / y)) or 1.0
    return omega, v / y / size, density / size**2, error / size**2


def refused(data: Any, error: RealizationError) -> RealizationError:
    """Why Faurre's equation has no solution, as the density says it; or the equation's own words."""
    found = positive_real(data)
    if found.verdict == "positive real":
        return ConvergenceError(f"Faurre's equation was not solved although the data are {found}: {error}")
    if found.verdict == "undecided":
        return StructureError(f"{found}, need > 0 for Faurre's equation: {error}")
    return StructureError(f"{found}, need >= 0: no process has these covariances")


def _proofs(data: Any, discrete: CovarianceModel) -> Iterator[np.ndarray]:
    """P = P0 + t X with M(P) >= t diag(W, V) > 0: what is left of the process without a share of white noise has P0.

    X = A X A' + W, and P0 is the smallest covariance of the data less those of the state noise t W and the
    output noise t V.  W and V have the units of the process: P_- with its diagonal doubled, and its innovations.
    """
    x, y = units(discrete)
    scaled = in_units(discrete, x, y)
    A, C, G, L0 = scaled.A, scaled.C, scaled.G, scaled.Lambda0
    try:
        least = stabilizing(scaled)
        V, d = -least.weight, np.diag(least.X)
        W = least.X + np.diag(np.where(d > 0, d, 1.0))
        X = discrete_lyapunov(A, W).X
    except RealizationError:
        return
    for k in range(1, SHARES + 1):
        t = 0.25**k
        try:
            rest = stabilizing(CovarianceModel(A, C, G - t * A @ X @ C.T, L0 - t * _symmetric(C @ X @ C.T + V)))
        except RealizationError:
            continue
        P = _symmetric(rest.X + t * X) * np.outer(x, x)
        if certainly_positive(P, np.zeros_like(P)) and certainly_positive(
            noise_matrix(data, P), noise_rounding(data, P)
        ):
            yield P


def _symmetric(X: np.ndarray) -> np.ndarray:
    return (X + X.T) / 2


def density_pencil(data: CovarianceModel, level: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return H, J of order 2n + p with det(H - z J) = det(A - zI) det(I - zA') det(Phi(z) - level I).

    The rows say z x = A x + G u,  l = z (A' l + C' u),  0 = C x + G' l + (Lambda0 - level) u.
    """
    A, C, G, L0 = data.A, data.C, data.G, data.Lambda0
    O, I, o = np.zeros_like(A), np.eye(len(A)), np.zeros_like(G)
    H = np.block([[A, O, G], [O, I, o], [C, G.T, L0 - level * np.eye(len(L0))]])
    J = np.block([[I, O, o], [O, A.T, C.T], [o.T, o.T, np.zeros_like(L0)]])
    return H, J


def least_density(data: CovarianceModel) -> tuple[float, np.ndarray]:
    """Return the frequency in [0, pi] at which the smallest eigenvalue of Phi is least, and the eigenvector."""
    p = len(data.C)
    if not p:
        return 0.0, np.zeros(0, dtype=complex)
    best, level = (0.0, np.zeros(p, dtype=complex)), np.inf
    for _ in range(LEVELS):
        alpha, beta = scipy.linalg.eigvals(
            *density_pencil(data, 0.0 if level == np.inf else level), homogeneous_eigvals=True
        )
        # eigenvalues off the circle cost an evaluation, one missed on it would cost the minimum: all are taken
        ends = np.unique(np.concatenate([[0.0, np.pi], np.abs(np.angle(alpha * beta.conj()))]))
        omega = np.concatenate([ends, (ends[1:] + ends[:-1]) / 2])
        values, V = np.linalg.eigh(spectral_density(data, omega))
        i = int(np.argmin(values[:, 0]))
        enough = not values[i, 0] < level - 8 * U * np.abs(values).max()
        if values[i, 0] < level:
            best, level = (float(omega[i]), V[i, :, 0]), values[i, 0]
        if enough:
            break
    return best


def quadratic_density(data: Any, omega: float, v: np.ndarray) -> tuple[float, float]:
    """Return v* Phi v at a frequency, and a first-order bound of its rounding.

    With x = inv(zI - A) G v and y* = v* C inv(zI - A), an error r of (zI - A) x = G v changes v* C x by y* r.
    """
    A, C, G = data.A, data.C, data.G
    continuous, L0 = isinstance(data, ContinuousCovarianceModel), at_once(data)
    size = two_norm(L0)
    if not len(L0):
        return np.inf, 0.0
    if not np.isfinite(omega):
        return float((v.conj() @ L0 @ v).real), 8 * (len(L0) + 4) * U * size
    Z = (1j * omega if continuous else np.exp(1j * omega)) * np.eye(len(A)) - A
    x, y = np.linalg.solve(Z, G @ v), np.linalg.solve(adjoint(Z), C.T @ v)
    value = (v.conj() @ L0 @ v + 2 * (y.conj() @ (G @ v))).real
    # the solve is backward stable up to a growth that 8 (n + p + 4) covers in practice, as it does the products
    r = two_norm(Z) * np.linalg.norm(x) + two_norm(G)
    return float(value), float(8 * (len(A) + len(L0) + 4) * U * (size + 2 * np.linalg.norm(y) * r))
