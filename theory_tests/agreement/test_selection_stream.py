"""An innovation test goes on where it was stopped, after a night on disk too."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.memory import selection
from realization.memory.modes import Mode
from realization.memory.selection import (
    InnovationTest,
    Predicted,
    Selection,
    autoregression,
    fitted_autoregression,
    load_state,
    save_state,
    select,
    symbol_counts,
)

hold = autoregression([[1.0, 1.0]])
bits = symbol_counts(3, order=1)
TESTS = [
    InnovationTest(hold, "squared", Selection(3, visibility="at-once", window=2)),
    InnovationTest(hold, "relative", Selection(3, rule="threshold", threshold=1.0, eviction="fifo", chunk=3)),
    InnovationTest(hold, "whitened", Selection(3, rule="top-of-chunk", count=2, eviction="reservoir", chunk=4)),
    InnovationTest(
        fitted_autoregression(2), "whitened", Selection(2, entry="leaving", window=3, chunk=2), prior=(np.eye(2), 2.0)
    ),
    InnovationTest(bits, "log-loss", Selection(2, rule="threshold", threshold=1.0, visibility="at-once")),
]


def draw_tokens(rng, test, *shape):
    """Few values, so that there are ties; vectors of two, or symbols."""
    symbols = rng.integers(0, 3, (*shape, 2))
    return symbols[..., 0] if test.statistic == "log-loss" else symbols - 1.0


every_test = pytest.mark.parametrize("test", TESTS, ids=lambda test: f"{test.statistic}, {test.selection.rule}")


@every_test
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 12))
def test_however_the_stream_is_cut(tmp_path_factory, test, seed, cut):
    """Surprise, places and admissions in two blocks with a file between them, bit for bit; documents included."""
    rng = np.random.default_rng(seed)
    tokens, seq_idx = draw_tokens(rng, test, 2, 12), np.cumsum(rng.random((2, 12)) < 0.2, axis=-1)
    whole = test.test(tokens, seq_idx=seq_idx)
    first = test.test(tokens[:, :cut], seq_idx=seq_idx[:, :cut])
    path = tmp_path_factory.getbasetemp() / "test.state"
    save_state(path, first.state)
    second = test.test(tokens[:, cut:], seq_idx=seq_idx[:, cut:], state=load_state(path))
    for name in ("surprise", "places", "admitted"):
        both = np.concatenate([getattr(first, name), getattr(second, name)], axis=1)
        assert both.tobytes() == getattr(whole, name).tobytes()


@every_test
def test_it_is_the_three_one_after_the_other(test):
    """And packed documents are the documents: predictor, covariance and memory start afresh."""
    tokens = draw_tokens(np.random.default_rng(0), test, 15)
    tokens[4] = 2  # as the token before the second document it is felt
    seq_idx = np.repeat([4, 1, 1], 5)
    run = test.test(tokens, seq_idx=seq_idx)
    assert (run.places == select(run.surprise, test.selection, seq_idx=seq_idx).places).all()
    alone = test.test(tokens[5:])
    assert (alone.surprise == run.surprise[5:]).all()
    assert (np.where(alone.places < 0, -1, alone.places + 5) == run.places[5:]).all()
    assert (test.test(tokens).surprise[5:] != run.surprise[5:]).any()  # the control: one document


def test_log_loss_of_symbols():
    """p = 1/3 at first, then the counts and a half."""
    first = InnovationTest(symbol_counts(3), "log-loss", Selection(2)).test([1, 1, 0]).surprise
    assert np.abs(first + np.log([1 / 3, 1.5 / 2.5, 0.5 / 3.5])).max() < 1e-15


def test_illegal_combinations_are_refused():
    tokens = np.ones((3, 2))
    for predictor, name, given_, message in (
        (hold, "log-loss", tokens, "dtype float64, but 'log-loss' needs symbols"),
        (bits, "squared", np.array([0, 1]), "dtype int64, but 'squared' needs vectors"),
        (hold, "squared", tokens * np.nan, "tokens has 6 entries that are NaN"),
        (hold, "squared", tokens * 1e200, "surprise has 1 entries that are NaN or infinite"),
    ):
        with pytest.raises(ShapeError, match=message):
            InnovationTest(predictor, name, Selection(1)).test(given_)
    few = lambda u, state=None, *, begins=None: Predicted(u[1:], u[1:], None)  # noqa: E731
    plain = lambda u, state=None, *, begins=None: (u, u)  # noqa: E731
    for predictor, options, message in (
        (few, {}, r"targets \(\*b, T\) = \(2,\), but tokens have shape \(3, 2\)"),
        (plain, {}, "the predictor returned a tuple, but target, prediction and state"),
        (hold, {"seq_idx": [0, 0]}, r"seq_idx has \(\*b, T\) = \(2,\), but tokens have shape \(3, 2\)"),
        (hold, {"seq_idx": [0] * 3, "state": TESTS[0].test(np.ones((5, 3, 2))).state}, "state.time has shape"),
    ):
        with pytest.raises(ShapeError, match=message):
            InnovationTest(predictor, "squared", TESTS[0].selection).test(tokens, **options)
    for arguments, message in (
        ((None, "squared", Selection(1)), "predictor is a NoneType"),
        ((hold, "square", Selection(1)), "statistic is 'square'"),
        ((hold, "squared", 4), "selection is a int"),
        ((hold, "squared", Selection(1), np.eye(2)), "belong to 'whitened'"),
    ):
        with pytest.raises(ShapeError, match=message):
            InnovationTest(*arguments)
    with pytest.raises(ShapeError, match="state is a dict, but the InnovationState"):
        TESTS[0].test(tokens, state={})


NEST = {
    "none": None,
    "numbers": (1, 2**70, -0.5, np.inf, True, "text"),
    "arrays": [np.arange(6).reshape(2, 3), np.zeros((0, 2)), np.array(-0.0), np.array([1 + 2j]), np.array([np.nan])],
    "scalars": (np.float32(0.1), np.int8(3)),
    "ours": (Mode(0.5, 2), TESTS[0].test(np.ones((4, 2))).state, Selection(3)),
    "odd": {"class": [1], "fields": {}, "dict": {"array": 0}},
}


def same(x, y):
    """Equal in type, dtype, shape and bits, to the depth of the nest."""
    if isinstance(x, np.ndarray | np.generic):
        return type(x) is type(y) and x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    if dataclasses.is_dataclass(x):
        names = [field.name for field in dataclasses.fields(x)]
        return type(x) is type(y) and all(same(getattr(x, name), getattr(y, name)) for name in names)
    if isinstance(x, dict):
        return list(x) == list(y) and all(same(x[key], y[key]) for key in x)
    if isinstance(x, tuple | list):
        return type(x) is type(y) and len(x) == len(y) and all(map(same, x, y))
    return type(x) is type(y) and x == y


def test_a_nest_comes_back_as_it_was(tmp_path):
    save_state(tmp_path / "nest", NEST)
    assert same(load_state(tmp_path / "nest"), NEST)
    assert not same(load_state(tmp_path / "nest"), NEST | {"scalars": (np.float32(0.2), np.int8(3))})
    assert [path.name for path in tmp_path.iterdir()] == ["nest"]


@dataclasses.dataclass
class Foreign:
    x: int


@pytest.mark.parametrize("state, message", [
    ({"a": [Foreign(1)]}, r"state\['a'\]\[0\] is a Foreign"),
    ({1: 2}, "state is a dict"),
    (np.array([None]), "state is a ndarray"),
    ((hold,), r"state\[0\] is a function"),
])  # fmt: skip
def test_what_is_no_state(tmp_path, state, message):
    with pytest.raises(ShapeError, match=message):
        save_state(tmp_path / "x", state)


@pytest.mark.parametrize("structure", [
    {"class": ["os", "system"], "fields": {}},
    {"class": ["realization.memory.selection.state", "save_state"], "fields": {}},
    {"class": ["realization.memory.selection.state", "json.JSONDecoder"], "fields": {}},
    {"class": ["realization.memory.selection.choice", "Selection"], "fields": {"size": 3}},
    {"array": 0},
    {"list": [{"what": 3}]},
])  # fmt: skip
def test_no_file_makes_anything_else(tmp_path, structure):
    """Only states of this package are built, and nothing is run."""
    np.savez(tmp_path / "x.npz", structure=np.array(json.dumps(structure)))
    with pytest.raises(ShapeError, match="is no file that save_state has written"):
        load_state(tmp_path / "x.npz")


def test_nor_does_a_file_of_another_kind(tmp_path):
    (tmp_path / "text").write_text("hello", "utf-8")
    (tmp_path / "empty").write_bytes(b"")
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    np.save(tmp_path / "one.npy", np.ones(3))
    for name in ("text", "empty", "other.npz", "one.npy"):
        with pytest.raises(ShapeError, match="is no file that save_state has written"):
            load_state(tmp_path / name)


def test_all_that_is_public_is_there():
    assert all(hasattr(selection, name) for name in selection.__all__)
