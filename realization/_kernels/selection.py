"""The memory of a reader, step by step: the one routine that every mode calls.

A row of the memory is a list, newest first: index[i] and statistic[i], -1 and 0 behind its end.  All that is done to
it is a scan and a shift, so that an admission costs M and a step no more than two; whatever the cut of the stream
into blocks, the same operations are done in the same order.

Axes: surprise, begins (B, T), places (B, T, M), states (B, ...).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization._kernels.draws import uniform
from realization._kernels.jit import jit, small

THRESHOLD, TOP_OF_CHUNK, RUNNING_TOP = 0, 1, 2
SMALLEST, FIFO, RESERVOIR = 0, 1, 2


@small
def filled(index: Any) -> int:
    """How many places of a list are taken."""
    n = 0
    while n < index.shape[0] and index[n] >= 0:
        n += 1
    return n


@small
def clear(index: Any, statistic: Any) -> None:
    """Empty a list."""
    for i in range(index.shape[0]):
        index[i], statistic[i] = -1, 0.0


@small
def push(index: Any, statistic: Any, out: int, j: int, s: float) -> None:
    """Take the place `out` away and put (j, s) in front."""
    for i in range(out, 0, -1):
        index[i], statistic[i] = index[i - 1], statistic[i - 1]
    index[0], statistic[0] = j, s


@small
def smallest(statistic: Any, n: int, oldest: bool) -> int:
    """The place of the smallest of a list; of equals the oldest, or the newest."""
    out = 0
    for i in range(1, n):
        if statistic[i] < statistic[out] or (oldest and statistic[i] == statistic[out]):
            out = i
    return out


@small
def least(statistic: Any, n: int) -> float:
    """The smallest statistic of a memory, infinite if it is empty."""
    return statistic[smallest(statistic, n, True)] if n > 0 else np.inf


@small
def copied(out: Any, index: Any) -> None:
    """out = index."""
    for i in range(out.shape[0]):
        out[i] = index[i]


@jit
def admit(
    index: Any, statistic: Any, n: int, j: int, s: float, eviction: int, admissions: int, seed: int, position: int
) -> int:  # fmt: skip
    """Put (j, s) into a memory with n tokens, the `admissions`-th that was admitted; its new number of tokens."""
    M = index.shape[0]
    if n < M:
        push(index, statistic, n, j, s)
        return n + 1
    out = M - 1
    if eviction == SMALLEST and M > 0:
        out = smallest(statistic, M, True)
        if s < statistic[out]:
            out = M
    elif eviction == RESERVOIR:  # among as many places as were admitted one of the memory, with probability M / that
        out = int(uniform(seed, position) * admissions)
    if 0 <= out < M:
        push(index, statistic, out, j, s)
    return n


@small
def propose(index: Any, statistic: Any, n: int, j: int, s: float) -> int:
    """Put (j, s) among the largest of a chunk, of equals the oldest; their new number."""
    if n < index.shape[0]:
        push(index, statistic, n, j, s)
        return n + 1
    if n > 0:
        out = smallest(statistic, n, False)
        if s > statistic[out]:
            push(index, statistic, out, j, s)
    return n


@small
def read(places: Any, index: Any, first_hidden: int) -> None:
    """The tokens of a memory, newest first, without those that the window shows."""
    M, n = index.shape[0], 0
    for i in range(M):
        if index[i] >= 0 and index[i] < first_hidden:
            places[n] = index[i]
            n += 1
    for i in range(n, M):
        places[i] = -1


@jit
def select(
    surprise: Any, begins: Any, places: Any, admitted: Any,
    time: Any, start: Any, admissions: Any, index: Any, statistic: Any, shown: Any, waiting: Any, best: Any, score: Any,
    rule: int, threshold: float, eviction: int, at_once: bool, chunk: int, leaving: bool, window: int, seed: int,
) -> None:  # fmt: skip
    """Advance the states by a block, and write what each query sees and whether a step admitted a token."""
    B, T = surprise.shape
    for b in range(B):
        n, k = filled(index[b]), filled(best[b])
        floor = least(statistic[b], n)
        for t in range(T):
            now, s = time[b], surprise[b, t]
            if begins[b, t]:
                n = k = 0
                clear(index[b], statistic[b])
                clear(best[b], score[b])
                copied(shown[b], index[b])
                start[b], admissions[b] = now, 0
            j = now
            if leaving and window > 0:  # a ring of the statistics of the last `window` tokens
                j, slot = now - window, now % window
                s, waiting[b, slot] = waiting[b, slot], s
            took, ends = False, (now + 1 - start[b]) % chunk == 0
            if j >= start[b]:
                if rule == TOP_OF_CHUNK:
                    k = propose(best[b], score[b], k, j, s)
                else:
                    took = s > threshold if rule == THRESHOLD else (n < index.shape[1] or s > floor)
            if took:
                admissions[b] += 1
                n = admit(index[b], statistic[b], n, j, s, eviction, admissions[b], seed, j - start[b])
                floor = least(statistic[b], n) if rule == RUNNING_TOP else 0.0
            if ends and rule == TOP_OF_CHUNK:
                took = k > 0
                for i in range(k - 1, -1, -1):
                    admissions[b] += 1
                    j, s = best[b, i], score[b, i]
                    n = admit(index[b], statistic[b], n, j, s, eviction, admissions[b], seed, j - start[b])
                k = 0
                clear(best[b], score[b])
            admitted[b, t] = took
            read(places[b, t], index[b] if at_once else shown[b], now - window + 1)
            if ends:
                copied(shown[b], index[b])
            time[b] = now + 1
