"""From the residuals of the regression to the innovations model: always a process, because it is one with noise.

[Q S; S' R] = cov [w; e] >= 0,   A stable   =>   P = A P A' + Q,   Lambda(k) of x+ = A x + w, y = C x + e

Sigma = A Sigma A' + Q - K Re K',   K = (A Sigma C' + S) inv(Re),   Re = C Sigma C' + R
"""

from __future__ import annotations

import numpy as np

from realization.core.errors import StructureError
from realization.linalg.decision import EPS
from realization.linalg.riccati import discrete_riccati
from realization.stochastic.identification.data import Compressed, Records
from realization.stochastic.identification.subspace import Regression
from realization.systems.linear import LinearSSM
from realization.systems.stochastic import InnovationsSSM


def innovations_of(d: Compressed, fit: Regression) -> InnovationsSSM:
    """Return A, K, C, Re; K = 0 and Re = 0 where inputs explain every output to the last digits.

    Raises
    ------
    StructureError
        If some outputs are exactly predictable and others not, or all of them without inputs.
    """
    n, (p, m) = len(fit.A), fit.D.shape
    Q, S, R = fit.noise[:n, :n], fit.noise[:n, n:], fit.noise[n:, n:]
    s = np.sqrt(np.maximum(np.linalg.eigvalsh(R)[::-1], 0.0))
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


def in_units(data: Records, fit: Regression, model: InnovationsSSM) -> tuple[InnovationsSSM, LinearSSM | None]:
    """Return the innovations model, and the system where there are inputs, in the units of the data."""
    Y, U = data.scale_y, data.scale_u
    C, R = Y[:, None] * model.C, Y[:, None] * model.R * Y
    system = LinearSSM(fit.A, fit.B / U, C, Y[:, None] * fit.D / U) if len(U) else None
    return InnovationsSSM(model.A, model.K / Y, C, R), system
