"""The memory as it is filled and read: one routine for one token, a chunk, or a whole sequence.

    s(j) is tested at j (entry "arrival") or at j + window ("leaving"), and admitted by the rule;
    the memory at t holds at most M tokens j, each with its s(j);
    places(t) = those that query t sees, largest j first, without those in its window (j > t - window)

A block is read from the state that the block before it left, and every step does the same operations in the same
order, so that neither indices nor states depend on how a stream is cut.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.shapes import Signature, array, numbers
from realization.memory.selection.choice import EVICTIONS, RULES, Selection


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SelectionState(Sealed):
    """What a selection remembers between blocks; its size does not depend on how long the stream was.

    Parameters
    ----------
    time : ndarray
        Tokens handed in so far (*b,).
    document : ndarray
        The document of the last one (*b,).
    start : ndarray
        Where that document began (*b,).
    admissions : ndarray
        Tokens admitted since then (*b,).
    index, statistic : ndarray
        The memory (*b, M), newest first; -1 and 0 in empty places.
    shown : ndarray
        The memory at the end of the last complete chunk (*b, M).
    waiting : ndarray
        Statistics of the tokens in the window (*b, window), that of token j at j mod window; (*b, 0) for the entry
        "arrival".
    best, score : ndarray
        The largest of the chunk so far (*b, min(count, chunk)), newest first; (*b, 0) for other rules.
    """

    time: np.ndarray
    document: np.ndarray
    start: np.ndarray
    admissions: np.ndarray
    index: np.ndarray
    statistic: np.ndarray
    shown: np.ndarray
    waiting: np.ndarray
    best: np.ndarray
    score: np.ndarray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Selected(Sealed):
    """What the queries of a block see of the memory, and the state after it.

    Parameters
    ----------
    places : ndarray of int64
        (*b, T, M): positions in the stream, newest first, and -1 for empty places behind them.
    admitted : ndarray of bool
        (*b, T): whether step t admitted a token: token t itself; token t - window for the entry "leaving"; the
        largest of the chunk that ends with t for the rule "top-of-chunk".
    state : SelectionState
        To go on from.
    """

    places: np.ndarray
    admitted: np.ndarray
    state: SelectionState


def empty_memory(selection: Selection, batch: tuple[int, ...] = ()) -> SelectionState:
    """Return the state before the first token.

    Parameters
    ----------
    selection : Selection
        The choice.
    batch : tuple of int
        Leading axes.

    Returns
    -------
    SelectionState
        Nothing handed in, nothing kept.
    """
    M = selection.capacity
    w = selection.window if selection.entry == "leaving" else 0
    k = 0 if selection.count is None else min(selection.count, selection.chunk)
    zero = np.zeros(batch, np.int64)
    return SelectionState(
        zero, zero, zero, zero, np.full((*batch, M), -1), np.zeros((*batch, M)), np.full((*batch, M), -1),
        np.zeros((*batch, w)), np.full((*batch, k), -1), np.zeros((*batch, k)),
    )  # fmt: skip


def select(
    surprise: Any, selection: Selection, *, seq_idx: Any = None, state: SelectionState | None = None
) -> Selected:
    """places(t) = tokens of the memory that query t sees, chosen by s(0), ..., s(t).

    Parameters
    ----------
    surprise : array_like
        s (*b, T), finite; larger is more surprising.
    selection : Selection
        Rule, eviction, visibility and the rest.
    seq_idx : array_like of int, optional
        The document of each token (*b, T): another begins where it changes.  Default: the document goes on;
        that of a new stream has number 0.
    state : SelectionState, optional
        What the block before this one left.  Default: nothing was handed in yet.

    Returns
    -------
    Selected
        places (*b, T, M), admitted (*b, T) and the state after the block.

    Raises
    ------
    ShapeError
        If an entry is NaN or infinite, shapes do not fit, or the state is that of another selection.

    Notes
    -----
    The cost is T M, whatever the statistics are.  With eviction "fifo" and visibility "at-once" place j holds the
    j-th last token that was admitted, of those that have left the window.

    Examples
    --------
    The two largest so far, without the token itself, which is in the window; of the two equal ones the older stays:

    >>> top = Selection(2, visibility="at-once", window=1)
    >>> select([3.0, 1.0, 2.0, 2.0, 0.0], top).places.tolist()
    [[-1, -1], [0, -1], [0, -1], [2, 0], [2, 0]]

    In two blocks:

    >>> first = select([3.0, 1.0], top)
    >>> select([2.0, 2.0, 0.0], top, state=first.state).places.tolist()
    [[0, -1], [2, 0], [2, 0]]
    """
    from realization._kernels import selection as kernel  # loads numba

    s, document = given(surprise, seq_idx)
    batch, T = s.shape[:-1], s.shape[-1]
    old = checked(state, selection, batch)
    begins, last = boundaries(document, old.time, old.document, batch, T)
    new = {field.name: np.array(getattr(old, field.name)) for field in fields(SelectionState)}
    M = selection.capacity
    places, admitted = np.empty((*batch, T, M), np.int64), np.empty((*batch, T), np.bool_)
    rows = int(np.prod(batch))
    flat = {name: x.reshape(rows, *x.shape[len(batch) :]) for name, x in new.items() if name != "document"}
    kernel.select(
        s.reshape(rows, T), (begins if selection.forget else np.zeros_like(begins)).reshape(rows, T),
        places.reshape(rows, T, M), admitted.reshape(rows, T), **flat,
        rule=RULES.index(selection.rule), threshold=float(selection.threshold or 0.0),
        eviction=EVICTIONS.index(selection.eviction), at_once=selection.visibility == "at-once",
        chunk=int(selection.chunk), leaving=selection.entry == "leaving", window=int(selection.window),
        seed=int(selection.seed),
    )  # fmt: skip
    return Selected(places, admitted, replace(SelectionState(**new), document=last))


def boundaries(
    document: np.ndarray | None, time: np.ndarray, last: np.ndarray, batch: tuple[int, ...], T: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens (*b, T) begin another document than the token before them; and the last document (*b,).

    The first token of a stream begins none: before it nothing was kept.
    """
    if document is None or T == 0:
        return np.zeros((*batch, T), np.bool_), last
    before = np.where(time > 0, last, document[..., 0])
    begins = np.diff(np.concatenate([before[..., None], document], axis=-1), axis=-1) != 0
    return begins, document[..., -1].copy()


def documents(seq_idx: Any) -> np.ndarray | None:
    """The document of each token as int64 (*b, T), or None."""
    if seq_idx is None:
        return None
    document = array("seq_idx", seq_idx)
    if not document.ndim or (document.dtype.kind not in "iu" and document.size):
        raise ShapeError(
            f"seq_idx has shape {document.shape} and dtype {document.dtype}, but whole numbers (*b, T) are needed"
        )
    return document.astype(np.int64)


def given(surprise: Any, seq_idx: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Statistics (*b, T) and documents, checked."""
    s, document = numbers("surprise", surprise), documents(seq_idx)
    if s.dtype.kind == "c" or not s.ndim:
        raise ShapeError(f"surprise has shape {s.shape} and dtype {s.dtype}, but real numbers (*b, T) are needed")
    Signature.parse("surprise: *b T; seq_idx?: *b T ->").check({"surprise": s, "seq_idx": document})
    return np.ascontiguousarray(s), document


def checked(state: SelectionState | None, selection: Selection, batch: tuple[int, ...]) -> SelectionState:
    """The state, by default that before the first token; refused if another selection or batch has left it."""
    fresh = empty_memory(selection, batch)
    if state is None:
        return fresh
    if not isinstance(state, SelectionState):
        raise ShapeError(f"state is a {type(state).__name__}, but the SelectionState of an earlier block is needed")
    for field in fields(SelectionState):
        came, needed = getattr(state, field.name).shape, getattr(fresh, field.name).shape
        if came != needed:
            raise ShapeError(
                f"state.{field.name} has shape {came}, but {needed} is needed for this selection and batch axes "
                f"{batch}; a state goes on with the selection and the batch that it came from"
            )
    return state
