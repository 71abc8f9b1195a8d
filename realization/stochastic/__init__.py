"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.canonical_correlations import (
    CanonicalCorrelations,
    Phase,
    canonical_correlations,
    phase,
    window_correlations,
    window_length,
)
from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)
from realization.stochastic.data import SampleCorrelations, Windows, past_future, sample_canonical_correlations
from realization.stochastic.factors import state_factor
from realization.stochastic.frame import Frame, Moment, frame, moment
from realization.stochastic.information import (
    NATS_PER_BIT,
    information,
    kept_information,
    model_information,
    mutual_information,
    window_information,
)
from realization.stochastic.joint import joint_covariance
from realization.stochastic.levinson import Levinson, Positivity, from_reflections, levinson, positivity, step_down
from realization.stochastic.reverse import ReversedStep, VaryingReversal, reverse, reverse_varying, reversed_step
from realization.stochastic.sampling import sample
from realization.stochastic.schur_algorithm import Schur, schur, schur_parameters
from realization.stochastic.splitting import (
    PrincipalAngles,
    Splitting,
    conditional_covariance,
    principal_angles,
    splitting,
)
from realization.stochastic.steps import in_steps
from realization.stochastic.stochastic_balancing import (
    StochasticReduction,
    stochastic_singular_perturbation,
    stochastic_truncation,
    stochastically_balanced,
)
from realization.stochastic.window import block_toeplitz

__all__ = [
    "NATS_PER_BIT",
    "CanonicalCorrelations",
    "CovarianceModel",
    "Frame",
    "Levinson",
    "Moment",
    "Phase",
    "Positivity",
    "PrincipalAngles",
    "ReversedStep",
    "SampleCorrelations",
    "Schur",
    "Splitting",
    "StochasticReduction",
    "VaryingReversal",
    "Windows",
    "autocovariances",
    "block_toeplitz",
    "canonical_correlations",
    "conditional_covariance",
    "covariance_model",
    "frame",
    "from_reflections",
    "in_steps",
    "information",
    "joint_covariance",
    "kept_information",
    "levinson",
    "model_information",
    "moment",
    "mutual_information",
    "past_future",
    "phase",
    "positivity",
    "principal_angles",
    "reverse",
    "reverse_varying",
    "reversed_step",
    "sample",
    "sample_canonical_correlations",
    "schur",
    "schur_parameters",
    "spectral_density",
    "splitting",
    "state_covariance",
    "state_factor",
    "step_down",
    "stochastic_singular_perturbation",
    "stochastic_truncation",
    "stochastically_balanced",
    "window_correlations",
    "window_information",
    "window_length",
]
