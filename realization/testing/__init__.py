"""Hypothesis strategies for systems, for test suites: this module needs hypothesis.

Drawn are seeds and structure (sizes, Jordan blocks, conditions), never matrices of floats: that
shrinks to something readable, and the conditioning is known.  Properties in double precision hold to
c n u k^2 max(1, |A|) with c = 100, k the condition of the basis, so k is drawn between 1 and 1000.

    from hypothesis import given
    from realization.testing import stable_systems

    @given(stable_systems())
    def test_my_reduction(drawn):
        assert error_of(my_reduction(drawn.system)) <= tolerance(drawn)
"""

from realization.stochastic import covariance_condition, in_deviations
from realization.testing.drawn import (
    MARGIN,
    Drawn,
    conditions,
    partitions,
    seeds,
    tolerance,
    widths,
)
from realization.testing.linear import (
    bilinear_systems,
    defective_systems,
    diagonalizable_systems,
    hidden_nilpotent_systems,
    minimal_systems,
    nearly_uncontrollable_systems,
    nilpotent_systems,
    stable_systems,
)
from realization.testing.predictors import check_predictor
from realization.testing.stochastic import (
    covariance_data,
    covariance_tolerance,
    covariance_windows,
    refuted_covariance_data,
    stochastic_systems,
    time_varying_stochastic_systems,
)

__all__ = [
    "MARGIN",
    "Drawn",
    "bilinear_systems",
    "check_predictor",
    "conditions",
    "covariance_condition",
    "covariance_data",
    "covariance_tolerance",
    "covariance_windows",
    "defective_systems",
    "diagonalizable_systems",
    "hidden_nilpotent_systems",
    "in_deviations",
    "minimal_systems",
    "nearly_uncontrollable_systems",
    "nilpotent_systems",
    "partitions",
    "refuted_covariance_data",
    "seeds",
    "stable_systems",
    "stochastic_systems",
    "time_varying_stochastic_systems",
    "tolerance",
    "widths",
]
