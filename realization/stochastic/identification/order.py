"""How many states: what the canonical correlations of past and future stand out for, against what states cost.

    SVC(n) = s(n+1)^2 + n (2 p + m) log N / N

s(n+1) is the largest correlation that n states leave out, n (2 p + m) the number of parameters that they bring
(Peternell, Scherrer and Deistler 1996; Bauer 2001).
"""

from __future__ import annotations

import numpy as np

from realization.linalg.decision import EPS, Decision
from realization.stochastic.identification.data import Compressed
from realization.stochastic.identification.subspace import cva_weights, project


def correlations(d: Compressed) -> np.ndarray:
    """Return the canonical correlations of Zp and Yf, given Uf: those that are not rounding, largest first."""
    s = np.minimum(project(d, cva_weights).singular_values, 1.0)  # a cosine, but for rounding
    return s[s > 10 * d.Zp.shape[1] * EPS]


def chosen_order(d: Compressed, p: int, m: int) -> Decision:
    """Return the n of least SVC; another one competes if the difference is below the price of one parameter.

    Parameters
    ----------
    d : Compressed
        The data.
    p, m : int
        Outputs and inputs.

    Returns
    -------
    Decision
        With the correlations; its gap is that between the last that counts and the first that does not.
    """
    s = correlations(d)
    price = np.log(d.samples) / d.samples
    n = np.arange(len(s) + 1)
    cost = np.append(s, 0.0)[n] ** 2 + n * (2 * p + m) * price
    best, second = np.append(np.argsort(cost, kind="stable"), -1)[:2]
    competes = second >= 0 and cost[second] - cost[best] < price
    return _decision("order by SVC", s, int(best), int(second) if competes else None)


def given_order(d: Compressed, order: int) -> Decision:
    """Return the order that was asked for, with the gap of the correlations there."""
    return _decision("order, given", correlations(d), order, None)


def _decision(what: str, s: np.ndarray, n: int, rival: int | None) -> Decision:
    def gap(k: int) -> float:
        last = s[k - 1] if 0 < k <= len(s) else 1.0
        return float(last / s[k]) if k < len(s) else np.inf

    return Decision(what, n, gap(n), rival, 1.0 if rival is None else gap(rival), rival is None, s)
