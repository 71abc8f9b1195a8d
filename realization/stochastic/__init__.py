"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.canonical_correlations import (
    CanonicalCorrelations,
    Phase,
    canonical_correlations,
    phase,
    window_correlations,
    window_length,
)
from realization.stochastic.continuous_covariance import (
    ContinuousCovarianceModel,
    continuous_covariance_model,
    continuous_spectral_density,
)
from realization.stochastic.continuous_faurre import continuous_faurre_set
from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)
from realization.stochastic.data import SampleCorrelations, Windows, past_future, sample_canonical_correlations
from realization.stochastic.extension import (
    MatrixBall,
    MaximumEntropy,
    RationalExtension,
    extend,
    maximum_entropy_extension,
    next_covariance,
    rational_extension,
)
from realization.stochastic.extremal import Extremal, extremal, extremals, zero_groups
from realization.stochastic.factors import state_factor
from realization.stochastic.faurre import FaurreSet, Membership, faurre_set
from realization.stochastic.information import (
    NATS_PER_BIT,
    information,
    kept_information,
    model_information,
    mutual_information,
    window_information,
)
from realization.stochastic.joint import joint_covariance
from realization.stochastic.kalman import KalmanRun, KalmanState, kalman_filter, step
from realization.stochastic.levinson import Levinson, Positivity, from_reflections, levinson, positivity, step_down
from realization.stochastic.partial import PartialRealization, Recursion, partial_realization, shortest_recursion
from realization.stochastic.positive_real import PositiveRealCertificate, positive_real
from realization.stochastic.reverse import ReversedStep, VaryingReversal, reverse, reverse_varying, reversed_step
from realization.stochastic.sampling import sample
from realization.stochastic.schur_algorithm import Schur, schur, schur_parameters
from realization.stochastic.spectral_factors import (
    backward_innovations_model,
    innovations_model,
    maximum_phase_model,
    mean_log_density,
    spectral_factor,
)
from realization.stochastic.splitting import (
    PrincipalAngles,
    Splitting,
    conditional_covariance,
    principal_angles,
    splitting,
)
from realization.stochastic.steady import SteadyKalman, steady_state
from realization.stochastic.steps import in_steps
from realization.stochastic.stochastic_balancing import (
    StochasticReduction,
    stochastic_singular_perturbation,
    stochastic_truncation,
    stochastically_balanced,
)
from realization.stochastic.transient import transient_covariances
from realization.stochastic.window import block_toeplitz
from realization.stochastic.wold import Innovations, Wold, innovations_algorithm, stationary, wold

__all__ = [
    "NATS_PER_BIT",
    "CanonicalCorrelations",
    "ContinuousCovarianceModel",
    "CovarianceModel",
    "Extremal",
    "FaurreSet",
    "Innovations",
    "KalmanRun",
    "KalmanState",
    "Levinson",
    "MatrixBall",
    "MaximumEntropy",
    "Membership",
    "PartialRealization",
    "Phase",
    "PositiveRealCertificate",
    "Positivity",
    "PrincipalAngles",
    "RationalExtension",
    "Recursion",
    "ReversedStep",
    "SampleCorrelations",
    "Schur",
    "Splitting",
    "SteadyKalman",
    "StochasticReduction",
    "VaryingReversal",
    "Windows",
    "Wold",
    "autocovariances",
    "backward_innovations_model",
    "block_toeplitz",
    "canonical_correlations",
    "conditional_covariance",
    "continuous_covariance_model",
    "continuous_faurre_set",
    "continuous_spectral_density",
    "covariance_model",
    "extend",
    "extremal",
    "extremals",
    "faurre_set",
    "from_reflections",
    "in_steps",
    "information",
    "innovations_algorithm",
    "innovations_model",
    "joint_covariance",
    "kalman_filter",
    "kept_information",
    "levinson",
    "maximum_entropy_extension",
    "maximum_phase_model",
    "mean_log_density",
    "model_information",
    "mutual_information",
    "next_covariance",
    "partial_realization",
    "past_future",
    "phase",
    "positive_real",
    "positivity",
    "principal_angles",
    "rational_extension",
    "reverse",
    "reverse_varying",
    "reversed_step",
    "sample",
    "sample_canonical_correlations",
    "schur",
    "schur_parameters",
    "shortest_recursion",
    "spectral_density",
    "spectral_factor",
    "splitting",
    "state_covariance",
    "state_factor",
    "stationary",
    "steady_state",
    "step",
    "step_down",
    "stochastic_singular_perturbation",
    "stochastic_truncation",
    "stochastically_balanced",
    "transient_covariances",
    "window_correlations",
    "window_information",
    "window_length",
    "wold",
    "zero_groups",
]
