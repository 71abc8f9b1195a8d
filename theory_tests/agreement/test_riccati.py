"""Riccati equations by doubling, by ordered QZ, by iteration from zero and by hand give the same extreme solutions."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.linalg import continuous_riccati, discrete_lyapunov, discrete_riccati, pbh_margin
from realization.linalg.pencil import Continuous, Discrete
from realization.linalg.riccati import _by_qz

EPS = np.finfo(float).eps
SIDES = ("stabilizing", "antistabilizing")
seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 5), st.integers(1, 3))


def control(seed, n, m, *, complex_valued=False, radius=1.2):
    """A with eigenvalues on both sides of the circle, Q >= I and R > 0, a cross term that keeps [Q S; S' R] > 0."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if complex_valued else 0)

    A, B, L = normal(n, n), normal(n, m), normal(n + m, n + m)
    A *= radius / np.abs(np.linalg.eigvals(A)).max()
    weight = L @ L.conj().T / (n + m) + np.eye(n + m)
    weight = (weight + weight.conj().T) / 2
    return A, B, weight[:n, :n], weight[n:, n:], weight[:n, n:]


def faurre(seed, n, p):
    """Covariances of a random model with full-rank output noise, and the model's own state covariance."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    A *= rng.uniform(0.3, 0.9) / np.linalg.norm(A, 2)
    B, C, D = rng.standard_normal((n, n + p)), rng.standard_normal((p, n)), rng.standard_normal((p, n + p))
    P = discrete_lyapunov(A, B @ B.T).X
    return A, C, A @ P @ C.T + B @ D.T, C @ P @ C.T + D @ D.T, P


def smallest(A, C, G, L0):
    return discrete_riccati(A.T, C.T, np.zeros_like(A), -L0, -G).X


def from_zero(A, C, G, L0, steps=600):
    """P(t+1) = A P A' + K (L0 - C P C') K', the transient Kalman filter: rises to P-."""
    P = np.zeros_like(A)
    for _ in range(steps):
        K = G - A @ P @ C.T
        P = A @ P @ A.T + K @ np.linalg.solve(L0 - C @ P @ C.T, K.T)
        P = (P + P.T) / 2  # else the part that is not symmetric drifts: nothing holds it
    return P


def close(X, Y, condition, n):
    """Up to the condition of X, and to what a basis of the subspace [I; X] knows of a large X: a plant hard to hold."""
    allowed = 1000 * n * EPS * max(condition, 1) * max(np.linalg.norm(Y), 1) ** 0.5
    return np.linalg.norm(X - Y) <= allowed * np.linalg.norm(Y)


@given(seed=seeds, size=sizes, complex_valued=st.booleans())
def test_doubling_qz_and_scipy_agree_in_discrete_time(seed, size, complex_valued):
    n, m = size
    data = control(seed, n, m, complex_valued=complex_valued)
    found = discrete_riccati(*data)
    assert found.residual <= 1000 * (n + m) * EPS or found.error <= EPS**0.5
    assert np.abs(np.linalg.eigvals(found.closed_loop)).max() < 1
    assert np.linalg.eigvalsh(found.X).min() > 0
    for other in (_by_qz(Discrete(*data), "stabilizing"), scipy.linalg.solve_discrete_are(*data[:4], s=data[4])):
        assert close(found.X, other, found.condition, n)


@given(seed=seeds, size=sizes, complex_valued=st.booleans())
def test_doubling_qz_and_scipy_agree_in_continuous_time(seed, size, complex_valued):
    n, m = size
    data = control(seed, n, m, complex_valued=complex_valued)
    low, high = (continuous_riccati(*data, which=which) for which in ("antistabilizing", "stabilizing"))
    assert np.linalg.eigvals(high.closed_loop).real.max() < 0 < np.linalg.eigvals(low.closed_loop).real.min()
    assert np.linalg.eigvalsh(low.X).max() < 0 < np.linalg.eigvalsh(high.X).min()
    for found, which in ((high, "stabilizing"), (low, "antistabilizing")):
        assert close(found.X, _by_qz(Continuous(*data), which), found.condition, n)
    assert close(high.X, scipy.linalg.solve_continuous_are(*data[:4], s=data[4]), high.condition, n)


@given(seed=seeds, size=sizes)
def test_antistabilizing_is_smallest_in_control(seed, size):
    """Both satisfy one equation; backwards in time the residual is at rounding level, however large the closed loop."""
    n, m = size
    data = control(seed, n, m)
    if np.linalg.cond(data[0]) > 1e4 or pbh_margin(*data[:2]) < 1e-3:  # close to a plant without such a solution
        return
    high, low = (discrete_riccati(*data, which=which) for which in SIDES)
    assert np.abs(np.linalg.eigvals(low.closed_loop)).min() > 1
    assert np.linalg.eigvalsh(high.X - low.X).min() > 0
    assert low.residual <= 1000 * (n + m) * EPS
    assert close(low.X, _by_qz(Discrete(*data), "antistabilizing"), 1e4 * low.condition, n)


@given(seed=seeds, size=sizes)
def test_faurre_s_minimal_and_maximal_covariances(seed, size):
    """P- from zero by iteration; P+ as the inverse of the dual's P-; every model's covariance lies between."""
    n, p = size
    A, C, G, L0, P = faurre(seed, n, p)
    low = discrete_riccati(A.T, C.T, np.zeros_like(A), -L0, -G)
    if np.abs(np.linalg.eigvals(low.closed_loop)).max() < 0.97:  # beyond, the iteration would not end: .97^1200 = 1e-16
        assert close(low.X, from_zero(A, C, G, L0), low.condition, n)
    slack = 1e-9 * np.linalg.norm(P)
    assert np.linalg.eigvalsh(low.X).min() >= -slack
    assert np.linalg.eigvalsh(P - low.X).min() >= -slack
    dual = smallest(A.T, G.T, C.T, L0)
    # inv(P+) <= inv(P), without P+
    assert np.linalg.eigvalsh(np.linalg.inv(P) - dual).min() >= -1e-9 * np.linalg.norm(np.linalg.inv(P))
    if np.linalg.cond(dual) < 1e4 and np.linalg.cond(A - G @ np.linalg.solve(L0, C)) < 1e4:
        high = discrete_riccati(A.T, C.T, np.zeros_like(A), -L0, -G, which="antistabilizing")
        np.testing.assert_allclose(high.X @ dual, np.eye(n), atol=1e-6)


def test_hand_computed_scalars():
    """A = G = 1/2, C = 1, Lambda0 = 2: P^2 - 2 P + 1/4 = 0."""
    for which, P in zip(SIDES, (1 - 3**0.5 / 2, 1 + 3**0.5 / 2), strict=True):
        found = discrete_riccati([[0.5]], [[1]], [[0]], [[-2]], [[-0.5]], which=which)
        assert found.X[0, 0] == pytest.approx(P, rel=1e-14)
        assert found.on_boundary == 0


@pytest.mark.parametrize("states", [1, 3])
def test_a_zero_on_the_circle_is_found_and_reported(states):
    """MA(1) with unit root, y = w(t) - w(t-1), delayed: P- = P+ = I, known to half the digits."""
    A = np.diag(np.ones(states - 1), 1)
    C, G = np.eye(1, states), -np.eye(states)[:, -1:]
    for which in SIDES[: 2 if states == 1 else 1]:
        found = discrete_riccati(A.T, C.T, np.zeros_like(A), [[-2.0]], -G, which=which)
        np.testing.assert_allclose(found.X, np.eye(states), atol=1e-4 if states > 1 else 1e-6)
        assert found.on_boundary == states
        assert found.residual <= 1e-13
        assert found.condition > 1e3


@pytest.mark.parametrize("solve, A", [(discrete_riccati, [[1, 1], [0, 1]]), (continuous_riccati, [[0, 1], [0, 0]])])
def test_two_integrators_that_cost_nothing_are_left_alone(solve, A):
    """Q = 0: X = 0, with both eigenvalues on the boundary and an infinite condition, not 0 times infinity."""
    found = solve(A, [[0], [1]], np.zeros((2, 2)), [[1.0]])
    assert not found.X.any()
    assert found.on_boundary == 2
    assert found.condition == np.inf


def test_the_control_to_it_has_no_closed_loop_on_the_circle():
    assert discrete_riccati([[0.0]], [[1.0]], [[0.0]], [[-2.0]], [[0.9]]).on_boundary == 0


def test_covariances_of_no_process_are_refused_with_the_number():
    """Negative control of Faurre: Lambda0 / 2 leaves a spectral density that is negative somewhere."""
    with pytest.raises(StructureError, match=r"2 of 2 eigenvalues of the pencil lie on the unit circle"):
        discrete_riccati([[0.0]], [[1.0]], [[0.0]], [[-1.0]], [[1.0]])
    with pytest.raises(StructureError, match="imaginary axis"):
        continuous_riccati([[0.0]], [[1.0]], [[-1.0]], [[1.0]])


@given(seed=seeds, size=sizes, share=st.sampled_from([0.5, 0.8, 0.95]))
def test_a_solution_with_positive_innovations_exists_where_the_density_is_positive(seed, size, share):
    """Two routes to one yes or no: the equation, and the eigenvalues of Phi over the circle."""
    n, p = size
    A, C, G, L0, _ = faurre(seed, n, p)
    L0 = share * L0
    z = np.exp(1j * np.linspace(0, np.pi, 300))
    H = np.stack([C @ np.linalg.solve(w * np.eye(n) - A, G) for w in z])
    density = np.linalg.eigvalsh(L0 + H + H.conj().swapaxes(1, 2)).min() / np.linalg.norm(L0)
    if abs(density) < 1e-3:  # the grid may miss how low it goes
        return
    try:
        found = discrete_riccati(A.T, C.T, np.zeros_like(A), -L0, -G)
        positive = np.linalg.eigvalsh(-found.weight).min() > 0
    except StructureError:
        positive = False
    assert positive == (density > 0)


@pytest.mark.parametrize("eps", [1.0, 1e3, 1e6])
def test_badly_scaled_but_known(eps):
    """A = [[0, e], [0, 0]], B = e2, Q = R = I has X = diag(1, 1 + e^2) (DAREX, Benner, Laub and Mehrmann 1995)."""
    found = discrete_riccati([[0, eps], [0, 0]], [[0], [1]], np.eye(2), [[1.0]])
    np.testing.assert_allclose(found.X, np.diag([1, 1 + eps**2]), rtol=1e-13)


@pytest.mark.parametrize("r", [1.0, 1e-6, 1e8])
def test_a_shift_has_the_whole_numbers_as_solution(r):
    """DAREX again: A the shift, B = e_n, Q = I has X = diag(1, 2, ..., n) whatever R."""
    n = 50
    found = discrete_riccati(np.diag(np.ones(n - 1), 1), np.eye(n)[:, -1:], np.eye(n), [[r]])
    np.testing.assert_allclose(found.X, np.diag(np.arange(1.0, n + 1)), atol=1e-11)


@pytest.mark.parametrize("solve", [discrete_riccati, continuous_riccati])
@pytest.mark.parametrize("power", [-100, -20, 20, 49])
def test_units_of_the_cost_do_not_matter(solve, power):
    """(c Q, c R, c S) has the solution c X, on the same path."""
    A, B, Q, R, S = control(3, 4, 2)
    c = 10.0**power
    one, other = solve(A, B, Q, R, S), solve(A, B, c * Q, c * R, c * S)
    assert one.path == other.path == "doubling"
    np.testing.assert_allclose(other.X / c, one.X, rtol=1e-10)
    np.testing.assert_allclose(other.gain, one.gain, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(other.weight / c, one.weight, rtol=1e-10)
    assert other.condition == pytest.approx(one.condition, rel=1e-6)


def test_singular_weights_go_to_qz():
    """R = 0: with as many inputs as states one step brings the state to zero, X = Q."""
    Q = np.diag([2.0, 3.0])
    found = discrete_riccati([[2, 1], [0, 0.5]], np.eye(2), Q, np.zeros((2, 2)))
    assert found.path == "qz"
    np.testing.assert_allclose(found.X, Q, atol=1e-14)
    assert not (np.abs(found.closed_loop) > 1e-14).any()
    one = discrete_riccati([[2, 1], [0, 0.5]], [[1], [1]], Q, [[0.0]])
    near = discrete_riccati([[2, 1], [0, 0.5]], [[1], [1]], Q, [[1e-9]])
    assert (one.path, near.path) == ("qz", "doubling")
    np.testing.assert_allclose(one.X, near.X, rtol=1e-8)
    with pytest.raises(StructureError, match="R has smallest singular value"):
        continuous_riccati([[1.0]], [[1.0]], [[1.0]], [[0.0]])


def test_an_unweighted_unstable_plant_is_reflected():
    """Q = 0: the stabilizing solution puts 2 at 1/2; zero is a solution too, and is not returned."""
    found = discrete_riccati([[2.0]], [[1.0]], [[0.0]], [[1.0]])
    np.testing.assert_allclose([found.X[0, 0], found.closed_loop[0, 0]], [3, 0.5], rtol=1e-14)
    np.testing.assert_allclose(continuous_riccati([[1.0]], [[1.0]], [[0.0]], [[1.0]]).X, 2, rtol=1e-14)


def test_a_hundred_states_to_thirteen_digits():
    A, B, Q, R, _ = control(0, 100, 10, radius=1.05)
    for found, theirs in (
        (discrete_riccati(A, B, Q, R), scipy.linalg.solve_discrete_are(A, B, Q, R)),
        (continuous_riccati(A, B, Q, R), scipy.linalg.solve_continuous_are(A, B, Q, R)),
    ):
        assert found.path == "doubling"
        assert found.residual <= 3e-13
        assert close(found.X, theirs, found.condition, 1)
    assert discrete_riccati(A, B, Q, R).residual <= 1e-13


@pytest.mark.parametrize("solve", [discrete_riccati, continuous_riccati])
@pytest.mark.parametrize("which", SIDES)
def test_the_condition_bounds_what_a_change_of_q_does(solve, which):
    """|dX| / |X| <= condition |dQ| / largest term, to first order, and within a factor of 20 n for some dQ."""
    A, B, Q, R, S = control(4, 4, 2)
    found = solve(A, B, Q, R, S, which=which)
    ratios = []
    for dQ in (np.eye(4), -np.eye(4), np.diag([1.0, -1, 0, 0])):
        moved = solve(A, B, Q + 1e-6 * dQ, R, S, which=which)
        ratios.append(np.linalg.norm(moved.X - found.X, 2) / (1e-6 * found.condition))
    assert max(ratios) <= 1.01  # the largest term is at least |X| / 1 here
    assert max(ratios) >= 1 / 200


@pytest.mark.parametrize("which", SIDES)
def test_hypotheses_are_named_when_they_fail(which):
    with pytest.raises(StructureError, match=r"\(A, B\) has a mode on the wrong side"):
        discrete_riccati([[2.0 if which == "stabilizing" else 0.5]], [[0.0]], [[1.0]], [[1.0]], which=which)
    with pytest.raises(ShapeError, match=r"\|Q - Q'\|"):
        discrete_riccati(np.eye(2), np.eye(2), [[1, 1], [0, 1]], np.eye(2), which=which)
    with pytest.raises(ShapeError, match="B has shape"):
        continuous_riccati(np.eye(2), np.ones((3, 1)), np.eye(2), np.eye(1), which=which)
    with pytest.raises(ShapeError, match="'largest'"):
        discrete_riccati([[1.0]], [[1.0]], [[1.0]], [[1.0]], which="largest")


def test_a_closed_loop_at_infinity_is_refused():
    """A = 1/2, C = G = 1, Lambda0 = 2: A - G C / Lambda0 = 0, and P+ = 2 makes Lambda0 - C P+ C' zero."""
    with pytest.raises(StructureError, match="no antistabilizing solution: the closed loop has an eigenvalue"):
        discrete_riccati([[0.5]], [[1]], [[0]], [[-2]], [[-1]], which="antistabilizing")
    # the way out that the message names
    assert 1 / smallest(*(np.array([[x]]) for x in (0.5, 1.0, 1.0, 2.0)))[0, 0] == pytest.approx(2)


@pytest.mark.parametrize("solve", [discrete_riccati, continuous_riccati])
def test_no_states_and_no_inputs_are_legal(solve):
    none = np.zeros((0, 0))
    found = solve(none, np.zeros((0, 1)), none, [[0.0 if solve is discrete_riccati else 1.0]])
    assert (found.X.shape, found.gain.shape) == ((0, 0), (1, 0))
    A = np.array([[0.5]]) if solve is discrete_riccati else np.array([[-0.5]])
    found = solve(A, np.zeros((1, 0)), [[1.0]], none)
    assert found.X[0, 0] == pytest.approx(4 / 3 if solve is discrete_riccati else 1.0)
    with pytest.raises(StructureError, match="no stabilizing solution"):
        solve(np.abs(A) * 40, np.zeros((1, 0)), [[1.0]], none)


def test_an_input_that_neither_costs_nor_acts_is_refused():
    with pytest.raises(StructureError, match=r"pencil of the Riccati equation is singular"):
        discrete_riccati([[0.0]], [[0.0]], [[0.0]], [[0.0]], [[1.0]])
