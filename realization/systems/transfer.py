"""Transfer functions, H(z) = C (zI - A)^-1 B + D, as polynomials and as poles, zeros and gain.

In coordinates where A is upper Hessenberg, with subdiagonal s, and b a multiple of the first unit
vector, all is read off the characteristic polynomials d_i of the trailing blocks A[i:, i:]:

    d_n = 1,    d_i = z d_(i+1) - sum_(j>=i) A_ij s_i ... s_(j-1) d_(j+1)
    det(zI - A) = d_0,    adj(zI - A) b = b_0 (d_1, s_0 d_2, s_0 s_1 d_3, ...)

The changes of basis are orthogonal and nothing is divided, so that the coefficients come out as if
A had been perturbed by rounding.  Determinants of A - b c lose digits to cancellation, and
interpolation on a circle loses many (1e-5 where this loses 1e-14, poles at -1 ... -20).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import hessenberg

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import describe, freeze
from realization.core.shapes import numbers
from realization.systems.base import of_kind, single
from realization.systems.continuous import ContinuousSSM
from realization.systems.exponential import in_range
from realization.systems.latex import as_quotient, bracketed, factors, latex_quotient, polynomial
from realization.systems.linear import LinearSSM
from realization.systems.zeros import decided_zeros, scaled


def resolvent_polynomials(H: np.ndarray, r: Any = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return det(zI - H) = d_0 and adj(zI - H) r e_1 = r (d_1, s_0 d_2, s_0 s_1 d_3, ...), H a Hessenberg matrix.

    Parameters
    ----------
    H : ndarray
        (n, n), upper Hessenberg.
    r : number
        What comes in, at the first coordinate.

    Returns
    -------
    tuple of ndarray
        (n+1,) and (n, n+1), coefficients, highest first.

    Raises
    ------
    StructureError
        If a coefficient leaves the range of float64.

    Examples
    --------
    >>> det, adj = resolvent_polynomials(np.array([[0.0, -2.0], [1.0, 3.0]]))
    >>> det.tolist(), adj.tolist()
    ([1.0, -3.0, 2.0], [[0.0, 1.0, -3.0], [0.0, 0.0, 1.0]])
    """
    n = len(H)
    d = np.zeros((n + 1, n + 1), dtype=H.dtype)
    d[n, n] = 1
    s = np.diag(H, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        for i in reversed(range(n)):
            d[i, :-1] = d[i + 1, 1:]
            d[i] -= H[i, i:] * np.cumprod(np.append(1, s[i:])) @ d[i + 1 :]
        x = np.cumprod(np.append(r, s))[:n, None] * d[1:]
    if not (np.isfinite(d).all() and np.isfinite(x).all()):
        raise StructureError(
            f"a coefficient of a polynomial is above {np.finfo(float).max:.1e} "
            f"(n = {n}, |A| = {np.linalg.norm(H, 2):.1e}); systems.evaluate and the Hessenberg form have none, "
            "and smaller units of time or another factorisation have smaller ones"
        )
    return d[0], x


def _hessenberg(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """H, Q with A Q = Q H, Q e_1 = e_1; for n = 0 too, which LAPACK refuses."""
    return hessenberg(A, calc_q=True) if len(A) else (A, A)


def characteristic_polynomial(A: Any) -> np.ndarray:
    """det(zI - A), by its coefficients, highest first.

    Parameters
    ----------
    A : array_like
        (n, n).

    Returns
    -------
    ndarray
        (n+1,), the first 1.

    Raises
    ------
    ShapeError
        If A is not square, or an entry is not finite.

    Examples
    --------
    >>> characteristic_polynomial([[0, 1], [-2, 3]]).round(12).tolist()
    [1.0, -3.0, 2.0]
    """
    A = numbers("A", A)
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ShapeError(f"A has shape {A.shape}; a square matrix is needed, (n, n)")
    A = scaled(A, np.zeros((len(A), 0)), np.zeros((0, len(A))))[0]
    return resolvent_polynomials(_hessenberg(A)[0])[0]


def numerators(system: Any) -> np.ndarray:
    """N(z) = C adj(zI - A) B + D det(zI - A), by its coefficients, highest first.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Without batch axes.

    Returns
    -------
    ndarray
        (p, m, n+1), over the denominator `characteristic_polynomial(A)`.

    Raises
    ------
    ShapeError
        If the system has batch axes, or is of another kind.

    Examples
    --------
    >>> from realization.systems.library import diagonal
    >>> numerators(diagonal([0.5, 0.25])).round(12).tolist()
    [[[0.0, 2.0, -0.75]]]
    """
    A, B, C, D = single("numerators", system, LinearSSM, ContinuousSSM)
    N = D[:, :, None] * characteristic_polynomial(A)
    A, B, C = scaled(A, B, C)
    for j, b in enumerate(B.T if len(A) else ()):
        Q, r = np.linalg.qr(b[:, None], mode="complete")
        H, P = _hessenberg(Q.conj().T @ A @ Q)
        N[:, j] += C @ Q @ P @ resolvent_polynomials(H, r[0])[1]
    return N


def poles(system: Any) -> np.ndarray:
    """Return the eigenvalues of A, complex, (*b, n): those of modes out of reach or out of sight included.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        With batch axes or without.

    Returns
    -------
    ndarray
        In no particular order.

    Raises
    ------
    ShapeError
        If the system is of another kind.

    Examples
    --------
    >>> from realization.systems.library import diagonal
    >>> poles(diagonal([0.5, 0.25])).real.tolist()
    [0.5, 0.25]
    """
    of_kind("poles", system, LinearSSM, ContinuousSSM)
    return np.linalg.eigvals(system.A).astype(np.complex128)


def _horner(coefficients: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Values at every z of polynomials (..., k), highest first: (*z.shape, ...)."""
    z = z[(...,) + (None,) * (coefficients.ndim - 1)]
    value = np.zeros(np.broadcast_shapes(z.shape, coefficients.shape[:-1]), dtype=np.complex128)
    for c in np.moveaxis(coefficients, -1, 0):
        value = value * z + c
    return value


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RationalTransfer:
    """H(z) = N(z) / d(z): one denominator under all entries.

    Parameters
    ----------
    numerators : array_like
        (p, m, k), coefficients highest first; shorter ones are padded with leading zeros.
    denominator : array_like
        (l,), highest first, the first not 0.

    Raises
    ------
    ShapeError
        If the shapes do not fit, an entry is not finite, or the leading coefficient of the denominator is 0.

    Examples
    --------
    >>> H = RationalTransfer([[[2.0, -0.75]]], [1.0, -0.75, 0.125])
    >>> H(1.0).real.round(12).tolist()
    [[3.333333333333]]
    >>> print(H)
    (2 z - 0.75) / (z^2 - 0.75 z + 0.125)
    """

    numerators: Any
    denominator: Any

    def __post_init__(self) -> None:
        freeze(self, "numerators: p m k; denominator: l")
        if not self.denominator.size or self.denominator[0] == 0:
            raise ShapeError(
                f"denominator is {self.denominator.tolist()}; a leading coefficient other than 0 is needed"
            )

    def __call__(self, z: Any) -> np.ndarray:
        """Return H at every point z (*k): (*k, p, m); StructureError where z is a pole to the last bit."""
        z = numbers("z", z)
        N, d, outside = self.numerators, self.denominator, np.abs(z) > 1
        # beyond the unit circle in powers of 1/z, which do not overflow: d(z) = z^(l-1) (d_0 + d_1/z + ...)
        far = np.where(outside, z, 1.0)
        w, excess = np.where(outside, 1 / far, z), N.shape[-1] - len(d)
        below = np.where(outside, _horner(d[::-1], w), _horner(d, w))
        _no_pole(below)
        with np.errstate(over="ignore", invalid="ignore"):
            above = np.where(outside[..., None, None], _horner(N[..., ::-1], w), _horner(N, w))
            scale = far**excess if excess > 0 else (1 / far) ** -excess
            H = above / below[..., None, None] * scale[..., None, None]
        return in_range("H", H, "a point further from the poles, and not so far out, is needed")

    def __repr__(self) -> str:
        return describe("RationalTransfer", self._sizes())

    def __str__(self) -> str:
        above = [[bracketed(polynomial(entry)) for entry in row] for row in self.numerators]
        return as_quotient(above, bracketed(polynomial(self.denominator)))

    def _sizes(self) -> dict[str, int]:
        p, m, _ = self.numerators.shape
        return {"p": p, "m": m, "degree": len(self.denominator) - 1}

    def _repr_latex_(self) -> str:
        """Return the quotient, one denominator below a matrix of numerators, for a notebook."""
        above = [[polynomial(entry) for entry in row] for row in self.numerators]
        return latex_quotient(above, polynomial(self.denominator))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ZerosPolesGain:
    """H_ij(z) = k_ij prod(z - z_ij) / prod(z - p).

    Parameters
    ----------
    zeros : tuple of tuples of ndarray
        zeros[i][j] are those of the entry from input j to output i, the ones included that cancel a pole.
    poles : ndarray
        (n,), the same for all entries.
    gain : ndarray
        k, (p, m); 0 for an entry that is zero everywhere, which has no zeros here.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.

    Examples
    --------
    >>> H = ZerosPolesGain(((np.array([0.375]),),), np.array([0.5, 0.25]), np.array([[2.0]]))
    >>> H(1.0).real.round(12).tolist()
    [[3.333333333333]]
    >>> print(H)
    2 (z - 0.375) / ((z - 0.5) (z - 0.25))
    """

    zeros: tuple[tuple[np.ndarray, ...], ...]
    poles: np.ndarray
    gain: np.ndarray

    def __post_init__(self) -> None:
        sizes = freeze(self, "poles: n; gain: p m")
        rows = tuple(tuple(np.array(numbers("zeros", roots)) for roots in row) for row in self.zeros)
        if len(rows) != sizes["p"] or any(len(row) != sizes["m"] for row in rows):
            raise ShapeError(f"zeros has rows of {[len(row) for row in rows]} entries; {self.gain.shape} is needed")
        for roots in (roots for row in rows for roots in row):
            roots.setflags(write=False)
        object.__setattr__(self, "zeros", rows)

    def __repr__(self) -> str:
        p, m = self.gain.shape
        return describe("ZerosPolesGain", {"p": p, "m": m, "poles": len(self.poles)})

    def __str__(self) -> str:
        below = factors(1, self.poles)
        return as_quotient(self._above(), f"({below})" if len(self.poles) > 1 else below)

    def _repr_latex_(self) -> str:
        """Return the quotient of the products, for a notebook."""
        return latex_quotient(self._above(), factors(1, self.poles))

    def _above(self) -> list[list[str]]:
        gains = self.gain.tolist()
        return [[factors(k, z) for k, z in zip(*row, strict=True)] for row in zip(gains, self.zeros, strict=True)]

    def __call__(self, z: Any) -> np.ndarray:
        """Return H at every point z (*k): (*k, p, m); StructureError where z is a pole to the last bit."""
        z = numbers("z", z).astype(np.complex128)
        _no_pole(z[..., None] - self.poles)
        value = np.empty((*z.shape, *self.gain.shape), dtype=np.complex128)
        for i, row in enumerate(self.zeros):
            for j, roots in enumerate(row):
                value[..., i, j] = self.gain[i, j] * _quotient(z, roots, self.poles)
        return value


def _no_pole(below: np.ndarray) -> None:
    if not below.all():
        raise StructureError("some z is a pole to the last bit, where H has no value; another point is needed")


def _quotient(z: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """prod(z - above) / prod(z - below), factor by factor: neither product over- or underflows alone."""
    value = np.ones(z.shape, dtype=np.complex128)
    for k in range(max(len(above), len(below))):
        value *= z - above[k] if k < len(above) else 1.0
        value /= z - below[k] if k < len(below) else 1.0
    return value


def transfer_function(system: Any) -> RationalTransfer:
    """H(z) = N(z) / det(zI - A) as polynomials.

    Accurate to rounding relative to the size of the *coefficients*: where they cancel, at a z close to
    many poles, no polynomial in powers of z can be accurate, and `zeros_poles_gain` or a solve is.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Without batch axes.

    Returns
    -------
    RationalTransfer
        Numerators (p, m, n+1) over the characteristic polynomial; nothing is cancelled.

    Raises
    ------
    ShapeError
        If the system has batch axes, or is of another kind.

    Examples
    --------
    >>> from realization.systems.library import autoregression
    >>> H = transfer_function(autoregression([0.5, 0.25]))
    >>> H.numerators.round(12).tolist(), H.denominator.round(12).tolist()
    ([[[1.0, 0.0, 0.0]]], [1.0, -0.5, -0.25])
    """
    return RationalTransfer(numerators(system), characteristic_polynomial(system.A))


def zeros_poles_gain(system: Any) -> ZerosPolesGain:
    """H_ij(z) = k_ij prod(z - z_ij) / prod(z - p), entry by entry.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Without batch axes.

    Returns
    -------
    ZerosPolesGain
        The zeros of each entry are those of its own pencil; the gain is the leading coefficient that is left.

    Raises
    ------
    ShapeError
        If the system has batch axes, or is of another kind.
    StructureError
        If the number of zeros of an entry is undecided.

    Examples
    --------
    >>> from realization.systems.library import diagonal
    >>> H = zeros_poles_gain(diagonal([0.5, 0.25]))
    >>> H.zeros[0][0].real.round(12).tolist(), H.gain.round(12).tolist()
    ([0.375], [[2.0]])
    """
    A, B, C, D = single("zeros_poles_gain", system, LinearSSM, ContinuousSSM)
    N = numerators(system)
    entries, gain = [], np.zeros(D.shape, N.dtype)
    for i, j in np.ndindex(*D.shape):
        found = decided_zeros(LinearSSM(A, B[:, j : j + 1], C[i : i + 1], D[i : i + 1, j : j + 1]))
        # of an entry that is zero everywhere the pencil has rank n, and its numerator is rounding
        gain[i, j] = N[i, j, len(A) - len(found.zeros)] if found.normal_rank else 0.0
        entries.append(found.zeros if found.normal_rank else np.zeros(0, np.complex128))
    p, m = D.shape
    return ZerosPolesGain(tuple(tuple(entries[i * m : (i + 1) * m]) for i in range(p)), poles(system), gain)
