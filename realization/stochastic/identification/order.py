"""How many states: as long as the next canonical variate makes the errors of prediction worth its parameters smaller.

    BIC(n) = N log det R(n) + n (2 p + m) log N,      R(n) = cov(y(t) | n canonical variates of the past, Uf)

The correlations themselves could be weighed instead (SVC), but with windows as long as identification takes them
the largest of hundreds that are noise is well above its price.
"""

from __future__ import annotations

import numpy as np

from realization.linalg.decision import EPS
from realization.linalg.dense import two_norm
from realization.stochastic.identification.data import Compressed
from realization.stochastic.identification.subspace import cva_weights, project
from realization.stochastic.information_criteria import OrderChoice, bic


def order_choice(d: Compressed, p: int, m: int) -> OrderChoice:
    """Return the order of least BIC, a state bringing 2 p + m parameters.

    Parameters
    ----------
    d : Compressed
        The data.
    p, m : int
        Outputs and inputs.

    Returns
    -------
    OrderChoice
        Whatever weights are used afterwards: canonical correlations depend on no units.
    """
    variates = project(d, cva_weights)
    k, future = d.Yf.shape[1], d.Yf[:, len(d.Uf) :]
    # k eps is the error of the data; weighing multiplies what it does to a variate by the condition of the future
    level = k * EPS * max(two_norm(variates.W1) * two_norm(future), 100.0)
    rank = int((variates.singular_values > 100 * k * EPS).sum())
    E, log_det = future[:p], []
    for v in (np.zeros(E.shape[1]), *variates.V[:rank]):
        E = E - np.outer(E @ v, v)
        log_det.append(2 * np.log(np.maximum(np.linalg.svd(E, compute_uv=False), level)).sum())
    n = np.arange(len(log_det))
    return bic(-d.samples / 2 * np.array(log_det), n * (2 * p + m), d.samples)
