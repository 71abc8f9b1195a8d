"""A nilpotent system of n states remembers n steps, and not one more."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.systems import LinearSSM

whole = st.integers(-3, 3)


@st.composite
def nilpotent_systems(draw):
    """Strictly upper triangular integer matrices in permuted coordinates: A**n is exactly 0."""
    n = draw(st.integers(1, 6))

    def fill(rows, columns):
        entries = st.lists(whole, min_size=rows * columns, max_size=rows * columns)
        return np.array(draw(entries)).reshape(rows, columns)

    order = draw(st.permutations(range(n)))
    A = np.triu(fill(n, n), k=1)[np.ix_(order, order)]
    return LinearSSM(A=A, B=fill(n, 2), C=fill(2, n), D=fill(2, 2))


def impulse_response(system, steps):
    """Markov parameters D, CB, CAB, ...: one impulse for each input."""
    m = system.B.shape[-1]
    u = np.zeros((m, steps, m))
    u[:, 0] = np.eye(m)
    return np.moveaxis(system.simulate(u).y, 0, -1)


@given(nilpotent_systems())
def test_the_impulse_response_ends(system):
    """h(t) = C A^(t-1) B = 0 for t > n; integers below 2**53 make it exact, so there is no tolerance."""
    n = system.A.shape[-1]
    h = impulse_response(system, 3 * n + 2)
    assert not h[n + 1 :].any()
    assert np.array_equal(h[0], system.D)


@given(nilpotent_systems(), st.integers(0, 2**32 - 1))
def test_the_past_beyond_n_steps_is_forgotten(system, seed):
    """Two inputs and two initial states that agree on the last n steps end in the same state, bit for bit."""
    n = system.A.shape[-1]
    rng = np.random.default_rng(seed)
    u, v = rng.integers(-9, 10, (2, n + 5, 2)).astype(float)
    v[-n:] = u[-n:]
    one, other = system.simulate(u, rng.integers(-9, 10, n)), system.simulate(v, rng.integers(-9, 10, n))
    assert np.array_equal(one.x[-1], other.x[-1])


def test_a_delay_uses_all_n_steps():
    """The control from one side: the shift of n states still answers after n steps."""
    for n in range(1, 7):
        E = np.eye(n)
        delay = LinearSSM(A=np.eye(n, k=1), B=E[:, -1:], C=E[:1], D=[[0]])
        assert impulse_response(delay, 2 * n + 1).ravel().tolist() == [0.0] * n + [1.0] + [0.0] * n


def test_without_nilpotency_it_never_ends():
    """The control from the other side: a pole 1/2 answers for ever, by halves."""
    pole = LinearSSM([[0.5]], [[1]], [[1]], [[0]])
    assert impulse_response(pole, 50)[-1, 0, 0] == 0.5**48
