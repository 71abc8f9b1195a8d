"""Staircase forms by orthogonal similarity: what is nilpotent in a matrix, what an input reaches, what an output sees.

    nilpotent            Q' A Q = [[0 * * X], [0 0 * X], [0 0 0 X], [0 0 0 M]],   M invertible
    controllability      Q' A Q = [[Ac *], [0 Au]],   Q' B = [[Bc], [0]],         (Ac, Bc) controllable
    observability        Q' A Q = [[Ao 0], [* Au]],   C Q = [Co 0],               (Ao, Co) observable

Every step asks for the rank of a block.  It is decided by the largest gap among the singular
values, judged against their *measured* error: two twins of the data, perturbed by a few units of
rounding, go through the same steps, and what differs between the twins is noise.  A fixed
tolerance cannot do this, since an error grows from step to step by |A| / (smallest singular value
kept), for instance by |mu|**-index beside an invertible part mu.  The noise is part of the result:
it is the `error` of what a next staircase is given.

The form is then refined as a whole, to a residual of rounding: an orthogonal triangular form loses nothing,
whatever it would cost to decouple it.  A block for which that does not succeed was noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from realization.core.frozen import Sealed
from realization.linalg import refinement
from realization.linalg.arguments import matrices
from realization.linalg.decision import EPS, SAME_SIZE, Decision
from realization.linalg.dense import relative, two_norm
from realization.linalg.refinement import UNKNOWNS
from realization.linalg.twins import (
    ROUNDING,
    TWINS,
    clear_cut,
    measured_noise,
    rank_against,
    reflector,
    turn,
    with_twins,
)


class Staircase(Sealed):
    """What is read off the blocks and the decisions of every staircase."""

    __slots__ = ()
    blocks: tuple[int, ...]
    decisions: tuple[Decision, ...]

    @property
    def decided(self) -> bool:
        """Whether every rank was decided."""
        return all(d.decided for d in self.decisions)


class PairStaircase(Staircase):
    """What is read off that of a pair (A, B), or of (A, C)."""

    __slots__ = ()

    @property
    def rank(self) -> int:
        """Dimension of what is reached, or seen."""
        return sum(self.blocks)

    @property
    def indices(self) -> tuple[int, ...]:
        """Controllability indices, or observability indices, largest first."""
        return conjugate_partition(self.blocks)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NilpotentStaircase(Staircase):
    """A = Q A2 Q', A2 block upper triangular with zero diagonal blocks and an invertible last one.

    Parameters
    ----------
    Q, A2 : ndarray
        (n, n), Q orthogonal.
    blocks : tuple of int
        Sizes of the zero blocks: dim ker A^k - dim ker A^(k-1) for k = 1, 2, ..., the Weyr characteristic of 0.
    decisions : tuple of Decision
        One rank for each step.
    residual : float
        |A Q - Q A2| / |A| in the 2-norm: of the size of rounding, except with `rtol` or more than some 37 blocks.
    noise : float
        Measured error of the blocks that were looked at, relative to |A|, the largest.
    """

    Q: np.ndarray
    A2: np.ndarray
    blocks: tuple[int, ...]
    decisions: tuple[Decision, ...]
    residual: float
    noise: float

    @property
    def index(self) -> int:
        """Smallest k with ker A^k = ker A^(k+1): that of nilpotency where A is nilpotent."""
        return len(self.blocks)

    @property
    def jordan(self) -> tuple[int, ...]:
        """Sizes of the Jordan blocks of the eigenvalue 0, largest first."""
        return conjugate_partition(self.blocks)

    @property
    def nilpotent(self) -> bool:
        """Whether A^index = 0."""
        return sum(self.blocks) == len(self.A2)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ControllabilityStaircase(PairStaircase):
    """A = Q A2 Q', B = Q B2: the first `rank` coordinates are what the input reaches.

    Parameters
    ----------
    Q, A2, B2 : ndarray
        (n, n), (n, n), (n, m), Q orthogonal.
    blocks : tuple of int
        Rank of B, and of each block below the diagonal of A2: what step 1, 2, ... reaches in addition.
    decisions : tuple of Decision
        One rank for each step.
    residual : float
        The larger of |A Q - Q A2| / |A| and |B - Q B2| / |B| in the 2-norm.
    noise : float
        Measured error of the blocks that were looked at, relative to |A|, the largest.
    """

    Q: np.ndarray
    A2: np.ndarray
    B2: np.ndarray
    blocks: tuple[int, ...]
    decisions: tuple[Decision, ...]
    residual: float
    noise: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ObservabilityStaircase(PairStaircase):
    """A = Q A2 Q', C = C2 Q': the first `rank` coordinates are what the output sees.

    Parameters
    ----------
    Q, A2, C2 : ndarray
        (n, n), (n, n), (p, n), Q orthogonal.
    blocks : tuple of int
        Rank of C, and of each block above the diagonal of A2.
    decisions : tuple of Decision
        One rank for each step.
    residual : float
        The larger of |A Q - Q A2| / |A| and |C - C2 Q'| / |C| in the 2-norm.
    noise : float
        Measured error of the blocks that were looked at, relative to |A|, the largest.
    """

    Q: np.ndarray
    A2: np.ndarray
    C2: np.ndarray
    blocks: tuple[int, ...]
    decisions: tuple[Decision, ...]
    residual: float
    noise: float


def nilpotent_staircase(A: Any, *, rtol: float | None = None, error: float = ROUNDING) -> NilpotentStaircase:
    """Return Q' A Q with the generalised null space of A in front: what A forgets after `index` steps.

    Step k turns the null space of the trailing block to the front and goes on with the rest.

    Parameters
    ----------
    A : array_like
        (n, n), real or complex.
    rtol : float, optional
        Singular values below rtol |A| count as zero.  Default: the largest gap.
    error : float
        Relative error of A, in the 2-norm.  Default: a few units of rounding.

    Returns
    -------
    NilpotentStaircase
        With `decided` False where two readings compete: an eigenvalue mu with |mu| < 1e-7 |A|
        may be zero or not, and Jordan structures lie as close to each other as their gaps say.

    Raises
    ------
    ShapeError
        If A is not square or not finite, or rtol or error is negative or no number.

    References
    ----------
    Golub and Wilkinson (1976), SIAM Review 18, 578-619; Van Dooren (1979), Linear Algebra Appl. 27, 103-140.

    Examples
    --------
    A register of three tokens beside an eigenvalue 1/2:

    >>> A = [[0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0.5]]
    >>> s = nilpotent_staircase(A)
    >>> s.blocks, s.index, s.jordan, s.nilpotent, s.decided
    ((1, 1, 1), 3, (3,), False, True)
    """
    A = matrices("A: n n", A=A)[0]
    plain = _nilpotent(A, rtol, error, 0)
    if rtol is not None:
        return plain
    return _exact(A, plain if clear_cut(plain) else _nilpotent(A, None, error, TWINS), error)


def controllability_staircase(
    A: Any, B: Any, *, rtol: float | None = None, error: float = ROUNDING
) -> ControllabilityStaircase:
    """Return Q' A Q and Q' B with the controllable subspace, im [B, A B, A^2 B, ...], in front.

    No power of A is formed: step k finds what A adds to the directions found in step k - 1.

    Parameters
    ----------
    A, B : array_like
        (n, n) and (n, m), real or complex.
    rtol : float, optional
        Singular values below rtol |A| (rtol |B| in the first step) count as zero.  Default: the largest gap.
    error : float
        Relative error of A and of B, in the 2-norm.  Default: a few units of rounding.

    Returns
    -------
    ControllabilityStaircase
        With `decided` False where a coupling is neither clearly there nor clearly absent.

    Raises
    ------
    ShapeError
        If the shapes do not fit, an entry is not finite, or rtol or error is negative or no number.

    References
    ----------
    Rosenbrock (1970), State-Space and Multivariable Theory.
    Van Dooren (1981), IEEE Trans. Automat. Control 26, 111-129.

    Examples
    --------
    The input moves only the sum of two equal modes:

    >>> s = controllability_staircase([[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.2]], [[1], [1], [1]])
    >>> s.rank, s.indices, s.A2[2, :2].tolist()
    (2, (2,), [0.0, 0.0])
    """
    A, B = matrices("A: n n; B: n m", A=A, B=B)
    if rtol is not None:
        return _controllability(A, B, rtol, error, 0)
    return _exact_pair(A, B, _controllability(A, B, None, error, TWINS), error)


def observability_staircase(
    A: Any, C: Any, *, rtol: float | None = None, error: float = ROUNDING
) -> ObservabilityStaircase:
    """Return Q' A Q and C Q with the unobservable subspace, ker [C; C A; C A^2; ...], at the end.

    It is the controllability staircase of (A', C').

    Parameters
    ----------
    A, C : array_like
        (n, n) and (p, n), real or complex.
    rtol : float, optional
    error : float
        As in `controllability_staircase`.

    Returns
    -------
    ObservabilityStaircase
        With `decided` False where a coupling is neither clearly there nor clearly absent.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.

    Examples
    --------
    >>> s = observability_staircase([[0.5, 0], [1, 0.2]], [[1, 0]])
    >>> s.rank, s.C2[:, 1:].tolist(), s.A2[:1, 1:].tolist()
    (1, [[0.0]], [[0.0]])
    """
    A, C = matrices("A: n n; C: p n", A=A, C=C)
    dual = controllability_staircase(A.conj().T, C.conj().T, rtol=rtol, error=error)
    A2, C2 = dual.A2.conj().T, dual.B2.conj().T
    return ObservabilityStaircase(dual.Q, A2, C2, dual.blocks, dual.decisions, dual.residual, dual.noise)


def pbh_margin(A: Any, B: Any) -> float:
    """Return the minimum over the eigenvalues mu of A of the smallest singular value of [mu I - A, B].

    A perturbation of (A, B) of this norm makes an eigenvalue uncontrollable, so it is an upper bound
    of the distance to the uncontrollable pairs; it is 0 exactly where (A, B) is uncontrollable.

    Parameters
    ----------
    A, B : array_like
        (n, n) and (n, m), real or complex.

    Returns
    -------
    float
        In the unit of A and B; infinite for n = 0.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is not finite.

    References
    ----------
    Hautus (1969), Indag. Math. 31, 443-448; Eising (1984), Systems and Control Letters 4, 263-264.

    Examples
    --------
    >>> pbh_margin([[0.5, 1], [0, 0.5]], [[0], [0.1]]) > 0.01
    True
    >>> round(pbh_margin([[0.5, 1], [0, 0.5]], [[1], [0]]), 7)
    0.0
    """
    A, B = matrices("A: n n; B: n m", A=A, B=B)
    n, m = B.shape
    if n == 0:
        return np.inf
    mu = np.linalg.eigvals(A)
    mu = mu if np.iscomplexobj(A) else mu[mu.imag >= 0]  # the others see the conjugate pencil
    pencils = np.concatenate([mu[:, None, None] * np.eye(n) - A, np.broadcast_to(B, (len(mu), n, m))], axis=2)
    return float(np.linalg.svd(pencils, compute_uv=False).min())


def conjugate_partition(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return how many of the sizes exceed 0, 1, 2, ...: the columns of the diagram whose rows are the sizes.

    Parameters
    ----------
    sizes : sequence of int
        Positive.

    Returns
    -------
    tuple of int
        Largest first.

    Examples
    --------
    >>> conjugate_partition((5, 3, 3, 1)), conjugate_partition((4, 3, 3, 1, 1))
    ((4, 3, 3, 1, 1), (5, 3, 3, 1))
    """
    return tuple(sum(size > k for size in sizes) for k in range(max(sizes, default=0)))


def _nilpotent(A: np.ndarray, rtol: float | None, error: float, twins: int) -> NilpotentStaircase:
    n, scale = len(A), two_norm(A)
    S, Q = with_twins(A, error, twins), np.eye(n, dtype=A.dtype)
    blocks: list[int] = []
    decisions: list[Decision] = []
    i, noise = 0, error
    while i < n:
        _, s, Vh = np.linalg.svd(S[:, i:, i:])
        here = max(error, measured_noise(s, n, scale))
        noise = max(noise, here)
        decision = rank_against(s[0], scale, here, rtol, f"rank of A after {len(blocks)} steps")
        rank = decision.choice
        nullity = n - i - rank
        if blocks and nullity > blocks[-1]:  # ker A^(k+1) / ker A^k embeds in ker A^k / ker A^(k-1)
            decision = replace(decision, decided=False, rival=n - i - blocks[-1])
        decisions.append(decision)
        if nullity == 0:
            break
        turn(S, Q, reflector(Vh[:, rank:].conj().mT), i)
        S[:, i:, i : i + nullity] = 0
        blocks.append(nullity)
        i += nullity
    residual = relative(A @ Q - Q @ S[0], A)
    return NilpotentStaircase(Q, S[0], tuple(blocks), tuple(decisions), residual, noise)


def _exact(A: np.ndarray, form: NilpotentStaircase, error: float) -> NilpotentStaircase:
    """The form with as many of its blocks as A has, and a residual of the size of the error of A."""
    level = _level(len(A), error)
    if form.residual <= level or refinement.nilpotent(form.blocks, len(A))[1].sum() > UNKNOWNS:
        return form
    k, fails, best = len(form.blocks), len(form.blocks) + 1, _with_blocks(A, form, 0, level)
    while k > len(best.blocks):
        trial = _with_blocks(A, form, k, level)
        best, fails = (trial, fails) if trial.residual <= level else (best, k)
        k = (len(best.blocks) + fails) // 2
    return best


def _level(n: int, error: float) -> float:
    """What a form may leave over: E where A + E has it, n roundings, and a digit (0.1 to 0.8 without it, measured)."""
    return SAME_SIZE * max(error, n * EPS)


def _with_blocks(A: np.ndarray, form: NilpotentStaircase, k: int, level: float) -> NilpotentStaircase:
    """The form with the first k blocks only, all of its subspaces refined; the next block, if there is one, is open."""
    blocks, decisions = form.blocks[:k], list(form.decisions)
    if form.decided and k < len(form.blocks):
        decisions[k] = replace(decisions[k], decided=False, rival=len(A) - sum(blocks))
    zeros = refinement.nilpotent(blocks, len(A))
    Q = refinement.refined(A, form.Q, zeros, level / SAME_SIZE)
    A2 = np.where(zeros[0], 0, Q.conj().T @ A @ Q)
    return NilpotentStaircase(Q, A2, blocks, tuple(decisions), relative(A @ Q - Q @ A2, A), form.noise)


def _exact_pair(A: np.ndarray, B: np.ndarray, form: ControllabilityStaircase, error: float) -> ControllabilityStaircase:
    """The form with a residual of the size of the error of (A, B); where there is none, the narrowest rank is open."""
    n, m = B.shape
    level, zeros = _level(n, error), refinement.controllability(form.blocks, n, m)
    if form.residual <= level or zeros[1].sum() > UNKNOWNS:
        return form
    pair = np.zeros((m + n, m + n), A.dtype)
    pair[m:, :m], pair[m:, m:] = B / (two_norm(B) or 1.0), A / (two_norm(A) or 1.0)
    Q = refinement.refined(pair, block_diag(np.eye(m), form.Q), zeros, level / SAME_SIZE)[m:, m:]
    A2, B2 = (np.where(zero, 0, Q.conj().T @ X) for X, zero in ((A @ Q, zeros[0][m:, m:]), (B, zeros[0][m:, :m])))
    residual = max(relative(A @ Q - Q @ A2, A), relative(B - Q @ B2, B))
    decisions = form.decisions
    if residual > level:
        narrow = min(decisions, key=lambda d: d.gap)
        decisions = tuple(replace(d, decided=False) if d is narrow else d for d in decisions)
    return ControllabilityStaircase(Q, A2, B2, form.blocks, decisions, residual, form.noise)


def _controllability(
    A: np.ndarray, B: np.ndarray, rtol: float | None, error: float, twins: int
) -> ControllabilityStaircase:
    n = len(A)
    S, T, Q = with_twins(A, error, twins), with_twins(B, error, twins), np.eye(n, dtype=A.dtype)
    blocks: list[int] = []
    decisions: list[Decision] = []
    i, noise, reached, scale, size = 0, error, T, two_norm(B), two_norm(A)
    while i < n:
        U, s, _ = np.linalg.svd(reached[:, i:], full_matrices=False)
        here = max(error, measured_noise(s, n, scale))
        noise = max(noise, here)
        decisions.append(rank_against(s[0], scale, here, rtol, f"rank of what step {len(blocks) + 1} reaches"))
        rank = decisions[-1].choice
        if rank:
            V = reflector(U[:, :, :rank])
            turn(S, Q, V, i)
            T[:, i:] -= V @ (V.conj().mT @ T[:, i:])
        reached[:, i + rank :] = 0
        if rank == 0:
            break
        blocks.append(rank)
        reached, scale = S[:, :, i : i + rank], size
        i += rank
    residual = max(relative(A @ Q - Q @ S[0], A), relative(B - Q @ T[0], B))
    return ControllabilityStaircase(Q, S[0], T[0], tuple(blocks), tuple(decisions), residual, noise)
