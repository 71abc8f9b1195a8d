"""What a token weighs in an answer: against derivatives of the layer itself, which is linear in its values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.layers.bmojo import BMojo, contributions, sequential, stream
from realization.layers.fading import Diagonal, Identity
from realization.layers.recall import induction_layer
from realization.memory.planted import as_tokens, contexts, planted
from realization.memory.selection import InnovationTest, Selection, autoregression, symbol_counts
from realization.testing import seeds

T, D = 14, 4


def drawn(seed, mixer, capacity=3, window=3):
    rng = np.random.default_rng(seed)
    kept = Selection(capacity, window=window, entry="leaving", visibility="at-once")
    test = InnovationTest(autoregression(np.zeros((1, D, D))), "squared", kept)
    return BMojo.random(D, heads=2, window=window, mixer=mixer, test=test, rng=rng), rng.standard_normal((T, D))


@given(seeds, st.integers(0, T - 1))
def test_weights_are_those_of_the_answer(seed, step):
    """With one head and the values told apart: W v(j) = e_j, so the answer spells the weights out."""
    layer, x = drawn(seed, None)
    got = contributions(layer, x, step=step)
    q, k = (np.einsum("hkd,td->thk", w, x) for w in (layer.query_weight, layer.key_weight))
    seen = np.concatenate([got.window.tokens, got.selected.tokens])
    z = np.einsum("hk,jhk->hj", q[step], k[seen]) / np.sqrt(q.shape[-1])
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert np.allclose(np.concatenate([got.window.weights, got.selected.weights]), p.mean(axis=0), rtol=1e-12, atol=0)
    assert got.window.tokens.tolist() == list(range(max(0, step - 2), step + 1))
    places = sequential(layer, x).places[step]
    assert got.selected.tokens.tolist() == sorted(places[places >= 0])


@given(seeds, st.integers(0, T - 1))
def test_all_weights_sum_to_one_and_fading_ones_are_those_of_tokens_that_faded(seed, step):
    layer, x = drawn(seed, Diagonal.random(D, 3, rng=seed))
    got = contributions(layer, x, step=step)
    assert sum(share.weights.sum() for share in got) == pytest.approx(1, abs=1e-12)
    assert got.fading.tokens.tolist() == list(range(max(step - 2, 0)))
    assert (got.fading.weights > 0).all()


def test_one_mode_fades_geometrically():
    """Equal tokens and one fading token: of a state sum_s a^(j-s) the share of token s is a^(j-s) / sum."""
    mixer = Diagonal(log_decay=[np.log(0.5)], input_weight=np.ones((1, D)), output_weight=np.ones((D, 1)))
    layer = BMojo.random(D, heads=2, window=2, fading_width=1, mixer=mixer, rng=0)
    got = contributions(layer, np.ones((8, D)))
    share = 0.5 ** np.arange(5.0, -1, -1)
    assert np.allclose(got.fading.weights / got.fading.weights.sum(), share / share.sum(), rtol=1e-12)
    # the control: a memory without a past hands nothing on
    layer = BMojo.random(D, heads=2, window=2, fading_width=1, mixer=Identity(D), rng=0)
    assert np.flatnonzero(contributions(layer, np.ones((8, D))).fading.weights).tolist() == [5]


def test_an_induction_layer_reads_a_secret_out_of_its_memory():
    """Each letter that is held verbatim is told by the layer, and the layer without its memory does not know it."""
    M, w, d = 128, 32, 64
    right = {"with": [], "without": []}
    for seed in range(3):
        fact = planted(1200, 900, rng=seed)
        _, F = contexts(fact.text, width=d, rng=seed)

        def counted(tokens, state=None, *, begins=None, F=F):
            return symbol_counts(256)((tokens[..., 2 * d :] @ F.T).argmax(-1), state, begins=begins)

        kept = Selection(M, window=w, entry="leaving", visibility="at-once")
        test = InnovationTest(counted, "log-loss", kept)
        for letter in range(0, 12, 2):
            text = np.concatenate([fact.text, fact.secret[:letter]])
            x = as_tokens(text, width=d, rng=seed)
            layer = induction_layer(d, window=w, test=test)
            share = contributions(layer, x)
            for name, each in (("with", layer), ("without", induction_layer(d, window=w))):
                said = np.argmax(F @ stream(each, None, x)[0].y[-1, 2 * d :])
                if fact.place + letter in share.selected.tokens:
                    right[name].append(said == fact.secret[letter])
                    heaviest = share.selected.tokens[share.selected.weights.argmax()]
                    assert heaviest == fact.place + letter
    assert len(right["with"]) >= 5
    assert all(right["with"])
    assert np.mean(right["without"]) < 0.5, "the control"


def test_what_has_no_meaning_is_refused():
    layer, x = drawn(0, None)
    for tokens, step in ((x[None], -1), (x, T), (x[:0], -1)):
        with pytest.raises(ShapeError, match="one of their steps"):
            contributions(layer, tokens, step=step)
