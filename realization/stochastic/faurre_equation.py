"""Faurre's equation, from the data to the smallest covariance; where zeros are on the circle, to what can be known.

    P = A P A' + (G - A P C') inv(R) (.)',    R = Lambda0 - C P C' > 0,    A - K C stable,    K = (G - A P C') inv(R)

It is the Riccati equation of (A', C', 0, -Lambda0, -G).  A zero on the circle has no stabilizing solution near it:
data that differ by rounding have none.  There white noise at the level of rounding is added to the outputs, which
moves an m-fold zero off the circle by that level to the power 1 / (2m), and P by as much.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ConvergenceError, RealizationError, StructureError
from realization.linalg.decision import EPS
from realization.linalg.dense import two_norm
from realization.linalg.riccati import RiccatiSolution, continuous_riccati, discrete_riccati
from realization.stochastic.covariance import CovarianceModel
from realization.stochastic.noise_matrix import at_once, in_units, units
from realization.stochastic.positive_real import positive_real, refused

BLUR = 100 * float(np.sqrt(EPS))  # a zero on the circle is double in the pencil; two digits for its condition
NOISES = 4  # the largest is 1e-10 of the variance: beyond it nothing is known


class Innovations(NamedTuple):
    """P_-, K and R, (n, n), (n, p) and (p, p); the 2-norm of the error of P_- in its units; zeros on the circle."""

    P: np.ndarray
    K: np.ndarray
    R: np.ndarray
    error: float
    on_boundary: int


def least(data: Any) -> Innovations:
    """Return the smallest covariance with the gain and the covariance R > 0 of the innovations.

    Raises
    ------
    StructureError
        If the data belong to no process, with the frequency; or if some output is a function of the others.
    """
    x, y = units(data)
    scaled = in_units(data, x, y)
    try:
        found = _solved(scaled)
    except (StructureError, ConvergenceError) as error:
        if positive_real(data).verdict != "undecided":
            raise refused(data, error) from None
        found = _softened(data, scaled, error)
    on_boundary = max(found.on_boundary, int((_distances(scaled, found) <= BLUR).sum()))
    # the solver forgives zeros that are missing the circle by less than the root of rounding
    if on_boundary and positive_real(data).verdict == "not positive real":
        raise refused(data, StructureError())
    R = innovation_covariance(found)
    smallest, noise = np.linalg.eigvalsh(R).min(initial=np.inf), sum(data.G.shape) * EPS * two_norm(at_once(scaled))
    if smallest <= noise:
        reason = f"the innovations would have variance {smallest:.3g}, need > {noise:.1e}"
        raise refused(data, StructureError(reason))
    lost = max(found.error if np.isfinite(found.error) else np.sqrt(EPS), len(x) * EPS) * two_norm(found.X)
    K = found.gain.T * x[:, None] / y
    return Innovations(found.X * np.outer(x, x), K, R * np.outer(y, y), lost, on_boundary)


def _solved(data: Any, level: float = 0.0) -> RiccatiSolution:
    """The equation with Lambda0 + level I (R + level I)."""
    solve = discrete_riccati if isinstance(data, CovarianceModel) else continuous_riccati
    L0 = at_once(data) + level * np.eye(len(data.C))
    return solve(data.A.T, data.C.T, np.zeros_like(data.A), -L0, -data.G)


def _softened(given: Any, data: Any, error: RealizationError) -> RiccatiSolution:
    """The equation with the least noise that lets it be solved; what 16 times as much changes is what is not known.

    An m-fold zero moves by 16^(1/2m) times as much then: 4 for m = 1, 1.4 for m = 4; zeros elsewhere stay.
    """
    n, p = data.G.shape
    size = two_norm(at_once(data))
    for k in range(NOISES):
        level = 16**k * 10 * (n + p) * EPS * size
        try:
            near, far = _solved(data, level), _solved(data, 16 * level)
            break
        except (StructureError, ConvergenceError):
            continue
    else:
        raise refused(given, error)
    smallest = np.linalg.eigvalsh(innovation_covariance(near)).min(initial=np.inf)
    if smallest <= np.sqrt(level * size):
        reason = f"given the others and the past an output has variance {smallest:.1e}: leave it out"
        raise refused(given, StructureError(reason))
    moved = np.sort(_distances(data, far)) > 1.2 * np.sort(_distances(data, near))
    share = two_norm(far.X - near.X) / (two_norm(near.X) or 1.0) / (16**0.125 - 1)
    return replace(near, error=share, on_boundary=int(moved.sum()))


def _distances(data: Any, found: RiccatiSolution) -> np.ndarray:
    """Of the zeros from the circle, or from the imaginary axis relative to |A|."""
    z = np.linalg.eigvals(found.closed_loop)
    return 1 - np.abs(z) if isinstance(data, CovarianceModel) else -z.real / (two_norm(data.A) or 1.0)


def innovation_covariance(found: RiccatiSolution) -> np.ndarray:
    """R = Lambda0 - C P C', symmetric."""
    return -(found.weight + found.weight.T) / 2


def inverse(Y: np.ndarray, name: str) -> np.ndarray:
    """Return inv(Y) of a positive definite Y, symmetric.

    Raises
    ------
    StructureError
        If an eigenvalue is rounding: a direction of the state is then not seen in the outputs.
    """
    values, V = np.linalg.eigh(Y)
    noise = len(values) * EPS * values.max(initial=0.0)
    if values.min(initial=np.inf) <= noise:
        raise StructureError(
            f"{name} has smallest eigenvalue {values[0]:.1e}, need > {noise:.1e}: there is no largest covariance "
            "where a direction of the state is not seen in the outputs; realize the process minimally"
        )
    W = V / np.sqrt(values)
    return W @ W.T
