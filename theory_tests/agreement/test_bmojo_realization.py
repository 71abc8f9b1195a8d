"""The whole layer as one system: built without data, driven by a schedule, read without memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realization.core.errors import StructureError
from realization.layers.bmojo import BMojo, Rotary, as_realization, bound, full_attention, sequential
from realization.layers.bmojo.realized import Layout
from realization.layers.fading import Diagonal, Identity, Mamba1, Mamba2, ShortConvolution
from realization.layers.predictors import state_predictor
from realization.memory.selection import Fitted, Given, InnovationTest, Selection

D, M = 4, 2
MIXERS = {
    "none": None,
    "identity": Identity(D),
    "convolution": ShortConvolution(np.random.default_rng(0).standard_normal((D, 3))),
    "diagonal": Diagonal.random(D, 2, rng=1),
    "mamba1": Mamba1.random(D, 1, memory=5.0, rng=2),
    "mamba2": Mamba2.random(D, 1, memory=5.0, rng=3),
}
CHOICES = {
    "top": {},
    "smallest": {"rule": "threshold", "threshold": 0.5, "visibility": "at-once"},
    "chunk": {"rule": "top-of-chunk", "count": 1, "eviction": "reservoir"},
    "fifo": {"rule": "threshold", "threshold": 5.0, "eviction": "fifo"},
    "fifo-leaving": {"rule": "threshold", "threshold": 5.0, "eviction": "fifo", "visibility": "at-once",
                     "entry": "leaving"},
}  # fmt: skip
SPANS = ({}, {"fading_lag": 0, "fading_width": 1}, {"fading_lag": 1, "fading_width": 2})


def layer(
    seed, *, window=2, mixer="diagonal", choice="fifo-leaving", span=0, slot_positions=True, forget=True, plain=False
):
    """A small layer; plain: the surprise of a token is the square of its length."""
    selection = Selection(M, window=window, chunk=2, forget=forget, **CHOICES[choice])
    readout = Given(np.zeros((D, 2))) if plain else Fitted()
    test = InnovationTest(state_predictor(Diagonal.random(D, 2, rng=seed), readout), "squared", selection)
    return BMojo.random(
        D, heads=2, groups=1, window=window, mixer=MIXERS[mixer], test=test, rotary=Rotary.of_width(2),
        norm_weight=None if plain else np.ones(D), slot_positions=slot_positions, rng=seed, **SPANS[span],
    )  # fmt: skip


def run(one, x, seq_idx=None):
    """Inputs, states and outputs of the layer's system."""
    parts = as_realization(one)
    u = parts.schedule(x=x, seq_idx=seq_idx)
    response = parts.system.simulate(u, x0=parts.start(None))
    return u, response.x, parts.readout(response.y, x=x, seq_idx=seq_idx)


few = settings(max_examples=max(10, settings().max_examples // 4))


@few
@given(
    seed=st.integers(0, 2**32), T=st.integers(1, 14), window=st.integers(0, 3), mixer=st.sampled_from(list(MIXERS)),
    choice=st.sampled_from(list(CHOICES)), span=st.integers(0, 2), slot_positions=st.booleans(), packed=st.booleans(),
    forget=st.booleans(),
)  # fmt: skip
def test_the_system_is_the_layer(seed, T, packed, **structure):
    """Within the bound of the values and what the states of the mixer have lost in T steps; documents included.

    A state is a sum of at most T products of at most T decays: 4 T roundings of what the mixer then carries on, and
    the read-out takes them over with a factor that 100 covers for weights of order 1.
    """
    one, rng = layer(seed, **structure), np.random.default_rng(seed)
    x, seq_idx = rng.standard_normal((T, D)), np.cumsum(rng.random(T) < 0.2) if packed else None
    want = sequential(one, x, seq_idx=seq_idx).y
    tolerance = 2 * bound(one, x, seq_idx=seq_idx).error + 100 * 4 * T * 2.0**-53 * np.abs(want).max()
    assert (np.abs(run(one, x, seq_idx)[2] - want) <= tolerance).all()


def test_every_gate_matters():
    """The control: one entry of P or Q that is exchanged changes the outputs."""
    one, x = layer(0, choice="smallest"), np.random.default_rng(1).standard_normal((14, D))
    parts = as_realization(one)
    u = parts.schedule(x=x)
    y = parts.readout(parts.system.simulate(u).y, x=x)
    for first, count in ((0, M * M), (M * M, M * (one.horizon + 1))):
        block = u[:, first : first + count]
        t, i = np.argwhere(block[4:] > 0)[0]
        wrong = u.copy()
        wrong[4 + t, first + i] = 0
        assert np.abs(parts.readout(parts.system.simulate(wrong).y, x=x) - y).max() > 1e-3


def test_no_data_are_in_the_system():
    """Two layers of one size have one system, whatever their weights; only schedule and read-out know them."""
    one, other = (as_realization(layer(seed, mixer="mamba1")).system for seed in (0, 1))
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in "ANBCMD")
    assert set(np.unique(one.N)) == {0.0, 1.0}


def test_without_inputs_all_is_forgotten():
    """A is nilpotent, of the index of the longer register: that of raw tokens, or that of the fading states."""
    for window, span in ((2, 0), (0, 2), (3, 1)):
        one = layer(0, window=window, span=span)
        A, index = as_realization(one).system.A, max(one.horizon + 1, one.lag + one.width)
        assert not np.linalg.matrix_power(A, index).any()
        assert np.linalg.matrix_power(A, index - 1).any()


def gates(one, x):
    """P(t), (T, M, M), and how many slots are written at each step."""
    u, width = as_realization(one).schedule(x=x), Layout(one.horizon + 1, M, one.key_weight.size // D * 2 + 1, 0, 0, 0)
    sizes = np.cumsum([0, *width.of_input])
    P, Q, W = (u[:, sizes[i] : sizes[i + 1]] for i in (0, 1, 2))
    entered = Q.reshape(len(x), M, -1).sum(-1) + W.reshape(len(x), M, -1)[..., -1]
    return P.reshape(len(x), M, M), entered.sum(-1).astype(int)


@pytest.mark.parametrize("choice", CHOICES)
def test_gates_keep_the_order_of_the_slots(choice):
    """P is a partial injection that preserves order: some slots go, the others close the gaps."""
    P, _ = gates(layer(3, choice=choice), np.random.default_rng(4).standard_normal((60, D)))
    for gate in P:
        assert set(np.unique(gate)) <= {0.0, 1.0}
        assert (gate.sum(0) <= 1).all()
        assert (gate.sum(1) <= 1).all()
        source = gate.argmax(1)[gate.any(1)]
        assert (np.diff(source) > 0).all()


def product(gates):
    """Of a word, the first gate applied first."""
    P = np.eye(M)
    for gate in gates:
        P = gate @ P
    return P


def test_first_in_first_out_is_a_gated_shift():
    """P is the shift to the power of the writes, exactly: every word with M writes vanishes, words of holds do not."""
    P, writes = gates(layer(3, choice="fifo-leaving", plain=True), np.random.default_rng(4).standard_normal((60, D)))
    shift, filled = np.eye(M, k=-1), 0
    for gate, n in zip(P, writes, strict=True):
        # a slot that was never written has nothing to move
        assert np.array_equal(gate, np.linalg.matrix_power(shift, n) * (np.arange(M) < filled))
        filled = min(filled + n, M)
    assert (writes <= 1).all()
    written = np.flatnonzero(writes)
    first, before_last, last = written[M - 1] + 1, written[2 * M - 2] + 1, written[2 * M - 1] + 1
    assert not product(P[first:last]).any()
    assert product(P[first:before_last]).any()
    holds = P[first:][writes[first:] == 0]
    assert len(holds) > 20
    assert (holds == np.eye(M)).all()


def test_the_smallest_leaves_and_the_largest_may_stay():
    """The control: with eviction of the smallest no number of writes empties the memory."""
    x = np.random.default_rng(4).standard_normal((60, D)) * np.arange(1, 61)[:, None]
    x[5] *= 1e4
    one = layer(3, choice="smallest", plain=True)
    P, writes = gates(one, x)
    first = 5 + one.window + 1
    assert writes[first:].sum() > M
    assert product(P[first:]).any()


def test_all_that_is_past_has_no_finite_state():
    with pytest.raises(StructureError, match="a finite window is needed"):
        as_realization(full_attention(layer(0)))
