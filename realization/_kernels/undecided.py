"""Which queries see the same memory for all statistics in given intervals.

Token i is in the memory when it was admitted and fewer than M admitted tokens go before it, where k goes before i if

    smallest    s(k) > s(i), or s(k) = s(i) and k > i        fifo    k > i

(of equals the oldest leaves).  So two counts decide: `sure`, of those that go before i whatever the statistics are,
and `may`, of those that could.  Out for ever is i with sure >= M; in for now is an admitted one with may < M; what
is neither is undecided.  Only what is not out for ever is kept: of the tokens that go before a new one and are out,
M that are in go before it as well.

A token that goes before i by its value counts even if its own admission is open: were it not admitted, i would not be
either (a threshold), or M others with larger values stand before both (the running top).  Of the largest of a
chunk only the number is known, so counts are corrected by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization._kernels.jit import jit, small
from realization._kernels.selection import FIFO, RESERVOIR, THRESHOLD, TOP_OF_CHUNK

NO, PERHAPS, YES = 0, 1, 2
NEVER = np.iinfo(np.int64).max


@jit
def among_top(low: Any, high: Any, n: int, lo: float, hi: float, M: int) -> int:
    """Whether s in [lo, hi] is larger than the M-th largest of n others."""
    sure = may = 0
    for i in range(n):
        sure += low[i] >= hi
        may += high[i] >= lo
    return NO if sure >= M else (YES if may < M else PERHAPS)


@jit
def chosen(low: Any, high: Any, k: int, n: int, count: int) -> int:
    """Whether k is among the `count` largest of n, of equals the oldest first."""
    sure = may = 0
    for i in range(n):
        if i != k:
            sure += low[i] > high[k] or (low[i] >= high[k] and i < k)
            may += high[i] > low[k] or (high[i] >= low[k] and i < k)
    return NO if sure >= count else (YES if may < count else PERHAPS)


@small
def before(fifo: bool, newer: bool, lo: float, hi: float, low: float, high: float) -> tuple[bool, bool]:
    """Whether a token in [lo, hi] surely goes before one in [low, high], and whether it could."""
    if fifo:
        return newer, newer
    return lo > high or (newer and lo >= high), hi > low or (newer and hi >= low)


@jit
def enter(
    n: int, index: Any, low: Any, high: Any, status: Any, sure: Any, may: Any, j: int, lo: float, hi: float,
    admitted: int, fifo: bool,
) -> int:  # fmt: skip
    """Count a token that a threshold or the running top admits, or perhaps does; the new number of tokens."""
    sure[n] = may[n] = 0
    for i in range(n):
        surely, could = before(fifo, True, lo, hi, low[i], high[i])
        by_value = not fifo and lo > high[i]
        sure[i] += surely and (admitted == YES or by_value)
        may[i] += could
        surely, could = before(fifo, False, low[i], high[i], lo, hi)
        sure[n] += surely
        may[n] += could
    index[n], low[n], high[n], status[n] = j, lo, hi, admitted
    return n + 1


@jit
def against(
    k: int, lows: Any, highs: Any, statuses: Any, m: int, low: float, high: float, total: int, fifo: bool
) -> tuple[int, int]:
    """How many of the `total` that a chunk admits go before a token: surely, and at most.

    The token is the k-th of the chunk, or older than all (k = -1); it does not go before itself.
    """
    surely_yes = open_ = could_be = 0
    for i in range(m):
        if i != k and statuses[i] != NO:
            surely, could = before(fifo, i > k, lows[i], highs[i], low, high)
            surely_yes += surely and statuses[i] == YES
            open_ += not surely
            could_be += could
    left = total - (1 if k >= 0 else 0)
    return max(surely_yes, left - open_), min(could_be, left)


@jit
def enter_chunk(
    n: int, index: Any, low: Any, high: Any, status: Any, sure: Any, may: Any, start: int, lows: Any, highs: Any,
    statuses: Any, m: int, count: int, fifo: bool,
) -> int:  # fmt: skip
    """Count the largest of a chunk, tokens start, ..., start + m - 1; the new number of tokens."""
    total, old = min(count, m), n
    for k in range(m):
        statuses[k] = chosen(lows, highs, k, m, count)
    for i in range(old):
        surely, could = against(-1, lows, highs, statuses, m, low[i], high[i], total, fifo)
        sure[i] += surely
        may[i] += could
    for k in range(m):
        if statuses[k] != NO:
            sure[n], may[n] = against(k, lows, highs, statuses, m, lows[k], highs[k], total, fifo)
            for i in range(old):
                surely, could = before(fifo, False, low[i], high[i], lows[k], highs[k])
                sure[n] += surely and status[i] == YES
                may[n] += could
            index[n], low[n], high[n], status[n] = start + k, lows[k], highs[k], statuses[k]
            n += 1
    return n


@jit
def drop(n: int, index: Any, low: Any, high: Any, status: Any, sure: Any, may: Any, M: int) -> int:
    """Leave out what is out for ever; the new number of tokens."""
    kept = 0
    for i in range(n):
        if sure[i] < M:
            index[kept], low[kept], high[kept] = index[i], low[i], high[i]
            status[kept], sure[kept], may[kept] = status[i], sure[i], may[i]
            kept += 1
    return kept


@small
def first_undecided(n: int, index: Any, status: Any, may: Any, M: int) -> int:
    """The oldest token of which it is open whether it is in the memory."""
    for i in range(n):
        if status[i] != YES or may[i] >= M:
            return index[i]
    return NEVER


@jit
def certain(
    low: Any, high: Any, begins: Any, out: Any, M: int, rule: int, threshold: float, count: int, eviction: int,
    at_once: bool, chunk: int, wait: int, window: int,
) -> None:  # fmt: skip
    """out (B, T): whether all statistics in [low, high] (B, T) give one answer; M > 0, and wait = window if leaving."""
    B, T = low.shape
    counts = np.zeros((4, T), np.int64)
    index, status, sure, may = counts[0], counts[1], counts[2], counts[3]
    lo, hi, longest = np.zeros(T), np.zeros(T), min(chunk, T)
    lows, highs, statuses = np.zeros(longest), np.zeros(longest), np.zeros(longest, np.int64)
    fifo = eviction == FIFO
    for b in range(B):
        n = m = start = admissions = 0
        shown = doubtful = NEVER
        for t in range(T):
            if begins[b, t]:
                n = m = admissions = 0
                start, shown, doubtful = t, NEVER, NEVER
            j, old = t - wait, n
            ends = (t + 1 - start) % chunk == 0
            if j >= start and rule == TOP_OF_CHUNK:
                lows[m], highs[m] = low[b, j], high[b, j]
                m += 1
            elif j >= start:
                if rule == THRESHOLD:
                    x = YES if low[b, j] > threshold else (PERHAPS if high[b, j] > threshold else NO)
                else:
                    x = among_top(lo, hi, n, low[b, j], high[b, j], M)
                if x != NO:
                    n = enter(n, index, lo, hi, status, sure, may, j, low[b, j], high[b, j], x, fifo)
                    admissions += 1
            if ends and rule == TOP_OF_CHUNK:
                first = j - m + 1
                n = enter_chunk(n, index, lo, hi, status, sure, may, first, lows, highs, statuses, m, count, fifo)
                admissions += min(count, m)
                m = 0
            if eviction == RESERVOIR:
                for i in range(old, n):
                    if status[i] != YES:
                        doubtful = min(doubtful, index[i])
                undecided = doubtful if admissions <= M or doubtful == NEVER else start
                n = 0
            else:
                n = drop(n, index, lo, hi, status, sure, may, M)
                undecided = first_undecided(n, index, status, may, M)
            out[b, t] = (undecided if at_once else shown) > t - window
            if ends:
                shown = undecided
