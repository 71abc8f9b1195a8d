"""Associative recall: tokens tie keys to values, and a model is asked for the value of a key.

    token t: k(t) -> v(t),      asked q after n tokens: the candidate c with the largest <c, read(q, n)>

Three tasks of this form, none of which trains anything: pairs among fillers, the multi-query task of the Zoology
paper, and text in which a fact was planted (`memory.planted`).  A model is a callable

    model(key (T, d), value (T, d), query (n, d), at (n,)) -> read (n, e)

where query i may use the first at[i] tokens; those of the library are in `layers.recall`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed

Model = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recall(Sealed):
    """Associations in their order, and what is asked about them.

    Parameters
    ----------
    key, value : ndarray
        k and v, (T, d) and (T, e).
    query : ndarray
        (n, d).
    at : ndarray of int
        (n,): how many tokens have been seen when query i is asked.
    candidates : ndarray
        (c, e), among which the answers are.
    answer : ndarray of int
        (n,): the right candidate.
    place : ndarray of int
        (n,): the token that holds the answer.
    """

    key: np.ndarray
    value: np.ndarray
    query: np.ndarray
    at: np.ndarray
    candidates: np.ndarray
    answer: np.ndarray
    place: np.ndarray


class Tokens(NamedTuple):
    """A sequence of tokens (T,) and what has to be said after each of them (T,); -1 where nothing is asked."""

    tokens: np.ndarray
    labels: np.ndarray


def recalled(model: Model, task: Recall) -> np.ndarray:
    """Return which questions a model answers: argmax_c <c, read> is the right candidate.

    Parameters
    ----------
    model : callable
        (key, value, query, at) -> read (n, e).
    task : Recall
        What is asked.

    Returns
    -------
    ndarray of bool
        (n,); their mean is the accuracy.  A model that reads nothing (0 for all candidates) is wrong.

    Raises
    ------
    ShapeError
        If what it reads has another shape, or is not finite.

    Examples
    --------
    >>> task = pairs_among_fillers(4, rng=0)
    >>> look = lambda key, value, query, at: value[(query @ key.T).argmax(axis=1)]
    >>> recalled(look, task).all()
    np.True_
    """
    read = np.asarray(model(task.key, task.value, task.query, task.at))
    shape = (len(task.query), task.candidates.shape[1])
    if read.shape != shape or not np.isfinite(read).all():
        raise ShapeError(f"the model has read an array of shape {read.shape}; finite numbers of {shape} are needed")
    likeness = read @ task.candidates.T
    said = likeness.argmax(axis=1) if len(task.candidates) else task.answer
    return (said == task.answer) & read.any(axis=1)


def accuracy(model: Model, tasks: Any) -> float:
    """Return the share of all questions of some tasks that a model answers.

    Parameters
    ----------
    model : callable
        As for `recalled`.
    tasks : iterable of Recall
        With one question at least.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ShapeError
        If nothing is asked.

    Examples
    --------
    >>> silent = lambda key, value, query, at: 0 * query
    >>> accuracy(silent, [pairs_among_fillers(4, rng=seed) for seed in range(3)])
    0.0
    """
    right = np.concatenate([np.zeros(0, bool), *(recalled(model, task) for task in tasks)])
    if not right.size:
        raise ShapeError("no task asks anything; one question at least is needed")
    return float(right.mean())


def pairs_among_fillers(pairs: int, *, width: int = 64, fillers: int = 7, types: int = 4, rng: Any = None) -> Recall:
    """N pairs to be recalled, hidden among r N fillers of few types; all N keys are asked for after the last token.

    A type is an association as a pair is, and each filler repeats one of the types, drawn with equal probability:
    what comes again can be predicted, a pair, which comes once, cannot.  Keys and values are directions drawn
    uniformly from the sphere, and the order of the (1 + r) N tokens is a uniform permutation.

    Parameters
    ----------
    pairs, width : int
        N and d.
    fillers, types : int
        r, how many fillers there are for each pair, and of how many types.
    rng : seed or numpy.random.Generator
        The only source of randomness.

    Returns
    -------
    Recall
        T = (1 + r) N, the candidates are the values of the pairs.

    Raises
    ------
    ShapeError
        If a number is negative, or there are fillers and no types.

    Examples
    --------
    >>> task = pairs_among_fillers(16, rng=0)
    >>> task.key.shape, len(np.unique(task.key, axis=0)), set(task.at.tolist())
    ((128, 64), 20, {128})
    """
    if min(pairs, width, fillers, types) < 0 or (pairs * fillers and not types):
        raise ShapeError(
            f"pairs={pairs}, width={width}, fillers={fillers}, types={types} given; "
            "none below 0, and a type for the fillers, are needed"
        )
    rng = np.random.default_rng(rng)
    key, value = directions(rng, 2, pairs + types, width)
    filler = pairs + rng.integers(max(types, 1), size=fillers * pairs)
    kind = rng.permutation(np.concatenate([np.arange(pairs), filler]))
    asked, at = np.arange(pairs), np.full(pairs, len(kind))
    place = np.argsort(kind, kind="stable")[:pairs]
    return Recall(key[kind], value[kind], key[:pairs], at, value[:pairs], asked, place)


def multi_query(
    pairs: int, length: int, *, vocabulary: int = 8192, power: float = 0.01, fill: str = "random", rng: Any = None
) -> Tokens:
    """Multi-query associative recall: k1 v1 ... kN vN, then each key once more, where its value has to be said.

    The keys come back at even distances 2 g from the end of the pairs, g drawn without replacement with weights
    (g + 1)^(power - 1): most soon, some late.

    Parameters
    ----------
    pairs, length : int
        N and T >= 4 N.
    vocabulary : int
        Keys are drawn from 1 ... V/2 - 1, values from V/2 ... V - 1, each once.
    power : float
        Small for a heavy tail.
    fill : {"random", "blank"}
        What stands between the questions: tokens drawn from the whole vocabulary, or 0.
    rng : seed or numpy.random.Generator
        The only source of randomness.

    Returns
    -------
    Tokens
        tokens and labels.

    Raises
    ------
    ShapeError
        If there is no room for the questions or no such fill, or the vocabulary is too small.

    References
    ----------
    Arora et al., Zoology: Measuring and Improving Recall in Efficient Language Models, 2023, arXiv 2312.04927.

    Examples
    --------
    >>> task = multi_query(2, 12, vocabulary=8, fill="blank", rng=0)
    >>> task.tokens.tolist(), task.labels.tolist()
    ([2, 5, 3, 4, 2, 0, 0, 0, 3, 0, 0, 0], [-1, -1, -1, -1, 5, -1, -1, -1, 4, -1, -1, -1])
    """
    half = vocabulary // 2
    if not 0 <= 4 * pairs <= length or half <= pairs or fill not in ("random", "blank"):
        raise ShapeError(
            f"pairs={pairs}, length={length}, vocabulary={vocabulary}, fill={fill!r} given; a length of 4 pairs, more "
            "than 2 pairs of words, and 'random' or 'blank' are needed"
        )
    rng = np.random.default_rng(rng)
    keys = rng.choice(np.arange(1, half), pairs, replace=False)
    values = rng.choice(np.arange(half, vocabulary), pairs, replace=False)
    weight = np.arange(1.0, (length - 2 * pairs) // 2 + 1) ** (power - 1)
    gaps = rng.choice(len(weight), pairs, replace=False, p=weight / weight.sum()) if pairs else np.zeros(0, int)
    tokens, labels = np.zeros(length, int), np.full(length, -1)
    if fill == "random":
        tokens[2 * pairs :] = rng.integers(vocabulary, size=length - 2 * pairs)
    tokens[0 : 2 * pairs : 2], tokens[1 : 2 * pairs : 2] = keys, values
    tokens[2 * pairs + 2 * gaps], labels[2 * pairs + 2 * gaps] = keys, values
    return Tokens(tokens, labels)


def embedded(task: Tokens, *, width: int = 64, rng: Any = None) -> Recall:
    """A sequence of tokens as associations of each token with the next: k(t) = E[token t-1], v(t) = E[token t].

    Parameters
    ----------
    task : Tokens
        What is to be said after a token is asked for when it has been seen.
    width : int
        d; the rows of E are directions drawn uniformly from the sphere.
    rng : seed or numpy.random.Generator
        The only source of randomness.

    Returns
    -------
    Recall
        Questions in their order; the candidates are the labels that occur.  k(0) = 0.

    Examples
    --------
    >>> task = embedded(multi_query(4, 32, rng=0), rng=1)
    >>> task.query.shape, np.array_equal(task.key[1:], task.value[:-1])
    ((4, 64), True)
    """
    words, word = np.unique(np.concatenate([task.tokens, task.labels]), return_inverse=True)
    E = directions(np.random.default_rng(rng), len(words), width)
    word, label = word[: len(task.tokens)], word[len(task.tokens) :]
    asked = np.flatnonzero(task.labels >= 0)
    candidates, answer = np.unique(label[asked], return_inverse=True)
    follows = (word[:-1] == word[asked, None]) & (word[1:] == label[asked, None])
    place = 1 + (follows & (np.arange(len(word) - 1) < asked[:, None])).argmax(axis=1) if len(asked) else asked
    key = np.concatenate([np.zeros((min(len(word), 1), width)), E[word[:-1]]])
    return Recall(key, E[word], E[word[asked]], asked + 1, E[candidates], answer, place)


def directions(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Unit vectors (*shape[:-1], d), uniform on the sphere."""
    x = rng.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)
