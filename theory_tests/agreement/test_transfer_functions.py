"""Transfer functions as polynomials, as poles, zeros and gain, and by solving: one function of z."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import ss2tf

from realization.core.errors import ShapeError, StructureError
from realization.systems import (
    BilinearSSM,
    ContinuousSSM,
    LinearSSM,
    TimeVaryingSSM,
    direct_sum,
    evaluate,
    families,
    hankel_spectrum,
    library,
    similar,
)
from realization.systems.named import NAMED
from realization.systems.transfer import (
    RationalTransfer,
    ZerosPolesGain,
    characteristic_polynomial,
    numerators,
    poles,
    transfer_function,
    zeros_poles_gain,
)
from realization.systems.zeros import invariant_zeros, zeros

U = 2.0**-53
CIRCLE = np.exp(2j * np.pi * np.array([0.0, 0.02, 0.17, 0.31, 0.5]))
seeds = st.integers(0, 2**32 - 1)


def solved(system, z):
    """C (zI - A)^-1 B + D, one solve for each point."""
    n = len(system.A)
    return np.array([system.C @ np.linalg.solve(x * np.eye(n) - system.A, system.B) + system.D for x in z])


def exact(system):
    """Numerator and denominator of one input and output in 60 digits (Faddeev-Leverrier): another algorithm."""
    with mpmath.workdps(60):
        A, B, C, D = (mpmath.matrix(M.tolist()) for M in (system.A, system.B, system.C, system.D))
        n, c, N, M = len(system.A), [mpmath.mpf(1)], [], mpmath.eye(len(system.A))
        for k in range(1, n + 1):
            N.append((C * M * B)[0])
            M = A * M
            c.append(-sum(M[i, i] for i in range(n)) / k)
            M += c[-1] * mpmath.eye(n)
        return [D[0] * c[0]] + [a + D[0] * b for a, b in zip(N, c[1:], strict=True)], c


def at(numerator, denominator, z):
    """The quotient in 60 digits, rounded once."""
    with mpmath.workdps(60):
        points = [mpmath.mpmathify(complex(x)) for x in z]
        return np.array([complex(mpmath.polyval(numerator, x) / mpmath.polyval(denominator, x)) for x in points])


def amplification(system, z):
    """What rounding the coefficients once costs at z: sum |c_k| |z|^k / |sum c_k z^k|, above and below."""
    N, d = exact(system)
    size = [np.abs(np.array([float(x) for x in c])) for c in (N, d)]
    value = [np.array([abs(complex(mpmath.polyval(c, mpmath.mpmathify(complex(x))))) for x in z]) for c in (N, d)]
    return sum(np.polyval(s, np.abs(z)) / v for s, v in zip(size, value, strict=True))


@pytest.mark.parametrize("n", [4, 12, 16, 20])
@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10])
class TestClosePoles:
    """The companion family: the coefficients are right to rounding whatever the gap; bases are not asked for.

    A coefficient collects a few roundings in each of n steps: 10 n u of its size.
    """

    def test_rounding_level(self, n, gap):
        """Poles from -1 on, at s = 0, i/10, i, 10i as for a system in continuous time: 1e-13 at n = 20."""
        system = families.close_poles(n, gap, centre=-1.0)
        z = 1j * np.array([0, 0.1, 1.0, 10.0])
        want = at(*exact(system), z)
        assert (np.abs(transfer_function(system)(z)[:, 0, 0] / want - 1) <= 10 * n * U * amplification(system, z)).all()
        assert np.abs(transfer_function(system)(z)[:, 0, 0] / want - 1).max() < 2e-13

    def test_no_worse_than_rounding_the_coefficients(self, n, gap):
        """On the circle the powers cancel (1e-7 at z = -1, n = 20): no coefficients in doubles do better."""
        system = families.close_poles(n, gap)
        want = at(*exact(system), CIRCLE)
        got = transfer_function(system)(CIRCLE)[:, 0, 0]
        assert (np.abs(got / want - 1) <= 10 * n * U * amplification(system, CIRCLE)).all()

    def test_factors_do_not_cancel(self, n, gap):
        """The same points by poles, zeros and gain: to rounding times n."""
        system = families.close_poles(n, gap)
        got, want = zeros_poles_gain(system)(CIRCLE), solved(system, CIRCLE)
        np.testing.assert_allclose(got, want, rtol=100 * n * U)


@pytest.mark.parametrize("n", [8, 12, 20])
def test_poles_at_minus_one_to_minus_n(n):
    """Where a basis of condition 1e13 and more is the only way to the companion *matrix* T."""
    Q = families.orthogonal(n, rng=1)
    system = LinearSSM(Q * -np.arange(1.0, n + 1) @ Q.T, Q.sum(1, keepdims=True), Q.sum(1)[None], [[0]])
    N, d = exact(system)
    for got, want in ((numerators(system)[0, 0], N), (characteristic_polynomial(system.A), d)):
        want = np.array([float(x) for x in want])
        np.testing.assert_allclose(got[1:], want[1:], rtol=1e-13)
        assert abs(got[0] - want[0]) < 1e-13
    circle = np.exp(2j * np.pi * np.arange(n) / n) * 1.25 * n
    by_interpolation = np.fft.fft(
        solved(system, circle)[:, 0, 0] * np.polyval(characteristic_polynomial(system.A), circle)
    )
    lost = np.abs(by_interpolation[0] / n / float(N[-1]) - 1)
    assert n == 8 or lost > 1e-10  # the control: interpolation on a circle loses the low coefficients


@pytest.mark.parametrize("name", NAMED)
def test_three_routes_agree(name):
    """Polynomials, factors and solves at radius 1.5, for every named system."""
    system = NAMED[name].make()
    z = 1.5 * CIRCLE
    want = solved(system, z)
    scale = np.abs(want).max(initial=1e-300)
    # condition of the eigenvectors, which all three see: 1e6 for the Legendre coefficients
    assert np.abs(transfer_function(system)(z) - want).max(initial=0) <= 1e-12 * scale
    assert np.abs(zeros_poles_gain(system)(z) - want).max(initial=0) <= 1e-12 * scale


@given(seeds, st.integers(0, 7), st.integers(0, 3), st.integers(0, 3), st.floats(0, 3))
def test_random_systems(seed, n, m, p, digits):
    """Any shape, a basis of condition up to 1e3: error u k^2, the law of `theory.md` for responses."""
    system = families.random_stable(n, m, p, condition=10**digits, rng=seed)
    z = 2 * CIRCLE
    want, got = solved(system, z), transfer_function(system)(z)
    assert got.shape == (5, p, m)
    assert np.abs(got - want).max(initial=0) <= 100 * (n + 1) * U * 10 ** (2 * digits) * np.abs(want).max(initial=1)
    assert np.abs(zeros_poles_gain(system)(z) - want).max(initial=0) <= 1e-8


@given(seeds, st.integers(1, 6), st.integers(1, 3))
def test_at_a_zero_an_input_is_swallowed(seed, n, m):
    """[A - z I, B; C, D] is singular at every zero; elsewhere its determinant is det D prod(zero - z)."""
    system = families.random_stable(n, m, m, rng=seed)
    found = invariant_zeros(system)
    assert found.normal_rank == m
    assert len(found.zeros) == n  # D is invertible

    def pencil(z):
        return np.block([[system.A - z * np.eye(n), system.B], [system.C, system.D]])

    for z in found.zeros:
        s = np.linalg.svd(pencil(z))[1]
        assert s[-1] < 1e-12 * s[0]
    z = 0.3 + 0.5j
    want = np.linalg.det(system.D) * np.prod(found.zeros - z)
    # Hadamard: no determinant is larger than the product of the columns, and rounding is relative to that
    size = np.prod(np.linalg.norm(pencil(z), axis=0))
    assert abs(np.linalg.det(pencil(z)) - want) <= 1e-12 * size


def test_zeros_off_by_a_permille_are_seen():
    """The control: neither is the pencil singular there, nor is their product the determinant."""
    system = families.random_stable(4, 2, 2, rng=1)
    wrong = 1.001 * zeros(system)
    pencils = [np.block([[system.A - z * np.eye(4), system.B], [system.C, system.D]]) for z in (*wrong, 0.3 + 0.5j)]
    assert min(np.linalg.svd(P)[1][-1] for P in pencils) > 1e-6
    want = np.linalg.det(system.D) * np.prod(wrong - (0.3 + 0.5j))
    assert abs(np.linalg.det(pencils[-1]) / want - 1) > 1e-4


@given(seeds, st.integers(1, 5), st.integers(1, 4))
def test_zeros_that_were_put_there(seed, n, relative):
    """(z - z_1) ... (z - z_k) over n + relative poles, in a random basis: as many zeros, at their places."""
    rng = np.random.default_rng(seed)
    roots = np.linspace(-0.9, 0.8, n) + rng.uniform(-0.02, 0.02, n)
    d = np.poly(np.linspace(-0.8, 0.9, n + relative))
    A = np.vstack([np.eye(n + relative)[1:], -d[:0:-1]])
    C = np.append(np.poly(roots)[::-1], np.zeros(relative - 1))
    companion = LinearSSM(A, np.eye(n + relative)[:, -1:], C[None], [[0]])
    system = similar(companion, families.conditioned(n + relative, 10.0, rng=rng))
    got = np.sort(zeros(system).real)
    assert len(got) == n
    np.testing.assert_allclose(got, roots, atol=1e-8)


def test_a_published_zero():
    """(1 / ((s/5 + 1)(s + 1))) [1 1; 1 + 2s 2] has a zero at 1/2 that no entry shows (Skogestad & Postlethwaite)."""
    chain = np.array([[0.0, 1.0], [-5.0, -6.0]])
    A, B = np.kron(np.eye(2), chain), np.kron(np.eye(2), [[0], [1]])
    C = 5.0 * np.array([[1, 0, 1, 0], [1, 2, 2, 0]])
    found = invariant_zeros(ContinuousSSM(A, B, C, np.zeros((2, 2))))
    assert found.zeros.round(12).tolist() == [0.5]
    assert found.normal_rank == 2


@given(seeds, st.integers(1, 8))
def test_scipy_agrees_where_it_is_accurate(seed, n):
    """`ss2tf` by determinants of A - b c: the same coefficients for well-conditioned systems."""
    system = families.random_stable(n, 1, 1, condition=2.0, rng=seed)
    N, d = ss2tf(system.A, system.B, system.C, system.D)
    np.testing.assert_allclose(transfer_function(system).denominator, d, atol=1e-12)
    np.testing.assert_allclose(transfer_function(system).numerators[0], N, atol=1e-11)


class TestDegenerate:
    def test_same_output_twice(self):
        """Normal rank 1 of a 2 x 2 system: the zeros of the one output are left."""
        one = families.random_stable(4, 1, 1, rng=3)
        two = LinearSSM(one.A, np.hstack([one.B, 2 * one.B]), np.vstack([one.C, one.C]), one.D * [[1, 2], [1, 2]])
        found = invariant_zeros(two)
        assert found.normal_rank == 1
        np.testing.assert_allclose(np.poly(found.zeros), np.poly(zeros(one)), atol=1e-10)

    def test_tall_systems_have_none(self):
        found = invariant_zeros(families.random_stable(5, 1, 3, rng=0))
        assert found.normal_rank == 1
        assert not len(found.zeros)

    def test_what_is_out_of_reach_is_a_zero(self):
        """Modes that are not controllable or not observable cancel: both are among the zeros."""
        system = LinearSSM(np.diag([0.5, 0.25, 0.75]), [[1], [0], [1]], [[1, 1, 0]], [[0]])
        assert np.sort(zeros(system).real).round(12).tolist() == [0.25, 0.75]

    def test_output_of_nothing(self):
        """H = 0: normal rank 0, and a gain of 0."""
        system = LinearSSM(np.diag([0.5, 0.25]), [[1], [0]], [[0, 1]], [[0]])
        assert invariant_zeros(system).normal_rank == 0
        H = zeros_poles_gain(system)
        assert H.gain.tolist() == [[0.0]]
        assert not H(CIRCLE).any()

    def test_no_state(self):
        H = transfer_function(library.static_gain([[2.0, -1.0]]))
        assert H(CIRCLE).shape == (5, 1, 2)
        assert H(0.3).tolist() == [[2.0, -1.0]]
        assert zeros_poles_gain(library.static_gain()).poles.shape == (0,)

    def test_a_delay_has_no_zero(self):
        """1 / z^n in a basis of condition 10: gain 1, no zero, where roots of the numerator would show n - 1."""
        system = similar(library.delay_line(8), families.conditioned(8, 10.0, rng=0))
        H = zeros_poles_gain(system)
        assert not len(H.zeros[0][0])
        np.testing.assert_allclose(H.gain, 1.0, rtol=1e-12)
        assert len(np.roots(numerators(system)[0, 0])) > 0

    def test_two_gaps_are_undecided(self):
        """D = 1e-8 beside entries of size 1: a zero far away, or none."""
        system = LinearSSM([[0.5]], [[1]], [[1]], [[1e-8]])
        with pytest.raises(StructureError, match=r"rank of D, 1 states left: .* compete"):
            zeros(system)
        assert not invariant_zeros(system).decisions[0].decided


def test_how_they_are_shown():
    """One line each; in a notebook the quotient."""
    H = RationalTransfer([[[1.0, 0.0, -0.5]]], [1.0, -0.75, 0.125])
    assert H._repr_latex_() == r"$$\frac{z^{2} - 0.5}{z^{2} - 0.75 z + 0.125}$$"
    assert str(H) == "(z^2 - 0.5) / (z^2 - 0.75 z + 0.125)"
    two = transfer_function(families.random_stable(3, 2, 2))
    assert repr(two) == "RationalTransfer(p=2, m=2, degree=3)"
    assert two._repr_latex_().count("&") == 2
    assert two._repr_latex_().count("{") == two._repr_latex_().count("}")
    assert [line.partition(":")[0] for line in str(two).splitlines()] == [
        f"u{j} -> y{i}" for i in (1, 2) for j in (1, 2)
    ]
    delay = zeros_poles_gain(library.delay_line(2))
    assert (repr(delay), str(delay)) == ("ZerosPolesGain(p=1, m=1, poles=2)", "1 / (z z)")
    assert delay._repr_latex_() == r"$$\frac{1}{z z}$$"
    assert str(zeros_poles_gain(library.diagonal([0.5], [2.0]))) == "2 / (z - 0.5)"
    gain = library.static_gain([[3.0]])
    assert str(zeros_poles_gain(gain)) == str(transfer_function(gain)) == "3"
    assert "1i) z" in transfer_function(library.diagonal([1j, 0.5]))._repr_latex_()


def test_complex_systems():
    system = library.diagonal([0.5j, 0.25], [1, 1j])
    want = 1 / (CIRCLE - 0.5j) + 1j / (CIRCLE - 0.25)
    for view in (transfer_function, zeros_poles_gain):
        np.testing.assert_allclose(view(system)(CIRCLE)[:, 0, 0], want, rtol=1e-13)


def test_units_cost_nothing():
    """States in units of 1 ... 1e12: the same coefficients, since powers of 2 are taken out first."""
    well, badly = (families.badly_scaled(6, ratio, rng=1) for ratio in (1.0, 1e12))
    np.testing.assert_allclose(numerators(badly), numerators(well), atol=1e-14)
    np.testing.assert_allclose(characteristic_polynomial(badly.A), characteristic_polynomial(well.A), atol=1e-14)


@pytest.mark.parametrize("z", [1e-300, 1e100, 1e300, -1e300j])
def test_far_out_nothing_overflows(z):
    """H(z) = D + C B / z + ..., where z^6 is beyond float64: by polynomials, factors and a solve."""
    system = families.random_stable()
    for view in (transfer_function, zeros_poles_gain):
        np.testing.assert_allclose(view(system)(z), evaluate(system, z), rtol=1e-12, atol=1e-14)
    # degrees that differ: z^2 / (z + 1) grows, z / (z^2 + 1) falls off
    np.testing.assert_allclose(RationalTransfer([[[1, 0, 0]]], [1, 1])(z).item(), z**2 / (z + 1) if abs(z) < 1 else z)
    np.testing.assert_allclose(RationalTransfer([[[1, 0]]], [1, 0, 1])(z).item(), z if abs(z) < 1 else 1 / z)


def test_what_is_beyond_the_range_far_out_is_refused():
    H = RationalTransfer([[[1, 0, 0]]], [1])
    with pytest.raises(StructureError, match="H leaves the range of float64"):
        H(1e200)
    assert H(1e100).item() == 1e200


def test_an_entry_of_zero_has_gain_zero_in_any_basis():
    """Two systems side by side: off the diagonal the numerators are rounding, which is no gain."""
    side_by_side = direct_sum(library.diagonal(), library.diagonal([0.5, -0.2, 0.1]))
    H = zeros_poles_gain(similar(side_by_side, families.orthogonal(6, rng=0)))
    assert H.gain[0, 1] == H.gain[1, 0] == 0
    assert not len(H.zeros[0][1])
    np.testing.assert_allclose(np.diag(H.gain), 3.0, rtol=1e-13)


def test_zeros_poles_and_gain_belong_to_their_owner():
    """Copied, read-only, and checked."""
    roots = np.array([0.375])
    H = ZerosPolesGain(((roots,),), [0.5, 0.25], [[2]])
    roots[0] = 7.0
    assert H.zeros[0][0].tolist() == [0.375]
    for x in (H.zeros[0][0], H.poles, H.gain):
        with pytest.raises(ValueError, match="read-only"):
            x[...] = 0
    with pytest.raises(ShapeError, match=r"zeros has rows of \[1\] entries; \(1, 2\) is needed"):
        ZerosPolesGain(((roots,),), [0.5], [[2, 1]])
    with pytest.raises(ShapeError, match="zeros has 1 entries that are NaN"):
        ZerosPolesGain((([np.nan],),), [0.5], [[2]])


@pytest.mark.parametrize("view", [poles, zeros, numerators, transfer_function, zeros_poles_gain, hankel_spectrum])
def test_systems_of_another_kind_are_refused(view):
    """The A of a bilinear or time-varying system has eigenvalues, which are no poles."""
    zero, one = np.zeros((1, 1)), np.zeros((1, 1, 1))
    for system in (BilinearSSM(zero, one, zero, zero, one, zero), TimeVaryingSSM(one, one, one, one)):
        with pytest.raises(ShapeError, match=f"of a {type(system).__name__}: a LinearSSM or a ContinuousSSM is needed"):
            view(system)
    view(LinearSSM(zero, zero, zero, zero))


def test_poles_of_a_batch():
    A = np.stack([np.diag([0.5, 0.25]), np.diag([0.1, 0.2])])
    assert poles(LinearSSM(A, np.ones((2, 2, 1)), np.ones((2, 1, 2)), np.zeros((2, 1, 1)))).shape == (2, 2)


def test_wrong_input_is_refused():
    batch = LinearSSM(np.zeros((3, 1, 1)), np.zeros((3, 1, 1)), np.zeros((3, 1, 1)), np.zeros((3, 1, 1)))
    with pytest.raises(ShapeError, match=r"one system is needed"):
        transfer_function(batch)
    with pytest.raises(ShapeError, match=r"A has shape \(2, 3\); a square matrix"):
        characteristic_polynomial(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="NaN"):
        characteristic_polynomial([[np.nan]])
    for view in (transfer_function, zeros_poles_gain):
        with pytest.raises(StructureError, match="a pole to the last bit"):
            view(library.diagonal([0.5, 0.25]))([1.0, 0.5])
        with pytest.raises(ShapeError, match="z has 1 entries that are NaN"):
            view(library.diagonal())(np.nan)
    with pytest.raises(StructureError, match=r"coefficient of a polynomial is above 1.8e\+308 \(n = 300"):
        characteristic_polynomial(100 * np.diag(np.arange(1.0, 301)))
    with pytest.raises(ShapeError, match="leading coefficient"):
        RationalTransfer([[[1.0]]], [0.0, 1.0])
