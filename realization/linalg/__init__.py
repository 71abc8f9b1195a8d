"""Equations and decisions of linear algebra: arrays in, named results out, each with the number that judges it."""

from realization.linalg.decision import Decision, decide_rank
from realization.linalg.gramians import (
    continuous_controllability_factor,
    continuous_hankel_singular_values,
    continuous_observability_factor,
    controllability_factor,
    hankel_singular_values,
    observability_factor,
)
from realization.linalg.lyapunov import LyapunovSolution, continuous_lyapunov, discrete_lyapunov
from realization.linalg.mean_square import bilinear_lyapunov, mean_square_radius
from realization.linalg.quadratic_norm import QuadraticNorm, common_quadratic_norm, contraction_bound
from realization.linalg.radius import RadiusBounds, joint_spectral_radius
from realization.linalg.riccati import RiccatiSolution, continuous_riccati, discrete_riccati

__all__ = [
    "Decision",
    "LyapunovSolution",
    "QuadraticNorm",
    "RadiusBounds",
    "RiccatiSolution",
    "bilinear_lyapunov",
    "common_quadratic_norm",
    "continuous_controllability_factor",
    "continuous_hankel_singular_values",
    "continuous_lyapunov",
    "continuous_observability_factor",
    "continuous_riccati",
    "contraction_bound",
    "controllability_factor",
    "decide_rank",
    "discrete_lyapunov",
    "discrete_riccati",
    "hankel_singular_values",
    "joint_spectral_radius",
    "mean_square_radius",
    "observability_factor",
]
