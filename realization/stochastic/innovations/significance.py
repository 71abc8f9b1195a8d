"""What a test of a hypothesis answers: a statistic, its law, and whether it is rejected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HypothesisTest(Sealed):
    """What was measured, and how often a right model gives as much.

    Parameters
    ----------
    what : str
        Name of the test.
    statistic : ndarray
        (k,), one for each output or window, or one for all.
    degrees : ndarray
        (k,) degrees of freedom of its law; for the cumulative periodogram the number of uniforms.
    p_values : ndarray
        (k,), of each statistic by itself.
    level : float
        Probability at which a right model is rejected.
    """

    what: str
    statistic: np.ndarray
    degrees: np.ndarray
    p_values: np.ndarray
    level: float

    @property
    def p_value(self) -> float:
        """min(1, k min p): the bound of Bonferroni on the probability of any of the k; exact for k = 1."""
        return float(min(1.0, len(self.p_values) * self.p_values.min())) if len(self.p_values) else 1.0

    @property
    def rejected(self) -> bool:
        """Whether p_value <= level."""
        return self.p_value <= self.level

    def __str__(self) -> str:
        worst = int(np.argmin(self.p_values)) if len(self.p_values) else None
        measured = "" if worst is None else f"{self.statistic[worst]:.4g} on {self.degrees[worst]:.4g}, "
        several = f" (worst of {len(self.p_values)})" if len(self.p_values) > 1 else ""
        return f"{self.what}: {measured}p = {self.p_value:.3g}{several}" + ", rejected" * self.rejected


def probability(level: float) -> float:
    """Return the level of a test, checked."""
    if not 0 < level < 1:
        raise ShapeError(f"level is {level}, but a probability between 0 and 1 is needed")
    return float(level)
