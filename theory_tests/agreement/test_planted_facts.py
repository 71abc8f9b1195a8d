"""A fact planted in real text, far beyond the window: which memories still hold it when its cue comes again.

Letters of one text are no independent trials, so each text is one observation: means over texts are compared within
5 standard errors of their paired difference, and texts differ in source, secret and signs.
"""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.layers.recall import delta_rule, innovation_memory, linear_attention, text_models
from realization.memory.planted import CUE, asked, log_loss, planted, source_text
from realization.memory.recall import recalled
from realization.memory.selection import select
from realization.testing import seeds

T, WINDOW, PLACES, TEXTS = 2048, 64, 128, 12


@given(seeds, st.integers(0, 12), st.integers(100, 500))
def test_the_fact_stands_where_it_says(seed, letters, distance):
    fact = planted(600, distance, letters=letters, rng=seed)
    text, cue = fact.text.tobytes(), CUE
    assert fact.place == 600 - distance
    assert text[: fact.place].endswith(cue)
    assert text[fact.place :].startswith(fact.secret.tobytes())
    assert text.endswith(cue)
    assert text.count(cue) == text.count(cue[-6:]) == 2, "what is asked has one answer"


@given(seeds, st.integers(1, 5))
def test_equal_contexts_have_equal_keys_and_others_do_not(seed, order):
    """Unit vectors; those of contexts that differ are perpendicular up to 7 of their standard deviations 1/sqrt(d).

    By Hoeffding 2 exp(-49/2) = 5e-11 for a pair, of which 200 examples have 4e6.
    """
    fact = planted(200, 120, letters=6, rng=seed)
    task = asked(fact, order=order, width=512, rng=seed)
    assert np.allclose(np.linalg.norm(task.key, axis=1), 1)
    contexts = [fact.text[t - order : t].tobytes() for t in range(order, 200)]
    same = np.array([[a == b for a in contexts] for b in contexts])
    likeness = task.key[order:] @ task.key[order:].T
    assert np.allclose(likeness[same], 1)
    assert np.abs(likeness[~same]).max(initial=0) < 7 / 512**0.5
    assert np.allclose(task.key[task.place[0]], task.query[0])


@given(seeds)
def test_log_loss_is_that_of_counts(seed):
    """Krichevsky and Trofimov, letter by letter: (n + 1/2) / (t + 128)."""
    text = source_text(40, seed=seed)
    want = [-np.log(((text[:t] == x).sum() + 0.5) / (t + 128)) for t, x in enumerate(text)]
    assert np.allclose(log_loss(text), want, rtol=1e-13)


@functools.cache
def shares(distance):
    """Of each text the share of the secret that each memory recalls, and that its places hold: name -> (texts,)."""
    found = {}
    for seed in range(TEXTS):
        fact = planted(T, distance, rng=seed)
        task, kept = asked(fact, rng=seed), innovation_memory(PLACES, WINDOW)
        memories = text_models(fact, window=WINDOW, capacity=PLACES, rng=seed)
        memories |= {"linear": linear_attention(), "delta rule": delta_rule()}
        for name, model in memories.items():
            if seed >= 4 and name in ("linear", "delta rule"):  # the slow ones, and far below all others' differences
                continue
            found.setdefault(name, []).append(recalled(model, task).mean())
        held = np.isin(task.place, select(log_loss(fact.text), kept).places[-1])
        assert (recalled(memories["next-token surprise"], task) >= held).all(), "what is held verbatim is recalled"
    return {name: np.array(x) for name, x in found.items()}


def leads(x, y):
    """Whether x exceeds y by 5 standard errors of the paired difference."""
    return (x - y).mean() > 5 * (x - y).std(ddof=1) / len(x) ** 0.5


@pytest.mark.parametrize("distance", [1900, 1000, 400])
def test_what_was_hard_to_predict_is_held_at_any_distance(distance):
    p = shares(distance)
    assert p["full attention"].min() == 1
    for name in ("window", "recent", "random", "delta residual"):
        assert leads(p["next-token surprise"], p[name]), name
    for name in ("window", "recent", "linear", "delta rule"):
        assert p[name].mean() < 0.15, f"{name}: chance among 256 bytes, and of letters that the context gives away"


def test_a_test_is_as_good_as_its_predictor():
    """The control: 2048 contexts are too many for a delta rule of width 128, so its residual tells little."""
    p = {name: np.concatenate([shares(d)[name] for d in (1900, 1000, 400)]) for name in shares(400)}
    assert p["delta residual"].mean() < 0.5 * p["next-token surprise"].mean()


def test_what_has_no_meaning_is_refused():
    for call, message in (
        (lambda: planted(100, 20), "bytes of cue before the secret"),
        (lambda: planted(100, 99), "length=100, distance=99"),
        (lambda: source_text(-1), "length is -1"),
        (lambda: source_text(10**9), "no longer than a source file"),
    ):
        with pytest.raises(ShapeError, match=message):
            call()
    assert source_text(0).shape == (0,)
