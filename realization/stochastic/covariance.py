"""Second-order descriptions of a process: state covariance, covariance sequence, spectral density.

    P = A P A' + B B',    G = E x(t+1) y(t)' = A P C' + B D',    Lambda0 = C P C' + D D'

    Lambda(k) = E y(t+k) y(t)' = C A^(k-1) G for k > 0,  Lambda(-k) = Lambda(k)'

    Phi(z) = Lambda0 + C inv(zI - A) G + G' inv(I/z - A') C'

The data (A, C, G, Lambda0) belong to the process alone; all models that share them differ by P, see `faurre`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import describe
from realization.core.shapes import numbers
from realization.linalg.arguments import matrices
from realization.linalg.decision import EPS
from realization.linalg.dense import powers_of_two
from realization.linalg.lyapunov import discrete_lyapunov
from realization.linalg.psd import covariance_factor
from realization.systems.base import count, of_kind
from realization.systems.stochastic import (
    BackwardSSM,
    InnovationsSSM,
    StochasticSSM,
    freeze_real,
    require_symmetric,
    stable,
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CovarianceModel:
    """Lambda(0) = Lambda0,  Lambda(k) = C A^(k-1) G for k = 1, 2, ...: the covariances of a process.

    Parameters
    ----------
    A, C, G, Lambda0 : array_like
        (n, n), (p, n), (n, p), (p, p); Lambda0 symmetric.

    Raises
    ------
    ShapeError
        If the shapes do not fit, Lambda0 is not symmetric, or an entry is not finite.

    Notes
    -----
    Not every such sequence is one of covariances: `positive_real` decides.
    """

    A: Any
    C: Any
    G: Any
    Lambda0: Any

    def __post_init__(self) -> None:
        freeze_real(self, "A: n n; C: p n; G: n p; Lambda0: p p")
        require_symmetric("Lambda0", self.Lambda0)

    def __repr__(self) -> str:
        return describe("CovarianceModel", {"n": self.A.shape[-1], "p": self.C.shape[-2]})

    @property
    def dual(self) -> CovarianceModel:
        """(A', G', C', Lambda0): the covariances of the process that runs backward, Lambda(k)' = G' A'^(k-1) C'."""
        return CovarianceModel(self.A.T, self.G.T, self.C.T, self.Lambda0)


def state_covariance(model: Any) -> np.ndarray:
    """Solve P = A P A' + B B'.

    Parameters
    ----------
    model : StochasticSSM, BackwardSSM or InnovationsSSM
        Stable.

    Returns
    -------
    ndarray
        (n, n), symmetric.

    Raises
    ------
    ShapeError
        If it is of another kind.
    StructureError
        If the spectral radius is 1 or more.

    Examples
    --------
    >>> state_covariance(StochasticSSM(A=[[0.5]], B=[[1]], C=[[1]], D=[[1]])).round(6)
    array([[1.333333]])
    """
    of_kind("covariance", model, StochasticSSM, BackwardSSM, InnovationsSSM)
    stable(model.A)
    Q = model.K @ model.R @ model.K.T if isinstance(model, InnovationsSSM) else model.B @ model.B.T
    return discrete_lyapunov(model.A, Q).X


def covariance_model(model: Any) -> CovarianceModel:
    """Return A, C, G = A P C' + B D' and Lambda0 = C P C' + D D'.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM, BackwardSSM or CovarianceModel
        Stable.  Of a backward model the same matrices are those of the dual; data come back as they are.

    Returns
    -------
    CovarianceModel
        What all models of the same process share; a backward model, whose equations are those of the dual, has
        A', C P A' + D B' and C' for A, C and G.

    Raises
    ------
    ShapeError
        If it is of another kind.
    StructureError
        If the spectral radius is 1 or more.

    Examples
    --------
    >>> data = covariance_model(StochasticSSM(A=[[0.5]], B=[[1, 0]], C=[[1]], D=[[0, 1]]))
    >>> float(data.G[0, 0].round(6)), float(data.Lambda0[0, 0].round(6))
    (0.666667, 2.333333)
    """
    if isinstance(model, CovarianceModel):
        return model
    of_kind("covariance data", model, CovarianceModel, StochasticSSM, InnovationsSSM, BackwardSSM)
    P = state_covariance(model)
    A, C = model.A, model.C
    if isinstance(model, InnovationsSSM):
        S, R = model.K @ model.R, model.R
    else:
        S, R = model.B @ model.D.T, model.D @ model.D.T
    data = _read(A, C, P, S, R)
    return data.dual if isinstance(model, BackwardSSM) else data


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
    covariance_factor(P, what="P")
    u = powers_of_two(np.sqrt(np.diag(P)))
    change, size = np.abs(A @ P @ A.T + B @ B.T - P), np.abs(A) @ np.outer(u, u) @ np.abs(A.T) + np.outer(u, u)
    bound = 100 * (len(A) + 1) * EPS * size  # three products of length n; digits to spare
    if (change > bound).any():
        i = np.unravel_index(np.argmax(change - bound), P.shape)
        raise StructureError(
            f"A P A' + B B' - P has an entry {change[i]:.3g}, need 0 up to {bound[i]:.1e}: P changes with time"
        )
    return _read(A, C, P, B @ D.T, D @ D.T)


def _read(A: np.ndarray, C: np.ndarray, P: np.ndarray, S: np.ndarray, R: np.ndarray) -> CovarianceModel:
    """The covariances of the output of a state with covariance P, Q S R those of the noise."""
    Lambda0 = C @ P @ C.T + R
    return CovarianceModel(A, C, A @ P @ C.T + S, (Lambda0 + Lambda0.T) / 2)


def autocovariances(data: Any, lags: int) -> np.ndarray:
    """Return Lambda(0), ..., Lambda(lags), Lambda(k) = E y(t+k) y(t)'.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM or BackwardSSM
        A model is stable.
    lags : int
        Largest k.

    Returns
    -------
    ndarray
        (lags + 1, p, p).

    Raises
    ------
    ShapeError
        If data are of another kind, or lags is no whole number.
    StructureError
        If the spectral radius of a model is 1 or more.

    Examples
    --------
    >>> autocovariances(CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]]), 3).ravel()
    array([2.   , 0.5  , 0.25 , 0.125])
    """
    data = covariance_model(data)
    found, X = [data.Lambda0], data.G
    for _ in range(count("lags", lags)):
        found.append(data.C @ X)
        X = data.A @ X
    return np.stack(found)


def spectral_density(data: Any, omega: Any) -> np.ndarray:
    """Phi(e^iw) = Lambda0 + Z + Z*,  Z = C inv(e^iw I - A) G.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM or BackwardSSM
        A model is stable.
    omega : array_like
        (k,) frequencies in radians per step.

    Returns
    -------
    ndarray
        (k, p, p), Hermitian.

    Raises
    ------
    ShapeError
        If data are of another kind, or omega is no row of real numbers.
    StructureError
        If the spectral radius of a model is 1 or more, or there is a pole at one of the frequencies.

    Examples
    --------
    A first difference of white noise, Lambda = 2, -1, has no power at frequency 0:

    >>> difference = CovarianceModel(A=[[0]], C=[[1]], G=[[-1]], Lambda0=[[2]])
    >>> spectral_density(difference, [0, np.pi]).real.ravel()
    array([0., 4.])
    """
    data = covariance_model(data)
    Z = data.C @ resolved(data.A, np.exp(1j * frequencies(omega)), data.G)
    return data.Lambda0 + Z + Z.conj().swapaxes(-1, -2)


def frequencies(omega: Any) -> np.ndarray:
    """Return omega as a row of real numbers, (k,); one number is a row of one.

    Raises
    ------
    ShapeError
        If it is none.
    """
    omega = np.atleast_1d(numbers("omega", omega))
    if omega.ndim != 1 or omega.dtype.kind == "c":
        raise ShapeError(f"omega has shape {omega.shape}, {omega.dtype}; real frequencies (k,) are needed")
    return omega


def resolved(A: np.ndarray, z: np.ndarray, B: np.ndarray) -> np.ndarray:
    """inv(zI - A) B for each z, (k, n, m).

    Raises
    ------
    StructureError
        If some z is an eigenvalue of A.
    """
    B = np.broadcast_to(B.astype(complex), (len(z), *B.shape))
    try:
        return np.linalg.solve(z[:, None, None] * np.eye(len(A)) - A, B)
    except np.linalg.LinAlgError:
        pole = z[np.abs(z[:, None] - np.linalg.eigvals(A)).min(axis=1).argmin()]
        raise StructureError(f"there is a pole at z = {pole:.6g}, one of the frequencies: leave it out") from None
