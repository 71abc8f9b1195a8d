"""The peculiarities of the released B'MOJO-F layer, each off by default and each exactly what it says."""

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.rounding import round_to
from realization.layers import BMOJO_F, bmojo_f, bmojo_f_two_pass

FLOAT64 = Claim(io="float64", accumulate="float64")


def draw(S, W, *, T=None, h=4, g=2, k=8, seed=0, norms=False):
    rng = np.random.default_rng(seed)
    case = {name: rng.standard_normal((2, S, g, k)) for name in ("key", "value", "fading_key", "fading_value")}
    case |= {"query_norm": np.ones(k), "key_norm": np.ones(k)} if norms else {}
    return case | {"query": rng.standard_normal((2, S if T is None else T, h, k)), "window": W}


def test_hidden_scale_follows_the_width_of_the_layer_and_not_of_the_head():
    """(hidden_size / h)^(-1/2) without norms, k^(-1/2) with them, and never against a scale that is given."""
    case, hidden = draw(9, 3), 20
    quirky = bmojo_f(**case, quirks=("hidden-scale",), hidden_size=hidden)
    assert np.array_equal(quirky.y, bmojo_f(**case, scale=(hidden / 4) ** -0.5).y)
    assert np.abs(quirky.y - bmojo_f(**case).y).max() > 0.01
    same = bmojo_f(**case, quirks=("hidden-scale",), hidden_size=4 * 8)
    assert np.array_equal(same.y, bmojo_f(**case).y), "head width times heads is the hidden size of most models"
    for more in ({"scale": 0.3}, draw(9, 3, norms=True)):
        plain = bmojo_f(**case | more)
        assert np.array_equal(plain.y, bmojo_f(**case | more, quirks=("hidden-scale",), hidden_size=hidden).y)


@pytest.mark.parametrize("W", [1, 2, 3, 5, 64])
def test_bfloat16_output_begins_behind_the_window(W):
    """W tokens come back as they are, W + 1 rounded to bfloat16: the format changes with the length."""
    for S in (W, W + 1):
        case = draw(S, W)
        plain, quirky = bmojo_f(**case), bmojo_f(**case, quirks=("bfloat16-output",))
        wanted = round_to(plain.y, "bfloat16") if S > W else plain.y
        assert np.array_equal(quirky.y, wanted)
        assert np.array_equal(quirky.lse, plain.lse)
    assert not np.array_equal(wanted, plain.y)


@pytest.mark.parametrize(("pieces", "W", "rows"), [((3, 16), 4, [3]), ((2, 3, 14), 4, [2, 3]), ((4, 15), 4, [])])
def test_nan_where_a_cached_piece_crosses_the_window(pieces, W, rows):
    """Rows before W of a piece with keys beyond W are NaN; prompts, single steps before W and later pieces are not."""
    case, nan, start = draw(sum(pieces), W), [], 0
    for n in pieces:
        end = start + n
        piece = {k: x[:, : end] if k != "window" else x for k, x in case.items()}
        y = bmojo_f(**piece | {"query": case["query"][:, start:end]}, quirks=("nan-before-window",)).y
        plain = bmojo_f(**piece | {"query": case["query"][:, start:end]}).y
        bad = np.isnan(y).any((0, 2, 3))
        nan += [start + int(i) for i in np.flatnonzero(bad)]
        assert np.isnan(y[:, bad]).all()
        assert np.array_equal(y[:, ~bad], plain[:, ~bad])
        start = end
    assert nan == rows
    whole = bmojo_f(**case, quirks=("nan-before-window",)).y
    assert np.isfinite(whole).all(), "a prompt in one pass"


@pytest.mark.parametrize("W", [1, 2, 3, 5, 64])
def test_quirks_and_bound_and_certificate_go_together(W):
    """A quirk is part of the definition: the certified value has it, and two routes agree on it within the bound."""
    case = draw(2 * W + 1, W) | {"quirks": ("hidden-scale",), "hidden_size": 20}
    error = BMOJO_F.bound(case, FLOAT64)["y"].error
    assert (np.abs(bmojo_f(**case).y - bmojo_f_two_pass(**case).y) <= 2 * error).all()
    certified = BMOJO_F.certified(case)["y"]
    assert (np.abs(bmojo_f(**case).y - certified.hi) <= 2 * error).all()
    assert np.abs(bmojo_f(**case | {"hidden_size": 32}).y - certified.hi).max() > 0.01, "the control"


def test_unknown_quirks_are_refused():
    with pytest.raises(ShapeError, match="names out of hidden-scale, bfloat16-output, nan-before-window"):
        bmojo_f(**draw(3, 2), quirks=("bf16",))
    with pytest.raises(ShapeError, match="hidden_size"):
        bmojo_f(**draw(3, 2), quirks=("hidden-scale",))
