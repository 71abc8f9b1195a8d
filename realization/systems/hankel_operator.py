"""The Hankel operator of a system: from the past of the input to the future of the output.

    y(i) = sum_j C A^(i+j) B u(-1-j),    H = O R,    O = [C; CA; CA^2; ...],    R = [B AB A^2 B ...]

What passes from past to future passes through the state: the rank of H is the smallest
number of states that any system with the same answers can have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import numbers
from realization.linalg.decision import Decision, decide_rank
from realization.linalg.gramians import continuous_hankel_singular_values, hankel_singular_values
from realization.systems.base import count, quiet, single
from realization.systems.continuous import ContinuousSSM
from realization.systems.exponential import in_range
from realization.systems.linear import LinearSSM

SHORTER = "shorter horizons are needed"


@dataclass(frozen=True, slots=True, eq=False)
class HankelOperator:
    """H = O R on finite horizons, applied without being formed.

    Parameters
    ----------
    system : LinearSSM
        Without batch axes; D has no part in it.
    future, past : int
        Steps of output that are looked at, and of input; n each are enough for the rank.

    Raises
    ------
    ShapeError
        If the system has batch axes or is of another kind, or a horizon is negative.
    StructureError
        If time is continuous: the blocks are then no finite matrix; see `hankel_spectrum`.

    Examples
    --------
    A delay of two steps returns its inputs, the oldest first; blocks of H lie on antidiagonals:

    >>> H = HankelOperator(LinearSSM([[0, 1], [0, 0]], [[0], [1]], [[1, 0]], [[0]]), future=3, past=3)
    >>> H.matvec([[5], [7], [9]]).ravel().tolist()
    [7.0, 5.0, 0.0]
    >>> H.dense().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    system: LinearSSM
    future: int
    past: int

    def __post_init__(self) -> None:
        single("HankelOperator", self.system, LinearSSM, ContinuousSSM)
        if not isinstance(self.system, LinearSSM):
            raise StructureError("system is a ContinuousSSM; discrete time is needed for finite blocks")
        count("future", self.future)
        count("past", self.past)

    def matvec(self, u: Any) -> np.ndarray:
        """y = O (R u).

        Parameters
        ----------
        u : array_like
            (past, m): u(-1), u(-2), ..., the newest first.

        Returns
        -------
        ndarray
            (future, p): y(0), y(1), ... while the input is 0 from then on.

        Raises
        ------
        ShapeError
            If u has another shape.
        """
        A, B, C = self.system.A, self.system.B, self.system.C
        x = np.zeros(len(A))
        for v in _rows("u", u, (self.past, B.shape[1]))[::-1]:
            x = A @ x + B @ v
        return _powers(A, C, x, self.future)

    def rmatvec(self, y: Any) -> np.ndarray:
        """u = R' (O' y).

        Parameters
        ----------
        y : array_like
            (future, p).

        Returns
        -------
        ndarray
            (past, m).

        Raises
        ------
        ShapeError
            If y has another shape.
        """
        A, B, C = self.system.A, self.system.B, self.system.C
        x = np.zeros(len(A))
        for w in _rows("y", y, (self.future, len(C)))[::-1]:
            x = A.conj().T @ x + C.conj().T @ w
        return _powers(A.conj().T, B.conj().T, x, self.past)

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """O (future p, n) and R (n, past m)."""
        A, B, C = self.system.A, self.system.B, self.system.C
        (n, m), p = B.shape, len(C)
        O = _powers(A, C, np.eye(n), self.future).reshape(self.future * p, n)
        R = _powers(A.T, B.T, np.eye(n), self.past).reshape(self.past * m, n).T
        return O, R

    def dense(self) -> np.ndarray:
        """H, (future p, past m), with block C A^(i+j) B in row i and column j."""
        O, R = self.factors()
        return O @ R

    def singular_values(self) -> np.ndarray:
        """Singular values of H beyond which all are 0, largest first: (k,), k at most n."""
        O, R = self.factors()
        (_, left), (_, right) = np.linalg.qr(O), np.linalg.qr(R.conj().T)
        return np.linalg.svd(left @ right.conj().T, compute_uv=False)

    def rank(self) -> Decision:
        """Rank of H by the largest gap: the minimal order, where the horizons are n or longer.

        Singular values that fall without a gap, as those of most systems beyond n = 20 do, leave it undecided.
        """
        # the product is computed to eps |O| |R|, which may be more than eps |H|
        scale = float(np.prod([np.linalg.svd(X, compute_uv=False).max(initial=0.0) for X in self.factors()]))
        return decide_rank(self.singular_values(), scale=scale, what="rank of the Hankel operator")


def _rows(name: str, x: Any, shape: tuple[int, int]) -> np.ndarray:
    x = numbers(name, x)
    if x.shape != shape:
        raise ShapeError(f"{name} has shape {x.shape}; {shape} is needed, one row for each step")
    return x


@quiet
def _powers(A: np.ndarray, C: np.ndarray, x: np.ndarray, steps: int) -> np.ndarray:
    """C x, C A x, C A^2 x, ..., stacked."""
    rows = []
    for _ in range(steps):
        rows.append(C @ x)
        x = A @ x
    return in_range("the operator", np.stack(rows), SHORTER) if rows else np.zeros((0, len(C), *x.shape[1:]))


def hankel_operator(system: LinearSSM) -> HankelOperator:
    """H on the horizons that its rank needs, n steps of each.

    Parameters
    ----------
    system : LinearSSM
        Without batch axes.

    Returns
    -------
    HankelOperator
        For other horizons call `HankelOperator` itself.

    Raises
    ------
    ShapeError
        If the system has batch axes, or is of another kind.

    Examples
    --------
    Two equal states look like one:

    >>> twice = LinearSSM([[0.5, 0], [0, 0.5]], [[1], [1]], [[1, 1]], [[0]])
    >>> hankel_operator(twice).rank().choice
    1
    """
    n = len(single("hankel_operator", system, LinearSSM, ContinuousSSM)[0])
    return HankelOperator(system, n, n)


def hankel_spectrum(system: LinearSSM | ContinuousSSM) -> np.ndarray:
    """Singular values of the whole Hankel operator, both horizons infinite, largest first.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Stable, without batch axes.

    Returns
    -------
    ndarray
        (n,), through factored Gramians: the roots of the eigenvalues of P Q.

    Raises
    ------
    ShapeError
        If the system has batch axes, or is of another kind.
    StructureError
        If the system is not stable; the message gives its spectral radius or abscissa.

    Examples
    --------
    >>> hankel_spectrum(LinearSSM([[0.5]], [[1]], [[3]], [[0]])).round(12).tolist()
    [4.0]
    """
    A, B, C, _ = single("hankel_spectrum", system, LinearSSM, ContinuousSSM)
    values = continuous_hankel_singular_values if isinstance(system, ContinuousSSM) else hankel_singular_values
    return values(A, B, C)
