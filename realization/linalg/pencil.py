"""The two Riccati equations as data: their terms, their pencil, and their Newton step.

    discrete     x+ = A x + B u,   l = Q x + A' l+ + S u,     0 = S' x + B' l+ + R u
    continuous   dx = A x + B u,   dl = -Q x - A' l - S u,    0 = S' x + B' l + R u

X solves the Riccati equation when l = X x is invariant.  What is said here of the discrete
equation and the disc is said in the same words of the continuous one and the half-plane.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg

from realization.core.frozen import Sealed
from realization.linalg import doubling
from realization.linalg.dense import adjoint, two_norm
from realization.linalg.lyapunov import continuous_doubling

Which = Literal["stabilizing", "antistabilizing"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Equation(Sealed, ABC):
    """Matrices of one equation; Q and R symmetric."""

    A: np.ndarray
    B: np.ndarray
    Q: np.ndarray
    R: np.ndarray
    S: np.ndarray

    def without_cross_term(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A - B inv(R) S',  G = B inv(R) B',  H = Q - S inv(R) S'."""
        RB, RS = np.split(np.linalg.solve(self.R, np.hstack([adjoint(self.B), adjoint(self.S)])), 2, axis=1)
        return self.A - self.B @ RS, self.B @ RB, self.Q - self.S @ RS

    def pencil(self, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """H - z J of order 2n that leaves the graph of X / scale invariant: the extended one without its inputs."""
        H, J = self.extended(self.Q / scale, self.R / scale, self.S / scale)
        n, m = self.B.shape
        U = np.linalg.qr(H[:, 2 * n :], mode="complete")[0][:, m:]
        return adjoint(U) @ H[:, : 2 * n], adjoint(U) @ J[:, : 2 * n]

    @abstractmethod
    def extended(self, Q: np.ndarray, R: np.ndarray, S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """H - z J on states, costates and inputs, with the scaled Q, R, S: (2n + m, 2n + m) each."""


class Discrete(Equation):
    """X = A'XA - (A'XB + S) F + Q,  F = inv(R + B'XB) (B'XA + S')."""

    __slots__ = ()
    boundary, sort = "unit circle", {"stabilizing": "iuc", "antistabilizing": "ouc"}

    def weight(self, X: np.ndarray) -> np.ndarray:
        return self.R + adjoint(self.B) @ X @ self.B

    def gain(self, X: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.weight(X), adjoint(self.B) @ X @ self.A + adjoint(self.S))

    def terms(self, X: np.ndarray, F: np.ndarray) -> tuple[np.ndarray, ...]:
        AX = adjoint(self.A) @ X
        return -X, AX @ self.A, -(AX @ self.B + self.S) @ F, self.Q

    def extended(self, Q: np.ndarray, R: np.ndarray, S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """H [x; l; u] = J [x; l; u]+, three rows as above."""
        A, B = self.A, self.B
        O, I, o = np.zeros_like(A), np.eye(len(A)), np.zeros_like(B)
        H = np.block([[A, O, B], [Q, -I, S], [adjoint(S), adjoint(o), R]])
        J = np.block([[I, O, o], [O, -adjoint(A), o], [adjoint(o), -adjoint(B), np.zeros_like(R)]])
        return H, J

    def doubled(self, which: Which) -> np.ndarray | None:
        limits = doubling.symplectic(*self.without_cross_term())
        if limits is None or which == "stabilizing":
            return limits and limits[0]
        return np.linalg.solve(limits[1], -np.eye(len(self.A)))

    def by_scipy(self) -> np.ndarray:
        return scipy.linalg.solve_discrete_are(self.A, self.B, self.Q, self.R, s=self.S)

    def attracting(self, closed: np.ndarray, E: np.ndarray, which: Which) -> tuple[np.ndarray, np.ndarray]:
        """The contraction K and residual E of D = K'D K + E, D the Newton step: backwards in time if need be."""
        if which == "stabilizing":
            return closed, E
        M = np.linalg.solve(closed, np.eye(len(closed)))
        return M, -adjoint(M) @ E @ M

    def lyapunov(self, K: np.ndarray, E: np.ndarray) -> np.ndarray | None:
        return doubling.smith(adjoint(K), E)

    @staticmethod
    def gaps(alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Signed distance of alpha / beta from the unit circle, bounded by 1."""
        return (np.abs(alpha) - np.abs(beta)) / np.hypot(np.abs(alpha), np.abs(beta))

    def distance(self, closed: np.ndarray, which: Which) -> np.ndarray:
        """How far each closed-loop eigenvalue lies on the wrong side, negative on the right one."""
        e = np.abs(np.linalg.eigvals(closed)) - 1
        return e if which == "stabilizing" else -e


class Continuous(Equation):
    """0 = A'X + XA - (XB + S) F + Q,  F = inv(R) (B'X + S')."""

    __slots__ = ()
    boundary, sort = "imaginary axis", {"stabilizing": "lhp", "antistabilizing": "rhp"}

    def weight(self, X: np.ndarray) -> np.ndarray:
        return self.R

    def gain(self, X: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.R, adjoint(self.B) @ X + adjoint(self.S))

    def terms(self, X: np.ndarray, F: np.ndarray) -> tuple[np.ndarray, ...]:
        return adjoint(self.A) @ X, X @ self.A, -(X @ self.B + self.S) @ F, self.Q

    def extended(self, Q: np.ndarray, R: np.ndarray, S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """H [x; l; u] = J d[x; l; u], three rows as above."""
        A, B = self.A, self.B
        n, m = B.shape
        H = np.block([[A, np.zeros_like(A), B], [-Q, -adjoint(A), -S], [adjoint(S), adjoint(B), R]])
        return H, np.diag([1.0] * 2 * n + [0.0] * m)

    def doubled(self, which: Which) -> np.ndarray | None:
        A, G, H = self.without_cross_term()
        sign = 1 if which == "stabilizing" else -1  # -X solves the equation in reversed time
        limits = doubling.symplectic(*doubling.symplectic_of_hamiltonian(sign * A, G, H))
        return None if limits is None else sign * limits[0]

    def by_scipy(self) -> np.ndarray:
        return scipy.linalg.solve_continuous_are(self.A, self.B, self.Q, self.R, s=self.S)

    def attracting(self, closed: np.ndarray, E: np.ndarray, which: Which) -> tuple[np.ndarray, np.ndarray]:
        """K and E of K'D + D K + E = 0, D the Newton step: backwards in time if need be."""
        return (closed, E) if which == "stabilizing" else (-closed, -E)

    def lyapunov(self, K: np.ndarray, E: np.ndarray) -> np.ndarray | None:
        return continuous_doubling(adjoint(K), E)

    @staticmethod
    def gaps(alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Signed distance of alpha / beta from the imaginary axis, bounded by 1/2."""
        return (alpha * beta.conj()).real / (np.abs(alpha) ** 2 + np.abs(beta) ** 2)

    def distance(self, closed: np.ndarray, which: Which) -> np.ndarray:
        """How far each closed-loop eigenvalue lies on the wrong side, negative on the right one."""
        e = np.linalg.eigvals(closed).real / max(two_norm(closed), 1e-300)
        return e if which == "stabilizing" else -e
