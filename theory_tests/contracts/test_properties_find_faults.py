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
