"""Maximum likelihood: parameters of a model under which the outputs are most likely, and how well they are known.

    theta = transform(free),    maximise  l(theta) = log p(y; theta),    covariance of theta = inv(-d2 l / d theta^2)

Derivatives are central differences of l with steps eps^(1/3) (gradient) and eps^(1/4) (second derivatives) in units
of the parameters: relative errors of about 1e-10 and 1e-7.  L-BFGS finds the top, Newton's steps end on it.
The derivative in the matrices of a model needs no differences, see `score`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ConvergenceError, RealizationError, ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.core.shapes import numbers
from realization.linalg.decision import EPS
from realization.stochastic.filtering.kalman import kalman_filter

STEPS = 30  # Newton's from where L-BFGS stops: two or three are the rule


class Transform(NamedTuple):
    """Parameters as functions of numbers that may be any.

    Parameters
    ----------
    forth, back : callable
        free (k,) -> parameters (k,), and the inverse.
    """

    forth: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]


FREE = Transform(lambda free: free, lambda parameters: parameters)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fit(Sealed):
    """A maximum of the likelihood.

    Parameters
    ----------
    parameters, standard_errors : ndarray
        (k,).
    covariance : ndarray
        Inverse of the observed information, (k, k).
    log_likelihood : float
        At the maximum, in the convention of `kalman_filter`.
    iterations, evaluations : int
        Steps of the search, and likelihoods computed.
    gain : float
        By how much another Newton step would raise the log-likelihood: below 1e-8 it counts as the maximum.
    model : object
        What `build` makes of the parameters.
    """

    parameters: np.ndarray
    standard_errors: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    iterations: int
    evaluations: int
    gain: float
    model: Any

    @property
    def aic(self) -> float:
        """2 k - 2 l, k the number of parameters."""
        return 2 * len(self.parameters) - 2 * self.log_likelihood


def positive(scale: Any = 1.0) -> Transform:
    """Return theta = scale exp(free): parameters that are positive, such as variances.

    Parameters
    ----------
    scale : float or array_like
        Their sizes, about; positive.

    Returns
    -------
    Transform
        Its numbers are of size 1.

    Raises
    ------
    ShapeError
        If a scale is not positive.

    Examples
    --------
    >>> positive(100.0).forth(np.array([0.0]))
    array([100.])
    """
    scale = numbers("scale", scale)
    if not (scale > 0).all():
        raise ShapeError(f"scale is {scale}; positive numbers are needed")
    return Transform(lambda free: scale * np.exp(free), lambda parameters: np.log(parameters / scale))


def stacked(*parts: tuple[int, Transform]) -> Transform:
    """Return the transform that takes k numbers with one transform, the next ones with another, and so on.

    Parameters
    ----------
    *parts : tuple
        Pairs (k, transform).

    Returns
    -------
    Transform
        Of all of them.

    Examples
    --------
    >>> stacked((1, FREE), (1, positive())).forth(np.array([-3.0, 0.0]))
    array([-3.,  1.])
    """
    cuts = np.cumsum([k for k, _ in parts])[:-1]

    def each(x: np.ndarray, way: int) -> np.ndarray:
        pieces = [transform[way](piece) for piece, (_, transform) in zip(np.split(x, cuts), parts, strict=True)]
        return np.concatenate(pieces)

    return Transform(lambda free: each(free, 0), lambda parameters: each(parameters, 1))


def fit(build: Callable[[np.ndarray], Any], start: Any, y: Any, *, transform: Transform = FREE) -> Fit:
    """Maximise log p(y; theta) over theta = transform(free).

    Parameters
    ----------
    build : callable
        theta (k,) -> a model, or a model and the keywords that `kalman_filter` gets with it.
    start : array_like
        (k,) parameters to begin with.
    y : array_like
        (T, p); NaN is a missing output.
    transform : Transform
        Its numbers may be anything; see `positive`, `stacked`.

    Returns
    -------
    Fit
        Parameters with standard errors from the observed information, the likelihood, the model.

    Raises
    ------
    ShapeError
        If start is no row of numbers, or is not a value of the transform.
    StructureError
        If the likelihood is not defined at the start, or its top is flat: not all parameters are told by the outputs.
    ConvergenceError
        If the search stops before the top; with the gain that is left and the steps.

    References
    ----------
    Durbin and Koopman 2012; Caines 1988.

    Examples
    --------
    The mean of a constant in noise, and the noise's variance, are what they are known to be:

    >>> from realization.systems.stochastic import StochasticSSM
    >>> def constant(theta):
    ...     nothing = StochasticSSM(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[theta[1] ** 0.5]])
    ...     return nothing, {"output_offset": theta[:1]}
    >>> y = np.array([[1.0], [2.0], [6.0]])
    >>> found = fit(constant, [0.0, 1.0], y, transform=stacked((1, FREE), (1, positive())))
    >>> found.parameters.round(6), y.mean(), y.var().round(6)
    (array([3.      , 4.666667]), np.float64(3.0), np.float64(4.666667))
    """
    from scipy.optimize import minimize

    start = numbers("start", start)
    if start.ndim != 1:
        raise ShapeError(f"start has shape {start.shape}; one row of parameters is needed")
    likelihood = _Counted(build, y)
    free = transform.back(start)
    if not np.isfinite(free).all():
        raise ShapeError(f"start is {start}, which the transform does not reach: its numbers would be {free}")
    likelihood.strictly(start)

    def target(x: np.ndarray) -> float:
        return -likelihood(transform.forth(x))

    found = minimize(target, free, jac=lambda x: gradient(target, x), method="L-BFGS-B") if len(free) else None
    x, steps, gain = _newton(target, free if found is None else found.x)
    parameters = transform.forth(x)
    covariance = _inverse(_information(likelihood, parameters), likelihood(parameters), parameters)
    model = _keywords(build(parameters))[0]
    return Fit(
        parameters, np.sqrt(np.diag(covariance)), covariance, likelihood(parameters),
        steps + (0 if found is None else int(found.nit)), likelihood.count, gain, model,
    )  # fmt: skip


class _Counted:
    """l(theta), very low where a model is refused, and how often it was asked for."""

    def __init__(self, build: Callable[[np.ndarray], Any], y: Any) -> None:
        self.build, self.y, self.count = build, y, 0

    def strictly(self, theta: np.ndarray) -> float:
        self.count += 1
        model, keywords = _keywords(self.build(theta))
        return float(kalman_filter(model, self.y, store="likelihood", **keywords).log_likelihood)

    def __call__(self, theta: np.ndarray) -> float:
        try:
            return self.strictly(theta)
        except (RealizationError, ValueError, OverflowError):
            return -1e30  # finite, and so is its square over a step: a line search goes back from here


def _keywords(built: Any) -> tuple[Any, dict[str, Any]]:
    model, extra = built if isinstance(built, tuple) else (built, {})
    return model, extra if isinstance(extra, dict) else {"initial": extra}


def gradient(f: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """Central differences with steps eps^(1/3) max(1, |x|)."""
    h = EPS ** (1 / 3) * np.maximum(np.abs(x), 1.0)
    return np.array([(f(x + d) - f(x - d)) / (2 * d.max()) for d in np.diag(h)])


def curvature(f: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """Second differences: f at the corners of a parallelogram, one after the other for every pair of parameters."""
    h = np.diag(_steps(x))
    H = np.zeros((len(x), len(x)))
    for i, a in enumerate(h):
        for j, b in enumerate(h[: i + 1]):
            corners = f(x + a + b) - f(x + a - b) - f(x - a + b) + f(x - a - b)
            H[i, j] = H[j, i] = corners / (4 * a[i] * b[j])
    return H


def _steps(x: np.ndarray) -> np.ndarray:
    """eps^(1/4) |x|, 1 for |x| where that is 0: relative to a parameter in any unit."""
    return EPS**0.25 * np.where(x != 0, np.abs(x), 1.0)


def _newton(f: Callable[[np.ndarray], float], x: np.ndarray) -> tuple[np.ndarray, int, float]:
    """Newton's steps, halved while they do not descend, until one promises less than 1e-8 or nothing descends."""
    value = f(x)
    gain = 0.0
    for steps in range(STEPS):
        g = gradient(f, x)
        step = -np.linalg.solve(_definite(curvature(f, x)), g)
        gain = float(-g @ step / 2)
        if gain < 1e-8:
            # once more: the error is squared, where rounding allows
            return (x + step if f(x + step) <= value else x), steps, gain
        for k in range(30):
            if f(x + step / 2**k) < value:
                break
        else:
            break
        x = x + step / 2**k
        value = f(x)
    raise ConvergenceError(
        f"after {STEPS} Newton steps another would raise the log-likelihood by {gain:.1e}, need < 1e-8; "
        "start elsewhere, or scale the parameters to size 1"
    )


def _definite(H: np.ndarray) -> np.ndarray:
    """H with its eigenvalues made positive, so that a step along -inv(H) g descends."""
    values, V = np.linalg.eigh(H)
    size = max(float(np.abs(values).max(initial=0.0)), 1e-300)
    return V * np.maximum(np.abs(values), 1e-7 * size) @ V.T


def _information(likelihood: _Counted, x: np.ndarray) -> np.ndarray:
    try:
        return curvature(lambda theta: -likelihood.strictly(theta), x)
    except RealizationError as error:
        raise StructureError(
            f"beside the maximum at {x} the model is refused ({error}): on the boundary there are no standard errors"
        ) from None


def _inverse(H: np.ndarray, value: float, x: np.ndarray) -> np.ndarray:
    """inv(H), refusing an information that rounding of the likelihood could have made.

    Four values with 100 eps |l| of rounding each, of sums over time, over 4 h^2: that is the error of H.
    """
    units = np.sqrt(np.maximum(np.diag(H), 0.0))
    error = 100 * EPS * max(abs(value), 1.0) / _steps(x) ** 2
    flat = units**2 <= error
    if flat.any():
        k = int(np.argmax(flat))
        raise StructureError(
            f"the information on parameter {k} is {H[k, k]:.1e}, need > {error[k]:.1e} (rounding): the outputs do not "
            "tell it; build the model without it"
        )
    R = H / np.outer(units, units)
    need = float(max(np.sqrt(error) / units, default=0.0) ** 2)
    least = float(np.linalg.eigvalsh(R)[0]) if len(R) else 1.0
    if least <= need:
        raise StructureError(
            f"the observed information has eigenvalue {least:.1e} of its diagonal, need > {need:.1e} (rounding): "
            "the outputs do not tell all parameters; fix one, or build the model with fewer"
        )
    return np.linalg.solve(R, np.eye(len(R))) / np.outer(units, units)
