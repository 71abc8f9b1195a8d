"""Strategies for linear and bilinear systems."""

from __future__ import annotations

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from realization.linalg.mean_square import mean_square_radius
from realization.systems import BilinearSSM, LinearSSM
from realization.systems.compose import similar
from realization.systems.families import conditioned, hidden_jordan, jordan, nearly_uncontrollable, random_stable
from realization.testing.drawn import Drawn, conditions, partitions, seeds, widths


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
