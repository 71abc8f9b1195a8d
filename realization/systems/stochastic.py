"""Systems driven by white noise, forward and backward in time: what they are, nothing about what follows from it.

    forward       x(t+1) = A x(t) + B w(t),    y(t) = C x(t) + D w(t)
    backward      z(t-1) = A z(t) + B v(t),    y(t) = C z(t) + D v(t)
    innovations   x(t+1) = A x(t) + K e(t),    y(t) = C x(t) + e(t)

with w and v white of unit covariance, independent of the state from which the model starts, and
E e e' = R.  All have mean zero; the state may start elsewhere, see `InitialState`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import describe, freeze
from realization.core.shapes import numbers
from realization.linalg.arguments import matrices
from realization.linalg.dense import spectral_radius
from realization.linalg.psd import covariance_factor, positive_factor
from realization.systems.base import count


class Process:
    """A model of a process says in a notebook what its equations are, and in which direction its state runs."""

    __slots__ = ()

    def _repr_latex_(self) -> str:
        from realization.systems.latex import process_equations

        return process_equations(self)


class Noisy(Process):
    """What models with noise of unit covariance share: its covariance Q, S, R as it enters state and output."""

    __slots__ = ()

    def __repr__(self) -> str:
        model: Any = self
        sizes = {"n": model.A.shape[-1], "m": model.B.shape[-1], "p": model.C.shape[-2]}
        if model.A.ndim == 3:
            sizes = {"T": len(model.A), **sizes}
        return describe(type(self).__name__, sizes)

    @property
    def noise_covariance(self) -> np.ndarray:
        """[Q S; S' R] = [B; D] [B; D]', (n+p, n+p); (T, n+p, n+p) where the model varies."""
        model: Any = self
        F = np.concatenate([model.B, model.D], axis=-2)
        return F @ F.swapaxes(-1, -2)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StochasticSSM(Noisy):
    """x(t+1) = A x(t) + B w(t),  y(t) = C x(t) + D w(t),  E w w' = I.

    Parameters
    ----------
    A, B, C, D : array_like
        (n, n), (n, m), (p, n), (p, m).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.

    Examples
    --------
    A level that wanders, seen through noise of twice its variance:

    >>> level = StochasticSSM.from_noise(A=[[1]], C=[[1]], Q=[[1]], R=[[2]])
    >>> level.noise_covariance.round(12)
    array([[1., 0.],
           [0., 2.]])
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze_real(self, "A: n n; B: n m; C: p n; D: p m")

    @classmethod
    def from_noise(cls, A: Any, C: Any, Q: Any, R: Any, S: Any = None) -> StochasticSSM:
        """Return the model whose noise has the covariance [Q S; S' R].

        Parameters
        ----------
        A, C : array_like
            (n, n), (p, n).
        Q, R : array_like
            Covariances of the noise of the state (n, n) and of the output (p, p).
        S : array_like, optional
            Covariance between the two, (n, p).  Default: 0.

        Returns
        -------
        StochasticSSM
            With as many columns of noise as its covariance has rank.

        Raises
        ------
        ShapeError
            If the shapes do not fit.
        StructureError
            If [Q S; S' R] is not positive semidefinite.
        """
        A, C, Q, R = matrices("A: n n; C: p n; Q: n n; R: p p", A=A, C=C, Q=Q, R=R)
        S = np.zeros((len(A), len(C))) if S is None else S
        Q, R, S = matrices("Q: n n; R: p p; S: n p", Q=real("Q", Q), R=real("R", R), S=real("S", S))
        B, D = factored_noise(Q, S, R)
        return cls(A, B, C, D)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BackwardSSM(Noisy):
    """z(t-1) = A z(t) + B v(t),  y(t) = C z(t) + D v(t),  E v v' = I: the state runs backward in time.

    Parameters
    ----------
    A, B, C, D : array_like
        (n, n), (n, m), (p, n), (p, m).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze_real(self, "A: n n; B: n m; C: p n; D: p m")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InnovationsSSM(Process):
    """x(t+1) = A x(t) + K e(t),  y(t) = C x(t) + e(t),  E e e' = R.

    Parameters
    ----------
    A, K, C, R : array_like
        (n, n), (n, p), (p, n), (p, p); R symmetric.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.

    Examples
    --------
    Its predictor A - K C is a system driven by the outputs:

    >>> model = InnovationsSSM(A=[[0.5]], K=[[0.3]], C=[[1]], R=[[1]])
    >>> model.predictor
    array([[0.2]])
    """

    A: Any
    K: Any
    C: Any
    R: Any

    def __post_init__(self) -> None:
        freeze_real(self, "A: n n; K: n p; C: p n; R: p p")

    def __repr__(self) -> str:
        return describe("InnovationsSSM", {"n": self.A.shape[-1], "p": self.C.shape[-2]})

    @property
    def predictor(self) -> np.ndarray:
        """A - K C, (n, n)."""
        return self.A - self.K @ self.C

    def as_stochastic(self) -> StochasticSSM:
        """Return the model with noise of unit covariance: B = K F and D = F with R = F F'.

        Raises
        ------
        StructureError
            If R is not positive semidefinite.
        """
        F = covariance_factor(self.R, what="R")
        return StochasticSSM(self.A, self.K @ F, self.C, F)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TimeVaryingStochasticSSM(Noisy):
    """x(t+1) = A(t) x(t) + B(t) w(t),  y(t) = C(t) x(t) + D(t) w(t),  t = 0 ... T-1.

    Parameters
    ----------
    A, B, C, D : array_like
        (T, n, n), (T, n, m), (T, p, n), (T, p, m).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze_real(self, "A: T n n; B: T n m; C: T p n; D: T p m")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TimeVaryingBackwardSSM(Noisy):
    """x(t) = A(t) x(t+1) + B(t) v(t),  y(t) = C(t) x(t+1) + D(t) v(t),  t = T-1 ... 0.

    The state is that of the forward model, x and not inv(P) x: so P(t) may be singular, and no
    power of A is inverted.

    Parameters
    ----------
    A, B, C, D : array_like
        (T, n, n), (T, n, m), (T, p, n), (T, p, m).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze_real(self, "A: T n n; B: T n m; C: T p n; D: T p m")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ContinuousStochasticSSM(Noisy):
    """dx = A x dt + B dw,  dy = C x dt + D dw,  E dw dw' = I dt.

    Parameters
    ----------
    A, B, C, D : array_like
        (n, n), (n, m), (p, n), (p, m); A in 1/time, B in state/sqrt(time).

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze_real(self, "A: n n; B: n m; C: p n; D: p m")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ContinuousBackwardSSM(Noisy):
    """dz = -A z dt + B dv,  dy = C z dt + D dv,  run backward in time, E dv dv' = I dt.

    With A = Af' of the forward model: z = inv(P) x decays backward at the rates at which x decays forward.

    Parameters
    ----------
    A, B, C, D : array_like
        (n, n), (n, m), (p, n), (p, m); A in 1/time, stable where the process is stationary.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        freeze_real(self, "A: n n; B: n m; C: p n; D: p m")


@dataclass(frozen=True, slots=True, eq=False)
class InitialState:
    """x(0) = mean + a + b,  cov a = covariance,  cov b = k diffuse with k without bound.

    Parameters
    ----------
    mean : array_like
        (n,).
    covariance : array_like
        (n, n), positive semidefinite.
    diffuse : array_like, optional
        (n, n), positive semidefinite: directions of which nothing is known.  Default: none.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.
    StructureError
        If a covariance is not positive semidefinite.

    Examples
    --------
    >>> InitialState.unknown(2).diffuse
    array([[1., 0.],
           [0., 1.]])
    """

    mean: Any
    covariance: Any
    diffuse: Any = None

    def __post_init__(self) -> None:
        if self.diffuse is None:
            object.__setattr__(self, "diffuse", np.zeros(np.shape(self.covariance)))
        freeze_real(self, "mean: n; covariance: n n; diffuse: n n")
        positive_factor(self.covariance, what="covariance of the initial state")
        positive_factor(self.diffuse, what="diffuse covariance of the initial state")

    def __repr__(self) -> str:
        return describe("InitialState", {"n": len(self.mean)})

    @classmethod
    def known(cls, x0: Any) -> InitialState:
        """Return the state x0 without uncertainty."""
        n = len(np.atleast_1d(x0))
        return cls(x0, np.zeros((n, n)))

    @classmethod
    def unknown(cls, n: int) -> InitialState:
        """Return the state of which nothing is known: the filter starts exactly diffuse."""
        n = count("n", n)
        return cls(np.zeros(n), np.zeros((n, n)), np.eye(n))


def freeze_real(owner: Any, signature: str) -> None:
    """`freeze`, refusing complex entries: a process here is real, and ' transposes without conjugating.

    Raises
    ------
    ShapeError
        If a shape does not fit, or an entry is not real and finite.
    """
    freeze(owner, signature)
    for field in fields(owner):
        real(field.name, getattr(owner, field.name))


def require_symmetric(name: str, X: np.ndarray) -> None:
    """Refuse what differs from its transpose by more than the rounding of products, with digits to spare.

    Raises
    ------
    ShapeError
        With the largest difference.
    """
    skew = np.abs(X - X.T).max(initial=0.0)
    if skew > 1e-12 * np.abs(X).max(initial=0.0):
        raise ShapeError(f"{name} differs from its transpose by {skew:.1e}; a symmetric matrix is needed")


def real(name: str, x: Any) -> np.ndarray:
    """`numbers`, refusing complex ones.

    Raises
    ------
    ShapeError
        If an entry is not real and finite.
    """
    if (x := numbers(name, x)).dtype.kind == "c":
        raise ShapeError(f"{name} is complex, {x.shape}; real matrices are needed: use pairs of real states")
    return x


def factored_noise(Q: np.ndarray, S: np.ndarray, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return B (n, r) and D (p, r) with [B; D] [B; D]' = [Q S; S' R], r the rank of the latter.

    Raises
    ------
    ShapeError
        If it is not symmetric.
    StructureError
        If it is not positive semidefinite.
    """
    F = covariance_factor(np.block([[Q, S], [S.T, R]]), what="the covariance [Q S; S' R] of the noise")
    return F[: len(Q)], F[len(Q) :]


def stable(A: np.ndarray) -> float:
    """Return the spectral radius, refusing one of 1 or more: there is no stationary state then.

    Raises
    ------
    StructureError
        With the spectral radius.
    """
    radius = spectral_radius(A)
    if not radius < 1:
        raise StructureError(f"spectral radius {radius:.6g}, need < 1: the process is not stationary")
    return radius
