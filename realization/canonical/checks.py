"""What makes a form canonical, measured: the same numbers for the library's forms and for yours.

    behaviour      C A^k B, C inv(z I - A) B + D and the Hankel singular values stay
    intertwining   T A = A2 T,   T B = B2,   C = C2 T
    one of a class convert(S system) = convert(system) for S in the form's group
    idempotence    convert(convert(system)) = convert(system)

Two kinds of tolerance.  What rounding under a T of condition k does to a behaviour is
100 n u k^2 max(1, |A|), u = 2^-53: k enters once through T and once through inv(T), and only
once into a matrix of the result.  The constant allows for sums in any order; the errors seen
use a fiftieth of it.  How far two results of one form may lie apart depends on the form at this
system (a small pivot, two close eigenvalues), so it is measured: the form is applied to systems
that differ from the given one by as much as rounding the change of basis does.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from realization.canonical.form import CanonicalForm, Conversion, one, relative, residuals, right_solve, size
from realization.core.errors import StructureError

U = 2.0**-53
KAPPA = 10.0  # of the random change of basis


class Check(NamedTuple):
    """One property of a form at one system: what was measured, and how much of it rounding explains."""

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
    found = form.convert(one(system))
    n, n2 = len(system.A), len(found.system.A)
    if n2 != n or found.T.shape != (n, n):
        return [Check("same number of states", float(max(abs(n2 - n), *np.abs(np.subtract(found.T.shape, n)))), 0.0)]
    once, twice = tolerance(system, found.condition), tolerance(system, found.condition**2)
    return [
        Check("shape of the form", form.defect(found.system), once),
        Check("D stays", size(found.system.D - system.D), 0.0),
        Check("T A = A2 T, T B = B2, C = C2 T", max(residuals(system, found.system, found.T)), once),
        Check("Markov parameters", markov_distance(system, found.system), twice),
        Check("transfer function", transfer_distance(system, found.system), twice),
        Check("round trip", distance(moved_back(found.system, found.T), system), twice),
        *_uniqueness(form, system, found, rng),
    ]


def _uniqueness(form: CanonicalForm, system: Any, found: Conversion, rng: np.random.Generator) -> list[Check]:
    kappa = 1.0 if form.group == "orthogonal" else KAPPA
    other = form.convert(moved(system, random_similarity(len(system.A), kappa, rng)))
    again = form.convert(found.system)
    if found.freedom or other.freedom or again.freedom:
        law = tolerance(system, (kappa * found.condition) ** 2)
        return [
            Check("invariants in another basis", _invariants(form, found, other), law),
            Check("invariants, converted twice", _invariants(form, found, again), law),
        ]
    law = tolerance(system, kappa * found.condition)
    moves, settles = distance(found.system, other.system), distance(found.system, again.system)
    return [
        Check("the same from another basis", moves, law + spread(form, system, kappa, rng)),
        Check("idempotent", settles, law + spread(form, found.system, 1.0, rng)),
    ]


def _invariants(form: CanonicalForm, one: Conversion, other: Conversion) -> float:
    """Return the largest of: defect, distance of the behaviours, any difference of the decisions."""
    decided = [[d.choice for d in each.decisions] for each in (one, other)]
    return max(form.defect(other.system), markov_distance(one.system, other.system), float(decided[0] != decided[1]))


def tolerance(system: Any, growth: float) -> float:
    """Return 100 n u growth max(1, |A|)."""
    return 100 * max(len(system.A), 1) * U * growth * max(1.0, size(system.A))


def spread(form: CanonicalForm, system: Any, kappa: float, rng: Any = None) -> float:
    """Return how far the result moves when a change of basis of condition kappa is rounded.

    Rounding S A inv(S) is the same as moving A by c n u kappa^2 |A| first.  Three random moves
    of four times n u kappa^2 are tried; times 10, since a random direction is not the worst.
    Infinite where such a move makes the form refuse or decide otherwise: nothing is comparable there.

    Parameters
    ----------
    form, system, rng
        As in `check_form`.
    kappa : float
        Condition of the change of basis.

    Returns
    -------
    float
        A distance of results, relative.
    """
    rng = np.random.default_rng(rng)
    step = 4 * max(len(system.A), 1) * U * kappa**2
    base, largest = form.convert(system), 0.0
    for _ in range(3):
        E = {name: _noise(getattr(system, name), step, rng) for name in "ABC"}
        try:
            near = form.convert(dataclasses.replace(system, **E))
        except StructureError:
            return np.inf
        if [d.choice for d in near.decisions] != [d.choice for d in base.decisions] or near.freedom:
            return np.inf
        largest = max(largest, distance(base.system, near.system))
    return 10 * largest


def _noise(X: np.ndarray, step: float, rng: np.random.Generator) -> np.ndarray:
    E = rng.standard_normal(X.shape)
    return X + step * size(X) * E / max(size(E), 1.0)


def distance(a: Any, b: Any) -> float:
    """Return the largest of |A_a - A_b|, |B_a - B_b|, |C_a - C_b|, each relative to the larger of the two."""
    pairs = [(getattr(a, name), getattr(b, name)) for name in "ABC"]
    return max(relative(X - Y, max(size(X), size(Y))) for X, Y in pairs)


def markov_distance(a: Any, b: Any) -> float:
    """Return the largest |C A^k B - C2 A2^k B2| for k <= 2 n + 1, relative to the largest |C| |A^k| |B| of a."""
    steps = 2 * max(len(a.A), len(b.A)) + 2
    scale = size(a.C) * size(a.B) * max(size(X) for X in _powers(a.A, np.eye(len(a.A)), steps))
    pairs = zip(_powers(a.A, a.B, steps), _powers(b.A, b.B, steps), strict=True)
    return max(relative(a.C @ X - b.C @ Y, scale) for X, Y in pairs)


def _powers(A: np.ndarray, X: np.ndarray, steps: int) -> list[np.ndarray]:
    """Return X, A X, A^2 X, ..."""
    found = [X]
    for _ in range(steps - 1):
        found.append(A @ found[-1])
    return found


def transfer_distance(a: Any, b: Any) -> float:
    """Return the largest |W_a(z) - W_b(z)| on the circle of radius 1 + spectral radius of A.

    Relative to |C| |R| |z I - A| |R| |B|, R = inv(z I - A): what rounding of z I - A does to W_a.
    """
    radius = 1 + float(np.abs(np.linalg.eigvals(a.A)).max(initial=0.0))
    worst, I = 0.0, np.eye(len(a.A))
    for z in radius * np.exp(1j * np.linspace(0, np.pi, 9)):
        R = np.linalg.solve(z * I - a.A, I)
        scale = size(a.C) * size(R) ** 2 * size(z * I - a.A) * size(a.B)
        W = b.C @ np.linalg.solve(z * np.eye(len(b.A)) - b.A, b.B)
        worst = max(worst, relative(a.C @ R @ a.B - W, scale))
    return worst


def moved(system: Any, S: np.ndarray) -> Any:
    """Return the system in the coordinates z = S x."""
    return dataclasses.replace(system, A=right_solve(S @ system.A, S), B=S @ system.B, C=right_solve(system.C, S))


def moved_back(system: Any, T: np.ndarray) -> Any:
    """Return the system in the coordinates x, given in z = T x."""
    A, B = np.linalg.solve(T, system.A @ T), np.linalg.solve(T, system.B)
    return dataclasses.replace(system, A=A, B=B, C=system.C @ T)


def random_similarity(n: int, kappa: float, rng: Any = None) -> np.ndarray:
    """Return U diag(sqrt(kappa) ... 1 / sqrt(kappa)) V with orthogonal U, V: (n, n), orthogonal at kappa = 1."""
    rng = np.random.default_rng(rng)
    U, V = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return U * np.geomspace(np.sqrt(kappa), 1 / np.sqrt(kappa), n) @ V
