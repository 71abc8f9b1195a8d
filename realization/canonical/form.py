"""What a canonical form is: a rule that picks one system from each class of similar ones.

    z = T x,    A2 = T A inv(T),    B2 = T B,    C2 = C inv(T),    D2 = D

A form is canonical when convert(any similar system) = convert(system) and convert is
idempotent.  Both are tested for every form that is registered, under the group of
similarities and the genericity that the form declares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from realization.linalg.decision import Decision
from realization.systems.linear import LinearSSM


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """A system in a canonical form, and how it was reached.

    Parameters
    ----------
    form : str
        Name of the form.
    system : LinearSSM
        In new coordinates z = T x.
    T : ndarray
        (n, n), real, or complex where the form is.
    condition : float
        Of T, in the 2-norm.
    residual : float
        Largest of |T A - A2 T|, |T B - B2| and |C - C2 T|, each relative to what is compared.
    decisions : tuple of Decision
        Every rank or grouping that was decided on the way, with its gap.
    """

    form: str
    system: LinearSSM
    T: np.ndarray
    condition: float
    residual: float
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class CanonicalForm:
    """One form: a name, a rule, and what the rule leaves free.

    Parameters
    ----------
    name : str
        As in `convert(system, name)`.
    convert : callable
        LinearSSM -> Conversion; raises StructureError, with the number, where the form does
        not exist or cannot be reached in double precision.
    defect : callable
        LinearSSM -> how far it is from having the shape of the form; 0 when it has it exactly.
    group : {"general", "orthogonal"}
        The similarities under which the result stays the same.
    freedom : callable
        LinearSSM -> None where the result is unique, else one line that says what is left free
        (a repeated eigenvalue, say): there only the invariants are compared.
    title, reference : str
        One line for lists; where the form is defined.
    """

    name: str
    convert: Callable[[LinearSSM], Conversion]
    defect: Callable[[LinearSSM], float]
    group: Literal["general", "orthogonal"]
    freedom: Callable[[LinearSSM], str | None]
    title: str
    reference: str
