"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.canonical_correlations import (
    CanonicalCorrelations,
    Phase,
    block_toeplitz,
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
from realization.stochastic.information import (
    NATS_PER_BIT,
    information,
    kept_information,
    model_information,
    mutual_information,
    window_information,
)
from realization.stochastic.splitting import (
    PrincipalAngles,
    Splitting,
    conditional_covariance,
    principal_angles,
    splitting,
)
from realization.stochastic.stochastic_balancing import (
    StochasticReduction,
    stochastic_singular_perturbation,
    stochastic_truncation,
    stochastically_balanced,
)

__all__ = [
    "NATS_PER_BIT",
    "CanonicalCorrelations",
    "CovarianceModel",
    "Phase",
    "PrincipalAngles",
    "Splitting",
    "StochasticReduction",
    "autocovariances",
    "block_toeplitz",
    "canonical_correlations",
    "conditional_covariance",
    "covariance_model",
    "information",
    "kept_information",
    "model_information",
    "mutual_information",
    "phase",
    "principal_angles",
    "spectral_density",
    "splitting",
    "state_covariance",
    "stochastic_singular_perturbation",
    "stochastic_truncation",
    "stochastically_balanced",
    "window_correlations",
    "window_information",
    "window_length",
]
