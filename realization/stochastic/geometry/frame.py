"""All that past and future say about each other at one moment, in windows and over infinite time.

    X_- = E[H^+ | H^-], spanned by x_- = E[x | H^-]            X_+ = E[H^- | H^+], spanned by xbar_+ = E[xbar | H^+]

with H^- the past y(-1), y(-2), ..., H^+ the future y(0), y(1), ..., x = x(0) the state of any model of the process and
xbar = inv(P) x.  X_- and X_+ are the same for all of them, and the three vectors have the covariance

    E [x_-; x; xbar_+] [...]'  =  [ P_-          P_-          P_- Pbar_- ]
                                  [ P_-          P            P Pbar_-   ]
                                  [ Pbar_- P_-   Pbar_- P     Pbar_-     ]

since x splits past and future.  The angles between X_- and X_+ are those between past and future.  Their sum is the
frame space: it holds the states of all internal models, splits past and future, and is twice as large as need be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.canonical.balanced import factors
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.linalg.dense import two_norm
from realization.linalg.lyapunov import continuous_lyapunov
from realization.stochastic.continuous_covariance import ContinuousCovarianceModel
from realization.stochastic.covariance import CovarianceModel, state_covariance
from realization.stochastic.geometry.canonical_correlations import phase
from realization.stochastic.joint import joint_covariance
from realization.systems.base import count, of_kind
from realization.systems.stochastic import ContinuousStochasticSSM, InnovationsSSM, StochasticSSM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Frame(Sealed):
    """x_-, x and xbar_+ as variables with one joint covariance.

    Parameters
    ----------
    joint : ndarray
        (N, N).
    predictor, state, backward : ndarray
        Which of the N variables are x_- (n,), x (n,), or none where data came instead of a model, and xbar_+ (n,).
    noise : float
        2-norm of the error of joint in units in which each variable has variance 1.
    """

    joint: np.ndarray
    predictor: np.ndarray
    state: np.ndarray
    backward: np.ndarray
    noise: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Moment(Sealed):
    """The present x(0), and i steps before and j steps after it, as variables with one joint covariance.

    Parameters
    ----------
    joint : ndarray
        (N, N), N = n (i + j + 1) + p (i + j).
    past, future : ndarray
        Which of the N variables are y(-i), ..., y(-1) and y(0), ..., y(j-1).
    state : ndarray
        Which are x(0).
    before, after : ndarray
        Which are x(-i), ..., x(-1) and x(1), ..., x(j).
    noise : float
        2-norm of what rounding does to joint in units in which each variable has variance 1: more than rounding
        of its entries where A makes large states small by cancellation.
    """

    joint: np.ndarray
    past: np.ndarray
    future: np.ndarray
    state: np.ndarray
    before: np.ndarray
    after: np.ndarray
    noise: float

    @property
    def scattering_pair(self) -> tuple[np.ndarray, np.ndarray]:
        """S = H^- v X^- and Sbar = H^+ v X^+: outputs and states up to the present, and from the present on."""
        return (
            np.concatenate([self.past, self.before, self.state]),
            np.concatenate([self.future, self.state, self.after]),
        )


def frame(data: Any) -> Frame:
    """Return the joint covariance of x_-, x and xbar_+ over infinite windows.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, ContinuousCovarianceModel or ContinuousStochasticSSM
        Stable; data have no state of their own.

    Returns
    -------
    Frame
        P_+ is not formed: xbar_+ has the covariance Pbar_- = inv(P_+).

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, if the data belong to no process, or if the innovations are singular.

    References
    ----------
    Lindquist and Picci 2015.

    Examples
    --------
    The cosine of the angle between predictor and backward predictor is the canonical correlation:

    >>> from realization.stochastic.geometry.splitting import principal_angles
    >>> found = frame(StochasticSSM(A=[[0.5]], B=[[1]], C=[[0.5]], D=[[1]]))
    >>> principal_angles(found.joint, found.predictor, found.backward, noise=found.noise).cosines.round(12)
    array([0.5])
    """
    found = phase(data)
    basis, x, P = factors(found.system), found.units[:, None], _own(data)
    n, k = len(x), len(P)
    P_, Pb = basis.L @ basis.L.T, basis.M @ basis.M.T
    noise = found.error * max(_spread(P_), _spread(Pb))
    P_, Pb = P_ * x * x.T, Pb / x / x.T
    joint = np.block([[P_, P_[:, :k], P_ @ Pb], [P_[:k], P, P @ Pb[:k]], [Pb @ P_, Pb[:, :k] @ P, Pb]])
    index = np.arange(len(joint))
    return Frame(joint, index[:n], index[n : n + k], index[n + k :], noise)


def moment(model: Any, past: int, future: int) -> Moment:
    """Return outputs and states from `past` steps before to `future` steps after the present, with their covariance.

    Parameters
    ----------
    model : StochasticSSM or InnovationsSSM
        Of spectral radius below 1.
    past, future : int
        Steps i and j.

    Returns
    -------
    Moment
        One joint covariance, and which variables are what.

    Raises
    ------
    ShapeError
        If the model is of another kind, or a length is no whole number >= 0.
    StructureError
        If the spectral radius is 1 or more.

    Examples
    --------
    The state of a model splits past and future, whatever the window:

    >>> from realization.stochastic.geometry.splitting import principal_angles, splitting
    >>> now = moment(StochasticSSM(A=[[0.5]], B=[[1, 0]], C=[[1]], D=[[0, 1]]), 3, 3)
    >>> splitting(now.joint, now.state, now.past, now.future, noise=now.noise).splits
    True

    Past and future with the states in them intersect perpendicularly in it:

    >>> angles = principal_angles(now.joint, *now.scattering_pair, noise=now.noise)
    >>> angles.perpendicular, angles.shared
    (True, 1)
    """
    of_kind("moment", model, StochasticSSM, InnovationsSSM)
    i, j = count("past", past), count("future", future)
    (p, n), T = model.C.shape, i + j
    index = np.arange(n * (T + 1) + p * T)
    x, y = index[: n * (T + 1)], index[n * (T + 1) :]
    joint = joint_covariance(model, T)
    noise = _rounding(model, joint[:n, :n], len(joint))
    return Moment(joint, y[: p * i], y[p * i :], x[n * i : n * (i + 1)], x[: n * i], x[n * (i + 1) :], noise)


def _rounding(model: Any, P: np.ndarray, N: int) -> float:
    """What sums x+ = A x + B w, y = C x + D w lose: each rounds its terms, N (n + m) of them, F F' twice as much.

    The covariance P from which they start may be off: from whatever it is, the states that follow split.
    """
    model = model.as_stochastic() if isinstance(model, InnovationsSSM) else model
    E, F = np.vstack([model.A, model.C]), np.vstack([model.B, model.D])
    terms = np.abs(E) @ np.sqrt(np.diag(P)) + np.linalg.norm(F, axis=1)
    sums = np.sqrt(np.maximum(np.diag(E @ P @ E.T + F @ F.T), 0.0))
    lost = float((terms[sums > 0] / sums[sums > 0]).max(initial=1.0))
    return 2 * N * (len(P) + F.shape[1]) * EPS * lost


def _own(data: Any) -> np.ndarray:
    """State covariance of a model, (n, n); (0, 0) of data."""
    if isinstance(data, CovarianceModel | ContinuousCovarianceModel):
        return np.zeros((0, 0))
    if isinstance(data, ContinuousStochasticSSM):
        return continuous_lyapunov(data.A, data.B @ data.B.T).X
    return state_covariance(data)


def _spread(P: np.ndarray) -> float:
    """Largest eigenvalue over the least variance: by so much relative errors grow in units of the variances."""
    d = np.diag(P)
    return two_norm(P) / float(d[d > 0].min(initial=np.inf))
