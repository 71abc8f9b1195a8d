"""Where a sequence begins, nothing before it counts: packed, indexed and separate runs are one computation."""

import numpy as np
import pytest

from realization.layers.mamba2 import ssd
from realization.layers.recurrence import recurrence

T, CUTS = 12, [0, 1, 1, 5, 12]


def draw(seed=0, batch=1):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.standard_normal((batch, T, 4, 3)),
        "dt": rng.uniform(0.01, 0.3, (batch, T, 4)),
        "A": -rng.uniform(0.2, 2, 4),
        "B": rng.standard_normal((batch, T, 2, 5)),
        "C": rng.standard_normal((batch, T, 2, 5)),
        "z": rng.standard_normal((batch, T, 4, 3)),
    }


def cut(case, begin, end):
    return {k: v[:, begin:end] if k != "A" else v for k, v in case.items()}


def test_packed_sequences_equal_separate_ones():
    """The same bits, an empty sequence and initial states included."""
    case, starts = draw(), np.random.default_rng(1).standard_normal((len(CUTS) - 1, 4, 3, 5))
    packed = ssd(**case, cu_seqlens=CUTS, initial_state=starts)
    for i, (begin, end) in enumerate(zip(CUTS, CUTS[1:], strict=False)):
        alone = ssd(**cut(case, begin, end), initial_state=starts[i : i + 1])
        assert np.array_equal(packed.y[:, begin:end], alone.y)
        assert np.array_equal(packed.final_state[i], alone.final_state[0])


def test_an_index_that_changes_starts_afresh():
    """The same bits as separate runs, each row of a batch with its own cuts; an index may come back."""
    case = draw(2, batch=2)
    index = np.array([[0] * 5 + [1] * 7, [0] * 2 + [3] * 8 + [0] * 2])
    whole = ssd(**case, seq_idx=index)
    for row, cuts in enumerate(([0, 5, T], [0, 2, 10, T])):
        for begin, end in zip(cuts, cuts[1:], strict=False):
            alone = ssd(**cut({k: v[row : row + 1] if k != "A" else v for k, v in case.items()}, begin, end))
            assert np.array_equal(whole.y[row : row + 1, begin:end], alone.y)
    assert not np.array_equal(whole.y, ssd(**case).y)


@pytest.mark.parametrize("name", ["x", "dt", "B"])
def test_the_past_of_another_sequence_does_not_count(name):
    """Changing the tokens before a cut keeps every bit behind it; without the cut it does not."""
    case = draw(3)
    other = case | {name: np.concatenate([2 * case[name][:, :5], case[name][:, 5:]], axis=1)}
    assert np.array_equal(ssd(**case, cu_seqlens=[0, 5, T]).y[:, 5:], ssd(**other, cu_seqlens=[0, 5, T]).y[:, 5:])
    assert not np.array_equal(ssd(**case).y[:, 5:], ssd(**other).y[:, 5:])


def test_a_reset_is_not_a_vanishing_decay():
    """exp(-inf) would do for one step; but a reset drops an infinite state too, which a decay of 0 turns to NaN."""
    one = np.ones((1, 3, 1, 1))
    start = np.full((1, 1, 1, 1), np.inf)
    run = recurrence(value=one, key=one, query=one, initial=start, reset=np.array([[True, False, False]]))
    assert run.y.ravel().tolist() == [1.0, 2.0, 3.0]
    with np.errstate(invalid="ignore"):
        decayed = recurrence(value=one, key=one, query=one, initial=start, log_decay=np.full((1, 3, 1, 1, 1), -np.inf))
    assert np.isnan(decayed.y).all()
