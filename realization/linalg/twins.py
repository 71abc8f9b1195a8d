"""The error of a block, measured: twins of a matrix go through the same steps, and what differs is noise.

A matrix that was computed is known to a few units of rounding.  Two copies that are off by as much
take part in every rotation; by Weyl's inequality their singular values differ from those of the
original by no more than the blocks do.  A bound could not replace the measurement: it would multiply
the worst cases of all steps.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from realization.linalg.decision import CEILING, EPS, SAME_SIZE, Decision, at_least, decide_rank, fixed_rank
from realization.linalg.dense import two_norm

TWINS = 2
# What a matrix that was computed is off by: Q A Q' has an error of 0.3 to 1.8 eps |A| for n = 4 to 50 (measured).
ROUNDING = 4 * EPS


class Decided(Protocol):
    """What a staircase says about its ranks."""

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """One rank for each step."""

    @property
    def noise(self) -> float:
        """Error of the blocks, relative to the norm of the matrix."""


def clear_cut(found: Decided) -> bool:
    """Whether a staircase without twins needs none: all it keeps exceeds CEILING, all it drops is of the size of u.

    Then the error of a step is at most 1 / CEILING times that of the one before, which was seen to be small: what
    is kept in the next step cannot be noise.  This holds where every step drops something, which shows the error;
    a controllability staircase can go from end to end without.
    """
    return all(d.decided and d.gap * found.noise >= CEILING for d in found.decisions)


def with_twins(X: np.ndarray, error: float, twins: int) -> np.ndarray:
    """X, and copies that differ from it by its error."""
    error = at_least(0.0, "error", error)
    if not X.size:
        return np.zeros((1 + twins, *X.shape), X.dtype)
    E = np.random.default_rng(0).standard_normal((twins, *X.shape))
    E /= np.linalg.norm(E, 2, axis=(1, 2))[:, None, None]
    return np.concatenate([X[None], X + error * two_norm(X) * E])


def measured_noise(s: np.ndarray, n: int, scale: float) -> float:
    """Relative error of a block, from the singular values (1 + twins, k) of it and of its twins."""
    # By Weyl's inequality values differ by no more than the blocks do; n rotations round to some n eps.
    measured = float(np.abs(s - s[0]).max(initial=0.0)) / scale if scale else 0.0
    return max(n * EPS, measured)


def rank_against(s: np.ndarray, scale: float, noise: float, rtol: float | None, what: str) -> Decision:
    """The rank of a block by its largest gap above the noise, or by a tolerance where one is given."""
    if rtol is not None:
        return fixed_rank(s, scale=scale, rtol=rtol, what=what)
    return decide_rank(s, scale=scale, noise=noise * scale, least=3 * SAME_SIZE, what=what)


def reflector(U: np.ndarray) -> np.ndarray:
    """V (k, r) such that I - V V' is orthogonal and takes the orthonormal columns of U (k, r) to the first r axes.

    With the polar decomposition U[:r] = P H and E the first r axes, (U + E P)'(U + E P) = 2 (I + H) is
    well conditioned, and the reflection about the range of U + E P takes U to -E P.
    """
    r = U.shape[-1]
    left, s, right = np.linalg.svd(U[:, :r])
    V = U.copy()
    V[:, :r] += left @ right
    return V @ right.conj().mT / np.sqrt(1 + s)[:, None]


def turn(S: np.ndarray, Q: np.ndarray, V: np.ndarray, i: int) -> None:
    """Change the coordinates from i on by the reflection I - V V', in S and its twins and in Q."""
    Vh = V.conj().mT
    S[:, :, i:] -= (S[:, :, i:] @ V) @ Vh
    S[:, i:] -= V @ (Vh @ S[:, i:])
    Q[:, i:] -= (Q[:, i:] @ V[0]) @ Vh[0]
