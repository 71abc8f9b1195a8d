"""How many states: SVC on the canonical correlations of past and future, given the inputs to come."""

from __future__ import annotations

import numpy as np

from realization.linalg.decision import EPS
from realization.stochastic.identification.data import Compressed
from realization.stochastic.identification.subspace import cva_weights, project
from realization.stochastic.information_criteria import OrderChoice
from realization.stochastic.order_selection import svc


def correlations(d: Compressed) -> np.ndarray:
    """Return the canonical correlations of Zp and Yf, given Uf: those that are not rounding, largest first."""
    s = np.minimum(project(d, cva_weights).singular_values, 1.0)  # a cosine, but for rounding
    return s[s > 10 * d.Zp.shape[1] * EPS]


def order_choice(d: Compressed, p: int, m: int) -> OrderChoice:
    """Return the order of least SVC: a state brings 2 p + m parameters.

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
    return svc(correlations(d), d.samples, p, inputs=m)
