"""A nilpotent system of n states remembers n steps, and not one more: as many as its largest Jordan block has."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.memory import eidetic_memory
from realization.systems import LinearSSM
from realization.systems.families import hidden_jordan
from realization.testing import hidden_nilpotent_systems, nilpotent_systems, stable_systems, tolerance


def impulse_response(system, steps):
    """Markov parameters D, CB, CAB, ...: one impulse for each input."""
    m = system.B.shape[-1]
    u = np.zeros((m, steps, m))
    u[:, 0] = np.eye(m)
    return np.moveaxis(system.simulate(u).y, 0, -1)


@given(nilpotent_systems())
def test_the_impulse_response_ends(drawn):
    """h(t) = C A^(t-1) B = 0 for t > the largest block; integers below 2**53 make it exact: there is no tolerance."""
    system, n = drawn.system, len(drawn.system.A)
    h = impulse_response(system, 3 * n + 2)
    assert not h[max(drawn.structure, default=0) + 1 :].any()
    assert np.array_equal(h[0], system.D)


@given(nilpotent_systems())
def test_the_index_is_the_largest_block(drawn):
    """A^v = 0 and A^(v-1) != 0, bit for bit; the staircase of the library finds the same v, and the lags that count."""
    system, index = drawn.system, max(drawn.structure, default=0)
    memory = eidetic_memory(system)
    powers = [np.linalg.matrix_power(system.A, k) for k in range(index + 1)]
    assert not powers[index].any()
    assert all(power.any() for power in powers[:index])
    assert (memory.index, memory.finite) == (index, True)
    h = impulse_response(system, index + 1)
    assert memory.lags == tuple(k for k in range(index + 1) if h[k].any())


@given(hidden_nilpotent_systems())
def test_the_index_is_found_where_no_zero_is_seen(drawn):
    """In a basis of condition up to 1000 the powers vanish up to rounding only; the structure is found all the same."""
    memory = eidetic_memory(drawn.system)
    index = max(drawn.structure, default=0)
    assert (memory.index, memory.finite, memory.decided) == (index, True, True)
    size = np.linalg.norm(drawn.system.A, 2) ** index if index else 1.0
    assert np.abs(np.linalg.matrix_power(drawn.system.A, index)).max(initial=0.0) <= tolerance(drawn, scale=size)


@given(nilpotent_systems(), st.integers(0, 2**32 - 1))
def test_the_past_beyond_n_steps_is_forgotten(drawn, seed):
    """Two inputs and two initial states that agree on the last n steps end in the same state, bit for bit."""
    system, n = drawn.system, max(len(drawn.system.A), 1)
    rng = np.random.default_rng(seed)
    u, v = rng.integers(-9, 10, (2, n + 5, system.B.shape[1])).astype(float)
    v[-n:] = u[-n:]
    starts = rng.integers(-9, 10, (2, len(system.A)))
    one, other = system.simulate(u, starts[0]), system.simulate(v, starts[1])
    assert np.array_equal(one.x[-1], other.x[-1])


def test_a_delay_uses_all_n_steps():
    """The control from one side: the shift of n states still answers after n steps."""
    for n in range(1, 7):
        E = np.eye(n)
        delay = LinearSSM(A=np.eye(n, k=1), B=E[:, -1:], C=E[:1], D=[[0]])
        assert impulse_response(delay, 2 * n + 1).ravel().tolist() == [0.0] * n + [1.0] + [0.0] * n
        assert eidetic_memory(delay).lags == (n,)


def test_without_nilpotency_it_never_ends():
    """The control from the other side: a pole 1/2 answers for ever, by halves."""
    pole = LinearSSM([[0.5]], [[1]], [[1]], [[0]])
    assert impulse_response(pole, 50)[-1, 0, 0] == 0.5**48
    assert not eidetic_memory(pole).finite


@given(stable_systems(min_states=1))
def test_a_fading_system_is_not_taken_for_one(drawn):
    """The control for the staircase: no eigenvalue is near 0, and none is found there."""
    memory = eidetic_memory(drawn.system)
    assert (memory.states, memory.finite) == (0, False)


def test_eigenvalues_do_not_show_it():
    """The control for the method: at block 8 and condition 100 rounding moves the eigenvalues 0 to about 1e-2."""
    system = hidden_jordan([8], [], condition=100.0, rng=0)
    assert np.abs(np.linalg.eigvals(system.A)).max() > 1e-3
    assert eidetic_memory(system).finite
