"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)
from realization.stochastic.data import SampleCorrelations, Windows, past_future, sample_canonical_correlations
from realization.stochastic.diagnosis import Diagnosis, diagnose
from realization.stochastic.drift import Cusum, average_run_length, cusum, cusum_threshold, false_alarm_probability
from realization.stochastic.information_criteria import (
    OrderChoice,
    aic,
    autoregressive_likelihoods,
    bic,
    innovations_parameters,
)
from realization.stochastic.normalized import nis, normalized_squares, standardize
from realization.stochastic.order_selection import bartlett, bartlett_of_process, nic, svc
from realization.stochastic.significance import HypothesisTest
from realization.stochastic.whiteness import (
    autocorrelations,
    cumulative_periodogram,
    cumulative_power,
    hosking,
    ljung_box,
)

__all__ = [
    "CovarianceModel",
    "Cusum",
    "Diagnosis",
    "HypothesisTest",
    "OrderChoice",
    "SampleCorrelations",
    "Windows",
    "aic",
    "autocorrelations",
    "autocovariances",
    "autoregressive_likelihoods",
    "average_run_length",
    "bartlett",
    "bartlett_of_process",
    "bic",
    "covariance_model",
    "cumulative_periodogram",
    "cumulative_power",
    "cusum",
    "cusum_threshold",
    "diagnose",
    "false_alarm_probability",
    "hosking",
    "innovations_parameters",
    "ljung_box",
    "nic",
    "nis",
    "normalized_squares",
    "past_future",
    "sample_canonical_correlations",
    "spectral_density",
    "standardize",
    "state_covariance",
    "svc",
]
