"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
)
from realization.stochastic.factors import state_factor
from realization.stochastic.joint import joint_covariance
from realization.stochastic.reverse import ReversedStep, VaryingReversal, reverse, reverse_varying, reversed_step
from realization.stochastic.sampling import sample
from realization.stochastic.steps import in_steps

__all__ = [
    "CovarianceModel",
    "ReversedStep",
    "VaryingReversal",
    "autocovariances",
    "covariance_model",
    "in_steps",
    "joint_covariance",
    "reverse",
    "reverse_varying",
    "reversed_step",
    "sample",
    "spectral_density",
    "state_covariance",
    "state_factor",
]
