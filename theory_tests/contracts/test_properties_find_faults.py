"""Each property passes on a right kernel and fails on one with the fault that it is for."""

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.layers import OPS
from realization.verify import properties
from realization.verify.asked import ask
from realization.verify.demo import demo
from realization.verify.subject import plain
from theory_tests.contracts.simulated import CORRECT, MUTANTS

SCAN, SSD = OPS["selective_scan"], OPS["ssd"]
CHUNKED = next(k for k in CORRECT if k.name == "ssd.chunk16_logdiff")


def leaks(**kw):
    """The output at t takes a little of the input at t + 1."""
    y, s = demo(**kw)
    y[:, :-1] += 1e-6 * kw["u"][:, 1:]
    return y, s


def forgets(**kw):
    """The state that is handed in is ignored."""
    return demo(**kw | {"initial_state": None})


def loses_state(**kw):
    """The outputs are right, the state that is handed out is not."""
    y, s = demo(**kw)
    return y, s * np.float32(1.001)


def mixes_rows(**kw):
    """Every row takes a little of the first."""
    y, s = demo(**kw)
    return y + 1e-3 * y[:1], s


def rolls_dice(**kw):
    """The last bits change from call to call."""
    y, s = demo(**kw)
    return y * (1 + np.float32(1e-6) * np.random.default_rng().integers(0, 2, y.shape, dtype=np.int8)), s


def squares(**kw):
    """A term of second order."""
    y, s = demo(**kw)
    return y + np.float32(1e-3) * kw["u"] ** 2, s


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("causality", leaks),
        ("split", forgets),
        ("split", loses_state),
        ("batch", mixes_rows),
        ("linearity", squares),
    ],
    ids=lambda x: x if isinstance(x, str) else x.__name__,
)
def test_a_property_tells_right_from_wrong(name, fault):
    """Under the float32 claim."""
    claim = Claim(chunk=64)
    assert ask(plain("right", demo, SCAN), claim, name).status == properties.PASS
    found = ask(plain("wrong", fault, SCAN), claim, name)
    assert found.status == properties.FAIL
    assert found.ratio > 1


def test_bits_that_change_are_noted_and_no_failure():
    """Atomics do that to right kernels."""
    assert ask(plain("right", demo, SCAN), Claim(), "repeat").status == properties.PASS
    assert ask(plain("dice", rolls_dice, SCAN), Claim(), "repeat").status == properties.NOTE


def test_a_kernel_without_state_is_not_asked_for_splits():
    """What cannot be asked is noted, with the reason."""


    def stateless(u, delta, A, B, C):
        return demo(u=u, delta=delta, A=A, B=B, C=C)[0]

    found = ask(plain("stateless", stateless, SCAN), Claim(), "split")
    assert found.status == properties.NOTE
    assert "no initial state" in found.reason


def packing_mutants():
    """Structural faults of a chunked kernel that show at the boundaries of packed sequences."""
    words = ("reset", "boundary", "packed")
    slips = [m for m in MUTANTS if m.parent == CHUNKED.name and m.kind == "structure"]
    return [m for m in slips if any(word in m.name for word in words)]


def in_float32(function):
    return lambda **kw: [np.asarray(x, np.float32) for x in function(**kw)]


def test_packed_sequences_are_compared_with_separate_ones():
    """The right kernel passes; most of the faults at boundaries are found without any reference."""
    claim = Claim(**CHUNKED.claim)
    right = plain(CHUNKED.name, in_float32(CHUNKED.function), SSD)
    assert ask(right, claim, "packed").status == properties.PASS
    subjects = [plain(m.name, in_float32(m.function), SSD) for m in packing_mutants()]
    failed = [s.name for s in subjects if ask(s, claim, "packed").status == properties.FAIL]
    assert len(failed) > len(subjects) / 2 > 0, failed


def test_split_takes_nests_of_states():
    """Any stateful function: the state may be a mapping of arrays, the worst cut and step are named."""

    def moving_sum(x, state):
        """Sum of the last two inputs, forgetting what came before a call of more than one step."""
        last = np.zeros((1, 1)) if state is None or x.shape[1] > 1 else state["last"]
        return x + np.concatenate([last, x[:, :-1]], 1), {"last": x[:, -1:]}

    x = np.arange(1.0, 9.0)[None]
    found = properties.split_invariance(moving_sum, x, at=[(5,)], tolerance=1e-12)
    assert (found.status, found.first, found.cut) == (properties.FAIL, 5, (5,))
    steps = properties.split_invariance(moving_sum, x, at=[tuple(range(1, 8))], tolerance=1e-12)
    assert steps.status == properties.PASS


def attend(*, query, key, value, window=None, align=True, cu_seqlens=None):
    """Attention in float32 with a matrix of scores; `align` puts the queries at the end of the keys."""
    T, (S, g) = query.shape[1], key.shape[1:3]
    key, value = (np.repeat(x, query.shape[2] // g, axis=2) for x in (key, value))
    i, j = np.arange(T)[:, None] + (S - T if align else 0), np.arange(S)
    seen = (j <= i) & (j > i - (S if window is None else window))
    if cu_seqlens is not None:
        sequence = np.searchsorted(cu_seqlens, np.arange(S), side="right")
        seen &= (sequence[:, None] == sequence) & (j < cu_seqlens[-1])
    z = np.where(seen, np.einsum("bthk,bshk->bhts", query, key) * np.float32(query.shape[-1] ** -0.5), -np.inf)
    with np.errstate(invalid="ignore"):
        p = np.nan_to_num(np.exp(z - z.max(-1, keepdims=True))).astype(np.float32)
        return np.nan_to_num(np.einsum("bhts,bshv->bthv", p / p.sum(-1, keepdims=True), value)).astype(np.float32)


def aligned_with_the_first_key(*, query, key, value, window=None):
    return attend(query=query, key=key, value=value, window=window, align=False)


def looks_ahead(*, query, key, value, window=None):
    ahead = np.concatenate([value[:, 1:], value[:, -1:]], axis=1)
    return attend(query=query, key=key, value=value + np.float32(1e-3) * ahead, window=window)


def one_sequence(*, query, key, value, window=None, cu_seqlens=None):
    return attend(query=query, key=key, value=value, window=window)


@pytest.mark.parametrize(
    ("name", "fault"),
    [("cache", aligned_with_the_first_key), ("causality", looks_ahead), ("packed", one_sequence)],
)
def test_attention_is_asked_too(name, fault):
    """A cache for which the mask is aligned wrongly, a look ahead, packed sequences that see each other."""
    op = OPS["sliding_window_attention"]
    good, bad = (ask(plain("k", f, op), Claim(), name) for f in (attend_plainly, fault))
    assert good.status == properties.PASS, good.reason
    assert bad.status == properties.FAIL


def attend_plainly(*, query, key, value, window=None, cu_seqlens=None):
    return attend(query=query, key=key, value=value, window=window, cu_seqlens=cu_seqlens)
