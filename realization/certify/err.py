"""`Err`: a value and the error that a kernel of a given claim may make in it.

    |computed - value| <= error

Reading a map or an epilogue with `Err` is running error analysis: every
operation passes on the errors of its operands and adds its own rounding,

    z = x y:     e_z = |x| e_y + |y| e_x + e_x e_y,  then  e_z + u (|z| + e_z) + eta

with u the unit roundoff of the claim and eta its smallest normal number, since
many kernels flush subnormal results to zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from realization.certify.table import TABLE
from realization.core import functions
from realization.core.claim import Claim
from realization.core.rounding import format_of, round_to


class Err:
    """An array `value` (float64) with an absolute error of the same shape, under a claim."""

    __slots__ = ("claim", "error", "value")
    __array_ufunc__ = None  # let `ndarray * Err` reach __rmul__
    reading = "bound"

    def __init__(self, value: Any, error: Any = 0.0, *, claim: Claim) -> None:
        self.value = np.asarray(value, dtype=np.float64)
        error = np.broadcast_to(np.asarray(error, dtype=np.float64), self.value.shape)
        self.error = np.where(np.isnan(error), np.inf, error)  # inf - inf and 0 inf know nothing
        self.claim = claim

    def __repr__(self) -> str:
        return f"Err(value={self.value}, error={self.error})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.value.ndim

    # Arithmetic -------------------------------------------------------------

    def _rounded(self, value: Any, error: Any) -> Err:
        """Add the rounding of one operation with this result."""
        u, eta = self.claim.u, self.claim.accumulator.tiny
        return Err(value, _fitting(value, error + u * (np.abs(value) + error) + eta, self.claim), claim=self.claim)

    def __add__(self, other: Any) -> Err:
        y, ey = _parts(other)
        return self._rounded(self.value + y, self.error + ey)

    def __mul__(self, other: Any) -> Err:
        (x, ex), (y, ey) = _parts(self), _parts(other)
        with np.errstate(invalid="ignore", over="ignore"):
            return self._rounded(x * y, np.abs(x) * ey + np.abs(y) * ex + ex * ey)

    def __truediv__(self, other: Any) -> Err:
        return self * functions.reciprocal(other if isinstance(other, Err) else Err(other, claim=self.claim))

    def __rtruediv__(self, other: Any) -> Err:
        return functions.reciprocal(self) * other

    def __neg__(self) -> Err:
        return Err(-self.value, self.error, claim=self.claim)

    def __sub__(self, other: Any) -> Err:
        return self + (-other)

    def __rsub__(self, other: Any) -> Err:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    @staticmethod
    def __elementary__(name: str, *arguments: Any) -> Err:
        claim = next(x.claim for x in arguments if isinstance(x, Err))
        values = [x.value if isinstance(x, Err) else x for x in arguments]
        errors = [_parts(x)[1] for x in arguments]
        if name == "cast":
            return _cast(values[0], errors[0], values[1], claim)
        row = TABLE[name]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            y = getattr(functions, name)(*values)
            # A parameter (the threshold of softplus) is a number of the definition: it has no error.
            uncertain = errors if name in ("maximum", "minimum", "exceeds") else errors[:1]
            varies = row.variation(*uncertain, y, *values)
            if row.within is None:
                rounds = row.roundings(claim.u, y, *values)
                # The kernel rounds at x + d: in every row roundings(x + d) <= exp(2 |d|) roundings(x) + 8 u variation.
                rounds = rounds * np.exp(2 * np.minimum(errors[0], 300)) + 8 * claim.u * varies
            else:
                rounds = row.within(claim.u, errors[0], varies, y, *values)
            error = varies + rounds + claim.accumulator.tiny * row.underflow(y, *values)
            return Err(y, _fitting(y, error, claim), claim=claim)

    def sum(self, axis: Any = -1) -> Err:
        """Sum along axes, in any order."""
        return _summed(self.value, self.error, axis, self.claim, 0.0)

    @staticmethod
    def __contract__(x: Any, y: Any, axes: Any) -> Err:
        """Sum of products in any order; the claim says in which formats operands and sums are held."""
        claim = next(a.claim for a in (x, y) if isinstance(a, Err))
        (x, ex), (y, ey) = _parts(x), _parts(y)
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(x) * ey + np.abs(y) * ex + ex * ey + claim.accumulator.tiny
            casts = sum(not stays(*operand, claim) for operand in ((x, ex), (y, ey)))
            lost = cast_error(x, y, claim) if casts else 0.0
            return _summed(x * y, error + lost, axes, claim, claim.u + casts * claim.u_operand)

    # Arrangement ------------------------------------------------------------

    def _map(self, rearrangement: Callable[[Any], Any]) -> Err:
        return Err(rearrangement(self.value), rearrangement(self.error), claim=self.claim)

    @classmethod
    def _zip(cls, rearrangement: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> Err:
        claim = next(x.claim for x in items if isinstance(x, Err))
        values, errors = zip(*(_parts(x) for x in items), strict=True)
        return cls(rearrangement(values), rearrangement(errors), claim=claim)

    def __getitem__(self, index: Any) -> Err:
        return self._map(lambda x: x[index])

    def reshape(self, *shape: Any) -> Err:
        """Same numbers, another shape."""
        return self._map(lambda x: x.reshape(*shape))


def _parts(x: Any) -> tuple[Any, Any]:
    """Value and error; plain numbers are exact."""
    if isinstance(x, Err):
        return x.value, x.error
    x = np.asarray(x, dtype=np.float64)
    return x, np.zeros(x.shape)


def _fitting(value: Any, error: Any, claim: Claim) -> Any:
    """The error, infinite where the result may overflow."""
    return np.where(np.abs(value) + error < claim.accumulator.largest, error, np.inf)


def _summed(terms: Any, errors: Any, axes: Any, claim: Claim, each: float) -> Err:
    """Sum terms that carry a relative error `each` of their own.

    In any order, and with partial sums that are added at the end, a term passes through at most
    n - 1 + splits - 1 additions, whatever the sizes of the partial sums.
    """
    axes = functions.normal_axes(axes, np.ndim(terms))
    n = math.prod(np.shape(terms)[axis] for axis in axes)
    kappa = gamma(max(n + claim.splits - 2, 0) * claim.u + each)
    with np.errstate(invalid="ignore", over="ignore"):
        size = (np.abs(terms) + errors).sum(axes)
        error = errors.sum(axes) + kappa * size
    fits = size + error < claim.accumulator.largest
    return Err(terms.sum(axes), np.where(fits, error, np.inf), claim=claim)


def stays(x: Any, e: Any, claim: Claim) -> bool:
    """Whether a cast to the operands' format changes nothing: x is known exactly, and of that format already."""
    if not claim.u_operand:
        return True
    return not np.any(e) and bool((round_to(x, claim.operand or "") == x).all())


def cast_error(x: Any, y: Any, claim: Claim) -> Any:
    """What casts of the operands of a product cost beyond their relative rounding.

    Below the normal range of the format a cast errs by half of its smallest number, which meets the other
    factor; beyond its range there is no bound.
    """
    if not claim.u_operand:
        return 0.0
    form = format_of(claim.operand or "")
    fits = np.maximum(np.abs(x), np.abs(y)) < form.largest / 2
    return np.where(fits, form.smallest * (np.abs(x) + np.abs(y) + form.smallest), np.inf)


def gamma(x: float) -> float:
    """Bound of prod(1 + d_i) - 1 where sum |d_i| = x; from x = 1 on there is none."""
    return x / (1 - x) if x < 1 else math.inf


def _cast(x: Any, e: Any, form: Any, claim: Claim) -> Err:
    """Rounding is exact as long as its argument is; else it may flip to the next number."""
    form = format_of(form)
    y = round_to(x, form)
    return Err(y, np.where(e > 0, e + 2 * form.u * (np.abs(x) + e) + form.smallest, 0.0), claim=claim)
