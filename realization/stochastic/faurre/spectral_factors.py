"""Spectral factors Phi(z) = W(z) W(1/z)', the extreme ones through innovations forward and backward.

    W_-(z) = (I + C inv(zI - A) K) sqrt(R)                 zeros inside: eigenvalues of A - K C
    Wb(z)  = (I + G' inv(I/z - A') Kb) sqrt(Rb)            of the backward innovations: Phi(z) = Wb(z) Wb(1/z)' too
    W_+(z) = C inv(zI - A) B + D                           zeros outside: reciprocals of the eigenvalues of A' - Kb G'

W_+ is read off the backward model without P_+.  With inv(P_+) = L L' and Rb = F F' the rows of [A' L  Kb F]
are those of L times orthonormal ones; an orthonormal basis N = [N1; N2] of their kernel is the noise that the
backward model does not have in common with the forward one,

    inv(L) [A' L  Kb F; N1' N2'] orthogonal:     B = inv(L') N1,     D = [G' L  F] N .

Only B needs inv(L), of condition sqrt(cond(P_+)); D may be singular, where a zero is at infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from realization.stochastic.covariance import CovarianceModel, covariance_model, frequencies, resolved
from realization.stochastic.faurre.covariance_set import FaurreSet, faurre_set
from realization.stochastic.faurre.noise_matrix import checked, in_units, units
from realization.stochastic.faurre.positive_real import density_pencil
from realization.stochastic.faurre.smallest import inverse, least
from realization.systems.base import of_kind
from realization.systems.stochastic import BackwardSSM, InnovationsSSM, StochasticSSM


def innovations_model(data: Any) -> InnovationsSSM:
    """x(t+1) = A x + K e,  y = C x + e,  with A - K C stable: the model whose noise is the error of prediction.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, BackwardSSM or FaurreSet
        The process.

    Returns
    -------
    InnovationsSSM
        Its state is the prediction from the past, of covariance P_-; W_-(z) is its transfer function.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, or the data belong to no process.

    Examples
    --------
    A moving average w(t) - 2 w(t-1) and one with the reciprocal zero, e(t) - e(t-1)/2 with E e^2 = 4, are one process:

    >>> model = innovations_model(StochasticSSM(A=[[0]], B=[[1]], C=[[-2]], D=[[1]]))
    >>> (model.K * model.C).round(12), model.R.round(12)
    (array([[-0.5]]), array([[4.]]))
    """
    if isinstance(data, FaurreSet):
        of_kind("innovations", data.data, CovarianceModel)
        return InnovationsSSM(data.data.A, data.K, data.data.C, data.R)
    data = _data(data)
    found = least(data)
    return InnovationsSSM(data.A, found.K, data.C, found.R)


def backward_innovations_model(data: Any) -> BackwardSSM:
    """z(t-1) = A' z + Kb F v,  y = G' z + F v,  F F' = Rb, with A' - Kb G' stable: prediction from the future.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, BackwardSSM or FaurreSet
        The process.

    Returns
    -------
    BackwardSSM
        Its state has the covariance inv(P_+).

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, or the data belong to no process.
    """
    forward = innovations_model(_data(data).dual)
    F = np.linalg.cholesky(forward.R)
    return BackwardSSM(forward.A, forward.K @ F, forward.C, F)


def maximum_phase_model(data: Any) -> StochasticSSM:
    """The model of state covariance P_+ and p noises: its transfer function W_+ has no zero inside the circle.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, BackwardSSM or FaurreSet
        The process.

    Returns
    -------
    StochasticSSM
        D lower triangular with a nonnegative diagonal, and singular where a zero is at infinity.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, the data belong to no process, or inv(P_+) is singular: a direction of the state is
        not seen in the outputs.

    Examples
    --------
    e(t) - e(t-1)/2 with E e^2 = 4 becomes w(t) - 2 w(t-1):

    >>> model = maximum_phase_model(InnovationsSSM(A=[[0]], K=[[1]], C=[[-0.5]], R=[[4]]))
    >>> (model.B * model.C).round(12), model.D.round(12)
    (array([[-2.]]), array([[1.]]))
    """
    full = data if isinstance(data, FaurreSet) else faurre_set(_data(data))
    of_kind("a maximum phase model", full.data, CovarianceModel)
    n = len(full.data.A)
    x, y = full.units[:n], full.units[n:]
    scaled = in_units(full.data, x, y)
    A, G, Pbar, Kbar = scaled.A, scaled.G, np.outer(x, x) * full.Pbar_minus, full.Kbar * x[:, None] * y
    inverse(Pbar, "inv(P_+)")  # refused where it is singular
    L, F = np.linalg.cholesky(Pbar), np.linalg.cholesky(full.Rbar / np.outer(y, y))
    rows = scipy.linalg.solve_triangular(L, np.hstack([A.T @ L, Kbar @ F]), lower=True) if n else np.zeros((0, len(F)))
    N = np.linalg.qr(rows.T, mode="complete")[0][:, n:]
    D = np.hstack([G.T @ L, F]) @ N
    T = np.linalg.qr(D.T)[0]  # D T is lower triangular
    T = T * np.where(np.diag(D @ T) < 0, -1.0, 1.0)
    B = scipy.linalg.solve_triangular(L.T, N[:n] @ T) if n else N[:n]
    return StochasticSSM(full.data.A, x[:, None] * B, full.data.C, y[:, None] * np.tril(D @ T))


def spectral_factor(model: Any, omega: Any) -> np.ndarray:
    """W(e^iw), with W W* = Phi.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or BackwardSSM
        Innovations are scaled to unit covariance; W(z) = C inv(I/z - A) B + D for a backward model.
    omega : array_like
        (k,) frequencies in radians per step.

    Returns
    -------
    ndarray
        (k, p, m).

    Raises
    ------
    ShapeError
        If it is of another kind, or omega is no row of real numbers.
    StructureError
        If there is a pole at one of the frequencies.

    Examples
    --------
    >>> from realization.stochastic import spectral_density
    >>> model = InnovationsSSM(A=[[0.5]], K=[[0.3]], C=[[1]], R=[[2]])
    >>> W = spectral_factor(model, [1.0])
    >>> bool(np.allclose(W @ W.conj().swapaxes(1, 2), spectral_density(model, [1.0]), rtol=1e-14))
    True
    """
    of_kind("a spectral factor", model, StochasticSSM, InnovationsSSM, BackwardSSM)
    z = np.exp(1j * frequencies(omega))
    if isinstance(model, InnovationsSSM):
        model = model.as_stochastic()
    z = z.conj() if isinstance(model, BackwardSSM) else z
    W: np.ndarray = model.C @ resolved(model.A, z, model.B) + model.D
    return W


def mean_log_density(data: Any) -> float:
    """Mean over the circle of log |det Phi|, which is log det R of the innovations (Szego).

    Read off the eigenvalues of H - z J with det(H - z J) = det(A - zI) det(I - zA') det Phi(z), which the QZ form
    leaves triangular: by Jensen's formula log |a - z b| has the mean log max(|a|, |b|), and the first two factors
    have the mean 0.  No equation is solved and no integral is approximated.  Zeros on the circle, which are double in
    the pencil, are known to half the digits.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM or BackwardSSM
        The process; data that belong to none have a mean too.

    Returns
    -------
    float
        Minus infinity where Phi is singular everywhere.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable.

    References
    ----------
    Szego 1915; Kolmogorov 1941; Wiener and Masani 1957 (matrices).

    Examples
    --------
    The innovations of w(t) - 2 w(t-1) have variance 4:

    >>> round(float(np.exp(mean_log_density(StochasticSSM(A=[[0]], B=[[1]], C=[[-2]], D=[[1]])))), 12)
    4.0
    """
    data = _data(data)
    x, y = units(data)
    H, J = density_pencil(in_units(data, x, y))
    alpha, beta = scipy.linalg.eigvals(H, J, homogeneous_eigvals=True)
    with np.errstate(divide="ignore"):
        return float(np.log(np.maximum(np.abs(alpha), np.abs(beta))).sum() + 2 * np.log(y).sum())


def _data(data: Any) -> CovarianceModel:
    if isinstance(data, FaurreSet):
        data = data.data
    data = covariance_model(data)
    checked("spectral factors", data)
    return data
