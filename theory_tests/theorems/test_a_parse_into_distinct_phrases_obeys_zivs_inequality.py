"""Ziv's inequality: no memoryless law gives a sequence of c distinct phrases more than its number of phrases allows.

    log Q(x) <= - sum_l c(l) log c(l)           c(l) phrases of length l, for each law Q of independent symbols

(Cover and Thomas 2006, lemma 13.5.5, with no state.)  With the maximum of the entropy of a length of mean n / c,

    c log c / n <= - log Q(x) / n + (c / n) H,      H = m log m - (m - 1) log(m - 1),   m = n / c

so that c log c / n is at most the entropy in the limit, m being of the order log n.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realization.memory.selection.lempel_ziv import parse

# (n, c log2 c / n) of a coin with probability .1, whose entropy is .469 bits
FIGURES = {1_000: 0.762, 10_000: 0.614, 100_000: 0.581}


def most_likely(sequence):
    """log2 Q(x) for the memoryless law Q under which x is most likely: minus n times the empirical entropy."""
    _, n = np.unique(sequence, return_counts=True)
    return float((n * np.log2(n / n.sum())).sum())


def right_side(phrases):
    """- sum_l c(l) log2 c(l)."""
    _, c = np.unique([len(phrase) for phrase in phrases], return_counts=True)
    return -float((c * np.log2(c)).sum())


def distinct(sequence):
    """The phrases, without a last one that was there before."""
    phrases = parse(sequence)
    return phrases[:-1] if phrases[-1] in phrases[:-1] else phrases


@given(st.lists(st.integers(0, 2), min_size=1, max_size=300), st.integers(0, 2**32 - 1))
def test_no_law_gives_more(sequence, seed):
    """For the most likely law, hence for any; and for a law drawn at random."""
    phrases = distinct(sequence)
    told = [symbol for phrase in phrases for symbol in phrase]
    assert most_likely(told) <= right_side(phrases) + 1e-9
    p = np.random.default_rng(seed).dirichlet(np.ones(3))
    assert np.log2(p)[told].sum() <= right_side(phrases) + 1e-9


@given(st.lists(st.integers(0, 1), min_size=1, max_size=300))
def test_the_number_of_phrases_is_bounded_by_the_entropy(sequence):
    phrases = distinct(sequence)
    told = [symbol for phrase in phrases for symbol in phrase]
    n, c = len(told), len(phrases)
    m = n / c
    H = m * np.log2(m) - (m - 1) * np.log2(max(m - 1, 1e-300))
    assert c * np.log2(c) <= -most_likely(told) + c * H + 1e-9


def test_fails_for_phrases_that_repeat():
    """The control: single symbols are no distinct phrases, and a coin that always shows heads is certain of them."""
    phrases = [(0,)] * 8
    assert most_likely([0] * 8) == 0 > right_side(phrases)


def test_the_rate_comes_down_to_the_entropy_from_above():
    """Slowly, as log log n / log n: the direction is tested, and figures to the spread of a few draws."""
    entropy = -(0.1 * np.log2(0.1) + 0.9 * np.log2(0.9))
    rates = []
    for n, figure in FIGURES.items():
        draws = [np.random.default_rng(seed).random(n) < 0.1 for seed in range(4)]
        counts = np.array([len(parse(draw.tolist())) for draw in draws])
        rates.append(np.mean(counts * np.log2(counts) / n))
        # the entropy of a draw has the standard deviation .95 / sqrt(n), and the rate follows it
        assert abs(rates[-1] - figure) < 4 * 0.95 / np.sqrt(n) + 0.01
    assert rates[0] > rates[1] > rates[2] > entropy
    fair = np.random.default_rng(0).integers(0, 2, 10_000).tolist()
    assert len(parse(fair)) * np.log2(len(parse(fair))) / 10_000 > 1, "the control: another entropy"
