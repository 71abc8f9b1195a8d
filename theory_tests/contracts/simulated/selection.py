"""Which tokens a memory keeps: admitted one by one, through a heap, by sorting, or by histograms of bits.

A token is tested at its own step, or `window` steps later.  A *candidate* passes the rule at some step; of the
candidates before the end of the last chunk, or up to the present, the memory keeps `capacity`.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from .plan import Plan


@dataclass(frozen=True)
class Choice:
    """How the memory is filled, and who reads it."""

    capacity: int
    rule: str = "running-top"
    threshold: float | None = None
    count: int | None = None
    eviction: str = "smallest"
    visibility: str = "next-chunk"
    chunk: int = 64
    entry: str = "arrival"
    window: int = 0
    seed: int = 0


#: Tokens by which a fault moves a boundary between documents.
_RESET_SHIFT = {"reset one token late": 1, "reset one token early": -1}


def document_starts(plan: Plan, index, T: int) -> np.ndarray:
    """(b, T): the first token of the document of each token."""
    index = np.asarray(index)
    changes = np.zeros(index.shape, bool)
    changes[:, 1:] = index[:, 1:] != index[:, :-1]
    if plan.fault in _RESET_SHIFT:
        changes = np.roll(changes, _RESET_SHIFT[plan.fault], axis=1)
        changes[:, :1] = False
    if plan.fault == "reset only where a chunk begins":
        changes &= np.arange(T) % (plan.chunk or 16) == 0
    return np.maximum.accumulate(np.where(changes, np.arange(T), 0), axis=1)


def starts(plan: Plan, seq_idx, shape) -> np.ndarray:
    if seq_idx is None or plan.fault == "reset missing":
        return np.zeros(shape, int)
    return document_starts(plan, seq_idx, shape[1])


# -- candidates -------------------------------------------------------------------------------


def candidates(plan: Plan, s: np.ndarray, choice: Choice, start: np.ndarray) -> list[tuple[int, int]]:
    """(step, token) in order of both: what passes the rule, before any capacity."""
    T, delay = len(s), choice.window if choice.entry == "leaving" else 0
    delay += {"tested one step late": 1, "tested one step early": -1}.get(plan.fault, 0) if delay else 0
    delay = 0 if plan.fault == "tested on arrival" else delay
    tested = [(t, t - delay) for t in range(T) if t - delay >= start[t]]
    if choice.rule == "running-top":
        return tested
    if choice.rule == "threshold":
        limit = np.float64(choice.threshold)
        match plan.fault:
            case "threshold itself passes":
                return [(t, j) for t, j in tested if s[j] >= limit]
            case "threshold ignored":
                return tested
            case "threshold in bf16":
                limit = np.float64(plan.at("threshold", limit))
        return [(t, j) for t, j in tested if s[j] > limit]
    return _of_chunks(plan, s, choice, start, tested)


def _of_chunks(plan: Plan, s, choice: Choice, start, tested) -> list[tuple[int, int]]:
    """The `count` largest tested within each complete chunk, known at its last step."""
    grid, chunks, found = start, {}, []
    if plan.fault == "chunks counted from the start of the row":
        grid = np.zeros_like(start)
    for t, j in tested:
        chunks.setdefault((start[t], (t - grid[t]) // choice.chunk), []).append((t, j))
    count = choice.count + {"count one short": -1, "count one long": 1}.get(plan.fault, 0)
    for (low, n), members in chunks.items():
        last = grid[members[0][0]] + (n + 1) * choice.chunk - 1
        complete = last < len(s) and start[last] == low
        if not complete and plan.fault != "incomplete chunk selected":
            continue
        tokens = np.array([j for _, j in members])
        if plan.fault == "of equals in a chunk the later":
            order = len(tokens) - 1 - np.argsort(-s[tokens][::-1], kind="stable")
        elif plan.fault == "smallest of the chunk":
            order = np.argsort(s[tokens], kind="stable")
        else:
            order = np.argsort(-s[tokens], kind="stable")
        first = members[0][0] if plan.fault == "incomplete chunk selected" else last
        found += [(last if complete else first, int(j)) for j in np.sort(tokens[order[: max(count, 0)]])]
    return sorted(found)


# -- admission --------------------------------------------------------------------------------


def admitted_by_steps(plan: Plan, s, choice: Choice, tokens, position) -> list[int]:
    """One candidate after the other into a list of slots."""
    M, slots = capacity(plan, choice), []
    for n, j in enumerate(tokens):
        if M == 0:
            break
        if len(slots) < M:
            slots.append(j)
        elif choice.eviction == "reservoir":
            place = drawn(plan, choice, position[j], n + 1)  # counted from the newest
            if place < M:
                slots.remove(sorted(slots)[place if plan.fault == "reservoir counts from the oldest" else -1 - place])
                slots.append(j)
        elif choice.eviction == "fifo":
            slots.remove(max(slots) if plan.fault == "newest goes" else min(slots))
            slots.append(j)
        else:
            _replace(plan, s, choice, slots, j)
    return slots


def _replace(plan: Plan, s, choice: Choice, slots: list[int], j: int) -> None:
    """The smallest goes, of equals the oldest; the running top admits what exceeds it and nothing else."""
    worst = min(slots[::-1] if plan.order == "reversed" else slots, key=lambda i: (s[i], i))
    match plan.fault:
        case "of equals the newest goes":
            worst = min(slots, key=lambda i: (s[i], -i))
        case "largest goes":
            worst = max(slots, key=lambda i: (s[i], -i))
        case "newest goes":
            worst = max(slots)
        case "oldest goes":
            worst = min(slots)
    if choice.rule == "running-top" or plan.fault == "newcomer must exceed the smallest":
        enters = s[j] >= s[worst] if plan.fault == "equal to the smallest enters" else s[j] > s[worst]
    else:
        enters = (s[j], j) > (s[worst], worst) or plan.fault == "newcomer always enters"
    if enters:
        slots.remove(worst)
        slots.append(j)


def admitted_by_heap(plan: Plan, s, choice: Choice, tokens, position) -> list[int]:
    """The smallest on top of a heap ordered by statistic, then by token."""
    if choice.eviction != "smallest":
        return admitted_by_sorting(plan, s, choice, tokens, position)
    M, heap = capacity(plan, choice), []
    for j in tokens:
        item = (s[j], -j if plan.fault == "of equals the newest goes" else j)
        if len(heap) < M:
            heapq.heappush(heap, item)
        elif M and (choice.rule != "running-top" or item[0] > heap[0][0]):
            heapq.heappushpop(heap, item)
    return [abs(j) for _, j in heap]


def admitted_by_sorting(plan: Plan, s, choice: Choice, tokens, position) -> list[int]:
    """From all candidates at once: the order of their arrival enters through ties only."""
    M, tokens = capacity(plan, choice), np.asarray(tokens, int)
    if len(tokens) <= M or M == 0:
        return list(tokens[: M if M else 0])
    if choice.eviction == "fifo":
        return list(tokens[-M:])
    if choice.eviction == "reservoir":
        return admitted_by_steps(plan, s, choice, list(tokens), position)
    return list(_largest(plan, s[tokens], tokens, M, choice.rule == "running-top"))


def _largest(plan: Plan, s, tokens, M: int, first_come: bool) -> np.ndarray:
    """The M largest.  Equals of the M-th: the newest that came in, and under the running top none came in
    once M were as large."""
    edge = _radix_edge(s, M) if plan.selection == "radix" else np.partition(s, len(s) - M)[len(s) - M]
    above, equal = s > edge, s == edge
    if plan.fault == "of equals the lower token stays":
        return np.concatenate([tokens[above], tokens[equal][: M - above.sum()]])
    if first_come and plan.fault != "ties as under a threshold":
        equal &= np.cumsum(s >= edge) <= M
    return np.concatenate([tokens[above], tokens[equal][equal.sum() - (M - above.sum()) :]])


def _radix_edge(s: np.ndarray, M: int):
    """The M-th largest by histograms of 8 bits, from the leading ones down."""
    bits = np.ascontiguousarray(s + 0, np.float32).view(np.uint32)  # + 0 makes -0 a 0
    keys = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    inside, wanted, prefix = np.ones(len(s), bool), M, 0
    for shift in (24, 16, 8, 0):
        digits = (keys >> np.uint32(shift)) & np.uint32(255)
        counts = np.bincount(digits[inside], minlength=256)
        as_large = np.cumsum(counts[::-1])[::-1]
        digit = int(np.flatnonzero(as_large >= wanted)[-1])
        wanted -= as_large[digit] - counts[digit]
        inside &= digits == digit
        prefix |= digit << shift
    return s[keys == prefix][0]


def capacity(plan: Plan, choice: Choice) -> int:
    return max(choice.capacity + {"capacity one short": -1, "capacity one long": 1}.get(plan.fault, 0), 0)


def drawn(plan: Plan, choice: Choice, position: int, n: int) -> int:
    """Place that the n-th candidate takes, among n."""
    match plan.fault:
        case "reservoir draws among the places only":
            n = choice.capacity
        case "reservoir draws one place short":
            n = n - 1
        case "reservoir draws one place more":
            n = n + 1
        case "reservoir seeded alike at all tokens":
            position = 0
        case "reservoir numbers what was admitted":
            position = n - 1
    return int(np.random.default_rng([choice.seed, int(position)]).random() * n)


_ADMISSION = {
    "sequential": admitted_by_steps, "heap": admitted_by_heap, "sorted": admitted_by_sorting,
    "radix": admitted_by_sorting,
}


# -- places -----------------------------------------------------------------------------------


def end_of_memory(plan: Plan, choice: Choice, t: int, start: int, T: int) -> int:
    """Steps before this one have been taken in by the memory that token t reads."""
    if choice.visibility == "at-once" and plan.fault != "visible from the next chunk":
        return t if plan.fault == "memory of the step before" else t + 1
    c = choice.chunk
    grid = 0 if plan.fault == "chunks counted from the start of the row" else start
    n = (t - grid) // c
    match plan.fault:
        case "current chunk visible":
            return min(grid + (n + 1) * c, T)
        case "visible at once":
            return t + 1
        case "last chunk visible when incomplete" if grid + (n + 1) * c > T:
            return T
        case "memory of the chunk before":
            n = max(n - 1, 0)
        case "boundary one step early":
            return grid + (t + 1 - grid) // c * c
        case "boundary one step late":
            return grid + max(t - 1 - grid, 0) // c * c
        case "first token of the chunk visible":
            return min(grid + n * c + 1, T)
        case "last token of a chunk lost":
            return max(grid + n * c - 1, grid)
    return max(grid + n * c, start)


def row(plan: Plan, s: np.ndarray, start: np.ndarray, choice: Choice, first: int) -> np.ndarray:
    """(T - first, M) of one batch row: what tokens from `first` on see of the memory, newest first."""
    T, M = len(s), choice.capacity
    admit = _ADMISSION.get(plan.selection, admitted_by_steps)
    passed, position = candidates(plan, s, choice, start), np.arange(T) - start
    if plan.fault == "reservoir position in the row":
        position = np.arange(T)
    out, memories = np.full((T - first, M), -1), {}
    for t in range(first, T):
        low = start[t]
        end = end_of_memory(plan, choice, t, start[t], T)
        if (low, end) not in memories:
            tokens = [j for step, j in passed if low <= step < end and start[j] == low]
            memories[low, end] = np.sort(np.array(admit(plan, s, choice, tokens, position), int))[::-1]
        seen = memories[low, end]
        reach = t - choice.window + {"hidden one token too far": -1, "oldest of the window not hidden": 1}.get(
            plan.fault, 0)
        seen = seen if plan.fault == "window not hidden" else seen[seen <= reach]
        if plan.fault == "oldest first":
            seen = seen[::-1]
        seen = seen[:M]
        out[t - first, : len(seen)] = seen
        if plan.fault == "empty places first":
            out[t - first] = np.roll(out[t - first], M - len(seen))
        if plan.fault == "places from the start of the document":
            out[t - first] -= np.where(out[t - first] < 0, 0, start[t])
    return out


def places(plan: Plan, surprise, seq_idx, choice: Choice, queries: int | None = None) -> np.ndarray:
    """(b, T, M) for the last `queries` tokens, all by default."""
    s = plan.at("surprise", surprise)
    if plan.fault == "size of the statistic":
        s = np.abs(s)
    b, S = s.shape
    begin = starts(plan, seq_idx, s.shape)
    first = 0 if queries is None else S - queries
    found = [row(plan, s[0 if plan.fault == "memory of the first batch row" else i], begin[i], choice, first)
             for i in range(b)]
    return np.stack(found) if b else np.zeros((0, S - first, choice.capacity), int)


def select(plan: Plan, *, surprise, seq_idx=None, **options) -> tuple[np.ndarray]:
    """The operator on its own."""
    return (places(plan, surprise, seq_idx, Choice(**options)),)
