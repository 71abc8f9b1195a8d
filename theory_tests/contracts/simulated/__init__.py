"""Simulated kernels, correct and mutated: the subjects of the verdict's power test.

Forward, `function(**arguments)` returns the outputs in the op's order; backward, the arguments and
`cotangent_<output>` go in, and a dict of gradients by argument name comes out.
"""

from . import (
    backward_kernels,
    backward_mutants,
    delta_kernels,
    delta_mutants,
    eidetic_kernels,
    eidetic_mutants,
    kernels,
    mutants,
    read_out_kernels,
    read_out_mutants,
)
from .records import Kernel, Mutant

CORRECT: tuple[Kernel, ...] = (
    kernels.CORRECT + read_out_kernels.CORRECT + eidetic_kernels.CORRECT + delta_kernels.CORRECT
)
MUTANTS: tuple[Mutant, ...] = (
    mutants.MUTANTS + read_out_mutants.MUTANTS + eidetic_mutants.MUTANTS + delta_mutants.MUTANTS
)
CORRECT_BACKWARD: tuple[Kernel, ...] = backward_kernels.CORRECT
MUTANTS_BACKWARD: tuple[Mutant, ...] = backward_mutants.MUTANTS + eidetic_mutants.MUTANTS_BACKWARD

__all__ = ["CORRECT", "CORRECT_BACKWARD", "MUTANTS", "MUTANTS_BACKWARD", "Kernel", "Mutant"]
