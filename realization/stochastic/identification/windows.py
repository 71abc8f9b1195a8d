"""How long past and future are, where the user does not say: as long as the data can tell from nothing.

    y(t) = sum_{k=1..h} F(k) y(t-k) + sum_{k=0..h} H(k) u(t-k) + e(t),     AIC(h) = N log det cov e + 2 h p (p + m)

The best h grows like log N / (-2 log rho), rho the spectral radius of A - K C.  What a past of i steps cuts off
is rho^i of the state and biases the estimates by rho^(2i): i = 2 h makes that N^(-2), below the error of
sampling, N^(-1/2) (Deistler, Peternell and Scherrer 1995; Bauer 2005).
"""

from __future__ import annotations

import numpy as np

from realization.core.errors import ShapeError
from realization.stochastic.data import triangle
from realization.stochastic.identification.data import Records
from realization.systems.base import count


def autoregressive_order(data: Records, longest: int) -> int:
    """Return the h <= longest of least AIC.

    The regressions are nested: one triangular factor has the residuals of them all.

    Parameters
    ----------
    data : Records
        Outputs and inputs.
    longest : int
        Largest h.

    Returns
    -------
    int
        At least 1.
    """
    b, T, p, m = data.sizes
    lags = range(-1, -longest - 1, -1)
    columns = [(data.u, 0), *((x, k) for k in lags for x in (data.u, data.y)), (data.y, 0)]
    L, N = triangle(columns, longest, 0), b * (T - longest)
    explained = [m + h * (p + m) for h in range(longest + 1)]
    left = [np.linalg.svd(L[-p:, k:], compute_uv=False) for k in explained]
    tiny = np.finfo(float).tiny  # outputs that are known exactly: the longest h that still adds digits
    aic = [2 * N * np.log(np.maximum(s, tiny)).sum() + 2 * h * p * (p + m) for h, s in enumerate(left)]
    return max(int(np.argmin(aic)), 1)


def windows(data: Records, order: int | None, past: int | None, future: int | None) -> tuple[int, int]:
    """Return past and future: as given, else 2 h, and at least one step more than the order.

    Raises
    ------
    ShapeError
        If one is no whole number >= 1, or too short for the order.
    """
    b, T, p, m = data.sizes
    for name, given in (("past", past), ("future", future)):
        if given is not None and count(name, given) < 1:
            raise ShapeError(f"{name} is {given}, but at least one step is needed")
    if past is None:
        # AIC looks at lags up to 10 log10 N, but at no more unknowns than an eighth of the moments
        longest = min(int(10 * np.log10(max(b * T, 10))), b * T // (8 * (p + m)), T // 8)
        h = autoregressive_order(data, longest) if longest > 0 else 1
        past = max(2 * h, (order or 0) + 1, 4)  # 4: a state of order 3 is seen even if AIC sees nothing
    if future is None:
        future = max(past, (order or 0) + 1)
    if order is not None and order > min(past * (p + m), future * p):
        raise ShapeError(
            f"order {order} with a past of {past} and a future of {future} steps: p={p}, m={m} allow at most "
            f"{min(past * (p + m), future * p)}, past (p + m) and future p; take longer windows"
        )
    return past, future
