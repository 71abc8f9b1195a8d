"""Real text with a fact planted in it: a cue that is followed by a secret once, long before the cue comes again.

    ... source of a module ...  cue secret  ... more source ...  cue ?

The text is source of Python's standard library, byte by byte, so nothing is downloaded.  A byte is tied to the m
bytes before it, its context, through fixed random signs:

    k(t) = E_1[x(t-1)] o E_2[x(t-2)] o ... o E_m[x(t-m)] / sqrt(d),      v(t) = F[x(t)] / sqrt(d)

Equal contexts have equal keys, and those of different ones are perpendicular up to about 1 / sqrt(d): what an n-gram
table does by hashing, without training.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.memory.recall import Recall
from realization.memory.selection import statistic, symbol_counts

# Its last six bytes, the default context, stand in no module of the library, or the question had two answers.
CUE = b"\n# The word that opens vault 7 is "
LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", np.uint8)


class Planted(NamedTuple):
    """A text with a fact in it.

    Parameters
    ----------
    text : ndarray of uint8
        (T,), ending with the cue.
    secret : ndarray of uint8
        (n,), what followed the cue when it came first.
    place : int
        Index of the secret's first byte in the text.
    """

    text: np.ndarray
    secret: np.ndarray
    place: int


def source_text(length: int, *, seed: Any = 0) -> np.ndarray:
    """Return `length` bytes of one source file of the standard library.

    Parameters
    ----------
    length : int
        T >= 0.
    seed : seed or numpy.random.Generator
        Which file, and where in it.

    Returns
    -------
    ndarray of uint8
        (T,).

    Raises
    ------
    ShapeError
        If the length is negative, or no file is as long.

    Examples
    --------
    >>> source_text(100, seed=1).shape
    (100,)
    """
    rng = np.random.default_rng(seed)
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    long_enough = [path for path in sources if path.stat().st_size >= length >= 0]
    if not long_enough:
        raise ShapeError(f"length is {length}; not below 0, and no longer than a source file of the library, is needed")
    content = np.frombuffer(long_enough[rng.integers(len(long_enough))].read_bytes(), np.uint8)
    start = rng.integers(content.size - length + 1)
    return content[start : start + length]


def planted(length: int, distance: int, *, letters: int = 12, rng: Any = None) -> Planted:
    """Plant a secret of random letters `distance` bytes before the end of a text, and repeat its cue at the end.

    Parameters
    ----------
    length : int
        T.
    distance : int
        From the secret's first byte to the end.
    letters : int
        n, of the secret.
    rng : seed or numpy.random.Generator
        Of the text and of the secret.

    Returns
    -------
    Planted
        text, secret and place.

    Raises
    ------
    ShapeError
        If cue, secret and the cue at the end do not fit.

    Examples
    --------
    >>> fact = planted(600, 400, rng=0)
    >>> told = fact.text[fact.place - len(CUE) : fact.place + 12].tobytes()
    >>> told == CUE + fact.secret.tobytes(), fact.text.tobytes().endswith(CUE)
    (True, True)
    """
    rng = np.random.default_rng(rng)
    cue, place = np.frombuffer(CUE, np.uint8), length - distance
    if not len(cue) <= place <= length - letters - len(cue):
        raise ShapeError(
            f"length={length}, distance={distance}, letters={letters} given; {len(cue)} bytes of cue before the "
            "secret, and as many after it, are needed"
        )
    secret, text = rng.choice(LETTERS, letters), source_text(length, seed=rng).copy()
    text[place - len(cue) : place], text[place : place + letters], text[length - len(cue) :] = cue, secret, cue
    return Planted(text, secret, place)


def asked(fact: Planted, *, order: int = 6, width: int = 128, rng: Any = None) -> Recall:
    """The text as associations of contexts with bytes, and the secret, letter by letter, as what is asked.

    Parameters
    ----------
    fact : Planted
        The text.
    order, width : int
        m and d.
    rng : seed or numpy.random.Generator
        Of the signs.

    Returns
    -------
    Recall
        Each letter is asked after the whole text, with the cue and the right letters before it as its context.
        The candidates are all 256 bytes.

    Examples
    --------
    >>> task = asked(planted(600, 400, rng=0), rng=1)
    >>> task.key.shape, task.query.shape, np.allclose(task.key[task.place], task.query)
    ((600, 128), (12, 128), True)
    """
    T, n = len(fact.text), len(fact.secret)
    before, F = contexts(np.concatenate([fact.text, fact.secret]), order=order, width=width, rng=rng)
    place = fact.place + np.arange(n)
    return Recall(before[:T], F[fact.text], before[T : T + n], np.full(n, T), F, fact.secret.astype(int), place)


def contexts(text: np.ndarray, *, order: int = 6, width: int = 128, rng: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """k(t) of the contexts before each byte and after the last, and F / sqrt(d) of all bytes.

    Parameters
    ----------
    text : ndarray of uint8
        (T,).
    order, width : int
        m and d.
    rng : seed or numpy.random.Generator
        Of the signs.

    Returns
    -------
    keys : ndarray
        (T + 1, d), of norm 1; before the text stand zero bytes.
    bytes : ndarray
        (256, d), likewise.

    Examples
    --------
    >>> keys, _ = contexts(np.frombuffer(b"to be to be", np.uint8), order=3, rng=0)
    >>> bool((keys[5] == keys[11]).all()), bool((keys[4] == keys[5]).any())
    (True, True)
    """
    signs = np.random.default_rng(rng).choice([-1.0, 1.0], (order + 1, 256, width))
    padded = np.concatenate([np.zeros(order, np.uint8), text])
    past = [signs[i][padded[order - i : len(padded) - i + 1]] for i in range(1, order + 1)]
    return np.prod(past, axis=0) / width**0.5, signs[0] / width**0.5


def as_tokens(text: np.ndarray, *, order: int = 6, width: int = 128, rng: Any = None) -> np.ndarray:
    """Tokens from which a layer can read what to look for: (k(t), k(t+1), v(t)), a byte between its two contexts.

    Parameters
    ----------
    text : ndarray of uint8
        (T,).
    order, width : int
        m and d.
    rng : seed or numpy.random.Generator
        Of the signs.

    Returns
    -------
    ndarray
        (T, 3 d).

    Examples
    --------
    >>> as_tokens(np.frombuffer(b"abc", np.uint8), width=8, rng=0).shape
    (3, 24)
    """
    before, F = contexts(text, order=order, width=width, rng=rng)
    return np.concatenate([before[:-1], before[1:], F[text]], axis=1)


def log_loss(text: np.ndarray, *, order: int = 0) -> np.ndarray:
    """-log p(x(t) | the m bytes before), p by the counts so far (Krichevsky and Trofimov): next-token surprise.

    Parameters
    ----------
    text : ndarray of uint8
        (T,).
    order : int
        m.

    Returns
    -------
    ndarray
        (T,), in nats.

    Examples
    --------
    What comes again is expected:

    >>> bool((np.diff(log_loss(np.frombuffer(b"aaaa", np.uint8))) < 0).all())
    True
    """
    told = symbol_counts(256, order=order)(text)
    return statistic("log-loss", told.target, told.prediction).surprise
