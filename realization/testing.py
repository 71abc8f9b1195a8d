"""Hypothesis strategies for systems, for test suites: this module needs hypothesis.

Drawn are seeds and structure (sizes, Jordan blocks, conditions), never matrices of floats: that
shrinks to something readable, and the conditioning is known.  Properties in double precision hold to
c n u k^2 max(1, |A|) with c = 100, k the condition of the basis, so k is drawn between 1 and 1000.

    from hypothesis import given
    from realization.testing import stable_systems

    @given(stable_systems())
    def test_my_reduction(drawn):
        assert error_of(my_reduction(drawn.system)) <= tolerance(drawn)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from realization.linalg.decision import EPS
from realization.linalg.mean_square import mean_square_radius
from realization.stochastic.covariance import CovarianceModel, covariance_model, spectral_density, state_covariance
from realization.stochastic.factors import state_factor
from realization.systems import BilinearSSM, InitialState, LinearSSM, TimeVaryingStochasticSSM
from realization.systems.compose import similar
from realization.systems.families import conditioned, hidden_jordan, jordan, nearly_uncontrollable, random_stable
from realization.systems.stochastic_families import random_innovations, random_process

MARGIN = 100  # observed errors are at most 2 % of the tolerance

seeds = st.integers(0, 2**32 - 1)
widths = st.integers(1, 3)
# 10^0 to 10^3, evenly in the logarithm; shrinks to an orthogonal basis
conditions = st.integers(0, 12).map(lambda k: 10.0 ** (k / 4))


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A system and what is known of it.

    Parameters
    ----------
    system : LinearSSM, BilinearSSM, StochasticSSM, ...
        What a test gets.
    condition : float
        Of the basis that hides the structure; of the state covariance where there is one.
    structure : tuple
        Sizes of the Jordan blocks, or eigenvalues: the strategy says which.
    """

    system: Any
    condition: float
    structure: tuple[Any, ...]


def tolerance(drawn: Drawn, *, scale: float = 1.0) -> float:
    """Return 100 n u k^2 max(1, |A|) scale: what a careful float64 computation keeps.

    Parameters
    ----------
    drawn : Drawn
        n, k and A are those of its system.
    scale : float
        Of the quantity that is compared.

    Returns
    -------
    float
        Observed errors are at most 2 % of it.
    """
    A = drawn.system.A
    size = max(1.0, float(np.linalg.norm(A, 2))) if A.size else 1.0
    return MARGIN * max(len(A), 1) * EPS / 2 * drawn.condition**2 * size * scale


@st.composite
def stable_systems(draw: st.DrawFn, *, max_states: int = 6, min_states: int = 0) -> Drawn:
    """Systems of spectral radius 0.5 to 0.95 in a basis of condition 1 to 1000; structure: the radius.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states, min_states : int
        Range of n.

    Returns
    -------
    Drawn
        With a LinearSSM of up to 3 inputs and outputs.
    """
    n, m, p = draw(st.integers(min_states, max_states)), draw(widths), draw(widths)
    radius, condition = draw(st.integers(10, 19)) / 20, draw(conditions)
    system = random_stable(n, inputs=m, outputs=p, radius=radius, condition=condition, rng=draw(seeds))
    return Drawn(system, condition, (radius,))


@st.composite
def nilpotent_systems(draw: st.DrawFn, *, max_states: int = 6) -> Drawn:
    """Integer systems with A^v = 0 bit for bit, v the largest of the Jordan blocks; structure: their sizes.

    Jordan blocks in coordinates changed by integer shears, whose inverses are integer too: all
    powers of A are exact in float64.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states : int
        Largest n; up to 6 everything stays below 2^53.

    Returns
    -------
    Drawn
        With a LinearSSM of integer entries.
    """
    sizes = draw(partitions(max_states))
    n, m, p = sum(sizes), draw(widths), draw(widths)
    A, T = jordan(0.0, sizes), np.eye(n)
    pairs = st.tuples(st.integers(0, max(n - 1, 0)), st.integers(0, max(n - 1, 0)), st.sampled_from([-2, -1, 1, 2]))
    for i, j, k in draw(st.lists(pairs, max_size=n)):
        if i != j:  # row i gains k times row j, and back
            A[i] += k * A[j]
            A[:, j] -= k * A[:, i]
            T[i] += k * T[j]
    rng = np.random.default_rng(draw(seeds))
    B, C, D = (rng.integers(-3, 4, shape).astype(float) for shape in ((n, m), (p, n), (p, m)))
    return Drawn(LinearSSM(A, B, C, D), float(np.linalg.cond(T)) if n else 1.0, tuple(sizes))


@st.composite
def hidden_nilpotent_systems(draw: st.DrawFn, *, max_states: int = 8) -> Drawn:
    """Nilpotent systems in a random basis of condition 1 to 1000: no zero is seen; structure: the block sizes.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states : int
        Largest n.

    Returns
    -------
    Drawn
        With a LinearSSM.
    """
    sizes, condition = draw(partitions(max_states)), draw(conditions)
    return Drawn(hidden_jordan(sizes, [], condition=condition, rng=draw(seeds)), condition, tuple(sizes))


@st.composite
def diagonalizable_systems(draw: st.DrawFn, *, max_states: int = 6, separation: float = 0.1) -> Drawn:
    """Stable systems whose eigenvalues are real and separated, in a basis of condition 1 to 1000.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states : int
        Largest n.
    separation : float
        Least distance of two eigenvalues.

    Returns
    -------
    Drawn
        With a LinearSSM; structure: the eigenvalues in increasing order.
    """
    slots = int(0.95 / separation)
    grid = st.lists(st.integers(-slots, slots), unique=True, max_size=min(max_states, 2 * slots + 1))
    poles = np.sort(np.array(draw(grid), dtype=np.float64)) * separation
    n, m, p, condition = len(poles), draw(widths), draw(widths), draw(conditions)
    rng = np.random.default_rng(draw(seeds))
    B, C = rng.standard_normal((n, m)), rng.standard_normal((p, n))
    plain = LinearSSM(np.diag(poles), B, C, rng.standard_normal((p, m)))
    return Drawn(similar(plain, conditioned(n, condition, rng=rng)), condition, tuple(poles.tolist()))


@st.composite
def minimal_systems(draw: st.DrawFn, *, max_states: int = 5) -> Drawn:
    """Stable systems with separated eigenvalues whose Hankel matrix has full rank, clearly: sigma_n > 1e-6 sigma_1.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states : int
        Largest n.

    Returns
    -------
    Drawn
        With a LinearSSM; structure: the eigenvalues in increasing order.
    """
    drawn = draw(diagonalizable_systems(max_states=max_states))
    A, B, C = drawn.system.A, drawn.system.B, drawn.system.C
    n = len(A)
    powers = [np.linalg.matrix_power(A, k) for k in range(n)]
    if n:
        H = np.concatenate([C @ F for F in powers]) @ np.concatenate([F @ B for F in powers], axis=1)
        s = np.linalg.svd(H, compute_uv=False)
        assume(s[n - 1] > 1e-6 * s[0])
    return drawn


@st.composite
def nearly_uncontrollable_systems(draw: st.DrawFn, *, max_states: int = 5) -> Drawn:
    """Systems with one mode that the input reaches at distance 1e-12 to 1e-2 only; structure: that distance.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states : int
        Largest n.

    Returns
    -------
    Drawn
        With a LinearSSM.
    """
    n, distance = draw(st.integers(1, max_states)), 10.0 ** -draw(st.integers(2, 12))
    return Drawn(nearly_uncontrollable(n, distance, rng=draw(seeds)), 1.0, (distance,))


@st.composite
def defective_systems(draw: st.DrawFn, *, max_states: int = 6) -> Drawn:
    """The control to `diagonalizable_systems`: a Jordan block of at least 2 at a nonzero eigenvalue.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states : int
        Largest n, at least 2.

    Returns
    -------
    Drawn
        With a LinearSSM; structure: (eigenvalue, size of the block).
    """
    size, pole = draw(st.integers(2, max_states)), draw(st.integers(1, 9)) / 10
    others = draw(st.lists(st.sampled_from([-0.9, -0.6, -0.3]), unique=True, max_size=max_states - size))
    condition = draw(conditions)
    system = hidden_jordan([size], others, eigenvalue=pole, condition=condition, rng=draw(seeds))
    return Drawn(system, condition, (pole, size))


@st.composite
def bilinear_systems(draw: st.DrawFn, *, max_states: int = 4, max_inputs: int = 2) -> Drawn:
    """Bilinear systems that are stable in mean square: rho(A (x) A + sum_i N_i (x) N_i) = r < 1; structure: r.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states, max_inputs : int
        Largest n and m.

    Returns
    -------
    Drawn
        With a BilinearSSM driven by white inputs of variance 1.
    """
    n, m, p = draw(st.integers(1, max_states)), draw(st.integers(1, max_inputs)), draw(widths)
    target, rng = draw(st.integers(2, 9)) / 10, np.random.default_rng(draw(seeds))
    A, N = rng.standard_normal((n, n)), rng.standard_normal((m, n, n))
    scale = np.sqrt(target / mean_square_radius(A, N))
    B, C, M, D = (rng.standard_normal(shape) for shape in ((n, m), (p, n), (m, p, n), (p, m)))
    return Drawn(BilinearSSM(A * scale, N * scale, B, C, M, D), 1.0, (target,))


def covariance_tolerance(drawn: Drawn, *, scale: float = 1.0) -> float:
    """Return 100 n u cond(P) scale: what a solution with the state covariance P keeps.

    Parameters
    ----------
    drawn : Drawn
        Of `stochastic_systems` and its kin, whose condition is that of P.
    scale : float
        Of the quantity that is compared.

    Returns
    -------
    float
        For anything that divides by P once.
    """
    return MARGIN * max(drawn.system.A.shape[-1], 1) * EPS / 2 * drawn.condition * scale


def covariance_condition(model: Any) -> float:
    """Return the condition of the state covariance in units in which its diagonal is 1.

    Parameters
    ----------
    model : StochasticSSM, BackwardSSM, ContinuousStochasticSSM, ...
        Stable.

    Returns
    -------
    float
        From a factor of P, so that it is known up to 1e30; 1 for n = 0.
    """
    L = state_factor(model)
    size = np.linalg.norm(L, axis=1, keepdims=True)
    return float(np.linalg.cond(L / np.where(size > 0, size, 1.0)) ** 2) if L.size else 1.0


def in_deviations(found: Any, wanted: Any) -> float:
    """Return the largest difference of two covariances of (x_1, x_2, ...), entry i, j in units of sd(x_i) sd(x_j).

    Parameters
    ----------
    found, wanted : array_like
        (k, k); the standard deviations are those of `wanted`.

    Returns
    -------
    float
        That of a correlation, whatever the units.
    """
    found, wanted = np.asarray(found), np.asarray(wanted)
    sd = np.sqrt(np.diag(wanted))
    sd = np.where(sd > 0, sd, 1.0)
    return float(np.abs((found - wanted) / sd[:, None] / sd).max(initial=0.0))


@st.composite
def stochastic_systems(
    draw: st.DrawFn,
    *,
    max_states: int = 5,
    min_states: int = 0,
    max_condition: float = 30.0,
    max_covariance_condition: float = 1e6,
    smallest: bool = False,
    weight: float = 1.0,
) -> Drawn:
    """Stable models of processes with 1 to 3 outputs and Phi > 0; structure: the spectral radius, or a bound.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states, min_states : int
        Range of n.
    max_condition : float
        Of the basis: drawn from 1 on, evenly in the logarithm.
    max_covariance_condition : float
        Larger conditions of P are drawn again.
    smallest : bool
        Whether the past of y determines the state: P = P_-, as many noises as outputs.
    weight : float
        Of the noise that the output has for itself: a small one makes Phi nearly singular.

    Returns
    -------
    Drawn
        With a StochasticSSM; its condition is that of P.
    """
    n, p, k = draw(st.integers(min_states, max_states)), draw(widths), draw(st.integers(1, max(max_states, 1) + 1))
    radius, basis = draw(st.integers(10, 19)) / 20, max_condition ** (draw(st.integers(0, 8)) / 8)
    options = {"condition": basis, "radius": radius, "rng": draw(seeds)}
    if smallest:
        model = random_innovations(n, p, **options).as_stochastic()
    else:
        model = random_process(n, p, k, weight=weight, **options)
    condition = float(np.linalg.cond(state_covariance(model))) if n else 1.0
    assume(condition <= max_covariance_condition)
    return Drawn(model, condition, ((1 + radius) / 2 if smallest else radius,))


@st.composite
def time_varying_stochastic_systems(
    draw: st.DrawFn, *, max_states: int = 4, max_steps: int = 5, singular: bool = True
) -> Drawn:
    """Models with other matrices at each step, unstable ones too; structure: the InitialState.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states, max_steps : int
        Largest n and T; both may be 0.
    singular : bool
        Whether P(t) may be singular: a known state, and few noises.

    Returns
    -------
    Drawn
        With a TimeVaryingStochasticSSM; its condition is the largest of P(t) on its range.
    """
    n, T, p = draw(st.integers(0, max_states)), draw(st.integers(0, max_steps)), draw(widths)
    m = draw(st.integers(0 if singular else n + 1, n + 2))
    r = draw(st.integers(0, n)) if singular else n
    rng = np.random.default_rng(draw(seeds))
    A = rng.standard_normal((T, n, n)) / np.sqrt(max(n, 1))
    B, C, D = (rng.standard_normal((T, *shape)) for shape in ((n, m), (p, n), (p, m)))
    F = conditioned(n, 10.0, rng=rng)[:, :r]
    P, condition = F @ F.T, 1.0
    for t in range(T + 1):
        s = np.linalg.svd(P, compute_uv=False)
        s = s[s > n * EPS * s.max(initial=0.0)]
        condition = max(condition, float(s[0] / s[-1])) if len(s) else condition
        P = A[t] @ P @ A[t].T + B[t] @ B[t].T if t < T else P
    assume(condition <= 1e8)  # or a rank is a matter of taste
    state = InitialState(rng.standard_normal(n), F @ F.T)
    return Drawn(TimeVaryingStochasticSSM(A, B, C, D), condition, (state,))


@st.composite
def covariance_data(draw: st.DrawFn, *, max_states: int = 5, min_states: int = 0) -> Drawn:
    """Covariances of a process, positive real by construction; structure: the model that they came from.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states, min_states : int
        Range of n.

    Returns
    -------
    Drawn
        With a CovarianceModel; its condition is that of the P of the model.
    """
    drawn = draw(stochastic_systems(max_states=max_states, min_states=min_states))
    return Drawn(covariance_model(drawn.system), drawn.condition, (drawn.system,))


@st.composite
def refuted_covariance_data(draw: st.DrawFn, *, max_states: int = 5, min_states: int = 0) -> Drawn:
    """The control to `covariance_data`: Phi has a negative eigenvalue; structure: (frequency, that eigenvalue).

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_states, min_states : int
        Range of n.

    Returns
    -------
    Drawn
        With a CovarianceModel; the eigenvalue is -0.001 to -0.1 of the least diagonal entry of Lambda0, or lower.
    """
    drawn = draw(covariance_data(max_states=max_states, min_states=min_states))
    data, omega = drawn.system, np.linspace(0, np.pi, 65)
    lowest = np.linalg.eigvalsh(spectral_density(data, omega))[:, 0]
    k, depth = int(lowest.argmin()), 10.0 ** -draw(st.integers(1, 3)) * float(np.diag(data.Lambda0).min())
    shift = (lowest[k] + depth) * np.eye(len(data.Lambda0))
    return Drawn(
        CovarianceModel(data.A, data.C, data.G, data.Lambda0 - shift), drawn.condition, (float(omega[k]), -depth)
    )


@st.composite
def partitions(draw: st.DrawFn, largest: int) -> list[int]:
    """Sizes of Jordan blocks, largest first, with a sum of at most `largest`.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    largest : int
        Bound on the sum.

    Returns
    -------
    list of int
        Perhaps empty.
    """
    sizes: list[int] = []
    rest = draw(st.integers(0, largest))
    while rest:
        sizes.append(draw(st.integers(1, min(rest, sizes[-1] if sizes else rest))))
        rest -= sizes[-1]
    return sizes


@st.composite
def covariance_windows(draw: st.DrawFn, *, max_lags: int = 6, max_outputs: int = 3) -> np.ndarray:
    """Lambda(0), ..., Lambda(N) of a moving average with whole coefficients: whole numbers, T > 0, so without an error.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_lags, max_outputs : int
        Largest N and p.

    Returns
    -------
    ndarray
        (N+1, p, p), below 1000.
    """
    p, N, terms = draw(st.integers(1, max_outputs)), draw(st.integers(0, max_lags)), draw(st.integers(1, 8))
    h = np.random.default_rng(draw(seeds)).integers(-2, 3, (terms, p, p)).astype(float)
    h[0] = 3 * np.eye(p) + np.tril(h[0], -1)  # invertible, so that every innovation is seen
    padded = np.concatenate([h, np.zeros((N, p, p))])
    return np.stack([sum(padded[i + k] @ padded[i].T for i in range(terms)) for k in range(N + 1)])
