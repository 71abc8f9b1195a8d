"""Canonical forms (similarities) and reductions of linear systems, each with the numbers that judge it."""

from realization.canonical.brunovsky import Brunovsky, brunovsky
from realization.canonical.checks import Check, check_form
from realization.canonical.companion import companion_system, controllable_companion, observable_companion
from realization.canonical.feedback_row import feedback_register, feedback_row, gated_register, vandermonde
from realization.canonical.form import FORMS, CanonicalForm, Conversion, conversion, convert, register
from realization.canonical.hessenberg import Selection, hessenberg, popov_selection
from realization.canonical.jordan import ExactConversion, exact_jordan, jordan
from realization.canonical.luenberger import controllable_luenberger, observable_luenberger

__all__ = [
    "FORMS",
    "Brunovsky",
    "CanonicalForm",
    "Check",
    "Conversion",
    "ExactConversion",
    "Selection",
    "brunovsky",
    "check_form",
    "companion_system",
    "controllable_companion",
    "controllable_luenberger",
    "conversion",
    "convert",
    "exact_jordan",
    "feedback_register",
    "feedback_row",
    "gated_register",
    "hessenberg",
    "jordan",
    "observable_companion",
    "observable_luenberger",
    "popov_selection",
    "register",
    "vandermonde",
]
