"""Realization of transfer functions: values at points, against polynomials, products and SciPy."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from realization.canonical import from_entries, from_rational, from_zeros_poles, minimal_realization, same_behaviour
from realization.core.errors import ShapeError, StructureError
from realization.systems import ContinuousSSM, LinearSSM, evaluate
from realization.systems.families import random_stable
from realization.systems.transfer import RationalTransfer, ZerosPolesGain, transfer_function, zeros_poles_gain

POINTS = 1.5 * np.exp(1j * np.linspace(0, np.pi, 9))


def close(got, want, rtol):
    scale = np.abs(want).max(initial=1e-300)
    assert np.abs(got - want).max(initial=0) <= rtol * scale
    return True


def siso(zeros, poles, gain=1.0):
    return ZerosPolesGain(((np.asarray(zeros),),), np.asarray(poles), np.array([[gain]]))


@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 3), st.integers(1, 3))
def test_coefficients(seed, n, m, p):
    """G(z) = N(z) / d(z) at points of the circle |z| = 1.5; the states are n for each input or output, the fewer."""
    rng = np.random.default_rng(seed)
    d = np.real(np.poly(rng.uniform(-0.9, 0.9, n))) if n else np.ones(1)
    H = RationalTransfer(rng.standard_normal((p, m, n + 1)), 3.0 * d)
    system = from_rational(H)
    assert len(system.A) == n * min(m, p)
    assert close(evaluate(system, POINTS), H(POINTS), 1e-12 * 4**n)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_there_and_back(seed, n):
    """System -> transfer function -> system: the same behaviour, and after reduction the same order."""
    system = random_stable(n, 2, 2, radius=0.8, rng=seed)
    back = from_rational(transfer_function(system))
    assert close(evaluate(back, POINTS), evaluate(system, POINTS), 1e-9)


def test_a_companion_with_one_input_is_exact():
    """The coefficients stand in A and C as they were given."""
    system = from_rational(RationalTransfer([[[0.5, 1.0, 2.0, 3.0]]], [1.0, 0.1, 0.2, 0.3]))
    assert system.A.tolist() == [[0, 1, 0], [0, 0, 1], [-0.3, -0.2, -0.1]]
    np.testing.assert_allclose(system.C, [[3 - 0.15, 2 - 0.1, 1 - 0.05]], rtol=1e-15)


def test_leading_zeros_are_no_degree():
    H = RationalTransfer([[[0.0, 0.0, 1.0, 2.0]]], [1.0, 0.5])
    assert close(evaluate(from_rational(H), POINTS), (POINTS + 2)[:, None, None] / (POINTS + 0.5)[:, None, None], 1e-14)


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 12))
def test_zeros_and_poles(seed, n, k):
    """prod(z - z_i) / prod(z - p_i) at points, with real roots and conjugate pairs mixed."""
    rng = np.random.default_rng(seed)

    def roots(count):
        pairs = rng.uniform(0.1, 0.95, count // 3) * np.exp(1j * rng.uniform(0.1, 3, count // 3))
        return np.concatenate([pairs, pairs.conj(), rng.uniform(-0.95, 0.95, count - 2 * (count // 3))])

    poles, zeros, gain = roots(n), roots(min(k, n)), rng.standard_normal()
    H = siso(zeros, poles, gain)
    system = from_zeros_poles(H)
    assert len(system.A) == n
    assert close(evaluate(system, POINTS), H(POINTS), 1e-11)


@pytest.mark.parametrize("n", [8, 16, 24])
def test_a_high_order_filter(n):
    """The trap of one polynomial: sections keep a narrow filter to rounding, SciPy's companion form loses it."""
    zeros, poles, gain = scipy.signal.butter(n, 0.02, output="zpk")
    z = np.exp(1j * np.array([0.0, 0.01, 0.05, 0.1, 1.0]))
    want = siso(zeros, poles, gain)(z)
    got = evaluate(from_zeros_poles(siso(zeros, poles, gain)), z)
    assert np.abs(got - want)[:4].max() <= 1e-11
    companion = LinearSSM(*scipy.signal.tf2ss(*(np.poly(roots) for roots in (zeros, poles))))
    lost = np.abs(gain * evaluate(companion, z) - want)[:4].max()
    assert lost > {8: 1e-5, 16: 1, 24: 1}[n]


def test_poles_are_kept_to_the_last_digits():
    """Close real poles, close pairs, and poles eighteen orders of magnitude apart."""
    for poles in (0.9 + 1e-9 * np.arange(8), [0.5 + 1e-9j, 0.5 - 1e-9j, 0.5 + 2e-9j, 0.5 - 2e-9j], [1e9, 1e-9, -1.0]):
        A = from_zeros_poles(siso([], poles)).A
        blocks = [A[i : i + 2, i : i + 2] for i in range(0, len(A), 2)]
        found = np.concatenate([np.linalg.eigvals(block) for block in blocks])
        np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(poles), rtol=1e-15, atol=0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_zeros_of_a_system_lead_back_to_it(seed, n):
    """Each entry of a system with two inputs and outputs by its own zeros; the entries share the poles."""
    system = random_stable(n, 2, 2, radius=0.8, rng=seed)
    back = from_zeros_poles(zeros_poles_gain(system))
    assert close(evaluate(back, POINTS), evaluate(system, POINTS), 1e-8)


def test_entries_of_different_kinds():
    """Systems and coefficients side by side; a pole in two entries of a column is one after reduction."""
    part = LinearSSM([[0.5]], [[1]], [[1]], [[0]])
    system = from_entries([[part, ([1.0], [1.0])], [([3.0], [1.0, -0.5]), ([0.0], [1.0])]])
    z = POINTS
    want = np.array([[1 / (z - 0.5), z**0], [3 / (z - 0.5), 0 * z]]).transpose(2, 0, 1)
    assert close(evaluate(system, z), want, 1e-14)
    small = minimal_realization(system)
    assert (small.order, small.decided) == (1, True)
    assert same_behaviour(system, small.system)


def test_continuous_time():
    H = RationalTransfer([[[1.0]]], [1.0, 2.0, 1.0])
    assert isinstance(from_rational(H, ContinuousSSM), ContinuousSSM)
    assert isinstance(from_zeros_poles(siso([], [-1.0, -1.0]), ContinuousSSM), ContinuousSSM)


@pytest.mark.parametrize("p, m", [(1, 1), (0, 2), (2, 0)])
def test_gains_and_zeros(p, m):
    """A static gain has no state, a transfer function of zero either."""
    gain = from_rational(RationalTransfer(np.ones((p, m, 1)), [2.0]))
    assert (len(gain.A), gain.D.shape) == (0, (p, m))
    assert len(from_rational(RationalTransfer(np.zeros((p, m, 3)), [1.0, 0, 0])).A) == 2 * min(p, m)
    zero = from_zeros_poles(siso([], [0.5], 0.0))
    assert (len(zero.A), zero.D.tolist()) == (0, [[0.0]])


def test_bad_input():
    with pytest.raises(StructureError, match=r"improper: numerator \(0, 0\) has degree 2, the denominator 1"):
        from_rational(RationalTransfer([[[1.0, 0, 0]]], [1.0, 0.5]))
    with pytest.raises(StructureError, match="improper: 2 zeros, 1 poles"):
        from_zeros_poles(siso([0.1, 0.2], [0.5]))
    with pytest.raises(StructureError, match="poles: 1 above and 0 below the real axis"):
        from_zeros_poles(siso([], [0.5j]))
    with pytest.raises(ShapeError, match="rows have 1, 2 entries"):
        from_entries([[([1.0], [1.0])], [([1.0], [1.0])] * 2])
    with pytest.raises(ShapeError, match="one of each"):
        from_entries([[random_stable(2, 2, 1)]])
    with pytest.raises(StructureError, match="improper"):
        from_entries([[([1.0, 0, 0], [1.0, 0.5])]])
    with pytest.raises(ShapeError, match="numerator, denominator"):
        from_entries([[3]])
    sampled, flowing = LinearSSM([[0.5]], [[1]], [[1]], [[0]]), ContinuousSSM([[-0.5]], [[1]], [[1]], [[0]])
    with pytest.raises(ShapeError, match="a ContinuousSSM and a LinearSSM; all of one kind"):
        from_entries([[sampled], [flowing]])
