"""The certified recurrence contains the exact one, for every structure of decay and weight.

S(t) = a(t) o S(t-1) + w(t) o (v(t) k(t)'),      y(t) = S(t) q(t)
"""

import numpy as np
import pytest

from realization._kernels.dd_recurrence import recurrence

flint = pytest.importorskip("flint", reason="python-flint is the oracle")
arb = flint.arb

B, T, H, G, K = 1, 7, 2, 1, 4
V_SMALL, V_TILES = 3, 67  # less than a tile of rows, more than one


@pytest.fixture(autouse=True)
def many_bits():
    before, flint.ctx.prec = flint.ctx.prec, 1000
    yield
    flint.ctx.prec = before


def intervals(rng, x, width=2.0**-95):
    """Numbers near x with a second word and a radius."""
    return x, x * rng.uniform(-1, 1, x.shape) * 2.0**-54, np.abs(x) * width * rng.uniform(0, 1, x.shape)


def points(rng, words):
    """Exact numbers inside the intervals, many of them at an end."""
    place = np.sign(rng.normal(size=words[0].shape)) * rng.choice([1.0, 0.3], words[0].shape)
    result = np.empty(words[0].shape, dtype=object)
    for i in np.ndindex(result.shape):
        hi, lo, radius = (arb(float(word[i])) for word in words)
        result[i] = hi + lo + arb(float(place[i])) * radius
    return result


def exact(value, key, query, decay=None, weight=None, reset=None, initial=None):
    """The definition, on object arrays of balls; a pair is (real, imaginary) over K / 2 columns."""
    B, T, H, V = value.shape
    G, K = key.shape[-2:]
    P = K // 2
    y = np.empty((B, T, H, V), dtype=object)
    states = np.empty((B, T, H, V, K), dtype=object)
    for b, h in np.ndindex(B, H):
        S = initial[b, h] if initial is not None else np.full((V, K), arb(0))
        g = h // (H // G)
        for t in range(T):
            S = 0 * S if reset is not None and reset[b, t] else S
            k, v = key[b, t, g][None, :], value[b, t, h][:, None]
            if isinstance(decay, tuple):
                (a, c), x, z = (part[b, t, h] for part in decay), S[:, :P], S[:, P:]
                S = np.concatenate([a * x - c * z, c * x + a * z], axis=1)
            elif decay is not None:
                S = decay[b, t, h] * S
            if isinstance(weight, tuple):
                w, u = (part[b, t, h] for part in weight)
                S = S + v * np.concatenate([w * k[:, :P] - u * k[:, P:], w * k[:, P:] + u * k[:, :P]], axis=1)
            else:
                S = S + (1 if weight is None else weight[b, t, h]) * (v * k)
            states[b, t, h] = S
            y[b, t, h] = S @ query[b, t, g]
    return y, states[:, -1], states


def excess(words, truth):
    """max |exact - (hi + lo)| / radius."""
    worst = 0.0
    for i in np.ndindex(truth.shape):
        hi, lo, radius = (arb(float(word[i])) for word in words)
        error = abs(truth[i] - hi - lo).lower()
        worst = max(worst, float(error / radius) if radius > 0 else (np.inf if error > 0 else 0.0))
    return worst


def case(rng, V, decay=None, weight=None, rotating=False, complex_weight=False, reset=False, initial=False, T=T):
    """Draw a case; `decay` and `weight` are the sizes of their last two axes."""

    def draw(low, high, *shape):
        return intervals(rng, rng.uniform(low, high, (B, T, H, *shape)))

    arguments = {
        "value": draw(-1, 1, V),
        "key": tuple(word[:, :, :G] for word in draw(-1, 1, K)),
        "query": tuple(word[:, :, :G] for word in draw(-1, 1, K)),
    }
    if decay is not None:
        arguments["decay"] = (draw(-0.7, 0.7, *decay), draw(-0.7, 0.7, *decay)) if rotating else draw(0.3, 1, *decay)
    if weight is not None:
        arguments["weight"] = (draw(-1, 1, *weight), draw(-1, 1, *weight)) if complex_weight else draw(-1, 1, *weight)
    if reset:
        arguments["reset"] = rng.random((B, T)) < 0.3
    if initial:
        arguments["initial"] = intervals(rng, rng.normal(size=(B, H, V, K)))
    return arguments


def inside(rng, arguments):
    """Exact arguments from the intervals."""
    return {
        name: x if name == "reset" else tuple(points(rng, part) for part in x) if len(x) == 2 else points(rng, x)
        for name, x in arguments.items()
    }


V, P = V_SMALL, K // 2
CASES = {
    "no decay": {},
    "scalar": {"decay": (1, 1)},
    "per row": {"decay": (V, 1)},
    "per column": {"decay": (1, K)},
    "full": {"decay": (V, K)},
    "full, weight full": {"decay": (V, K), "weight": (V, K)},
    "scalar, weight scalar": {"decay": (1, 1), "weight": (1, 1)},
    "column, weight per row": {"decay": (1, K), "weight": (V, 1)},
    "row, weight per column": {"decay": (V, 1), "weight": (1, K)},
    "no decay, weight per column": {"weight": (1, K)},
    "scalar, resets, initial": {"decay": (1, 1), "reset": True, "initial": True},
    "no decay, resets, initial": {"reset": True, "initial": True},
    "rotation scalar": {"decay": (1, 1), "rotating": True},
    "rotation per pair": {"decay": (1, P), "rotating": True, "initial": True},
    "rotation full, resets": {"decay": (V, P), "rotating": True, "reset": True},
    "rotation, weight real": {"decay": (1, P), "rotating": True, "weight": (V, K)},
    "rotation, weight real scalar": {"decay": (1, P), "rotating": True, "weight": (1, 1)},
    "rotation, weight complex": {"decay": (1, P), "rotating": True, "weight": (1, P), "complex_weight": True},
    "rotation, weight complex full": {"decay": (V, P), "rotating": True, "weight": (V, P), "complex_weight": True},
}


@pytest.mark.parametrize("name", CASES)
def test_the_recurrence_is_contained(name):
    rng = np.random.default_rng(len(name))
    arguments = case(rng, V_SMALL, **CASES[name])
    y, final, states = recurrence(**arguments, states=True)
    exact_y, exact_final, exact_states = exact(**inside(rng, arguments))
    for words, truth in ((y, exact_y), (final, exact_final), (states, exact_states)):
        assert excess(words, truth) <= 1
        assert np.median(words[2]) < 2.0**-88, "useful: arguments have 2**-95"
    assert excess(y, exact_y) > 1e-3, "a radius that is never used would prove nothing"


@pytest.mark.parametrize("name", ["per row", "full, weight full", "rotation full, resets"])
def test_rows_beyond_a_tile_are_rows(name):
    """V = 67 gives what each v gives by itself."""
    rng = np.random.default_rng(0)
    shapes = {key: (V_TILES, x[1]) if isinstance(x, tuple) and x[0] == V else x for key, x in CASES[name].items()}
    arguments = case(rng, V_TILES, **shapes)
    y, final, _ = recurrence(**arguments)

    def row(x, v, axis):
        if isinstance(x[0], tuple):
            return tuple(row(part, v, axis) for part in x)
        return tuple(np.take(word, [v], axis=axis) for word in x)

    for v in (0, 63, 64, 66):
        own = {key: row(x, v, 3) if key in ("value", "decay", "weight") else x for key, x in arguments.items()}
        y_v, final_v, _ = recurrence(**own)
        assert all((a[..., v] == b[..., 0]).all() for a, b in zip(y, y_v, strict=True))
        assert all((a[..., v, :] == b[..., 0, :]).all() for a, b in zip(final, final_v, strict=True))


def exactly(x):
    return x, np.zeros(x.shape), np.zeros(x.shape)


def long_case(rng, T, forgetting):
    draw = rng.normal(size=(3, 1, T, 1, 2))
    decay = exactly(1 - forgetting * rng.random((1, T, 1, 1, 2)))
    return {"value": exactly(draw[0]), "key": exactly(draw[1]), "query": exactly(draw[2]), "decay": decay}


@pytest.mark.parametrize("forgetting", [1e-6, 0.5])
def test_long_memory_is_contained_and_decided(forgetting):
    rng = np.random.default_rng(0)
    arguments = long_case(rng, 300, forgetting)
    y, final, _ = recurrence(**arguments)
    exact_y, exact_final, _ = exact(**inside(rng, arguments))
    assert excess(y, exact_y) <= 1
    assert excess(final, exact_final) <= 1
    assert (y[2] < 1e-26).all()


def test_cancellation_is_contained_and_seen_in_the_radius():
    """Two columns that differ by 1e-8 and are read with opposite signs: half of the digits are gone."""
    rng = np.random.default_rng(0)
    arguments = long_case(rng, 100, 0.1)
    for name in ("key", "decay"):
        arguments[name][0][..., 1] = arguments[name][0][..., 0] * (1 + 1e-8)
    arguments["query"][0][...] = [1.0, -1.0]
    y, _, _ = recurrence(**arguments)
    exact_y, _, _ = exact(**inside(rng, arguments))
    assert excess(y, exact_y) <= 1
    assert 2.0**-90 < np.median(y[2] / np.abs(y[0])) < 2.0**-70


def test_integers_stay_exact():
    rng = np.random.default_rng(0)
    arguments = {name: exactly(rng.integers(-2, 3, (1, 50, 2, 4)) * 1.0) for name in ("value", "key", "query")}
    arguments["decay"] = exactly(rng.integers(0, 2, (1, 50, 2, 4, 4)) * 1.0)
    y, final, _ = recurrence(**arguments)
    assert not y[1].any()
    assert not y[2].any()
    assert not final[2].any()
    assert (y[0] == 0).any(), "exact zeros are certified"


def test_the_contract_can_be_broken():
    """The control: a decay off by a relative 1e-28, half a unit of the second word, is found out."""
    rng = np.random.default_rng(0)
    arguments = long_case(rng, 50, 0.5)
    truth = inside(rng, arguments)
    truth["decay"] = truth["decay"] * (1 + arb("1e-28"))
    assert excess(recurrence(**arguments)[0], exact(**truth)[0]) > 1


def test_overflow_claims_nothing():
    arguments = {name: exactly(np.full((1, 3, 1, 1), 1e200)) for name in ("value", "key", "query")}
    y, final, _ = recurrence(**arguments)
    assert (y[2] == np.inf).all()
    assert (final[2] == np.inf).all()
