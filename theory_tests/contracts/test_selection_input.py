"""A selection is legal as the table in its docstring says, or refused with what came and what is needed."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from realization.core.errors import ShapeError
from realization.memory.selection import Selection, empty_memory, select, spans
from realization.memory.selection.choice import ENTRIES, EVICTIONS, RULES, VISIBILITIES


def table(docstring):
    """Rows of the table: rule -> (what it needs, evictions, visibilities)."""
    rows = {}
    for line in docstring.splitlines():
        cells = [cell.strip() for cell in line.strip().split("  ") if cell.strip()]
        if len(cells) == 4 and cells[0] in RULES:
            rows[cells[0]] = (cells[1], *(tuple(cell.split(", ")) for cell in cells[2:]))
    return rows


def is_legal(**options):
    try:
        Selection(3, **options)
    except ShapeError:
        return False
    return True


def lies(docstring):
    """Combinations of the names, with and without the parameters of the rules, for which the table is wrong."""
    rows = table(docstring)
    for rule, eviction, visibility, entry, threshold, count in itertools.product(
        RULES, EVICTIONS, VISIBILITIES, ENTRIES, (None, 0.5), (None, 2)
    ):
        needs, evictions, visibilities = rows[rule]
        given = {"threshold": threshold, "count": count}
        says = eviction in evictions and visibility in visibilities
        says &= all((x is not None) == (name == needs) for name, x in given.items())
        options = {"rule": rule, "eviction": eviction, "visibility": visibility, "entry": entry, **given}
        if is_legal(**options) != says:
            yield options


def test_the_table_is_what_is_legal():
    assert not list(lies(Selection.__doc__))


@pytest.mark.parametrize("old, new", [
    ("count      smallest, fifo, reservoir  next-chunk", "count      smallest, fifo, reservoir  at-once, next-chunk"),
    ("-          smallest  ", "-          smallest, fifo  "),
    ("threshold  smallest,", "-          smallest,"),
])  # fmt: skip
def test_a_table_that_lies_is_seen(old, new):
    assert old in Selection.__doc__
    assert list(lies(Selection.__doc__.replace(old, new)))


LONG = r"visibility is 'at-once' with the rule 'top-of-chunk', but next-chunk is needed: the largest"


@pytest.mark.parametrize("options, message", [
    ({"rule": "top"}, "rule is 'top', but one of threshold, top-of-chunk, running-top is needed"),
    ({"rule": None}, "rule is None, but one of"),
    ({"eviction": "lru"}, "eviction is 'lru', but one of smallest, fifo, reservoir is needed"),
    ({"visibility": "now"}, "visibility is 'now', but one of at-once, next-chunk is needed"),
    ({"entry": ["arrival"]}, r"entry is \['arrival'\], but one of arrival, leaving is needed"),
    ({"capacity": -1}, "capacity is -1, but a whole number, at least 0 and below"),
    ({"capacity": 2.0}, "capacity is 2.0, but a whole number"),
    ({"capacity": True}, "capacity is True, but a whole number"),
    ({"chunk": 0}, "chunk is 0, but a whole number, at least 1 and below"),
    ({"chunk": 2**63}, r"at least 1 and below 2\^63, is needed"),
    ({"window": -1}, "window is -1, but a whole number, at least 0 and below"),
    ({"seed": 2**32}, r"seed is 4294967296, but a whole number, at least 0 and below 2\^32, is needed"),
    ({"forget": 1}, "forget is 1, but True or False is needed"),
    ({"threshold": 1.0}, "threshold is 1.0 with the rule 'running-top'; it belongs to 'threshold': leave it out"),
    ({"count": 1}, "count is 1 with the rule 'running-top'; it belongs to 'top-of-chunk'"),
    ({"rule": "threshold"}, "threshold is missing; the rule 'threshold' needs it"),
    ({"rule": "top-of-chunk"}, "count is missing"),
    ({"rule": "top-of-chunk", "count": -1}, "count is -1, but a whole number, at least 0"),
    ({"rule": "threshold", "threshold": np.nan}, "threshold is nan, but a number is needed; -inf admits everything"),
    ({"rule": "threshold", "threshold": "0"}, "threshold is '0', but a number is needed"),
    ({"eviction": "fifo"}, "eviction is 'fifo' with the rule 'running-top', but smallest is needed: it admits"),
    ({"rule": "top-of-chunk", "count": 1, "visibility": "at-once"}, LONG),
])  # fmt: skip
def test_what_is_refused(options, message):
    with pytest.raises(ShapeError, match=message):
        Selection(**{"capacity": 3} | options)


def test_what_is_legal_at_the_edges():
    """Window 0, capacity 0, capacity above T, no token, one token, identical ones, thresholds below everything."""
    s = np.ones(4)
    at_once = {"visibility": "at-once"}
    assert select(s, Selection(0, **at_once)).places.shape == (4, 0)
    assert select(s, Selection(9, **at_once)).places[-1].tolist() == [3, 2, 1, 0, -1, -1, -1, -1, -1]
    assert select(s, Selection(9, window=9, **at_once)).places.max() == -1
    assert select([], Selection(2)).places.shape == (0, 2)
    assert select([7], Selection(1, **at_once)).places.tolist() == [[0]]
    assert select(s, Selection(2, **at_once)).places[-1].tolist() == [1, 0]  # of equals the first are admitted
    for threshold in (-1.0, -np.inf, np.float32(0.5), 0):
        everything = Selection(2, rule="threshold", threshold=threshold, **at_once)
        assert select(s, everything).admitted.all()
        assert select(s, everything).places[-1].tolist() == [3, 2]  # of equals the oldest leaves
    assert not select(s, Selection(2, rule="threshold", threshold=np.inf)).admitted.any()
    assert not select(s, Selection(2, rule="threshold", threshold=1.0)).admitted.any()
    for count in (0, 10**12):
        top = select(s, Selection(2, rule="top-of-chunk", count=count, chunk=2))
        assert top.places[2].tolist() == ([1, 0] if count else [-1, -1])
    assert select(np.zeros((3, 0, 4)), Selection(2)).places.shape == (3, 0, 4, 2)
    # a zero has no sign here
    assert select([-0.0, 0.0, -0.0], Selection(1, **at_once)).places.tolist() == [[0]] * 3


def test_signs_of_chunks_that_never_end():
    """What lies in a chunk that is not complete is not seen, whatever comes; with chunks of 1 it is."""
    s = np.arange(5.0)
    assert select(s, Selection(2, chunk=10)).places.max() == -1
    assert select(s, Selection(2, chunk=1)).places[-1].tolist() == [3, 2]


STATE = select(np.ones((2, 3)), Selection(2)).state


@pytest.mark.parametrize("surprise, options, message", [
    ([1.0, np.nan], {}, r"surprise has 1 entries that are NaN or infinite, the first at \(1,\)"),
    ([1.0, np.inf], {}, "surprise has 1 entries"),
    ([1j], {}, r"surprise has shape \(1,\) and dtype complex128, but real numbers"),
    (1.0, {}, r"surprise has shape \(\)"),
    (["a"], {}, "surprise has dtype"),
    ([[1.0], [1.0, 2.0]], {}, "rows of different lengths"),
    ([1.0, 2.0], {"seq_idx": [0]}, r"seq_idx has shape \(1,\), but \(2\) is needed"),
    ([1.0, 2.0], {"seq_idx": [0.0, 1.0]}, "dtype float64, but whole numbers"),
    ([1.0, 2.0], {"seq_idx": 1}, r"seq_idx has shape \(\)"),
    ([1.0, 2.0], {"state": {}}, "state is a dict, but the SelectionState"),
    ([1.0, 2.0], {"state": STATE}, r"state.time has shape \(2,\), but \(\) is needed"),
    (np.ones((2, 1)), {"state": empty_memory(Selection(3), (2,))}, r"state.index has shape \(2, 3\), but \(2, 2\)"),
    (np.ones((2, 1)), {"state": empty_memory(Selection(2, entry="leaving", window=4), (2,))}, "state.waiting has"),
])  # fmt: skip
def test_what_select_refuses(surprise, options, message):
    with pytest.raises(ShapeError, match=message):
        select(surprise, Selection(2), **options)


def test_results_belong_to_their_owner():
    """A state is not changed by the block after it, and nobody else changes it either."""
    kept = {name: np.array(getattr(STATE, name)) for name in ("index", "statistic", "shown", "time")}
    select(np.arange(8.0).reshape(2, 4), Selection(2), state=STATE)
    assert all((getattr(STATE, name) == x).all() for name, x in kept.items())
    with pytest.raises(ValueError, match="read-only"):
        STATE.index[0] = 3
    with pytest.raises(ValueError, match="read-only"):
        select([1.0], Selection(1)).places[0] = 3
    assert replace(STATE).time.tolist() == [3, 3]


def test_spans_are_where_a_token_is_seen():
    places = select(np.random.default_rng(0).standard_normal(40), Selection(3, visibility="at-once", window=2)).places
    found = spans(places)
    for j in range(40):
        (at,) = np.nonzero((places == j).any(axis=1))
        assert (j in found.token) == bool(at.size)
        if at.size:
            i = found.token.tolist().index(j)
            assert at.tolist() == list(range(found.first[i], found.last[i] + 1))
    assert [x.size for x in spans(np.zeros((0, 3)))] == [0, 0, 0]
    with pytest.raises(ShapeError, match="one sequence"):
        spans(places[None])
