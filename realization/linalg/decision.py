"""Decisions read off numbers: a rank by the largest gap, and whether a second gap competes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A whole number chosen where a sequence of numbers falls off a cliff.

    Parameters
    ----------
    what : str
        What was decided.
    choice : int
        How many of the values count.
    gap : float
        Smallest value that counts over the largest that does not; infinite where all or none count.
    rival : int or None
        The choice that the second largest gap would make, where there is one.
    rival_gap : float
        That gap; 1 where there is none.
    decided : bool
        Whether the gap is wide enough and no second one competes with it.
    values : ndarray
        What was looked at, largest first.
    """

    what: str
    choice: int
    gap: float
    rival: int | None
    rival_gap: float
    decided: bool
    values: np.ndarray


def decide_rank(
    values: Any, *, scale: float | None = None, ceiling: float = 1e-6, least: float = 1e3, what: str = "rank"
) -> Decision:
    """Return the number of singular values before the largest gap.

    The gaps s[i] / s[i+1] are compared among those with s[i+1] <= ceiling scale, after
    every value is raised to eps scale, so that exact zeros do not make a gap of their own.
    Without a gap of at least `least` all values count.  A second gap competes when its
    logarithm is at least half that of the largest.

    Parameters
    ----------
    values : array_like
        Singular values (k,), largest first.
    scale : float, optional
        Norm of the matrix that they came from.  Default: the largest value.
    ceiling, least : float
        Largest value, relative to the scale, that may count as zero; smallest ratio that is a gap.
    what : str
        What is decided, for messages.

    Returns
    -------
    Decision
        With `decided` False where a second gap competes.

    Examples
    --------
    >>> decide_rank([1, 0.3, 1e-15]).choice
    2
    >>> decide_rank([1, 1e-8, 1e-16]).decided
    False
    """
    s = np.asarray(values, dtype=np.float64)
    size = float(s.max(initial=0.0)) if scale is None else float(scale)
    if not len(s) or size == 0.0:
        return Decision(what, 0, np.inf, None, 1.0, True, s)
    raised = np.maximum(s / size, EPS)
    # a value above which nothing stands: a rank of 0 is a choice as well
    ratios = np.append(1.0, raised)[:-1] / raised
    ratios[raised > ceiling] = 1.0
    order = np.argsort(-ratios, kind="stable")
    gap, second = (float(ratios[i]) for i in (*order, order[0])[:2]) if len(s) > 1 else (float(ratios[0]), 1.0)
    if gap < least:
        rival = int(order[0]) if gap >= np.sqrt(least) else None
        return Decision(what, len(s), np.inf, rival, gap, rival is None, s)
    competes = len(s) > 1 and second >= max(np.sqrt(gap), np.sqrt(least))
    return Decision(what, int(order[0]), gap, int(order[1]) if competes else None, second, not competes, s)
