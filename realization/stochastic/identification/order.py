"""How many states: as many as make the errors of prediction smaller by more than their parameters cost.

    BIC(n) = N log det R(n) + n (2 p + m) log N,      R(n) = covariance of the errors of prediction of the model
                                                             with n states, over the data

Every model is run over the data: what n canonical variates of a long past explain is no measure of it, for they
need not be the states of anything with n states (a delay, for one, has all its states seen by one variate).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from realization.core.errors import StructureError
from realization.linalg.decision import EPS
from realization.stochastic.identification.data import Compressed, Records
from realization.stochastic.identification.fitting import Fit, fitted
from realization.stochastic.identification.subspace import Projected, regress, state_map
from realization.stochastic.information_criteria import OrderChoice, bic


def best_fit(data: Records, d: Compressed, found: Projected) -> tuple[Fit, OrderChoice]:
    """Return the model of least BIC; the search ends where even errors as small as those of the whole past lose.

    Parameters
    ----------
    data : Records
        Over which the models are run.
    d, found : Compressed, Projected
        From which they are made.

    Returns
    -------
    tuple of Fit and OrderChoice
        With the values for 0, 1, ... states, as far as it was searched.

    Raises
    ------
    StructureError
        If a model is refused that would win if its errors were the residuals of its regression: the data
        grow, or an output is exactly predictable.
    """
    p, m = data.sizes[2:]
    N = data.sizes[0] * (data.sizes[1] - d.past)
    level = 100 * d.Yf.shape[1] * EPS  # of rounding in signals of size 1: smaller errors are none
    price = (2 * p + m) * np.log(N) / N
    least = _log_det(d.Yf[:p, len(d.Uf) + len(d.Zp) :], level)
    rank = int((found.singular_values > level * found.singular_values.max(initial=0.0)).sum())
    trials: list[Trial] = []
    best = np.inf
    for n in range(rank + 1):
        if least + n * price >= best:
            break
        trials.append(_tried(data, d, found, n, level))
        best = min(best, trials[-1].size + n * price)
    for n, trial in enumerate(trials):
        if trial.refusal and trial.hope + n * price < best:
            raise trial.refusal
    # an order that is refused, and could not have won, counts as no better than none
    sizes = np.array([trial.size if trial.fit else trials[0].size for trial in trials])
    choice = bic(-N / 2 * sizes, np.arange(len(sizes)) * (2 * p + m), N)
    fit = trials[choice.order].fit
    assert fit is not None
    return fit, choice


class Trial(NamedTuple):
    """A model, log det R of its errors and of the residuals of its regression; or why there is none."""

    fit: Fit | None
    size: float
    hope: float
    refusal: StructureError | None


def _tried(data: Records, d: Compressed, found: Projected, n: int, level: float) -> Trial:
    p, m = data.sizes[2:]
    J = state_map(found, n)
    plain = regress(d, J, p, m)
    hope = _log_det(plain.left[n:], level)
    try:
        fit = fitted(data, d, J, plain)
    except StructureError as refusal:
        return Trial(None, np.inf, hope, refusal)
    e = fit.errors.reshape(-1, p)
    return Trial(fit, _log_det(e.T / np.sqrt(len(e)), level), hope, None)


def _log_det(E: np.ndarray, level: float) -> float:
    """log det E E', singular values below the level counting as that."""
    return float(2 * np.log(np.maximum(np.linalg.svd(E, compute_uv=False), level)).sum())
