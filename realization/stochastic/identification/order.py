"""How many states: as many as make the errors of prediction smaller by more than their parameters cost.

    BIC(n) = N log det R(n) + n (2 p + m) log N,      R(n) = covariance of the errors of prediction of the model
                                                             with n states, over the data

Every model is run over the data: what n canonical variates of a long past explain is no measure of it, for they
need not be the states of anything with n states (a delay, for one, has all its states seen by one variate).
"""

from __future__ import annotations

import numpy as np

from realization.core.errors import StructureError
from realization.linalg.decision import EPS
from realization.stochastic.identification.data import Compressed, Records
from realization.stochastic.identification.fitting import Fit, fitted
from realization.stochastic.identification.subspace import Projected, regress, state_map
from realization.stochastic.innovations.information_criteria import OrderChoice, bic


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
    fits: dict[int, Fit] = {}
    sizes: list[float] = []
    refused: list[tuple[float, StructureError]] = []
    best = np.inf
    for n in range(rank + 1):
        if least + n * price >= best:
            break
        J = state_map(found, n)
        plain = regress(d, J, p, m)
        try:
            fits[n] = fitted(data, d, J, plain)
            sizes.append(_log_det(fits[n].errors.reshape(-1, p).T / np.sqrt(N), level))
        except StructureError as refusal:
            refused.append((_log_det(plain.left[n:], level) + n * price, refusal))
            sizes.append(sizes[0] if n else np.inf)  # if it could not have won, no better than no state at all
        best = min(best, sizes[n] + n * price)
    for hope, error in refused:
        if hope < best:
            raise error
    choice = bic(-N / 2 * np.array(sizes), np.arange(len(sizes)) * (2 * p + m), N)
    return fits[choice.order], choice


def _log_det(E: np.ndarray, level: float) -> float:
    """log det E E', singular values below the level counting as that."""
    return float(2 * np.log(np.maximum(np.linalg.svd(E, compute_uv=False), level)).sum())
