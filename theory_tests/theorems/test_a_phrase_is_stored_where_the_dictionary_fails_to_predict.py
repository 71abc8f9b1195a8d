"""The parse of Ziv and Lempel (1978) is an innovation test: an entry is stored only when the memory cannot predict it.

The surprise is 1 where the dictionary of phrases has no continuation by the symbol that came; with a threshold
between 0 and 1 what `select` admits are the ends of phrases.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.memory.selection import Selection, select
from realization.memory.selection.lempel_ziv import code_length, decode, encode, lzw, novelties, parse

sequences = st.lists(st.integers(0, 2), max_size=60)


def by_the_definition(sequence):
    """Each phrase is the shortest prefix of what is left that is not in the set of phrases."""
    phrases, start = [], 0
    while start < len(sequence):
        end = start + 1
        while tuple(sequence[start:end]) in phrases and end < len(sequence):
            end += 1
        phrases.append(tuple(sequence[start:end]))
        start = end
    return phrases


def test_the_known_answer():
    """Cover and Thomas 2006, 13.4.2."""
    assert ["".join(p) for p in parse("1011010100010")] == ["1", "0", "11", "01", "010", "00", "10"]
    assert encode("1011010100010") == [(0, "1"), (0, "0"), (1, "1"), (2, "1"), (4, "0"), (2, "0"), (1, "0")]
    assert parse("1011010100011") != parse("1011010100010"), "the control"


def test_the_known_answer_of_welch():
    """The sentence that is handed down with LZW, in its codes of the alphabet # A ... Z."""
    alphabet = "#ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert lzw("TOBEORNOTTOBEORTOBEORNOT#", alphabet) == [
        20, 15, 2, 5, 15, 18, 14, 15, 20, 27, 29, 31, 36, 30, 32, 34, 0,
    ]  # fmt: skip
    with pytest.raises(ShapeError, match="'b' is no symbol"):
        lzw("ab", "a")
    with pytest.raises(ShapeError, match="3 symbols, 2 of them different"):
        lzw("ab", "aab")  # b and the first phrase would have one number
    with pytest.raises(ShapeError, match="pair 2 continues phrase 2"):
        decode([(0, "a"), (2, "b")])


@given(sequences)
def test_the_parse_is_that_of_the_definition(sequence):
    phrases = parse(sequence)
    assert phrases == by_the_definition(sequence)
    assert decode(encode(sequence)) == sequence
    assert len(set(phrases[:-1])) == len(phrases[:-1]), "all but the last are distinct"


@given(sequences)
def test_what_is_admitted_are_the_ends_of_phrases(sequence):
    """And each entry is what lies between two of them: a phrase that was not there before."""
    s = novelties(sequence)
    admitted = select(s, Selection(len(sequence), rule="threshold", threshold=0.5, visibility="at-once")).admitted
    ends = np.flatnonzero(admitted)
    entries = [tuple(sequence[a:b]) for a, b in zip([0, *(ends + 1)], ends + 1, strict=False)]
    phrases = parse(sequence)
    assert entries == phrases[: len(entries)]
    assert len(set(entries)) == len(entries)
    assert phrases[len(entries) :] in ([], phrases[-1:]), "what is left was there before"
    assert all(phrase in entries for phrase in phrases[len(entries) :])


@given(sequences)
def test_the_surprise_is_causal(sequence):
    """The dictionary at t was made of symbols before t."""
    for t in range(len(sequence)):
        assert np.array_equal(novelties(sequence[: t + 1]), novelties(sequence)[: t + 1])


@given(sequences, st.integers(1, 3))
def test_of_a_code_the_lengths_add_up(sequence, alphabet):
    assert code_length(1, 2**53 + 1) == 54
    c = len(parse(sequence))
    want = sum(int(np.ceil(np.log2(j))) for j in range(1, c + 1)) + c * int(np.ceil(np.log2(alphabet)))
    assert code_length(c, alphabet) == want <= c * (np.log2(max(c, 1)) + 1) + c * np.ceil(np.log2(alphabet))


def test_a_period_is_learned_phrase_by_phrase_and_chance_is_not():
    """A period of p has p phrases of each length at most: c of them are c^2 / 2p symbols long, so c <= sqrt(2 p n) + p.

    A coin has about n / log2 n.
    """
    n, p = 9_999, 3
    coin = np.random.default_rng(0).integers(0, 2, n).tolist()
    assert len(parse([0, 1, 1] * (n // p))) <= np.sqrt(2 * p * n) + p
    assert len(parse(coin)) > n / np.log2(n) > 2 * (np.sqrt(2 * p * n) + p), "the control"


def test_nothing_and_one_symbol():
    assert parse("") == encode("") == lzw("", "a") == []
    assert novelties("").shape == (0,)
    assert code_length(0, 2) == 0
    assert novelties("a").tolist() == [1.0]
    assert novelties("aa").tolist() == [1.0, 0.0], "a phrase that is not finished was there before"
    with pytest.raises(ShapeError, match="phrases=-1"):
        code_length(-1, 2)
