"""The B'MOJO-F layer by independent routes, tied and untied, for windows of 1, 2, 3, 5 and 64 tokens."""

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.rounding import FORMATS
from realization.layers import BMOJO_F_LAYER as LAYER
from realization.layers import bmojo_f, bmojo_f_layer

FLOAT64 = Claim(io="float64", accumulate="float64")
WINDOWS = pytest.mark.parametrize("window", [1, 2, 3, 5, 64])
OPTIONS = pytest.mark.parametrize("option", range(len(LAYER.options)))


def draw(option, window, *, T=None, seed=0, regime="generic"):
    regime = next(r for r in LAYER.regimes if r.name == regime)
    T = min(2 * window + 3, 70) if T is None else T
    drawn = LAYER.cases(
        regime, LAYER.options[option], T=T, chunk=16, rng=np.random.default_rng(seed), form=FORMATS["float32"]
    )
    return drawn | {"window": window}


@WINDOWS
@OPTIONS
def test_sums_written_out_and_matrix_products_give_the_same(window, option):
    """Definition, textbook loop and compiled form, within the sum of two float64 bounds."""
    case = draw(option, window)
    want, error = LAYER.definition(**case).y, LAYER.bound(case, FLOAT64)["y"].error
    for route in (LAYER.direct, LAYER.kernel):
        assert (np.abs(route(**case).y - want) <= 2 * error).all()
    assert (2 * error < 1e-8 * np.abs(want).max()).all(), "a bound that says something"


@OPTIONS
def test_every_argument_matters(option):
    """The control: a relative change of 1e-7 in some entries of any one argument is seen by this comparison.

    In some and not in all: behind a norm the size of queries and keys does not matter.
    """
    case, rng = draw(option, LAYER.options[option]["width"], T=40), np.random.default_rng(1)
    want, error = LAYER.definition(**case).y, LAYER.bound(case, FLOAT64)["y"].error
    for name, x in case.items():
        if isinstance(x, np.ndarray):
            other = LAYER.direct(**case | {name: x * (1 + 1e-7 * rng.integers(0, 2, x.shape))}).y
            assert (np.abs(other - want) > 2 * error).any(), name


@WINDOWS
def test_it_is_its_attention_between_two_projections(window):
    """Projected with einsum, attended, projected: the layer; with the fading stream's own weights where it has some."""
    for option in (0, 3):
        case = draw(option, window)
        raw = [name for name in case if name.startswith(("key", "value", "query"))]
        own = {name: case.get(f"fading_{name}", case[name]) for name in raw}

        def heads(x, name, weights):
            return np.einsum("btd,hkd->bthk", x, weights[f"{name}_weight"]) + weights.get(f"{name}_bias", 0.0)

        streams = {name: heads(case["x"], name, case) for name in ("query", "key", "value")}
        streams |= {f"fading_{name}": heads(case["fading"], name, own) for name in ("key", "value")}
        streams["fading_query"] = heads(case["x"], "query", own)
        rest = {name: case[name] for name in case if name in ("window", "cos", "sin") or name.endswith("norm")}
        y = np.einsum("bthv,dhv->btd", bmojo_f(**streams, **rest).y, case["output_weight"]) + case["output_bias"]
        error = LAYER.bound(case, FLOAT64)["y"].error
        assert (np.abs(y - bmojo_f_layer(**case).y) <= 2 * error).all()
        swapped = bmojo_f_layer(**case | {"x": case["fading"], "fading": case["x"]}).y
        assert (np.abs(y - swapped) > 2 * error).any(), "the control"


@WINDOWS
def test_untied_with_the_same_weights_is_tied(window):
    """Bit for bit; and each of the untied weights matters once it differs."""
    case = draw(0, window)
    copies = {f"fading_{k}": x for k, x in case.items() if k.partition("_")[0] in ("query", "key", "value")}
    tied, untied = bmojo_f_layer(**case).y, bmojo_f_layer(**case | copies).y
    assert np.array_equal(tied, untied)
    for name in copies:
        other = bmojo_f_layer(**case | copies | {name: copies[name] * 1.01}).y
        assert not np.array_equal(tied[:, window:], other[:, window:]), name
        assert np.array_equal(tied[:, :window], other[:, :window])


@WINDOWS
def test_tied_biases_of_keys_do_not_matter_without_positions(window):
    """q'(k + b) adds one number to all scores of a query, raw and fading: the softmax takes it out.  Turned by their
    positions the biases of two keys differ, and untied the two streams do.
    """
    case = {k: x for k, x in draw(0, window).items() if k not in ("cos", "sin")}
    turned, zero = draw(0, window), np.zeros_like(case["key_bias"])
    error = LAYER.bound(case, FLOAT64)["y"].error

    def moved(case):
        return np.abs(bmojo_f_layer(**case).y - bmojo_f_layer(**case | {"key_bias": zero}).y)

    assert (moved(case) <= 2 * error).all()
    assert moved(turned).max() > 1e-3
    assert moved(case | {"fading_key_bias": case["key_bias"]}).max() > 1e-3


@OPTIONS
def test_the_system_answers_as_the_layer_does(option):
    """Register and read-out, built from weights alone and driven by tokens; positions are not among its parameters."""
    window, case = 3, draw(option, 3, T=9)
    given = {k: a for k, a in case.items() if k not in ("cos", "sin", "interleaved", "quirks")}
    data = {"x": given.pop("x"), "fading": given.pop("fading")}
    if "fading_query_norm" in given:  # the register's read-out has one norm of queries
        given["fading_query_norm"] = given["query_norm"]
    parameters = {k: a for k, a in given.items() if k != "fading_query_norm"}
    realization = LAYER.as_realization(**parameters)
    system = realization.system.simulate(realization.schedule(**data))
    y = realization.readout(system.y, x=data["x"])
    error = LAYER.bound(given | data, FLOAT64)["y"].error
    assert (np.abs(y - bmojo_f_layer(**given, **data).y) <= 2 * error).all()
    late = bmojo_f_layer(**given | {"window": window + 1}, **data).y
    assert (np.abs(y - late) > 2 * error).any(), "the control"


@OPTIONS
@pytest.mark.parametrize("T", [0, 1])
def test_no_token_and_one(option, T):
    """Nothing gives nothing; one token sees itself, and no fading token."""
    case = draw(option, 2, T=T)
    y = bmojo_f_layer(**case).y
    assert y.shape == case["x"].shape
    assert np.array_equal(y, bmojo_f_layer(**case | {"fading": case["fading"] * 2}).y)


def test_a_wrong_weight_is_refused_with_its_axes():
    case = draw(0, 2)
    with pytest.raises(ShapeError, match=r"key_weight has shape \(2, 8, 23\), but \(g, 8, 24\) is needed"):
        bmojo_f_layer(**case | {"key_weight": case["key_weight"][..., :-1]})
    with pytest.raises(ShapeError, match="the groups must divide the heads"):
        bmojo_f_layer(**case | {k: np.zeros((3, *case[k].shape[1:])) for k in case if k.startswith(("key", "value"))})
