"""Rules of discretization agree with SciPy, with the functions of z that they name, and with integration in time."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from realization.core.errors import ShapeError, StructureError
from realization.systems import (
    RULES,
    ContinuousSSM,
    LinearSSM,
    discretize,
    evaluate,
    markov_parameters,
    sample_noise,
    tustin,
    undo_tustin,
    undo_zero_order_hold,
    zero_order_hold,
)

seeds = st.integers(0, 2**32 - 1)
POINTS = np.array([2.0, 1.5j, -1.5 + 1j])
NAMES = {
    "zero_order_hold": "zoh",
    "first_order_hold": "foh",
    "tustin": "bilinear",
    "forward_euler": "euler",
    "backward_euler": "backward_diff",
}
SUBSTITUTED = {
    "tustin": lambda z, h: 2 / h * (z - 1) / (z + 1),
    "forward_euler": lambda z, h: (z - 1) / h,
    "backward_euler": lambda z, h: (z - 1) / (h * z),
}
every_rule = pytest.mark.parametrize("rule", RULES)


def draw(n, seed, *, m=2, p=3, batch=(), dtype=float):
    """Numerical abscissa -1/2, |A| about 3 to 10: every rule applies for every h > 0."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        imaginary = 1j * rng.standard_normal((*batch, *shape)) if dtype is complex else 0
        return rng.standard_normal((*batch, *shape)) + imaginary

    X, Y = normal(n, n), normal(n, n)
    A = X - np.swapaxes(X, -1, -2).conj() - Y @ np.swapaxes(Y, -1, -2).conj() / max(n, 1) - np.eye(n) / 2
    return ContinuousSSM(A, normal(n, m), normal(p, n), normal(p, m))


def close(one, other, growth=1.0):
    """Equal to 1000 units of the last place of what is compared, times what the operations in between may add."""
    assert one.shape == other.shape
    scale = max(1.0, np.abs(other).max(initial=0.0))
    assert np.abs(one - other).max(initial=0.0) <= 1000 * 2.0**-53 * scale * growth
    return True


def size(system, h):
    """Condition of the exponentials and solves of a rule: |exp(s A)| <= 1 and |inv(k I - A)| <= 1/k."""
    return 1 + h * np.linalg.norm(system.A, axis=(-2, -1)).max(initial=0.0)


@pytest.mark.parametrize("rule", NAMES)
@given(st.integers(1, 6), st.floats(0.01, 2.0), seeds)
def test_scipy_agrees(rule, n, h, seed):
    """By Markov parameters: states may be scaled or shifted differently."""
    system = draw(n, seed)
    *matrices, _ = scipy.signal.cont2discrete((system.A, system.B, system.C, system.D), h, NAMES[rule])
    got, want = (markov_parameters(s, 6) for s in (discretize(system, h, rule), LinearSSM(*matrices)))
    assert close(got, want, growth=size(system, h) ** 6 if rule == "forward_euler" else size(system, h) ** 2)


@pytest.mark.parametrize("rule", NAMES)
def test_scipy_disagrees_for_another_step(rule):
    """The control: a step one part in 10^6 off."""
    system = draw(3, 0)
    *matrices, _ = scipy.signal.cont2discrete((system.A, system.B, system.C, system.D), 0.3, NAMES[rule])
    got = markov_parameters(discretize(system, 0.3 * (1 + 1e-6), rule), 6)
    assert np.abs(got - markov_parameters(LinearSSM(*matrices), 6)).max() > 1e-8


@pytest.mark.parametrize("rule", SUBSTITUTED)
@given(
    st.integers(0, 6), st.floats(0.01, 5.0), st.sampled_from([float, complex]), st.sampled_from([(), (2,), (0,)]), seeds
)
def test_three_rules_replace_s_by_a_function_of_z(rule, n, h, dtype, batch, seed):
    """H2(z) = H(s(z)), for complex systems and batches as well."""
    system = draw(n, seed, batch=batch, dtype=dtype)
    s = SUBSTITUTED[rule](POINTS, h)
    I = np.eye(n)
    resolvent = [
        1 / np.linalg.svd(k * I - A, compute_uv=False)[..., -1:].min(initial=np.inf)
        for points, A in ((s, system.A), (POINTS, discretize(system, h, rule).A))
        for k in points
    ]
    growth = size(system, h) ** 2 * (1 + max(resolvent)) ** 2 * (1 + np.abs(s).max()) ** 2 * (1 + h) ** 2 * 100
    assert close(evaluate(discretize(system, h, rule), POINTS), evaluate(system, s), growth)


def test_the_wrong_function_of_z_is_seen():
    """The control: Tustin's rule with h a percent off."""
    system, h = draw(3, 0), 0.3
    right, wrong = (evaluate(system, SUBSTITUTED["tustin"](POINTS, k)) for k in (h, 1.01 * h))
    got = evaluate(tustin(system, h), POINTS)
    assert np.abs(got - right).max() < 1e-13 < 1e-4 < np.abs(got - wrong).max()


@given(st.integers(0, 6), st.floats(0.01, 2.0), st.sampled_from([float, complex]), st.sampled_from([(), (2,)]), seeds)
def test_the_zero_order_hold_is_an_integral(n, h, dtype, batch, seed):
    """A B2 = (exp(h A) - I) B, which determines B2 where A is invertible; and two half steps make one."""
    system = draw(n, seed, batch=batch, dtype=dtype)
    whole, half = zero_order_hold(system, h), zero_order_hold(system, h / 2)
    assert close(system.A @ whole.B, (whole.A - np.eye(n)) @ system.B, size(system, h) * (2 + n) ** 2 * 10)
    assert close(half.A @ half.A, whole.A, size(system, h))
    assert close(half.A @ half.B + half.B, whole.B, size(system, h))


@pytest.mark.parametrize("hold", ["zero", "first"])
def test_an_integrator_of_differential_equations_agrees(hold):
    """solve_ivp at tolerance 1e-11, from sample to sample."""
    system, h = draw(3, 1), 0.4
    rng = np.random.default_rng(2)
    u, x0 = rng.standard_normal((6, 2)), rng.standard_normal(3)
    x = [x0]
    for k in range(5):
        slope = (u[k + 1] - u[k]) / h if hold == "first" else np.zeros(2)
        run = solve_ivp(
            lambda t, x: system.A @ x + system.B @ (u[k] + slope * t),  # noqa: B023 - called at once
            (0, h), x[-1], method="DOP853", rtol=1e-11, atol=1e-12,
        )  # fmt: skip
        x.append(run.y[:, -1])
    answer = system.simulate(u, h, x0, hold=hold)
    np.testing.assert_allclose(answer.x[:-1], x, rtol=0, atol=1e-9)
    np.testing.assert_allclose(answer.y, np.array(x) @ system.C.T + u @ system.D.T, rtol=0, atol=1e-8)
    other = system.simulate(u, h, x0, hold="first" if hold == "zero" else "zero")
    assert np.abs(other.y - answer.y).max() > 0.01


@pytest.mark.parametrize("hold", ["zero", "first"])
def test_signals_in_continuous_time_may_be_empty_or_batches(hold):
    """T = 0, n = 0, batches, no batch at all."""
    system = draw(3, 0, batch=(2,))
    answer = system.simulate(np.zeros((2, 0, 2)), 0.1, np.ones(3), hold=hold)
    assert answer.y.shape == (2, 0, 3)
    assert (answer.x == 1).all()
    u = np.random.default_rng(0).standard_normal((5, 2))
    both = system.simulate(u, 0.1, hold=hold)
    alone = ContinuousSSM(*(X[1] for X in (system.A, system.B, system.C, system.D))).simulate(u, 0.1, hold=hold)
    assert close(both.y[1], alone.y)
    static = draw(0, 0)
    assert close(static.simulate(u, 0.1, hold=hold).y, u @ static.D.T)
    assert draw(3, 0, batch=(0,)).simulate(u, 0.1, hold=hold).y.shape == (0, 5, 3)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("batch", [(), (2,), (0,)])
@given(st.integers(0, 5), st.floats(0.01, 0.3), seeds)
def test_inverses_give_the_system_back(dtype, batch, n, h, seed):
    """Of the hold where no mode turns by half a turn in a step, of Tustin's rule always."""
    system = draw(n, seed, batch=batch, dtype=dtype)
    turned = np.abs(np.linalg.eigvals(system.A).imag).max(initial=0.0) * h
    if turned < 0.9 * np.pi:
        back = undo_zero_order_hold(zero_order_hold(system, h), h)
        # logarithms at |exp(h A)| small have condition |inv(exp(h A))|
        steep = np.exp(h * np.linalg.norm(system.A, axis=(-2, -1)).max(initial=0.0)) / h
        assert close(back.A, system.A, 10 * steep**2)
        assert close(back.B, system.B, 10 * steep**2)
    back = undo_tustin(tustin(system, h), h)
    for name in "ABCD":
        assert close(getattr(back, name), getattr(system, name), 10 * size(system, h) ** 4 / h)


def test_a_mode_that_turns_too_far_comes_back_as_an_alias():
    """The control, and the reason: exp(i 7) = exp(i (7 - 2 pi))."""
    fast = ContinuousSSM([[-0.1, 7], [-7, -0.1]], [[0], [1]], [[1, 0]], [[0]])
    back = undo_zero_order_hold(zero_order_hold(fast, 1.0), 1.0)
    assert abs(abs(back.A[0, 1]) - (7 - 2 * np.pi)) < 1e-12


@every_rule
def test_every_rule_takes_every_size(rule):
    """n = 0, m = 0, p = 0 and batches, and says what it satisfies."""
    for n, m, p, batch in ((0, 2, 3, ()), (3, 0, 2, ()), (3, 2, 0, (2,)), (3, 2, 3, (0,)), (3, 2, 3, (2, 2))):
        sampled = discretize(draw(n, 0, m=m, p=p, batch=batch), 0.1, rule)
        assert isinstance(sampled, LinearSSM)
        assert sampled.A.shape == (*batch, n, n)
        assert sampled.D.shape == (*batch, p, m)
    assert RULES[rule].equation
    assert RULES[rule].condition


def test_a_singular_system_can_be_held():
    """A chain of integrators: h^k/k! exactly to the last place, where inv(A) does not exist."""
    chain = ContinuousSSM(np.eye(4, k=1), np.eye(4)[:, 3:], np.eye(4), np.zeros((4, 1)))
    h = 0.5
    np.testing.assert_allclose(
        zero_order_hold(chain, h).B.ravel(), [h**4 / 24, h**3 / 6, h**2 / 2, h], rtol=4 * 2.0**-53
    )


def test_a_large_input_matrix_costs_no_accuracy():
    """B 2^40 times as large: A2 is as good as before, where the plain block exponential loses digits for it."""
    system = draw(4, 0)
    large = ContinuousSSM(system.A, system.B * 2.0**40, system.C, system.D)
    one, other = zero_order_hold(system, 0.3), zero_order_hold(large, 0.3)
    assert close(other.B / 2.0**40, one.B)
    assert close(other.A, one.A, 0.02)
    plain = expm(0.3 * np.block([[large.A, large.B], [np.zeros((2, 6))]]))[:4, :4]
    assert np.abs(plain - one.A).max() > 20 * np.abs(other.A - one.A).max()


def test_what_cannot_be_discretized_is_refused_with_the_number():
    """Steps, rules, poles at 2/h and 1/h, frequencies beyond pi/h, growth beyond the range, logarithms."""
    system = ContinuousSSM([[2.0]], [[1]], [[1]], [[0]])
    sampled = LinearSSM([[0.5]], [[1]], [[1]], [[0]])
    for name, rule in RULES.items():
        with pytest.raises(ShapeError, match=f"{name} of a LinearSSM: a ContinuousSSM is needed"):
            rule.apply(sampled, 1.0)
    for undo in (undo_zero_order_hold, undo_tustin):
        with pytest.raises(ShapeError, match="of a ContinuousSSM: a LinearSSM is needed"):
            undo(system, 1.0)
    for h in (0, -1, np.nan, np.inf, [1.0], 1j, "a"):
        with pytest.raises(ShapeError, match="a positive finite number is needed"):
            zero_order_hold(system, h)
        with pytest.raises(ShapeError, match="a positive finite number is needed"):
            sample_noise([[1]], [[1]], h)
    with pytest.raises(ShapeError, match="rule 'matched' is unknown; one of zero_order_hold, "):
        discretize(system, 1.0, "matched")
    with pytest.raises(StructureError, match=r"tustin: 2 is an eigenvalue of A \(distance 0.0e\+00; condition inf"):
        tustin(system, 1.0)
    with pytest.raises(StructureError, match="backward_euler: 2 is an eigenvalue of A"):
        discretize(system, 0.5, "backward_euler")
    assert tustin(system, 1.001).A.shape == (1, 1)
    with pytest.raises(StructureError, match=r"prewarp: w h = 4, need 0 < w h < pi"):
        tustin(system, 1.0, prewarp=4.0)
    with pytest.raises(StructureError, match="the matrix exponential leaves the range of float64"):
        zero_order_hold(system, 1000.0)
    huge = ContinuousSSM([[1e10]], [[1]], [[1]], [[0]])
    for ask in (zero_order_hold, lambda system, h: sample_noise(system.A, system.A, h)):
        with pytest.raises(StructureError, match="h A leaves the range of float64; a shorter step"):
            ask(huge, 1e300)
    with pytest.raises(StructureError, match=r"A has the eigenvalue -0\.5"):
        undo_zero_order_hold(LinearSSM([[-0.5]], [[1]], [[1]], [[0]]), 1.0)
    with pytest.raises(StructureError, match="A has the eigenvalue 0,"):
        undo_zero_order_hold(LinearSSM([[0]], [[1]], [[1]], [[0]]), 1.0)
    with pytest.raises(StructureError, match="undo_tustin: -1 is an eigenvalue of A"):
        undo_tustin(LinearSSM([[-1]], [[1]], [[1]], [[0]]), 1.0)
    with pytest.raises(ShapeError, match="hold is 'second'"):
        system.simulate([[1]], 0.1, hold="second")


@every_rule
def test_matrices_beyond_the_range_are_refused(rule):
    """An integrator of gain 1e300 over a step of 1e200: no infinity gets into a system, and no warning comes."""
    integrator = ContinuousSSM([[0.0]], [[1e200]], [[1e100]], [[0]])
    with pytest.raises(StructureError, match="leaves the range of float64"):
        discretize(integrator, 1e200, rule)
    assert discretize(integrator, 1.0, rule).B[0, 0] > 1e199


def test_steps_too_short_to_divide_by_are_refused():
    """2/h is no double: refused, where the hold is exact all the same."""
    lag = ContinuousSSM([[-1.0]], [[1]], [[1]], [[0]])
    for rule in ("tustin", "first_order_hold"):
        with pytest.raises(StructureError, match="leaves the range of float64"):
            discretize(lag, 1e-320, rule)
    assert zero_order_hold(lag, 1e-320).B[0, 0] == 1e-320
    with pytest.raises(ShapeError, match="prewarp is 'a', but a frequency"):
        tustin(lag, 1.0, prewarp="a")


def test_noise_must_have_a_covariance():
    """Square, symmetric, finite."""
    with pytest.raises(ShapeError, match=r"A and Q have shapes \(1, 1\) and \(2, 2\)"):
        sample_noise([[1]], np.eye(2), 1.0)
    with pytest.raises(ShapeError, match=r"A and Q have shapes \(\) and \(1, 1\)"):
        sample_noise(1.0, [[1]], 1.0)
    with pytest.raises(ShapeError, match="A has 1 entries that are NaN"):
        sample_noise([[np.nan]], [[1]], 1.0)
    with pytest.raises(StructureError, match=r"Q differs from its transpose by 1.0e\+00"):
        sample_noise(np.eye(2), [[1, 1], [0, 1]], 1.0)
    with pytest.raises(StructureError, match=r"Q has the eigenvalue -1.0e\+00; a covariance has none below 0"):
        sample_noise(np.eye(2), [[0, 1], [1, 0]], 1.0)
    with pytest.raises(ShapeError, match=r"batch axes \(2,\), \(3,\) given"):
        sample_noise(np.zeros((2, 1, 1)), np.zeros((3, 1, 1)), 1.0)
    assert sample_noise(np.eye(2), [[1, 1], [1, 1]], 1.0).Q.shape == (2, 2)
    assert sample_noise(np.zeros((0, 0)), np.zeros((0, 0)), 1.0).Q.shape == (0, 0)
    assert sample_noise(np.zeros((0, 2, 2)), np.eye(2), 1.0).Q.shape == (0, 2, 2)
    assert sample_noise(np.zeros((2, 3, 3)), np.eye(3), 2.0).Q[1].tolist() == (2 * np.eye(3)).tolist()
