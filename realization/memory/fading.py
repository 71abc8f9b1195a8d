"""Fading memory with a number: an envelope that is proved.

    |C A^t B| <= c rate^t,  t = 0, 1, ...        c = entry exit

holds if a matrix P > 0 satisfies

    A' P A <= rate^2 P,      C' C <= exit^2 P,      B' P B <= entry^2 I

since |x|_P = sqrt(x' P x) then shrinks by `rate` in every step.  Such a P exists for every rate
above the spectral radius: a Lyapunov equation gives it.  Where it comes from does not matter for
the proof; the three inequalities are checked, in rationals up to 12 states, else in floats with
a margin above the rounding of the check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy.linalg

from realization.core.errors import RealizationError, ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.arguments import matrices
from realization.linalg.certificate import (
    U,
    certainly_below,
    certainly_entering,
    certainly_positive,
    certainly_read,
    exactly_nonnegative,
    fractions,
    real,
)
from realization.linalg.dense import balance, spectral_radius, two_norm
from realization.linalg.lyapunov import discrete_lyapunov
from realization.memory.durations import half_life, time_constant, window

RATIONAL = 12  # states up to which the proof is in rationals: 40 ms, growing like n^4
SMALLEST = 1e-100  # a norm of 0 is proved to be at most that, whose square is still a number
# rates that are tried: powers of the spectral radius, of which 1 is out of reach and 0 no decay; and some that
# serve where eigenvalues say little, as in nilpotent matrices
RATES = (0.25, 0.5, 0.75, 0.9, 0.97)
POWERS = 1 - np.array([1e-9, 1e-5, 1e-3, 1e-2, 3e-2, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Decay(Sealed):
    """size(t) <= c rate^t for t = 0, 1, ..., with the norm in which every step shrinks.

    Parameters
    ----------
    rate : float
        Below 1.
    c : float
        entry exit, at least size(0).
    entry, exit : float
        |B u|_P <= entry |u| and |C x| <= exit |x|_P.
    P : ndarray
        (n, n), positive definite: x' P x shrinks by rate^2 in every step; with `word` in every so many steps.
    proof : {"rational", "margin"}
        How it was checked: without rounding, or with a margin above it.
    word : int
        Steps that shrink together: 1, or more where only products of several steps do.
    """

    rate: float
    c: float
    entry: float
    exit: float
    P: np.ndarray
    proof: Literal["rational", "margin"]
    word: int = 1

    def __call__(self, t: Any) -> np.ndarray:
        """Return c rate^t for steps t, any shape."""
        return self.c * self.rate ** np.asarray(t, dtype=np.float64)

    @property
    def half_life(self) -> float:
        """Steps in which the envelope halves."""
        return half_life(self.rate)

    @property
    def time_constant(self) -> float:
        """Steps in which the envelope falls to 1/e."""
        return time_constant(self.rate)

    def window(self, precision: float) -> int:
        """Return the first t with c rate^t <= precision: what is older counts for no more than that.

        Parameters
        ----------
        precision : float
            Positive.

        Returns
        -------
        int
            Steps.
        """
        return window(precision / self.c, self.rate) if self.c > 0 else 0


def decay_envelope(
    A: Any, B: Any = None, C: Any = None, *, rate: float | None = None, precision: float = 2.0**-24
) -> Decay:
    """Return a proved envelope |C A^t B| <= c rate^t in the 2-norm.

    Parameters
    ----------
    A : array_like
        (n, n), of spectral radius below 1.
    B, C : array_like, optional
        (n, m) and (p, n).  Default: the identity, so that the envelope is one of |A^t|.
    rate : float, optional
        Between spectral radius and 1.  Default: of those near the spectral radius the one with
        the shortest window at `precision`; a smaller rate has a larger c.
    precision : float
        Where the window ends by which a rate is chosen.

    Returns
    -------
    Decay
        With the matrix that proves it.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    StructureError
        If A is not stable, or so far from normal that no certificate holds in double precision.

    References
    ----------
    Rump 2006 for the check in floats.

    Examples
    --------
    A system that first grows: |A| = 10, and still everything is below 2^-24 from the window on.

    >>> A = np.array([[0.5, 10.0], [0.0, 0.4]])
    >>> decay = decay_envelope(A)
    >>> all(np.linalg.norm(np.linalg.matrix_power(A, t), 2) <= decay(t) for t in range(200))
    True
    >>> decay.proof, bool(np.linalg.norm(np.linalg.matrix_power(A, decay.window(2**-24)), 2) <= 2**-24)
    ('rational', True)
    """
    (A,) = matrices("A: n n", A=A)
    B, C = (np.eye(len(A)) if X is None else X for X in (B, C))
    A, B, C = (real(X) for X in matrices("A: n n; B: n m; C: p n", A=A, B=B, C=C))
    if not A.size:
        return Decay(0.0, 0.0, 0.0, 0.0, A, "rational")
    radius = spectral_radius(A)
    if radius >= 1:
        raise StructureError(f"A has spectral radius {radius:.10g}, need < 1: its powers do not decay")
    if rate is not None and not radius < rate < 1:
        raise StructureError(f"rate {rate} given, but spectral radius {radius:.10g} < rate < 1 is needed")
    rates = [*(max(radius, U) ** POWERS).tolist(), *(r for r in RATES if r > radius)] if A.any() else RATES[:1]
    tried = rates if rate is None else [rate]
    for candidates in (_candidates, _graded):
        proved = [d for r, P in candidates(A, tried) if (d := proved_decay(P, r, A, B, C)) is not None]
        if proved:
            break
    else:
        raise StructureError(
            f"A has spectral radius {radius:.10g} < 1, but no rate between it and 1 has a certificate in double "
            "precision: its powers grow too far before they decay"
        )
    best = min(proved, key=lambda d: (d.window(precision), d.c))
    return in_rationals(best if A.any() else replace(best, rate=0.0), A, B, C)


@np.errstate(over="ignore", invalid="ignore")  # what overflows proves nothing
def proved_decay(P: np.ndarray, rate: float, A: np.ndarray, B: np.ndarray, C: np.ndarray) -> Decay | None:
    """Return the envelope that P proves, or None if it proves none.

    Parameters
    ----------
    P : ndarray
        (n, n), symmetric.
    rate : float
        Positive.
    A, B, C : ndarray
        (n, n), (n, m), (p, n), real; A may be a family (k, n, n), of which P has to serve all.

    Returns
    -------
    Decay or None
        Proved with a margin above rounding.
    """
    if not (certainly_positive(P, 0 * P) and all(certainly_below(P, rate, F) for F in A.reshape(-1, *P.shape))):
        return None
    L = np.linalg.cholesky(P)
    exit = _least(lambda size: certainly_read(P, size, C), two_norm(scipy.linalg.solve_triangular(L, C.T, lower=True)))
    entry = _least(lambda size: certainly_entering(P, size, B), two_norm(L.T @ B))
    if exit is None or entry is None:
        return None
    # one product, rounded up
    return Decay(rate, float(np.nextafter(entry * exit, np.inf)), entry, exit, P, "margin")


def in_rationals(decay: Decay, A: np.ndarray, B: np.ndarray, C: np.ndarray) -> Decay:
    """Return the same envelope, proved in rationals where it has at most 12 states and the proof succeeds.

    The three inequalities are checked for the very numbers that the envelope holds.
    """
    if len(decay.P) > RATIONAL:
        return decay
    P, B, C, r, s, e = (fractions(X) for X in (decay.P, B, C, decay.rate, decay.exit, decay.entry))
    steps = (r**2 * P - F.T @ P @ F for F in map(fractions, A.reshape(-1, *P.shape)))
    sizes = (s**2 * P - C.T @ C, e**2 * fractions(np.eye(B.shape[1])) - B.T @ P @ B)
    proved = all(exactly_nonnegative(M) for M in (P, *sizes, *steps))
    return replace(decay, proof="rational") if proved else decay


def remains(A: Any, B: Any = None, C: Any = None, *, steps: int) -> np.ndarray:
    """Return what is left of an input after t steps, |C A^t B| in the 2-norm for t < steps.

    Parameters
    ----------
    A : array_like
        (n, n).
    B, C : array_like, optional
        (n, m), (p, n).  Default: the identity.
    steps : int
        How many.

    Returns
    -------
    ndarray
        (steps,).

    Raises
    ------
    ShapeError
        If shapes do not fit or steps < 0.

    Examples
    --------
    A delay of two keeps all of it, then nothing:

    >>> remains([[0, 1], [0, 0]], [[0], [1]], steps=4)
    array([1., 1., 0., 0.])
    """
    (A,) = matrices("A: n n", A=A)
    B, C = (np.eye(len(A)) if X is None else X for X in (B, C))
    A, B, C = matrices("A: n n; B: n m; C: p n", A=A, B=B, C=C)
    if steps < 0:
        raise ShapeError(f"steps={steps} given, need >= 0")
    sizes = []
    for _ in range(steps):
        sizes.append(two_norm(C @ B))
        B = A @ B
    return np.array(sizes)


Candidates = list[tuple[float, np.ndarray]]  # rates, and matrices P that may have A' P A <= rate^2 P


@np.errstate(all="ignore")  # what overflows proves nothing, and is refused as a candidate
def _candidates(A: np.ndarray, rates: Sequence[float]) -> Candidates:
    """The P of the eigenvectors, and those of Lyapunov equations."""
    F, units = balance(A)
    I, radius = np.eye(len(A)), spectral_radius(A)
    V = np.linalg.eig(F)[1]
    G = (V @ V.conj().T).real
    modal = _symmetric(np.linalg.solve(G, I)) if np.linalg.cond(G) * U < 1 else None
    found = [] if modal is None else [(rate, modal) for rate in rates]
    for rate in rates:
        if rate < radius**0.995 and len(rates) > 1:  # there the equation is near singular, and c large
            continue
        with suppress(RealizationError, np.linalg.LinAlgError, ValueError):
            found.append((rate, _symmetric(discrete_lyapunov(F.T / rate, I).X)))
    return [(rate, P / units / units[:, None]) for rate, P in found]


@np.errstate(all="ignore")
def _graded(A: np.ndarray, rates: Sequence[float]) -> Candidates:
    """P = Q inv(D)^2 Q' for the Schur form A = Q T Q', D = diag(1, d, d^2, ...): inv(D) T D has what is above shrunk.

    For a Jordan block of 8 at 0.9 the condition of P is 1e18, and the proof does not mind: it follows the units.
    """
    F, units = balance(A)
    T, Q = scipy.linalg.schur(F, output="complex")
    k = np.arange(len(A))
    steps = 2.0 ** -np.arange(0.0, 20.0, 0.25)
    norms = np.array([two_norm(T * d ** np.maximum(k - k[:, None], 0)) for d in steps])
    found = []
    for rate in rates:
        for d in steps[norms <= rate][:1]:
            found.append((rate, _symmetric(((Q * d ** (-2.0 * k)) @ Q.conj().T).real)))
    return [(rate, P / units / units[:, None]) for rate, P in found]


def _least(holds: Callable[[float], bool], start: float) -> float | None:
    """A size slightly above the start for which an inequality is proved."""
    sizes = (max(start, SMALLEST) * (1 + 2.0**-k) for k in (40, 30, 20, 10, 1))
    return next((size for size in sizes if holds(size)), None)


def _symmetric(P: np.ndarray) -> np.ndarray:
    return (P + P.T) / 2
