"""Processes and all their models.

    covariance, reverse, joint, sampling   what models of one process share; the process backward in time; its paths
    faurre           the set of all state covariances, spectral factors, whether data belong to a process at all
    classical        windows of covariances: recursions of Levinson and Schur, extensions, Wold's decomposition
    geometry         past and future as subspaces: canonical correlations, splitting, balancing, information
    filtering        filters, smoothers, samples of the posterior, likelihood
    innovations      what is left over when the past is known: tests of a model, and of its order
    identification   from data to a model

Every public name is found here, whichever room it lives in.
"""

from realization.stochastic.classical.extension import (
    MatrixBall,
    MaximumEntropy,
    extend,
    from_reflections,
    maximum_entropy_extension,
    next_covariance,
)
from realization.stochastic.classical.levinson import Levinson, levinson, positivity, step_down
from realization.stochastic.classical.partial import (
    PartialRealization,
    Recursion,
    partial_realization,
    shortest_recursion,
)
from realization.stochastic.classical.positivity import Positivity
from realization.stochastic.classical.prescribed_zeros import RationalExtension, rational_extension
from realization.stochastic.classical.schur_algorithm import Schur, schur, schur_parameters
from realization.stochastic.classical.window import block_toeplitz
from realization.stochastic.classical.wold import Wold, wold
from realization.stochastic.continuous_covariance import (
    ContinuousCovarianceModel,
    continuous_covariance_model,
    continuous_spectral_density,
)
from realization.stochastic.covariance import (
    CovarianceModel,
    autocovariances,
    covariance_model,
    spectral_density,
    state_covariance,
    stationary,
)
from realization.stochastic.data import Windows, past_future
from realization.stochastic.factors import covariance_condition, state_factor
from realization.stochastic.faurre.answers import Internality, Membership, StateErrors
from realization.stochastic.faurre.continuous_faurre import (
    continuous_backward_innovations_model,
    continuous_faurre_set,
    continuous_innovations_model,
    continuous_maximum_phase_model,
)
from realization.stochastic.faurre.covariance_set import FaurreSet, faurre_set
from realization.stochastic.faurre.extremal import Extremal, extremal, extremals, zero_groups
from realization.stochastic.faurre.positive_real import PositiveRealCertificate, positive_real
from realization.stochastic.faurre.spectral_factors import (
    backward_innovations_model,
    innovations_model,
    maximum_phase_model,
    mean_log_density,
    spectral_factor,
)
from realization.stochastic.faurre.transient import transient_covariances
from realization.stochastic.filtering.arima import Integrated, arma, free_ar, sarimax, stationary_ar
from realization.stochastic.filtering.information_filter import InformationRun, information_filter
from realization.stochastic.filtering.kalman import KalmanRun, KalmanState, kalman_filter, step
from realization.stochastic.filtering.likelihood import FREE, Fit, Transform, fit, positive, stacked
from realization.stochastic.filtering.posterior_sampling import sample_posterior
from realization.stochastic.filtering.projection import Posterior, posterior
from realization.stochastic.filtering.slopes import Score, score
from realization.stochastic.filtering.smoothing import SmootherRun, rts_smoother
from realization.stochastic.filtering.square_root import SquareRootRun, square_root_filter
from realization.stochastic.filtering.square_root_smoother import SquareRootSmootherRun, square_root_smoother
from realization.stochastic.filtering.steady import SteadyKalman, steady_state
from realization.stochastic.filtering.two_filter import TwoFilterRun, two_filter_smoother
from realization.stochastic.geometry.canonical_correlations import (
    CanonicalCorrelations,
    Phase,
    canonical_correlations,
    phase,
    window_correlations,
    window_length,
)
from realization.stochastic.geometry.frame import Frame, Moment, frame, moment
from realization.stochastic.geometry.information import (
    NATS_PER_BIT,
    information,
    kept_information,
    model_information,
    mutual_information,
    window_information,
)
from realization.stochastic.geometry.splitting import (
    PrincipalAngles,
    Splitting,
    conditional_covariance,
    principal_angles,
    splitting,
)
from realization.stochastic.geometry.stochastic_balancing import (
    StochasticReduction,
    stochastic_singular_perturbation,
    stochastic_truncation,
    stochastically_balanced,
)
from realization.stochastic.identification import (
    CovarianceRealization,
    Identified,
    covariance_ho_kalman,
    cva,
    lifted,
    moesp,
    n4sid,
    sample_covariances,
)
from realization.stochastic.innovations.diagnosis import Diagnosis, diagnose, diagnose_run
from realization.stochastic.innovations.drift import (
    Cusum,
    average_run_length,
    cusum,
    cusum_threshold,
    false_alarm_probability,
)
from realization.stochastic.innovations.information_criteria import (
    OrderChoice,
    aic,
    autoregressive_likelihoods,
    bic,
    innovations_parameters,
)
from realization.stochastic.innovations.normalized import nis, normalized_squares, standardize
from realization.stochastic.innovations.order_selection import bartlett, bartlett_of_process, nic, svc
from realization.stochastic.innovations.sample_correlations import SampleCorrelations, sample_canonical_correlations
from realization.stochastic.innovations.significance import HypothesisTest
from realization.stochastic.innovations.whiteness import (
    autocorrelations,
    cumulative_periodogram,
    cumulative_power,
    hosking,
    ljung_box,
)
from realization.stochastic.joint import in_deviations, joint_covariance
from realization.stochastic.reverse import ReversedStep, VaryingReversal, reverse, reverse_varying, reversed_step
from realization.stochastic.sampling import sample
from realization.stochastic.steps import in_steps

__all__ = [
    "FREE",
    "NATS_PER_BIT",
    "CanonicalCorrelations",
    "ContinuousCovarianceModel",
    "CovarianceModel",
    "CovarianceRealization",
    "Cusum",
    "Diagnosis",
    "Extremal",
    "FaurreSet",
    "Fit",
    "Frame",
    "HypothesisTest",
    "Identified",
    "InformationRun",
    "Integrated",
    "Internality",
    "KalmanRun",
    "KalmanState",
    "Levinson",
    "MatrixBall",
    "MaximumEntropy",
    "Membership",
    "Moment",
    "OrderChoice",
    "PartialRealization",
    "Phase",
    "PositiveRealCertificate",
    "Positivity",
    "Posterior",
    "PrincipalAngles",
    "RationalExtension",
    "Recursion",
    "ReversedStep",
    "SampleCorrelations",
    "Schur",
    "Score",
    "SmootherRun",
    "Splitting",
    "SquareRootRun",
    "SquareRootSmootherRun",
    "StateErrors",
    "SteadyKalman",
    "StochasticReduction",
    "Transform",
    "TwoFilterRun",
    "VaryingReversal",
    "Windows",
    "Wold",
    "aic",
    "arma",
    "autocorrelations",
    "autocovariances",
    "autoregressive_likelihoods",
    "average_run_length",
    "backward_innovations_model",
    "bartlett",
    "bartlett_of_process",
    "bic",
    "block_toeplitz",
    "canonical_correlations",
    "conditional_covariance",
    "continuous_backward_innovations_model",
    "continuous_covariance_model",
    "continuous_faurre_set",
    "continuous_innovations_model",
    "continuous_maximum_phase_model",
    "continuous_spectral_density",
    "covariance_condition",
    "covariance_ho_kalman",
    "covariance_model",
    "cumulative_periodogram",
    "cumulative_power",
    "cusum",
    "cusum_threshold",
    "cva",
    "diagnose",
    "diagnose_run",
    "extend",
    "extremal",
    "extremals",
    "false_alarm_probability",
    "faurre_set",
    "fit",
    "frame",
    "free_ar",
    "from_reflections",
    "hosking",
    "in_deviations",
    "in_steps",
    "information",
    "information_filter",
    "innovations_model",
    "innovations_parameters",
    "joint_covariance",
    "kalman_filter",
    "kept_information",
    "levinson",
    "lifted",
    "ljung_box",
    "maximum_entropy_extension",
    "maximum_phase_model",
    "mean_log_density",
    "model_information",
    "moesp",
    "moment",
    "mutual_information",
    "n4sid",
    "next_covariance",
    "nic",
    "nis",
    "normalized_squares",
    "partial_realization",
    "past_future",
    "phase",
    "positive",
    "positive_real",
    "positivity",
    "posterior",
    "principal_angles",
    "rational_extension",
    "reverse",
    "reverse_varying",
    "reversed_step",
    "rts_smoother",
    "sample",
    "sample_canonical_correlations",
    "sample_covariances",
    "sample_posterior",
    "sarimax",
    "schur",
    "schur_parameters",
    "score",
    "shortest_recursion",
    "spectral_density",
    "spectral_factor",
    "splitting",
    "square_root_filter",
    "square_root_smoother",
    "stacked",
    "standardize",
    "state_covariance",
    "state_factor",
    "stationary",
    "stationary_ar",
    "steady_state",
    "step",
    "step_down",
    "stochastic_singular_perturbation",
    "stochastic_truncation",
    "stochastically_balanced",
    "svc",
    "transient_covariances",
    "two_filter_smoother",
    "window_correlations",
    "window_information",
    "window_length",
    "wold",
    "zero_groups",
]
