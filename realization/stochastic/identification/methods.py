"""Subspace identification from outputs, with or without inputs: CVA, N4SID, MOESP."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.linalg.decision import EPS, Decision
from realization.linalg.dense import spectral_radius
from realization.linalg.riccati import discrete_riccati
from realization.stochastic.covariance import covariance_model
from realization.stochastic.identification.data import Compressed, Records, compress, records
from realization.stochastic.identification.result import Identified
from realization.stochastic.identification.subspace import (
    Regression,
    Weights,
    cva_weights,
    moesp_weights,
    n4sid_weights,
    project,
    regress,
    stabilized,
    state_map,
)
from realization.stochastic.identification.windows import windows
from realization.systems.base import count
from realization.systems.linear import LinearSSM
from realization.systems.stochastic import InnovationsSSM


def cva(y: Any, order: int | None = None, *, past: int | None = None, future: int | None = None, u: Any = None) -> Identified:
    """The state is what of the past correlates most with the future: canonical variates (Akaike, Larimore).

    Parameters
    ----------
    y : array_like
        Outputs (*b, T, p) of mean zero; batch axes are records of one system.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    """
    return _identify("cva", cva_weights, y, order, past, future, u)


def n4sid(y: Any, order: int | None = None, *, past: int | None = None, future: int | None = None, u: Any = None) -> Identified:
    return _identify("n4sid", n4sid_weights, y, order, past, future, u)


def moesp(y: Any, order: int | None = None, *, past: int | None = None, future: int | None = None, u: Any = None) -> Identified:
    return _identify("moesp", moesp_weights, y, order, past, future, u)


def _identify(method: str, weights: Weights, y: Any, order: Any, past: Any, future: Any, u: Any) -> Identified:
    data = records(y, u)
    _, _, p, m = data.sizes
    order = None if order is None else count("order", order)
    past, future = windows(data, order, past, future)
    d = compress(data, past, future)
    decision = given_order(d, order) if order is not None else chosen_order(d, p, m)
    found = project(d, weights)
    J = state_map(found, decision.choice)
    plain = regress(d, J, p, m)
    fit = stabilized(d, J, plain)
    model, system = in_units(data, fit)
    cut_off = spectral_radius(model.predictor) ** past
    return Identified(
        method, model, system, covariance_model(model), found.singular_values, decision, past, future, d.samples, plain.radius, cut_off
    )


def chosen_order(d: Compressed, p: int, m: int) -> Decision:
    """argmin of SVC(n) = s(n+1)^2 + n (2p + m) log N / N, s the canonical correlations (Bauer 2001)."""
    s = np.minimum(project(d, cva_weights).singular_values, 1.0)
    rank = int((s > 10 * d.Zp.shape[1] * EPS).sum())
    s = np.append(s[:rank], 0.0)
    n = np.arange(len(s))
    n = n[n <= (d.future - 1) * p]
    cost = s[n] ** 2 + n * (2 * p + m) * np.log(d.samples) / d.samples
    best, second = np.argsort(cost, kind="stable")[:2] if len(n) > 1 else (0, 0)
    gap = s[best - 1] / max(s[best], EPS) if best else 1 / max(s[0], EPS)
    return Decision("order by SVC", int(best), float(gap), None, 1.0, True, s)


def given_order(d: Compressed, order: int) -> Decision:
    s = np.minimum(project(d, cva_weights).singular_values, 1.0)
    gap = s[order - 1] / s[order] if 0 < order < len(s) and s[order] else np.inf
    return Decision("order, given", order, float(gap), None, 1.0, True, s)


def in_units(data: Records, fit: Regression) -> tuple[InnovationsSSM, LinearSSM | None]:
    """The innovations model and the system, in the units of the data."""
    n, (p, m) = len(fit.A), fit.D.shape
    Q, S, R = fit.noise[:n, :n], fit.noise[:n, n:], fit.noise[n:, n:]
    Y, U = data.scale_y, data.scale_u
    system = LinearSSM(fit.A, fit.B / U, Y[:, None] * fit.C, Y[:, None] * fit.D / U) if m else None
    least = np.linalg.eigvalsh(R)
    if least[0] <= (10 * len(R) * EPS) ** 2 * 1e4:
        raise StructureError(f"R {least}")
    P = discrete_riccati(fit.A.T, fit.C.T, (Q + Q.T) / 2, (R + R.T) / 2, S)
    K, R = P.gain.T, P.weight
    return InnovationsSSM(fit.A, K / Y, Y[:, None] * fit.C, Y[:, None] * (R + R.T) / 2 * Y), system
