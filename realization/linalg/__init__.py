"""Equations and decisions of linear algebra: arrays in, named results out, each with the number that judges it."""

from realization.linalg.decision import Decision, decide_rank, fixed_rank, require_decided
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
    "ControllabilityStaircase",
    "Decision",
    "NilpotentStaircase",
    "ObservabilityStaircase",
    "block_hankel",
    "conjugate_partition",
    "controllability_staircase",
    "decide_rank",
    "fixed_rank",
    "nilpotent_staircase",
    "observability_staircase",
    "pbh_margin",
    "require_decided",
]
