"""Every named system has the traits that its entry claims, and those that it does not claim it lacks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.claim import Claim
from realization.core.errors import ShapeError, StructureError
from realization.layers import OPS
from realization.layers.mamba1 import selective_scan
from realization.systems import bilinear_library, continuous_library, evaluate, families, library
from realization.systems.continuous import ContinuousSSM
from realization.systems.continuous_library import legs, resonator
from realization.systems.linear import LinearSSM
from realization.systems.named import NAMED, NAMED_CONTINUOUS, TRAITS

ENTRIES = NAMED | NAMED_CONTINUOUS
SYSTEMS = {name: entry.make() for name, entry in ENTRIES.items()}
seeds = st.integers(0, 2**32 - 1)


def impulse(system, steps):
    """D, CB, CAB, ... from a simulation."""
    m = system.B.shape[-1]
    u = np.zeros((m, steps, m))
    u[:, 0] = np.eye(m)
    return np.moveaxis(system.simulate(u).y, 0, -1)


def margin(A, B):
    """Smallest singular value of [A - l I, B] over the eigenvalues l: 0 iff a mode is out of reach."""
    n = len(A)
    return min((np.linalg.svd(np.hstack([A - l * np.eye(n), B]))[1][-1] for l in np.linalg.eigvals(A)), default=np.inf)


def gap(A):
    """Smallest distance between two eigenvalues, in units of the spectral radius over n."""
    l = np.linalg.eigvals(A)
    distances = np.abs(l[:, None] - l)[~np.eye(len(l), dtype=bool)]
    return (distances * len(l) / max(np.abs(l).max(initial=0.0), 1e-300)).min(initial=np.inf)


@pytest.mark.parametrize("name", ENTRIES)
class TestTraits:
    def test_entry_is_complete(self, name):
        entry = ENTRIES[name]
        assert entry.name == name
        assert entry.shows
        assert entry.traits <= set(TRAITS)
        assert entry.make.__doc__.count("Good for") == 1
        assert isinstance(SYSTEMS[name], LinearSSM if name in NAMED else ContinuousSSM)

    def test_stable(self, name):
        poles = np.linalg.eigvals(SYSTEMS[name].A)
        stable = (np.abs(poles) < 1).all() if name in NAMED else (poles.real < 0).all()
        assert stable == ("stable" in ENTRIES[name].traits)

    def test_nilpotent(self, name):
        """The registers are integers: A^n is exactly 0.  Of the others none comes near it at its n-th power."""
        A = SYSTEMS[name].A
        power = np.linalg.matrix_power(A, len(A))
        assert (not power.any()) == ("nilpotent" in ENTRIES[name].traits)

    def test_minimal(self, name):
        """By the margin of both pairs; 1e-9 is far above rounding and below what `hard` systems keep."""
        system = SYSTEMS[name]
        least = min(margin(system.A, system.B), margin(system.A.T, system.C.T))
        assert (least > 1e-9) == ("minimal" in ENTRIES[name].traits)
        assert ("minimal" in ENTRIES[name].traits) != ("redundant" in ENTRIES[name].traits)

    def test_separated(self, name):
        """Defective ones look separated by u^(1/k) to `eigvals`: they are told by their construction."""
        traits = ENTRIES[name].traits
        if "defective" in traits:
            assert "separated" not in traits
        elif "redundant" not in traits:
            assert (gap(SYSTEMS[name].A) > 0.1) == ("separated" in traits)

    def test_exact(self, name):
        """The entries of an exact one are multiples of 1/8 below 8."""
        if "exact" in ENTRIES[name].traits:
            s = SYSTEMS[name]
            assert all((np.round(8 * M) == 8 * M).all() and (np.abs(M) < 8).all() for M in (s.A, s.B, s.C, s.D))


@given(seeds, st.integers(0, 6), st.integers(1, 3))
def test_a_delay_returns_what_it_was_given(seed, steps, width):
    u = np.random.default_rng(seed).standard_normal((steps + 9, width))
    y = library.delay_line(steps, width).simulate(u).y
    assert np.array_equal(y[steps:], u[:9])
    assert not y[:steps].any()


@given(seeds, st.integers(0, 5), st.integers(1, 3), st.integers(1, 3))
def test_a_moving_average_is_a_convolution(seed, w, p, m):
    rng = np.random.default_rng(seed)
    h = rng.integers(-9, 10, (w + 1, p, m)).astype(float)
    assert np.array_equal(impulse(library.moving_average(h), w + 4), np.concatenate([h, np.zeros((3, p, m))]))


@given(seeds, st.integers(1, 5))
def test_an_autoregression_obeys_its_equation(seed, p):
    """y(t) - sum a_k y(t-k) gives back e(t)."""
    rng = np.random.default_rng(seed)
    a, e = rng.uniform(-0.5, 0.5, p) / p, rng.standard_normal(30)
    y = library.autoregression(a).simulate(e[:, None]).y[:, 0]
    back = np.convolve(y, np.append(1.0, -a))[:30]
    np.testing.assert_allclose(back, e, atol=1e-14)


@pytest.mark.parametrize("states", [1, 2, 5, 8])
@pytest.mark.parametrize("delay", [0.0, 0.3, 2.0])
def test_legs_reads_legendre_coefficients_of_the_warped_past(states, delay):
    """C exp(A s) B = e^-s sum_i L_i(e^-delay) L_i(e^-s): the exponential against the polynomials."""
    from scipy.linalg import expm
    from scipy.special import eval_sh_legendre

    system = legs(states, delay)
    i = np.arange(states)
    for s in (0.0, 0.1, 1.0, 3.0):
        L = [np.sqrt(2 * i + 1) * eval_sh_legendre(i, np.exp(-v)) for v in (delay, s)]
        np.testing.assert_allclose(
            (system.C @ expm(system.A * s) @ system.B)[0, 0], np.exp(-s) * (L[0] @ L[1]), atol=1e-11
        )


@given(seeds, st.integers(1, 6), st.floats(0.01, 1.0))
def test_a_mamba_channel_is_the_layer_at_one_step_size(seed, states, step):
    """The layer with constant Delta, A = -1 ... -n and B = C = 1, to its own bound."""
    T = 20
    u = np.random.default_rng(seed).standard_normal((T, 1))
    case = {"u": u[None], "delta": np.full((1, T, 1), step), "A": -np.arange(1.0, states + 1)[None]}
    case |= {"B": np.ones((1, T, states)), "C": np.ones((1, T, states)), "discretization": "euler"}
    y = library.mamba_channel(states, step).simulate(u).y
    bound = OPS["selective_scan"].bound(case, Claim(io="float64", accumulate="float64"))["y"].error[0]
    assert (np.abs(y - selective_scan(**case).y[0]) <= 2 * bound).all()


def test_a_resonator_resonates():
    """|H(i w)| = 1 / (2 d) at the resonance, and H(0) = 1."""
    assert abs(evaluate(resonator(3.0, 0.05), 3j)[0, 0]) == pytest.approx(10, rel=1e-14)
    assert evaluate(resonator(3.0, 0.05), 0)[0, 0] == pytest.approx(1, rel=1e-14)


def test_sampled_legs_reads_back_a_slow_input():
    """After a slow ramp the read-out is what the input was `delay` ago; the control asks for another delay."""
    step, delay = 0.01, 0.5
    t = step * np.arange(3000)
    u = np.sin(0.5 * t)
    y = library.sampled_legs(8, delay, step).simulate(u[:, None]).y[:, 0]
    error = np.abs(y[2000:] - np.sin(0.5 * (t[2000:] - delay))).max()
    other = np.abs(y[2000:] - np.sin(0.5 * (t[2000:] - 2 * delay))).max()
    assert error < 0.02 < 0.1 < other


@given(seeds, st.integers(2, 12), st.floats(0, 6))
def test_a_basis_has_the_condition_asked_for(seed, n, digits):
    T = families.conditioned(n, 10**digits, rng=seed)
    # the smallest singular value is known to n u times the largest
    assert abs(np.linalg.cond(T) / 10**digits - 1) <= 10 * n * 2.0**-53 * 10**digits


@given(seeds, st.integers(0, 8), st.integers(1, 3), st.integers(1, 3))
def test_random_systems_have_the_radius_asked_for(seed, n, m, p):
    system = families.random_stable(n, m, p, radius=0.8, rng=seed)
    assert system.D.shape == (p, m)
    # Bauer-Fike: u n condition(T) |A|
    assert abs(np.abs(np.linalg.eigvals(system.A)).max(initial=0.8 if n == 0 else 0) - 0.8) < 1e-12


@given(seeds, st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_indices_are_those_of_the_ranks(seed, indices):
    """rank [B AB ... A^(k-1) B] = sum_i min(k_i, k): the definition of controllability indices."""
    system = families.with_indices(indices, rng=seed)
    assert np.abs(np.linalg.eigvals(system.A)).max() < 1
    blocks = [system.B]
    for k in range(1, max(indices) + 1):
        assert np.linalg.matrix_rank(np.hstack(blocks), rtol=1e-9) == sum(min(i, k) for i in indices)
        blocks.append(system.A @ blocks[-1])


@given(seeds, st.floats(-10, 0))
def test_the_margin_is_at_most_the_distance(seed, digits):
    system = families.nearly_uncontrollable(5, 10**digits, rng=seed)
    assert margin(system.A, system.B) <= 10**digits * (1 + 1e-6) + 1e-14


@given(seeds)
def test_units_change_nothing(seed):
    """Powers of two: the impulse response is that of the well-scaled system to the last bit but underflow."""
    well = families.random_stable(4, 1, 1, condition=1.0, rng=seed)
    badly = families.badly_scaled(4, 1e9, rng=seed)
    assert np.abs(badly.A).max() > 1e3 * np.abs(well.A).max()
    np.testing.assert_allclose(impulse(badly, 30), impulse(well, 30), rtol=0, atol=1e-15)


@pytest.mark.parametrize("condition", [1.0, 1e3])
def test_redundant_states_do_nothing(condition):
    """The block Hankel matrix of 2 x 25 Markov parameters has rank 20 at most; what is above is rounding."""
    system = families.redundant(condition=condition)
    h = impulse(system, 60)[1:]
    H = np.block([[h[i + j] for j in range(25)] for i in range(25)])
    s = np.linalg.svd(H)[1]
    assert s[20] < 1e-12 * condition**2 * s[0]
    assert s[9] > 1e-9 * s[0]


def test_wrong_parameters_are_refused():
    with pytest.raises(ValueError, match=r"indices are \(2, 0\); each has to be at least 1"):
        families.with_indices([2, 0])
    with pytest.raises(ValueError, match=r"weights has shape \(0,\)"):
        library.moving_average([])
    with pytest.raises(ValueError, match="states is 0"):
        families.nearly_uncontrollable(0)
    for condition in (0.5, np.nan):
        with pytest.raises(StructureError, match="a number from 1 on is needed"):
            families.conditioned(3, condition)
    with pytest.raises(StructureError, match="ratio is -1; a positive number"):
        families.badly_scaled(3, -1)


SIZED = (
    library.delay_line,
    library.mamba_channel,
    library.integrators,
    library.sampled_legs,
    families.random_stable,
    families.badly_scaled,
    families.redundant,
    families.close_poles,
    continuous_library.legs,
    continuous_library.integrator_chain,
    bilinear_library.gated_register,
    bilinear_library.selective_channel,
)


@pytest.mark.parametrize("make", SIZED)
def test_sizes_are_numbers_of_things(make):
    """Whole and not negative; none at all is a size."""
    for size in (-1, 2.5):
        with pytest.raises(ShapeError, match=f"is {size}, but a whole number"):
            make(size)
    if make is not families.redundant:
        assert make(0).A.shape == (0, 0)


def test_no_delay_and_no_integrator_leave_the_input_as_it_is():
    for make in (library.delay_line, library.integrators, continuous_library.integrator_chain):
        assert make(0).D.tolist() == [[1.0]]
        assert make(1).D.tolist() == [[0.0]]
