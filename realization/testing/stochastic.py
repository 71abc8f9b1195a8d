"""Strategies for processes and their covariances."""

from __future__ import annotations

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from realization.linalg.decision import EPS
from realization.stochastic.covariance import CovarianceModel, covariance_model, spectral_density, state_covariance
from realization.systems import InitialState, TimeVaryingStochasticSSM
from realization.systems.families import conditioned
from realization.systems.stochastic_families import random_innovations, random_process
from realization.testing.drawn import MARGIN, Drawn, seeds, widths


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
