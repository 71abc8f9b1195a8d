"""The innovation test with each predictor of the library: one block, any blocks, a file between them: the same bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.layers.fading import Diagonal
from realization.layers.predictors import associative, output_predictor, state_predictor
from realization.memory.selection import (
    Fitted,
    InnovationTest,
    Predicted,
    Selection,
    autoregression,
    channelwise,
    fitted_autoregression,
    load_state,
    save_state,
    symbol_counts,
)

D = 3
MODES = Diagonal.random(D, 4, rng=1)
RULES = {
    "running top": Selection(4, chunk=5, window=3),
    "threshold": Selection(3, rule="threshold", threshold=1.0, eviction="fifo", visibility="at-once"),
    "reservoir": Selection(3, rule="threshold", threshold=0.5, eviction="reservoir", chunk=4, window=2),
}
TESTS = {
    "state": InnovationTest(state_predictor(MODES, Fitted(0.99)), "squared", RULES["running top"]),
    "output": InnovationTest(
        output_predictor(MODES, channelwise(fitted_autoregression(2))), "relative", RULES["threshold"]
    ),
    "tokens": InnovationTest(autoregression(np.full((2, D), 0.4)), "whitened", RULES["reservoir"]),
    "delta rule": InnovationTest(associative(beta=0.8), "squared", RULES["running top"]),
    "symbols": InnovationTest(symbol_counts(4, order=1), "log-loss", RULES["threshold"]),
}


def tokens_for(name, T, seed):
    rng = np.random.default_rng(seed)
    if name == "symbols":
        return rng.integers(0, 4, (2, T))
    u = rng.standard_normal((2, T, D))
    u[:, T // 2 : T // 2 + 4] = 1.0  # equal tokens, and equal statistics among them
    return u


@settings(max_examples=60)
@given(
    st.sampled_from(list(TESTS)), st.integers(0, 40), st.lists(st.integers(0, 40), max_size=5), st.integers(0, 2**32)
)
def test_blocks_of_any_length_select_the_same(name, T, cuts, seed):
    u, document = tokens_for(name, T, seed), np.arange(T) // 15
    document = np.stack([document, document + (np.arange(T) > 20)])
    whole, state, blocks = TESTS[name].test(u, seq_idx=document), None, []
    edges = [0, *sorted(min(c, T) for c in cuts), T]
    for a, b in zip(edges, edges[1:], strict=False):
        blocks.append(TESTS[name].test(u[:, a:b], seq_idx=document[:, a:b], state=state))
        state = blocks[-1].state
    for field in ("surprise", "places", "admitted"):
        joined = np.concatenate([getattr(block, field) for block in blocks], axis=1)
        assert np.array_equal(joined, getattr(whole, field)), field


@pytest.mark.parametrize("name", TESTS)
def test_a_file_between_two_blocks_changes_nothing(name, tmp_path):
    u = tokens_for(name, 40, 7)
    whole, first = TESTS[name].test(u), TESTS[name].test(u[:, :17])
    save_state(tmp_path / "state.npz", first.state)
    rest = TESTS[name].test(u[:, 17:], state=load_state(tmp_path / "state.npz"))
    assert np.array_equal(rest.surprise, whole.surprise[:, 17:])
    assert np.array_equal(rest.places, whole.places[:, 17:])
    fresh = TESTS[name].test(u[:, 17:])
    assert not np.array_equal(fresh.surprise, whole.surprise[:, 17:]), "the control: without the file"


def test_a_state_of_the_block_before_last_is_seen_in_the_statistic():
    """The control: a predictor whose state is stale at the edges of blocks."""
    right = state_predictor(MODES, Fitted(0.99))

    def stale(tokens, state=None, *, begins=None):
        run = right(tokens, None if state is None else state[0], begins=begins)
        return Predicted(run.target, run.prediction, (None if state is None else state[1], run.state))

    test = InnovationTest(stale, "squared", RULES["running top"])
    u = tokens_for("state", 40, 3)
    first = test.test(u[:, :20])
    assert not np.array_equal(test.test(u[:, 20:], state=first.state).surprise, test.test(u).surprise[:, 20:])


def test_what_does_not_go_together_is_refused():
    rule = RULES["threshold"]
    with pytest.raises(ShapeError, match="log-loss"):
        InnovationTest(autoregression([[0.5] * D]), "log-loss", rule).test(np.ones((4, D)))
    with pytest.raises(ShapeError, match="vectors of floats"):
        InnovationTest(symbol_counts(4), "squared", rule).test([0, 1])
