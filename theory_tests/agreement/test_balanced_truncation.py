"""Balanced forms and truncation, against Gramians from SciPy and against what they refuse."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import (
    balanced,
    balanced_truncation,
    input_normal,
    minimal_realization,
    output_normal,
    singular_perturbation,
)
from realization.core.errors import ShapeError, StructureError
from realization.linalg import hankel_singular_values
from realization.systems import ContinuousSSM, LinearSSM, evaluate, similar
from realization.systems.discretize import tustin
from realization.systems.families import conditioned, random_stable
from realization.systems.library import delay_line, unstable


def gramians(system):
    """By SciPy: it forms P and Q, which is good enough at a moderate condition."""
    A, B, C = system.A, system.B, system.C
    if isinstance(system, ContinuousSSM):
        solve = scipy.linalg.solve_continuous_lyapunov
        return solve(A, -B @ B.T), solve(A.T, -C.T @ C)
    return scipy.linalg.solve_discrete_lyapunov(A, B @ B.T), scipy.linalg.solve_discrete_lyapunov(A.T, C.T @ C)


def continuous(n=4, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    A -= (np.linalg.eigvals(A).real.max() + 0.3) * np.eye(n)
    return ContinuousSSM(A, rng.standard_normal((n, 2)), rng.standard_normal((2, n)), np.zeros((2, 2)))


SYSTEMS = {"discrete": random_stable(4, 2, 2), "continuous": continuous()}
POWERS = {balanced: (1, 1), input_normal: (0, 2), output_normal: (2, 0)}


@pytest.mark.parametrize("form", POWERS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_gramians_are_what_the_form_says(form, system):
    """P = S^a and Q = S^b, with S the square roots of the eigenvalues of P Q."""
    system = SYSTEMS[system]
    P, Q = gramians(system)
    S = np.sort(np.sqrt(np.linalg.eigvals(P @ Q).real))[::-1]
    for G, power in zip(gramians(form(system).system), POWERS[form], strict=True):
        np.testing.assert_allclose(G, np.diag(S**power), atol=1e-10 * max(1, S[0] ** 2))


@pytest.mark.parametrize("form", POWERS, ids=lambda form: form.__name__)
def test_refused_with_the_number(form):
    with pytest.raises(StructureError, match=r"spectral radius of A is 1\.1"):
        form(unstable())
    with pytest.raises(StructureError, match=r"spectral abscissa of A is 0\.1"):
        form(ContinuousSSM([[0.1]], [[1]], [[1]], [[0]]))
    hidden = LinearSSM(np.diag([0.5, 0.2]), [[1], [0]], [[1, 1]], [[0]])
    with pytest.raises(StructureError, match=r"smallest Hankel singular value is \d.* the largest 1\.3.*minimal"):
        form(hidden)
    assert form(minimal_realization(hidden).system).system.A.shape == (1, 1)


def test_what_is_not_minimal_to_rounding_is_balanced_in_part():
    """Of 100 random states few stand above rounding: the refusal names their number, and with it all goes well."""
    system = random_stable(100, 2, 2, radius=0.8, rng=0)
    with pytest.raises(StructureError, match="balanced_truncation to order") as refusal:
        balanced(system)
    order = int(str(refusal.value).split("to order ")[1].split()[0])
    small = balanced_truncation(system, order)
    assert order < 60
    assert small.residual <= 1e-10 * small.size
    assert balanced(small.system).freedom is None


def test_equal_values_leave_a_rotation():
    """A delay has Hankel singular values 1, 1, 1: balanced in any orthogonal basis, and the result says so."""
    assert "1 and 1, agree to rounding" in balanced(delay_line(3)).freedom
    assert balanced(random_stable(4, 2, 2)).freedom is None


def test_a_cut_between_equal_values_is_open():
    """Which two of three delays are kept is left to rounding; the bound holds all the same."""
    small = balanced_truncation(delay_line(3), 2)
    assert not small.decided
    assert 1 <= small.residual <= small.bound == pytest.approx(2)
    assert balanced_truncation(random_stable(4, 2, 2), 2).decided


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 3), st.integers(0, 3))
def test_left_and_right(seed, n, m, decades):
    """L R = I, for any order within reach, in any basis."""
    system = random_stable(n, m, 2, condition=10.0**decades, rng=seed)
    S = hankel_singular_values(system.A, system.B, system.C)
    order = int((1e-6 * S[0] < S).sum())
    small = balanced_truncation(system, order)
    assert np.abs(small.L @ small.R - np.eye(order)).max(initial=0) <= 1e-7
    assert small.residual <= small.bound + 1e-9 * small.size


def test_a_system_that_is_not_minimal_is_truncated_to_its_minimal_part():
    """What the balanced form refuses: the truncation to the rank loses nothing."""
    whole = random_stable(3, 1, 1, rng=1)
    system = LinearSSM(
        scipy.linalg.block_diag(whole.A, [[0.7]]), np.vstack([whole.B, [[0.0]]]), np.hstack([whole.C, [[1.0]]]), whole.D
    )
    system = similar(system, conditioned(4, 10, rng=2))
    small = balanced_truncation(system, 3)
    assert small.residual <= 1e-12 * small.size
    with pytest.raises(StructureError, match=r"order 4: 3 of 4 Hankel singular values"):
        balanced_truncation(system, 4)


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_each_reduction_keeps(system):
    """Truncation keeps D, singular perturbation the gain of constant inputs; the other one is off by percents."""
    system, still = SYSTEMS[system], 1.0 if system == "discrete" else 0.0
    cut, rest = balanced_truncation(system, 2), singular_perturbation(system, 2)
    off = [np.abs(evaluate(small.system, still) - evaluate(system, still)).max() for small in (cut, rest)]
    assert off[1] <= 1e-12 * cut.size < 1e-3 * cut.size < off[0]
    assert np.array_equal(cut.system.D, system.D)
    assert np.abs(rest.system.D - system.D).max() > 1e-3
    assert rest.bound == cut.bound >= rest.residual
    np.testing.assert_allclose(rest.L @ rest.R, np.eye(2), atol=1e-12)


def test_at_rest_with_everything_or_nothing():
    """All states kept is the balanced system, none is the static gain G(1)."""
    system = random_stable(4, 2, 2, rng=4)
    assert singular_perturbation(system, 4).residual <= 1e-12
    gain = singular_perturbation(system, 0).system
    np.testing.assert_allclose(gain.D, evaluate(system, 1.0).real)


def test_time_and_its_cayley_image_are_truncated_alike():
    """Tustin's rule moves the imaginary axis to the circle, G(s) = G2(z): Hankel singular values stay."""
    system = continuous(5, seed=3)
    image = tustin(system, 0.2)
    one, other = balanced_truncation(system, 2), balanced_truncation(image, 2)
    assert one.bound == pytest.approx(other.bound, rel=1e-8)


def test_the_values_come_with_the_decision():
    system = random_stable(5, 2, 2, rng=4)
    small = balanced_truncation(system, 2)
    S = hankel_singular_values(system.A, system.B, system.C)
    assert np.array_equal(small.decisions[0].values, S)
    assert small.decisions[0].gap == pytest.approx(S[1] / S[2])
    assert small.bound == pytest.approx(2 * S[2:].sum())


@pytest.mark.parametrize("n, m, p", [(0, 1, 1), (2, 0, 1), (2, 1, 0)])
def test_nothing_to_keep(n, m, p):
    system = LinearSSM(0.5 * np.eye(n), np.ones((n, m)), np.ones((p, n)), np.ones((p, m)))
    small = balanced_truncation(system, 0)
    assert (small.order, small.residual, small.bound) == (0, 0, 0)


def test_bad_input():
    with pytest.raises(StructureError, match="spectral radius of A is 1"):
        balanced_truncation(unstable(), 1)
    for reduce in (balanced_truncation, singular_perturbation):
        with pytest.raises(StructureError, match="order 9: 4 of 4"):
            reduce(random_stable(4, 2, 2), 9)
        for order in (-1, 1.5, "2"):
            with pytest.raises(ShapeError, match=f"order is {order!r}, but a whole number >= 0 is needed"):
                reduce(random_stable(4, 2, 2), order)
    with pytest.raises(ShapeError, match="one system at a time"):
        balanced(LinearSSM(np.zeros((5, 2, 2)), np.zeros((5, 2, 1)), np.zeros((5, 1, 2)), np.zeros((5, 1, 1))))
