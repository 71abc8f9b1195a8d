"""What makes a form canonical, measured: the same numbers for the library's forms and for yours.

    behaviour      C A^k B, C inv(z I - A) B + D and the Hankel singular values stay
    intertwining   T A = A2 T,   T B = B2,   C = C2 T
    one of a class convert(S system) = convert(system) for S in the form's group
    idempotence    convert(convert(system)) = convert(system)

Two kinds of tolerance.  What rounding under a T of condition k does to a behaviour, relative to
|C| |A^i| |A| |A^j| |B| and its like, is 100 n u k^2, u = 2^-53: k enters once through T and once through
inv(T), and only once into a matrix of the result.  The constant allows for sums in any order; the
errors seen use less than a tenth of it.  A form that would lose more than all but four digits has to
refuse, so nothing beyond LOST is allowed.  How far two results of one form may lie apart depends
on the form at this system (a small pivot, two close eigenvalues), so it is measured: the form is
applied to systems that differ from the given one by as much as rounding the change of basis does.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from realization.canonical.form import CanonicalForm, Conversion, a_form, condition, one, relative, residuals, size
from realization.canonical.reduction import UNIT
from realization.core.errors import StructureError
from realization.linalg.dense import spectral_abscissa, spectral_radius
from realization.linalg.gramians import continuous_hankel_singular_values, hankel_singular_values
from realization.linalg.lyapunov import continuous_lyapunov, discrete_lyapunov
from realization.systems.compose import similar
from realization.systems.continuous import ContinuousSSM
from realization.systems.families import conditioned
from realization.systems.responses import evaluate, markov_parameters

KAPPA = 10.0  # of the random change of basis
LOST = 1e-4


class Check(NamedTuple):
    """One property of a form at one system: what was measured, and how much of it rounding explains.

    Parameters
    ----------
    name : str
        The property.
    measured, allowed : float
        Relative, 0 for a form without rounding; infinite where nothing is comparable.
    """

    name: str
    measured: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether measured <= allowed; NaN does not pass."""
        return self.measured <= self.allowed

    @property
    def decides(self) -> bool:
        """Whether an error of a tenth would have been seen."""
        return self.allowed < 0.1


def check_form(form: CanonicalForm, system: Any, *, rng: Any = None) -> list[Check]:
    """Return what was measured, and what is allowed, for each property of a canonical form at a system.

    Parameters
    ----------
    form : CanonicalForm
        Any form, registered or not.
    system : LinearSSM or ContinuousSSM
        One system, without batch axes.
    rng : seed or Generator, optional
        Of the changes of basis.

    Returns
    -------
    list of Check
        All of them `passed` where the form is what it says it is.

    Raises
    ------
    StructureError
        If the form refuses the system.

    Examples
    --------
    >>> from realization.canonical import FORMS, check_form
    >>> from realization.systems import LinearSSM
    >>> system = LinearSSM(A=[[0.5, 0.2], [0, -0.3]], B=[[1], [1]], C=[[1, 0]], D=[[0]])
    >>> [check for check in check_form(FORMS["hessenberg"], system, rng=0) if not check.passed]
    []
    """
    rng = np.random.default_rng(rng)
    found = a_form(form).convert(one(system))
    n, n2 = len(system.A), len(found.system.A)
    if n2 != n or found.T.shape != (n, n):
        return [Check("same number of states", float(max(abs(n2 - n), *np.abs(np.subtract(found.T.shape, n)))), 0.0)]
    # what was decided to be 0 is 0 in the result
    zeros = [d for d in found.decisions if d.decided and 0 < d.choice < len(d.values)]
    dropped = max((d.values[d.choice] / d.values[0] for d in zeros), default=0)
    once, twice = (tolerance(n, k) + dropped * k for k in (found.condition, found.condition**2))
    return [
        Check("shape of the form", form.defect(found.system), once),
        Check("D stays", size(found.system.D - system.D), 0.0),
        Check("T A = A2 T, T B = B2, C = C2 T", max(residuals(system, found.system, found.T)), once),
        Check("Markov parameters", markov_distance(system, found.system), twice),
        Check("transfer function", transfer_distance(system, found.system), twice),
        *_hankel(system, found),
        Check("round trip", distance(_back(found), system), twice),
        *_uniqueness(form, system, found, rng),
    ]


def _uniqueness(form: CanonicalForm, system: Any, found: Conversion, rng: np.random.Generator) -> list[Check]:
    kappa, moved = _elsewhere(form, system, rng)
    try:
        other, again = form.convert(moved), form.convert(found.system)
    except StructureError:
        # no fault where rounding alone is enough for a refusal
        return [Check("taken in every basis", 1.0, 2.0 if np.isinf(spread(form, system, kappa**2, rng)) else 0.0)]
    if found.freedom or other.freedom or again.freedom:
        # where a basis leaves a choice, each result answers for the T that it chose
        worst = max(found.condition, other.condition, again.condition)
        law = tolerance(len(system.A), (kappa * worst) ** 2)
        return [
            Check("invariants in another basis", _invariants(form, found, other), law),
            Check("invariants, converted twice", _invariants(form, found, again), law),
        ]
    law = tolerance(len(system.A), kappa * found.condition)
    moves, settles = distance(found.system, other.system), distance(found.system, again.system)
    growth = kappa * max(1.0, relative(system.A, size(moved.A)))
    return [
        Check("the same from another basis", moves, law + spread(form, moved, growth, rng)),
        Check("idempotent", settles, law + spread(form, found.system, 1.0, rng)),
    ]


def _elsewhere(form: CanonicalForm, system: Any, rng: np.random.Generator) -> tuple[float, Any]:
    """Return the system in a random basis of the form's group, and the condition of that basis."""
    n = len(system.A)
    if form.group != "unimodular":
        kappa = 1.0 if form.group == "orthogonal" else KAPPA
        return kappa, similar(system, conditioned(n, kappa, rng=rng))
    S, inverse = np.eye(n), np.eye(n)
    for _ in range(n if n > 1 else 0):
        i, j = rng.choice(n, 2, replace=False)
        sign = rng.choice([-1, 1])
        # integers: no rounding in either, as long as the entries stay below 2^53
        S[i] += sign * S[j]
        inverse[:, j] -= sign * inverse[:, i]
    moved = dataclasses.replace(system, A=S @ system.A @ inverse, B=S @ system.B, C=system.C @ inverse)
    return condition(S), moved


def _invariants(form: CanonicalForm, one: Conversion, other: Conversion) -> float:
    """Return the largest of: defect, distance of the behaviours, any difference of what both have decided."""
    differs = any(
        a.choice != b.choice for a, b in zip(one.decisions, other.decisions, strict=False) if a.decided and b.decided
    )
    return max(form.defect(other.system), markov_distance(one.system, other.system), float(differs))


def tolerance(n: int, growth: float) -> float:
    """Return 100 n u growth, or LOST where that is less."""
    return min(100 * max(n, 1) * UNIT * growth, LOST)


def spread(form: CanonicalForm, system: Any, growth: float, rng: Any = None) -> float:
    """Return how far the result moves when the entries are known to n u growth.

    Rounding S A inv(S), S of condition k, moves it by n u k |A|, which is growth = k |A| / |S A inv(S)| or
    1 where that is more; in the old coordinates that is k^2 at worst.  Three random moves of that size are
    tried; times 10, since a random direction is not the worst.  Infinite where such a move makes the
    form refuse or decide otherwise, or moves the result by a tenth: nothing is comparable there.
    0 where the group is unimodular: its changes of basis are not rounded.

    Parameters
    ----------
    form, system, rng
        As in `check_form`.
    growth : float
        How much more than n u the entries may be off, relative.

    Returns
    -------
    float
        A distance of results, relative.
    """
    if form.group == "unimodular":
        return 0.0
    rng = np.random.default_rng(rng)
    step = max(len(system.A), 1) * UNIT * growth
    base, largest = form.convert(system), 0.0
    for _ in range(3):
        try:
            near = form.convert(_rounded(system, step, rng))
        except StructureError:
            return np.inf
        if [d.choice for d in near.decisions] != [d.choice for d in base.decisions] or near.freedom:
            return np.inf
        largest = max(largest, distance(base.system, near.system))
    return 10 * largest if 10 * largest < 0.1 else np.inf


def _rounded(system: Any, step: float, rng: np.random.Generator) -> Any:
    """Return the system moved as rounding would: A as a whole, every input and every output by itself."""

    def moved(X: np.ndarray, axis: int | None) -> np.ndarray:
        return X + step * np.linalg.norm(X, axis=axis, keepdims=True) * rng.standard_normal(X.shape) / max(len(X), 1)

    return dataclasses.replace(system, A=moved(system.A, None), B=moved(system.B, 0), C=moved(system.C, 1))


def distance(a: Any, b: Any) -> float:
    """Return the largest of |A_a - A_b|, |B_a - B_b|, |C_a - C_b|, each relative to the larger of the two."""
    pairs = [(getattr(a, name), getattr(b, name)) for name in "ABC"]
    return max(relative(X - Y, max(size(X), size(Y))) for X, Y in pairs)


def _back(found: Conversion) -> Any:
    """Return the system in the old coordinates x, z = T x."""
    new, T = found.system, found.T
    A, B = np.linalg.solve(T, new.A @ T), np.linalg.solve(T, new.B)
    return dataclasses.replace(new, A=A, B=B, C=new.C @ T)


def markov_distance(a: Any, b: Any) -> float:
    """Return the largest |C A^k B - C2 A2^k B2| for k <= 2 n, relative to |C| |A^i| |A| |A^j| |B| of a, i + j < 2 n.

    That is what an error of A does to a power of it, and more than the largest |A^k| where A is not normal.
    """
    n = len(a.A)
    powers = markov_parameters(dataclasses.replace(a, B=np.eye(n), C=np.eye(n), D=np.eye(n)), 2 * n + 2)[1:]
    sizes = np.array([size(X) for X in powers])
    i, j = np.indices((2 * n, 2 * n))
    through = (sizes[: 2 * n, None] * sizes[: 2 * n])[i + j < 2 * n].max(initial=0.0) * size(a.A)
    scale = size(a.C) * size(a.B) * max(through, sizes[0])
    h, g = (markov_parameters(each, 2 * n + 2)[1:] for each in (a, b))
    return max(relative(X - Y, scale) for X, Y in zip(h, g, strict=True))


def transfer_distance(a: Any, b: Any) -> float:
    """Return the largest |H_a(z) - H_b(z)| on the circle of radius 1 + spectral radius of A.

    Relative to |C| |R| |z I - A| |R| |B|, R = inv(z I - A): what rounding of z I - A does to H_a.
    """
    n = len(a.A)
    points = (1 + spectral_radius(a.A)) * np.exp(1j * np.linspace(0, np.pi, 9))
    resolvents = evaluate(dataclasses.replace(a, B=np.eye(n), C=np.eye(n), D=np.zeros((n, n))), points)
    H, G = evaluate(a, points), evaluate(b, points)
    scales = [
        size(a.C) * size(R) ** 2 * size(z * np.eye(n) - a.A) * size(a.B)
        for z, R in zip(points, resolvents, strict=True)
    ]
    return max(relative(X - Y, scale) for X, Y, scale in zip(H, G, scales, strict=True))


def _hankel(system: Any, found: Conversion) -> list[Check]:
    """Compare Hankel singular values, where the system is stable and rounding lets them be compared."""
    continuous = isinstance(system, ContinuousSSM)
    # a margin, so that stability is no question of rounding
    stable = spectral_abscissa(system.A) < -1e-3 if continuous else spectral_radius(system.A) < 1 - 1e-3
    if not stable or not len(system.A):
        return []
    values = continuous_hankel_singular_values if continuous else hankel_singular_values
    lyapunov = continuous_lyapunov if continuous else discrete_lyapunov
    try:
        reached, seen = (lyapunov(A, X @ X.conj().T) for A, X in ((system.A, system.B), (system.A.T, system.C.T)))
    except StructureError:
        # the Gramians are beyond double precision in this basis
        return []
    sigma = values(system.A, system.B, system.C)
    # |L| |M| bounds sigma; the Gramians move by the condition of their equations
    scale = np.sqrt(size(reached.X) * size(seen.X)) * max(reached.condition, seen.condition)
    allowed = tolerance(len(system.A), found.condition**2) * scale / max(sigma[0], np.finfo(float).tiny)
    if not allowed < 0.1:
        return []
    other = values(found.system.A, found.system.B, found.system.C)
    return [Check("Hankel singular values", relative(sigma - other, sigma[0]), allowed)]
