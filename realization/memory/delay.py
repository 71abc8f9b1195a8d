"""A delay against diagonal systems: what separates eidetic from fading memory, in numbers.

    delay      h(t) = 1 at t = w, else 0                        w states, nilpotent
    diagonal   h(t) = sum_i c_i p_i^(t-1),  |p_i| < 1           N states

The Hankel matrix of the delay has w singular values 1, so no system with fewer than w states
comes nearer than 1 in Hankel norm (Adamjan, Arov and Krein 1971).  With N >= w states the error can
be as small as one likes, at a price: the poles crowd around 0, where the delay has its own, and
the read-out c explodes.  For given poles the best read-out in the 2-norm of h is known in closed form,

    error^2 = sum_{j<w} |b_j|^2,     b the Taylor coefficients of  B(z) = prod_i (z - p_i*) / (1 - p_i z)

and what is left over is B(z) q(z), q(z) = sum_j b_j* z^(w-1-j).  On a circle, p_i = r exp(2 pi i k/N), this
gives error r^N and |c_1| + ... + |c_N| about r^-(w-1) = error^-((w-1)/N): rounding of relative size u in the
read-out costs u times that.  Positive poles, which is Mamba's case, pay far more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.rounding import Format, format_of, round_to
from realization.linalg.arguments import matrices


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DiagonalDelay(Sealed):
    """The best approximation of a delay by a diagonal system with given poles.

    Parameters
    ----------
    w : int
        The delay, >= 1.
    poles, readout : ndarray
        (N,): p and c, of h(t) = sum_i c_i p_i^(t-1) for t >= 1.
    error : float
        2-norm of h minus the delay; 1 is the error of 0.
    """

    w: int
    poles: np.ndarray
    readout: np.ndarray
    error: float

    @property
    def size(self) -> float:
        """|c_1| + ... + |c_N|: by how much the read-out amplifies an error of the states."""
        return float(np.abs(self.readout).sum())

    def response(self, steps: int, form: str | Format = "float64") -> np.ndarray:
        """Return h(1), ..., h(steps) as computed in a number format.

        Parameters
        ----------
        steps : int
            How many.
        form : str or Format
            Poles, read-out, and the states after every step are rounded to it; the sum is exact.

        Returns
        -------
        ndarray
            (steps,), real parts.
        """
        form = format_of(form)
        p, c, x = (_rounded(v, form) for v in (self.poles, self.readout, np.ones(len(self.poles))))
        h = np.zeros(steps)
        for t in range(steps):
            h[t] = (c * x).sum().real
            x = _rounded(p * x, form)
        return h

    def error_in(self, form: str | Format, *, steps: int | None = None) -> float:
        """Return the 2-norm of h minus the delay as computed in a number format.

        Parameters
        ----------
        form : str or Format
            As for `response`.
        steps : int, optional
            Length that is compared.  Default: 8 w + 8.

        Returns
        -------
        float
            In exact arithmetic it would be `error`, up to what comes after these steps.
        """
        h = self.response(8 * self.w + 8 if steps is None else steps, form)
        return float(np.linalg.norm(h - (np.arange(1, len(h) + 1) == self.w)))


def best_readout(w: int, poles: Any) -> DiagonalDelay:
    """Return the diagonal system with these poles that is nearest to a delay of w, in the 2-norm of its response.

    Parameters
    ----------
    w : int
        The delay, >= 1.
    poles : array_like
        (N,), distinct, 0 < |p| < 1, real or complex.

    Returns
    -------
    DiagonalDelay
        Error and read-out by closed forms: no ill-conditioned equation is solved.

    Raises
    ------
    ShapeError
        If w < 1, or poles coincide or are not in the punctured disk.

    Examples
    --------
    One state, at the best place for it, is hardly better than nothing:

    >>> round(best_readout(8, [np.sqrt(7 / 8)]).error, 4)
    0.9751
    """
    (p,) = matrices("poles: N", poles=poles)
    if w < 1 or not ((np.abs(p) > 0) & (np.abs(p) < 1)).all() or len(np.unique(p)) < len(p):
        raise ShapeError(f"w={w} and poles {p} given; w >= 1 and distinct poles with 0 < |p| < 1 are needed")
    # on the circle 1/B = B*, so q(z) = z^(w-1) / B(z) - sum_k b_(w-1+k)* z^-k; at z = 1/p_i, where B has its pole, the
    # first term is 0, and what is left is a sum that does not cancel as the powers of 1/p_i in q do
    longest = int(np.ceil(np.log(2.0**-60) / np.log(np.abs(p).max(initial=0.5)))) + 1
    b = _blaschke(p, w + longest)
    k = np.arange(1, longest + 1)
    q = -(b[w:].conj() * p[:, None] ** k).sum(axis=1)
    ratios = (1 - p[:, None] * p.conj()) / (p[:, None] - p + np.eye(len(p)))
    np.fill_diagonal(ratios, (1 - p * p.conj()) / p)
    return DiagonalDelay(w, p, -q * ratios.prod(axis=1), float(np.linalg.norm(b[:w])))


def _blaschke(p: np.ndarray, length: int) -> np.ndarray:
    """Taylor coefficients of prod_i (z - p_i*) / (1 - p_i z)."""
    b = np.eye(1, length, dtype=p.dtype)[0].tolist()
    for pole in p.tolist():
        before = after = 0.0
        for k in range(length):  # b_k <- b_(k-1) - p* b_k, then b_k <- b_k + p b_(k-1)
            before, after = b[k], before - pole.conjugate() * b[k] + pole * after
            b[k] = after
    return np.array(b, dtype=p.dtype)


def on_circle(w: int, states: int, *, error: float) -> DiagonalDelay:
    """Return N >= w poles on a circle around 0 and their best read-out, for a given error.

    Parameters
    ----------
    w, states : int
        The delay and N.
    error : float
        r^N, between 0 and 1.

    Returns
    -------
    DiagonalDelay
        Of size about error^-((w-1)/N).

    Raises
    ------
    ShapeError
        If N < w, or the error is not between 0 and 1.

    Examples
    --------
    The price of an error of 1e-8 for a delay of 8, with 8, 16 and 32 states:

    >>> [f"{on_circle(8, N, error=1e-8).size:.0f}" for N in (8, 16, 32)]
    ['10000000', '3162', '56']
    """
    if not 1 <= w <= states or not 0 < error < 1:
        raise ShapeError(f"w={w}, states={states}, error={error} given; 1 <= w <= states and 0 < error < 1 are needed")
    turns = np.exp(2j * np.pi * (np.arange(states) + 0.5) / states)
    # at half steps the poles come in conjugate pairs and B(z) = (z^N + r^N) / (1 + r^N z^N)
    p = error ** (1 / states) * turns
    readout = p ** -(w - 1) / states * (1 - error**2)
    return DiagonalDelay(w, p, readout, float(error))


def positive_poles(w: int, states: int, *, form: str | Format = "float64") -> DiagonalDelay:
    """Return N positive poles, as Mamba has them, and the read-out that serves best in a number format.

    The read-out minimises  |h - delay|^2 + u^2 |c|^2,  u the unit roundoff of the format: what it
    misses and what rounding costs it.  The poles are Chebyshev's on an interval from 0, and of 40
    intervals up to 0.98 the best is taken.

    Parameters
    ----------
    w, states : int
        The delay and N, both >= 1.
    form : str or Format
        The format.

    Returns
    -------
    DiagonalDelay
        With the error that it has in exact arithmetic.

    Raises
    ------
    ShapeError
        If w or states is below 1, or there is no such format.

    Examples
    --------
    In bfloat16 more states hardly help a delay of 8, where a circle of 8 poles errs by 0.02:

    >>> [round(positive_poles(8, N, form="bfloat16").error, 2) for N in (8, 16, 32)]
    [0.88, 0.88, 0.87]
    """
    if w < 1 or states < 1:
        raise ShapeError(f"w={w}, states={states} given; both have to be 1 or more")
    u = format_of(form).u
    nodes = (1 + np.cos(np.pi * (np.arange(states) + 0.5) / states)) / 2
    tried = (_regularised(w, top * nodes, u) for top in np.linspace(0.02, 0.98, 40))
    return min(tried, key=lambda d: np.hypot(d.error, u * np.linalg.norm(d.readout)))


def _regularised(w: int, p: np.ndarray, u: float) -> DiagonalDelay:
    """Minimise |V c - e_w|^2 + u^2 |c|^2 for the powers V of the poles, until they are below rounding."""
    steps = w + int(np.ceil(np.log(2.0**-53) / np.log(p.max())))
    V = p ** np.arange(steps)[:, None]
    L, s, R = np.linalg.svd(V, full_matrices=False)
    c = R.T @ (s / (s**2 + u**2) * L[w - 1])
    return DiagonalDelay(w, p, c, float(np.linalg.norm(V @ c - (np.arange(steps) == w - 1))))


def hankel_distance(delay: DiagonalDelay, *, size: int | None = None) -> float:
    """Return a lower bound of the Hankel norm of a diagonal system minus the delay: at least 1 for N < w.

    Parameters
    ----------
    delay : DiagonalDelay
        Any read-out will do.
    size : int, optional
        Rows and columns of the section of the Hankel matrix whose norm is taken.  Default: 8 w.

    Returns
    -------
    float
        Largest singular value of (h(i + j - 1))_ij, i, j = 1, ..., size.
    """
    size = 8 * delay.w if size is None else size
    h = delay.response(2 * size)
    h[delay.w - 1] -= 1
    return float(np.linalg.norm(scipy.linalg.hankel(h[:size], h[size - 1 : -1]), 2)) if size else 0.0


def _rounded(x: np.ndarray, form: Format) -> np.ndarray:
    """Round real and imaginary parts to a format."""
    return round_to(x.real, form) + 1j * round_to(x.imag, form) if np.iscomplexobj(x) else round_to(x, form)
