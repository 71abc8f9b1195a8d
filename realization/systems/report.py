"""What a description is made of: answers with their numbers, and a small table to show them."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

Rows = list[tuple[str, str]]
WIDTH = 80


@dataclass(frozen=True, slots=True)
class Answer:
    """Yes, no or undecided, with the number that says how clearly.

    Parameters
    ----------
    holds : bool or None
        None where rounding could change the answer.
    margin : float
        How large a relative change of the matrices could turn it round, as an estimate from above;
        of an answer that rests on ranks, the smallest gap.
    why : str
        The numbers in words.

    Examples
    --------
    >>> print(Answer(None, 1e-17, "margin 1.0e-17"))
    undecided: margin 1.0e-17
    """

    holds: bool | None
    margin: float
    why: str

    def __str__(self) -> str:
        word = {True: "yes", False: "no", None: "undecided"}[self.holds]
        return f"{word}: {self.why}" if self.why else word


def both(one: Answer, other: Answer) -> Answer:
    """Return the answer to `one and other`: no as soon as one is no, undecided while either could still be.

    Parameters
    ----------
    one, other : Answer
        Two answers.

    Returns
    -------
    Answer
        With the smaller margin.

    Examples
    --------
    >>> both(Answer(None, 0.0, ""), Answer(False, 0.0, "")).holds
    False
    """
    holds = {one.holds, other.holds}
    together = False if False in holds else None if None in holds else True
    return Answer(together, min(one.margin, other.margin), "")


def as_text(title: str, rows: Rows) -> str:
    """Return a table of 80 columns.

    Parameters
    ----------
    title : str
        First line.
    rows : list of pairs of str
        Label and text; long texts are wrapped.

    Returns
    -------
    str
        Without a final newline.

    Examples
    --------
    >>> print(as_text("A system", [("stable", "yes"), ("poles", "0.5")]))
    A system
      stable  yes
      poles   0.5
    """
    width = max((len(label) for label, _ in rows), default=0)
    lines = [title]
    for label, text in rows:
        head = f"  {label:<{width}}  "
        lines += textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)) or [head.rstrip()]
    return "\n".join(lines)


def as_table(title: str, rows: Rows) -> str:
    """Return a table in HTML that needs nothing from elsewhere.

    Parameters
    ----------
    title : str
        Its caption.
    rows : list of pairs of str
        Label and text, escaped here.

    Returns
    -------
    str
        A single <table>.

    Examples
    --------
    >>> as_table("n < 3", [("stable", "yes")])
    '<table><caption>n &lt; 3</caption><tr><th scope="row">stable</th><td>yes</td></tr></table>'
    """
    cells = "".join(f'<tr><th scope="row">{html.escape(a)}</th><td>{html.escape(b)}</td></tr>' for a, b in rows)
    return f"<table><caption>{html.escape(title)}</caption>{cells}</table>"


def numbers(values: Iterable[complex], most: int = 6) -> str:
    """Return complex numbers on one line, conjugate pairs as one, at most so many.

    Parameters
    ----------
    values : iterable of complex
        In the order to be shown.
    most : int
        How many are written out.

    Returns
    -------
    str
        With six digits; the rest is counted.

    Examples
    --------
    >>> numbers([0.5 + 0.25j, 0.5 - 0.25j, 0.1])
    '0.5±0.25i, 0.1'
    """
    shown: list[str] = []
    left = list(values)
    while left and len(shown) < most:
        x = left.pop(0)
        mirror = [k for k, y in enumerate(left) if x.imag and abs(y - x.conjugate()) <= 1e-12 * abs(x)]
        if mirror:
            left.pop(mirror[0])
        sign = "±" if mirror else "+" if x.imag > 0 else "-"
        shown.append(f"{x.real:.6g}{sign}{abs(x.imag):.6g}i" if x.imag else f"{x.real:.6g}")
    return (", ".join(shown) or "none") + (f", and {len(left)} more" if left else "")
