"""What strategies draw, what is known of it, and how far a careful computation may be off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from realization.linalg.decision import EPS

MARGIN = 100  # observed errors are at most 2 % of the tolerance

seeds = st.integers(0, 2**32 - 1)
widths = st.integers(1, 3)
# 10^0 to 10^3, evenly in the logarithm; shrinks to an orthogonal basis
conditions = st.integers(0, 12).map(lambda k: 10.0 ** (k / 4))


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A system and what is known of it.

    Parameters
    ----------
    system : LinearSSM, BilinearSSM, StochasticSSM, ...
        What a test gets.
    condition : float
        Of the basis that hides the structure; of the state covariance where there is one.
    structure : tuple
        Sizes of the Jordan blocks, or eigenvalues: the strategy says which.
    """

    system: Any
    condition: float
    structure: tuple[Any, ...]


def tolerance(drawn: Drawn, *, scale: float = 1.0) -> float:
    """Return 100 n u k^2 max(1, |A|) scale: what a careful float64 computation keeps.

    Parameters
    ----------
    drawn : Drawn
        n, k and A are those of its system.
    scale : float
        Of the quantity that is compared.

    Returns
    -------
    float
        Observed errors are at most 2 % of it.
    """
    A = drawn.system.A
    size = max(1.0, float(np.linalg.norm(A, 2))) if A.size else 1.0
    return MARGIN * max(len(A), 1) * EPS / 2 * drawn.condition**2 * size * scale


@st.composite
def partitions(draw: st.DrawFn, largest: int) -> list[int]:
    """Sizes of Jordan blocks, largest first, with a sum of at most `largest`.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    largest : int
        Bound on the sum.

    Returns
    -------
    list of int
        Perhaps empty.
    """
    sizes: list[int] = []
    rest = draw(st.integers(0, largest))
    while rest:
        sizes.append(draw(st.integers(1, min(rest, sizes[-1] if sizes else rest))))
        rest -= sizes[-1]
    return sizes
