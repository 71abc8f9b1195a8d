"""A system as the block matrix [A B; C D], in LaTeX for a notebook."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np


def latex_block(A: Any, B: Any, C: Any, D: Any, entry: Callable[[Any], str]) -> str:
    r"""Return [A B; C D] as a LaTeX array with its two rules.

    Parameters
    ----------
    A, B, C, D : ndarray
        The matrices of one system.
    entry : callable
        Number -> LaTeX.

    Returns
    -------
    str
        In display mode.

    Examples
    --------
    >>> latex_block(*([[1]], [[2]], [[3]], [[4]]), str)
    '$$\\left[\\begin{array}{c|c}\n1 & 2 \\\\\n\\hline\n3 & 4\n\\end{array}\\right]$$'
    """
    rows = [
        [" & ".join(map(entry, (*left, *right))) for left, right in zip(*pair, strict=True)]
        for pair in ((A, B), (C, D))
    ]
    n, m = np.shape(A)[0], np.shape(D)[1]
    halves = [" \\\\\n".join(half) for half in rows if half]
    body = " \\\\\n\\hline\n".join(halves) if n else halves[0] if halves else ""
    return f"$$\\left[\\begin{{array}}{{{'c' * n}|{'c' * m}}}\n{body}\n\\end{{array}}\\right]$$"


def fraction(x: Fraction) -> str:
    r"""Return a fraction in LaTeX, its sign in front.

    Parameters
    ----------
    x : Fraction
        The number.

    Returns
    -------
    str
        An integer as itself.

    Examples
    --------
    >>> fraction(Fraction(-1, 3)), fraction(Fraction(2))
    ('-\\tfrac{1}{3}', '2')
    """
    if x.denominator == 1:
        return str(x.numerator)
    return f"{'-' if x < 0 else ''}\\tfrac{{{abs(x.numerator)}}}{{{x.denominator}}}"
