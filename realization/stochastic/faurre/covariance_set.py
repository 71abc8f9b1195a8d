"""All realizations of one process: the convex set of the covariances that its state can have (Faurre 1976).

    M(P) = [P - A P A'    G - A P C'      ]  = [B; D] [B; D]'  >= 0
           [.             Lambda0 - C P C']

Every P with M(P) >= 0 is the state covariance of a model (A, B, C, D) of the process, with as many noises
as M(P) has rank.  Among them are a smallest and a largest,

    P_-  = A P_- A' + K R K',           K = (G - A P_- C') inv(R),    R = Lambda0 - C P_- C'
    P_+  = inv(Pb),  Pb = A' Pb A + Kb Rb Kb',   Kb = (C' - A' Pb G) inv(Rb),   Rb = Lambda0 - G' Pb G

the covariances of what the past, and of what past and future together, let the state be.  P_+ is kept as
its inverse Pb, the smallest covariance of the process that runs backward: P_+ loses digits where Pb does not.

Seen from P_- the set is the inverse of a cone: with F = A - K C and the weight O = F' O F + C' inv(R) C,

    P = P_- + inv(O + X),    X = F' X F + W,    W >= 0 arbitrary,    p + rank W noises

are all P > P_-, with P_+ = P_- + inv(O) at the far end.  With Q = P - P_-, the error of the prediction of the
state from past outputs, Q - Q O Q is its error given all outputs, past and future.

A realization with as many noises as outputs is internal: its state is a function of the outputs, past and future.
One with more is external (Lindquist and Picci).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.core.shapes import numbers
from realization.linalg.arguments import matrices
from realization.linalg.decision import EPS, at_least
from realization.linalg.dense import two_norm
from realization.linalg.lyapunov import continuous_lyapunov, discrete_lyapunov
from realization.linalg.psd import PositiveFactor, positive_factor
from realization.stochastic.continuous_covariance import ContinuousCovarianceModel
from realization.stochastic.covariance import CovarianceModel, covariance_model
from realization.stochastic.faurre.answers import Internality, Membership, StateErrors
from realization.stochastic.faurre.noise_matrix import checked, noise_matrix, noise_rounding, reflected, units
from realization.stochastic.faurre.smallest import inverse, least
from realization.systems.stochastic import ContinuousStochasticSSM, StochasticSSM, require_symmetric


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaurreSet(Sealed):
    """All P with M(P) >= 0, through its two ends; of a process in discrete or in continuous time.

    Parameters
    ----------
    data : CovarianceModel or ContinuousCovarianceModel
        The process.
    P_minus, K, R : ndarray
        (n, n), (n, p), (p, p): the smallest covariance, and gain and covariance of the forward innovations.
    Pbar_minus, Kbar, Rbar : ndarray
        (n, n), (n, p), (p, p): inv(P_+), and gain and covariance of the backward innovations.
    units : ndarray
        (n + p,), powers of 2, of states and outputs: those in which norms and eigenvalues are meant here.  1 unless
        the data are out of scale by more than three digits.
    error, error_bar : float
        2-norms of the errors of P_minus and Pbar_minus, as a Newton step estimates them; in units.
    on_boundary : int
        Zeros on the unit circle (imaginary axis), up to the square root of rounding: all models have them, and
        P_minus and Pbar_minus are known to about half the digits (to a fourth of them where such a zero is double).
    """

    data: CovarianceModel | ContinuousCovarianceModel
    P_minus: np.ndarray
    K: np.ndarray
    R: np.ndarray
    Pbar_minus: np.ndarray
    Kbar: np.ndarray
    Rbar: np.ndarray
    units: np.ndarray
    error: float
    error_bar: float
    on_boundary: int

    @property
    def predictor(self) -> np.ndarray:
        """F = A - K C, (n, n); its eigenvalues are the zeros of the forward innovations model."""
        return self.data.A - self.K @ self.data.C

    @property
    def backward_predictor(self) -> np.ndarray:
        """A' - Kb G', (n, n): the loop of the backward innovations; its spectrum is that of F."""
        return self.data.A.T - self.Kbar @ self.data.G.T

    @property
    def P_plus(self) -> np.ndarray:  # noqa: N802 - notation, as P_minus is
        """The largest covariance, inv(Pbar_minus), (n, n).

        Raises
        ------
        StructureError
            If Pbar_minus is singular to rounding: some direction of the state is not seen, and has no bound.
        """
        X = self._state_units
        return X * inverse(X * self.Pbar_minus, "inv(P_+)")

    @property
    def weight(self) -> np.ndarray:
        """O = F' O F + C' inv(R) C, (n, n), the inverse of P_+ - P_-.

        Raises
        ------
        StructureError
            If there are zeros on the boundary: then P_+ - P_- is singular.
        """
        if self.on_boundary:
            raise StructureError(
                f"{self.on_boundary} zeros lie on the boundary of stability, need 0: P_+ - P_- is singular there "
                "and has no inverse"
            )
        Q = self.data.C.T @ np.linalg.solve(self.R, self.data.C)
        return self._gramian((Q + Q.T) / 2)

    @property
    def zeros(self) -> np.ndarray:
        """Zeros of the forward innovations model, (n,) complex: eigenvalues of F, none outside."""
        return np.linalg.eigvals(self.predictor).astype(complex)

    @property
    def zeros_plus(self) -> np.ndarray:
        """Zeros of the models with covariance P_+, (n,) complex: reciprocals of those of the backward loop.

        In continuous time their negatives.  P_+ itself is not used: it would lose its condition in digits.
        """
        return reflected(self.data, np.linalg.eigvals(self.backward_predictor))

    def noise_matrix(self, P: Any) -> np.ndarray:
        """M(P), the covariance [Q S; S' R] of the noise in a model with state covariance P.

        Parameters
        ----------
        P : array_like
            (n, n), symmetric.

        Returns
        -------
        ndarray
            (n + p, n + p), symmetric; positive semidefinite on the set and nowhere else.

        Raises
        ------
        ShapeError
            If P has another shape or is not symmetric.
        """
        return noise_matrix(self.data, self._symmetric("P", P))

    def contains(self, P: Any, *, atol: float = 0.0) -> Membership:
        """Whether P is the covariance of the state in some model of the process.

        Parameters
        ----------
        P : array_like
            (n, n), symmetric.
        atol : float
            2-norm of the error of P, in units.  Default: P is meant as it stands.

        Returns
        -------
        Membership
            With the smallest eigenvalue of M(P), in units, and its error; true unless outside.

        Raises
        ------
        ShapeError
            If P has another shape or is not symmetric.
        """
        P = self._symmetric("P", P)
        U = np.outer(self.units, self.units)
        margin = float(np.linalg.eigvalsh(noise_matrix(self.data, P) / U).min(initial=np.inf))
        error = self._noise(P, atol)
        return Membership("inside" if margin > error else "outside" if margin < -error else "boundary", margin, error)

    def between(self, share: Any) -> np.ndarray:
        """(1 - share) P_- + share P_+.

        Parameters
        ----------
        share : float
            0 to 1.

        Returns
        -------
        ndarray
            (n, n).

        Raises
        ------
        ShapeError
            If share is no number of [0, 1].
        StructureError
            If there is no P_+ and share is not 0.
        """
        share = numbers("share", share)
        if share.ndim or share.dtype.kind == "c" or not 0 <= share <= 1:
            raise ShapeError(f"share is {share}, but a number from 0 (P_-) to 1 (P_+) is needed")
        return self.P_minus if share == 0 else (1 - share) * self.P_minus + share * self.P_plus

    def beyond(self, W: Any) -> np.ndarray:
        """P_- + inv(O + X),  X = F' X F + W: every P > P_- comes from one W >= 0, and P_+ from W = 0.

        Parameters
        ----------
        W : array_like
            (n, n), symmetric and positive semidefinite.

        Returns
        -------
        ndarray
            (n, n), the covariance of the state in a model with p + rank W noises.

        Raises
        ------
        ShapeError
            If W has another shape or is not symmetric.
        StructureError
            If W is not positive semidefinite, there are zeros on the boundary, or O + X is singular to rounding.
        """
        W = self._symmetric("W", W)
        positive_factor(self._state_units * W, what="W")
        X, Y = self._state_units, self.weight + self._gramian(W)
        return self.P_minus + X * inverse(X * (Y + Y.T) / 2, "O + X")

    def smoothing_error(self, P: Any, *, atol: float | None = None) -> np.ndarray:
        """Q - Q O Q with Q = P - P_-: covariance of the state given all outputs, past and future.

        Parameters
        ----------
        P : array_like
            (n, n), symmetric, in the set.
        atol : float, optional
            As for `noise_factor`.

        Returns
        -------
        ndarray
            (n, n), zero where the model is internal.

        Raises
        ------
        ShapeError
            If P has another shape or is not symmetric.
        StructureError
            If M(P) has an eigenvalue below minus its error, or there are zeros on the boundary.
        """
        Q = self._covariance(P, atol) - self.P_minus
        return Q - Q @ self.weight @ Q

    def state_errors(self, P: Any, *, atol: float | None = None) -> StateErrors:
        """What past, future and all outputs leave unknown of the state in a model with covariance P.

        Parameters
        ----------
        P : array_like
            (n, n), symmetric, in the set.
        atol : float, optional
            As for `noise_factor`.

        Returns
        -------
        StateErrors
            Three covariances, by increasing knowledge: `both` is at most either of the others.

        Raises
        ------
        ShapeError
            If P has another shape or is not symmetric.
        StructureError
            As for `smoothing_error`.
        """
        both, P = self.smoothing_error(P, atol=atol), self._symmetric("P", P)
        return StateErrors(P - self.P_minus, P - P @ self.Pbar_minus @ P, both)

    def noise_factor(self, P: Any, *, atol: float | None = None) -> PositiveFactor:
        """M(P) = [B; D] [B; D]' with as many columns as M(P) has rank, and how the rank was decided.

        Parameters
        ----------
        P : array_like
            (n, n), symmetric, in the set.
        atol : float, optional
            2-norm of the error of P, in units.  Default: that of P_minus or the rounding of P, whichever is larger.

        Returns
        -------
        PositiveFactor
            F (n + p, r), the eigenvalues, in units, and the decision about r.

        Raises
        ------
        ShapeError
            If P has another shape or is not symmetric.
        StructureError
            If M(P) has an eigenvalue below minus its error: no model has this covariance.
        """
        P = self._symmetric("P", P)
        U, what = np.outer(self.units, self.units), "the covariance M(P) of the noise"
        found = positive_factor(noise_matrix(self.data, P) / U, noise=self._noise(P, self._error(P, atol)), what=what)
        return replace(found, F=self.units[:, None] * found.F)

    def internal(self, P: Any, *, atol: float | None = None) -> Internality:
        """Whether the state of the model with covariance P is a function of the outputs: rank M(P) = p.

        Its noise is then W^(-1) y, and lies with the state in the space H of the outputs.  More noises than p have
        no room there.

        Parameters
        ----------
        P : array_like
            (n, n), symmetric, in the set.
        atol : float, optional
            As for `noise_factor`.

        Returns
        -------
        Internality
            Internal, external or undecided; true where internal.

        Raises
        ------
        ShapeError, StructureError
            As for `noise_factor`.
        """
        rank = self.noise_factor(P, atol=atol).rank
        verdict: Literal["internal", "external"] = "internal" if rank.choice == len(self.data.C) else "external"
        return Internality(verdict if rank.decided else "undecided", rank)

    def model(self, P: Any, *, atol: float | None = None) -> Any:
        """The model of the process whose state has covariance P, with rank M(P) noises.

        Parameters
        ----------
        P : array_like
            (n, n), symmetric, in the set.
        atol : float, optional
            As for `noise_factor`.

        Returns
        -------
        StochasticSSM or ContinuousStochasticSSM
            Unique up to an orthogonal change of the noise.

        Raises
        ------
        ShapeError, StructureError
            As for `noise_factor`.
        """
        A, C, F, n = self.data.A, self.data.C, self.noise_factor(P, atol=atol).F, len(self.data.A)
        return (StochasticSSM if self._discrete else ContinuousStochasticSSM)(A, F[:n], C, F[n:])

    @property
    def _discrete(self) -> bool:
        return isinstance(self.data, CovarianceModel)

    @property
    def _state_units(self) -> np.ndarray:
        """x x', (n, n): P over it is P in units, inv(P) times it inv(P)."""
        x = self.units[: len(self.data.A)]
        return np.outer(x, x)

    def _symmetric(self, name: str, P: Any) -> np.ndarray:
        (P,) = matrices(f"{name}: n n", **{name: P})
        n = len(self.data.A)
        if P.shape != (n, n) or P.dtype.kind == "c":
            raise ShapeError(f"{name} has shape {P.shape} and dtype {P.dtype}, but a real {(n, n)} is needed")
        require_symmetric(name, P)
        return (P + P.T) / 2

    def _covariance(self, P: Any, atol: float | None) -> np.ndarray:
        """P, refused where no model has it."""
        P = self._symmetric("P", P)
        found = self.contains(P, atol=self._error(P, atol))
        if not found:
            raise StructureError(
                f"M(P) has eigenvalue {found.margin:.3g}, known to {found.error:.1e}, need >= 0: no state of the "
                "process has the covariance P"
            )
        return P

    def _error(self, P: np.ndarray, atol: float | None) -> float:
        """2-norm of the error of P, in units, where nothing is said of it: that of P_minus, or rounding."""
        return max(self.error, len(P) * EPS * two_norm(P / self._state_units)) if atol is None else atol

    def _gramian(self, W: np.ndarray) -> np.ndarray:
        """X = F' X F + W, or 0 = F' X + X F + W."""
        solve, X = discrete_lyapunov if self._discrete else continuous_lyapunov, self._state_units
        x = self.units[: len(W)]
        return solve((self.predictor * x / x[:, None]).T, X * W).X / X

    def _noise(self, P: np.ndarray, atol: float) -> float:
        """Error of an eigenvalue of M(P): rounding, its own too, and what M makes of an error of P."""
        U, x = np.outer(self.units, self.units), self.units[: len(P)]
        E = np.vstack([self.data.A, self.data.C]) * x / self.units[:, None]
        slope = 1 + two_norm(E) ** 2 if self._discrete else 2 * two_norm(E)
        size = two_norm(noise_matrix(self.data, P) / U)
        rounding = two_norm(noise_rounding(self.data, P) / U) + len(E) * EPS * size
        return float(rounding + slope * at_least(0.0, "atol", atol))


def faurre_set(data: Any) -> FaurreSet:
    """Return the set of all state covariances of a process, through its smallest and its largest.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM or BackwardSSM
        Stable.

    Returns
    -------
    FaurreSet
        P_-, inv(P_+), the innovations forward and backward, and the methods that lead to all other models.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, or the data belong to no process: the message gives the frequency and the
        eigenvalue of the spectral density.
    ConvergenceError
        If the data are proved to be those of a process, and yet the equation was not solved.

    References
    ----------
    Faurre, Clerget and Germain 1979; Lindquist and Picci 1979 and 2015; Willems 1971 (all solutions of the
    equation from two of them).

    Examples
    --------
    Lambda = 2, 1/2, 1/4, ... leaves M(P) = [3P/4, 1/2 - P/2; ., 2 - P], singular where P^2 - 2 P + 1/4 = 0:

    >>> one = faurre_set(CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]]))
    >>> one.P_minus.round(7), one.P_plus.round(7)
    (array([[0.1339746]]), array([[1.8660254]]))
    >>> [one.noise_factor(P).rank.choice for P in (one.P_minus, [[1.0]], one.P_plus)]
    [1, 2, 1]
    >>> one.contains([[2]]).verdict, one.internal([[1]]).verdict, one.internal(one.P_plus).verdict
    ('outside', 'external', 'internal')
    """
    data = covariance_model(data)
    checked("Faurre's set", data)
    return between_ends(data)


def between_ends(data: Any) -> FaurreSet:
    """The set from the solutions of both equations."""
    forward, backward = least(data), least(data.dual)
    return FaurreSet(
        data=data,
        P_minus=forward.P,
        K=forward.K,
        R=forward.R,
        Pbar_minus=backward.P,
        Kbar=backward.K,
        Rbar=backward.R,
        units=np.concatenate(units(data)),
        error=forward.error,
        error_bar=backward.error,
        on_boundary=max(forward.on_boundary, backward.on_boundary),
    )
