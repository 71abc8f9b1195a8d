"""What is called certain is: no statistics within their errors show a query another memory."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.memory.selection import Selection, certain, select
from realization.memory.selection.choice import ENTRIES, LEGAL

SEEDS = st.integers(0, 2**32 - 1)
KINDS = [(rule, eviction) for rule, (_, evictions, _, _) in LEGAL.items() for eviction in evictions]
every_kind = pytest.mark.parametrize("rule, eviction", KINDS)


@st.composite
def selections(draw, rule, eviction):
    own, _, visibilities, _ = LEGAL[rule]
    options = {} if own is None else {own: {"threshold": 1.0, "count": draw(st.integers(0, 3))}[own]}
    return Selection(
        draw(st.integers(0, 4)), rule=rule, eviction=eviction, visibility=draw(st.sampled_from(visibilities)),
        chunk=draw(st.integers(1, 4)), entry=draw(st.sampled_from(ENTRIES)), window=draw(st.integers(0, 3)),
        forget=draw(st.booleans()), **options,
    )  # fmt: skip


def draw_case(seed, T=8, levels=5):
    """Few levels, so that there are ties; errors from 0 to more than their distance; documents."""
    rng = np.random.default_rng(seed)
    s = rng.integers(0, levels, T) * rng.choice([0.5, 1.0])
    error = rng.choice([0.0, 0.3, 0.5, 1.0], T, p=[0.4, 0.3, 0.15, 0.15]) * rng.integers(0, 2)
    return s, error, np.cumsum(rng.random(T) < 0.15), rng


def corners(s, error, rng, most=300):
    """All s with every entry at an end, or in the middle, of its interval; a sample where they are many."""
    ways = [(x,) if e == 0 else (x - e, x, x + e) for x, e in zip(s, error, strict=True)]
    count = int(np.prod([len(way) for way in ways]))
    if count <= most:
        return np.array(list(itertools.product(*ways)))
    return s + error * rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], (most, len(s)))


def seen(several, selection, document):
    """For each of several sequences what is seen."""
    return select(several, selection, seq_idx=np.broadcast_to(document, several.shape)).places


@every_kind
@given(data=st.data(), seed=SEEDS)
def test_what_is_certain_does_not_change(rule, eviction, data, seed):
    """Soundness: at every end of the intervals, in their middles, and in between."""
    s, error, document, rng = draw_case(seed)
    selection = data.draw(selections(rule, eviction))
    sure = certain(s, error, selection, seq_idx=document)
    places = seen(corners(s, error, rng), selection, document)
    same = (places == seen(s[None], selection, document)).all(axis=(0, 2))
    assert not (sure & ~same).any()


@pytest.mark.parametrize("rule, eviction", [kind for kind in KINDS if not {"top-of-chunk", "reservoir"} & set(kind)])
@given(data=st.data(), seed=SEEDS)
def test_what_is_uncertain_does_change(rule, eviction, data, seed):
    """Sharpness: where no two intervals touch in a point, every False has its witness at the ends of intervals.

    One token is as large as it can be and all others as small, or the other way round: 2 T sequences are enough.
    """
    s, error, document, rng = draw_case(seed, T=12)
    s = s + rng.uniform(-0.1, 0.1, len(s))
    selection = data.draw(selections(rule, eviction))
    sign = 2.0 * np.eye(len(s)) - 1
    places = seen(np.concatenate([s + error * sign, s - error * sign]), selection, document)
    same = (places == places[0]).all(axis=(0, 2))
    assert (certain(s, error, selection, seq_idx=document) == same).all()


def test_the_sharp_test_sees_both():
    """The control: the cases above have certain and uncertain queries behind the first near-tie."""
    top, later = Selection(2, visibility="at-once"), 0
    for seed in range(50):
        s, error, document, _ = draw_case(seed, T=12)
        sure = certain(s, error, top, seq_idx=document)
        later += (~sure).any() and sure[np.argmin(sure) :].any()
    assert 5 < later < 50


@every_kind
@given(data=st.data(), seed=SEEDS)
def test_without_errors_all_is_certain(rule, eviction, data, seed):
    """Ties included."""
    s, _, document, _ = draw_case(seed, T=30, levels=3)
    assert certain(s, np.zeros(30), data.draw(selections(rule, eviction)), seq_idx=document).all()


@every_kind
@given(data=st.data(), seed=SEEDS)
def test_far_apart_all_is_certain(rule, eviction, data, seed):
    rng = np.random.default_rng(seed)
    s = rng.permutation(20) + 0.5
    assert certain(s, rng.uniform(0, 0.49, 20), data.draw(selections(rule, eviction))).all()


def test_a_swap_counts_only_where_it_is_seen():
    """Tokens 1 and 2 compete for the second place, which token 4 takes from whoever has it."""
    s, error = np.array([9.0, 5.0, 5.01, 1.0, 8.0]), np.full(5, 0.1)
    at_once, late = Selection(2, visibility="at-once"), Selection(2, chunk=2)
    hidden = Selection(2, visibility="at-once", window=4)
    assert certain(s, error, at_once).tolist() == [True, True, False, False, True]
    assert certain(s, error, late).tolist() == [True, True, True, True, False]
    assert certain(s, error, hidden).tolist() == [True, True, True, True, True]
    assert certain(s, [0, np.inf, 0, 0, 0], at_once).tolist() == [True, True, False, False, False]
    assert certain(s, error / 100, at_once).all()


def test_of_a_chunk_the_number_is_known():
    """One of two near-equal tokens is admitted, whichever: what it drives out is certain."""
    one = Selection(1, rule="top-of-chunk", count=1, eviction="fifo", chunk=2, window=2)
    assert certain([9, 0, 5, 5, 3, 0, 0, 0], [0.1] * 8, one).tolist() == [True] * 4 + [False] * 2 + [True] * 2


def test_rows_and_lengths():
    s = np.random.default_rng(0).standard_normal((2, 3, 10))
    error, top = np.full(s.shape, 0.1), Selection(2, visibility="at-once")
    together = certain(s, error, top)
    assert all((together[i, j] == certain(s[i, j], error[i, j], top)).all() for i in range(2) for j in range(3))
    assert not together.all()
    assert certain(np.zeros((0, 4)), np.zeros((0, 4)), top).shape == (0, 4)
    assert certain([], [], Selection(0)).shape == (0,)
    assert certain([1.0], [np.inf], Selection(9, chunk=10**12)).all()


@pytest.mark.parametrize("surprise, error, message", [
    ([1.0, 2.0], [0.1], "error has shape"),
    ([1.0, 2.0], [0.1, -0.1], "NaN or negative"),
    ([1.0, 2.0], [0.1, np.nan], "NaN or negative"),
    ([1.0, np.inf], [0.1, 0.1], "surprise has 1 entries"),
])  # fmt: skip
def test_what_is_refused(surprise, error, message):
    with pytest.raises(ShapeError, match=message):
        certain(surprise, error, Selection(1))
