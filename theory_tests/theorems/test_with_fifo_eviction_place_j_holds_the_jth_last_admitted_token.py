"""With first in, first out, place j of the memory is the j-th last admitted token: a register that admissions clock.

    x(t+1) = (1 - s(t)) x(t) + s(t) (S x(t) + B u(t)),      s(t) in {0, 1}: was token t admitted?

The memory that `select` keeps is the state of this gated register, exactly.  Its products of steps are S to the number
of admissions (test_a_gated_register_is_nilpotent_in_innovation_time), so from M admissions on nothing of what was
before is left, and any number of steps without one leaves everything.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.memory.selection import Selection, select
from realization.systems.bilinear_library import gated_register

lengths, capacities, seeds = st.integers(0, 40), st.integers(1, 6), st.integers(0, 2**32 - 1)


def kept(surprise, capacity, eviction="fifo"):
    selection = Selection(capacity, rule="threshold", threshold=0.5, eviction=eviction, visibility="at-once")
    return select(surprise, selection)


def held(tokens, places):
    """(M, d): the tokens of the places, 0 in empty ones."""
    return np.where(places[:, None] >= 0, tokens[places], 0.0)


@given(lengths, capacities, seeds, st.floats(0, 1))
def test_it_is_the_definition(T, M, seed, rate):
    """Place j at t: the j-th last of the tokens up to t whose statistic exceeds the threshold."""
    s = (np.random.default_rng(seed).random(T) < rate).astype(float)
    found = kept(s, M)
    assert np.array_equal(found.admitted, s > 0)
    for t in range(T):
        last = np.flatnonzero(s[: t + 1])[::-1][:M].tolist()
        assert found.places[t].tolist() == last + [-1] * (M - len(last))


@given(lengths, capacities, seeds, st.floats(0, 1))
def test_the_memory_is_the_state_of_the_gated_register(T, M, seed, rate):
    """Bit for bit at every step; the register has its newest slot last."""
    rng = np.random.default_rng(seed)
    s, tokens = (rng.random(T) < rate).astype(float), rng.standard_normal((T, 2))
    x = gated_register(M, 2).simulate(np.hstack([s[:, None], s[:, None] * tokens])).x.reshape(T + 1, M, 2)
    for t, places in enumerate(kept(s, M).places):
        assert np.array_equal(held(tokens, places), x[t + 1, ::-1])


@given(capacities, st.integers(1, 300), seeds)
def test_what_was_before_is_gone_after_as_many_admissions_and_not_after_any_time(M, quiet, seed):
    """Two pasts of full memories, then a common future: they agree from the M-th admission on, and no step earlier."""
    rng = np.random.default_rng(seed)
    future = np.concatenate([np.zeros(quiet), (rng.random(200) < 0.3).astype(float)])
    pasts = [np.concatenate([past, future]) for past in (np.r_[np.ones(M), 0.0], np.r_[0.0, np.ones(M)])]
    one, other = (kept(s, M).places[M + 1 :] for s in pasts)
    agree, admissions = (one == other).all(axis=1), np.cumsum(future)
    assert np.array_equal(agree, admissions >= M) or M == 1
    # the last of the first past and the last of the second differ in any case
    assert not agree[:quiet].any()
    assert agree[admissions >= M].all()


def test_fails_for_another_eviction():
    """The control: where the smallest goes, place j is not the j-th last, and no number of admissions forgets."""
    s = np.array([9.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert kept(s, 2).places[-1].tolist() == [5, 4]
    assert kept(s, 2, eviction="smallest").places[-1].tolist() == [5, 0]
