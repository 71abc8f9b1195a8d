"""The textbook loop of a selection, token by token: the second route, which shares no line with the first."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.memory.selection import Selection


def by_hand(surprise: Any, choice: Selection, seq_idx: Any = None) -> np.ndarray:
    """Places (*b, T, M) that each query sees, as `eidetic` gives them."""
    surprise = np.asarray(surprise, dtype=float)
    *batch, T = surprise.shape
    places = np.full((*batch, T, choice.capacity), -1)
    for row in np.ndindex(*batch):
        names = np.zeros(T) if seq_idx is None else np.asarray(seq_idx)[row]
        cuts = [0, *(t for t in range(1, T) if names[t] != names[t - 1]), T]
        for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
            for t, shown in enumerate(_document(surprise[row][start:stop], choice)):
                places[row][start + t, : len(shown)] = [start + j for j in shown]
    return places


def _document(s: np.ndarray, choice: Selection) -> list[list[int]]:
    """What each query of one document sees."""
    memory: list[int] = []
    seen, shown, tested, admitted = [], [], [], 0
    for t in range(len(s)):
        token = t if choice.entry == "arrival" else t - choice.window
        last = (t + 1) % choice.chunk == 0
        if token >= 0:
            tested.append(token)
        entering = _entering(s, choice, memory, tested, last)
        if last or choice.rule != "top-of-chunk":
            tested = []
        for j in entering:
            admitted += 1
            _enter(s, choice, memory, j, admitted)
        if choice.visibility == "at-once":
            shown = memory
        seen.append([j for j in reversed(shown) if j <= t - choice.window])
        if last:
            shown = list(memory)
    return seen


def _entering(s: np.ndarray, choice: Selection, memory: list[int], tested: list[int], last: bool) -> list[int]:
    """Tokens that are admitted at a step, of those that were tested."""
    if choice.rule == "threshold":
        return [j for j in tested if s[j] > choice.threshold]
    if choice.rule == "running-top":
        room = len(memory) < choice.capacity
        return [j for j in tested if room or any(s[j] > s[i] for i in memory)]
    best = sorted(tested, key=lambda j: (-s[j], j))[: choice.count]
    return sorted(best) if last else []


def _enter(s: np.ndarray, choice: Selection, memory: list[int], j: int, admitted: int) -> None:
    """Put token j, the so manieth that is admitted, into the memory; one goes where it is full."""
    memory.append(j)
    if len(memory) <= choice.capacity:
        return
    if choice.eviction == "smallest":
        memory.remove(min(memory, key=lambda i: (s[i], i)))
    elif choice.eviction == "fifo":
        memory.pop(0)
    else:  # place 0 is that of the newest before j; a place that there is not stands for j
        place = int(np.random.default_rng([choice.seed, j]).random() * admitted)
        memory.pop(choice.capacity - 1 - place if place < choice.capacity else -1)
