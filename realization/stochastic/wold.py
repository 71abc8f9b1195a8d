"""Every stationary process is predictable plus a moving average of its innovations (Wold 1938), and the finite version.

    y(t) = H U^t xi  +  e(t) + h(1) e(t-1) + h(2) e(t-2) + ...,     U' U = I,  E xi xi' = I,  e white, E e e' = R

The first part has lines for a spectrum and is known from its past without error, the second has a density
Phi with log det R = mean of log det Phi (Szego), which the lines do not change.  Of a finite past

    y(t) = e_t(t) + Theta(t, t-1) e_{t-1}(t-1) + ... + Theta(t, 0) e_0(0),    T = Theta diag(S_n) Theta'

with the errors e_n(n) of predicting y(n) from y(0), ..., y(n-1).  S_t -> R; where there are no lines,
Theta(t, t-k) -> h(k).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.arguments import matrices
from realization.linalg.decision import EPS, Decision, decide_rank, require_decided
from realization.linalg.dense import two_norm
from realization.linalg.psd import positive_factor
from realization.stochastic.covariance import CovarianceModel, covariance_model
from realization.stochastic.schur_algorithm import schur
from realization.stochastic.spectral_factors import innovations_model
from realization.stochastic.window import covariance_window, right_divided
from realization.systems.base import count, of_kind
from realization.systems.stochastic import InnovationsSSM, StochasticSSM


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
    residual : float
        By how much U' U differs from I.
    """

    innovations: InnovationsSSM
    regular: CovarianceModel
    U: np.ndarray
    H: np.ndarray
    frequencies: np.ndarray
    powers: np.ndarray
    decision: Decision
    residual: float

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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Innovations(Sealed):
    """y(t) = sum_{n <= t} Theta(t, n) e_n(n), t = 0 ... N.

    Parameters
    ----------
    Theta : ndarray
        ((N+1) p, (N+1) p), block lower triangular with I on the diagonal.
    errors : ndarray
        S_n = E e_n(n) e_n(n)', (N+1, p, p), or (N+1,) where the covariances came as one row.
    """

    Theta: np.ndarray
    errors: np.ndarray


def innovations_algorithm(covariances: Any) -> Innovations:
    """Write y(0), ..., y(N) in terms of their innovations: T = Theta diag(S_n) Theta', by Schur's algorithm.

    Parameters
    ----------
    covariances : array_like
        Lambda(0), ..., Lambda(N), (N+1, p, p), or (N+1,) where p = 1.
        Fractions, or strings such as "1/3", are computed with exactly.

    Returns
    -------
    Innovations
        Theta and the errors.

    Raises
    ------
    ShapeError
        If the axes are others, Lambda(0) is not symmetric, or an entry is no finite real number.
    StructureError
        If the covariances are not positive definite; with the first reflection of norm 1 or more.

    References
    ----------
    Brockwell and Davis 1991.

    Examples
    --------
    A first difference of white noise is not quite invertible: from n values it is predicted with variance
    (n+2) / (n+1).

    >>> found = innovations_algorithm(["2", "-1", "0", "0"])
    >>> [str(x) for x in found.errors], [str(x) for x in found.Theta[3]]
    (['2', '3/2', '4/3', '5/4'], ['0', '0', '-3/4', '1'])
    """
    p, found = covariance_window(covariances).shape[-1], schur(covariances)
    S = found.errors.reshape(-1, p, p)
    Theta = [right_divided(found.U[:, n * p : (n + 1) * p], S[n]) for n in range(len(S))]
    return Innovations(np.concatenate(Theta, axis=1), found.errors)


def stationary(model: StochasticSSM, P: Any) -> CovarianceModel:
    """Return the covariances of a model with the state covariance P: G = A P C' + B D', Lambda0 = C P C' + D D'.

    Where A has eigenvalues on the unit circle that no noise reaches the model has many stationary states, and P says
    how large the oscillations are.

    Parameters
    ----------
    model : StochasticSSM
        Stable or not.
    P : array_like
        (n, n), positive semidefinite, P = A P A' + B B'.

    Returns
    -------
    CovarianceModel
        Of the process.

    Raises
    ------
    ShapeError
        If the model is of another kind, or P has another shape, is not symmetric or not finite.
    StructureError
        If P is not positive semidefinite, or changes in a step; with the residual.

    Examples
    --------
    y = (-1)^t xi + w(t), with E xi^2 = 3:

    >>> data = stationary(StochasticSSM(A=[[-1]], B=[[0]], C=[[1]], D=[[1]]), [[3]])
    >>> data.Lambda0, data.G
    (array([[4.]]), array([[-3.]]))
    """
    of_kind("stationary covariances", model, StochasticSSM)
    A, B, C, D, P = matrices("A: n n; B: n m; C: p n; D: p m; P: n n", A=model.A, B=model.B, C=model.C, D=model.D, P=P)
    positive_factor(P, what="P")
    change, size = two_norm(A @ P @ A.T + B @ B.T - P), two_norm(P) * max(1.0, two_norm(A)) ** 2
    if change > (bound := 100 * (len(A) + 1) * EPS * size):  # three products of length n; digits to spare
        raise StructureError(f"A P A' + B B' - P has norm {change:.3g}, need 0 up to {bound:.1e}: P changes with time")
    Lambda0 = C @ P @ C.T + D @ D.T
    return CovarianceModel(A, C, A @ P @ C.T + B @ D.T, (Lambda0 + Lambda0.T) / 2)


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
        are not those of a process.

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
    inside, outside, decision = _split(data)
    U, H, residual = _lines(outside)
    rest = data.Lambda0 - H @ H.T
    regular = CovarianceModel(inside.A, inside.C, inside.G, (rest + rest.T) / 2)
    frequencies, powers = _spectrum(U, H)
    innovations = _innovations(regular, two_norm(data.Lambda0))
    return Wold(innovations, regular, U, H, frequencies, powers, decision, residual)


def _split(data: CovarianceModel) -> tuple[CovarianceModel, CovarianceModel, Decision]:
    """T A inv(T) = blkdiag(A_inside, A_on): a sorted Schur form, decoupled by a Sylvester equation."""
    moduli = np.abs(np.linalg.eigvals(data.A))
    distance = np.sort(np.abs(1 - moduli))[::-1]
    noise = len(moduli) * EPS * max(1.0, two_norm(data.A))
    decision = decide_rank(np.minimum(distance, 1.0), scale=1.0, noise=noise, what="eigenvalues off the unit circle")
    require_decided([decision], "put the nearest eigenvalue on the circle or away from it")
    n = decision.choice
    between = (distance[n - 1] + (distance[n] if n < len(moduli) else 0.0)) / 2 if n else 2.0
    if len(moduli) and moduli.max() > 1 + between:
        raise StructureError(f"spectral radius {moduli.max():.6g}, need at most 1: the process is not stationary")
    A, Q, _ = scipy.linalg.schur(data.A, sort=lambda re, im=0.0: abs(complex(re, im)) < 1 - between)
    Y = scipy.linalg.solve_sylvester(A[:n, :n], -A[n:, n:], -A[:n, n:])
    C, G = data.C @ Q, Q.T @ data.G
    inside = CovarianceModel(A[:n, :n], C[:, :n], G[:n] - Y @ G[n:], data.Lambda0)
    return inside, CovarianceModel(A[n:, n:], C[:, n:] + C[:, :n] @ Y, G[n:], data.Lambda0), decision


def _lines(part: CovarianceModel) -> tuple[np.ndarray, np.ndarray, float]:
    """U, H with C A^k P C' = H U^k H'.

    P = A P A' and G = A P C' give P A'^k C' = inv(A)^(k+1) G, hence P from the observability matrix; with P = F F'
    the range of F is invariant, A F = F U, and U' U = I.

    Raises
    ------
    StructureError
        If there is no such P >= 0.
    """
    A, n = part.A, len(part.A)
    O, R = [part.C], [np.linalg.solve(A, part.G)]
    for _ in range(n - 1):
        O.append(O[-1] @ A)
        R.append(np.linalg.solve(A, R[-1]))
    P, _, rank, s = np.linalg.lstsq(np.concatenate(O), np.concatenate(R, axis=1).T)
    size = two_norm(P) + two_norm(part.G)
    # least squares of n block rows, with two digits for the powers of A
    noise = 100 * (n + 1) * EPS * float(s[0] / s[rank - 1] if rank else 1.0) ** 2 * size
    for what, change in (
        ("P - P'", P - P.T),
        ("A P A' - P", A @ P @ A.T - P),
        ("A P C' - G", A @ P @ part.C.T - part.G),
    ):
        if two_norm(change) > noise:
            raise StructureError(
                f"the part on the unit circle is no stationary process: {what} has norm {two_norm(change):.3g}, "
                f"need 0 up to {noise:.1e}, for P with A P C' = G"
            )
    F = positive_factor((P + P.T) / 2, noise=noise, what="covariance of the state on the unit circle").F
    U = np.linalg.lstsq(F, A @ F)[0]
    return U, part.C @ F, two_norm(U.T @ U - np.eye(len(U)))


def _spectrum(U: np.ndarray, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """H v v* H' of the unit eigenvectors v of U, a pair of conjugates together, equal frequencies summed."""
    D, V = scipy.linalg.schur(U, output="complex")
    angles, X = np.abs(np.angle(np.diag(D))), H @ V
    order = np.argsort(angles)
    # eigenvalues of an orthogonal matrix are known to its rounding; lines as near as sqrt(eps) are one
    groups = np.split(order, np.flatnonzero(np.diff(angles[order]) > np.sqrt(EPS)) + 1) if len(U) else []
    powers = [(X[:, g] @ X[:, g].conj().T).real for g in groups]
    return np.array([angles[g].mean() for g in groups]), np.array(powers).reshape(len(groups), len(H), len(H))


def _innovations(data: CovarianceModel, scale: float) -> InnovationsSSM:
    """K and R of the smallest state covariance; no state where nothing is left but rounding."""
    p, size = len(data.C), two_norm(data.Lambda0)
    if size <= 100 * (len(data.A) + p) * EPS * scale:
        return InnovationsSSM(np.zeros((0, 0)), np.zeros((0, p)), np.zeros((p, 0)), np.zeros((p, p)))
    return innovations_model(data)
