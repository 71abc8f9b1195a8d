"""The same selection from its definition, one token after the other and with nothing shared: the second route.

Lists of pairs (s, j) and `min`, `sorted`, `default_rng`, in the words of `Selection`; slow, and for one sequence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realization.memory.selection.choice import Selection

Token = tuple[float, int]


def direct(surprise: Sequence[float], selection: Selection, seq_idx: Sequence[int] | None = None) -> list[list[int]]:
    """What each query sees of the memory.

    Parameters
    ----------
    surprise : sequence of float
        s(0), ..., s(T - 1).
    selection : Selection
        The choice.
    seq_idx : sequence of int, optional
        The document of each token.

    Returns
    -------
    list of list of int
        For each query the positions that it sees, newest first, and -1 up to the capacity.

    Examples
    --------
    >>> direct([3.0, 1.0, 2.0], Selection(2, visibility="at-once"))
    [[0, -1], [1, 0], [2, 0]]
    """
    seen: list[list[int]] = []
    for first, last in _documents(len(surprise), seq_idx if selection.forget else None):
        seen += _document(surprise[first:last], selection, first)
    return [[*places, *[-1] * (selection.capacity - len(places))] for places in seen]


def _documents(T: int, seq_idx: Sequence[int] | None) -> list[tuple[int, int]]:
    """First and last + 1 of each."""
    cuts = [] if seq_idx is None else [t for t in range(1, T) if seq_idx[t] != seq_idx[t - 1]]
    return list(zip([0, *cuts], [*cuts, T], strict=True))


def _document(surprise: Sequence[float], selection: Selection, first: int) -> list[list[int]]:
    memory: list[Token] = []
    admitted: list[Token] = []
    shown: list[Token] = []
    seen = []
    wait = selection.window if selection.entry == "leaving" else 0
    for t in range(len(surprise)):
        for s, j in _admitted(surprise, t, wait, memory, selection):
            admitted.append((s, j))
            memory = _kept([*memory, (s, j)], len(admitted), selection)
        now = memory if selection.visibility == "at-once" else shown
        seen.append([first + j for _, j in reversed(now) if j <= t - selection.window])
        if (t + 1) % selection.chunk == 0:
            shown = memory
    return seen


def _admitted(surprise: Sequence[float], t: int, wait: int, memory: list[Token], selection: Selection) -> list[Token]:
    """The tokens that step t admits, in order of index."""
    newest = t - wait
    if selection.rule == "top-of-chunk":
        if (t + 1) % selection.chunk:
            return []
        tested = range(max(newest + 1 - selection.chunk, 0), newest + 1)
        largest = sorted(tested, key=lambda j: (-surprise[j], j))[: selection.count]
        return [(surprise[j], j) for j in sorted(largest)]
    if newest < 0:
        return []
    s = surprise[newest]
    if selection.rule == "threshold":
        return [(s, newest)] if s > (selection.threshold or 0.0) else []
    room = len(memory) < selection.capacity
    return [(s, newest)] if room or (memory and s > min(s for s, _ in memory)) else []


def _kept(memory: list[Token], admissions: int, selection: Selection) -> list[Token]:
    """The memory after the newcomer, its last token, has come in."""
    M = selection.capacity
    if len(memory) <= M:
        return memory
    if selection.eviction == "smallest":
        out = memory.index(min(memory))  # of equals the smaller index
    elif selection.eviction == "fifo":
        out = 0
    else:
        position = memory[-1][1]
        place = int(np.random.default_rng([selection.seed, position]).random() * admissions)
        out = M - 1 - place if place < M else M
    return memory[:out] + memory[out + 1 :]
