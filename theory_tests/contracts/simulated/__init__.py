"""Simulated kernels, correct and mutated: the subjects of the verdict's power test."""

from . import kernels, mutants, read_out_kernels, read_out_mutants
from .records import Kernel, Mutant

CORRECT: tuple[Kernel, ...] = kernels.CORRECT + read_out_kernels.CORRECT
MUTANTS: tuple[Mutant, ...] = mutants.MUTANTS + read_out_mutants.MUTANTS

__all__ = ["CORRECT", "MUTANTS", "Kernel", "Mutant"]
