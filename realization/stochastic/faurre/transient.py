"""The state predicted from finitely many outputs: the road from 0 to P_-, which is a Kalman filter's."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.linalg.decision import EPS
from realization.linalg.dense import two_norm
from realization.stochastic.covariance import covariance_model
from realization.stochastic.faurre.noise_matrix import checked, units
from realization.systems.base import count


def transient_covariances(data: Any, steps: int) -> np.ndarray:
    """P(0) = 0,  P(i+1) = A P(i) A' + (G - A P(i) C') inv(Lambda0 - C P(i) C') (.)': increasing, with the limit P_-.

    P(i) is the covariance of the projection of the state on the last i outputs,

        P(i) = D inv(T) D',    D = [G  A G ... A^(i-1) G],    T = covariance of i outputs, the latest first.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM or BackwardSSM
        Stable.
    steps : int
        Largest i.

    Returns
    -------
    ndarray
        (steps + 1, n, n).

    Raises
    ------
    ShapeError
        If data are of another kind, or steps is no whole number.
    StructureError
        If A is not stable, or the covariances of so many outputs are not positive definite.

    References
    ----------
    Van Overschee and De Moor 1996.

    Examples
    --------
    >>> from realization.stochastic import CovarianceModel
    >>> data = CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]])
    >>> transient_covariances(data, 4).ravel().round(6)
    array([0.      , 0.125   , 0.133333, 0.133929, 0.133971])
    """
    data = covariance_model(data)
    checked("transient covariances", data)
    A, C, G, L0 = data.A, data.C, data.G, data.Lambda0
    y = units(data)[1]
    Y, found = np.outer(y, y), [np.zeros_like(A)]
    for i in range(count("steps", steps)):
        P = found[-1]
        R, S = L0 - C @ P @ C.T, G - A @ P @ C.T
        smallest, noise = np.linalg.eigvalsh((R + R.T) / 2 / Y).min(initial=np.inf), len(L0) * EPS * two_norm(L0 / Y)
        if smallest <= noise:
            raise StructureError(
                f"output {i} given the {i} before it has variance {smallest:.3g}, need > {noise:.1e}: "
                "the covariances of so many outputs are not positive definite"
            )
        P = A @ P @ A.T + S @ np.linalg.solve(R, S.T)
        found.append((P + P.T) / 2)
    return np.stack(found)
