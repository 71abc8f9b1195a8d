"""The compiled selection is the one that its definition names, however the stream is cut, and forgets nothing else."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.memory.selection import Selection, SelectionState, select
from realization.memory.selection.choice import ENTRIES, EVICTIONS, LEGAL
from realization.memory.selection.direct import direct

# few values: ties, +0 and -0 among them
VALUES = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, 1.0 + 2.0**-52, 2.0])


@st.composite
def selections(draw, **fixed):
    """Any legal choice, with sizes around those of the sequences."""
    rule = draw(st.sampled_from(sorted(LEGAL)))
    own, evictions, visibilities, _ = LEGAL[rule]
    options = {
        "capacity": draw(st.sampled_from([0, 1, 2, 3, 5, 40])),
        "rule": rule,
        "eviction": draw(st.sampled_from(evictions)),
        "visibility": draw(st.sampled_from(visibilities)),
        "chunk": draw(st.integers(1, 7)),
        "entry": draw(st.sampled_from(ENTRIES)),
        "window": draw(st.integers(0, 5)),
        "seed": draw(st.sampled_from([0, 1, 2**32 - 1])),
        "forget": draw(st.booleans()),
    }
    if own == "threshold":
        options[own] = draw(st.sampled_from([-np.inf, -0.0, 0.0, 0.5, np.inf]))
    if own == "count":
        options[own] = draw(st.integers(0, 4))
    return Selection(**options | fixed)


@st.composite
def sequences(draw, longest=30):
    """Statistics, and the document of each, which may be shorter than a chunk."""
    s = draw(st.lists(VALUES, max_size=longest))
    changes = draw(st.lists(st.integers(0, 9), min_size=len(s), max_size=len(s)))
    return np.array(s), np.cumsum(np.array(changes, int) == 0)


def in_blocks(s, document, selection, cuts):
    """One call for each block."""
    state, places, admitted = None, [], []
    for first, last in zip([0, *cuts], [*cuts, len(s)], strict=True):
        part = select(s[first:last], selection, seq_idx=document[first:last], state=state)
        state = part.state
        places.append(part.places)
        admitted.append(part.admitted)
    return np.concatenate(places), np.concatenate(admitted), state


def bits(state):
    return [getattr(state, field.name).tobytes() for field in fields(state)]


@given(sequences(), selections())
def test_it_is_the_definition(sequence, selection):
    s, document = sequence
    assert select(s, selection, seq_idx=document).places.tolist() == direct(s.tolist(), selection, document.tolist())


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        ({"visibility": "at-once"}, [1, 0]),
        ({"rule": "threshold", "threshold": 0.0, "visibility": "at-once"}, [3, 2]),
        ({"rule": "top-of-chunk", "count": 1, "chunk": 3}, [0, -1]),
    ],
    ids=lambda x: x.get("rule", "running-top") if isinstance(x, dict) else "",
)
def test_of_equals(choice, kept):
    """None is larger than the smallest kept; where all are admitted the oldest goes; a chunk gives its first."""
    assert select(np.ones(4), Selection(2, **choice)).places[-1].tolist() == kept


@given(sequences(), selections(), st.data())
def test_however_the_stream_is_cut(sequence, selection, data):
    """Indices, admissions and states alike, bit for bit; blocks without a token too."""
    s, document = sequence
    whole = select(s, selection, seq_idx=document)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(s)), max_size=4)))
    for pieces in (cuts, range(len(s))):
        places, admitted, state = in_blocks(s, document, selection, pieces)
        assert (places == whole.places).all()
        assert (admitted == whole.admitted).all()
        assert bits(state) == bits(whole.state)


def test_fails_where_a_state_is_lost():
    """The control: a block that starts without the memory, and one whose chunks start with it."""
    s = np.array([3.0, 1.0, 2.0, 0.0])
    for top, lost in (
        (Selection(1, visibility="at-once"), lambda state: None),
        (Selection(1, chunk=2), lambda state: replace(state, start=state.start + 1)),
    ):
        whole, first = select(s, top).places, select(s[:1], top)
        assert (select(s[1:], top, state=first.state).places == whole[1:]).all()
        assert (select(s[1:], top, state=lost(first.state)).places != whole[1:]).any()


@given(sequences(), selections(forget=True))
def test_packed_is_separate(sequence, selection):
    """A document in a row of documents is the document alone, its positions moved."""
    s, document = sequence
    packed = select(s, selection, seq_idx=document).places
    for one in np.unique(document):
        (at,) = np.nonzero(document == one)
        alone = select(s[at], selection).places
        assert (packed[at] == np.where(alone < 0, -1, alone + at[0])).all()


def test_fails_where_a_document_is_not_forgotten():
    s, document = np.array([3.0, 1.0]), [0, 1]
    at_once = {"capacity": 1, "visibility": "at-once"}
    assert select(s, Selection(**at_once), seq_idx=document).places.tolist() == [[0], [1]]
    assert select(s, Selection(**at_once, forget=False), seq_idx=document).places.tolist() == [[0], [0]]


@given(st.lists(sequences(12), min_size=1, max_size=3), selections())
def test_rows_do_not_see_each_other(rows, selection):
    T = min(len(s) for s, _ in rows)
    s, document = (np.stack([row[i][:T] for row in rows]) for i in (0, 1))
    together = select(s[:, None], selection, seq_idx=document[:, None])
    for i in range(len(rows)):
        alone = select(s[i], selection, seq_idx=document[i])
        assert (together.places[i, 0] == alone.places).all()
        state = SelectionState(**{f.name: getattr(together.state, f.name)[i, 0] for f in fields(SelectionState)})
        assert bits(state) == bits(alone.state)


@given(sequences(), selections(), st.integers(0, 29), VALUES)
def test_the_past_does_not_see_the_future(sequence, selection, t, value):
    s, document = sequence
    other = s.copy()
    other[t:] = value
    one, two = (select(x, selection, seq_idx=document) for x in (s, other))
    assert (one.places[:t] == two.places[:t]).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_running_top_is_the_sorted_past(seed, M):
    """Of distinct statistics, the first M of a stable sort; its values are those of the sort with ties as well."""
    rng = np.random.default_rng(seed)
    top = Selection(M, visibility="at-once")
    for s in (rng.permutation(20).astype(float), rng.integers(0, 4, 20).astype(float)):
        places = select(s, top).places
        for t in range(20):
            kept = places[t][places[t] >= 0]
            largest = np.argsort(-s[: t + 1], kind="stable")[:M]
            assert (np.sort(s[kept]) == np.sort(s[largest])).all()
            if len(set(s)) == 20:
                assert (kept == np.sort(largest)[::-1]).all()


@given(st.integers(0, 2**32 - 1), st.permutations(range(12)))
def test_what_is_kept_does_not_depend_on_the_order(seed, order):
    """Running top, and smallest out behind a threshold: the values kept at the end are those of any other order."""
    s = np.random.default_rng(seed).integers(0, 5, 12).astype(float)
    for options in ({}, {"rule": "threshold", "threshold": 1.0}):
        selection = Selection(4, visibility="at-once", **options)
        kept = [x[places[places >= 0]] for x in (s, s[order]) for places in [select(x, selection).places[-1]]]
        assert (np.sort(kept[0]) == np.sort(kept[1])).all()


def test_fails_for_what_comes_in_the_order_of_time():
    s = np.array([3.0, 1.0, 2.0])
    fifo = Selection(1, rule="threshold", threshold=0.0, eviction="fifo", visibility="at-once")
    assert s[select(s, fifo).places[-1]] != s[::-1][select(s[::-1], fifo).places[-1]]


def test_a_reservoir_keeps_each_with_equal_probability():
    """n tokens, M places, R seeds: each is kept in R M / n runs, within 4.5 standard deviations of a binomial.

    40 tokens at 4.5 deviations: a right reservoir fails for 3e-4 of the choices of seeds, and these are fixed.
    """
    n, M, R = 40, 10, 2000
    draws = {"rule": "threshold", "threshold": 0.0, "visibility": "at-once"}
    s = np.ones(n)
    counts = {eviction: np.zeros(n) for eviction in EVICTIONS}
    for seed in range(R):
        for eviction, count in counts.items():
            count[select(s, Selection(M, eviction=eviction, seed=seed, **draws)).places[-1]] += 1
    deviations = {k: np.abs(x - R * M / n).max() / np.sqrt(R * M / n * (1 - M / n)) for k, x in counts.items()}
    assert deviations["reservoir"] < 4.5
    assert min(deviations["fifo"], deviations["smallest"]) > 20


@pytest.mark.parametrize("seed", [0, 5, 2**32 - 1])
def test_its_draws_are_those_of_numpy(seed):
    from realization._kernels.draws import uniform
    from realization._kernels.jit import jit

    compiled = jit(lambda seed, position: uniform(seed, position), cache=False)
    for position in (0, 1, 77, 10**6, 2**32 - 1, 2**32, 2**40 + 5):
        assert compiled(seed, position) == np.random.default_rng([seed, position]).random()
    assert compiled(seed, 1) != np.random.default_rng([1, seed]).random()


def test_its_state_does_not_grow():
    sizes = []
    for T in (10, 10_000):
        state = select(np.random.default_rng(0).standard_normal(T), Selection(8, entry="leaving", window=16)).state
        sizes.append(sum(getattr(state, field.name).nbytes for field in fields(state)))
    assert sizes[0] == sizes[1] < 1000
