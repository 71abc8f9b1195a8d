"""Decay of systems whose transition depends on the input: proved for every input of a set, or refuted by one.

    x(t+1) = A(u(t)) x(t) + ...,      A(u) = A + sum_i u_i N_i,      u(t) in a polytope

Two runs with one input forget where they began at the joint spectral radius of the vertices.
That number cannot be computed in general; it is enclosed.  From above, by one norm in which
every vertex, or every product of several, contracts,

    A_w' P A_w <= q^2 P   for all words w of one length;

from below, by the spectral radius of a product: an input that repeats it does not forget faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Literal

import numpy as np

from realization.core.errors import RealizationError
from realization.linalg.arguments import LARGEST_FACTOR
from realization.linalg.arguments import matrices as arrays
from realization.linalg.certificate import real
from realization.linalg.decision import decide_rank
from realization.linalg.dense import balance, spectral_radius
from realization.linalg.quadratic_norm import QuadraticNorm, contraction_bound
from realization.linalg.radius import RadiusBounds, acyclic, joint_spectral_radius
from realization.memory.eidetic import unit
from realization.memory.fading import RATES, Decay, decay_envelope, in_rationals, proved_decay
from realization.memory.modes import doubt

NO_NORM = QuadraticNorm(np.zeros((0, 0)), np.inf, np.inf)  # where none is asked for
ROOM = 2.0**-30  # a bound that one check proves is proved by the other within this

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
        The length; the largest norm; the proved rate; the lower bound, 1 or more up to rounding; the upper bound.
    lower : float
        The joint spectral radius is at least that, up to the rounding of eigenvalues.
    word : tuple of int
        The product that says so, first step first: its spectral radius to the power 1 / length is `lower`.
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
            "contraction": f"guaranteed by contraction: rate {number}, though a single step need not shrink",
            "none": f"not guaranteed: a product of {len(self.word)} steps has growth {number} a step"
            + (", which is 1 up to rounding, need < 1" if self.number < 1 else ", need < 1"),
            "undecided": f"undecided: growth between {self.lower:.10g} and {number} a step, and no envelope is proved",
        }[self.kind]


def guarantee(matrices: np.ndarray, *, precision: float = 2.0**-24) -> Guarantee:
    """Return what can be proved of the decay of all products of the matrices.

    Parameters
    ----------
    matrices : array_like
        (k, n, n): the vertices of a polytope, whose points behave no worse.
    precision : float
        Where the window ends by which one of several envelopes is chosen.

    Returns
    -------
    Guarantee
        The strongest statement that holds.

    Raises
    ------
    ShapeError
        If the matrices are not square, or an entry is not finite.

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
    family = real(*arrays("matrices: k n n", matrices=matrices))
    if not family.size:  # no state, nothing to forget
        return Guarantee("finite", 0, 0.0, (), 0.0, None)
    kept = np.sort(np.unique(family, axis=0, return_index=True)[1])  # each matrix once, in the order given
    family = family[kept]
    index = nilpotent_algebra(family)
    if index is None and np.abs(_even(family)[0]).max() > LARGEST_FACTOR:
        return Guarantee("undecided", np.inf, 0.0, (), np.inf, None)
    norm = contraction_bound(family, np.eye(family.shape[-1])) if np.abs(family).max() <= LARGEST_FACTOR else np.inf
    bounds = RadiusBounds(0.0, 0.0, (), 0, NO_NORM, 1.0) if index is not None else _bounds(family)
    decay = _best(_norms(family, norm, bounds, index), family, bounds, precision)
    product = reduce(lambda done, i: family[i] @ done, bounds.word, np.eye(family.shape[-1]))
    radius, length = spectral_radius(product), max(len(bounds.word), 1)
    known = partial(Guarantee, lower=bounds.lower, word=tuple(kept[list(bounds.word)].tolist()), norm=norm, decay=decay)
    if index is not None:
        return known("finite", index)
    if norm < 1:
        return known("per step", norm)
    if decay is not None:
        return known("contraction", decay.rate)
    # the eigenvalue of a product is known up to its doubt: an integrator has 1 after rounding, more or less
    if radius >= 1 - doubt(product):
        return known("none", radius ** (1 / length))
    return known("undecided", bounds.upper)


def _bounds(family: np.ndarray) -> RadiusBounds:
    """Those of the joint spectral radius; of one matrix, that is its own."""
    if len(family) > 1:
        even, units = _even(family)  # the search for a norm has no room for units far apart
        bounds = joint_spectral_radius(even)
        norm = replace(bounds.norm, P=bounds.norm.P / units / units[:, None])
        return replace(bounds, norm=norm, constant=bounds.constant * units.max() / units.min())
    radius = spectral_radius(family[0])
    return RadiusBounds(radius, radius + doubt(family[0]), (0,), 1, NO_NORM, np.inf)


def _even(family: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inv(D) A_i D in units D, powers of two, that even out the rows and columns of all, and the diagonal."""
    units = balance(np.abs(family).sum(axis=0))[1]
    return family * units / units[:, None], units


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
    twice = 2 if any(len(d.P) > len(states) for (states, _), d in zip(parts, decays, strict=True)) else 1
    P = np.zeros((twice * n, twice * n))  # of a complex system real parts come first, as in `real`
    for (states, _), decay in zip(parts, decays, strict=True):
        rows = np.concatenate([states + k * n for k in range(twice)])
        P[np.ix_(rows, rows)] = decay.P
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
    if n:  # ranks do not see the units
        family = unit(_even(family)[0].reshape(-1, n)).reshape(family.shape)
    V, scale = np.eye(n), float(np.abs(family).max(initial=0.0))
    for k in range(n + 1):
        if not V.size:
            return k
        images = np.concatenate([F @ V for F in family], axis=1)
        if exact:
            V = unit(images[:, images.any(axis=0)])
            continue
        W, s, _ = np.linalg.svd(images, full_matrices=False)
        rank = decide_rank(s, scale=scale or 1.0)
        if not rank.decided or rank.choice == V.shape[1]:
            return None
        V = W[:, : rank.choice]
    return None


Norms = list[tuple[np.ndarray, float]]  # P, and a rate at which all steps may contract in its norm


def _norms(family: np.ndarray, norm: float, bounds: RadiusBounds, index: int | None) -> Norms:
    """What may prove decay: the 2-norm, a common quadratic norm; and of a nilpotent algebra a sum that ends."""
    I = np.eye(family.shape[-1])
    if index is not None:
        return [(_nilpotent_norm(family, index, rate), rate) for rate in RATES]
    if len(family) == 1:  # its own envelope is found by `decay_envelope`
        return []
    return [(I, norm), (bounds.norm.P, bounds.norm.bound * (1 + ROOM))]


def _nilpotent_norm(family: np.ndarray, index: int, rate: float) -> np.ndarray:
    """P = sum over words w of less than `index` steps of A_w' A_w / rate^2|w|: P - I = sum_i A_i' P A_i / rate^2."""
    I = P = np.eye(family.shape[-1])
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows proves nothing
        for _ in range(index):
            P = I + (np.swapaxes(family, 1, 2) @ P @ family).sum(axis=0) / rate**2
    return (P + P.T) / 2


def _best(norms: Norms, family: np.ndarray, bounds: RadiusBounds, precision: float) -> Decay | None:
    """The envelope with the shortest window that a norm or products prove."""
    if len(family) == 1 and not norms:
        try:
            return decay_envelope(family[0], precision=precision)
        except RealizationError:
            return None
    I = np.eye(family.shape[-1])
    found = [proved_decay(P, rate, family, I, I) for P, rate in norms if 0 < rate < 1]
    if bounds.word and bounds.upper < 1:
        entry = float(np.sqrt(np.linalg.norm(bounds.norm.P, 2)))
        c, word = bounds.constant * (1 + ROOM), bounds.depth if bounds.upper < bounds.norm.bound else 1
        found.append(Decay(bounds.upper, c, entry, c / entry, bounds.norm.P, "margin", word))
    proved = [decay for decay in found if decay is not None]
    if not proved:
        return None
    best = min(proved, key=lambda d: (d.window(precision), d.c))
    return in_rationals(best, family, I, I) if best.word == 1 else best
