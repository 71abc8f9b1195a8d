"""Decay of systems whose transition depends on the input: proved for every input of a set, or refuted by one.

    x(t+1) = A(u(t)) x(t) + ...,      A(u) = A + sum_i u_i N_i,      u(t) in a polytope

Two runs with one input forget where they began at the joint spectral radius of the vertices.
That number cannot be computed in general; it is enclosed.  From above, by one norm in which
every vertex, or every product of several, contracts,

    A_w' P A_w <= q^2 P   for all words w of one length;

from below, by the spectral radius of a product: an input that repeats it does not forget faster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.linalg

from realization.core.errors import RealizationError
from realization.linalg.decision import decide_rank
from realization.memory.certificate import U, certainly_below
from realization.memory.eidetic import acyclic
from realization.memory.fading import Decay, decay_envelope, in_rationals, proved_decay, real
from realization.memory.modes import doubt

WORDS = 1024  # products that are looked at

Kind = Literal["finite", "per step", "contraction", "none", "undecided"]


@dataclass(frozen=True, slots=True, eq=False)
class Guarantee:
    """What is known of the decay of all products of a set of matrices.

    Parameters
    ----------
    kind : {"finite", "per step", "contraction", "none", "undecided"}
        All products of some length vanish; every matrix has norm below 1; products decay, though
        single steps may grow; some product does not decay; neither was found.
    number : float
        The length; the largest norm; the proved rate; the lower bound, at least 1; the upper bound.
    lower : float
        The joint spectral radius is at least that, up to the rounding of eigenvalues.
    word : tuple of int
        The product that says so: its spectral radius to the power 1 / length is `lower`.
    norm : float
        No single step has a larger norm; infinite where that cannot be proved.
    decay : Decay or None
        The proved envelope of |A(t) ... A(1)|, where there is one.
    """

    kind: Kind
    number: float
    lower: float
    word: tuple[int, ...]
    norm: float
    decay: Decay | None

    def __str__(self) -> str:
        number = f"{self.number:.10g}"
        return {
            "finite": f"finite: every product of {number} steps is 0",
            "per step": f"guaranteed per step: no step has a norm above {number}",
            "contraction": f"guaranteed by contraction: rate {number}, though a step may grow",
            "none": f"not guaranteed: a product of {len(self.word)} steps has growth {number} a step, need < 1",
            "undecided": f"undecided: the joint spectral radius is between {self.lower:.10g} and {number}",
        }[self.kind]


def guarantee(matrices: np.ndarray, *, precision: float = 2.0**-24) -> Guarantee:
    """Return what can be proved of the decay of all products of the matrices.

    Parameters
    ----------
    matrices : ndarray
        (k, n, n), k >= 1: the vertices of a polytope, whose points behave no worse.
    precision : float
        Where the window ends by which one of several envelopes is chosen.

    Returns
    -------
    Guarantee
        The strongest statement that holds.

    References
    ----------
    Blondel and Nesterov 2005 for quadratic norms; Rota and Strang 1960 for the joint spectral radius.

    Examples
    --------
    Each of two nilpotent matrices vanishes when squared; their product does not decay at all.

    >>> up, down = np.eye(2, k=1), np.eye(2, k=-1)
    >>> print(guarantee(np.array([up, up])))
    finite: every product of 2 steps is 0
    >>> print(guarantee(np.array([up, down])))
    not guaranteed: a product of 2 steps has growth 1 a step, need < 1
    """
    family = real(np.asarray(matrices))
    if not family.size:  # no state, nothing to forget
        return Guarantee("finite", 0, 0.0, (), 0.0, None)
    family = np.unique(family, axis=0)
    index = nilpotent_algebra(family)
    lower, word = (0.0, ()) if index is not None else growth(family)
    decay, norm = _proved(family, lower, precision), step_norm(family)
    # eigenvalues of a product are known up to its doubt
    grows = lower >= 1 - doubt(word_product(family, word)) / max(len(word), 1)
    kind: Kind = (
        "finite" if index is not None
        else "per step" if norm < 1
        else "contraction" if decay is not None
        else "none" if grows
        else "undecided"
    )  # fmt: skip
    number = {
        "finite": index, "per step": norm, "contraction": decay and decay.rate, "none": lower,
        "undecided": upper_bound(family) if kind == "undecided" else None,
    }[kind]  # fmt: skip
    return Guarantee(kind, float(number or 0), lower, word, norm, decay)


def whole(parts: Sequence[tuple[np.ndarray, Guarantee]], n: int) -> Guarantee:
    """Return the guarantee of a system that consists of independent parts.

    Parameters
    ----------
    parts : sequence of (ndarray, Guarantee)
        The states of each part, and what is known of it.
    n : int
        States of the whole.

    Returns
    -------
    Guarantee
        That of the weakest part; the envelope is one for all.
    """
    known = [part for _, part in parts]
    weak = [g for kind in ("none", "undecided") for g in known if g.kind == kind]
    if weak:
        worst = max((g for g in weak if g.kind == weak[0].kind), key=lambda g: g.number)
        return replace(worst, norm=max(g.norm for g in known), decay=None)
    norm = max((g.norm for g in known), default=0.0)
    slowest = max(known, key=lambda g: g.lower, default=Guarantee("finite", 0, 0.0, (), 0.0, None))
    decay = _joined([(states, g.decay) for states, g in parts], n)
    lasting = [g for g in known if g.kind != "finite"]
    if not lasting:
        return replace(slowest, number=max((g.number for g in known), default=0), norm=norm, decay=decay)
    if norm < 1:
        return replace(slowest, kind="per step", number=norm, norm=norm, decay=decay)
    rate = max(g.decay.rate for g in lasting if g.decay is not None)
    return replace(slowest, kind="contraction", number=rate, norm=norm, decay=decay)


def _joined(parts: Sequence[tuple[np.ndarray, Decay | None]], n: int) -> Decay | None:
    """One envelope for independent parts: the norm of the whole is that of its largest part."""
    decays = [decay for _, decay in parts if decay is not None]
    if not decays or len(decays) < len(parts):
        return None
    P = np.zeros((n, n))
    for (states, _), decay in zip(parts, decays, strict=True):
        P[np.ix_(states, states)] = decay.P
    proof = min((d.proof for d in decays), key="margin rational".index)
    rate, c, entry, exit, word = np.max([(d.rate, d.c, d.entry, d.exit, d.word) for d in decays], axis=0).tolist()
    return Decay(rate, c, entry, exit, P, proof, int(word))


def nilpotent_algebra(family: np.ndarray) -> int | None:
    """Return the least L for which all products of L matrices vanish, or None.

    The images shrink: V_0 is everything, V_(k+1) = sum_i A_i V_k, and L is the step that
    reaches 0.  Each matrix being nilpotent is not enough: their products need not be.

    Parameters
    ----------
    family : ndarray
        (k, n, n), real.

    Returns
    -------
    int or None
        None also where a rank on the way is undecided.
    """
    n = family.shape[-1]
    exact = acyclic((family != 0).any(axis=0))  # then nothing is decided: products are 0 entry by entry
    if n:  # by powers of two, which is exact: ranks do not see the units
        units = np.diag(scipy.linalg.matrix_balance(np.abs(family).sum(axis=0), permute=False)[1])
        family = family * units / units[:, None]
    V, scale = np.eye(n), float(np.abs(family).max(initial=0.0))
    for k in range(n + 1):
        if not V.size:
            return k
        images = np.concatenate([F @ V for F in family], axis=1)
        if exact:
            V = images[:, images.any(axis=0)]
            continue
        W, s, _ = np.linalg.svd(images, full_matrices=False)
        rank = decide_rank(s, scale=max(scale, U))
        if not rank.decided or rank.choice == V.shape[1]:
            return None
        V = W[:, : rank.choice]
    return None


def growth(family: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """Return the largest spectral radius(product)^(1/length) of short products, and the word (first step first)."""
    best: float = 0.0
    word: tuple[int, ...] = ()
    for length, products in enumerate(_products(family), start=1):
        sizes = np.abs(np.linalg.eigvals(products)).max(axis=-1, initial=0.0) ** (1 / length)
        i = int(sizes.argmax())
        if sizes[i] > best * (1 + 1e-12) or not word:  # a power of a word is no better than the word
            best = float(sizes[i])
            word = tuple(int(d) for d in np.unravel_index(i, (len(family),) * length))[::-1]
    return best, word


def word_product(family: np.ndarray, word: tuple[int, ...]) -> np.ndarray:
    """Return the product of a word, first step on the right."""
    product = np.eye(family.shape[-1])
    for i in word:
        product = family[i] @ product
    return product


def step_norm(family: np.ndarray) -> float:
    """Return a proved bound on the 2-norm of every matrix; infinite where it cannot be proved."""
    norm, n = float(np.linalg.norm(family, 2, axis=(1, 2)).max(initial=0.0)) if family.size else 0.0, family.shape[-1]
    sizes = (max(norm, U) * (1 + 2.0**-k) for k in (40, 30, 20, 10))
    return next((q for q in sizes if all(certainly_below(np.eye(n), q, F) for F in family)), math.inf)


def upper_bound(family: np.ndarray) -> float:
    """Return min over lengths of max |product|^(1/length) in a good quadratic norm, up to rounding."""
    L = np.linalg.cholesky(common_norm(family))
    turned = np.stack([scipy.linalg.solve_triangular(L, (L.T @ F).T, lower=True).T for F in family])
    return min(
        float(np.linalg.norm(products, 2, axis=(1, 2)).max() ** (1 / length))
        for length, products in enumerate(_products(turned), start=1)
    )


def common_norm(family: np.ndarray, *, rounds: int = 200) -> np.ndarray:
    """Return P, of norm 1, in whose norm the largest |A_i|_P is small.

    P is the dominant eigenvector of P -> sum_i w_i A_i' P A_i; a matrix that still grows in
    its norm gets more weight in the next round (multiplicative weights).

    Parameters
    ----------
    family : ndarray
        (k, n, n), real.
    rounds : int
        Iterations.

    Returns
    -------
    ndarray
        (n, n), positive definite.
    """
    # P is the same for any multiple, and nothing overflows
    family, n = family / max(float(np.abs(family).max(initial=0.0)), U), family.shape[-1]
    P, best, weights = np.eye(n), (math.inf, np.eye(n)), np.full(len(family), 1.0 / len(family))
    for _ in range(rounds):
        images = np.swapaxes(family, 1, 2) @ P @ family
        # |A_i|_P^2 are the eigenvalues of the pencil (A_i' P A_i, P)
        L = np.linalg.cholesky(P)
        half = np.linalg.solve(L, images)
        sizes = np.linalg.norm(np.linalg.solve(L, np.swapaxes(half, 1, 2)), 2, axis=(1, 2))
        best = min(best, (float(sizes.max()), P), key=lambda pair: pair[0])
        if sizes.max() == 0:
            break
        weights = weights * (sizes / sizes.max() + 1e-3)
        weights /= weights.sum()
        mean = np.tensordot(weights, images, axes=1)
        # a little of the identity keeps P away from singular
        P = mean / np.trace(mean) + 1e-6 * np.eye(n) / n
        P = (P + P.T) / 2
    return best[1]


def _proved(family: np.ndarray, lower: float, precision: float) -> Decay | None:
    """The envelope with the shortest window that a norm, a common norm or products prove."""
    n = family.shape[-1]
    if lower >= 1 or not np.isfinite(family).all():
        return None
    if len(family) == 1:
        try:
            return decay_envelope(family[0], precision=precision)
        except RealizationError:
            return None
    I = np.eye(n)
    norm = step_norm(family)
    found = [proved_decay(I, norm, family, I, I)] if norm < 1 else []
    P = common_norm(family)
    for length in range(1, _longest(len(family)) + 1):
        decay = _by_words(P, family, length, lower)
        found.append(decay)
        if decay is not None and decay.rate < (1 + 3 * lower) / 4:  # longer words gain little more
            break
    proved = [decay for decay in found if decay is not None]
    if not proved:
        return None
    best = min(proved, key=lambda d: (d.window(precision), d.c))
    return in_rationals(best, family, I, I) if best.word == 1 else best


def _by_words(P: np.ndarray, family: np.ndarray, length: int, lower: float) -> Decay | None:
    """Decay in the norm of P, in which all words of one length contract together."""
    n, I = len(P), np.eye(len(P))
    products = _words(family, length)
    sizes = _words(np.abs(family), length)
    # a product of so many factors is off by gamma_(n length) times that of the sizes
    spread = sizes * (2 * n * length * U)
    L = np.linalg.cholesky(P)
    turned = np.linalg.solve(L, np.swapaxes(L.T @ products, 1, 2))
    start = float(np.linalg.norm(turned, 2, axis=(1, 2)).max())
    exact = length == 1
    q = next(
        (
            s
            for s in (max(start, lower**length, U) * (1 + 2.0**-k) for k in (40, 30, 20, 10))
            if s < 1
            and all(
                certainly_below(P, s, F, spread=None if exact else E) for F, E in zip(products, spread, strict=True)
            )
        ),
        None,
    )
    if q is None:
        return None
    if exact:
        return proved_decay(P, q, family, I, I)
    one = proved_decay(P, _grown(P, family), family, I, I)
    if one is None:
        return None
    rate = float(np.nextafter(q ** (1 / length) * (1 + 4 * U), 2))
    grown = max(1.0, (one.rate / rate) ** (length - 1)) * (1 + 8 * length * U)
    return replace(one, rate=rate, c=one.c * grown, word=length)


def _grown(P: np.ndarray, family: np.ndarray) -> float:
    """By how much a single step may grow in the norm of P, with room for the proof."""
    L = np.linalg.cholesky(P)
    turned = np.linalg.solve(L, np.swapaxes(L.T @ family, 1, 2))
    return float(np.linalg.norm(turned, 2, axis=(1, 2)).max()) * (1 + 2.0**-20)


def _products(family: np.ndarray) -> list[np.ndarray]:
    """All products of 1, 2, ... matrices, while there are not too many."""
    return [_words(family, length) for length in range(1, _longest(len(family)) + 1)]


def _longest(k: int) -> int:
    return 8 if k == 1 else max(1, int(math.log(WORDS) / math.log(k) + 1e-9))


def _words(family: np.ndarray, length: int) -> np.ndarray:
    """All products A_i1 ... A_iL, (k^L, n, n), in the order of their indices."""
    products = family
    for _ in range(length - 1):
        products = (products[:, None] @ family[None]).reshape(-1, *family.shape[1:])
    return products
