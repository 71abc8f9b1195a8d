"""Processes and all their models: covariances, Faurre's set, reversal in time, filters, smoothers, identification."""

from realization.stochastic.arima import Integrated, arma, free_ar, sarimax, stationary_ar
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
from realization.stochastic.continuous_faurre import (
    continuous_backward_innovations_model,
    continuous_faurre_set,
    continuous_innovations_model,
    continuous_maximum_phase_model,
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
from realization.stochastic.diagnosis import Diagnosis, diagnose, diagnose_run
from realization.stochastic.drift import Cusum, average_run_length, cusum, cusum_threshold, false_alarm_probability
from realization.stochastic.extension import (
    MatrixBall,
    MaximumEntropy,
    extend,
    from_reflections,
    maximum_entropy_extension,
    next_covariance,
)
from realization.stochastic.extremal import Extremal, extremal, extremals, zero_groups
from realization.stochastic.factors import covariance_condition, state_factor
from realization.stochastic.faurre import FaurreSet, Internality, Membership, StateErrors, faurre_set
from realization.stochastic.frame import Frame, Moment, frame, moment
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
from realization.stochastic.information import (
    NATS_PER_BIT,
    information,
    kept_information,
    model_information,
    mutual_information,
    window_information,
)
from realization.stochastic.information_criteria import (
    OrderChoice,
    aic,
    autoregressive_likelihoods,
    bic,
    innovations_parameters,
)
from realization.stochastic.information_filter import InformationRun, information_filter
from realization.stochastic.joint import in_deviations, joint_covariance
from realization.stochastic.kalman import KalmanRun, KalmanState, kalman_filter, step
from realization.stochastic.levinson import Levinson, levinson, positivity, step_down
from realization.stochastic.likelihood import FREE, Fit, Transform, fit, positive, stacked
from realization.stochastic.normalized import nis, normalized_squares, standardize
from realization.stochastic.order_selection import bartlett, bartlett_of_process, nic, svc
from realization.stochastic.partial import PartialRealization, Recursion, partial_realization, shortest_recursion
from realization.stochastic.positive_real import PositiveRealCertificate, positive_real
from realization.stochastic.positivity import Positivity
from realization.stochastic.posterior_sampling import sample_posterior
from realization.stochastic.prescribed_zeros import RationalExtension, rational_extension
from realization.stochastic.projection import Posterior, posterior
from realization.stochastic.reverse import ReversedStep, VaryingReversal, reverse, reverse_varying, reversed_step
from realization.stochastic.sample_correlations import SampleCorrelations, sample_canonical_correlations
from realization.stochastic.sampling import sample
from realization.stochastic.schur_algorithm import Schur, schur, schur_parameters
from realization.stochastic.significance import HypothesisTest
from realization.stochastic.slopes import Score, score
from realization.stochastic.smoothing import SmootherRun, rts_smoother
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
from realization.stochastic.square_root import SquareRootRun, square_root_filter
from realization.stochastic.square_root_smoother import SquareRootSmootherRun, square_root_smoother
from realization.stochastic.steady import SteadyKalman, steady_state
from realization.stochastic.steps import in_steps
from realization.stochastic.stochastic_balancing import (
    StochasticReduction,
    stochastic_singular_perturbation,
    stochastic_truncation,
    stochastically_balanced,
)
from realization.stochastic.transient import transient_covariances
from realization.stochastic.two_filter import TwoFilterRun, two_filter_smoother
from realization.stochastic.whiteness import (
    autocorrelations,
    cumulative_periodogram,
    cumulative_power,
    hosking,
    ljung_box,
)
from realization.stochastic.window import block_toeplitz
from realization.stochastic.wold import Wold, wold

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
