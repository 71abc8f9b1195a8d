"""Window attention is a nilpotent linear system of index w, driven by keys and values, and a read-out without memory.

The register of the last w tokens has A^w = 0 exactly and A^(w-1) != 0; it is read after its update, so the
current token is in it.  B'MOJO-F, for given fading tokens, is a register of 2 W tokens.
"""

import numpy as np
import pytest

from realization.core.claim import Claim
from realization.layers.attention import SLIDING_WINDOW_ATTENTION, sliding_window_attention
from realization.layers.bmojo import BMOJO_F, bmojo_f

FLOAT64 = Claim(io="float64", accumulate="float64")
T, H, G, K, V = 11, 4, 2, 3, 2


def draw(seed):
    rng = np.random.default_rng(seed)
    shapes = {"query": (H, K), "key": (G, K), "value": (G, V), "fading_key": (G, K), "fading_value": (G, V)}
    return {name: rng.standard_normal((2, T, *shape)) for name, shape in shapes.items()}


def index(A):
    """The least power that vanishes; entries 0 and 1, so nothing is rounded."""
    power, n = np.eye(len(A)), 0
    while power.any():
        power, n = power @ A, n + 1
    return n


@pytest.mark.parametrize("window", [1, 2, 3, 5])
@pytest.mark.parametrize("more", [{}, {"sink": np.linspace(-1, 1, H)}, {"softcap": 2.0, "scale": 0.7},
                                  {"key_norm": np.array([0.5, 1, 2]), "query_norm": np.ones(K)}])  # fmt: skip
def test_the_system_computes_the_layer(window, more):
    """Schedule, register and read-out give the layer's output, within both float64 bounds."""
    case = {k: x for k, x in draw(window).items() if not k.startswith("fading")}
    parts = SLIDING_WINDOW_ATTENTION.as_realization(window=window, g=G, k=K, v=V, **more)
    assert index(parts.system.A) == window
    y = parts.system.simulate(parts.schedule(key=case["key"], value=case["value"])).y
    got = parts.readout(y, query=case["query"])
    arguments = case | more | {"window": window}
    bound = SLIDING_WINDOW_ATTENTION.bound(arguments, FLOAT64)["y"].error
    assert (np.abs(got - sliding_window_attention(**arguments).y) <= 2 * bound).all()
    # the control: the register of one token more is another function
    longer = sliding_window_attention(**arguments | {"window": window + 1}).y
    assert (np.abs(got - longer)[:, window:] > 2 * bound[:, window:]).any()


@pytest.mark.parametrize("window", [1, 2, 4])
@pytest.mark.parametrize("untied", [False, True])
def test_with_fading_tokens_it_holds_twice_as_many(window, untied):
    """The older half of the register is read for the fading tokens, the newer half for the raw ones."""
    case = draw(7)
    extra = {"fading_query": draw(8)["query"]} if untied else {}
    parts = BMOJO_F.as_realization(window=window, g=G, k=K, v=V)
    assert index(parts.system.A) == 2 * window
    data = {k: x for k, x in case.items() if k != "query"}
    y = parts.system.simulate(parts.schedule(**data)).y
    got = parts.readout(y, query=case["query"], **extra)
    bound = BMOJO_F.bound(case | extra | {"window": window}, FLOAT64)["y"].error
    assert (np.abs(got - bmojo_f(**case, **extra, window=window).y) <= 2 * bound).all()
    other = bmojo_f(**{**case, "fading_value": case["value"]}, **extra, window=window).y
    assert (np.abs(got - other)[:, window:] > 2 * bound[:, window:]).any()


def test_a_decaying_register_never_forgets():
    """The control: tokens that fade instead of leaving make a matrix whose powers do not vanish."""
    A = SLIDING_WINDOW_ATTENTION.as_realization(window=3, g=1, k=1, v=1).system.A
    fading = A + 0.5 * np.eye(len(A))
    assert np.linalg.matrix_power(fading, 50).any()
    assert not np.linalg.matrix_power(A, 3).any()
