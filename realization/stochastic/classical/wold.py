"""Every stationary process is predictable plus a moving average of its innovations (Wold 1938).

    y(t) = H U^t xi  +  e(t) + h(1) e(t-1) + h(2) e(t-2) + ...,     U' U = I,  E xi xi' = I,  e white, E e e' = R

The first part has lines for a spectrum and is known from its past without error, the second has a density
Phi with log det R = mean of log det Phi (Szego), which the lines do not change.  They are told apart by the
eigenvalues of A, on the unit circle or inside,

    C A^(k-1) G = sum_j lambda_j^k Pi_j + C_1 A_1^(k-1) G_1,     Pi_j = F_j F_j* >= 0,    |lambda_j| = 1

by projections on invariant subspaces.  For finite time see `schur`, whose triangle holds the coefficients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import CEILING, EPS, Decision, decide_rank, require_decided
from realization.linalg.dense import adjoint, balance, powers_of_two, two_norm
from realization.linalg.psd import positive_factor
from realization.stochastic.classical.window import diagonal_units
from realization.stochastic.covariance import CovarianceModel, covariance_model
from realization.stochastic.faurre.spectral_factors import innovations_model
from realization.systems.base import count
from realization.systems.stochastic import InnovationsSSM

NEAR = EPS**0.5  # frequencies nearer than this are one line


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Wold(Sealed):
    """y(t) = H U^t xi + sum_k h(k) e(t-k).

    Parameters
    ----------
    innovations : InnovationsSSM
        The regular part: h(0) = I, h(k) = C A^(k-1) K, and R.
    regular : CovarianceModel
        Its covariances.
    U, H : ndarray
        (r, r), orthogonal, and (p, r).
    frequencies : ndarray
        (k,), in radians per step, 0 to pi, increasing.
    powers : ndarray
        (k, p, p), the covariance at each frequency; their sum is H H'.
    decision : Decision
        How many eigenvalues of A are inside the circle, by their distances from it.
    error : float
        What rounding may have done to the covariances of the lines, where each output has variance 1; so much of them
        may be left in the regular part, and a regular part no larger counts as none.
    """

    innovations: InnovationsSSM
    regular: CovarianceModel
    U: np.ndarray
    H: np.ndarray
    frequencies: np.ndarray
    powers: np.ndarray
    decision: Decision
    error: float

    @property
    def predictable(self) -> CovarianceModel:
        """The covariances H U^k H' of the part that its past determines."""
        return CovarianceModel(self.U, self.H, self.U @ self.H.T, self.H @ self.H.T)

    def moving_average(self, lags: int) -> np.ndarray:
        """Return h(0) = I, ..., h(lags), (lags + 1, p, p)."""
        model = self.innovations
        found, X = [np.eye(len(model.C))], model.K
        for _ in range(count("lags", lags)):
            found.append(model.C @ X)
            X = model.A @ X
        return np.stack(found)


def wold(data: Any) -> Wold:
    """Split a process into a part that its past determines and a moving average of its innovations.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM or InnovationsSSM
        A with eigenvalues inside and on the unit circle (of a model: inside; see `stationary`).

    Returns
    -------
    Wold
        Both parts.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If an eigenvalue is outside the circle, or so near that it could be on it; if the covariances of either part
        are not those of a process; if rounding hides the lines.

    References
    ----------
    Wold 1938; Szego 1920.

    Examples
    --------
    An oscillation of period 4 and power 2 in white noise:

    >>> data = CovarianceModel(A=[[0, 1], [-1, 0]], C=[[1, 0]], G=[[0], [-2]], Lambda0=[[3]])
    >>> found = wold(data)
    >>> found.frequencies.round(6), found.powers.round(6).ravel(), found.innovations.R.round(6)
    (array([1.570796]), array([2.]), array([[1.]]))
    """
    data = data if isinstance(data, CovarianceModel) else covariance_model(data)
    A, d = balance(data.A)
    u = powers_of_two(diagonal_units(data.Lambda0[None]))[:, None]  # decisions where the variances are about 1
    whole = _Part(A, data.C / u * d, data.G / d[:, None] / u.T)
    inside, on, decision = _split(whole)
    lines, error = _lines(on, two_norm(whole.C) * two_norm(whole.G))
    U = scipy.linalg.block_diag(np.zeros((0, 0)), *[line.U for line in lines])
    H = u * np.concatenate([np.zeros((len(u), 0)), *[line.H for line in lines]], axis=1)
    powers = np.array([u * line.H @ line.H.T * u.T for line in lines]).reshape(len(lines), len(u), len(u))
    rest = data.Lambda0 - H @ H.T
    regular = CovarianceModel(inside.A, u * inside.C, inside.G * u.T, (rest + rest.T) / 2)
    nothing = two_norm(rest / u / u.T) <= error
    innovations = _silent(len(u)) if nothing else innovations_model(regular)
    return Wold(innovations, regular, U, H, np.array([line.omega for line in lines]), powers, decision, error)


class _Part(NamedTuple):
    """C A^(k-1) G, the covariances that belong to some eigenvalues, and their error over |C| |G| of all of them."""

    A: np.ndarray
    C: np.ndarray
    G: np.ndarray
    error: float = 0.0

    def of(self, chosen: Callable[[complex], bool], output: str) -> _Part:
        """R* A R, C R, inv(L* R) L* G: R spans the invariant subspace of the chosen eigenvalues, L that of A*."""
        R, L = _invariant(self.A, chosen, output), _invariant(adjoint(self.A), lambda z: chosen(z.conjugate()), output)
        if R.shape != L.shape:
            raise StructureError("eigenvalues of A and of A' are not the same in floats; give a minimal model")
        A, G = adjoint(R) @ self.A @ R, np.linalg.solve(adjoint(L) @ R, adjoint(L) @ self.G)
        return _Part(A, self.C @ R, G, self.error + self._rounding(A, adjoint(L) @ R))

    def _rounding(self, part: np.ndarray, angles: np.ndarray) -> float:
        """Rounding, n eps |A|, times the projector, over the gap to the other eigenvalues: what moves a subspace."""
        apart = np.abs(np.linalg.eigvals(self.A)[:, None] - np.linalg.eigvals(part))
        gap = np.sort(apart.min(axis=1, initial=1.0))[len(part) :].min(initial=1.0)
        projector = 1 / np.linalg.svd(angles, compute_uv=False).min(initial=1.0)
        return float((len(self.A) + 1) * EPS * (1 + two_norm(self.A)) * projector / gap)


def _invariant(A: np.ndarray, chosen: Callable[[complex], bool], output: str) -> np.ndarray:
    """An orthonormal basis of the invariant subspace of the chosen eigenvalues."""
    _, Q, n = scipy.linalg.schur(A, output=output, sort=lambda re, im=0.0: chosen(complex(re, im)))
    return Q[:, :n]


def _split(whole: _Part) -> tuple[_Part, _Part, Decision]:
    """The eigenvalues inside the circle and those on it."""
    moduli = np.abs(np.linalg.eigvals(whole.A))
    distance = np.sort(np.abs(1 - moduli))[::-1]
    noise = len(moduli) * EPS * max(1.0, two_norm(whole.A))
    decision = decide_rank(np.minimum(distance, 1.0), scale=1.0, noise=noise, what="eigenvalues off the unit circle")
    require_decided([decision], "put the nearest eigenvalue on the circle or away from it")
    n = decision.choice
    between = (distance[n - 1] + (distance[n] if n < len(moduli) else 0.0)) / 2 if n else 2.0
    if len(moduli) and moduli.max() > 1 + between:
        raise StructureError(f"spectral radius {moduli.max():.6g}, need at most 1: the process is not stationary")
    inside = whole.of(lambda z: abs(z) < 1 - between, "real")
    return inside, whole.of(lambda z: abs(z) >= 1 - between, "real"), decision


class _Line(NamedTuple):
    """H U^t xi of one frequency."""

    omega: float
    U: np.ndarray
    H: np.ndarray


def _lines(part: _Part, size: float) -> tuple[list[_Line], float]:
    """The lines, by frequency, and what rounding may have done to their covariances."""
    angles = np.sort(np.abs(np.angle(np.linalg.eigvals(part.A))))
    groups = np.split(angles, np.flatnonzero(np.diff(angles) > NEAR) + 1) if len(angles) else []
    omegas = np.array([g.mean() for g in groups])
    omegas[omegas < NEAR], omegas[omegas > np.pi - NEAR] = 0.0, np.pi
    lines: list[_Line] = []
    error = 0.0
    for k, omega in enumerate(omegas):
        paired = 0 < omega < np.pi

        def here(z: complex, k: int = k, paired: bool = paired) -> bool:
            return np.abs(omegas - abs(np.angle(z))).argmin() == k and (z.imag > 0 or not paired)

        line, more = _line(part.of(here, "complex"), omega, paired, size)
        lines, error = lines + [line] * bool(line.H.size), error + more
    return lines, error


def _line(part: _Part, omega: float, paired: bool, size: float) -> tuple[_Line, float]:
    """Write lambda^k Pi, and its conjugate where it has one, as H U^k H'.

    Pi = C G / lambda, and no covariance shows N = A / lambda - I.  With Pi = F F* it is H = sqrt(2) [Re F, Im F]
    and U = [c I, s I; -s I, c I], c + i s = lambda.

    Raises
    ------
    StructureError
        If N shows, Pi is not positive semidefinite, or rounding hides all but six digits of the variances.
    """
    z, error = np.exp(1j * omega), part.error * size
    if error > CEILING:
        raise StructureError(
            f"the line at frequency {omega:.6g} is known to {error:.1e} of the variances, need {CEILING:.0e}: "
            "other frequencies or poles are too near, or A is far from normal; give a minimal model, balanced"
        )
    for what, change in _changes(part, z):
        if (found := two_norm(change)) > error:
            raise StructureError(
                f"the part at frequency {omega:.6g} is no stationary process: {what} has norm {found:.3g}, "
                f"need 0 up to {error:.1e}, in covariances lambda^k Pi with Pi = C G / lambda"
            )
    Pi = part.C @ part.G / z
    F = positive_factor((Pi + adjoint(Pi)) / 2, noise=error, what=f"the power at frequency {omega:.6g}").F
    if not paired:
        return _Line(omega, np.real(z) * np.eye(F.shape[1]), F.real), error
    U = np.kron([[z.real, z.imag], [-z.imag, z.real]], np.eye(F.shape[1]))
    return _Line(omega, U, 2**0.5 * np.hstack([F.real, F.imag])), error


def _changes(part: _Part, z: complex) -> Iterator[tuple[str, np.ndarray]]:
    """What is 0 where C A^(k-1) G = z^k Pi is the covariance of a line."""
    A, C, G, _ = part
    Pi, N, X = C @ G / z, A / z - np.eye(len(A)), G
    yield "Pi - Pi*", Pi - adjoint(Pi)
    for j in range(1, len(A)):
        X = N @ X
        yield f"C N^{j} G, N = A / lambda - I,", C @ X


def _silent(p: int) -> InnovationsSSM:
    """No states and R = 0: nothing is left but rounding."""
    return InnovationsSSM(np.zeros((0, 0)), np.zeros((0, p)), np.zeros((p, 0)), np.zeros((p, p)))
