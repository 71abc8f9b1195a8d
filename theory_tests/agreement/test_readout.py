"""The softmax read-out by itself: any sets of keys, all readings, its cost, and what it does with nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.certify.ball import balls, flint, precision
from realization.certify.dd import DD
from realization.certify.err import Err
from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.rounding import round_to
from realization.layers.attention import SLIDING_WINDOW_ATTENTION, sliding_window_attention
from realization.layers.bmojo import BMOJO_F, BMOJO_F_LAYER, bmojo_f, bmojo_f_two_pass
from realization.layers.readout import Source, readout
from realization.layers.readout.kernel import kernel
from realization.layers.readout.places import band

FLOAT64 = Claim(io="float64", accumulate="float64", splits=3)
B, S, H, K, V = 2, 9, 4, 5, 3


def draw(seed, T, G, counts, biased, spread=1.0):
    """Sources with arbitrary sets of places, some of them empty; a bias with -inf; and a sink."""
    rng = np.random.default_rng(seed)
    sources = []
    for W in counts:
        rows = [[rng.choice(np.append(np.arange(S), [-1] * 4), W, replace=False) for _ in range(T)] for _ in range(B)]
        bias = np.where(rng.uniform(size=(H, T, S)) < 0.2, -np.inf, rng.standard_normal((H, T, S)))
        key, value = rng.standard_normal((B, S, G, K)), rng.standard_normal((B, S, G, V))
        query = spread * rng.standard_normal((B, T, H, K))
        places = np.array(rows, dtype=int).reshape(B, T, W)
        sources.append(Source(key, value, places, query, bias if biased else None))
    return sources, rng.standard_normal(H)


def read_as(number, sources):
    """The sources with all numbers of one type."""
    def lifted(x):
        return None if x is None else number(x)

    return [Source(number(s.key), number(s.value), s.places, number(s.query), lifted(s.bias)) for s in sources]


def loop(sources, scale, softcap=None, sink=None):
    """The definition, key by key."""
    T = sources[0].query.shape[1]
    y, lse = np.zeros((B, T, H, V)), np.full((B, T, H), -np.inf)
    for b, t, h in np.ndindex(B, T, H):
        z, v = ([], []) if sink is None else ([sink[h]], [np.zeros(V)])
        for s in sources:
            g = h // (H // s.key.shape[2])
            for j in s.places[b, t]:
                if j >= 0:
                    x = scale * (s.query[b, t, h] @ s.key[b, j, g])
                    x = x if softcap is None else softcap * np.tanh(x / softcap)
                    z.append(x if s.bias is None else x + s.bias[h, t, j])
                    v.append(s.value[b, j, g])
        if z and max(z) > -np.inf:
            w = np.exp(np.array(z) - max(z))
            y[b, t, h], lse[b, t, h] = w @ np.array(v) / w.sum(), max(z) + np.log(w.sum())
    return y, lse


def off(one, other, bound):
    """Largest difference over twice the bound; infinities agree with themselves."""
    worst = 0.0
    for a, b, e in zip(one, other, bound, strict=True):
        with np.errstate(invalid="ignore"):
            ratio = np.where(a == b, 0.0, np.abs(a - b) / (2 * e.error + 1e-300))
        worst = max(worst, ratio.max(initial=0.0))
    return worst


structures = st.fixed_dictionaries({
    "seed": st.integers(0, 10**6), "T": st.integers(0, 4), "G": st.sampled_from([1, 2, 4]), "biased": st.booleans(),
    "counts": st.lists(st.integers(0, 8), min_size=1, max_size=3), "spread": st.sampled_from([0.1, 1.0, 40.0]),
})  # fmt: skip


@given(structure=structures, sunk=st.booleans(), softcap=st.sampled_from([None, 1.5]))
def test_all_routes_agree_on_any_sets_of_keys(structure, sunk, softcap):
    """Definition, compiled loops and the loop over keys; certified values contain it. Bounds in float64."""
    sources, sink = draw(**structure)
    options = {"scale": 0.7, "softcap": softcap, "sink": sink if sunk else None}
    got = readout(sources=sources, **options)
    bound = readout(sources=read_as(lambda x: Err(x, claim=FLOAT64), sources), **options)
    assert off(got, loop(sources, **options), bound) <= 1
    assert off(got, kernel(sources=sources, **options), bound) <= 1
    truth = readout(sources=read_as(DD.exact, sources), **options)
    for x, exact, e in zip(got, truth, bound, strict=True):
        some = x > -np.inf
        assert (np.abs(x[some] - exact.hi[some]) <= e.error[some] + exact.radius[some]).all()
        assert (exact.radius[some] < 1e-25).all()
    wrong = readout(sources=sources, **options | {"scale": 0.7 * (1 + 1e-9)})
    assert off(wrong, got, bound) > 1 or not any((s.places >= 0).sum() > 1 for s in sources) or got.y.size < 100


@pytest.mark.parametrize("softcap", [None, 2.0])
def test_certified_values_are_those_of_balls(softcap):
    """The definition on 400-bit balls lies in every interval, and a radius is not zero by luck."""
    pytest.importorskip("flint")
    sources, sink = draw(1, 3, 2, [4, 3], True)
    truth = readout(sources=read_as(DD.exact, sources), scale=0.3, softcap=softcap, sink=DD.exact(sink))
    with precision(400):
        finite = [Source(s.key, s.value, s.places, s.query, s.bias) for s in sources]
        exact = readout(sources=read_as(balls, finite), scale=0.3, softcap=softcap, sink=balls(sink))
        for interval, ball in zip(truth, exact, strict=True):
            for place, x in np.ndenumerate(ball):
                gap = abs(flint().arb(x) - float(interval.hi[place]) - float(interval.lo[place]))
                assert bool(gap.lower() <= float(interval.radius[place]))


# Kernels ------------------------------------------------------------------------------------------


def online(q, k, v, block, operand, rng, rescale=True):
    """Attention of all queries over all keys in float32, blocks of keys in a drawn order, an online softmax."""
    cast = (lambda x: x) if operand is None else (lambda x: round_to(x, operand).astype(np.float32))
    q, k, v = (x.astype(np.float32) for x in (q, k, v))
    m, l, acc = np.full(len(q), -np.inf, np.float32), np.zeros(len(q), np.float32), np.zeros((len(q), V), np.float32)
    order = rng.permutation(len(k))
    for start in range(0, len(k), block):
        j = order[start : start + block]
        s = cast(q) @ cast(k[j]).T
        top = np.maximum(m, s.max(-1))
        a, p = np.exp(m - top) if rescale else np.ones_like(m), np.exp(s - top[:, None])
        m, l, acc = top, l * a + p.sum(-1), acc * a[:, None] + cast(p) @ cast(v[j])
    return acc / l[:, None], m + np.log(l)


@pytest.mark.parametrize("mean", [0.0, 1000.0])
@pytest.mark.parametrize("spread", [0.3, 3.0, 20.0])
@pytest.mark.parametrize("operand", [None, "tf32", "bfloat16"])
def test_no_order_of_blocks_exceeds_the_bound(operand, spread, mean, record_property):
    """Any order, block size and cast that is claimed; a common mean of the values cancels from the bound as it should.

    The controls: an accumulator that is not rescaled, a key that is dropped, and a scale 1 % off exceed it.
    """
    rng, n = np.random.default_rng(0), 70
    q, k, v = rng.standard_normal((6, K)) * spread, rng.standard_normal((n, K)), rng.standard_normal((n, V)) + mean
    q, k, v = (round_to(x, "float32") for x in (q, k, v))

    def bound(claim):
        places = np.broadcast_to(np.arange(n), (6, n))
        source = Source(k[:, None], v[:, None], places, Err(q[:, None], claim=claim))
        return readout(sources=[source], scale=1.0)

    allowed = bound(Claim(operand=operand))

    def ratio(got):
        parts = zip(got, allowed, strict=True)
        return max((np.abs(x - b.value[:, 0]) / b.error[:, 0]).max() for x, b in parts)

    worst = max(ratio(online(q, k, v, block, operand, rng)) for block in (1, 7, 16, 70) for _ in range(3))
    record_property("worst", worst)
    assert 1e-3 < worst <= 1
    assert ratio(online(q, k, v, 7, operand, rng, rescale=False)) > 1
    if mean == 0 and operand is None:
        heaviest = int(np.argmax(q[0] @ k.T))
        assert ratio(online(q, *(np.delete(x, heaviest, axis=0) for x in (k, v)), 7, operand, rng)) > 1
        assert ratio(online(1.01 * q, k, v, 7, operand, rng)) > 1


def test_a_common_mean_of_the_values_does_not_loosen_the_shared_part():
    """With scores that are uncertain by 1 % the read-out of equal values is certain all the same."""
    q, k, v = np.ones((1, 1, K)), np.random.default_rng(0).standard_normal((20, 1, K)), np.full((20, 1, V), 1e3)
    places = np.arange(20)[None]
    claim = Claim(io="float64", accumulate="float64")
    rough = Err(q, 0.01 * q, claim=claim)
    same = readout(sources=[Source(k, v, places, rough)], scale=1.0).y.error
    other = readout(sources=[Source(k, v + k[..., :V], places, rough)], scale=1.0).y.error
    assert same.max() < 1e-9
    assert other.min() > 1e-3


# Cost ---------------------------------------------------------------------------------------------


class Counted:
    """Numbers that count the operations on them, one for each entry of each result."""

    __array_ufunc__ = None
    count = 0

    def __init__(self, value):
        self.value = np.asarray(value, float)
        self.shape = self.value.shape

    def _made(self, value):
        Counted.count += np.size(value)
        return Counted(value)

    def __add__(self, other):
        return self._made(self.value + getattr(other, "value", other))

    def __sub__(self, other):
        return self._made(self.value - getattr(other, "value", other))

    def __mul__(self, other):
        return self._made(self.value * getattr(other, "value", other))

    def __truediv__(self, other):
        return self._made(self.value / getattr(other, "value", other))

    def sum(self, axis=-1):
        Counted.count += self.value.size
        return Counted(self.value.sum(axis))

    def reshape(self, *shape):
        return Counted(self.value.reshape(*shape))

    def __getitem__(self, index):
        return Counted(self.value[index])

    @staticmethod
    def __elementary__(name, *arguments):
        from realization.core import functions

        x = Counted(getattr(functions, name)(*(getattr(a, "value", a) for a in arguments)))
        Counted.count += x.value.size
        return x

    @classmethod
    def _zip(cls, rearrangement, items):
        return cls(rearrangement([getattr(x, "value", x) for x in items]))


def operations(T, window):
    rng = np.random.default_rng(0)
    q, k, v = (Counted(rng.standard_normal((T, 2, 3))) for _ in range(3))
    Counted.count = 0
    readout(sources=[Source(k, v, band(T, T, window), q)], scale=1.0)
    return Counted.count


def test_the_cost_is_linear_in_time_at_a_fixed_window():
    """Operations of the definition, counted: equal steps of T cost the same; without a window ever more."""
    counts = [operations(T, 8) for T in (16, 32, 48, 64)]
    assert len({b - a for a, b in zip(counts, counts[1:], strict=False)}) == 1
    full = [operations(T, None) for T in (16, 32, 48)]
    assert full[2] - full[1] > 1.5 * (full[1] - full[0])


def test_the_compiled_loops_visit_the_places_and_nothing_else():
    """Their Python source, run on an array that counts its reads: W reads of keys for each query, whatever T is."""
    from realization._kernels import readout as compiled

    class Watched:
        def __init__(self, x):
            self.x, self.shape, self.seen = x, x.shape, 0

        def __getitem__(self, index):
            self.seen += 1
            return self.x[index]

    def reads(T, W):
        rng = np.random.default_rng(0)
        q, k, v = rng.standard_normal((3, 1, T, 1, 2))[..., None, :].reshape(3, 1, T, 1, 2)
        watched = Watched(v)
        y, lse = np.zeros((1, T, 1, 2)), np.zeros((1, T, 1))
        compiled.read_out.py_func(y, lse, q, k, watched, band(T, T, W)[None], None, None, 1.0, None)
        return watched.seen

    assert [reads(T, 3) - reads(T - 4, 3) for T in (8, 16, 32)] == [4 * 3 * 2] * 3
    assert reads(12, 12) > 2 * reads(12, 3)


# Nothing to read, and numbers that are none -------------------------------------------------------


def ones(T, S=None, h=2, g=1, k=2, v=2):
    return {"query": np.ones((1, T, h, k)), "key": np.ones((1, S or T, g, k)), "value": np.ones((1, S or T, g, v))}


ROUTES = ("definition", "kernel", "direct")
HIDES = {"of a head": (0, slice(None), 1), "of all": (slice(None), slice(None), 1), "a row": (0, 2, slice(None))}


@pytest.mark.parametrize("name", ROUTES)
def test_what_sees_nothing_is_zero(name):
    """Window 0 without other keys, scores that are all -inf, no token: y = 0 and lse = -inf, as documented."""
    route = getattr(SLIDING_WINDOW_ATTENTION, name)
    empty = route(**ones(3), window=0)
    assert not empty.y.any()
    assert (empty.lse == -np.inf).all()
    hidden = route(**ones(3), bias=np.full((2, 3, 3), -np.inf))
    assert not hidden.y.any()
    assert (hidden.lse == -np.inf).all()
    sink = route(**ones(3), window=0, sink=np.array([0.5, 1.0]))
    assert not sink.y.any()
    assert np.array_equal(sink.lse, np.broadcast_to([0.5, 1.0], (1, 3, 2)))
    assert route(**ones(0)).y.shape == (1, 0, 2, 2)
    assert (route(**ones(1)).y == 1).all()
    chosen = route(**ones(3), window=0, selected=np.array([[[0], [-1], [1]]]))
    assert chosen.y[0, :, 0, 0].tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("name", ROUTES)
def test_scores_that_are_all_minus_infinity_are_nothing(name):
    """Also where they are so by their keys, and where values are NaN; the control is one score that is finite."""
    route = getattr(SLIDING_WINDOW_ATTENTION, name)
    case = ones(3) | {"key": np.full((1, 3, 1, 2), -np.inf)}
    for value in (1.0, np.nan):
        y, lse = route(**case | {"value": np.full((1, 3, 1, 2), value)})
        assert not y.any()
        assert (lse == -np.inf).all()
    case["key"][0, 1] = 0.0
    y, lse = route(**case | {"value": np.full((1, 3, 1, 2), 5.0)})
    assert y[0, :, 0, 0].tolist() == [0.0, 5.0, 5.0]
    assert lse[0, :, 0].tolist() == [-np.inf, 0.0, 0.0]


@pytest.mark.parametrize("name", [*ROUTES, "two passes"])
def test_nor_do_they_count_in_a_union(name):
    """Raw keys, fading keys, and both; the control is that each counts where the other does not."""
    route = getattr(BMOJO_F, name, bmojo_f_two_pass)
    far, near = np.full((1, 4, 1, 2), -np.inf), np.zeros((1, 4, 1, 2))
    case = ones(4) | {"fading_value": np.full((1, 4, 1, 2), 3.0), "window": 2}
    for key, fading_key, y, lse in (
        (far, far, [0.0] * 4, [-np.inf] * 4),
        (near, far, [1.0] * 4, [0.0, *[np.log(2)] * 3]),
        (far, near, [0.0, 0.0, 3.0, 3.0], [-np.inf, -np.inf, 0.0, np.log(2)]),
    ):
        got = route(**case | {"key": key, "fading_key": fading_key})
        assert got.y[0, :, 0, 0].tolist() == y
        assert np.allclose(got.lse[0, :, 0], lse, rtol=1e-15)


@pytest.mark.parametrize("name", ROUTES)
def test_a_sink_of_minus_infinity_is_none(name):
    """With keys, without, and with keys that are hidden; the control is a sink that is far below the scores."""
    rng = np.random.default_rng(0)
    route, case = getattr(SLIDING_WINDOW_ATTENTION, name), ones(4) | {"value": rng.standard_normal((1, 4, 1, 2))}
    bias = np.where(np.arange(4)[:, None] == 2, -np.inf, np.zeros((2, 4, 4)))
    for more in ({}, {"window": 0}, {"bias": bias}, {"bias": np.full((2, 4, 4), -np.inf)}):
        without = route(**case, **more)
        assert all(map(np.array_equal, route(**case, **more, sink=np.full(2, -np.inf)), without))
        one = route(**case, **more, sink=np.array([-np.inf, -3.0]))
        assert np.array_equal(one.lse[..., 0], without.lse[..., 0])
        assert (one.lse[..., 1] > without.lse[..., 1]).all()


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", HIDES)
@pytest.mark.parametrize("name", ROUTES)
def test_of_a_hidden_key_nothing_is_read(name, where, poison):
    """NaN and infinity behind a bias of -inf; every row with another bias sees them, which is the control."""
    rng = np.random.default_rng(0)
    route, bias = getattr(SLIDING_WINDOW_ATTENTION, name), rng.standard_normal((2, 4, 4))
    case = {k: rng.standard_normal(x.shape) for k, x in ones(4).items()}
    bias[HIDES[where]] = -np.inf
    hidden = (np.tril(bias) == -np.inf)[..., 1]
    hidden[:, 0] = True  # the key is in the future
    for bad in ({"key"}, {"value"}, {"key", "value"}):
        poisoned = {k: x.copy() for k, x in case.items()}
        for k in bad:
            poisoned[k][0, 1] = poison
        with np.errstate(all="ignore"):
            good, got = route(**case, bias=bias), route(**poisoned, bias=bias)
        same = np.isclose(got.y, good.y, rtol=1e-14, atol=1e-15).all(-1)[0].T
        assert np.array_equal(same, hidden)
        assert np.array_equal(got.lse[0].T[hidden], good.lse[0].T[hidden])


@pytest.mark.parametrize("name", ROUTES)
def test_what_is_nan_and_seen_stays_nan(name):
    """NaN scores do not count as nothing, wherever they stand, and a NaN in a bias or a sink is no -inf."""
    route, case = getattr(SLIDING_WINDOW_ATTENTION, name), ones(3)
    for j in range(3):
        bias = np.zeros((2, 3, 3))
        bias[:, :, j] = np.nan
        y, lse = route(**case, bias=bias)
        assert np.isnan(lse[0, :, 0]).tolist() == np.isnan(y[0, :, 0, 0]).tolist() == [t >= j for t in range(3)]
    assert np.isnan(route(**case, sink=np.full(2, np.nan)).lse).all()


def test_bounds_and_certificates_know_rows_without_keys():
    """They do not lose the rows beside them: finite radii, 0 in rows in which no score counts."""
    rng = np.random.default_rng(0)
    case, bias = {k: rng.standard_normal(x.shape) for k, x in ones(4).items()}, np.zeros((2, 4, 4))
    bias[:, 2] = -np.inf
    bias[0, :, 1] = -np.inf
    case |= {"bias": bias, "sink": np.array([-np.inf, -np.inf])}
    got = SLIDING_WINDOW_ATTENTION.definition(**case).y
    exact = SLIDING_WINDOW_ATTENTION.certified(case)["y"]
    bound = SLIDING_WINDOW_ATTENTION.bound(case, FLOAT64)["y"]
    assert not exact.hi[0, 2].any()
    assert not bound.error[0, 2].any()
    assert (np.abs(got - exact.hi) <= bound.error + exact.radius).all()
    assert bound.error.max() < 1e-12
    gradient = SLIDING_WINDOW_ATTENTION.adjoint(case, {"y": np.ones_like(got)})
    assert all(np.isfinite(x).all() for x in gradient.values())


def test_a_scale_of_zero_is_the_mean():
    """All scores equal: the mean of what is seen."""
    case = ones(4) | {"value": np.arange(8.0).reshape(1, 4, 1, 2)}
    y = sliding_window_attention(**case, scale=0.0, window=2).y[0, :, 0, 0]
    assert y.tolist() == [0.0, 1.0, 3.0, 5.0]


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["key", "value"])
def test_a_key_that_is_no_number_reaches_the_queries_that_see_it(name, poison):
    """And no other: rows before it, beyond its window and of other sequences keep their bits; both routes."""
    rng = np.random.default_rng(0)
    case = {k: rng.standard_normal(x.shape) for k, x in ones(8).items()}
    bad = {**case, name: case[name].copy()}
    bad[name][0, 3] = poison
    for route in (SLIDING_WINDOW_ATTENTION.definition, SLIDING_WINDOW_ATTENTION.kernel):
        with np.errstate(all="ignore"):
            good, got = (route(**x, window=3).y[0, :, 0] for x in (case, bad))
        hit = ~np.isfinite(got).all(-1) | (got != good).any(-1)
        assert np.flatnonzero(hit).tolist() == [3, 4, 5]
        with np.errstate(all="ignore"):
            packed = route(**bad, cu_seqlens=np.array([0, 4, 8])).y[0, :, 0]
        assert np.isfinite(packed[[0, 1, 2, 4, 5, 6, 7]]).all()


@pytest.mark.parametrize("name", ["key", "fading_key", "value", "fading_value"])
def test_nor_is_it_lost_in_a_merge(name):
    """A part that is NaN makes the union NaN, by the definition, the compiled loops and the two passes."""
    rng = np.random.default_rng(0)
    case = {k: rng.standard_normal(x.shape) for k, x in ones(8).items()}
    case |= {f"fading_{k}": rng.standard_normal(case[k].shape) for k in ("key", "value")}
    case[name][0, 3] = np.nan
    hit = [5, 6] if name.startswith("fading") else [3, 4]
    for route in (BMOJO_F.definition, BMOJO_F.kernel, bmojo_f_two_pass):
        y = route(**case, window=2).y[0, :, 0]
        assert np.flatnonzero(np.isnan(y).any(-1)).tolist() == hit


@pytest.mark.parametrize(
    "wrong, says",
    [
        *(({"window": x}, f"window={x!r} given; 0, a positive whole number of tokens, or None for all that is past")
          for x in (-1, 2.5, 2.0, "3", True, np.inf)),
        *(({"softcap": x}, f"softcap={x!r} given; a finite positive number, or None for no cap")
          for x in (0.0, 0, -1.0, np.inf, np.nan, True, "1")),
        *(({"scale": x}, f"scale={x} given; a finite number, or None") for x in (np.inf, -np.inf, np.nan, True, 1j)),
        *(({"norm_eps": x}, f"norm_eps={x} given; a finite number that is not negative, such as 1e-6")
          for x in (-1.0, np.inf, np.nan, None)),
        *(({"interleaved": x}, f"interleaved={x} given; True or False is needed") for x in (2, None)),
        ({"sink": np.array([0.0, np.inf])}, "a logit below [+]inf for each head, or -inf for no sink, is needed"),
        *(({name: 1j * np.ones((1, 3, 2 if name == "query" else 1, 2))}, f"{name} is complex; real numbers are needed")
          for name in ("query", "key", "value")),
        ({"bias": 1j * np.ones((2, 3, 3))}, "bias is complex"),
        ({"cos": np.ones((3, 1))}, "sin is missing; both tables or none"),
        ({"cos": np.ones((3, 2)), "sin": np.ones((3, 2))}, "cos has 2 columns, keys 2; at most half as many"),
        ({"selected": np.array([[[0], [2], [0]]])}, r"selected\[0, 1, 0\] is 2; query 1 stands at position 1"),
        ({"selected": np.array([[[0], [-2], [0]]])}, r"selected\[0, 1, 0\] is -2"),
        ({"cu_seqlens": np.array([0, 2, 5])}, "end at most at T=3"),
        ({"query": np.ones((1, 3, 3, 2)), "key": np.ones((1, 3, 2, 2)), "value": np.ones((1, 3, 2, 2))},
         "key has 2 groups, query 3 heads; the groups must divide the heads"),
        ({"query": np.ones((1, 4, 2, 2))}, "query has T=4 steps, key S=3"),
        ({"sink": np.ones(3)}, "sink has shape"),
        ({"bias": np.ones((2, 3))}, "bias has shape"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_what_is_needed(wrong, says):
    for route in (SLIDING_WINDOW_ATTENTION.definition, SLIDING_WINDOW_ATTENTION.kernel):
        with pytest.raises(ShapeError, match=says):
            route(**ones(3) | wrong)


def test_options_of_every_type_that_fits_are_taken():
    """The control: integers and floats of NumPy, and the ends of what is allowed."""
    for given_ in ({"window": np.int64(2)}, {"scale": np.float32(0.5)}, {"scale": 0}, {"scale": -1.0}, {"norm_eps": 0},
                   {"softcap": 1}, {"interleaved": np.True_}, {"window": 0}, {"window": 10**9}):  # fmt: skip
        for route in (SLIDING_WINDOW_ATTENTION.definition, SLIDING_WINDOW_ATTENTION.kernel):
            assert np.isfinite(route(**ones(3), **given_).y).all()


BMOJO_FAULTS = (
    *(({"window": x}, f"window={x!r} given; a whole number of tokens, at least 1,")
      for x in (0, -1, 2.5, "3", True, None)),
    *(({"scale": x}, f"scale={x} given; a finite number") for x in (np.nan, np.inf)),
    ({"norm_eps": -1.0}, "norm_eps=-1.0 given; a finite number that is not negative"),
    *(({"quirks": x}, "quirks=.*bf16.* given; a tuple of names out of hidden-scale, bfloat16-output")
      for x in ("bf16", ("bf16",), ["bf16"], ("hidden-scale", ["bf16"]))),
    ({"interleaved": 2}, "interleaved=2 given; True or False is needed"),
)  # fmt: skip


@pytest.mark.parametrize("wrong, says", BMOJO_FAULTS)
def test_bad_input_of_bmojo(wrong, says):
    """The operation and the layer, each by definition and by kernel."""
    fading = {"fading_key": np.ones((1, 3, 1, 2)), "fading_value": np.ones((1, 3, 1, 2))}
    W = np.ones((2, 2, 4))
    layer = {"x": np.ones((1, 3, 4)), "fading": np.ones((1, 3, 4)), "output_weight": np.ones((4, 2, 2))}
    layer |= {"query_weight": W, "key_weight": W, "value_weight": W}
    for op, case in ((BMOJO_F, ones(3) | fading), (BMOJO_F_LAYER, layer)):
        first = next(iter(case))
        for route in (op.definition, op.kernel):
            with pytest.raises(ShapeError, match=says):
                route(**case | {"window": 2} | wrong)
            with pytest.raises(ShapeError, match=f"{first} is complex"):
                route(**case | {"window": 2, first: 1j * case[first]})
            assert np.isfinite(route(**case, window=2).y).all()


@pytest.mark.parametrize("size", [None, 0, 2.5])
def test_a_scale_rule_needs_its_size(size):
    fading = {"fading_key": np.ones((1, 3, 1, 2)), "fading_value": np.ones((1, 3, 1, 2))}
    with pytest.raises(ShapeError, match="hidden_size"):
        bmojo_f(**ones(3) | fading, window=2, quirks=("hidden-scale",), hidden_size=size)


# Pieces with a cache ------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 2, 3, 5, 64])
@pytest.mark.parametrize("cuts", [(4,), (1, 2, 3), (3, 16), tuple(range(1, 21)), (5, 6, 7, 20)])
def test_prefill_in_pieces_and_decode_equal_one_pass(window, cuts):
    """Pieces across position W, and token by token, with all keys so far as cache; both layers, within both bounds."""
    rng, T = np.random.default_rng(window), 21
    case = {"query": rng.standard_normal((1, T, 4, 6)), "window": window}
    case |= {name: rng.standard_normal((1, T, 2, 6)) for name in ("key", "value", "fading_key", "fading_value")}
    plain = {k: x for k, x in case.items() if not k.startswith("fading")}
    for op, given_ in ((BMOJO_F, case), (SLIDING_WINDOW_ATTENTION, plain)):
        keys = [k for k in given_ if k.endswith(("key", "value"))]
        edges = [0, *cuts, T]
        pieces = [
            op.definition(**given_ | {"query": given_["query"][:, a:b]} | {k: given_[k][:, :b] for k in keys})
            for a, b in zip(edges, edges[1:], strict=False)
        ]
        bound = op.bound(given_, Claim(io="float64", accumulate="float64")).values()
        joined = [np.concatenate(parts, axis=1) for parts in zip(*pieces, strict=True)]
        assert off(op.definition(**given_), joined, bound) <= 1
        # the control: a mask that is aligned with the first key, as if each piece began the sequence
        afresh = [
            op.definition(**given_ | {"query": given_["query"][:, a:b]} | {k: given_[k][:, a:b] for k in keys}).y
            for a, b in zip(edges, edges[1:], strict=False)
        ]
        wrong = off([op.definition(**given_).y], [np.concatenate(afresh, axis=1)], list(bound)[:1])
        assert wrong > 1 or (
            window == 1 and op is SLIDING_WINDOW_ATTENTION  # one token needs no cache
        )


# B'MOJO-F in two passes ---------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 2, 3, 5, 64])
@pytest.mark.parametrize("untied", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("positions", [False, True])
@pytest.mark.parametrize("T, past", [(140, 0), (9, 70), (1, 140)])
def test_bmojo_f_is_the_merge_of_its_two_passes(window, untied, groups, norms, positions, T, past, record_property):
    """Within both bounds for every window, tied and untied, grouped, with and without norms and positions."""
    rng, S = np.random.default_rng(window), T + past
    case = {"query": rng.standard_normal((1, T, 4, 6)), "window": window}
    case |= {name: rng.standard_normal((1, S, groups, 6)) for name in ("key", "value", "fading_key", "fading_value")}
    case |= {"fading_query": rng.standard_normal((1, T, 4, 6))} if untied else {}
    angle = rng.uniform(0, 6, (S, 2))
    case |= {"cos": np.cos(angle), "sin": np.sin(angle)} if positions else {}
    names = ("query_norm", "key_norm", *(("fading_query_norm", "fading_key_norm") if untied else ()))
    case |= {name: rng.uniform(0.5, 2, 6) for name in names} if norms else {}
    one, two = bmojo_f(**case), bmojo_f_two_pass(**case)
    bound = BMOJO_F.bound(case, Claim(io="float64", accumulate="float64", splits=2))
    worst = off(one, two, bound.values())
    record_property("worst", worst)
    assert worst <= 1
    nudged = case | {"fading_value": case["fading_value"] * (1 + 1e-9)}
    assert off(bmojo_f(**nudged), two, bound.values()) > 1 or window >= S
