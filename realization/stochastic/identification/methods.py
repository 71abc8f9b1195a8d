"""Subspace identification from outputs, with or without inputs: CVA, N4SID and MOESP differ in two weights only."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.linalg.dense import spectral_radius
from realization.stochastic.covariance import covariance_model
from realization.stochastic.faurre.positive_real import positive_real
from realization.stochastic.identification.data import compress, records
from realization.stochastic.identification.fitting import Fit, fitted, in_units
from realization.stochastic.identification.mean import mean_is_zero
from realization.stochastic.identification.order import best_fit
from realization.stochastic.identification.result import Identified
from realization.stochastic.identification.subspace import (
    Weights,
    cva_weights,
    moesp_weights,
    n4sid_weights,
    project,
    regress,
    state_map,
)
from realization.stochastic.identification.windows import windows
from realization.stochastic.innovations.significance import HypothesisTest
from realization.stochastic.innovations.whiteness import hosking
from realization.systems.base import count


def cva(
    y: Any, order: int | None = None, *, past: int | None = None, future: int | None = None, u: Any = None
) -> Identified:
    """Canonical variates: x(t) is what of the past correlates most with the future, given the inputs to come.

        W1 = cov(Yf | Uf)^(-1/2),     W2 = projection orthogonal to Uf

    Parameters
    ----------
    y : array_like
        Outputs of mean zero, (*b, T, p); batch axes are records of one system.  Means are not subtracted:
        one that is left becomes a state with a pole at 1, and `centred` and the printed result say so.
    order : int, optional
        Number n of states.  Default: the one of least BIC.
    past, future : int, optional
        Windows in steps.  Default: twice the order of the autoregression of least AIC, so that what
        the past cuts off is below the error of sampling.
    u : array_like, optional
        Inputs, (*b, T, m), with their mean if that of y comes from it.  Default: none, and the model is driven by
        noise alone.

    Returns
    -------
    Identified
        A stable model, positive real because its noise is the covariance of residuals.

    Raises
    ------
    ShapeError
        If y or u has the wrong shape, a NaN, or the windows are too short for the order.
    StructureError
        If there are too few samples, u does not excite persistently, an output is constant or exactly
        predictable, the order is beyond the rank, or the data grow like those of an unstable system.

    Notes
    -----
    Nothing depends on the units of the outputs, and without inputs this is asymptotically as good as
    maximum likelihood: of the three the first choice.

    References
    ----------
    Akaike 1975; Larimore 1990; Van Overschee and De Moor 1996; Bauer 2005.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> rng = np.random.default_rng(0)
    >>> y = LinearSSM([[0.8]], [[0.5]], [[1]], [[1]]).simulate(rng.standard_normal((20000, 1))).y
    >>> found = cva(y)
    >>> found.order, found.innovations.A.round(2), found.innovations.R.round(2)
    (1, array([[0.8]]), array([[0.99]]))

    The mean is to be taken off first; here it was not:

    >>> found = cva(y + 10)
    >>> found.centred.rejected, found.unit_root, found.order
    (True, True, 2)
    """
    return _identify("cva", cva_weights, y, order, past, future, u)


def n4sid(
    y: Any, order: int | None = None, *, past: int | None = None, future: int | None = None, u: Any = None
) -> Identified:
    """Numerical state space identification: x(t) is the largest part of what the past contributes to the future.

        W1 = I,     W2 = I

    Parameters
    ----------
    y, order, past, future, u
        As for `cva`; W1 is I where every output has the mean square 1.

    Returns
    -------
    Identified
        As from `cva`.

    Raises
    ------
    ShapeError, StructureError
        As `cva`.

    References
    ----------
    Van Overschee and De Moor 1994, 1996.

    Examples
    --------
    Here the noise of the output has 40 times the power of what one step of input adds:

    >>> from realization.systems import LinearSSM
    >>> rng = np.random.default_rng(0)
    >>> u = rng.standard_normal((5000, 1))
    >>> y = LinearSSM([[0.8]], [[1]], [[0.6]], [[0]]).simulate(u).y + rng.standard_normal((5000, 1))
    >>> found = n4sid(y, u=u)
    >>> found.order, found.system.A.round(2), (found.system.C @ found.system.B).round(1)
    (1, array([[0.79]]), array([[0.6]]))
    """
    return _identify("n4sid", n4sid_weights, y, order, past, future, u)


def moesp(
    y: Any, order: int | None = None, *, past: int | None = None, future: int | None = None, u: Any = None
) -> Identified:
    """Output-error state space: as N4SID, after the part of the past that the inputs to come explain is taken off.

        W1 = I,     W2 = projection orthogonal to Uf     (PO-MOESP; without inputs the same as N4SID)

    Parameters
    ----------
    y, order, past, future, u
        As for `n4sid`.

    Returns
    -------
    Identified
        As from `cva`.

    Raises
    ------
    ShapeError, StructureError
        As `cva`.

    References
    ----------
    Verhaegen 1994; Van Overschee and De Moor 1996.

    Examples
    --------
    >>> from realization.systems import LinearSSM
    >>> rng = np.random.default_rng(0)
    >>> u = rng.standard_normal((500, 1))
    >>> found = moesp(LinearSSM([[0.8]], [[1]], [[0.6]], [[0]]).simulate(u).y, u=u)
    >>> found.order, found.system.A.round(9), found.innovations.R
    (1, array([[0.8]]), array([[0.]]))
    """
    return _identify("moesp", moesp_weights, y, order, past, future, u)


def _identify(method: str, weights: Weights, y: Any, order: Any, past: Any, future: Any, u: Any) -> Identified:
    data = records(y, u)
    p, m = data.sizes[2:]
    order = None if order is None else count("order", order)
    past, future = windows(data, order, past, future)
    d = compress(data, past, future)
    found = project(d, weights)
    if order is None:
        fit, choice = best_fit(data, d, found)
    else:
        J = state_map(found, order)
        fit, choice = fitted(data, d, J, regress(d, J, p, m)), None
    model, system = in_units(data, fit)
    covariance = covariance_model(model)
    return Identified(
        method=method,
        innovations=model,
        system=system,
        covariance=covariance,
        positive_real=positive_real(covariance),
        singular_values=found.singular_values,
        order_choice=choice,
        whiteness=_whiteness(fit, past),
        centred=None if m else mean_is_zero(data.y),  # inputs may have made a mean
        past=past,
        future=future,
        samples=d.samples,
        radius=fit.radius,
        cut_off=spectral_radius(model.predictor) ** past,
    )


def _whiteness(fit: Fit, past: int) -> HypothesisTest | None:
    """Hosking's test, the same in all units; None where there are no errors, or too few to tell."""
    n, p = fit.innovations.K.shape
    lags = max(10, past) + -(-2 * n // p)  # so many that 2 n p fitted parameters leave p^2 max(10, past) degrees
    b, T, _ = fit.errors.shape
    if not fit.innovations.R.any() or 2 * lags >= T:
        return None
    gap = np.full((b, lags, p), np.nan)  # missing values between records: no product reaches across
    return hosking(np.concatenate([fit.errors, gap], axis=1).reshape(-1, p), lags, fitted=2 * n * p)
