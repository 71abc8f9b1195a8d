"""A gated register is nilpotent in innovation time: it forgets after so many writes, not after so many steps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.systems.bilinear_library import gated_register, selective_channel
from realization.systems.describe import describe_system
from realization.systems.named import NAMED_BILINEAR

gates = st.lists(st.booleans(), min_size=0, max_size=30)
slots = st.integers(1, 5)
widths = st.integers(1, 3)


def transition(register, gate):
    """The matrix of a step whose gate is open or shut."""
    return register.A + gate * register.N[0]


def product(register, word):
    """Of all steps of a word, the first one applied first."""
    P = np.eye(len(register.A))
    for gate in word:
        P = transition(register, gate) @ P
    return P


@given(gates, slots, widths)
def test_a_word_vanishes_with_its_writes(word, L, width):
    """The product of all steps is S to the number of writes: 0 from L writes on, and never before."""
    register = gated_register(L, width)
    P = product(register, word)
    assert np.array_equal(P, np.kron(np.eye(L, k=sum(word)), np.eye(width)))
    assert (not P.any()) == (sum(word) >= L)


@given(gates, slots, widths)
def test_slot_j_holds_the_jth_last_admitted_token(word, L, width):
    """Bit for bit, for any tokens and any schedule; slots that were never reached are 0."""
    tokens = np.random.default_rng(len(word)).standard_normal((len(word), width))
    s = np.array(word, dtype=float).reshape(-1, 1)
    x = gated_register(L, width).simulate(np.hstack([s, s * tokens])).x[-1].reshape(L, width)
    admitted = tokens[s[:, 0] == 1]
    want = np.vstack([np.zeros((L, width)), admitted])[-L:]
    assert np.array_equal(x, want)


@given(st.integers(0, 200), slots)
def test_time_alone_forgets_nothing(steps, L):
    """The control: a shut gate is the identity, however long it stays shut."""
    register = gated_register(L)
    assert np.array_equal(product(register, [False] * steps), np.eye(L))
    assert describe_system(register).index is None


def test_a_half_open_gate_never_finishes():
    """The other control: writes of strength 1/2 leave a rest after any number of steps, as a fading memory does."""
    P = product(gated_register(2), [0.5] * 40)
    assert 0 < np.abs(P).max() < 1e-9


def test_decays_of_a_selective_channel_commute():
    """A channel of Mamba beside it: a decay of 0 forgets at once, and the order of decays is indifferent."""
    channel = selective_channel(3)
    assert describe_system(channel).commutator == 0
    u = np.random.default_rng(0).uniform(0, 1, (9, 4))
    u[:, 3] = 0
    x0 = np.ones(3)
    forward, backward = (channel.simulate(v, x0).x[-1] for v in (u, u[::-1]))
    np.testing.assert_allclose(forward, backward, rtol=9 * 2.0**-52)
    u[4, :3] = 0
    assert not channel.simulate(u, x0).x[-1].any()


def test_entries_of_the_library():
    for name, entry in NAMED_BILINEAR.items():
        assert entry.make.__name__ == entry.name == name
        assert entry.make.__doc__.count("Good for") == 1
