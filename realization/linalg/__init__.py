"""Equations and decisions of linear algebra: arrays in, named results out, each with the number that judges it."""

from realization.linalg.block_schur import BlockDiagonalSchur, Merge, block_diagonal_schur, order_eigenvalues
from realization.linalg.decision import Decision, decide_rank, fixed_rank, require_decided
from realization.linalg.fitting import FittingSplit, fitting_split
from realization.linalg.hankel import block_hankel
from realization.linalg.staircase import (
    ControllabilityStaircase,
    NilpotentStaircase,
    ObservabilityStaircase,
    conjugate_partition,
    controllability_staircase,
    nilpotent_staircase,
    observability_staircase,
    pbh_margin,
)

__all__ = [
    "BlockDiagonalSchur",
    "ControllabilityStaircase",
    "Decision",
    "FittingSplit",
    "Merge",
    "NilpotentStaircase",
    "ObservabilityStaircase",
    "block_diagonal_schur",
    "block_hankel",
    "conjugate_partition",
    "controllability_staircase",
    "decide_rank",
    "fitting_split",
    "fixed_rank",
    "nilpotent_staircase",
    "observability_staircase",
    "order_eigenvalues",
    "pbh_margin",
    "require_decided",
]
