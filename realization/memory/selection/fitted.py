"""Read-outs y^(t) = W x(t): W given, or fitted to the pairs (x, y) that came before.

The fit is causal ridge regression,

    W(t) = argmin  sum_{s<t} f^(t-1-s) |y(s) - W x(s)|^2  +  sum_i r_i(t) |W_i|^2

by rotations of a triangle, in a fixed order (`_kernels.least_squares`): what it predicts depends on the data and on
nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from realization._kernels.views import entry
from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.core.shapes import Signature, finite
from realization.linalg.decision import EPS
from realization.systems.stochastic import freeze_real, real

PAIRS = Signature.parse("x: *b T n; y: *b T m ->")


class Readout(Protocol):
    """A callable of regressors (*b, T, n) and targets (*b, T, m) that predicts each target from those before it."""

    def __call__(self, x: np.ndarray, y: np.ndarray, state: Any = None, *, begins: np.ndarray) -> tuple[Any, Any]:
        """Return predictions (*b, T, m) and the state."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Given(Sealed):
    """y^(t) = W x(t).

    Parameters
    ----------
    weight : array_like
        W, (m, n), or (*c, m, n) where the last batch axes of the regressors are c.

    Raises
    ------
    ShapeError
        If an entry is not real and finite, regressors of another width come, or a prediction overflows.
    """

    weight: np.ndarray

    def __post_init__(self) -> None:
        freeze_real(self, "weight: *b m n")

    def __call__(self, x: np.ndarray, y: np.ndarray, state: Any = None, *, begins: np.ndarray) -> tuple[Any, Any]:
        """Return W x (*b, T, m), each sum from the first regressor to the last, and None."""
        from realization._kernels.ordered import linear  # loads numba

        *c, m, n = self.weight.shape
        if x.shape[-1] != n or y.shape[-1] != m or x.shape[x.ndim - 2 - len(c) : -2] != tuple(c):
            raise ShapeError(
                f"weight has shape {self.weight.shape}, but {x.shape[-1]} regressors predict {y.shape[-1]} numbers"
                f" and batch axes are {x.shape[:-2]}"
            )
        prediction = np.empty(y.shape)
        for i in np.ndindex(*c):
            prediction[(..., *i, slice(None), slice(None))] = linear(
                x[(..., *i, slice(None), slice(None))], self.weight[i]
            )
        return finite("prediction", prediction), None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fitted(Sealed):
    """y^(t) = W(t) x(t), W(t) the ridge regression on the pairs before t.

    With R' R = sum f^(t-1-s) x x' + diag(r) and R' z = sum f^(t-1-s) x y', R triangular, the prediction is
    (inv(R)' x)' z; a step rotates [x' y'] into [sqrt(f) R, sqrt(f) z].

    Parameters
    ----------
    forgetting : float
        f, above 0 and at most 1: a pair of 1 / (1 - f) steps ago counts 1/e.
    ridge : float
        r > 0, in the unit of the regressors squared; it makes singular regressors harmless, and regressors far below
        sqrt(r) count for nothing.

    Raises
    ------
    ShapeError
        If forgetting or ridge is out of range; if regressors or targets do not fit, are NaN or infinite, or so large
        that a prediction is.
    StructureError
        If the forgetting lets the ridge fall below rounding before its turn comes, f^n < 2^-52.

    Notes
    -----
    Each step costs 6 n (n/2 + m) operations.  The ridge fades with the data; in each step it is made whole for one
    regressor, in turn, so r_i lies between r f^(n-1) and r, and for f = 1 it is r.

    Accuracy: R and z are those of regressors and targets that are off by a few roundings, so predictions are off by
    about u cond(R) of their size; a tenth of that is the most that was measured against 60 digits, for conditions
    of 1e2 to 1e11.  The covariance inv(R' R) is never formed: updated as is usual, and made symmetric in every step,
    it loses up to six digits more at a condition of R of 1e8, where its own condition is 1e16.

    References
    ----------
    Golub and Van Loan 2013, 6.5.4; Haykin 2014, chapter 15.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((50, 3))
    >>> y = x @ [[1.0], [2.0], [3.0]]
    >>> fit = Fitted(ridge=1e-9)
    >>> prediction, state = fit(x, y)
    >>> bool(abs(prediction[3:] - y[3:]).max() < 1e-6), fit.weight(state).round(6).tolist()
    (True, [[1.0, 2.0, 3.0]])
    """

    forgetting: float = 1.0
    ridge: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 < self.forgetting <= 1:
            raise ShapeError(f"forgetting is {self.forgetting}, need above 0 and at most 1")
        if not 0 < self.ridge < math.inf:
            raise ShapeError(f"ridge is {self.ridge}, need above 0: fewer pairs than regressors have many fits")

    def __call__(self, x: Any, y: Any, state: Any = None, *, begins: Any = None) -> tuple[np.ndarray, Any]:
        """Return predictions (*b, T, m) of y from x (*b, T, n) and the state, ([R z], turn, r)."""
        from realization._kernels.least_squares import run  # loads numba

        x, y = real("x", x), real("y", y)
        PAIRS.check({"x": x, "y": y})
        (*batch, T, n), m, B = x.shape, y.shape[-1], math.prod(x.shape[:-2])
        if self.forgetting**n < EPS:
            raise StructureError(
                f"forgetting {self.forgetting} to the power n={n} is {self.forgetting**n:.1e}, need >= {EPS:.1e}: "
                "the ridge of a regressor is gone before its turn comes"
            )
        fresh = self._empty(batch, n, m)
        triangle, turn, left = fresh if state is None else map(np.array, parts(state, 3))
        came, needed = ([x.shape for x in one] for one in ((triangle, turn, left), fresh))
        if came != needed:
            raise ShapeError(f"the state has shapes {came}, but {needed} are needed; it is that of another stream")
        prediction = np.empty((*batch, T, m))
        begins = np.zeros((*batch, T), bool) if begins is None else begins
        run(
            prediction.reshape(B, T, m), triangle.reshape(B, n, n + m), turn.reshape(B, 1), left.reshape(B, n),
            entry(x, (B, T, n)), entry(y, (B, T, m)), entry(begins, (B, T)),
            float(self.forgetting), float(self.ridge),
        )  # fmt: skip
        return finite("prediction", prediction), (triangle, turn, left)

    def weight(self, state: Any) -> np.ndarray:
        """Return W (*b, m, n) of the pairs so far, the solution of R W' = z."""
        n = state[0].shape[-2]
        R, z = state[0][..., :n], state[0][..., n:]
        return np.linalg.solve(R, z).swapaxes(-1, -2)

    def _empty(self, batch: list[int], n: int, m: int) -> tuple[np.ndarray, ...]:
        triangle = np.zeros((*batch, n, n + m))
        triangle[..., range(n), range(n)] = math.sqrt(self.ridge)
        return triangle, np.zeros((*batch, 1), np.int64), np.full((*batch, n), float(self.ridge))


def parts(state: Any, count: int) -> tuple[Any, ...]:
    """Return the parts of a state, None of each before the first block.

    Raises
    ------
    ShapeError
        If it is no tuple of so many: the state is that of another predictor.
    """
    if state is None:
        return (None,) * count
    if not isinstance(state, tuple) or len(state) != count:
        raise ShapeError(
            f"state is a {type(state).__name__}, but a tuple of {count} is needed, as the block before has left it"
        )
    return state
