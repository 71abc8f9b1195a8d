"""Canonical correlations, balancing and information: published values, continuous time, edges, and what is refused."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.linalg.decision import EPS
from realization.stochastic import (
    ContinuousCovarianceModel,
    CovarianceModel,
    autocovariances,
    canonical_correlations,
    continuous_covariance_model,
    covariance_model,
    frame,
    information,
    kept_information,
    mutual_information,
    phase,
    principal_angles,
    sample,
    sample_canonical_correlations,
    stochastic_singular_perturbation,
    stochastic_truncation,
    stochastically_balanced,
    window_correlations,
    window_information,
    window_length,
)
from realization.stochastic.continuous_covariance import cayley_covariances
from realization.systems import ContinuousSSM, StochasticSSM
from realization.systems.stochastic import ContinuousStochasticSSM
from realization.systems.stochastic_families import random_process
from realization.testing import seeds

few = settings(max_examples=max(10, settings().max_examples // 8))


def power_system():
    """The example in the documentation of SLICOT's AB09HD, whose outputs have noise of size BETA = 1 there."""
    A = np.array(
        [
            [-0.04165, 0, 4.92, -4.92, 0, 0, 0],
            [-5.21, -12.5, 0, 0, 0, 0, 0],
            [0, 3.33, -3.33, 0, 0, 0, 0],
            [0.545, 0, 0, 0, -0.545, 0, 0],
            [0, 0, 0, 4.92, -0.04165, 0, 4.92],
            [0, 0, 0, 0, -5.21, -12.5, 0],
            [0, 0, 0, 0, 0, 3.33, -3.33],
        ]
    )
    B, C, D = np.zeros((7, 5)), np.zeros((3, 7)), np.hstack([np.zeros((3, 2)), np.eye(3)])
    B[1, 0] = B[5, 1] = 12.5
    C[0, 0] = C[1, 3] = C[2, 4] = 1
    return ContinuousStochasticSSM(A, B, C, D)


def test_the_stochastic_hankel_singular_values_of_slicot():
    """They are the cosines of the angles between the state of the given model and the future of its outputs."""
    found = frame(power_system())
    angles = principal_angles(found.joint, found.state, found.backward, noise=found.noise)
    published = [0.8803, 0.8506, 0.8038, 0.4494, 0.3973, 0.0214, 0.0209]
    assert np.abs(angles.cosines - published).max() <= 0.5e-4
    own = canonical_correlations(power_system()).values
    assert np.abs(own - published).max() > 0.1, "the control: past and future of the outputs are farther apart"
    assert (own <= angles.cosines).all(), "since the past of the outputs knows less than the state"


@few
@given(seeds, st.integers(1, 4))
def test_in_continuous_time_as_after_a_cayley_map(seed, n):
    """The map keeps all covariances of the state."""
    data = continuous_process(seed, n)
    known, mapped = canonical_correlations(data), canonical_correlations(cayley_covariances(data)[0])
    assert np.abs(known.values - mapped.values).max() <= 10 * (known.error + mapped.error)


def continuous_process(seed, n):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    A -= (np.linalg.eigvals(A).real.max() + 0.2) * np.eye(n)
    B, C, D = rng.standard_normal((n, 3)), rng.standard_normal((2, n)), np.eye(2, 3)
    return continuous_covariance_model(ContinuousStochasticSSM(A, B, C, D))


def test_what_is_kept_of_a_continuous_process():
    """Truncation keeps R, the density at infinite frequency; states at rest keep that at 0."""
    data = continuous_covariance_model(power_system())
    cut, rest = stochastic_truncation(data, 4).system, stochastic_singular_perturbation(data, 4).system
    assert isinstance(cut, ContinuousCovarianceModel)
    assert np.array_equal(cut.R, data.R)
    assert np.abs(rest.R - data.R).max() > 1e-3, "the control"
    assert isinstance(phase(data).system, ContinuousSSM)
    even = stochastically_balanced(data).system
    L = phase(even).system
    assert isinstance(even, ContinuousCovarianceModel)
    assert L.B.shape == (7, 3)


def test_without_states_and_without_outputs():
    """White noise has no correlation with its past; no output tells nothing."""
    white = CovarianceModel(np.zeros((0, 0)), np.zeros((2, 0)), np.zeros((0, 2)), np.eye(2))
    silent = CovarianceModel([[0.5]], np.zeros((0, 1)), np.zeros((1, 0)), np.zeros((0, 0)))
    for data, n in ((white, 0), (silent, 1)):
        assert canonical_correlations(data).values.tolist() == [0] * n
        assert canonical_correlations(data).nonzero.choice == 0
        assert mutual_information(data) == window_information(data, 2, 3) == 0
        assert stochastic_truncation(data, 0).order == stochastic_singular_perturbation(data, 0).order == 0
        assert len(frame(data).joint) == 2 * n
    assert window_length(white) == 0
    assert window_correlations(np.eye(2)[None], 0, 1).shape == (0,)


def test_a_correlation_that_is_not_there_is_left_out():
    """A state that the outputs do not show: what is known of the order, and the reduction to it, exactly."""
    data = CovarianceModel(np.diag([0.5, 0.3]), [[1, 0]], [[0.5], [1]], [[2]])
    plain = CovarianceModel([[0.5]], [[1]], [[0.5]], [[2]])
    found = canonical_correlations(data)
    assert found.nonzero.choice == 1
    assert found.values[0] == pytest.approx(canonical_correlations(plain).values[0], abs=1e-14)
    for reduce in (stochastic_truncation, stochastic_singular_perturbation):
        small = reduce(data, 1)
        assert small.residual < 1e-13
        assert small.correlations.shape == (2,)


def test_covariances_of_a_sample():
    """Sums of T - k products over T are covariances of a process, whatever the data; over T - k they may be none."""
    model, T = random_process(2, 1, 2, radius=0.7, rng=4), 20_000
    y = sample(model, T, rng=1).y
    products = [y[k:].T @ y[: T - k] for k in range(8)]
    found = window_correlations([X / T for X in products], 4, 4)
    exact = window_correlations(autocovariances(model, 7), 4, 4)
    assert np.abs(found - exact).max() <= 5 / np.sqrt(T), "five standard deviations"
    assert np.abs(found - sample_canonical_correlations(y, 4, 4).values).max() <= 20 / T, "but for the ends"
    few = np.array([1.0, 1.0, -1.0, 1.0])
    sums = [few[k:] @ few[: 4 - k] for k in range(4)]
    assert window_correlations([x / 4 for x in sums], 2, 2).max() <= 1
    with pytest.raises(StructureError, match="past and future have the correlation 1 \\+ "):
        window_correlations([x / (4 - k) for k, x in enumerate(sums)], 2, 2)


def test_a_window_that_is_degenerate_has_the_correlation_one():
    """The second output repeats the first one step later: the past knows it, whatever the process is."""
    ar = StochasticSSM([[0.5, 0], [1, 0]], [[1], [0]], [[1, 0], [0, 1]], [[0], [0]])
    Lambda = [np.array([[1, 0.5], [0.5, 1]]) * 4 / 3] + [
        np.array([[0.5**k, 0.5 ** abs(k + 1)], [0.5 ** (k - 1), 0.5**k]]) * 4 / 3 for k in range(1, 8)
    ]
    found = window_correlations(Lambda, 4, 4)
    assert found[0] == pytest.approx(1, abs=1e-12)
    assert found[1:].max() < 1e-7
    with pytest.raises(StructureError, match="has a covariance of rank"):
        window_information(ar, 3, 3)


@pytest.mark.parametrize("power", [3, 8, 30])
def test_units_of_the_states_do_not_matter(power):
    """States that are measured in units 10^-power to 10^power: nothing that belongs to the process changes."""
    data = covariance_model(random_process(4, 2, 3, rng=2))
    x = 10.0 ** np.array([power, 0, -power, power / 2])
    scaled = CovarianceModel(data.A * x[:, None] / x, data.C / x, data.G * x[:, None], data.Lambda0)
    known, found = canonical_correlations(data), canonical_correlations(scaled)
    assert np.abs(found.values - known.values).max() <= known.error
    assert found.error <= 2 * known.error
    small, plain = stochastic_truncation(scaled, 2), stochastic_truncation(data, 2)
    assert small.positive_real
    np.testing.assert_allclose(small.L @ small.R, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(np.abs(small.system.A), np.abs(plain.system.A), atol=1e-11)
    ends = frame(scaled)
    angles = principal_angles(ends.joint, ends.predictor, ends.backward, noise=ends.noise)
    np.testing.assert_allclose(angles.cosines, known.values, atol=1e-12)


def test_with_zeros_on_the_circle():
    """y(t) = e(t) - e(t-2) shares two variables; what is left out or kept of them is said, with an infinite bound."""
    data = CovarianceModel([[0, 1], [0, 0]], [[1, 0]], [[0], [-1]], [[2]])
    found = canonical_correlations(data)
    assert found.ones == found.nonzero.choice == 2
    assert np.abs(found.values - 1).max() <= found.error
    assert kept_information(data, 1) == mutual_information(data) == np.inf
    for reduce in (stochastic_truncation, stochastic_singular_perturbation):
        small = reduce(data, 1)
        assert small.positive_real
        assert small.bound == small.residual == np.inf, "at the zero every error is infinite"
    inside = CovarianceModel([[0, 1], [0, 0]], [[1, 0]], [[0], [-0.81]], [[1 + 0.81**2]])
    assert canonical_correlations(inside).ones == 0, "the control: zeros at 0.9 and -0.9"
    np.testing.assert_allclose(canonical_correlations(inside).values, 0.81, atol=1e-12)


@pytest.mark.parametrize("distance, ones", [(1e-2, 0), (1e-4, 0), (1e-6, 0), (1e-10, 1)])
def test_a_zero_close_to_the_circle_is_told_from_one_on_it(distance, ones):
    """Of 1 + z^2 and -z the zero z is known to eps / (1 - z): 1e-6 from the circle sigma = z has ten digits."""
    z = 1 - distance
    data = CovarianceModel([[0]], [[1]], [[-z]], [[1 + z * z]])
    found = canonical_correlations(data)
    assert found.ones == ones
    assert abs(found.values[0] - z) <= 10 * EPS / distance if not ones else found.error < 1e-7
    assert np.isinf(mutual_information(data)) == bool(ones)


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6])
def test_the_error_of_a_model_is_that_of_its_covariances_too(distance):
    """x+ = a x + w, y = x + v, a close to 1, in 40 digits: P = 1 / (1 - a^2) has lost some before there are data.

    y has innovations of y+ = a y + e+ - f e, with f + 1/f = (2 + a^2) / a; sigma is (a - f) / (1 - a f).
    """
    a = 1 - distance
    with mpmath.workdps(40):
        b = (2 + mpmath.mpf(a) ** 2) / a
        f = (b - mpmath.sqrt(b**2 - 4)) / 2
        sigma = float((a - f) / (1 - a * f))
    model = StochasticSSM([[a]], [[1, 0]], [[1]], [[0, 1]])
    found = canonical_correlations(model)
    assert abs(found.values[0] - sigma) <= found.error <= 10 * EPS / distance
    assert canonical_correlations(covariance_model(model)).error < found.error, "the control: data stand as they are"


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_a_faint_state_counts(size):
    """Correlations of 1e-12 are known to twelve digits where G is given: small is not zero.  The control: G = 0."""
    data = covariance_model(StochasticSSM([[0.5, 1], [0, -0.3]], [[size, 0], [size, 0]], [[1, -1]], [[0, 1]]))
    found = canonical_correlations(data)
    assert found.values[0] < 1.5 * size**2
    assert found.nonzero.choice == 2
    assert found.nonzero.rival is None
    silent = CovarianceModel(data.A, data.C, 0 * data.G, data.Lambda0)
    assert canonical_correlations(silent).nonzero.choice == 0


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: canonical_correlations(CovarianceModel([[0.5]], [[1]], [[2]], [[1]])), StructureError, "density"),
        (lambda: canonical_correlations(CovarianceModel([[1]], [[1]], [[1]], [[4]])), StructureError, "radius 1"),
        (lambda: canonical_correlations(np.eye(2)), ShapeError, "of a ndarray: a CovarianceModel"),
        (
            lambda: stochastic_truncation(covariance_model(random_process(2, 1, 1)), 3),
            StructureError,
            "order 3: 2 of 2",
        ),
        (lambda: stochastic_truncation(covariance_model(random_process(2, 1, 1)), -1), ShapeError, "order is -1"),
        (lambda: window_correlations([1, 0.5], 2, 2), ShapeError, "at least 4 covariances"),
        (lambda: window_correlations([1, 2, 1, 0], 2, 2), StructureError, "eigenvalue -1, need >= 0"),
        (lambda: window_length(random_process(2, 1, 1), atol=0.0), ShapeError, "atol is 0.0"),
        (lambda: window_length(power_system()), ShapeError, "window of a ContinuousStochasticSSM"),
        (lambda: information([0.5, 1.5]), ShapeError, "the entry 1.5, but numbers between 0 and 1"),
        (lambda: window_information(random_process(1, 1, 1), 4000, 4000), ShapeError, "need at most 4096"),
        (lambda: information([0.5j]), ShapeError, "dtype complex128"),
        (lambda: information(0.5), ShapeError, r"has shape \(\)"),
        (lambda: information([np.nan]), ShapeError, "NaN"),
    ],
)
def test_what_has_no_answer_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
