"""Stochastic balancing: coordinates in which past and future say equally much about each coordinate of the state.

    T P_- T' = inv(T)' Pbar_- inv(T) = diag(sigma),    sigma the canonical correlations

Leaving out the last coordinates leaves a process.  With P = diag(S1, S2) in the set of covariances of the data,

    M(S1) of the truncated data = part of M(P) + [A12; C2] S2 [A12; C2]' >= 0,
    M(P) = [P - A P A', G - A P C'; G' - C P A', Lambda0 - C P C']

so that S1 proves that they are positive real: this holds in all coordinates in which some P is block diagonal, and
in no others by itself.  In continuous time M(S1) is a part of M(P), and the truncated data are balanced again; in
discrete time they are not.  There they are where the states that go are held at rest instead
(`stochastic_singular_perturbation`): that is truncation after a Cayley map, which keeps all P.  Where the balance is
kept the spectral factor W errs by

    |inv(W) (W - W_r)|  <=  (1 + s_(r+1)) / (1 - s_(r+1)) ... (1 + s_n) / (1 - s_n) - 1     in the H-infinity norm

References
----------
Desai and Pal 1984; Harshavardhana, Jonckheere and Silverman 1984; Green 1988 for the bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from realization.canonical.balanced import balanced, factors
from realization.canonical.form import Conversion, conversion
from realization.canonical.reduction import project
from realization.canonical.truncation import at_rest, bases, given
from realization.core.errors import StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS, Decision
from realization.stochastic.continuous_covariance import ContinuousCovarianceModel, continuous_spectral_density
from realization.stochastic.covariance import CovarianceModel, spectral_density
from realization.stochastic.faurre.noise_matrix import at_once, noise_matrix, noise_rounding
from realization.stochastic.geometry.canonical_correlations import (
    CanonicalCorrelations,
    correlations_of,
    covariances_of,
    phase,
)
from realization.systems.base import count
from realization.systems.continuous import ContinuousSSM
from realization.systems.linear import LinearSSM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StochasticReduction(Sealed):
    """A process of fewer states, what proves that it is one, and by how much its spectral density is off.

    Parameters
    ----------
    method : str
        How it was found.
    system : CovarianceModel or ContinuousCovarianceModel
        With r states.
    L, R : ndarray
        (r, n) and (n, r), with L R = I: z = L x are the canonical variables that are kept.
    P : ndarray
        (r, r), diag(sigma_1, ..., sigma_r): a state covariance of the smaller process.
    margin : float
        Smallest eigenvalue of M(P), in units in which rounding moves its entries by eps; where it is
        not below `-noise` the data are positive real.
    noise : float
        What rounding does to the margin.
    residual : float
        Largest relative error of the spectral density, |inv(W) (Phi - Phi_r) inv(W)*| with Phi = W W*, over
        points of the circle (of the imaginary axis); infinite where Phi has a zero at one of them.
        Its own rounding is eps times largest over smallest density.
    bound : float
        What the method promises for it, and infinite where it promises nothing.
    correlations : ndarray
        (n,) canonical correlations of the process that was given.
    decisions : tuple of Decision
        The order, with the gap between the last correlation that is kept and the first that is not.
    """

    method: str
    system: Any
    L: np.ndarray
    R: np.ndarray
    P: np.ndarray
    margin: float
    noise: float
    residual: float
    bound: float
    correlations: np.ndarray
    decisions: tuple[Decision, ...]

    @property
    def order(self) -> int:
        """Number of states of the smaller process."""
        return int(self.L.shape[0])

    @property
    def positive_real(self) -> bool:
        """Whether P proves that the data belong to a process, up to rounding."""
        return bool(self.margin >= -self.noise)


def stochastically_balanced(data: Any) -> Conversion:
    """Return the data with P_- = Pbar_- = diag(sigma), and the T that leads there.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, ContinuousCovarianceModel or ContinuousStochasticSSM
        Stable, a process of n states and not fewer.

    Returns
    -------
    Conversion
        Its system is a CovarianceModel, or a continuous one; unique up to signs where the correlations differ.

    Raises
    ------
    ShapeError
        If data are of another kind.
    StructureError
        If A is not stable, if the data belong to no process or their innovations are singular, or if
        a canonical correlation is 0 up to rounding: `stochastic_truncation` leaves those out.

    References
    ----------
    Desai and Pal 1984.

    Examples
    --------
    >>> from realization.systems import StochasticSSM
    >>> model = StochasticSSM(A=[[0.5, 1], [0, -0.3]], B=[[1, 0], [1, 1]], C=[[1, 0]], D=[[0, 1]])
    >>> even = phase(stochastically_balanced(model).system).system
    >>> from realization.linalg import controllability_factor, observability_factor
    >>> [(F @ F.T).round(4) + 0 for F in (controllability_factor(even.A, even.B), observability_factor(even.A, even.C))]
    [array([[0.5489, 0.    ],
           [0.    , 0.2175]]), array([[0.5489, 0.    ],
           [0.    , 0.2175]])]
    """
    data = covariances_of(data)
    found = phase(data)
    even = balanced(found.system)
    whole = conversion("stochastically balanced", _positive_real_part(data), even.T / found.units, freedom=even.freedom)
    return replace(whole, system=_data(whole.system))


def stochastic_truncation(data: Any, order: int) -> StochasticReduction:
    """Return the first states of the stochastically balanced data: L A R, C R, L G, Lambda0.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, ContinuousCovarianceModel or ContinuousStochasticSSM
        Stable.
    order : int
        Number r of states to keep, at most that of the canonical correlations above rounding.

    Returns
    -------
    StochasticReduction
        In discrete time the variance Lambda0 of the outputs is kept, and `bound` is infinite; in continuous time
        the noise R of the outputs and the balance are kept, and `bound` is as for `stochastic_singular_perturbation`.

    Raises
    ------
    ShapeError
        If data are of another kind, or the order is no whole number >= 0.
    StructureError
        If A is not stable, if the data belong to no process or their innovations are singular, or if
        the order is beyond what rounding leaves.

    References
    ----------
    Desai and Pal 1984; Harshavardhana, Jonckheere and Silverman 1984.

    Examples
    --------
    >>> from realization.systems import StochasticSSM
    >>> model = StochasticSSM(A=[[0.5, 1], [0, -0.3]], B=[[1, 0], [1, 1]], C=[[1, 0]], D=[[0, 1]])
    >>> small = stochastic_truncation(model, 1)
    >>> small.positive_real, small.correlations.round(4)
    (True, array([0.5489, 0.2175]))
    """
    cut = _cut(data, order, whole=False)
    small = project(_positive_real_part(cut.data), cut.L, cut.R)
    bound = _product(cut) if isinstance(cut.data, ContinuousCovarianceModel) else np.inf
    return _reduction("stochastic truncation", cut, small, bound)


def stochastic_singular_perturbation(data: Any, order: int) -> StochasticReduction:
    """Return the stochastically balanced data with the last states of Z = Lambda0 / 2 + C inv(zI - A) G at rest.

    Parameters
    ----------
    data : CovarianceModel, StochasticSSM, InnovationsSSM, ContinuousCovarianceModel or ContinuousStochasticSSM
        Stable.
    order : int
        Number r of states to keep, at most that of the canonical correlations above rounding.

    Returns
    -------
    StochasticReduction
        Balanced, with the canonical correlations sigma_1, ..., sigma_r; the spectral density at frequency 0 is kept.
        `bound` is q^2 - 1, where q is the product of (1 + sigma_k) / (1 - sigma_k) over k > r.

    Raises
    ------
    ShapeError
        If data are of another kind, or the order is no whole number >= 0.
    StructureError
        If A is not stable, if the data belong to no process or their innovations are singular, or if
        the order is beyond what rounding leaves.

    Notes
    -----
    |inv(W) (W - W_r)| <= q - 1 (Green 1988) gives |inv(W) (Phi - Phi_r) inv(W)*| <= 2 (q - 1) + (q - 1)^2.

    References
    ----------
    Green 1988; Liu and Anderson 1989 for states at rest.

    Examples
    --------
    >>> from realization.systems import StochasticSSM
    >>> model = StochasticSSM(A=[[0.5, 1], [0, -0.3]], B=[[1, 0], [1, 1]], C=[[1, 0]], D=[[0, 1]])
    >>> small = stochastic_singular_perturbation(model, 1)
    >>> small.positive_real, small.residual <= small.bound, phase(small.system).rate < 1
    (True, True, True)
    """
    cut = _cut(data, order, whole=True)
    small = at_rest(project(_positive_real_part(cut.data), cut.L, cut.R), cut.r)
    return _reduction("stochastic singular perturbation", cut, small, _product(cut))


class _Cut(NamedTuple):
    """Data, their correlations, and L, R to the first of the canonical variables, r of which are to be kept."""

    data: Any
    known: CanonicalCorrelations
    r: int
    L: np.ndarray
    R: np.ndarray


def _cut(data: Any, order: int, *, whole: bool) -> _Cut:
    """Maps to so many canonical variables, or to all that are known."""
    found, data, r = phase(data), covariances_of(data), count("order", order)
    basis = factors(found.system)
    known = correlations_of(found, basis)
    resolved = int((known.values > 10 * known.error).sum())
    if r > resolved:
        raise StructureError(
            f"order {r}: {resolved} of {len(known.values)} canonical correlations are above ten times their "
            f"error, {known.error:.1e}; an order of at most {resolved} is needed"
        )
    above = int((basis.noise < basis.S).sum())
    L, R = bases(basis, max(r, min(resolved, above)) if whole else r)
    x = found.units
    return _Cut(data, known, r, L / x, R * x[:, None])


def _positive_real_part(data: Any) -> LinearSSM | ContinuousSSM:
    """Z = Lambda0 / 2 + C inv(zI - A) G, or R / 2 + C inv(sI - A) G, so that Phi = Z + Z*."""
    kind = ContinuousSSM if isinstance(data, ContinuousCovarianceModel) else LinearSSM
    return kind(data.A, data.G, data.C, at_once(data) / 2)


def _data(Z: Any) -> CovarianceModel | ContinuousCovarianceModel:
    kind = ContinuousCovarianceModel if isinstance(Z, ContinuousSSM) else CovarianceModel
    return kind(Z.A, Z.C, Z.B, Z.D + Z.D.T)


def _product(cut: _Cut) -> float:
    """q^2 - 1, q the product of (1 + sigma_k) / (1 - sigma_k) over k > r."""
    dropped = cut.known.values[cut.r :]
    return float(np.prod((1 + dropped) / (1 - dropped)) ** 2 - 1) if cut.known.ones <= cut.r else np.inf


def _reduction(method: str, cut: _Cut, Z: Any, bound: float) -> StochasticReduction:
    small, known, r = _data(Z), cut.known, cut.r
    kept = known.values[:r]
    P, residual = np.diag(kept), _relative_error(cut.data, small)
    # in its units M moves by its rounding, and by what P is off by: an estimate, so that it gets a digit
    noise = 10 * (r + len(small.C)) * EPS + 10 * known.error / float(kept.min(initial=1.0))
    return StochasticReduction(
        method=method,
        system=small,
        L=cut.L[:r],
        R=cut.R[:, :r],
        P=P,
        margin=_margin(small, P),
        noise=noise,
        residual=residual,
        bound=bound,
        correlations=known.values,
        decisions=(given(known.values, r),),
    )


def _margin(data: Any, P: np.ndarray) -> float:
    """Smallest eigenvalue of M(P) in units in which rounding moves its entries by eps."""
    units = np.sqrt(np.diag(noise_rounding(data, P)) / EPS)
    return float(np.linalg.eigvalsh(noise_matrix(data, P) / np.outer(units, units)).min(initial=np.inf))


def _relative_error(data: Any, small: Any) -> float:
    """Largest |inv(W) (Phi - Phi_r) inv(W)*| over frequencies, those of the poles among others."""
    poles = np.linalg.eigvals(data.A)
    if isinstance(data, ContinuousCovarianceModel):
        sizes = np.abs(poles)
        spread = np.geomspace(1e-2 * sizes.min(), 1e2 * sizes.max(), 129) if len(sizes) else np.ones(1)
        density, omega = continuous_spectral_density, np.concatenate([[0.0], spread, np.abs(poles.imag)])
    else:
        density, omega = spectral_density, np.concatenate([np.linspace(0, np.pi, 129), np.abs(np.angle(poles))])
    Phi = density(data, omega)
    lowest = np.linalg.eigvalsh(Phi).min(initial=np.inf)
    if lowest <= len(data.C) * EPS * np.abs(Phi).max(initial=0.0):
        return np.inf  # a zero at this frequency, relative to which every error is large
    W = np.linalg.cholesky(Phi)
    E = np.linalg.solve(W, Phi - density(small, omega))
    E = np.linalg.solve(W, E.conj().swapaxes(-1, -2))
    return float(np.linalg.norm(E, 2, axis=(1, 2)).max()) if E.size else 0.0
