"""Second-order descriptions of a process in continuous time: state covariance, covariances, spectral density.

    A P + P A' + B B' = 0,    G = P C' + B D',    R = D D'

    E dy(t+s) dy(t)' = C exp(sA) G ds dt  for s > 0,  and R dt on the diagonal

    Phi(s) = C inv(sI - A) G + G' inv(-sI - A') C' + R

The data (A, C, G, R) belong to the process alone, as (A, C, G, Lambda0) do in discrete time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import describe
from realization.core.shapes import array
from realization.linalg.dense import spectral_abscissa
from realization.linalg.lyapunov import continuous_lyapunov
from realization.stochastic.covariance import CovarianceModel, frequencies, resolved
from realization.systems.base import of_kind
from realization.systems.stochastic import ContinuousStochasticSSM, freeze_real, require_symmetric


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ContinuousCovarianceModel:
    """E dy(t+s) dy(t)' = C exp(sA) G ds dt for s > 0, R dt for s = 0: the covariances of a process.

    Parameters
    ----------
    A, C, G, R : array_like
        (n, n), (p, n), (n, p), (p, p); R symmetric.

    Raises
    ------
    ShapeError
        If the shapes do not fit, R is not symmetric, or an entry is not finite.
    """

    A: Any
    C: Any
    G: Any
    R: Any

    def __post_init__(self) -> None:
        freeze_real(self, "A: n n; C: p n; G: n p; R: p p")
        require_symmetric("R", self.R)

    def __repr__(self) -> str:
        return describe("ContinuousCovarianceModel", {"n": self.A.shape[-1], "p": self.C.shape[-2]})

    @property
    def dual(self) -> ContinuousCovarianceModel:
        """(A', G', C', R): the covariances of the process that runs backward."""
        return ContinuousCovarianceModel(self.A.T, self.G.T, self.C.T, self.R)


def decaying(A: np.ndarray) -> float:
    """Return the spectral abscissa, refusing one of 0 or more: there is no stationary state then.

    Raises
    ------
    StructureError
        With the spectral abscissa.
    """
    abscissa = spectral_abscissa(A)
    if not abscissa < 0:
        raise StructureError(f"spectral abscissa {abscissa:.6g}, need < 0: the process is not stationary")
    return abscissa


def continuous_covariance_model(model: Any) -> ContinuousCovarianceModel:
    """Return A, C, G = P C' + B D' and R = D D', with A P + P A' + B B' = 0.

    Parameters
    ----------
    model : ContinuousStochasticSSM or ContinuousCovarianceModel
        Stable.  Data come back as they are.

    Returns
    -------
    ContinuousCovarianceModel
        What all models of the same process share.

    Raises
    ------
    ShapeError
        If it is of another kind.
    StructureError
        If the spectral abscissa is 0 or more.

    Examples
    --------
    An Ornstein-Uhlenbeck process of variance 1/2, seen in unit noise:

    >>> data = continuous_covariance_model(ContinuousStochasticSSM(A=[[-1]], B=[[1, 0]], C=[[1]], D=[[0, 1]]))
    >>> data.G.round(12).tolist(), data.R.tolist()
    ([[0.5]], [[1.0]])
    """
    if isinstance(model, ContinuousCovarianceModel):
        return model
    of_kind("continuous covariance data", model, ContinuousCovarianceModel, ContinuousStochasticSSM)
    decaying(model.A)
    P = continuous_lyapunov(model.A, model.B @ model.B.T).X
    return ContinuousCovarianceModel(model.A, model.C, P @ model.C.T + model.B @ model.D.T, model.D @ model.D.T)


def continuous_spectral_density(data: Any, omega: Any) -> np.ndarray:
    """Phi(iw) = R + Z + Z*,  Z = C inv(iw I - A) G.

    Parameters
    ----------
    data : ContinuousCovarianceModel or ContinuousStochasticSSM
        A model is stable.
    omega : array_like
        (k,) frequencies in radians per unit of time; infinity is the limit, where Phi = R.

    Returns
    -------
    ndarray
        (k, p, p), Hermitian.

    Raises
    ------
    ShapeError
        If data are of another kind, or omega is no row of real numbers.
    StructureError
        If the spectral abscissa of a model is 0 or more, or there is a pole at one of the frequencies.

    Examples
    --------
    1 / (1 + w^2) and the noise 1:

    >>> model = ContinuousStochasticSSM(A=[[-1]], B=[[1, 0]], C=[[1]], D=[[0, 1]])
    >>> continuous_spectral_density(model, [0, 1, np.inf]).real.ravel().round(12)
    array([2. , 1.5, 1. ])
    """
    data = continuous_covariance_model(data)
    omega = array("omega", omega)
    far = np.isinf(omega) if omega.dtype.kind == "f" else np.zeros(omega.shape, dtype=bool)
    Z = data.C @ resolved(data.A, 1j * frequencies(np.where(far, 1.0, omega)), data.G)
    Z[np.atleast_1d(far)] = 0.0
    return data.R + Z + Z.conj().swapaxes(-1, -2)


def cayley_covariances(data: ContinuousCovarianceModel) -> tuple[CovarianceModel, float]:
    """Return discrete data with Phi(z) = Phi(s), s = a (z - 1) / (z + 1), that have the same state covariances, and a.

    With M = inv(aI - A):  A <- M (aI + A),  C <- sqrt(2a) C M,  G <- sqrt(2a) M G,  Lambda0 = R + C M G + (C M G)',
    and the noise matrix M(P) is congruent to that in continuous time.
    """
    A, C, G = data.A, data.C, data.G
    a = float(np.linalg.norm(A) / np.sqrt(max(len(A), 1))) or 1.0  # the middle of the time scales
    I = np.eye(len(A))
    MA, MG = np.split(np.linalg.solve(a * I - A, np.hstack([a * I + A, G])), [len(A)], axis=1)
    CM = np.linalg.solve((a * I - A).T, C.T).T
    root = np.sqrt(2 * a)
    return CovarianceModel(MA, root * CM, root * MG, data.R + C @ MG + (C @ MG).T), a
