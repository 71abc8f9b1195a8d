"""Softmax read-outs over the parts of any partition of the keys determine that over their union.

y = sum_i exp(lse_i - m) y_i / sum_i exp(lse_i - m): associative, commutative, with the empty part (0, -inf) as neutral.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.certify.dd import DD
from realization.certify.err import Err
from realization.core.claim import Claim
from realization.layers.readout import Read, Source, merge, readout

FLOAT64 = Claim(io="float64", accumulate="float64", splits=8)
T, S, H, G, K, V = 3, 12, 4, 2, 5, 2


def draw(seed, spread=1.0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((T, H, K)) * spread, rng.standard_normal((S, G, K)), rng.standard_normal((S, G, V))


def read(q, k, v, keys, number=np.asarray):
    """The read-out over some of the keys."""
    places = np.broadcast_to(np.array(sorted(keys), dtype=int), (T, len(keys)))
    return readout(sources=[Source(number(k), number(v), places, number(q))], scale=1.0)


def allowed(q, k, v):
    """Twice the float64 bound for up to 8 parts."""
    return [2 * x.error for x in read(q, k, v, range(S), lambda x: Err(x, claim=FLOAT64))]


def off(one, other, limits):
    return max((np.abs(a - b) / limit).max() for a, b, limit in zip(one, other, limits, strict=True))


@given(parts=st.lists(st.integers(0, 7), min_size=S, max_size=S), spread=st.sampled_from([0.1, 1.0, 30.0]),
       seed=st.integers(0, 999))  # fmt: skip
def test_any_partition_gives_the_union(parts, spread, seed):
    """Key j goes to part parts[j]; parts may be empty, and scores reach hundreds."""
    case = draw(seed, spread)
    pieces = [read(*case, [j for j in range(S) if parts[j] == i]) for i in range(8)]
    whole, limits = read(*case, range(S)), allowed(*case)
    assert off(merge(pieces), whole, limits) <= 1
    assert off(merge(pieces[::-1]), whole, limits) <= 1
    assert off(merge([merge(pieces[:3]), merge(pieces[3:])]), whole, limits) <= 1
    # the control: what weighs most is missing
    heaviest = int(np.argmax(case[0][0, 0] @ case[1][:, 0].T))
    assert off(read(*case, sorted({*range(S)} - {heaviest})), whole, limits) > 1


def test_the_empty_part_is_neutral():
    """Bit for bit, on either side; and two of them make an empty one, without NaN."""
    case = draw(0)
    some, none = read(*case, range(5)), read(*case, [])
    assert not none.y.any()
    assert (none.lse == -np.inf).all()
    for merged in (merge([some, none]), merge([none, some])):
        assert np.array_equal(merged.y, some.y)
        assert np.array_equal(merged.lse, some.lse)
    nothing = merge([none, none])
    assert not nothing.y.any()
    assert (nothing.lse == -np.inf).all()


def test_certified_parts_merge_to_a_certified_union():
    """Intervals of both routes overlap: in double-double nothing else is left of the partition."""
    case = draw(3)
    pieces = [read(*case, keys, DD.exact) for keys in (range(5), range(5, 9), [9, 10, 11])]
    for one, other in zip(merge(pieces), read(*case, range(S), DD.exact), strict=True):
        gap = np.abs((one.hi - other.hi) + (one.lo - other.lo))
        assert (gap <= (one.radius + other.radius) * (1 + 1e-9)).all()
        assert (one.radius < 1e-28).all()


def test_without_the_maximum_it_overflows():
    """The control: exp(lse) itself is infinite where scores reach a thousand, their differences are not."""
    parts = [Read(np.full((1, 1, 1), i + 1.0), np.full((1, 1), 1000.0)) for i in range(2)]
    assert merge(parts).y.item() == 1.5
    with np.errstate(over="ignore", invalid="ignore"):
        naive = sum(np.exp(p.lse)[..., None] * p.y for p in parts) / sum(np.exp(p.lse)[..., None] for p in parts)
    assert np.isnan(naive).all()
