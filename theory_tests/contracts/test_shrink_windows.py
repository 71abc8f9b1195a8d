"""Failures of attention and convolutions shrink to cases of theirs: few keys, positions, tables and selected keys."""

import pytest

from realization.layers import OPS
from realization.verify import shrink
from theory_tests.contracts.test_shrink import execute, fails_rightly, shrunk

ATTENTION = """
import numpy as np
from realization import bmojo_f, causal_conv1d, sliding_window_attention as right

def short(window=None, **a):
    return [y.astype(np.float32) for y in right(window=window and max(window - 1, 0), **a)]

def rolled(**a):
    out = right(**a)
    return [np.float32(out.y), np.float32(out.lse)] if a.get("cos") is None else short(**a)

def selected(**a):
    if a.get("selected") is not None:
        a["selected"] = np.concatenate([a["selected"][..., :-1], -1 + 0 * a["selected"][..., -1:]], axis=-1)
    return [y.astype(np.float32) for y in right(**a)]

def packed(**a):
    if a.get("cu_seqlens") is not None:
        a["cu_seqlens"] = np.delete(a["cu_seqlens"], 1) if len(a["cu_seqlens"]) > 2 else a["cu_seqlens"]
    return [y.astype(np.float32) for y in right(**a)]

def overlapping(**a):
    a["fading_value"] = np.where(np.arange(a["key"].shape[1])[:, None, None] == 3, 2.0, 1.0) * a["fading_value"]
    return [y.astype(np.float32) for y in bmojo_f(**a)]

def early(**a):
    y, state = causal_conv1d(**a)
    return y.astype(np.float32), causal_conv1d(**{**a, "x": a["x"][:, :-1]}).final_state.astype(np.float32)
"""


@pytest.fixture
def attention(tmp_path):
    path = tmp_path / "attention.py"
    path.write_text(ATTENTION)
    return lambda name: f"{path}:{name}"


def test_a_wrong_window_shrinks_to_a_few_keys(tmp_path, attention):
    """One head, one row, one column and as few keys as tell the window; with the right kernel the script passes."""
    name = attention("short")
    small, path = shrunk(tmp_path, name, where="generic.T39.o2.s0", op="sliding_window_attention")
    arguments = small.case.arguments
    (b, T, h, k), S = arguments["query"].shape, arguments["key"].shape[1]
    assert (b, h, k, arguments["value"].shape[-1]) == (1, 1, 1, 1)
    assert 1 <= T <= S <= arguments["window"] + 2
    assert "sink" not in arguments
    fails_rightly(path)
    path.write_text(path.read_text().replace(").short", ").right"))
    assert execute(path) == (0, "")


def test_tables_go_together(tmp_path, attention):
    """Neither that of cos nor that of sin can go alone; where both have nothing to do with the fault, both go."""
    small, path = shrunk(tmp_path, attention("short"), where="generic.T39.o1.s0", op="sliding_window_attention")
    assert "cos" in OPS["sliding_window_attention"].options[1]["with"]
    assert not {"cos", "sin"} & set(small.case.arguments)
    fails_rightly(path)


@pytest.mark.parametrize(
    ("kernel", "op", "where", "needed"),
    [
        ("rolled", "sliding_window_attention", "generic.T39.o1.s0", ("cos", "sin")),
        ("selected", "sliding_window_attention", "selected", ("selected",)),
        ("packed", "sliding_window_attention", "cu_seqlens", ()),
        ("overlapping", "bmojo_f", "generic.T39.o1.s0", ("fading_value",)),
        ("early", "causal_conv1d", "generic.T39.o0.s0", ()),
    ],
)
def test_attention_and_convolutions_shrink(tmp_path, attention, kernel, op, where, needed):
    """Tables, selected keys, packed sequences, more keys than queries, and states: what is left is still a case."""
    options = [i for i, o in enumerate(OPS[op].options) if where in o["with"]]
    where = f"generic.T39.o{options[0]}.s0" if options else where
    small, path = shrunk(tmp_path, attention(kernel), where=where, op=op)
    sizes = OPS[op].axes.check(small.case.arguments)
    assert set(needed) <= set(small.case.arguments)
    assert shrink.size(small.case.arguments) <= 40
    assert sizes["T"] <= sizes.get("S", sizes["T"]) <= 8
    fails_rightly(path)
