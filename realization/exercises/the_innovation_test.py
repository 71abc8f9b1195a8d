"""Chapter "The innovation test": a threshold for a budget, what a query reads, and the most phrases of a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import chdtrc, chdtri

from realization.exercises import Exercise, ExerciseError, asked_numbers

CHANNELS, BUDGET = 3, 0.01
SURPRISE, PLACES, WINDOW = (5.0, 1.0, 7.0, 7.0, 2.0, 9.0, 3.0, 8.0), 3, 2
LENGTH = 34


def _judge_threshold(answer: Any) -> str:
    tau = float(asked_numbers("the answer", answer, ()))
    if tau <= 0:
        raise ExerciseError(f"the answer is {tau:.3g}; a statistic is never negative, and tau = 0 admits everything")
    rate = float(chdtrc(CHANNELS, tau))
    if abs(rate / BUDGET - 1) < 1e-2:
        return f"one token in {1 / rate:.0f}"
    if abs(tau / chdtri(1, BUDGET) - 1) < 1e-2:
        raise ExerciseError(f"that is the threshold for one channel; of three channels it admits {rate:.3f} of all")
    if abs(tau / chdtri(CHANNELS, 1 - BUDGET) - 1) < 1e-2:
        raise ExerciseError(f"that is the lower tail: it admits {rate:.2f} of all tokens, asked for is 0.01")
    raise ExerciseError(f"it admits {rate:.3g} of all tokens, asked for is 0.01: s has the law chi^2 with 3 degrees")


def _admitted(ties: int) -> list[int]:
    """Token by token from the definition: in goes what is larger than the smallest, of equals the oldest goes."""
    memory: list[int] = []
    for t, s in enumerate(SURPRISE):
        if len(memory) < PLACES:
            memory.append(t)
        elif s > min(SURPRISE[j] for j in memory):
            memory.remove(min(memory, key=lambda j: (SURPRISE[j], ties * j)))
            memory.append(t)
    return memory


def _judge_places(answer: Any) -> str:
    x = asked_numbers("the answer", answer)
    found, last = {int(j) for j in x.ravel() if j == int(j)}, len(SURPRISE) - 1
    held = _admitted(1)
    seen = {j for j in held if j <= last - WINDOW}
    if found == seen and len(x.ravel()) == len(seen):
        return f"the memory holds {sorted(held)}, and what lies in the window is read there and not twice"
    if found == set(held):
        raise ExerciseError(
            f"the memory holds {sorted(held)}, but {sorted(set(held) - seen)} lies in the window already"
        )
    if found == {j for j in _admitted(-1) if j <= last - WINDOW}:
        raise ExerciseError("tokens 2 and 3 have equal statistics: of equals the oldest has to go")
    if not found <= set(range(len(SURPRISE))):
        raise ExerciseError(f"the tokens are 0 to {last}")
    raise ExerciseError(f"the answer has {sorted(found)}; go through the tokens one by one: larger than the smallest?")


def _phrases(word: str) -> list[str]:
    """The shortest words that were not there before; what is left over at the end counts as well."""
    found: list[str] = []
    begin = 0
    for end in range(1, len(word) + 1):
        if word[begin:end] not in found:
            found.append(word[begin:end])
            begin = end
    return found + ([word[begin:]] if begin < len(word) else [])


def _most() -> int:
    """All words of length 1, then 2, ...: no k different words are shorter than the k shortest ones."""
    left, length, count = LENGTH, 1, 0
    while left >= length:
        fit = min(2**length, left // length)
        left, count, length = left - fit * length, count + fit, length + 1
    return count


def _judge_phrases(answer: Any) -> str:
    if not isinstance(answer, str) or set(answer) - {"0", "1"} or len(answer) != LENGTH:
        size = f", {len(answer)} characters" if isinstance(answer, str) else ""
        raise ExerciseError(f"the answer is {answer!r}{size}; a string of {LENGTH} characters 0 and 1 is asked for")
    found = _phrases(answer)
    if len(found) == _most():
        return f"{len(found)} phrases: every word of one, two and three symbols, {' '.join(found)}"
    raise ExerciseError(
        f"{len(found)} phrases, and {_most()} are possible: {' '.join(found[:6])} ...; use all short words before a "
        "longer one"
    )


EXERCISES = (
    Exercise(
        "threshold-for-a-budget",
        "Innovations of three channels, of known covariance, are tested by e' inv(Sigma) e > tau.  Which tau admits "
        "one token in a hundred?",
        _judge_threshold,
        lambda: float(chdtri(CHANNELS, BUDGET)),
        (
            (lambda: float(chdtri(1, BUDGET)), "for one channel"),
            (lambda: float(chdtri(CHANNELS, 1 - BUDGET)), "the lower tail"),
            (lambda: 3.0, "degrees"),
            (lambda: -1.0, "never negative"),
        ),
    ),
    Exercise(
        "what-the-last-query-reads",
        "Eight tokens have the statistics 5, 1, 7, 7, 2, 9, 3, 8.  A memory of three places keeps the largest so far, "
        "is seen at once, and the reader's window holds the last two tokens.  Which tokens, counted from 0, does the "
        "last query read from the memory?",
        _judge_places,
        lambda: np.array([j for j in _admitted(1) if j < len(SURPRISE) - WINDOW]),
        (
            (lambda: _admitted(1), "lies in the window already"),
            (lambda: [2, 5], "of equals the oldest"),
            (lambda: [2, 3, 5], "one by one"),
            (lambda: [9], "the tokens are 0 to 7"),
        ),
    ),
    Exercise(
        "most-phrases",
        "Write a sequence of 34 symbols 0 and 1 that Lempel and Ziv cut into as many phrases as possible.",
        _judge_phrases,
        lambda: "".join(f"{i:0{n}b}" for n in (1, 2, 3) for i in range(2**n)),
        (
            (lambda: "0" * LENGTH, "8 phrases"),
            (lambda: "01" * (LENGTH // 2), "short words"),
            (lambda: "abc", "34 characters"),
            (lambda: 3, "34 characters"),
        ),
    ),
)
