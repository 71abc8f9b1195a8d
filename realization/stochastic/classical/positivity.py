"""Whether a window of covariances belongs to a process: the verdict, and how it is reached at one order.

T_n > 0    if and only if    T_{n-1} > 0 and S_n > 0,      S_n the covariance of the error of prediction
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from realization.core.errors import StructureError
from realization.stochastic.classical.window import exact, sign

Verdict = Literal["positive", "singular", "indefinite"]


@dataclass(frozen=True, slots=True, eq=False)
class Positivity:
    """Whether a window of covariances belongs to a process, and the order at which this is seen.

    Parameters
    ----------
    verdict : {"positive", "singular", "indefinite"}
        T > 0; T singular, up to rounding, at this order first: y(t) is predicted without error from n values; T has a
        negative eigenvalue at this order first.
    order : int
        n: the order at which S_n is not positive definite; N where all are.
    eigenvalue : float
        The least one of S_n and Sbar_n, where Lambda(0) has ones on its diagonal.
    threshold : float
        What rounding of the covariances does to it, (n+1) p eps |A_n|^2; 0 where they are fractions.
    """

    verdict: Verdict
    order: int
    eigenvalue: float
    threshold: float

    def __str__(self) -> str:
        needed = f"need > {self.threshold:.1e}"
        return (
            f"{self.verdict}: at order {self.order} the prediction error has eigenvalue {self.eigenvalue:.3g}, {needed}"
        )


def judge(n: int, S: np.ndarray, units: np.ndarray, threshold: float) -> Positivity:
    """Decide S_n > 0 in units of the outputs, in floats up to the threshold."""
    least = float(np.linalg.eigvalsh(S.astype(np.float64) / np.outer(units, units)).min(initial=np.inf))
    if exact(S):
        threshold, side = 0.0, sign(S)
    else:
        side = int(least > threshold) - int(least < -threshold)
    verdicts: dict[int, Verdict] = {1: "positive", 0: "singular", -1: "indefinite"}
    return Positivity(verdicts[side], n, least, threshold)


def require_positive(found: Positivity) -> None:
    """Refuse a window that is not positive definite.

    Raises
    ------
    StructureError
        With the order and the eigenvalue.
    """
    if found.verdict == "indefinite":
        raise StructureError(f"covariances are not those of a process, {found}; estimate them from one record")
    if found.verdict == "singular" and not found.order:
        raise StructureError(f"Lambda(0) is {found}; drop an output")
    if found.verdict == "singular":
        rounding = ", up to rounding" * (found.threshold > 0)
        raise StructureError(
            f"covariances are {found}: the process is predicted without error from {found.order} values{rounding}; "
            f"give fewer than {found.order} lags" + ", or fractions" * bool(rounding)
        )
