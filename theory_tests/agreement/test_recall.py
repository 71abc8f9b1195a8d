"""Associative recall: the tasks are what they say, the models are their equations, and the orderings hold.

An accuracy over n questions is compared within 5 standard deviations of two binomial shares, which at equal
probabilities is exceeded once in two million: with p and q the shares found, 5 sqrt((p (1-p) + q (1-q)) / n + 1/n^2).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.layers.recall import (
    attention,
    constant,
    delta_rule,
    innovation,
    innovation_memory,
    linear_attention,
    models,
    random_memory,
    recent_memory,
    ridge,
    with_memory,
)
from realization.memory.recall import accuracy, embedded, multi_query, pairs_among_fillers, recalled
from realization.testing import seeds

SEEDS = range(10)


def margin(p, q, n):
    """Five standard deviations of p - q."""
    return 5 * np.sqrt((p * (1 - p) + q * (1 - q)) / n + 1 / n**2)


# The tasks ---------------------------------------------------------------------------------------


@given(seeds, st.integers(0, 12), st.integers(0, 5))
def test_a_pair_comes_once_and_fillers_are_of_few_types(seed, pairs, fillers):
    task = pairs_among_fillers(pairs, width=8, fillers=fillers, rng=seed)
    assert len(task.key) == (1 + fillers) * pairs
    kinds, times = np.unique(task.key, axis=0, return_counts=True)
    assert len(kinds) <= pairs + 4
    assert (times[1:].sum() if not pairs else times.sum()) == len(task.key)
    assert np.array_equal(task.key[task.place], task.query)
    assert np.array_equal(task.value[task.place], task.candidates[task.answer])
    for i, place in enumerate(task.place):
        assert (task.key == task.query[i]).all(axis=1).sum() == 1, place


@given(seeds, st.integers(0, 6), st.sampled_from(["random", "blank"]))
def test_every_key_is_asked_once_and_its_value_is_the_label(seed, pairs, fill):
    task = multi_query(pairs, 4 * pairs + 7, vocabulary=40, fill=fill, rng=seed)
    asked = np.flatnonzero(task.labels >= 0)
    told = dict(zip(task.tokens[: 2 * pairs : 2], task.tokens[1 : 2 * pairs : 2], strict=True))
    assert {int(task.tokens[t]): int(task.labels[t]) for t in asked} == told
    assert len(asked) == pairs
    assert (asked >= 2 * pairs).all()
    assert not (asked % 2).any()
    assert all(0 < k < 20 <= v < 40 for k, v in told.items())
    if fill == "blank":
        rest = np.delete(task.tokens[2 * pairs :], asked - 2 * pairs)
        assert not rest.any()


def test_questions_come_soon_and_late():
    """Weights (g + 1)^(a - 1): at a = 0.01 half of the first questions come in the first tenth of the places."""
    first = [np.flatnonzero(multi_query(1, 402, rng=seed).labels >= 0)[0] for seed in range(400)]
    gaps = (np.array(first) - 2) / 2
    weight = np.arange(1.0, 201) ** (0.01 - 1)
    share = weight[:20].sum() / weight.sum()
    assert abs((gaps < 20).mean() - share) < 5 * np.sqrt(share * (1 - share) / 400)
    assert abs((gaps < 20).mean() - 0.1) > 0.3, "the control: uniform they are not"


def test_an_embedded_token_is_tied_to_the_next():
    task = multi_query(5, 40, vocabulary=200, fill="blank", rng=3)
    asked = embedded(task, rng=4)
    assert np.array_equal(asked.value[:-1], asked.key[1:])
    assert not asked.key[0].any()
    assert np.array_equal(asked.at, np.flatnonzero(task.labels >= 0) + 1)
    assert np.array_equal(asked.value[asked.place], asked.candidates[asked.answer])
    assert np.array_equal(asked.key[asked.place], asked.query)
    assert (asked.place < asked.at - 1).all()


# The models against their equations ---------------------------------------------------------------


def looped(kind, key, value, query, at, *, decay=1.0, window=None, beta=12.0, penalty=0.02):
    """Token by token, question by question."""
    read = np.zeros((len(query), value.shape[1]))
    for i, (q, n) in enumerate(zip(query, at, strict=True)):
        if kind == "attention":
            seen = range(max(0, n - window), n)
            weight = np.exp([beta * key[j] @ q for j in seen])
            read[i] = sum((w * value[j] for w, j in zip(weight, seen, strict=True)), np.zeros(value.shape[1]))
            read[i] /= weight.sum() or 1
        elif kind == "ridge":
            H = sum((np.outer(k, k) for k in key[:n]), np.zeros((key.shape[1],) * 2))
            c = penalty * np.sqrt((H**2).sum())
            stacked = np.concatenate([key[:n], np.sqrt(c) * np.eye(key.shape[1])])
            aimed = np.concatenate([value[:n], np.zeros((key.shape[1], value.shape[1]))])
            read[i] = q @ np.linalg.lstsq(stacked, aimed, rcond=None)[0]
        else:
            S = np.zeros((value.shape[1], key.shape[1]))
            for k, v in zip(key[:n], value[:n], strict=True):
                S = decay * S
                S = S + np.outer(v - (S @ k if kind == "delta" else 0), k)
            read[i] = S @ q
    return read


def drawn(seed, T=12, d=5, e=3, n=6):
    """Anything: not of norm 1, asked in no order, after no token at all too."""
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((T, d)) / 2,
        rng.standard_normal((T, e)),
        rng.standard_normal((n, d)),
        rng.integers(0, T + 1, n),
    )


@given(seeds, st.integers(0, 14))
def test_attention_sees_the_window_before_the_question(seed, window):
    data = drawn(seed)
    want = looped("attention", *data, window=window)
    assert np.allclose(attention(window)(*data), want, rtol=0, atol=1e-12)
    assert np.array_equal(attention(None)(*data), attention(12)(*data))


@given(seeds, st.sampled_from([1.0, 0.98, 0.5]))
def test_linear_attention_is_its_loop(seed, decay):
    data = drawn(seed)
    assert np.allclose(linear_attention(decay)(*data), looped("linear", *data, decay=decay), rtol=0, atol=1e-12)


@given(seeds, st.sampled_from([1.0, 0.98, 0.5]))
def test_the_delta_rule_and_its_innovations_are_one_loop(seed, decay):
    """For keys of norm at most 1, or the rule is unstable."""
    key, value, query, at = drawn(seed)
    key = key / np.maximum(np.linalg.norm(key, axis=1, keepdims=True), 1)
    want = looped("delta", key, value, query, at, decay=decay)
    assert np.allclose(delta_rule(decay)(key, value, query, at), want, rtol=0, atol=1e-12)
    before = looped("delta", key, value, key, np.arange(len(key)), decay=decay)
    assert np.allclose(innovation(decay)(key, value), ((value - before) ** 2).sum(axis=1), rtol=0, atol=1e-12)


@given(seeds, st.integers(0, 5), st.integers(0, 5))
def test_a_memory_holds_the_largest_of_what_the_window_has_left(seed, window, capacity):
    """Against sorting: statistics without ties, and so the same set in whatever way it was found."""
    key, value, query, at = drawn(seed)
    s = np.random.default_rng(seed).permutation(len(key)).astype(float)
    read = with_memory(lambda k, v: s, innovation_memory(capacity, window))(key, value, query, at)
    for i, n in enumerate(at):
        old = max(n - window, 0)
        seen = [*np.argsort(-s[:old])[:capacity], *range(old, n)]
        weight = np.exp(12.0 * key[seen] @ query[i])
        want = weight @ value[seen] / (weight.sum() or 1)
        assert np.allclose(read[i], want, rtol=0, atol=1e-12)


@given(seeds, st.integers(0, 5), st.integers(0, 5))
def test_first_in_first_out_is_a_longer_window(seed, window, capacity):
    data = drawn(seed)
    read = with_memory(constant, recent_memory(capacity, window))(*data)
    assert np.allclose(read, attention(window + capacity)(*data), rtol=0, atol=1e-12)


@given(seeds)
def test_ridge_is_least_squares_with_a_penalty(seed):
    """Against the stacked least-squares problem; its condition is at most sqrt(51), so no digit is lost."""
    key, value, query, at = drawn(seed)
    at = np.maximum(at, 1)
    assert np.allclose(ridge()(key, value, query, at), looped("ridge", key, value, query, at), rtol=0, atol=1e-11)


# The orderings ------------------------------------------------------------------------------------


def tasks(pairs, seeds=SEEDS):
    return [pairs_among_fillers(pairs, rng=seed) for seed in seeds]


def test_attention_recalls_what_it_sees():
    """Every pair in the window, and of the others what chance gives, one in N."""
    right, held = [], []
    for task in tasks(64):
        right.append(recalled(attention(32), task))
        held.append(task.place >= task.at - 32)
        assert recalled(attention(), task).all()
    right, held = np.concatenate(right), np.concatenate(held)
    assert right[held].all()
    missed = right[~held]
    assert missed.mean() < 1 / 64 + margin(1 / 64, 0, len(missed))
    assert 0 < held.mean() < 0.2


def test_sums_collapse_and_ridge_holds_as_many_as_it_has_dimensions():
    """Linear attention adds up the fillers, which drown the pairs; every linear memory ends beyond d = 64."""
    few, many = tasks(32), tasks(512, range(2))
    n = 32 * len(few)
    full, summed, solved = (accuracy(model, few) for model in (attention(), linear_attention(), ridge()))
    assert full == 1
    assert solved > summed + margin(solved, summed, n)
    assert solved > 0.9
    for model in (linear_attention(), ridge()):
        assert accuracy(model, many) < 0.5
    assert accuracy(attention(), many) == 1, "the control: it is not the task that has no answer"


SIZES = [(16, 16, 16), (32, 32, 32), (64, 32, 64)]  # pairs, window, places


@pytest.mark.parametrize("pairs, window, places", SIZES)
def test_with_as_many_places_as_pairs_an_innovation_test_recalls_nearly_all(pairs, window, places):
    """full >= innovation >> random, recent, window; what is held at random is (w + M) / T, and chance adds 1 / N."""
    given = tasks(pairs)
    n = pairs * len(given)
    p = {name: accuracy(model, given) for name, model in models(window, places).items()}
    assert p["full attention"] == 1
    assert p["innovation"] >= 1 - 4 / pairs - margin(p["innovation"], 1, n), "4 places may go to the fillers' types"
    for name in ("random", "recent", "window", "no predictor"):
        held = (window + (places if name != "window" else 0)) / (8 * pairs)
        expected = held + (1 - held) / pairs
        assert p["innovation"] > p[name] + margin(p["innovation"], p[name], n)
        assert abs(p[name] - expected) < margin(p[name], expected, n)
    assert p["ridge"] > p["linear"] + margin(p["ridge"], p["linear"], n)
    assert p["delta rule"] > p["linear"] + margin(p["delta rule"], p["linear"], n)
    assert p["delta rule"] > p["gated delta rule"] + margin(p["delta rule"], p["gated delta rule"], n)


def test_accuracy_rises_with_the_places_until_there_is_one_for_each_pair():
    """Half of the places give about half, and once the 4 types of fillers have theirs too, all is held."""
    given, n = tasks(32), 32 * len(SEEDS)
    places = (0, 8, 16, 24, 32, 36, 64)
    p = [accuracy(with_memory(innovation(), innovation_memory(M, 16)), given) for M in places]
    for i in range(len(p) - 1):
        assert p[i + 1] >= p[i] - margin(p[i], p[i + 1], n) / 5, "one standard deviation: the tasks are the same"
    assert p[3] > p[1] + margin(p[3], p[1], n)
    assert p[-1] > 0.95
    assert abs(p[-1] - p[-2]) < 0.05
    # the control: a memory filled at random keeps on rising, a place for each token of the 256
    q = [accuracy(with_memory(constant, random_memory(M, 16)), given) for M in (36, 64, 240)]
    assert q[1] < 0.5 < q[2] == 1


def test_a_predictor_that_predicts_nothing_selects_nothing():
    """The control of the whole study: the same rule with s = 0 holds what came first, no better than at random."""
    given, n = tasks(32), 32 * len(SEEDS)
    blind, drawn_ = (
        accuracy(with_memory(constant, make(32, 32)), given) for make in (innovation_memory, random_memory)
    )
    assert abs(blind - drawn_) < margin(blind, drawn_, n)


def test_multi_query_recall_is_kept_where_the_rest_repeats():
    """16 pairs, asked at uniform times among blanks; 64 places, for a pair and a question are two new tokens each.

    With random words between the questions every token is new, and the test has nothing to tell them by.
    """
    rates = {}
    for fill in ("blank", "random"):
        asked = [embedded(multi_query(16, 512, power=1.0, fill=fill, rng=seed), width=128, rng=seed) for seed in SEEDS]
        late = [task.at - task.place > 128 for task in asked]
        n = int(sum(map(np.sum, late)))
        for name, model in {
            "full": attention(beta=24.0),
            "kept": with_memory(innovation(), innovation_memory(68, 16), beta=24.0),
            "drawn": with_memory(constant, random_memory(68, 16), beta=24.0),
            "window": attention(16, beta=24.0),
        }.items():
            found = [recalled(model, task)[far] for task, far in zip(asked, late, strict=True)]
            rates[fill, name] = np.concatenate(found).mean()
    assert n > 100
    assert min(rates["blank", "full"], rates["random", "full"]) > 0.95
    assert rates["blank", "kept"] > rates["blank", "drawn"] + margin(rates["blank", "kept"], rates["blank", "drawn"], n)
    assert rates["blank", "kept"] > 0.9
    assert max(rates["blank", "window"], rates["random", "window"]) < 0.2
    assert rates["random", "kept"] < 0.5, "the control"


# Bad and empty input ------------------------------------------------------------------------------


def test_nothing_told_and_nothing_asked_is_legal():
    empty = pairs_among_fillers(0, rng=0)
    for model in models(3, 2).values():
        assert recalled(model, empty).shape == (0,)
    with pytest.raises(ShapeError, match="no task asks anything"):
        accuracy(attention(), [empty])
    assert recalled(lambda key, value, query, at: 0 * query, pairs_among_fillers(1, rng=0)).tolist() == [False]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: pairs_among_fillers(-1), "pairs=-1"),
        (lambda: pairs_among_fillers(2, types=0), "a type for the fillers"),
        (lambda: multi_query(4, 15), "a length of 4 pairs"),
        (lambda: multi_query(4, 64, vocabulary=8), "more than 2 pairs of words"),
        (lambda: multi_query(1, 8, fill="noise"), "'random' or 'blank'"),
        (lambda: recalled(lambda k, v, q, at: q[:, :3], pairs_among_fillers(2, rng=0)), r"shape \(2, 3\)"),
        (lambda: recalled(lambda k, v, q, at: q + np.nan, pairs_among_fillers(2, rng=0)), "finite numbers"),
        (
            lambda: recalled(with_memory(lambda k, v: [0.0], innovation_memory(1, 1)), pairs_among_fillers(2, rng=0)),
            "one number for each of 16 tokens",
        ),
    ],
)
def test_what_has_no_meaning_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
