"""Systems whose difficulty is a parameter: condition of the basis, distance to a defect, gap between poles.

    A2 = T A inv(T),    T = U diag(s) V,    s from sqrt(k) down to 1/sqrt(k)

with U, V random and orthogonal: a basis of condition k exactly, so that an error can be
held against the law it should follow.  Every draw comes from `rng`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from realization.core.errors import StructureError
from realization.systems.base import count
from realization.systems.compose import similar
from realization.systems.linear import LinearSSM


def orthogonal(n: int, *, rng: Any = None) -> np.ndarray:
    """Q' Q = I, uniformly distributed.

    Parameters
    ----------
    n : int
        Size.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    ndarray
        Q, (n, n).

    Examples
    --------
    >>> Q = orthogonal(3, rng=0)
    >>> bool(np.abs(Q.T @ Q - np.eye(3)).max() < 1e-15)
    True
    """
    n = count("n", n)
    Q, R = np.linalg.qr(np.random.default_rng(rng).standard_normal((n, n)))
    # the signs of R's diagonal make the distribution of Q uniform
    return Q * np.where(np.diag(R) < 0, -1.0, 1.0)


def conditioned(n: int, condition: float = 1.0, *, rng: Any = None) -> np.ndarray:
    """T = U diag(s) V, s from sqrt(k) down to 1/sqrt(k): a basis of condition k.

    Parameters
    ----------
    n : int
        Size; below 2 the condition is 1.
    condition : float
        k >= 1.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    ndarray
        T, (n, n).

    Raises
    ------
    StructureError
        If the condition is below 1.

    Examples
    --------
    >>> round(float(np.linalg.cond(conditioned(5, 1e3, rng=0))), 6)
    1000.0
    """
    if not 1 <= condition < np.inf:
        raise StructureError(f"condition is {condition}; a number from 1 on is needed")
    rng = np.random.default_rng(rng)
    s = np.geomspace(np.sqrt(condition), 1 / np.sqrt(condition), n) if n > 1 else np.ones(n)
    return orthogonal(n, rng=rng) @ (s[:, None] * orthogonal(n, rng=rng))


def _modes(n: int, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Real modes and rotations, no two closer than radius / n, none at 0, the largest of modulus `radius`."""
    pairs = n // 4
    real = n - 2 * pairs
    # real modes evenly from radius down to a point that keeps 0 off the grid, pairs on a smaller circle
    lines = radius * np.linspace(1, -0.83, real)
    angles = np.pi * (np.arange(pairs) + rng.uniform(0.4, 0.6, pairs)) / max(pairs, 1)
    blocks = [0.8 * radius * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in angles]
    return block_diag(*[[[x]] for x in lines], *blocks) if n else np.zeros((0, 0))


def random_stable(
    states: int = 6,
    inputs: int = 2,
    outputs: int = 2,
    *,
    condition: float = 10.0,
    radius: float = 0.9,
    rng: Any = 0,
) -> LinearSSM:
    """A = T L inv(T): separated real and complex poles, in a basis of given condition.

    Good for laws of error: what is measured is held against u k or u k^2.

    Parameters
    ----------
    states, inputs, outputs : int
        n, m, p.
    condition : float
        k of T.
    radius : float
        Spectral radius.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    LinearSSM
        The rows of B and columns of C that belong to a mode have norm 1 before T.

    Examples
    --------
    >>> A = random_stable(5, radius=0.9).A
    >>> round(float(np.abs(np.linalg.eigvals(A)).max()), 12)
    0.9
    """
    rng = np.random.default_rng(rng)
    states, inputs, outputs = count("states", states), count("inputs", inputs), count("outputs", outputs)
    B, C = rng.standard_normal((states, inputs)), rng.standard_normal((outputs, states))
    B, C = B / np.linalg.norm(B, axis=1, keepdims=True), C / np.linalg.norm(C, axis=0, keepdims=True)
    D = rng.standard_normal((outputs, inputs))
    return similar(LinearSSM(_modes(states, radius, rng), B, C, D), conditioned(states, condition, rng=rng))


def jordan(eigenvalue: float, sizes: Sequence[int]) -> np.ndarray:
    """Blocks of one eigenvalue, ones above the diagonal.

    Parameters
    ----------
    eigenvalue : float
        On the diagonal.
    sizes : sequence of int
        Sizes of the blocks.

    Returns
    -------
    ndarray
        (n, n), n the sum of the sizes.

    Examples
    --------
    >>> jordan(0, [2, 1]).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return block_diag(np.zeros((0, 0)), *[eigenvalue * np.eye(k) + np.eye(k, k=1) for k in sizes])


def hidden_jordan(
    sizes: Sequence[int] = (3, 2),
    others: Sequence[float] = (0.5, -0.4),
    *,
    eigenvalue: float = 0.0,
    condition: float = 100.0,
    rng: Any = 0,
) -> LinearSSM:
    """A = T blkdiag(J(eigenvalue), diag(others)) inv(T): a structure that the computed eigenvalues do not show.

    Good for the staircase: the eigenvalue of a block of size k moves by u^(1/k).

    Parameters
    ----------
    sizes : sequence of int
        Of the Jordan blocks.
    others : sequence of float
        Simple eigenvalues beside them.
    eigenvalue : float
        Of the blocks.
    condition : float
        Of T.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    LinearSSM
        As many inputs and outputs as there are blocks, random: the fewest with which it is minimal.

    Examples
    --------
    >>> A = hidden_jordan([4], [], condition=10.0).A
    >>> bool(np.abs(np.linalg.matrix_power(A, 4)).max() < 1e-12 < 1e-5 < np.abs(np.linalg.eigvals(A)).max())
    True
    """
    rng = np.random.default_rng(rng)
    A = block_diag(jordan(eigenvalue, sizes), np.diag(np.asarray(others, dtype=np.float64)))
    n, m = len(A), max(len(sizes), 1)
    system = LinearSSM(A, rng.standard_normal((n, m)), rng.standard_normal((m, n)), np.zeros((m, m)))
    return similar(system, conditioned(n, condition, rng=rng))


def nearly_uncontrollable(states: int = 4, distance: float = 1e-6, *, rng: Any = 0) -> LinearSSM:
    """v' B = distance for one unit left eigenvector v of A: the input hardly reaches that mode.

    Good for margins: the smallest singular value of [A - l I, B] over l is at most the distance.

    Parameters
    ----------
    states : int
        n >= 1.
    distance : float
        0 makes it uncontrollable up to rounding.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    LinearSSM
        One input, one output, A symmetric with poles evenly in (0, 0.9].

    Examples
    --------
    >>> system = nearly_uncontrollable(distance=1e-3)
    >>> v = np.linalg.eigh(system.A)[1][:, -1]
    >>> round(float(abs(v @ system.B[:, 0])), 12)
    0.001
    """
    if states < 1:
        raise StructureError(f"states is {states}; at least 1 is needed for a mode to be out of reach")
    Q = orthogonal(states, rng=rng)
    b = np.ones(states)
    b[0] = distance
    system = LinearSSM(np.diag(0.9 * np.arange(states, 0, -1) / states), b[:, None], np.ones((1, states)), [[0]])
    return LinearSSM(Q @ system.A @ Q.T, Q @ system.B, system.C @ Q.T, system.D)


def badly_scaled(states: int = 4, ratio: float = 1e6, *, rng: Any = 0) -> LinearSSM:
    """A = G A0 inv(G), G = diag(1 ... ratio): states in units that differ by many powers of ten.

    Good for what must not depend on units: the diagonal change of basis costs no accuracy.

    Parameters
    ----------
    states : int
        n.
    ratio : float
        Largest unit over the smallest; the units are powers of 2, so the change is exact.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    LinearSSM
        One input, one output; balanced by scaling it is `random_stable` of condition 1.

    Examples
    --------
    >>> bool(np.abs(badly_scaled(4).A).max() > 1e4)
    True
    """
    if not 0 < ratio < np.inf:
        raise StructureError(f"ratio is {ratio}; a positive number is needed")
    well = random_stable(states, 1, 1, condition=1.0, rng=rng)
    g = 2.0 ** np.round(np.linspace(0, np.log2(ratio), states)) if states else np.zeros(0)
    return LinearSSM(well.A * g[:, None] / g, well.B * g[:, None], well.C / g, well.D)


def redundant(
    minimal: int = 20,
    uncontrollable: int = 15,
    unobservable: int = 15,
    *,
    shared: float = 0.2,
    condition: float = 1.0,
    rng: Any = 0,
) -> LinearSSM:
    """A = T blkdiag(A1, A2, A3) inv(T),  B = T [B1; 0; B3],  C = [C1 C2 0] inv(T): states that do nothing.

    Good for minimal realization: the order is `minimal`, all three blocks have the
    eigenvalue `shared`, and the condition decides whether a double can still tell.

    Parameters
    ----------
    minimal, uncontrollable, unobservable : int
        Sizes of A1, A2, A3.
    shared : float
        Eigenvalue of each block.
    condition : float
        Of T.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    LinearSSM
        Two inputs, two outputs, of minimal order `minimal`.

    Examples
    --------
    >>> redundant()
    LinearSSM(n=50, m=2, p=2)
    """
    rng = np.random.default_rng(rng)
    given = {"minimal": minimal, "uncontrollable": uncontrollable, "unobservable": unobservable}
    sizes = tuple(count(name, size) for name, size in given.items())
    blocks = [
        block_diag(_modes(k - 1, r, rng), [[shared]]) if k else np.zeros((0, 0))
        for k, r in zip(sizes, (0.9, 0.7, 0.6), strict=True)
    ]
    B, C = rng.standard_normal((sum(sizes), 2)), rng.standard_normal((2, sum(sizes)))
    B[minimal : minimal + uncontrollable] = 0
    C[:, minimal + uncontrollable :] = 0
    return similar(LinearSSM(block_diag(*blocks), B, C, np.zeros((2, 2))), conditioned(sum(sizes), condition, rng=rng))


def with_indices(
    indices: Sequence[int] = (3, 2, 1), outputs: int = 2, *, condition: float = 1.0, rng: Any = 0
) -> LinearSSM:
    """Chains of integrators with state feedback: a system with given controllability indices.

    Good for forms of several inputs: feedback and changes of basis leave the indices as they are.

    Parameters
    ----------
    indices : sequence of int
        One length >= 1 for each input, in any order.
    outputs : int
        p, random read-outs.
    condition : float
        Of the change of basis.
    rng : optional
        As `numpy.random.default_rng` takes it.

    Returns
    -------
    LinearSSM
        n the sum of the indices, m their number.

    Raises
    ------
    StructureError
        If an index is below 1.

    Examples
    --------
    >>> system = with_indices([2, 1])
    >>> np.linalg.matrix_rank(system.B), np.linalg.matrix_rank(np.hstack([system.B, system.A @ system.B]))
    (np.int64(2), np.int64(3))
    """
    if any(k < 1 for k in indices):
        raise StructureError(f"indices are {tuple(indices)}; each has to be at least 1")
    rng = np.random.default_rng(rng)
    n, m = sum(indices), len(indices)
    ends = np.cumsum(indices, dtype=int) - 1
    E = np.eye(n)[:, ends]
    # feedback: chain i gets poles of its own inside the circle, and listens to later chains only
    F = np.zeros((m, n))
    for i, (k, end) in enumerate(zip(indices, ends, strict=True)):
        poles = 0.9 * (1 - 1.6 * (np.arange(k) + (i + 1) / (m + 1)) / k)
        F[i, end - k + 1 : end + 1] = -np.poly(poles)[:0:-1]
        F[i, end + 1 :] = rng.uniform(-0.5, 0.5, n - end - 1)
    A = block_diag(np.zeros((0, 0)), *[np.eye(k, k=1) for k in indices]) + E @ F
    G = np.triu(rng.uniform(-0.5, 0.5, (m, m)), 1) + np.eye(m)
    return similar(
        LinearSSM(A, E @ G, rng.standard_normal((outputs, n)), np.zeros((outputs, m))),
        conditioned(n, condition, rng=rng),
    )


def close_poles(states: int = 4, gap: float = 1e-4, centre: float = -0.5, *, rng: Any = 0) -> LinearSSM:
    """Poles centre + k gap, k = 0 ... n-1, each written by the input and read by the output with weight 1.

    Good for companion forms: the *system* in companion form is well determined where its
    basis, a Vandermonde matrix of the poles, is hopeless.

    Parameters
    ----------
    states : int
        n.
    gap : float
        Distance between neighbours.
    centre : float
        The first pole; with a negative one it is stable in continuous time too.
    rng : optional
        Of the orthogonal basis, as `numpy.random.default_rng` takes it.

    Returns
    -------
    LinearSSM
        One input, one output, A symmetric.

    Examples
    --------
    >>> np.linalg.eigvalsh(close_poles(3, 0.125).A).round(12).tolist()
    [-0.5, -0.375, -0.25]
    """
    Q = orthogonal(states, rng=rng)
    one = np.ones((states, 1))
    return LinearSSM(Q * (centre + gap * np.arange(states)) @ Q.T, Q @ one, one.T @ Q.T, [[0]])


def between(name: str, x: float, low: float, high: float = np.inf) -> float:
    """Return a parameter, refused unless low < x < high.

    Raises
    ------
    StructureError
        With the parameter and its range.
    """
    if not low < x < high:
        raise StructureError(
            f"{name} is {x}; a number above {low:g}{f' and below {high:g}' * (high < np.inf)} is needed"
        )
    return x
