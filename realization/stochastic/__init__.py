"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

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
from realization.stochastic.extremal import Extremal, extremal, extremals, zero_groups
from realization.stochastic.faurre import FaurreSet, Membership, faurre_set
from realization.stochastic.positive_real import PositiveRealCertificate, positive_real
from realization.stochastic.spectral_factors import (
    backward_innovations_model,
    innovations_model,
    maximum_phase_model,
    mean_log_density,
    spectral_factor,
)
from realization.stochastic.transient import transient_covariances

__all__ = [
    "ContinuousCovarianceModel",
    "CovarianceModel",
    "Extremal",
    "FaurreSet",
    "Membership",
    "PositiveRealCertificate",
    "autocovariances",
    "backward_innovations_model",
    "continuous_covariance_model",
    "continuous_faurre_set",
    "continuous_spectral_density",
    "covariance_model",
    "extremal",
    "extremals",
    "faurre_set",
    "innovations_model",
    "maximum_phase_model",
    "mean_log_density",
    "positive_real",
    "spectral_density",
    "spectral_factor",
    "state_covariance",
    "transient_covariances",
    "zero_groups",
]
