"""The parse of Ziv and Lempel: a phrase is stored where the memory of phrases fails to predict.

    1011010100010  ->  1, 0, 11, 01, 010, 00, 10

The memory is a dictionary of phrases.  Symbols are followed through it as long as they spell a phrase that it knows;
the first symbol that it does not know is the innovation: it ends the phrase, and the phrase is stored.  This is the
discrete ancestor of the innovation test: s(t) = 1 where the dictionary fails, and 0 elsewhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from realization.core.errors import ShapeError

Phrase = tuple[Hashable, ...]
Pair = tuple[int, Hashable]  # the number of the phrase that is continued, 0 for none; the symbol that continues it


def encode(sequence: Iterable[Hashable]) -> list[Pair]:
    """Return the phrases as pairs: each is an earlier phrase and one more symbol.

    Parameters
    ----------
    sequence : iterable of hashable
        Symbols.

    Returns
    -------
    list of tuple
        (number of the earlier phrase, counted from 1, or 0 for none; symbol).  Where the sequence ends within a
        phrase, the last one was there before.

    References
    ----------
    Ziv and Lempel 1978, IEEE TIT 24(5); Cover and Thomas 2006, 13.4.

    Examples
    --------
    >>> encode("1011010100010")
    [(0, '1'), (0, '0'), (1, '1'), (2, '1'), (4, '0'), (2, '0'), (1, '0')]
    >>> encode("aaaa")
    [(0, 'a'), (1, 'a'), (0, 'a')]
    """
    known: dict[Pair, int] = {}
    pairs: list[Pair] = []
    phrase, pair = 0, None
    for symbol in sequence:
        pair = (phrase, symbol)
        phrase = known.get(pair, 0)
        if not phrase:
            known[pair] = len(known) + 1
            pairs.append(pair)
    return [*pairs, pair] if phrase and pair is not None else pairs


def decode(pairs: Iterable[Pair]) -> list[Any]:
    """Return the sequence, the inverse of `encode`.

    Parameters
    ----------
    pairs : iterable of tuple
        As `encode` returns them.

    Returns
    -------
    list
        The symbols.

    Raises
    ------
    ShapeError
        If a pair continues a phrase that was not there before it.

    Examples
    --------
    >>> "".join(decode(encode("to be or not to be")))
    'to be or not to be'
    """
    return [symbol for phrase in _phrases(pairs) for symbol in phrase]


def parse(sequence: Iterable[Hashable]) -> list[Phrase]:
    """Return the phrases, each the shortest one that was not there before; the last one may be an exception.

    Parameters
    ----------
    sequence : iterable of hashable
        Symbols.

    Returns
    -------
    list of tuple
        They follow one another and make up the sequence.

    Examples
    --------
    >>> ["".join(phrase) for phrase in parse("1011010100010")]
    ['1', '0', '11', '01', '010', '00', '10']
    """
    return _phrases(encode(sequence))


def novelties(sequence: Sequence[Hashable]) -> np.ndarray:
    """Return s(t) = 1 where the dictionary of the phrases before fails to predict symbol t, 0 elsewhere.

    Parameters
    ----------
    sequence : sequence of hashable
        T symbols.

    Returns
    -------
    ndarray
        (T,): 1 where a new phrase ends.

    Examples
    --------
    >>> novelties("1011010100010").astype(int).tolist()
    [1, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1]
    """
    phrases = parse(sequence)
    s, ends = np.zeros(len(sequence)), np.cumsum([len(phrase) for phrase in phrases], dtype=int)
    s[ends - 1] = 1.0
    if phrases and phrases[-1] in phrases[:-1]:
        s[-1] = 0.0
    return s


def code_length(phrases: int, alphabet: int) -> int:
    """Return the bits of so many pairs: phrase j names one of j, with ceil(log2 j) bits, and a symbol.

    Parameters
    ----------
    phrases : int
        c >= 0.
    alphabet : int
        Number of symbols, >= 1.

    Returns
    -------
    int
        At most c (log2 c + 1) + c ceil(log2 A).

    Raises
    ------
    ShapeError
        If a number is out of range.

    Examples
    --------
    >>> code_length(len(parse("1011010100010")), 2)
    21
    """
    if phrases < 0 or alphabet < 1:
        raise ShapeError(f"phrases={phrases}, alphabet={alphabet} given; need >= 0 and >= 1")
    return sum((j - 1).bit_length() for j in range(1, phrases + 1)) + phrases * (alphabet - 1).bit_length()


def lzw(sequence: Iterable[Hashable], alphabet: Sequence[Hashable]) -> list[int]:
    """Return Welch's variant: the dictionary begins with the alphabet, and only numbers of phrases are sent.

    Parameters
    ----------
    sequence : iterable of hashable
        Symbols of the alphabet.
    alphabet : sequence of hashable
        A symbols, no two alike, numbered from 0; the phrases found follow.

    Returns
    -------
    list of int
        For each phrase its number; the phrase and the symbol after it enter the dictionary.

    Raises
    ------
    ShapeError
        If a symbol is not in the alphabet, or twice in it.

    References
    ----------
    Welch 1984, Computer 17(6).

    Examples
    --------
    >>> lzw("ababab", "ab")
    [0, 1, 2, 2]
    """
    known: dict[tuple[int | None, Hashable], int] = {(None, symbol): i for i, symbol in enumerate(alphabet)}
    if len(known) < len(alphabet):
        raise ShapeError(f"the alphabet has {len(alphabet)} symbols, {len(known)} of them different; a number is one's")
    phrases: list[int] = []
    phrase: int | None = None
    for symbol in sequence:
        if (None, symbol) not in known:
            raise ShapeError(f"{symbol!r} is no symbol of the alphabet of {len(alphabet)}")
        if phrase is not None and (phrase, symbol) not in known:
            phrases.append(phrase)
            known[phrase, symbol] = len(known)
            phrase = None
        phrase = known[phrase, symbol]
    return phrases if phrase is None else [*phrases, phrase]


def _phrases(pairs: Iterable[Pair]) -> list[Phrase]:
    phrases: list[Phrase] = [()]
    for number, symbol in pairs:
        if not 0 <= number < len(phrases):
            raise ShapeError(f"pair {len(phrases)} continues phrase {number}, but only those before it are known")
        phrases.append((*phrases[number], symbol))
    return phrases[1:]
