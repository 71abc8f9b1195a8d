"""State-space duality: Y = (L o (C B')) (Delta X), the recurrence written as one masked matrix."""

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.layers import OPS
from realization.layers.mamba2 import ssd, ssd_chunked, ssd_matrix
from realization.layers.recurrence.matrix import matrix
from realization.verify.cases import draw as draw_case

T, H, P, N = 14, 4, 3, 5


def draw(groups):
    rng = np.random.default_rng(groups)
    x, B, C = rng.standard_normal((2, T, H, P)), *rng.standard_normal((2, 2, T, groups, N))
    return {"x": x, "dt": rng.uniform(0.01, 0.5, (2, T, H)), "A": -rng.uniform(0.2, 2, H), "B": B, "C": C}


def matrix_form(x, dt, A, B, C, *, strictly=False):
    """L(t, s) = exp(sum of Delta A over s+1 ... t) for s <= t, else 0; one matrix for each head."""
    B, C = (np.repeat(X, H // X.shape[2], axis=2) for X in (B, C))
    g = np.cumsum(dt * A, axis=1)
    t, s = np.ogrid[:T, :T]
    mask = (s < t if strictly else s <= t)[..., None]
    L = np.where(mask, np.exp(np.where(mask, g[:, :, None] - g[:, None], 0)), 0)
    scores = np.einsum("bthn, bshn -> btsh", C, B)
    return np.einsum("btsh, btsh, bsh, bshp -> bthp", L, scores, dt, x)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_dual_forms_agree(groups):
    """Within the float64 bound of one chunk with differences of cumulative sums, which the matrix is."""
    case = draw(groups)
    claim = Claim(io="float64", accumulate="float64", chunk=T, decay="logdiff")
    assert (np.abs(ssd(**case).y - matrix_form(**case)) <= 2 * OPS["ssd"].bound(case, claim)["y"].error).all()


def test_without_the_diagonal_it_is_another_layer():
    """The control: a layer that reads before it writes has the strictly lower triangle."""
    case = draw(2)
    error = OPS["ssd"].bound(case, Claim(io="float64", accumulate="float64"))["y"].error
    assert (np.abs(ssd(**case).y - matrix_form(**case, strictly=True)) > 1e6 * error).mean() > 0.9


def test_without_decay_it_is_linear_attention():
    """A = 0: the mask is all ones, and y(t) sums (C(t)'B(s)) Delta(s) x(s) over the past."""
    case = draw(1) | {"A": np.zeros(H)}
    weights = np.tril(np.einsum("btn, bsn -> bts", case["C"][:, :, 0], case["B"][:, :, 0]))
    y = np.einsum("bts, bsh, bshp -> bthp", weights, case["dt"], case["x"])
    error = OPS["ssd"].bound(case, Claim(io="float64", accumulate="float64", chunk=T))["y"].error
    assert (np.abs(ssd(**case).y - y) <= 2 * error).all()


@pytest.mark.parametrize("decay", ["product", "logdiff"])
@pytest.mark.parametrize("option", range(len(OPS["ssd"].options)))
def test_the_forms_of_the_library_agree(option, decay):
    """Matrix, chunks and recurrence with every option: packed, reset, limits, groups, states."""
    op = OPS["ssd"]
    claim = Claim(io="float64", accumulate="float64", chunk=33, decay=decay)
    for length in (0, 1, 33):
        case = draw_case(op, f"fading-3c.T{length}.o{option}.s0", claim, op.arguments).arguments
        bound = op.bound(case, claim)
        for form in (ssd_matrix(decay=decay, **case), ssd_chunked(chunk=8, decay=decay, **case)):
            for name, got, want in zip(op.outputs, form, ssd(**case), strict=True):
                assert got.shape == want.shape
                assert (np.abs(got - want) <= 2 * bound[name].error).all()


def test_a_matrix_needs_one_decay_for_all_values():
    """With a decay for each value it is one matrix for each: refused, and the message says so."""
    one = np.ones((1, 4, 1, 2))
    with pytest.raises(ShapeError, match="differ between the values"):
        matrix(value=one, key=one, query=one, log_decay=-np.ones((1, 4, 1, 2, 1)))
