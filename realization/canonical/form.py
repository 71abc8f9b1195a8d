"""What a canonical form is: a rule that picks one system from each class of similar ones.

    z = T x,    A2 = T A inv(T),    B2 = T B,    C2 = C inv(T),    D2 = D

A form is canonical when convert(any similar system) = convert(system) and convert is
idempotent.  Both are tested for every form that is registered, under the group of
similarities that the form declares and where its result says that nothing is left free.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import Decision
from realization.systems.base import right_divide
from realization.systems.continuous import ContinuousSSM
from realization.systems.linear import LinearSSM

# T of condition k leaves 16 - log10(k) digits in T x; with fewer than four it says nothing about a state
LIMIT = 1e12


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Conversion(Sealed):
    """A system in a canonical form, and how it was reached.

    Parameters
    ----------
    form : str
        Name of the form.
    system : LinearSSM or ContinuousSSM
        In new coordinates z = T x; of the type that came in.
    T : ndarray
        (n, n), real, or complex where the form is.
    condition : float
        Of T, in the 2-norm.
    residual : float
        Largest of |T A - A2 T|, |T B - B2| and |C - C2 T|, each relative to what is compared.
    decisions : tuple of Decision
        Every rank or grouping that was decided on the way, with its gap; where one is undecided, nothing
        was dropped.
    freedom : str or None
        None where the result is unique, else one line that says what is left free at this
        system (a repeated eigenvalue, say): there only invariants can be compared.
    """

    form: str
    system: Any
    T: np.ndarray
    condition: float
    residual: float
    decisions: tuple[Decision, ...] = ()
    freedom: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CanonicalForm:
    """One form: a name, a rule, and how the result is recognised.

    Parameters
    ----------
    name : str
        As in `convert(system, name)`.
    convert : callable
        System -> Conversion; raises StructureError, with the number, where the form does
        not exist or cannot be reached in double precision.
    defect : callable
        System -> how far it is from having the shape of the form, relative to its size; 0 when
        it has it exactly.
    group : {"general", "orthogonal", "unimodular"}
        The similarities under which the result stays the same; unimodular ones, of integers and
        with an integer inverse, are for forms that need exact arithmetic.
    title, reference : str
        One line for lists; where the form is defined.
    """

    name: str
    convert: Callable[[Any], Conversion]
    defect: Callable[[Any], float]
    group: Literal["general", "orthogonal", "unimodular"]
    title: str
    reference: str


FORMS: dict[str, CanonicalForm] = {}


def register(form: CanonicalForm) -> CanonicalForm:
    """Add a form to FORMS, so that `convert` finds it and the test of all forms covers it.

    Parameters
    ----------
    form : CanonicalForm
        The same form may be registered again, as happens when a cell is run twice.

    Returns
    -------
    CanonicalForm
        The form itself.

    Raises
    ------
    ShapeError
        If it is no CanonicalForm, or another form has this name.
    """
    known = FORMS.get(a_form(form).name)
    if known is not None and known.title != form.title:
        raise ShapeError(f"the name {form.name!r} is taken by {known.title!r}; {form.title!r} needs another")
    FORMS[form.name] = form
    return form


def a_form(form: Any) -> CanonicalForm:
    """Return the form, refusing what is none, a name or a bare function, by its type."""
    if not isinstance(form, CanonicalForm):
        raise ShapeError(f"a {type(form).__name__} came; a CanonicalForm is needed, as those in FORMS are")
    return form


def convert(system: Any, name: str) -> Conversion:
    """Return the system in the form of that name, with the T that leads there: z = T x.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        One system, without batch axes.
    name : str
        A key of FORMS.

    Returns
    -------
    Conversion
        System, T, its condition, the residual, and what was decided on the way.

    Raises
    ------
    ShapeError
        If no form has this name, or if the system is a batch.
    StructureError
        If the form does not exist for this system, or T cannot be reached in double precision.

    Examples
    --------
    The companion form holds the characteristic polynomial z^2 - 5 z + 6 in its last row:

    >>> from realization.systems import LinearSSM
    >>> found = convert(LinearSSM(A=[[2, 0], [0, 3]], B=[[1], [1]], C=[[1, 1]], D=[[0]]), "controllable_companion")
    >>> found.system.A.round(12) + 0
    array([[ 0.,  1.],
           [-6.,  5.]])
    """
    if name not in FORMS:
        raise ShapeError(f"no form is named {name!r}; there are {', '.join(sorted(FORMS))}")
    return FORMS[name].convert(one(system))


def one(system: Any) -> Any:
    """Return the system, refusing another kind, or a batch, by name."""
    if not isinstance(system, LinearSSM | ContinuousSSM):
        raise ShapeError(f"a {type(system).__name__} came; a LinearSSM or a ContinuousSSM is needed")
    if system.A.ndim != 2:
        raise ShapeError(
            f"one system at a time: A has shape {system.A.shape}, (n, n) is needed; "
            "convert the systems of a batch in turn"
        )
    return system


def conversion(
    form: str,
    system: Any,
    T: np.ndarray,
    *,
    A: np.ndarray | None = None,
    B: np.ndarray | None = None,
    C: np.ndarray | None = None,
    decisions: tuple[Decision, ...] = (),
    freedom: str | None = None,
) -> Conversion:
    """Return the result of a form from its T: A2 = T A inv(T), B2 = T B, C2 = C inv(T), judged.

    Parameters
    ----------
    form : str
        Name of the form.
    system : LinearSSM or ContinuousSSM
        The system that T acts on.
    T : ndarray
        (n, n): z = T x.
    A, B, C : ndarray, optional
        Of the new system, where the form knows them better than the products do: zeros and
        ones that are exact, coefficients from another route.
    decisions, freedom
        As in Conversion.

    Returns
    -------
    Conversion
        With the condition and the residual measured.

    Raises
    ------
    StructureError
        If the condition of T is above LIMIT.
    """
    kappa = within_reach(form, T)
    A = right_divide(T @ system.A, T) if A is None else A
    B = T @ system.B if B is None else B
    C = right_divide(system.C, T) if C is None else C
    new = dataclasses.replace(system, A=A, B=B, C=C)
    return Conversion(form, new, T, kappa, max(residuals(system, new, T)), decisions, freedom)


def within_reach(form: str, T: np.ndarray) -> float:
    """Return the condition of T, refusing one above LIMIT."""
    kappa = condition(T)
    if not kappa <= LIMIT:
        raise StructureError(
            f"{form}: T has condition {kappa:.1e}, need <= {LIMIT:.0e}: it cannot be reached in double precision"
        )
    return kappa


def residuals(system: Any, new: Any, T: np.ndarray) -> tuple[float, float, float]:
    """Return |T A - A2 T|, |T B - B2|, |C - C2 T|, relative to |T| |A| + |A2| |T| and its like."""
    return (
        relative(T @ system.A - new.A @ T, size(T) * size(system.A) + size(new.A) * size(T)),
        relative(T @ system.B - new.B, size(T) * size(system.B) + size(new.B)),
        relative(system.C - new.C @ T, size(system.C) + size(new.C) * size(T)),
    )


def condition(T: np.ndarray) -> float:
    """Return the 2-norm condition of T, infinite if T is singular or not finite, 1 if it is empty."""
    if not np.isfinite(T).all():
        return np.inf
    s = np.linalg.svd(T, compute_uv=False)
    if not len(s):
        return 1.0
    return float(s[0] / s[-1]) if s[-1] > 0 else np.inf


def size(X: np.ndarray) -> float:
    """Return the Frobenius norm, 0 for an empty matrix; its squares stay in range."""
    largest = float(np.abs(X).max(initial=0.0))
    return largest * float(np.linalg.norm(X / largest)) if largest > 0 else 0.0


def relative(X: np.ndarray, scale: float) -> float:
    """Return |X| / scale, with 0/0 = 0."""
    norm = size(X)
    return norm / scale if norm else 0.0
