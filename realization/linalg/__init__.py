"""Equations and decisions of linear algebra: arrays in, named results out, each with the number that judges it."""

from realization.linalg.block_schur import BlockDiagonalSchur, Merge, block_diagonal_schur, order_eigenvalues
from realization.linalg.decision import Decision, decide_rank, fixed_rank, require_decided
from realization.linalg.fitting import FittingSplit, fitting_split
from realization.linalg.gramians import (
    continuous_controllability_factor,
    continuous_hankel_singular_values,
    continuous_observability_factor,
    controllability_factor,
    hankel_singular_values,
    observability_factor,
)
from realization.linalg.hankel import block_hankel
from realization.linalg.lyapunov import LyapunovSolution, continuous_lyapunov, discrete_lyapunov
from realization.linalg.mean_square import bilinear_lyapunov, mean_square_radius
from realization.linalg.riccati import RiccatiSolution, continuous_riccati, discrete_riccati
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
    "LyapunovSolution",
    "Merge",
    "NilpotentStaircase",
    "ObservabilityStaircase",
    "RiccatiSolution",
    "bilinear_lyapunov",
    "block_diagonal_schur",
    "block_hankel",
    "conjugate_partition",
    "continuous_controllability_factor",
    "continuous_hankel_singular_values",
    "continuous_lyapunov",
    "continuous_observability_factor",
    "continuous_riccati",
    "controllability_factor",
    "controllability_staircase",
    "decide_rank",
    "discrete_lyapunov",
    "discrete_riccati",
    "fitting_split",
    "fixed_rank",
    "hankel_singular_values",
    "mean_square_radius",
    "nilpotent_staircase",
    "observability_factor",
    "observability_staircase",
    "order_eigenvalues",
    "pbh_margin",
    "require_decided",
]
