"""Canonical forms (similarities) and reductions of linear systems, each with the numbers that judge it."""

from realization.canonical.checks import Check, check_form
from realization.canonical.companion import companion_system, controllable_companion, observable_companion
from realization.canonical.form import FORMS, CanonicalForm, Conversion, conversion, convert, register
from realization.canonical.hessenberg import hessenberg

__all__ = [
    "FORMS",
    "CanonicalForm",
    "Check",
    "Conversion",
    "check_form",
    "companion_system",
    "controllable_companion",
    "conversion",
    "convert",
    "hessenberg",
    "observable_companion",
    "register",
]
