"""Faurre's set at its edges: hard scalars, zeros on the circle, nothing to see, odd units, named ones, refusals."""

from fractions import Fraction

import numpy as np
import pytest

from realization.core.errors import ShapeError, StructureError
from realization.linalg import discrete_riccati
from realization.linalg.certificate import fractions
from realization.stochastic import (
    ContinuousCovarianceModel,
    CovarianceModel,
    autocovariances,
    backward_innovations_model,
    continuous_faurre_set,
    covariance_model,
    extremal,
    extremals,
    faurre_set,
    innovations_model,
    maximum_phase_model,
    mean_log_density,
    positive_real,
    reverse,
    spectral_density,
    spectral_factor,
    state_covariance,
    transient_covariances,
)
from realization.stochastic.faurre.faurre_equation import stabilizing
from realization.systems import NAMED_STOCHASTIC
from realization.systems.stochastic import InnovationsSSM, StochasticSSM
from realization.systems.stochastic_library import badly_scaled_process

HALF = CovarianceModel(A=[[0.5]], C=[[1]], G=[[0.5]], Lambda0=[[2]])
COERCIVE = [name for name, entry in NAMED_STOCHASTIC.items() if {"stable", "coercive"} <= entry.traits]


def moving_average(h):
    """Covariances of y(t) = h0 e(t) + h1 e(t-1) + ..."""
    h, n = np.asarray(h, dtype=float), len(h) - 1
    L = np.correlate(h, h, "full")[n:]
    return CovarianceModel(A=np.eye(n, k=1), C=np.eye(1, n), G=L[1:, None], Lambda0=[[L[0]]])


def covariance_of(h):
    """P of the state x_i = sum_k h(i+k) e(t-k) of a moving average."""
    n = len(h) - 1
    H = np.array([[h[i + k] if i + k <= n else 0 for k in range(n)] for i in range(1, n + 1)], dtype=float)
    return H @ H.T


@pytest.mark.parametrize("name", COERCIVE)
def test_named_processes(name):
    """Proved positive real, P within the set, both factors with the spectrum, three routes to log det R."""
    model = NAMED_STOCHASTIC[name].make()
    data, P, omega = covariance_model(model), state_covariance(model), np.linspace(0, np.pi, 9)
    assert positive_real(data).verdict == "positive real"
    full, Phi = faurre_set(data), spectral_density(data, omega)
    size = np.linalg.norm(P / np.outer(full.units, full.units)[: len(P), : len(P)])
    assert full.contains(P, atol=1e-14 * size)
    for factor in (innovations_model(full), backward_innovations_model(full)):
        W = spectral_factor(factor, omega)
        assert np.abs(W @ W.conj().swapaxes(1, 2) - Phi).max() < 1e-12 * np.abs(Phi).max()
    logs = [np.linalg.slogdet(R)[1] for R in (full.R, full.Rbar)]
    assert np.allclose(logs, mean_log_density(data), atol=1e-11)
    rank = full.noise_factor(P).rank
    true = np.linalg.matrix_rank(np.vstack([model.B, model.D]) / full.units[:, None], tol=1e-7)
    assert not rank.decided or rank.choice == true


@pytest.mark.parametrize("name", COERCIVE)
def test_named_processes_are_where_their_traits_say(name):
    """P_- where the past determines the state, P_+ where the future does; internal where both together do."""
    model, traits = NAMED_STOCHASTIC[name].make(), NAMED_STOCHASTIC[name].traits
    full, P = faurre_set(model), state_covariance(model)
    if not len(P):
        return
    size = np.linalg.norm(P)
    assert (np.linalg.norm(P - full.P_minus) < 1e-10 * size) == ("smallest" in traits)
    assert (np.linalg.norm(P @ full.Pbar_minus - np.eye(len(P))) < 1e-10) == ("largest" in traits)
    found = full.internal(P, atol=1e-14 * np.linalg.norm(P / np.outer(full.units, full.units)[: len(P), : len(P)]))
    assert found.verdict in ("undecided", "internal" if "internal" in traits else "external")
    assert found.verdict != "undecided" or "hard" in traits


@pytest.mark.parametrize("power", [3, 12, 20])
def test_units_do_not_matter(power):
    """States in units up to 10^-power: every result is that in good units, a digit lost at most."""
    odd = badly_scaled_process(10.0**power)
    g = 2.0 ** np.round(np.linspace(0, np.log2(10.0**power), 4))
    well = StochasticSSM(odd.A / g[:, None] * g, odd.B / g[:, None], odd.C * g, odd.D)
    one, other = faurre_set(well), faurre_set(odd)
    X = np.outer(g, g)
    for a, b in (
        (one.P_minus, other.P_minus / X),
        (one.Pbar_minus, other.Pbar_minus * X),
        (one.weight, other.weight * X),
        (one.P_plus, other.P_plus / X),
        (one.K, other.K / g[:, None]),
        (one.R, other.R),
        (extremal(one, [0]).P, extremal(other, [0]).P / X),
        (one.beyond(np.eye(4)), other.beyond(1 / X * np.eye(4)) / X),
    ):
        assert np.abs(a - b).max() < 1e-10 * np.abs(a).max()
    for P in (other.P_minus, state_covariance(odd)):
        assert other.noise_factor(P).rank.choice == one.noise_factor(P / X).rank.choice
        assert other.contains(P, atol=1e-13 * np.linalg.norm(P / X))
    assert mean_log_density(covariance_model(odd)) == pytest.approx(mean_log_density(covariance_model(well)), abs=1e-12)
    assert positive_real(covariance_model(odd)).verdict == "positive real"


def test_hard_scalars():
    """The peers' cases: P_- = 0.1339746, P_+ = 1.8660254; MA(1) with a unit root, P_- = P_+ = 1, to half the digits."""
    full = faurre_set(HALF)
    assert [full.P_minus.item(), full.P_plus.item()] == pytest.approx([1 - 0.75**0.5, 1 + 0.75**0.5], rel=1e-15)
    edge = faurre_set(moving_average([1, -1]))
    assert edge.on_boundary == 1
    assert [edge.P_minus.item(), edge.P_plus.item()] == pytest.approx([1, 1], abs=1e-7)
    assert abs(edge.P_minus.item() - 1) <= 2 * edge.error


@pytest.mark.parametrize(
    "h, on_circle",
    [([1, -1], 1), ([1, 0, 0, 0, -1], 4), ([1, -1.5, 0.5], 1), ([1, -2, 1], 2), ([1, -3, 3, -1], 3)],
)
def test_zeros_on_the_circle_are_counted_and_the_loss_is_stated(h, on_circle):
    """h has no zero outside, so P_- is that of the moving average itself; multiplicities 1, 2, 3."""
    full = faurre_set(moving_average(h))
    assert full.on_boundary == on_circle
    expected = covariance_of(h)
    error = np.linalg.norm(full.P_minus - expected, 2)
    assert error <= 10 * max(full.error, full.error_bar)
    assert full.error < 1e-2 * np.linalg.norm(expected)
    with pytest.raises(StructureError, match=rf"{on_circle} zeros lie on the boundary"):
        _ = full.weight


def test_the_control_to_it_has_none():
    h = np.poly([0.99, -0.9])
    full = faurre_set(moving_average(h))
    assert full.on_boundary == 0
    assert np.abs(full.P_minus - covariance_of(h)).max() < 1e-12
    assert len(extremals(full)) == 4


def test_in_continuous_time_a_zero_on_the_axis():
    """A = -1, C = R = 1, G = -1/2: Phi = w^2 / (1 + w^2), and 2P = (1/2 + P)^2 has the double root 1/2."""
    full = continuous_faurre_set(ContinuousCovarianceModel(A=[[-1]], C=[[1]], G=[[-0.5]], R=[[1]]))
    assert full.on_boundary == 1
    assert [full.P_minus.item(), full.P_plus.item()] == pytest.approx([0.5, 0.5], abs=1e-6)


def test_a_singular_loop_has_a_largest_covariance_through_the_dual():
    """A - G inv(Lambda0) C = 0: no antistabilizing solution, and yet P_+ = 4/3, with a zero at infinity."""
    full = faurre_set(CovarianceModel(A=[[0.5]], C=[[1]], G=[[2 / 3]], Lambda0=[[4 / 3]]))
    assert full.P_minus.item() == pytest.approx(1 / 3, rel=1e-14)
    assert full.P_plus.item() == pytest.approx(4 / 3, rel=1e-14)
    assert np.abs(full.zeros_plus[0]) > 1e14
    model = maximum_phase_model(full)
    assert state_covariance(model).item() == pytest.approx(4 / 3, rel=1e-14)
    assert abs(model.D.item()) < 1e-15


def test_what_is_not_seen_has_no_largest_covariance():
    """A state that no output sees: P_- and the innovations are as without it; P_+ is refused with the number."""
    data = CovarianceModel(A=np.diag([0.5, 0.2]), C=[[1, 0]], G=[[0.5], [0.1]], Lambda0=[[2]])
    full = faurre_set(data)
    assert full.P_minus[0, 0] == pytest.approx(1 - 0.75**0.5, rel=1e-14)
    for ask in (lambda: full.P_plus, lambda: full.between(0.5), lambda: maximum_phase_model(data)):
        with pytest.raises(
            StructureError, match=r"inv\(P_\+\) has smallest eigenvalue .* realize the process minimally"
        ):
            ask()
    # a state that no noise of the past moves is no obstacle
    hidden = faurre_set(CovarianceModel(A=np.diag([0.5, 0.2]), C=[[1, 1]], G=[[0.5], [0]], Lambda0=[[2]]))
    assert np.allclose(hidden.P_minus, [[1 - 0.75**0.5, 0], [0, 0]], atol=1e-15)
    assert np.isfinite(hidden.P_plus).all()


def test_nothing_is_legal():
    """n = 0 is white noise, p = 0 a process without outputs."""
    white = CovarianceModel(np.zeros((0, 0)), np.zeros((2, 0)), np.zeros((0, 2)), [[2, 1], [1, 2]])
    full = faurre_set(white)
    assert full.P_plus.shape == (0, 0)
    assert len(extremals(full)) == 1
    assert full.model(np.zeros((0, 0))).D.shape == (2, 2)
    assert mean_log_density(white) == pytest.approx(np.log(3), rel=1e-14)
    assert np.allclose(maximum_phase_model(white).D @ maximum_phase_model(white).D.T, white.Lambda0, rtol=1e-14)
    silent = CovarianceModel(0.5 * np.eye(2), np.zeros((0, 2)), np.zeros((2, 0)), np.zeros((0, 0)))
    assert not faurre_set(silent).P_minus.any()
    assert positive_real(silent).verdict == "positive real"
    assert transient_covariances(HALF, 0).shape == (1, 1, 1)


def test_the_filter_of_a_model_of_innovations_is_itself():
    """Up to the zeros: those outside are flipped, and the control keeps its gain only if there are none."""
    inside = InnovationsSSM(A=[[0.5]], K=[[0.3]], C=[[1]], R=[[2]])
    assert np.allclose(innovations_model(inside).K, inside.K, rtol=1e-14)
    outside = InnovationsSSM(A=[[0.5]], K=[[2.5]], C=[[1]], R=[[2]])
    assert innovations_model(outside).K.item() == pytest.approx(1.0)
    assert innovations_model(outside).R.item() == pytest.approx(8)


def test_covariances_of_no_process_are_refused_by_frequency_and_eigenvalue():
    with pytest.raises(StructureError, match=r"eigenvalue -0\.44 .* at frequency 0, need >= 0: no process"):
        faurre_set(CovarianceModel(A=[[0]], C=[[1]], G=[[-0.8]], Lambda0=[[1.16]]))
    # half the variance, and one whose stabilizing solution has innovations of negative variance
    for share in (0.25, -1.0):
        with pytest.raises(StructureError, match="not positive real"):
            faurre_set(CovarianceModel(HALF.A, HALF.C, HALF.G, share * HALF.Lambda0))
    # by less than the root of rounding: the solver lets it pass, the density does not
    with pytest.raises(StructureError, match=r"eigenvalue -9.99e-14"):
        faurre_set(CovarianceModel(A=[[0]], C=[[1]], G=[[-1]], Lambda0=[[2 - 1e-13]]))
    with pytest.raises(StructureError, match="output 1 given the 1 before it has variance -"):
        transient_covariances(CovarianceModel(A=[[0]], C=[[1]], G=[[2]], Lambda0=[[1]]), 2)


def test_outputs_that_are_functions_of_each_other_are_refused():
    twice = CovarianceModel([[0.5]], [[1], [1]], [[0.5, 0.5]], [[2, 2], [2, 2]])
    with pytest.raises(StructureError, match=r"undecided.*need > 0 for Faurre's equation"):
        faurre_set(twice)
    assert mean_log_density(twice) < -30


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda: CovarianceModel([[0.5]], [[1]], [[0.5]], [[2, 1], [0, 2]]), "Lambda0 has shape"),
        (
            lambda: CovarianceModel([[0.5]], [[1], [1]], [[1, 1]], [[2, 1], [0, 2]]),
            "Lambda0 differs from its transpose",
        ),
        (lambda: CovarianceModel([[0.5]], [[1]], [[np.nan]], [[2]]), "G has 1 entries that are NaN"),
        (lambda: CovarianceModel([[0.5j]], [[1]], [[0.5]], [[2]]), "A is complex"),
        (lambda: ContinuousCovarianceModel([[-1]], [[1]], [[0.5j]], [[2]]), "G is complex"),
        (lambda: positive_real("data"), "the positive-real test of a str"),
        (lambda: faurre_set(HALF).contains(np.eye(2)), r"P has shape \(2, 2\).*real \(1, 1\) is needed"),
        (
            lambda: faurre_set(moving_average([1, 0.5, 0])).contains([[1, 1], [0, 1]]),
            "P differs from its transpose by 1",
        ),
        (lambda: faurre_set(HALF).between(1.5), "share is 1.5"),
        (lambda: extremal(faurre_set(HALF), [1]), r"flipped is \(1,\); different numbers from 0 to 0"),
        (lambda: extremal(faurre_set(HALF), [0, 0]), r"flipped is \(0, 0\)"),
        (lambda: extremal(faurre_set(HALF), [0.5]), "an index in flipped is .*0.5.*, but a whole number"),
        (lambda: extremal(HALF, [0]), "zeros by groups of a CovarianceModel: a FaurreSet is needed"),
        (lambda: faurre_set(HALF).between([0.5]), r"share is \[0.5\]"),
        (lambda: spectral_density(HALF, [np.nan]), "omega has 1 entries that are NaN"),
        (lambda: spectral_density(HALF, [[0, 1]]), r"omega has shape \(1, 2\).*real frequencies \(k,\)"),
        (lambda: spectral_density(HALF, [1j]), "omega has shape .*complex128"),
        (lambda: spectral_factor(HALF, [0]), "a spectral factor of a CovarianceModel"),
    ],
)
def test_wrong_arguments(ask, message):
    with pytest.raises(ShapeError, match=message):
        ask()


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda: faurre_set(CovarianceModel([[1.0003]], [[1]], [[0.1]], [[1]])), "spectral radius 1.0003, need < 1"),
        (lambda: positive_real(CovarianceModel([[1]], [[1]], [[0.1]], [[1]])), "spectral radius 1, need < 1"),
        (lambda: innovations_model(StochasticSSM([[2]], [[1]], [[1]], [[1]])), "spectral radius 2, need < 1"),
        (lambda: spectral_density(CovarianceModel([[1]], [[1]], [[0.1]], [[1]]), [1, 0]), r"a pole at z = 1\+0j"),
        (lambda: faurre_set(HALF).state_errors([[2.0]]), "eigenvalue -0.151.*no state of the process has"),
        (lambda: faurre_set(HALF).smoothing_error([[0.1]]), "eigenvalue -0.0299"),
        (lambda: faurre_set(HALF).model([[2.0]]), "M.P. of the noise has eigenvalue -0.151"),
        (lambda: faurre_set(HALF).beyond([[-1.0]]), "W has eigenvalue -1"),
    ],
)
def test_hypotheses_that_fail(ask, message):
    with pytest.raises(StructureError, match=message):
        ask()


def test_a_solution_alone_is_no_proof():
    """Minus a process: the equation has its stabilizing solution, and innovations of negative variance."""
    data = CovarianceModel(HALF.A, HALF.C, -HALF.G, -HALF.Lambda0)
    found = discrete_riccati(data.A.T, data.C.T, [[0]], -data.Lambda0, -data.G)
    assert abs(found.closed_loop.item()) < 1
    assert found.residual < 1e-15
    assert -found.weight.item() < -1
    certificate = positive_real(data)
    assert certificate.verdict == "not positive real"
    assert certificate.density == pytest.approx(-4, rel=1e-14)
    with pytest.raises(StructureError, match=r"eigenvalue -4 .* no process"):
        faurre_set(data)


def exact_defect(data, P):
    """det(R) ((1 - a^2) P - S inv(R) S') in rationals, one state and two outputs: it changes sign at P_-."""
    A, C, G, L0 = (fractions(X) for X in (data.A, data.C, data.G, data.Lambda0))
    R, S = L0 - C @ C.T * P, G - A @ C.T * P
    (a, b), (c, d) = R
    adjugate = np.array([[d, -b], [-c, a]], dtype=object)
    return (1 - A[0, 0] ** 2) * P * (a * d - b * c) - (S @ adjugate @ S.T)[0, 0]


def test_the_error_of_the_smallest_covariance_is_stated():
    """Outputs that differ by little noise have a large inv(R), which multiplies the rounding of M(P).

    The control: a Newton step, whose residual has the same rounding, estimates 100 times too little.
    """
    missed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        D = 10 ** rng.uniform(-4, -3) * rng.standard_normal((2, 3))
        data = covariance_model(StochasticSSM([[0.9]], rng.standard_normal((1, 3)), rng.standard_normal((2, 1)), D))
        full = faurre_set(data)
        P = Fraction(full.P_minus.item())
        step, newton = Fraction(full.error), Fraction(stabilizing(data).error * full.P_minus.item())
        assert exact_defect(data, P - step) * exact_defect(data, P + step) < 0
        missed += exact_defect(data, P - 100 * newton) * exact_defect(data, P + 100 * newton) > 0
    assert missed > 0


@pytest.mark.parametrize("power", [0, 6, 12])
@pytest.mark.parametrize("share", [1.01, 0.99])
def test_units_do_not_matter_to_the_verdict(power, share):
    """1 % above the least Lambda0 that is possible and 1 % below it, in units of one state and one output to 10^12."""
    x, y = np.array([10.0**power, 1.0]), np.array([1.0, 10.0**power])
    A, C, G = np.diag([0.5, -0.3]), np.array([[1, 0.2], [0, 1]]), np.array([[0.5, 0], [0, 0.4]])
    quiet = CovarianceModel(A, C, G, np.eye(2))
    least = 1 - positive_real(quiet).density
    L0 = share * least * np.eye(2)
    data = CovarianceModel(A * x / x[:, None], C * x * y[:, None], G / x[:, None] * y, L0 * np.outer(y, y))
    found = positive_real(data)
    assert found.verdict == ("positive real" if share > 1 else "not positive real")
    if share < 1:
        Phi = spectral_density(data, found.omega)[0]
        assert np.linalg.norm(found.vector) == pytest.approx(1)
        assert (found.vector.conj() @ Phi @ found.vector).real == pytest.approx(found.density, abs=found.error)


@pytest.mark.parametrize("name", ["follower", "largest_model", "noisy_oscillator"])
def test_a_backward_model_has_the_data_of_its_process(name):
    """The control: its own matrices read forward are the data of the dual, where lags are transposed."""
    model = NAMED_STOCHASTIC[name].make()
    back, wanted = reverse(model), autocovariances(model, 4)
    scale = 1e-13 * np.abs(wanted).max() * np.linalg.cond(state_covariance(model))
    assert np.abs(autocovariances(back, 4) - wanted).max() <= scale
    assert np.abs(faurre_set(back).P_minus - faurre_set(model).P_minus).max() <= scale
    forward = autocovariances(StochasticSSM(back.A, back.B, back.C, back.D), 4)
    assert np.abs(forward - wanted.swapaxes(1, 2)).max() <= scale
    if name != "noisy_oscillator":  # one output has symmetric lags
        assert np.abs(forward - wanted).max() > 0.01
