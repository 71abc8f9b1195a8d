"""The smallest covariance that the state of a process can have, or why there is none."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ConvergenceError, RealizationError, StructureError
from realization.linalg.decision import EPS
from realization.linalg.dense import two_norm
from realization.linalg.lyapunov import continuous_lyapunov, discrete_lyapunov
from realization.linalg.riccati import RiccatiSolution
from realization.stochastic.covariance import CovarianceModel
from realization.stochastic.faurre.faurre_equation import distances, innovation_covariance, softened, stabilizing
from realization.stochastic.faurre.noise_matrix import at_once, in_units, noise_size, units
from realization.stochastic.faurre.positive_real import positive_real, refused

LOST = 1e-7  # a solution whose error is larger is near a zero on the circle that is double, or worse
BLUR = 100 * float(np.sqrt(EPS))  # a zero on the circle is double in the pencil; two digits for its condition


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
    found = _solution(data, scaled)
    on_boundary = max(found.on_boundary, int((distances(scaled, found) <= BLUR).sum()))
    # the solver forgives zeros that are missing the circle by less than the root of rounding
    if on_boundary and positive_real(data).verdict == "not positive real":
        raise refused(data, StructureError())
    R = innovation_covariance(found)
    smallest, noise = np.linalg.eigvalsh(R).min(initial=np.inf), sum(data.G.shape) * EPS * two_norm(at_once(scaled))
    if smallest <= noise:
        message = f"the innovations would have variance {smallest:.3g}, need > {noise:.1e}"
        raise refused(data, StructureError(message))
    lost = max(found.error if np.isfinite(found.error) else np.sqrt(EPS), len(x) * EPS) * two_norm(found.X)
    lost = max(lost, 0.0 if on_boundary else _rounding(scaled, found))
    K = found.gain.T * x[:, None] / y
    return Innovations(found.X * np.outer(x, x), K, R * np.outer(y, y), lost, on_boundary)


def _solution(data: Any, scaled: Any) -> RiccatiSolution:
    """The solution, with noise at the level of rounding where the data are at the boundary."""
    problem: RealizationError
    found = None
    try:
        found = stabilizing(scaled)
        if found.error <= LOST:
            return found
    except (StructureError, ConvergenceError) as error:
        problem = error
    if positive_real(data).verdict == "undecided":
        try:
            found = softened(scaled) or found
        except StructureError as error:
            found, problem = None, error
    if found is None:
        raise refused(data, problem)
    return found


def _rounding(scaled: Any, found: RiccatiSolution) -> float:
    """2-norm of X = F X F' + [I K] N [I K]', N one rounding of M(P): it counts where inv(R), and so K, is large.

    0 where the loop is too sensitive for that: then found.error, of a solution in better coordinates, is larger.
    """
    solve = discrete_lyapunov if isinstance(scaled, CovarianceModel) else continuous_lyapunov
    E = np.hstack([np.eye(len(found.X)), np.abs(found.gain.T)])
    try:
        return two_norm(solve(found.closed_loop.T, E @ (EPS / 2 * noise_size(scaled, found.X)) @ E.T).X)
    except RealizationError:
        return 0.0


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
