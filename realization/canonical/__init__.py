"""Canonical forms (similarities) and reductions of linear systems, each with the numbers that judge it."""

from realization.canonical.balanced import balanced, input_normal, output_normal
from realization.canonical.block_schur import block_diagonal_schur
from realization.canonical.brunovsky import Brunovsky, brunovsky
from realization.canonical.checks import Check, check_form
from realization.canonical.companion import companion_system, controllable_companion, observable_companion
from realization.canonical.feedback_row import feedback_register, feedback_row, gated_feedback_register, vandermonde
from realization.canonical.form import FORMS, CanonicalForm, Conversion, conversion, convert, register
from realization.canonical.from_transfer import from_entries, from_rational, from_zeros_poles
from realization.canonical.hessenberg import Selection, hessenberg, popov_selection
from realization.canonical.ho_kalman import era, ho_kalman
from realization.canonical.invariants import Comparison, Invariants, invariants, same_behaviour
from realization.canonical.jordan import ExactConversion, exact_jordan, jordan
from realization.canonical.kalman_decomposition import (
    KalmanDecomposition,
    kalman_decomposition,
    observable_part,
    reachable_part,
)
from realization.canonical.luenberger import controllable_luenberger, observable_luenberger
from realization.canonical.memory_split import MemorySplit, memory_split
from realization.canonical.minimal import Plateau, minimal_realization, plateaus
from realization.canonical.modal import complex_modal, real_modal
from realization.canonical.reduction import Reduction
from realization.canonical.truncation import balanced_truncation, singular_perturbation

__all__ = [
    "FORMS",
    "Brunovsky",
    "CanonicalForm",
    "Check",
    "Comparison",
    "Conversion",
    "ExactConversion",
    "Invariants",
    "KalmanDecomposition",
    "MemorySplit",
    "Plateau",
    "Reduction",
    "Selection",
    "balanced",
    "balanced_truncation",
    "block_diagonal_schur",
    "brunovsky",
    "check_form",
    "companion_system",
    "complex_modal",
    "controllable_companion",
    "controllable_luenberger",
    "conversion",
    "convert",
    "era",
    "exact_jordan",
    "feedback_register",
    "feedback_row",
    "from_entries",
    "from_rational",
    "from_zeros_poles",
    "gated_feedback_register",
    "hessenberg",
    "ho_kalman",
    "input_normal",
    "invariants",
    "jordan",
    "kalman_decomposition",
    "memory_split",
    "minimal_realization",
    "observable_companion",
    "observable_luenberger",
    "observable_part",
    "output_normal",
    "plateaus",
    "popov_selection",
    "reachable_part",
    "real_modal",
    "register",
    "same_behaviour",
    "singular_perturbation",
    "vandermonde",
]
