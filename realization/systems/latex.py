"""A system as the block matrix [A B; C D], in LaTeX for a notebook."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

SHOWN = 8  # rows and columns of a matrix that a notebook writes out


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


def number(x: Any) -> str:
    r"""Return a number in LaTeX, to four digits.

    Parameters
    ----------
    x : complex or float
        The number.

    Returns
    -------
    str
        A power of ten where one is needed.

    Examples
    --------
    >>> number(0.5), number(1e-9), number(1 - 2j)
    ('0.5', '10^{-9}', '1 - 2i')
    """
    if isinstance(x, complex):
        sign = "-" if x.imag < 0 else "+"
        return f"{number(x.real)} {sign} {number(abs(x.imag))}i" if x.imag else number(x.real)
    digits, _, power = f"{x + 0.0:.4g}".partition("e")
    if not power:
        return digits
    digits = {"1": "", "-1": "-"}.get(digits, rf"{digits} \cdot ")
    return rf"{digits}10^{{{int(power)}}}"


def polynomial(coefficients: Any, variable: str = "z") -> str:
    r"""Return a polynomial in LaTeX, zeros left out.

    Parameters
    ----------
    coefficients : array_like
        Highest first.
    variable : str
        Its name.

    Returns
    -------
    str
        Coefficients to four digits.

    Examples
    --------
    >>> polynomial([1.0, 0.0, -0.75]), polynomial([-2.0, 1.0], "s"), polynomial([0.0])
    ('z^{2} - 0.75', '-2 s + 1', '0')
    """
    c = np.trim_zeros(np.asarray(coefficients), "f")
    powers = ["", variable, *(f"{variable}^{{{k}}}" for k in range(2, len(c)))][: len(c)][::-1]
    terms = [_term(x, power) for x, power in zip(c, powers, strict=True) if x]
    return " + ".join(terms).replace("+ -", "- ") or "0"


def _term(x: Any, power: str) -> str:
    """One monomial; a coefficient 1 is not written, a complex one is bracketed."""
    if power and x in (1, -1):
        return power if x == 1 else f"-{power}"
    factor = f"({number(x)})" if power and isinstance(x, complex) and x.imag else number(x)
    return f"{factor} {power}".strip()


def factors(gain: Any, roots: Any) -> str:
    r"""Return gain (z - r_1) (z - r_2) ... in LaTeX.

    Parameters
    ----------
    gain : complex or float
        In front; 1 is not written where factors follow.
    roots : array_like
        In this order.

    Returns
    -------
    str
        Numbers to four digits.

    Examples
    --------
    >>> factors(2.0, [0.5, -0.25]), factors(1.0, [0.0]), factors(1.0, [])
    ('2 (z - 0.5) (z + 0.25)', 'z', '1')
    """
    product = " ".join(bracketed(polynomial([1, -r])) for r in np.asarray(roots).tolist())
    return f"{'' if product and gain == 1 else number(gain)} {product}".strip()


def bracketed(formula: str) -> str:
    """Return the formula in brackets where it has several terms or factors.

    Parameters
    ----------
    formula : str
        With blanks between them.

    Returns
    -------
    str
        As it came where there is one.
    """
    return f"({formula})" if " " in formula else formula


def plain(latex: str) -> str:
    r"""Return such a formula as text for a terminal.

    Parameters
    ----------
    latex : str
        Of numbers and powers.

    Returns
    -------
    str
        Without braces.

    Examples
    --------
    >>> plain(polynomial([1.0, 2e-9]))
    'z + 2e-9'
    >>> plain(polynomial([1.0, 0, 0.5]))
    'z^2 + 0.5'
    """
    return latex.replace(r" \cdot 10^", "e").replace("{", "").replace("}", "")


def as_quotient(above: list[list[str]], below: str) -> str:
    """Return quotients for a terminal, a line for each pair of input and output, named where there are several.

    Parameters
    ----------
    above : list of lists of str
        Numerators by output and input, bracketed where they need it.
    below : str
        The denominator of all, likewise.

    Returns
    -------
    str
        Without LaTeX.

    Examples
    --------
    >>> print(as_quotient([["z", "2"]], "(z - 0.5)"))
    u1 -> y1: z / (z - 0.5)
    u2 -> y1: 2 / (z - 0.5)
    """
    several = len(above) != 1 or len(above[0]) != 1
    lines = []
    for i, row in enumerate(above):
        for j, entry in enumerate(row):
            text = plain(entry if below == "1" else f"{entry} / {below}")
            lines.append(f"u{j + 1} -> y{i + 1}: {text}" if several else text)
    return "\n".join(lines)


def latex_quotient(above: list[list[str]], below: str) -> str:
    r"""Return a fraction, or the matrix of numerators after 1 over the denominator, in display mode.

    Parameters
    ----------
    above, below
        As in `as_quotient`, not bracketed.

    Returns
    -------
    str
        LaTeX.

    Examples
    --------
    >>> latex_quotient([["z"]], "z - 0.5")
    '$$\\frac{z}{z - 0.5}$$'
    """
    if len(above) == 1 == len(above[0]):
        return rf"$$\frac{{{above[0][0]}}}{{{below}}}$$"
    rows = r" \\ ".join(" & ".join(row) for row in above)
    return rf"$$\frac{{1}}{{{below}}} \begin{{bmatrix}} {rows} \end{{bmatrix}}$$"


STEPS = {
    "LinearSSM": (r"x(t+1) &= A x(t) + B u(t)", r"y(t) &= C x(t) + D u(t)"),
    "ContinuousSSM": (r"\dot x(t) &= A x(t) + B u(t)", r"y(t) &= C x(t) + D u(t)"),
    "TimeVaryingSSM": (r"x(t+1) &= A(t) x(t) + B(t) u(t)", r"y(t) &= C(t) x(t) + D(t) u(t)"),
    "BilinearSSM": (
        r"x(t+1) &= A x(t) + \textstyle\sum_i u_i(t) N_i x(t) + B u(t)",
        r"y(t) &= C x(t) + \textstyle\sum_i u_i(t) M_i x(t) + D u(t)",
    ),
}

PROCESSES = {
    "StochasticSSM": (r"x(t+1) &= A x(t) + B w(t)", r"y(t) &= C x(t) + D w(t)"),
    "BackwardSSM": (r"z(t-1) &= A z(t) + B v(t)", r"y(t) &= C z(t) + D v(t)"),
    "InnovationsSSM": (r"x(t+1) &= A x(t) + K e(t)", r"y(t) &= C x(t) + e(t)"),
    "TimeVaryingStochasticSSM": (r"x(t+1) &= A(t) x(t) + B(t) w(t)", r"y(t) &= C(t) x(t) + D(t) w(t)"),
    "TimeVaryingBackwardSSM": (r"x(t) &= A(t) x(t+1) + B(t) v(t)", r"y(t) &= C(t) x(t+1) + D(t) v(t)"),
    "ContinuousStochasticSSM": (r"dx &= A x\,dt + B\,dw", r"dy &= C x\,dt + D\,dw"),
    "ContinuousBackwardSSM": (r"dz &= -A z\,dt + B\,dv", r"dy &= C z\,dt + D\,dv"),
}


def equations(kind: str, n: int, m: int, p: int) -> str:
    r"""Return the equations of a type of system, and where its signals live.

    Parameters
    ----------
    kind : str
        Name of the type.
    n, m, p : int
        States, inputs, outputs.

    Returns
    -------
    str
        In display mode.

    Examples
    --------
    >>> r"x \in \mathbb{R}^{3}" in equations("LinearSSM", 3, 1, 1)
    True
    """
    lines = " \\\\\n".join(STEPS[kind])
    spaces = rf"x \in \mathbb{{R}}^{{{n}}},\; u \in \mathbb{{R}}^{{{m}}},\; y \in \mathbb{{R}}^{{{p}}}"
    return f"$$\\begin{{aligned}}\n{lines}\n\\end{{aligned}}\\qquad {spaces}$$"


def process_equations(model: Any) -> str:
    r"""Return the equations of a process, which say in what direction its state runs, and its matrices if small.

    Parameters
    ----------
    model : StochasticSSM, BackwardSSM, InnovationsSSM, ...
        A key of `PROCESSES`.

    Returns
    -------
    str
        In display mode.

    Examples
    --------
    >>> from realization.systems import BackwardSSM
    >>> print(process_equations(BackwardSSM([[0.5]], [[1]], [[2]], [[0]])))
    $$\begin{aligned}
    z(t-1) &= A z(t) + B v(t) \\
    y(t) &= C z(t) + D v(t)
    \end{aligned}\qquad \left[\begin{array}{c|c}
    0.5 & 1 \\
    \hline
    2 & 0
    \end{array}\right]$$
    """
    kind, (p, n) = type(model).__name__, model.C.shape[-2:]
    B, D = (model.K, np.eye(p)) if kind == "InnovationsSSM" else (model.B, model.D)
    lines, m = " \\\\\n".join(PROCESSES[kind]), B.shape[-1]
    if model.A.ndim == 2 and max(n + m, n + p) <= SHOWN:
        matrices = latex_block(model.A, B, model.C, D, number).strip("$")
    else:
        matrices = rf"n = {n},\; m = {m},\; p = {p}"
    return f"$$\\begin{{aligned}}\n{lines}\n\\end{{aligned}}\\qquad {matrices}$$"
