"""Reversal against its formulas, joint covariances against autocovariances, paths against both; what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.stochastic import (
    autocovariances,
    in_steps,
    joint_covariance,
    reverse,
    reverse_varying,
    reversed_step,
    sample,
    spectral_density,
    state_covariance,
    state_factor,
)
from realization.stochastic.factors import regular_factor, triangular
from realization.systems import (
    NAMED_CONTINUOUS_STOCHASTIC,
    NAMED_STOCHASTIC,
    BackwardSSM,
    ContinuousStochasticSSM,
    InitialState,
    InnovationsSSM,
    LinearSSM,
    StochasticSSM,
    TimeVaryingStochasticSSM,
)
from realization.systems.families import conditioned
from realization.systems.stochastic_families import random_innovations, random_process
from realization.systems.stochastic_library import badly_scaled_process, hardly_reached
from realization.testing import (
    covariance_condition,
    in_deviations,
    seeds,
    stochastic_systems,
    time_varying_stochastic_systems,
)

u = 2.0**-53
oscillator = NAMED_STOCHASTIC["noisy_oscillator"].make()
follower = NAMED_STOCHASTIC["follower"].make()
walk = TimeVaryingStochasticSSM(*np.ones((4, 3, 1, 1)))


@given(stochastic_systems())
def test_the_noise_is_a_factor_of_the_matrix_in_the_docstring(drawn):
    """[inv(P) - A' inv(P) A, C' - A' inv(P) Cb'; ., Lambda0 - Cb inv(P) Cb'], in the inner product of P."""
    model, back = drawn.system, reverse(drawn.system)
    A, B, C, D = model.A, model.B, model.C, model.D
    P = state_covariance(model)
    L = np.linalg.cholesky(P)
    inv, Cb = np.linalg.inv(P), C @ P @ A.T + D @ B.T
    S = C.T - A.T @ inv @ Cb.T
    M = np.block([[inv - A.T @ inv @ A, S], [S.T, C @ P @ C.T + D @ D.T - Cb @ inv @ Cb.T]])
    y = np.sqrt(np.diag(C @ P @ C.T + D @ D.T))
    T = np.block([[L.T, np.zeros((len(L), len(y)))], [np.zeros((len(y), len(L))), np.diag(1 / y)]])
    # P is formed here twice over, so that its condition counts
    assert np.abs(T @ (back.noise_covariance - M) @ T.T).max() < 100 * max(len(L), 1) * u * drawn.condition


@given(stochastic_systems(min_states=1))
def test_there_are_as_many_noises_and_of_the_same_rank(drawn):
    """By singular values of [B; D] in standard deviations; 1e-9 is far above rounding and below what is drawn."""
    model, back = drawn.system, reverse(drawn.system)
    assert back.B.shape == model.B.shape
    ranks = []
    for each in (model, back):
        sd = np.linalg.norm(state_factor(each), axis=1)
        s = np.linalg.svd(np.vstack([each.B / sd[:, None], each.D]), compute_uv=False)
        ranks.append((s > 1e-9 * s[0]).sum())
    assert ranks[0] == ranks[1]


@given(time_varying_stochastic_systems(singular=False), seeds)
def test_a_step_is_a_regression(drawn, seed):
    """x(t) and y(t) on x(t+1): coefficients and what is left, from the joint covariance of the three."""
    if not len(drawn.system.A):
        return
    A, B, C, D = (getattr(drawn.system, X)[0] for X in "ABCD")
    n = len(A)
    L = conditioned(n, 10.0, rng=seed)
    step = reversed_step(A, B, C, D, L)
    F = np.vstack([np.hstack([L, 0 * B]), np.hstack([C @ L, D]), np.hstack([A @ L, B])])
    V = F @ F.T
    gain = np.linalg.solve(V[-n:, -n:], V[-n:, :-n]).T if n else np.zeros((len(C), 0))
    left = V[: -n or None, : -n or None] - gain @ V[-n:, :-n] if n else V
    bound = 100 * max(n, 1) * u * max(np.linalg.cond(V[-n:, -n:]) if n else 1.0, 10.0) * max(1.0, np.abs(V).max())
    found = np.vstack([step.B, step.D])
    assert np.abs(np.vstack([step.A, step.C]) - gain).max(initial=0.0) <= bound
    assert np.abs(found @ found.T - left).max() <= bound


def test_units_cost_nothing():
    """Units of 1 to 1e12, so cond(P) is 1e24: covariances agree to the last digits, and so do the models, unscaled."""
    well, badly = random_process(condition=1.0), badly_scaled_process()
    assert np.linalg.cond(state_covariance(badly)) > 1e22
    g = badly.B[:, 0] / well.B[:, 0]
    one, other = reverse(well), reverse(badly)
    assert np.abs(other.noise_covariance[:4, :4] * g[:, None] * g - one.noise_covariance[:4, :4]).max() < 1e-13
    assert in_deviations(joint_covariance(other, 5), joint_covariance(badly, 5)) < 1e-13


@given(st.floats(-40, 40), st.floats(-40, 40))
def test_factors_are_equivariant_under_units(a, b):
    """L of units (2^a, 2^b) is L in these units, to the last bits."""
    g = 2.0 ** np.round([a, b])
    scaled = StochasticSSM(oscillator.A * g[:, None] / g, oscillator.B * g[:, None], oscillator.C / g, oscillator.D)
    assert np.abs(np.abs(state_factor(scaled) / g[:, None]) - np.abs(state_factor(oscillator))).max() < 1e-15


@pytest.mark.parametrize("name", [n for n, e in NAMED_STOCHASTIC.items() if "stable" in e.traits])
def test_joint_covariances_consist_of_autocovariances(name):
    """Outputs: Lambda(s - t); state and output at one time: P C'; silent states too."""
    model, T = NAMED_STOCHASTIC[name].make(), 4
    n, p = len(model.A), len(model.C)
    F, L, P = joint_covariance(model, T), autocovariances(model, T), state_covariance(model)
    y = F[n * (T + 1) :, n * (T + 1) :].reshape(T, p, T, p)
    for s in range(T):
        for t in range(s + 1):
            assert np.abs(y[s, :, t] - L[s - t]).max() < 1e-12 * np.abs(L[0]).max()
        assert np.abs(F[n * s : n * (s + 1), n * (T + 1) + p * s : n * (T + 1) + p * (s + 1)] - P @ model.C.T).max(
            initial=0.0
        ) < 1e-12 * max(np.abs(P).max(initial=0.0), 1) * max(np.abs(model.C).max(initial=0.0), 1)


def test_innovations_models_are_models():
    """Same matrices, given another way; and the reversal has noises as many as outputs."""
    model = random_innovations(3, 2, rng=5)
    assert np.array_equal(joint_covariance(model, 3), joint_covariance(model.as_stochastic(), 3))
    assert reverse(model).B.shape == (3, 2)
    one, other = sample(model, 5, rng=0).y, sample(model.as_stochastic(), 5, rng=0).y
    assert np.array_equal(one, other)


def drawn_covariance(model, T, paths, **options):
    """Of (x(0) ... x(T), y(0) ... y(T-1)) over independent paths."""
    y, x = sample(model, T, rng=3, batch=(paths,), **options)
    J = np.concatenate([x.reshape(paths, -1), y.reshape(paths, -1)], axis=1)
    return J.T @ J / paths


@pytest.mark.parametrize("way", [lambda m: m, reverse])
@pytest.mark.parametrize("name", ["follower", "smallest_model", "noisy_oscillator", "ma", "white_noise"])
def test_paths_have_the_joint_covariance(name, way):
    """20 000 paths: an entry has a standard error of at most sqrt(2 / 20 000) = 0.01 deviations^2; six of these."""
    model = NAMED_STOCHASTIC[name].make()
    truth = joint_covariance(model, 3)
    found = drawn_covariance(way(model), 3, 20_000)
    assert in_deviations(found, truth) < 0.06
    if name in ("follower", "smallest_model"):  # the control: the process played backward
        played = drawn_covariance(StochasticSSM(*(getattr(reverse(model), X) for X in "ABCD")), 3, 20_000)
        p = len(model.C)
        assert in_deviations(played[-3 * p :, -3 * p :], truth[-3 * p :, -3 * p :]) > 0.06


def test_paths_of_continuous_and_of_varying_models_have_it_too():
    model = NAMED_CONTINUOUS_STOCHASTIC["chase"].make()
    truth = joint_covariance(in_steps(model, 0.5), 3)
    for each in (in_steps(model, 0.5), in_steps(reverse(model), 0.5)):
        assert in_deviations(drawn_covariance(each, 3, 20_000), truth) < 0.06
    start = InitialState.known([0])
    back, end = reverse_varying(walk, start)
    truth = joint_covariance(walk, initial=start)
    for each, begin in ((walk, start), (back, end)):
        assert in_deviations(drawn_covariance(each, 3, 20_000, initial=begin), truth) < 0.06


def test_a_long_path_has_the_autocovariances():
    """A million steps, one time constant in 10: standard errors of about sqrt(2 * 10 / 1e6) = 0.005; six of these."""
    L = autocovariances(oscillator, 5)
    for model in (oscillator, reverse(oscillator)):
        y = sample(model, 10**6, rng=7).y
        found = np.stack([y[k:].T @ y[: len(y) - k] / len(y) for k in range(6)])
        assert np.abs(found - L).max() < 0.03 * L[0, 0, 0]


def test_a_path_belongs_to_its_seed_and_starts_where_it_is_told_to():
    one, other, third = (sample(oscillator, 20, rng=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.y, other.y)
    assert not np.array_equal(one.y, third.y)
    start = InitialState([3, -2], np.zeros((2, 2)))
    assert sample(oscillator, 5, rng=0, initial=start, batch=(2, 3)).x[:, :, 0].tolist() == [[[3, -2]] * 3] * 2
    back, _ = reverse_varying(walk, InitialState.known([0]))
    assert sample(back, 3, rng=0, initial=InitialState.known([5])).x[-1].tolist() == [5]


def test_a_path_obeys_its_equation():
    """Forward, x(t+1) - A x(t) = B w and y - C x = D w: here both noises are invertible functions of w."""
    model = NAMED_STOCHASTIC["smallest_model"].make()
    y, x = sample(model, 50, rng=0)
    w = y - x[:-1] @ model.C.T
    assert np.abs(x[1:] - x[:-1] @ model.A.T - w @ model.B.T).max() < 1e-14


EMPTY = StochasticSSM(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((1, 0)), [[1, 2]])
BRIDGE = reverse_varying(walk, InitialState.known([0]))
NO_OUTPUT = StochasticSSM([[0.5]], [[1]], np.zeros((0, 1)), np.zeros((0, 1)))


@pytest.mark.parametrize("model", [EMPTY, NO_OUTPUT])
@pytest.mark.parametrize("T", [0, 1, 3])
def test_nothing_is_legal(model, T):
    back = reverse(model)
    F = joint_covariance(model, T)
    n, p = len(model.A), len(model.C)
    assert F.shape == (n * (T + 1) + p * T,) * 2
    assert np.abs(joint_covariance(back, T) - F).max(initial=0.0) < 1e-15
    y, x = sample(back, T, rng=0, batch=(2,))
    assert (y.shape, x.shape) == ((2, T, p), (2, T + 1, n))
    assert reverse(back).B.shape == model.B.shape


def test_no_steps_and_no_noise_are_legal():
    start = InitialState([0, 0], np.ones((2, 2)))
    for T, m in ((0, 1), (3, 0)):
        B, D = np.zeros((T, 2, m)), np.zeros((T, 1, m))
        model = TimeVaryingStochasticSSM(np.ones((T, 2, 2)), B, np.ones((T, 1, 2)), D)
        back, end = reverse_varying(model, start)
        F = joint_covariance(model, initial=start)
        assert np.abs(joint_covariance(back, initial=end) - F).max() <= 1e-14 * np.abs(F).max()
    assert triangular(np.zeros((2, 0))).shape == (2, 0)


def test_a_condition_beyond_the_limit_is_a_choice():
    """cond(P) = 1e16 leaves no digit by the bound, and half of them in fact: rtol lets it pass."""
    model = hardly_reached(1e-8)
    with pytest.raises(StructureError, match=r"smallest eigenvalue \d\.\d+e-1[67].*need > 8.9e-15"):
        reverse(model)
    again = joint_covariance(reverse(model, rtol=0), 3)
    assert in_deviations(again, joint_covariance(model, 3)) < 1e-6


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: reverse(StochasticSSM([[1]], [[1]], [[1]], [[1]])), StructureError, "spectral radius 1, need < 1"),
        (lambda: reverse(BackwardSSM([[1.5]], [[1]], [[1]], [[1]])), StructureError, "spectral radius 1.5, need < 1"),
        (
            lambda: reverse(ContinuousStochasticSSM([[0]], [[1]], [[1]], [[1]])),
            StructureError,
            "spectral abscissa of A is 0, need < 0",
        ),
        (
            lambda: reverse(NAMED_STOCHASTIC["silent_state"].make()),
            StructureError,
            "smallest eigenvalue 0 .*need > 2.2e-15: states that noise hardly reaches, .* reverse in x with",
        ),
        (lambda: reverse(random_process(2, 1, 0)), StructureError, "smallest eigenvalue 0 "),
        (lambda: reverse(oscillator, rtol=-1.0), ShapeError, "rtol is -1.0"),
        (lambda: reverse(LinearSSM([[0.5]], [[1]], [[1]], [[1]])), ShapeError, "reverse of a LinearSSM"),
        (lambda: reverse(walk), ShapeError, "use `reverse_varying`, which takes the state at its start"),
        (lambda: reverse_varying(oscillator, InitialState.known([0, 0])), ShapeError, "reverse_varying of a Stoch"),
        (lambda: reverse_varying(walk, InitialState.known([0, 0])), ShapeError, r"n=2, but n=1 \(from A\)"),
        (lambda: reverse_varying(walk, InitialState.known([1])), StructureError, "the mean has an entry 1, need 0"),
        (lambda: reverse_varying(walk, InitialState.unknown(1)), StructureError, "diffuse covariance has an entry 1"),
        (lambda: reverse_varying(walk, np.eye(1)), ShapeError, "the state at the start of a ndarray"),
        (lambda: joint_covariance(walk, 3), ShapeError, "3 steps from None; at most 3, and the state at the start"),
        (lambda: joint_covariance(walk, 4, initial=InitialState.known([0])), ShapeError, "4 steps from .*at most 3"),
        (
            lambda: joint_covariance(BRIDGE.model, 2, initial=BRIDGE.start),
            ShapeError,
            r"2 steps of a model that starts at x\(3\); 3 are needed",
        ),
        (
            lambda: sample(BRIDGE.model, 2, rng=0, initial=BRIDGE.start),
            ShapeError,
            r"x\(3\); 3 are needed, or a model of the first 2",
        ),
        (lambda: joint_covariance(oscillator, -1), ShapeError, "steps is -1"),
        (lambda: joint_covariance(oscillator), ShapeError, "steps is None"),
        (lambda: sample(walk, 3, rng=0), ShapeError, "3 steps from None"),
        (lambda: sample(oscillator, 2.5, rng=0), ShapeError, "steps is 2.5"),
        (lambda: sample(NAMED_STOCHASTIC["noisy_level"].make(), 3, rng=0), StructureError, "spectral radius 1, need"),
        (lambda: sample(oscillator, 2, rng=0, batch=(2.5,)), ShapeError, "batch is 2.5, but a whole number"),
        (lambda: reverse(oscillator, rtol="small"), ShapeError, "rtol is small, but a number of at least 0"),
        (lambda: InitialState.unknown(-1), ShapeError, "n is -1"),
        (lambda: spectral_density(oscillator, [[0.0]]), ShapeError, r"omega has shape \(1, 1\), float64"),
        (lambda: spectral_density(oscillator, 1j), ShapeError, r"omega has shape \(1,\), complex128"),
        (lambda: spectral_density(oscillator, np.nan), ShapeError, "omega has 1 entries that are NaN"),
        (lambda: in_steps(oscillator, 1.0), ShapeError, "in_steps of a StochasticSSM"),
        (lambda: in_steps(NAMED_CONTINUOUS_STOCHASTIC["chase"].make(), 0.0), ShapeError, "positive"),
        (lambda: regular_factor(walk), ShapeError, "covariance of a TimeVarying"),
        (lambda: reversed_step([[1]], [[1]], [[np.nan]], [[1]], [[1]]), ShapeError, "C has 1 entries that are NaN"),
        (lambda: reversed_step([[1]], [[1], [2]], [[1]], [[1]], [[1]]), ShapeError, "B has shape"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_rank_that_rounding_decides_is_refused():
    """x1 - x2 = 3e-14 times noise: singular values 1.4 and 2e-14, below which rounding lies by a factor of 20."""
    L = np.array([[1.0, 0.0], [1.0, 3e-14]])
    I, none = np.eye(2), np.zeros((2, 0))
    with pytest.raises(StructureError, match=r"undecided rank of the square root of P\(t\+1\)"):
        reversed_step(I, none, I, none, L)
    for clear in (0.0, 1e-9):
        L[1, 1] = clear
        assert reversed_step(I, none, I, none, L).L.shape == (2, 1 + (clear > 0))


def test_diagonal_units_are_not_taken_for_a_low_rank():
    """A state whose noise is 1e-13 of another's is a state in other units."""
    B, none = np.diag([1.0, 1e-13])[None], np.zeros((1, 2, 2))
    model = TimeVaryingStochasticSSM(none, B, np.eye(2)[None], none)
    back, end = reverse_varying(model, InitialState([0, 0], np.eye(2)))
    assert np.diag(end.covariance).tolist() == pytest.approx([1.0, 1e-26])
    assert not back.A.any()


def test_covariance_conditions_are_those_of_the_correlation_matrix():
    model = InnovationsSSM([[0.5]], [[1]], [[1]], [[2]])
    assert covariance_condition(model) == 1
    P = state_covariance(follower)
    assert covariance_condition(follower) == pytest.approx(1.0)
    model = random_process(3, 1, 1, rng=1)
    P = state_covariance(model)
    sd = np.sqrt(np.diag(P))
    assert covariance_condition(model) == pytest.approx(np.linalg.cond(P / sd[:, None] / sd), rel=1e-6)
