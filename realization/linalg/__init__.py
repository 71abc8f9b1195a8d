"""Equations and decisions of linear algebra: arrays in, named results out, each with the number that judges it."""

from realization.linalg import exact
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
from realization.linalg.jordan import ExactJordan, JordanGroup, RoundedJordan, jordan_form
from realization.linalg.lyapunov import LyapunovSolution, continuous_lyapunov, discrete_lyapunov
from realization.linalg.mean_square import bilinear_lyapunov, mean_square_radius
from realization.linalg.product_svd import product_singular_values
from realization.linalg.psd import PositiveFactor, covariance_factor, positive_factor
from realization.linalg.quadratic_norm import QuadraticNorm, common_quadratic_norm, contraction_bound
from realization.linalg.radius import RadiusBounds, joint_spectral_radius
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
    "ExactJordan",
    "FittingSplit",
    "JordanGroup",
    "LyapunovSolution",
    "Merge",
    "NilpotentStaircase",
    "ObservabilityStaircase",
    "PositiveFactor",
    "QuadraticNorm",
    "RadiusBounds",
    "RiccatiSolution",
    "RoundedJordan",
    "bilinear_lyapunov",
    "block_diagonal_schur",
    "block_hankel",
    "common_quadratic_norm",
    "conjugate_partition",
    "continuous_controllability_factor",
    "continuous_hankel_singular_values",
    "continuous_lyapunov",
    "continuous_observability_factor",
    "continuous_riccati",
    "contraction_bound",
    "controllability_factor",
    "controllability_staircase",
    "covariance_factor",
    "decide_rank",
    "discrete_lyapunov",
    "discrete_riccati",
    "exact",
    "fitting_split",
    "fixed_rank",
    "hankel_singular_values",
    "joint_spectral_radius",
    "jordan_form",
    "mean_square_radius",
    "nilpotent_staircase",
    "observability_factor",
    "observability_staircase",
    "order_eigenvalues",
    "pbh_margin",
    "positive_factor",
    "product_singular_values",
    "require_decided",
]
