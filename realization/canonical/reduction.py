"""Reductions: a system of fewer states, and the two maps between the states.

    z = L x,  x ~ R z,    A2 = L A R,  B2 = L B,  C2 = C R,  D2 = D,    L R = I

(Singular perturbation alone lets the states that it leaves out follow, and has other matrices.)
Unlike a canonical form, which only changes coordinates, a reduction drops something; each says
what, by how much the transfer function has moved, and how much it was allowed to move.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.linalg import norm

from realization.canonical.form import size
from realization.core.frozen import Sealed
from realization.linalg.decision import Decision
from realization.systems.responses import evaluate

S = TypeVar("S")  # LinearSSM or ContinuousSSM: the algebra is the same

UNIT = 2.0**-53


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reduction(Sealed):
    """A smaller system, the maps between the states, and what was lost.

    Parameters
    ----------
    method : str
        How it was found.
    system : LinearSSM or ContinuousSSM
        With r states.
    L, R : ndarray
        (r, n) and (n, r), with L R = I: z = L x, and R z is the x that z stands for.
    residual : float
        Largest distance of the two transfer functions over sampled points (of the two impulse
        responses, where the data are one).
    bound : float
        What the residual is judged by: what rounding the entries of the given system could do, or
        the error that the method promises.
    size : float
        Largest value of what was sampled: residual / size is relative.
    decisions : tuple of Decision
        Every order or rank that was decided on the way, with its gap.
    dropped : str
        One line: what the smaller system leaves out.
    """

    method: str
    system: Any
    L: np.ndarray
    R: np.ndarray
    residual: float
    bound: float
    size: float
    decisions: tuple[Decision, ...]
    dropped: str

    @property
    def order(self) -> int:
        """Number of states of the smaller system."""
        return int(self.L.shape[0])

    @property
    def decided(self) -> bool:
        """Whether no decision on the way was a close call."""
        return all(decision.decided for decision in self.decisions)


def project(system: S, L: np.ndarray, R: np.ndarray) -> S:
    """Return the system (L A R, L B, C R, D)."""
    s: Any = system
    return replace(s, A=L @ s.A @ R, B=L @ s.B, C=s.C @ R)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Samples(Sealed):
    """Values G(z) = C inv(zI - A) B at points off the spectrum, and what rounding A, B, C does to them.

    A relative change u of A, B and C in the Frobenius norm moves G(z), to first order, by at most

        u ( |C| |K| + |H| |A| |K| + |H| |B| ),    K = inv(zI - A) B,  H = C inv(zI - A)

    and n (n + 1) such changes are allowed for: a reduction by two staircases has at most n + 1 steps, each
    of them an orthogonal similarity that rounds n times.

    Parameters
    ----------
    z : ndarray
        (k,) points at which the resolvent is known to three digits: n u |A| |inv(zI - A)| <= 1e-3.
    G : ndarray
        (k, p, m) values, without D.
    noise : ndarray
        (k,) n (n + 1) times the bound above.
    """

    z: np.ndarray
    G: np.ndarray
    noise: np.ndarray

    @property
    def size(self) -> float:
        """Largest norm of a value; 1 where all are zero, so that one can divide by it."""
        return float(norm(self.G, axis=(1, 2)).max(initial=0.0)) or 1.0

    def __getitem__(self, part: slice) -> Samples:
        return Samples(self.z[part], self.G[part], self.noise[part])

    def distance(self, system: Any) -> np.ndarray:
        """Norms |G(z) - G2(z)| (k,) to the transfer function of another system, without its D."""
        return norm(evaluate(system, self.z) - system.D - self.G, axis=(1, 2))


def sample(system: Any) -> Samples:
    """Return values of the transfer function where the system's entries determine it.

    The points lie to the right of the spectrum, where it is best known, as far from it as the smallest,
    the middle and the largest eigenvalue are from 0, so that slow and fast parts are seen alike.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        One system.

    Returns
    -------
    Samples
        Fewer points, or none, where the resolvent is too ill-conditioned to be known.
    """
    kept = [s for z in _points(system.A) if (s := _value(system, z)) is not None]
    p, m = system.C.shape[0], system.B.shape[1]
    z, G, noise = ([s[i] for s in kept] for i in range(3))
    return Samples(np.array(z), np.array(G, dtype=complex).reshape(len(kept), p, m), np.array(noise, dtype=float))


def _points(A: np.ndarray) -> Iterator[complex]:
    eigenvalues = np.linalg.eigvals(A)
    sizes = np.sort(np.abs(eigenvalues))
    # a nilpotent A has no eigenvalue to go by
    outer = sizes.max(initial=0.0) or (norm(A, 2) if A.size else 0.0) or 1.0
    # an eigenvalue below sqrt(eps) of the largest is one of size 0 for all that double precision knows
    sizes = sizes[sizes > 1.5e-8 * outer]
    radii = [sizes[int(q * (len(sizes) - 1))] for q in (0.0, 0.5, 1.0)] if len(sizes) else [outer]
    right = eigenvalues.real.max(initial=-np.inf) if len(A) else 0.0
    for i, radius in enumerate([*radii, 2.0 * outer]):
        for k in range(4):
            yield complex(right + radius * np.exp(0.5j * np.pi * (k + 0.2 * (i + 1)) / 4.0))


def _value(system: Any, z: complex) -> tuple[complex, np.ndarray, float] | None:
    A, B, C = system.A, system.B, system.C
    n = len(A)
    F = np.linalg.solve(z * np.eye(n) - A, np.eye(n))
    if n * UNIT * size(A) * size(F) > 1e-3:
        return None
    K, H = F @ B, C @ F
    return z, C @ K, n * (n + 1) * UNIT * (size(C) * size(K) + size(H) * size(A) * size(K) + size(H) * size(B))
