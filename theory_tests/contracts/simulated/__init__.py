"""Simulated kernels, correct and mutated: the subjects of the verdict's power test."""

from .kernels import CORRECT, Kernel
from .mutants import MUTANTS, Mutant

__all__ = ["CORRECT", "MUTANTS", "Kernel", "Mutant"]
