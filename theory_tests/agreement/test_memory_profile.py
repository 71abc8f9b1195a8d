"""What a system holds and for how long, by two routes: the profile, and runs or closed forms."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.memory import (
    Box,
    DiagonalDelay,
    best_readout,
    decay_envelope,
    eidetic_memory,
    profile,
    reconstruction,
    remains,
)
from realization.systems import BilinearSSM, ContinuousSSM, LinearSSM, TimeVaryingSSM
from realization.systems.compose import direct_sum, parallel, similar
from realization.systems.families import conditioned, hidden_jordan
from realization.systems.library import delay_line, diagonal, integrators, moving_average, window_and_fading
from realization.systems.named import NAMED
from realization.testing import diagonalizable_systems, nilpotent_systems, partitions, seeds

PLAIN = {name: named for name, named in NAMED.items() if isinstance(named.make(), LinearSSM)}


@pytest.mark.parametrize("name", PLAIN)
def test_named_systems(name):
    """Each by the traits that its library entry states: nilpotent, stable; and all states are accounted for."""
    system, traits = PLAIN[name].make(), PLAIN[name].traits
    found = profile(system)
    kind = found.guarantee.kind
    assert (kind == "finite") == ("nilpotent" in traits)
    assert (kind in ("finite", "per step", "contraction")) == ("stable" in traits)
    states = found.eidetic.states + sum(mode.states for mode in found.modes) + found.integrators + found.growing
    assert states == len(system.A)
    assert (found.integrators + found.growing > 0) == ("stable" not in traits)
    text = str(found)
    assert text.splitlines()[0] == repr(system)
    assert str(found.guarantee) in text


@given(partitions(5), st.integers(0, 2), seeds)
def test_the_eidetic_part_is_the_finite_part_of_the_response(sizes, others, seed):
    """Beside modes, in a hidden basis: lags are those of C N^(k-1) B, from the system before it was hidden."""
    plain = hidden_jordan(sizes, [0.6, -0.4][:others], condition=30.0, rng=seed)
    memory = eidetic_memory(plain)
    assert (memory.states, memory.index) == (sum(sizes), max(sizes, default=0))
    assert memory.finite == (others == 0)
    # random B and C reach all of it
    assert memory.lags == tuple(range(1, memory.index + 1))


def test_lags_have_gaps_where_the_system_has():
    """A delay passes one lag only, alone and beside a pole; its order in the sum does not matter."""
    assert eidetic_memory(delay_line(4)).lags == (4,)
    assert eidetic_memory(parallel(delay_line(4), diagonal((0.5,)))).lags == (4,)
    assert eidetic_memory(parallel(diagonal((0.5,)), delay_line(2))).lags == (2,)
    assert eidetic_memory(direct_sum(moving_average((1.0, 0.0, 2.0)), diagonal())).lags == (0, 2)
    both = eidetic_memory(window_and_fading(3, (0.9, 0.5)))
    assert (both.span, both.index, both.finite) == (4, 3, False)


@pytest.mark.parametrize("condition", [1.0, 10.0, 100.0])
def test_lags_are_seen_in_any_basis(condition):
    """What is 0 up to rounding is no lag, what is 1e-7 is one: the level follows the products that are rounded."""
    T = conditioned(4, condition, rng=0)
    assert eidetic_memory(similar(delay_line(4), T)).lags == (4,)
    assert eidetic_memory(similar(moving_average((0.0, 1.0, 1e-7, 0.0, 1.0)), T)).lags == (1, 2, 4)


@given(
    seeds, st.integers(1, 6), st.sampled_from([(), (0.9,), (0.3,), (0.5, -0.7)]), st.sampled_from([1.0, 10.0, 100.0])
)
def test_a_delay_has_one_lag_in_any_basis(seed, w, poles, condition):
    """Beside modes too, whose share of every lag the decoupling takes out."""
    system = parallel(delay_line(w), diagonal(poles)) if poles else delay_line(w)
    hidden = similar(system, conditioned(len(system.A), condition, rng=seed))
    assert eidetic_memory(hidden).lags == (w,)


def test_a_part_that_cannot_be_decoupled_says_so():
    """Index 12 beside 0.01: the change of basis would have condition 10^24; the index is known all the same."""
    A = np.eye(13, k=1)
    A[12, 12], A[11, 12] = 0.01, 1.0
    memory = eidetic_memory(LinearSSM(A, np.ones((13, 1)), np.ones((1, 13)), [[0]]))
    assert memory.lags is memory.span is None
    assert memory.condition > 1e16
    assert not memory.finite
    assert "cannot be decoupled" in str(profile(LinearSSM(A, np.ones((13, 1)), np.ones((1, 13)), [[0]])))


@given(nilpotent_systems(), seeds)
def test_inputs_are_read_back_from_the_state(drawn, seed):
    """Where the state determines them; the control is the null space: elsewhere another input leads to that state."""
    system, index = drawn.system, max(drawn.structure, default=0)
    found = reconstruction(system, index)
    m = system.B.shape[1]
    u = np.random.default_rng(seed).standard_normal((index + 3, m))
    x = system.simulate(u).x[-1]
    back = found.recover(x)
    assert back.shape == (index, m)
    kept = found.determined
    error = np.abs(back - u[::-1][:index]).max(axis=1, initial=0.0)
    # amplification times the rounding of the state, which is that of sums of integers times inputs
    slack = 1e-13 * (1 + np.abs(system.A).max(initial=0.0)) ** 2 * (1 + np.abs(found.R).max(initial=0.0))
    assert (error[kept] <= slack * (1 + found.amplification[kept])).all()
    lost = np.flatnonzero(~kept)
    assert np.isinf(found.amplification[lost]).all()
    rank = np.linalg.matrix_rank(found.R) if found.R.size else 0
    assert (len(lost) == 0) == (rank == index * m)


@pytest.mark.parametrize("n", [2, 4, 8])
def test_fading_systems_hold_their_inputs_under_a_magnifying_glass(n):
    """Against the inverse of the Vandermonde matrix of the poles; a register holds as many with amplification 1."""
    poles = np.linspace(0.9, 0.3, n)
    found = reconstruction(diagonal(poles, np.ones(n)), n)
    V = poles[:, None] ** np.arange(n) * found.R[:, :1]
    rows = np.linalg.norm(np.linalg.solve(V, np.eye(n)), axis=1)
    assert found.determined.all()
    assert np.allclose(found.amplification, rows, rtol=1e-14 * np.linalg.cond(V) + 1e-12)
    assert found.condition == pytest.approx(np.linalg.cond(V), rel=1e-6)
    assert n < 4 or found.amplification.max() > 10.0 ** (n - 2)
    register = reconstruction(delay_line(n), n)
    assert (register.condition, register.amplification.tolist()) == (1.0, [1.0] * n)


@settings(max_examples=max(10, settings().max_examples // 4))
@given(diagonalizable_systems(), st.sampled_from([2.0**-8, 2.0**-24, 2.0**-53]))
def test_nothing_is_left_after_the_window(drawn, precision):
    """The state's memory of where it began is below the precision from the window on."""
    found = profile(drawn.system, precision=precision)
    left = np.linalg.matrix_power(drawn.system.A, found.window)
    size = np.linalg.norm(left, 2) if left.size else 0.0
    # a finite window is exact up to the rounding of the power
    assert size <= precision + 1e-13 * drawn.condition**2


def test_input_dependent_systems_part_by_part():
    """Two gates of their own ranges, a fixed pole, and an integrator: each is listed, the weakest decides."""
    E = np.eye(4)
    N = np.stack([np.outer(E[0], E[0]), np.outer(E[1], E[1])])
    rest = {"B": np.ones((4, 2)), "C": np.ones((1, 4)), "M": np.zeros((2, 1, 4)), "D": np.zeros((1, 2))}
    fixed = BilinearSSM(np.diag([0, 0, 0.5, 0.25]), N, **rest)
    found = profile(fixed, Box([0, 0], [0.9, 0.7]))
    assert [round(mode.rate, 6) for mode in found.modes] == [0.9, 0.7, 0.5, 0.25]
    assert (found.guarantee.kind, round(found.guarantee.number, 6)) == ("per step", 0.9)
    assert found.guarantee.decay.P.shape == (4, 4)
    integrating = BilinearSSM(np.diag([0, 0, 1.0, 0.25]), N, **rest)
    found = profile(integrating, Box([0, 0], [0.9, 0.7]))
    assert (found.guarantee.kind, found.integrators, found.growing, len(found.modes)) == ("none", 1, 0, 3)
    assert profile(integrating, Box(0, [1.2, 0.7])).growing == 1
    # the corners of a triangle instead of a box: the gates are never large together
    found = profile(fixed, [[0, 0], [0.9, 0], [0, 0.7]])
    assert found.guarantee.kind == "per step"
    assert "4" in str(found).splitlines()[0]


def test_a_nilpotent_transition_forgets_whatever_the_input():
    """Gates on a shift: products of 3 vanish for every input, and no set of inputs has to be named."""
    N = np.stack([np.eye(3, k=1), np.eye(3, k=2)])
    system = BilinearSSM(np.zeros((3, 3)), N, np.ones((3, 2)), np.ones((1, 3)), np.zeros((2, 1, 3)), np.zeros((1, 2)))
    found = profile(system)
    assert (found.guarantee.kind, found.guarantee.number, found.window) == ("finite", 3, 3)
    assert "the last 3 steps" in str(found)
    # the control: one gate on the diagonal, and the inputs matter
    gated = BilinearSSM(np.zeros((3, 3)), N + np.eye(3), system.B, system.C, system.M, system.D)
    with pytest.raises(StructureError, match="give inputs=Box"):
        profile(gated)


def test_what_was_found_cannot_be_changed():
    """Arrays of results are read-only, and those that were given stay as they were."""
    poles = np.array([0.5, 0.25])
    system = diagonal()
    found = (decay_envelope(system.A), eidetic_memory(system), reconstruction(system, 2), best_readout(3, poles))
    for one in (*found, DiagonalDelay(3, poles, poles, 1.0)):
        arrays = [x for f in fields(one) if isinstance(x := getattr(one, f.name), np.ndarray)]
        assert arrays
        assert not any(x.flags.writeable for x in arrays)
    poles[0] = 0.75


def test_wrong_arguments_are_refused():
    """With what came and what was needed."""
    gate = BilinearSSM([[0]], [[[1]], [[0]]], [[0, 1]], [[0]], [[[1]], [[0]]], [[0, 1]])
    for inputs in ([[0.1]], np.zeros((0, 2)), Box(0, [0.1, 0.2, 0.3]), Box(1, 0), Box(0, np.nan), [[np.nan, 0]]):
        with pytest.raises(ShapeError):
            profile(gate, inputs)
    with pytest.raises(ShapeError, match="leave them out"):
        profile(diagonal(), Box(0, 1))
    for box in (Box(0, 1j), Box("0", 1)):
        with pytest.raises(ShapeError, match="number"):
            profile(gate, box)
    with pytest.raises(ShapeError, match="batch axes"):
        profile(LinearSSM(np.zeros((2, 1, 1)), np.zeros((2, 1, 1)), np.zeros((2, 1, 1)), np.zeros((2, 1, 1))))
    with pytest.raises(ShapeError, match="batch axes"):
        profile(TimeVaryingSSM(*np.zeros((4, 2, 3, 1, 1))))
    with pytest.raises(ShapeError, match="ContinuousSSM given"):
        profile(ContinuousSSM([[-1.0]], [[1]], [[1]], [[0]]))
    for precision in (0, 1, np.nan):
        with pytest.raises(ShapeError, match="precision"):
            profile(integrators(1), precision=precision)
    with pytest.raises(ShapeError, match="steps"):
        reconstruction(diagonal(), -1)
    many = BilinearSSM(
        np.zeros((1, 1)), np.ones((12, 1, 1)), np.zeros((1, 12)), [[1]], np.zeros((12, 1, 1)), np.zeros((1, 12))
    )
    with pytest.raises(StructureError, match="12 inputs"):
        profile(many, Box(0, 0.01))


def test_edges():
    """No input, no output, no state, no step."""
    none = LinearSSM(np.diag([0.5]), np.zeros((1, 0)), np.zeros((0, 1)), np.zeros((0, 0)))
    assert profile(none).guarantee.kind == "per step"
    assert reconstruction(none, 3).determined.all()
    empty = reconstruction(LinearSSM(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[0]]), 2)
    assert not empty.determined.any()
    assert reconstruction(diagonal(), 0).amplification.shape == (0,)
    assert reconstruction(diagonal(), 0).condition == 1


def test_complex_systems():
    """A complex matrix is judged as its real twin, of twice the size; turning integrators are seen."""
    damped = LinearSSM(0.5j * np.eye(2) + 0.1 * np.eye(2, k=1), np.ones((2, 1)), np.ones((1, 2)), [[0]])
    found = profile(damped)
    assert found.guarantee.decay.P.shape == (4, 4)
    assert (found.modes[0].states, found.modes[0].rate) == (2, pytest.approx(0.5))
    assert profile(LinearSSM(np.exp(1j) * np.eye(2), np.ones((2, 1)), np.ones((1, 2)), [[0]])).integrators == 2
    # parts of both kinds in one: the blocks of P find their places
    mixed = direct_sum(damped, diagonal((0.9,)))
    decay = profile(mixed).guarantee.decay
    assert decay.P.shape == (6, 6)
    assert (remains(mixed.A, steps=80) <= decay(np.arange(80)) * (1 + 1e-12)).all()


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_ends_of_the_range(size):
    """Entries whose squares are no numbers: an answer, or one line that says why there is none; no warning."""
    A = size * np.array([[0.5, 0.2], [0.1, 0.3]])
    found = profile(LinearSSM(A, np.ones((2, 1)), np.ones((1, 2)), [[0]]))
    assert (found.guarantee.kind, found.growing) == (("undecided", 2) if size > 1 else ("per step", 0))
    shift = profile(LinearSSM(size * np.eye(3, k=1), np.ones((3, 1)), np.ones((1, 3)), [[0]]))
    assert (shift.guarantee.kind, shift.guarantee.number) == ("finite", 3)
