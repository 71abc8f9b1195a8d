"""The smoother on factors: covariances that cannot become negative, of states that outputs tell to many digits.

    c(t) = gain v(t) + J c(t+1) + N n,    F(t) F(t)' = J F(t+1) F(t+1)' J' + N N',    V(t) = [L U] F F' [L U]'

on the model reversed in time: sums, where V = P - P N P is a difference that loses |P| / |V| of its digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.psd import covariance_factor
from realization.stochastic.filtering.affine import triangle
from realization.stochastic.filtering.backward_steps import last, turned_around
from realization.stochastic.filtering.observed import in_range, observed
from realization.systems.base import quiet


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SquareRootSmootherRun(Sealed):
    """States given all outputs.

    Parameters
    ----------
    means : ndarray
        E[x(t) | y], t = 0 ... T, (T+1, n).
    factors : ndarray
        Lower triangular factors of their covariances, (T+1, n, n).
    """

    means: np.ndarray
    factors: np.ndarray

    @property
    def covariances(self) -> np.ndarray:
        """V(t) = factor factor', (T+1, n, n)."""
        return self.factors @ self.factors.swapaxes(-1, -2)


@quiet
def square_root_smoother(
    model: Any, y: Any, *, initial: Any = None, state_offset: Any = None, output_offset: Any = None
) -> SquareRootSmootherRun:
    """Smooth with triangular factors, forward by the filter's and backward by those of the reversed model.

    Parameters
    ----------
    model : StochasticSSM, InnovationsSSM or TimeVaryingStochasticSSM
        Noise of state and output may be the same.
    y : array_like
        (T, p); NaN where nothing was observed.
    initial : InitialState, optional
        Diffuse directions are exact.  Default: the stationary law.
    state_offset, output_offset : array_like, optional
        c (n,) or (T, n) and d (p,) or (T, p).  Default: 0.

    Returns
    -------
    SquareRootSmootherRun
        The means and covariances of `rts_smoother`, these in factors.

    Raises
    ------
    ShapeError
        If a shape does not fit, or an entry other than a gap in y is not finite.
    StructureError
        As `square_root_filter`; and if a direction of the start stays unknown.

    References
    ----------
    Park and Kailath 1995 (square-root smoothing); Lindquist and Picci 1979 (reversal).

    Examples
    --------
    A walk of unit steps between readings with noise 1e-9: its level is known to that, and is not to be had from a
    difference of variances:

    >>> from realization.systems.stochastic import InitialState, StochasticSSM
    >>> walk = StochasticSSM(A=[[1]], B=[[1, 0]], C=[[1]], D=[[0, 1e-9]])
    >>> run = square_root_smoother(walk, [[0.0], [1.0], [0.0]], initial=InitialState.unknown(1))
    >>> run.factors[:3].ravel()
    array([1.e-09, 1.e-09, 1.e-09])
    """
    given = observed(model, y, initial, state_offset, output_offset)
    x, L, U = given.initial.mean, covariance_factor(given.initial.covariance), covariance_factor(given.initial.diffuse)
    predicted, errors, steps = [x], [], []
    for t, (A, B, C, D, c, d, value, seen) in enumerate(given.steps()):
        in_range(t, x, L)
        v = np.where(seen, value - C @ x - d, 0.0)
        step, L, U = turned_around(L, U, A, B, C, D, seen, t)
        k = step.basis.shape[1]
        all_of_it = step.gain @ v
        x = A @ (x + step.basis @ all_of_it[:k]) + B @ all_of_it[k:] + c
        predicted.append(x)
        errors.append(v)
        steps.append(step)
    in_range(len(steps), x, L)
    if U.shape[1]:
        raise StructureError(
            f"after {len(steps)} steps {U.shape[1]} directions of the state are unknown: they have no smoothed "
            "covariance; give the initial state one, or more outputs"
        )
    steps.append(last(L, U))
    mean, F = np.zeros(L.shape[1]), np.eye(L.shape[1])
    means, factors = [x], [_square(L)]
    for t in reversed(range(len(errors))):
        J, N, gain, basis = steps[t]
        k = basis.shape[1]
        mean, F = (gain @ errors[t] + J @ mean)[:k], triangle(np.hstack([J @ F, N])[:k])
        means.append(predicted[t] + basis @ mean)
        factors.append(_square(basis @ F))
    return SquareRootSmootherRun(np.stack(means[::-1]), np.stack(factors[::-1]))


def _square(N: np.ndarray) -> np.ndarray:
    """The lower triangular factor of N N', filled up with columns of zeros."""
    L = triangle(N)
    return np.hstack([L, np.zeros((len(L), len(L) - L.shape[1]))])
