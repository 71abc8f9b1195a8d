"""Canonical forms (similarities) and reductions of linear systems, each with the numbers that judge it."""

from realization.canonical.balanced import balanced, input_normal, output_normal
from realization.canonical.brunovsky import Brunovsky, brunovsky
from realization.canonical.checks import Check, check_form
from realization.canonical.companion import companion_system, controllable_companion, observable_companion
from realization.canonical.form import FORMS, CanonicalForm, Conversion, conversion, convert, register
from realization.canonical.hessenberg import Selection, hessenberg, popov_selection
from realization.canonical.luenberger import controllable_luenberger, observable_luenberger
from realization.canonical.minimal import Plateau, minimal_realization, plateaus
from realization.canonical.modal import complex_modal, real_modal
from realization.canonical.reduction import Reduction

__all__ = [
    "FORMS",
    "Brunovsky",
    "CanonicalForm",
    "Check",
    "Conversion",
    "Plateau",
    "Reduction",
    "Selection",
    "balanced",
    "brunovsky",
    "check_form",
    "companion_system",
    "complex_modal",
    "controllable_companion",
    "controllable_luenberger",
    "conversion",
    "convert",
    "hessenberg",
    "input_normal",
    "minimal_realization",
    "observable_companion",
    "observable_luenberger",
    "output_normal",
    "plateaus",
    "popov_selection",
    "real_modal",
    "register",
]
