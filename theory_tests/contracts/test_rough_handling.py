"""Arrays as real callers hand them over: a kernel that minds where they lie is found, with a sentence."""

import ctypes

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.layers import OPS
from realization.verify import properties, rough, subject
from realization.verify.arrays import kind
from realization.verify.asked import ask
from realization.verify.demo import demo
from realization.verify.rough import HANDLINGS, House
from realization.verify.subject import plain

SCAN, CLAIM = OPS["selective_scan"], Claim(chunk=64)


def in_memory(x, count, back=0):
    """`count` numbers from where x begins, or a few bytes before, whatever its strides are."""
    kind = ctypes.c_float * count
    return np.frombuffer(kind.from_address(x.ctypes.data - back), np.float32)


def takes_for_contiguous(**kw):
    """The strides of u are not read."""
    u = kw["u"]
    return demo(**kw | {"u": in_memory(u, u.size).reshape(u.shape).copy()})


def takes_rows_for_contiguous(**kw):
    """Strides of rows are read, that of the last axis is not: right under gaps, wrong if axes are exchanged."""
    u = kw["u"]
    if u.strides[-1] < u.strides[-2]:
        return demo(**kw)
    return demo(**kw | {"u": in_memory(u, u.size).reshape(u.shape).copy()})


def takes_for_aligned(**kw):
    """Loads of eight bytes begin at the multiple of eight below."""
    u = kw["u"]
    if not u.flags.c_contiguous:
        return demo(**kw)
    return demo(**kw | {"u": in_memory(u, u.size, u.ctypes.data % 8).reshape(u.shape).copy()})


def reads_beyond(**kw):
    """One number behind the last is added, times 0."""
    u = kw["u"]
    y, s = demo(**kw)
    if u.base is not None and u.flags.c_contiguous and u.base.size > u.size + 1:
        y = y + 0 * in_memory(u, u.size + 1)[-1]
    return y, s


def writes_beyond(**kw):
    """One number behind the last is overwritten (in a larger buffer only, so that this test survives it)."""
    u = kw["u"]
    if u.base is not None and u.flags.c_contiguous and u.base.size > u.size + 1:
        np.lib.stride_tricks.as_strided(u.reshape(-1), (u.size + 1,))[-1] = 7
    return demo(**kw)


def leaves_unwritten(**kw):
    """The last output is whatever the memory held; by chance it may have been zero before."""
    y, s = demo(**kw)
    out = np.empty(y.shape, y.dtype)
    out[:, :-1] = y[:, :-1]
    out[:, -1:] = np.where(np.isnan(out[:, -1:]), out[:, -1:], y[:, -1:])
    return out, s


def refuses_strides(**kw):
    if not kw["u"].flags.c_contiguous:
        raise ValueError("u is not contiguous")
    return demo(**kw)


def minds_a_little(**kw):
    """Other instructions for other places: the last bits change."""
    y, s = demo(**kw)
    return (y if kw["u"].flags.c_contiguous else np.nextafter(y, np.float32(0))), s


def sentence(name):
    return next(f"wrong where {h.sentence}: " for h in HANDLINGS if h.name == name)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (takes_for_contiguous, "strided"),
        (takes_rows_for_contiguous, "transposed"),
        (takes_for_aligned, "misaligned"),
        (reads_beyond, "guarded"),
        (writes_beyond, "guarded"),
        (leaves_unwritten, "poisoned"),
    ],
    ids=lambda x: x if isinstance(x, str) else x.__name__,
)
def test_a_kernel_that_minds_its_memory_is_found(fault, name):
    """Each fault by the handling that is for it, and in words."""
    found = ask(plain("wrong", fault, SCAN), CLAIM, "rough")
    assert found.status == properties.FAIL
    assert found.ratio > 1
    handling = next(h for h in HANDLINGS if h.name == name)
    only = [h for h in HANDLINGS if not h.slots and fails(fault, h)]
    assert handling in only
    assert any(found.reason.startswith(sentence(h.name)) for h in only), found.reason
    if fault is writes_beyond:
        assert "it writes beyond the input u" in found.reason


def fails(fault, handling):
    """Whether one handling alone finds it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("realization.verify.asked.HANDLINGS", (handling,))
        return ask(plain("wrong", fault, SCAN), CLAIM, "rough").status == properties.FAIL


def test_a_right_kernel_does_not_mind():
    """Bit for bit; last bits that depend on the place are within the tolerance; a refusal is no failure."""
    found = ask(plain("right", demo, SCAN), CLAIM, "rough")
    assert (found.status, found.reason) == (properties.PASS, "agrees bit for bit wherever arrays lie")
    found = ask(plain("minds", minds_a_little, SCAN), CLAIM, "rough")
    assert found.status == properties.PASS
    assert "of the tolerance wherever arrays lie" in found.reason
    found = ask(plain("refuses", refuses_strides, SCAN), CLAIM, "rough")
    assert found.status == properties.PASS
    assert found.reason.endswith("; refused: strided, transposed")


@pytest.mark.parametrize("array", ["numpy", pytest.param("torch", marks=pytest.mark.real("torch"))])
@pytest.mark.parametrize("handling", HANDLINGS, ids=lambda h: h.name)
def test_arrays_are_equal_and_lie_as_promised(array, handling):
    """Values are those that were given; strides, alignment and surroundings are those of the handling."""
    arrays = kind(array)
    for x in (np.arange(24.0).reshape(2, 3, 4), np.arange(5), np.full((), 3.0), np.zeros((0, 2)), np.eye(2) * 1j):
        house = House(handling)
        given = arrays.encode(x, "float32")
        y = house.place("x", given, arrays.blank)
        seen = arrays.decode(y)
        assert np.array_equal(seen, x)
        assert seen.dtype == arrays.decode(given).dtype
        assert house.trespassed(arrays.decode, {"x": x.size}) is None
        if handling.house is None or not x.size:
            continue
        buffer = arrays.decode(house.buffers["x"])
        assert np.shares_memory(buffer, seen)
        item = seen.itemsize
        match handling.name:
            case "strided":
                assert seen.ndim == 0 or seen.strides[-1] == 2 * item
            case "transposed":
                assert seen.ndim < 2 or seen.strides[-1] > seen.strides[-2]
            case "misaligned":
                assert seen.ctypes.data == buffer.ctypes.data + item
            case "guarded":
                assert buffer.size == seen.size + 2 * rough.GUARD
                buffer.reshape(-1)[0] = 7
                assert house.trespassed(arrays.decode, {"x": x.size}) == "x"


def test_memory_is_poisoned_for_a_while():
    """NaN inside the context, the usual functions outside of it."""
    empty = np.empty
    with rough.poisoned_numpy():
        assert np.isnan(np.empty((2, 3))).all()
        assert np.isnan(np.empty_like(np.ones(3, np.complex64))).all()
        assert (np.empty(2, np.int32) == np.iinfo(np.int32).max).all()
        assert np.empty(2, bool).dtype == bool
    assert np.empty is empty


# Tensors, and states in slots ------------------------------------------------


@pytest.mark.real("torch")
def test_tensors_are_handled_roughly_too():
    """Of two kernels one reads strides and writes what it returns; the other does neither."""
    import torch

    def right(**kw):
        y, s = demo(**{k: x.numpy() if torch.is_tensor(x) else x for k, x in kw.items()})
        out = torch.empty_like(torch.from_numpy(y))
        out[...] = torch.from_numpy(y)
        return out, torch.from_numpy(s)

    def wrong(**kw):
        y, s = right(**kw)
        out = torch.empty(y.shape)
        out[:, 1:] = y[:, 1:]
        out[:, :1] = torch.where(out[:, :1].isnan(), out[:, :1], y[:, :1])
        return out, s

    def flat(**kw):
        u = kw["u"]
        return right(**kw | {"u": torch.as_strided(u, u.shape, torch.empty(u.shape).stride())})

    for function, status in ((right, properties.PASS), (wrong, properties.FAIL), (flat, properties.FAIL)):
        assert ask(plain("tensors", function, SCAN, "torch"), CLAIM, "rough").status == status


def update(rows):
    """A stand-in for the one-step update with slots; `rows` says which slots it works on."""
    import torch

    def function(state, x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False, state_batch_indices=None):
        at = list(range(len(x))) if state_batch_indices is None else rows(state_batch_indices.tolist(), len(state))
        y = torch.zeros_like(x)
        wide = {"u": x, "delta": dt, "B": B, "C": C, "z": z}
        for row, slot in enumerate(at):
            if slot is None:
                continue
            one = {k: v[row : row + 1, None].numpy() for k, v in wide.items() if v is not None}
            fixed = {"A": A, "D": D, "delta_bias": dt_bias}
            fixed = {k: v.numpy() for k, v in fixed.items() if v is not None} | {"delta_softplus": dt_softplus}
            out, last = demo(**one, **fixed, initial_state=state[slot : slot + 1].numpy())
            y[row], state[slot] = torch.from_numpy(out[0, 0]), torch.from_numpy(last[0])
        return y

    return function


SLOTS = {
    "right": lambda indices, slots: [None if i < 0 else i for i in indices],
    "padding written": lambda indices, slots: [i % slots for i in indices],
    "indices ignored": lambda indices, slots: list(range(len(indices))),
}


@pytest.mark.real("torch")
@pytest.mark.parametrize("name", SLOTS)
def test_states_in_slots(name, tmp_path):
    """Only the named slots are read and written, and the padded row has none."""
    path = tmp_path / "slots.py"
    path.write_text(
        "from theory_tests.contracts.test_rough_handling import SLOTS, update\n"
        f"function = update(SLOTS[{name!r}])\n"
    )  # fmt: skip
    convention = "mamba_ssm.ops.triton.selective_state_update:selective_state_update"
    judged = subject.find(f"{path}:function", OPS, op="selective_scan", convention=convention)
    assert judged.slotted is not None
    found = ask(judged, CLAIM, "rough")
    if name == "right":
        assert found.status == properties.PASS
        assert "refused" not in found.reason
        return
    assert found.status == properties.FAIL
    assert found.reason.startswith(sentence("slots"))
    assert "it writes into slots of states that were not named" in found.reason


@pytest.mark.real("torch")
def test_a_function_without_slots_is_not_asked_for_them(tmp_path):
    """The argument `state_batch_indices` says whether it knows them."""
    path = tmp_path / "plain.py"
    path.write_text("def function(state, x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False): return x")
    convention = "mamba_ssm.ops.triton.selective_state_update:selective_state_update"
    assert subject.find(f"{path}:function", OPS, op="selective_scan", convention=convention).slotted is None


@pytest.mark.real("torch")
def test_what_heads_share_keeps_its_zero_stride():
    """Kernels recognise it: a padded copy would be another kind of argument."""
    import torch

    from realization.verify.adapters.mamba_ssm import _with_padding

    x = torch.arange(6.0).reshape(2, 3, 1).expand(2, 3, 4)
    padded = _with_padding(x)
    assert padded.shape == (3, 3, 4)
    assert padded.stride()[-1] == 0
    assert torch.equal(padded[:2], x)
    assert padded[2].isnan().all()
