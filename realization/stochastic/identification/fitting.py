"""From the residuals of the regression to the innovations: always a process, for it is the output of a model.

[Q S; S' R] = cov [w; e] >= 0,   A stable   =>   P = A P A' + Q,   Lambda(k) of x+ = A x + w, y = C x + e

Sigma = A Sigma A' + Q - K Re K',   K = (A Sigma C' + S) inv(Re),   Re = C Sigma C' + R
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS
from realization.linalg.riccati import discrete_riccati
from realization.stochastic.identification.data import Compressed, Records, first_past
from realization.stochastic.identification.result import prediction_errors
from realization.stochastic.identification.subspace import Regression, stabilized
from realization.systems.linear import LinearSSM
from realization.systems.stochastic import InnovationsSSM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fit(Sealed):
    """A model in units in which every signal has mean square 1.

    Parameters
    ----------
    innovations : InnovationsSSM
        A, K, C, Re.
    system : LinearSSM or None
        A, B, C, D, where there are inputs.
    errors : ndarray
        (b, T - past, p), errors of prediction over the data, from the state x = J Zp after the first window.
    radius : float
        Spectral radius of A as the regression gave it.
    """

    innovations: InnovationsSSM
    system: LinearSSM | None
    errors: np.ndarray
    radius: float


def fitted(data: Records, d: Compressed, J: np.ndarray, plain: Regression) -> Fit:
    """Return the model whose noise has the covariance of the residuals, run over the data.

    Raises
    ------
    StructureError
        If the model grows, or an output is exactly predictable.
    """
    fit = stabilized(d, J, plain)
    system = LinearSSM(fit.A, fit.B, fit.C, fit.D) if data.sizes[3] else None
    model, u = innovations_of(d, fit), None if system is None else data.u[:, d.past :]
    e = prediction_errors(model, system, data.y[:, d.past :], u, first_past(data, d.past) @ J.T)
    return Fit(model, system, e, plain.radius)


def innovations_of(d: Compressed, fit: Regression) -> InnovationsSSM:
    """Return A, K, C, Re; K = 0 and Re = 0 where inputs explain every output to the last digits.

    Raises
    ------
    StructureError
        If some outputs are exactly predictable and others not, or all of them without inputs.
    """
    n, (p, m) = len(fit.A), fit.D.shape
    noise = fit.noise
    Q, S, R = noise[:n, :n], noise[:n, n:], noise[n:, n:]
    s = np.linalg.svd(fit.left[n:], compute_uv=False)
    level = 100 * len(d.Yf.T) * EPS  # QR and two regressions, each k eps of signals of size 1, and a digit
    if m and s[0] <= level:
        return InnovationsSSM(fit.A, np.zeros((n, p)), fit.C, np.zeros((p, p)))
    if s[-1] <= level:
        past = np.linalg.svd(np.concatenate([d.Zp, d.Yf]), compute_uv=False)
        rank = int((past > level * past[0]).sum())
        raise StructureError(
            f"the residuals of the {p} outputs have smallest singular value {s[-1]:.1e} (outputs have size 1), need > "
            f"{level:.1e}: an output is exactly predictable, for the data matrix of {len(past)} rows has rank {rank}; "
            "take out what is deterministic (sinusoids, outputs that are combinations of others)"
        )
    found = discrete_riccati(fit.A.T, fit.C.T, (Q + Q.T) / 2, (R + R.T) / 2, S)
    return InnovationsSSM(fit.A, found.gain.T, fit.C, (found.weight + found.weight.T) / 2)


def in_units(data: Records, fit: Fit) -> tuple[InnovationsSSM, LinearSSM | None]:
    """Return the innovations model, and the system where there are inputs, in the units of the data."""
    Y, U, model, system = data.scale_y, data.scale_u, fit.innovations, fit.system
    C, R = Y[:, None] * model.C, Y[:, None] * model.R * Y
    if system is not None:
        system = LinearSSM(system.A, system.B / U, C, Y[:, None] * system.D / U)
    return InnovationsSSM(model.A, model.K / Y, C, R), system
