"""Sums and sums of products with `Err`: any order, any cast that the claim admits, and not much more."""

import numpy as np
import pytest

from realization.certify.dd import DD
from realization.certify.err import Err
from realization.certify.tape import Tape, gradients
from realization.core.claim import Claim
from realization.core.functions import contract
from realization.core.rounding import round_to

CLAIM = Claim(io="float32")
SHAPES = [((5, 40), (5, 40)), ((3, 1, 40), (7, 40)), ((1, 300), (4, 300))]


def in_float32(terms, rng):
    """The sum along the last axis in a drawn order, every addition rounded."""
    total = np.zeros(terms.shape[:-1], np.float32)
    for i in rng.permutation(terms.shape[-1]):
        total = total + terms[..., i].astype(np.float32)
    return total


@pytest.mark.parametrize("operand", [None, "tf32", "bfloat16", "float16"])
@pytest.mark.parametrize("x_shape, y_shape", SHAPES)
def test_no_order_and_no_cast_exceeds_the_bound(x_shape, y_shape, operand, record_property):
    """Ten orders each; the control: a cast that is not claimed exceeds it, and so does the largest term, left out."""
    rng = np.random.default_rng(0)
    x, y = (round_to(rng.standard_normal(shape), "float32") for shape in (x_shape, y_shape))
    bound = contract(Err(x, claim=CLAIM.replace(operand=operand)), y)
    assert np.array_equal(bound.value, (x * y).sum(-1))
    a, b = (x, y) if operand is None else (round_to(x, operand), round_to(y, operand))
    ratios = [np.abs(in_float32(a * b, rng) - bound.value) / bound.error for _ in range(10)]
    record_property("worst", float(np.max(ratios)))
    assert 1e-3 < np.max(ratios) <= 1
    if operand != "bfloat16":
        coarse = (round_to(x, "float8_e5m2") * round_to(y, "float8_e5m2")).sum(-1)
        assert (np.abs(coarse - bound.value) > bound.error).any()
    assert (np.abs(x * y).max(-1) > bound.error).all()


def test_errors_of_the_factors_pass_through():
    """|x| e_y + |y| e_x + e_x e_y, reached where all have one sign."""
    x, y = Err([1.0, 2.0], [0.5, 0.25], claim=CLAIM), Err([3.0, 4.0], [0.125, 1.0], claim=CLAIM)
    exact = (1.5 * 3.125 - 3) + (2.25 * 5 - 8)
    assert exact <= contract(x, y).error <= exact * (1 + 1e-6)
    assert x.sum().error >= 0.75


def test_a_cast_that_overflows_has_no_bound():
    """70000 is no float16, and below its normal range a cast loses half of its smallest number."""
    claim = CLAIM.replace(operand="float16")
    assert np.isinf(contract(Err([7e4], claim=claim), np.array([1.0])).error)
    assert np.isfinite(contract(Err([7e4], claim=CLAIM), np.array([1.0])).error)
    assert contract(Err([2.0**-26], claim=claim), np.array([1.0])).error >= 2.0**-26


def test_a_cast_of_a_number_of_its_format_costs_nothing():
    """Inputs that are bfloat16 numbers have exact products; one that is not, or is not known exactly, is cast."""
    rng = np.random.default_rng(2)
    x, y = (round_to(rng.standard_normal(40), "bfloat16") for _ in range(2))
    claim = CLAIM.replace(operand="bfloat16")
    free, size = contract(Err(x, claim=CLAIM), y).error, np.abs(x * y).sum()
    assert contract(Err(x, claim=claim), Err(y, claim=claim)).error == free
    other = x.copy()
    other[0] = round_to(np.pi, "float32")
    for one in (Err(other, claim=claim), Err(x, 1e-30, claim=claim)):
        once = contract(one, y).error
        twice = contract(one, Err(other, claim=claim)).error
        assert free < once < twice
        assert once > 0.9 * 2.0**-8 * size / 2
    assert contract(Err(other, claim=CLAIM.replace(operand="bfloat16")), y).error > free


def test_sums_over_several_axes():
    """All readings contract over the axes that are named, and gradients come back by the other factor."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 3, 4)), rng.standard_normal((3, 4))
    want = np.einsum("ijk,jk->i", x, y)
    for number in (lambda a: Err(a, claim=CLAIM), DD.exact, Tape, np.asarray):
        got = contract(number(x), y, (-1, -2))
        got = getattr(got, "hi", getattr(got, "value", got))
        assert np.abs(got - want).max() <= 24 * 2.0**-53 * np.abs(x * y).sum((1, 2)).max()
    a, b, bar = Tape(x), Tape(y), rng.standard_normal(2)
    for got, want in zip(
        gradients([(contract(a, b, (1, 2)), bar)], [a, b]),
        (np.einsum("i,jk->ijk", bar, y), np.einsum("i,ijk->jk", bar, x)),
        strict=True,
    ):
        assert np.abs(got - want).max() <= 8 * 2.0**-53 * np.abs(want).max()
