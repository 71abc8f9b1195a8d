"""What is asked of a memory in an associative recall, answered by the library's own cores.

    attention    sum_j softmax_j(beta q'k(j)) v(j)  over what is held verbatim: a window, and selected tokens
    linear       S q,   S(t) = a S(t-1) + v(t) k(t)'                          fading where a < 1
    ridge        S q,   S = V'K (K'K + c |K'K| I)^-1

Nothing is trained: keys, values and queries are those of the task, and beta, a and c are given.  Each function
returns a model as `memory.recall` calls it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from realization.core.errors import ShapeError
from realization.layers.readout import Source, readout
from realization.layers.recurrence import Run, recurrence
from realization.memory.recall import Model
from realization.memory.selection import Selection, select

BETA = 12.0  # of the softmax: weights e^12 to 1 between the right key and a perpendicular one
Surprise = Callable[[np.ndarray, np.ndarray], np.ndarray]  # keys (T, d), values (T, e) -> s (T,)


def attention(window: int | None = None, *, beta: float = BETA) -> Model:
    """Softmax over the last `window` tokens that a query may use; None for all.

    Parameters
    ----------
    window : int, optional
        w >= 0.
    beta : float
        Inverse temperature.

    Returns
    -------
    callable
        A model.

    Examples
    --------
    >>> from realization.memory.recall import accuracy, pairs_among_fillers
    >>> task = pairs_among_fillers(16, rng=0)
    >>> accuracy(attention(), [task]), accuracy(attention(0), [task])
    (1.0, 0.0)
    """

    def model(key: np.ndarray, value: np.ndarray, query: np.ndarray, at: np.ndarray) -> np.ndarray:
        return _read(key, value, query, _window(at, len(key) if window is None else window), beta)

    return model


def with_memory(surprise: Surprise, selection: Selection, *, beta: float = BETA) -> Model:
    """Softmax over the window and the tokens that a selection has kept of what is older.

    Parameters
    ----------
    surprise : callable
        s(t) of the associations so far, (keys (T, d), values (T, e)) -> (T,); `constant` tells none from another.
    selection : Selection
        Its window is that of the model.
    beta : float
        Inverse temperature.

    Returns
    -------
    callable
        A model.

    Raises
    ------
    ShapeError
        If the surprise has another shape.

    Examples
    --------
    What is new is kept, what repeats is not: 20 places hold 16 pairs and 4 types of 112 fillers.

    >>> from realization.memory.recall import accuracy, pairs_among_fillers
    >>> task, first = pairs_among_fillers(16, rng=0), lambda k, v: [(k[:t] @ x < 0.99).all() for t, x in enumerate(k)]
    >>> accuracy(with_memory(first, innovation_memory(20, 8)), [task])
    1.0
    >>> accuracy(attention(20 + 8), [task]) < 0.4
    True
    """

    def model(key: np.ndarray, value: np.ndarray, query: np.ndarray, at: np.ndarray) -> np.ndarray:
        s = np.asarray(surprise(key, value), dtype=np.float64)
        if s.shape != key.shape[:1]:
            raise ShapeError(
                f"the surprise has shape {s.shape}, but one number for each of {len(key)} tokens is needed"
            )
        kept = np.concatenate([select(s, selection).places, np.full((1, selection.capacity), -1)])  # at = 0: none
        return _read(key, value, query, np.concatenate([_window(at, selection.window), kept[at - 1]], axis=1), beta)

    return model


def constant(key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return s(t) = 0: a test that tells no token from another.

    Parameters
    ----------
    key, value : ndarray
        (T, d) and (T, e).

    Returns
    -------
    ndarray
        (T,).
    """
    return np.zeros(len(key))


def innovation_memory(capacity: int, window: int) -> Selection:
    """Of the tokens that have left the window, those of the largest statistics.

    Parameters
    ----------
    capacity, window : int
        M and w.

    Returns
    -------
    Selection
        Seen at once.
    """
    return Selection(capacity, window=window, entry="leaving", visibility="at-once")


def random_memory(capacity: int, window: int, *, seed: int = 0) -> Selection:
    """Of the tokens that have left the window, M drawn uniformly: a reservoir.

    Parameters
    ----------
    capacity, window : int
        M and w.
    seed : int
        Of the reservoir.

    Returns
    -------
    Selection
        Every token is admitted.
    """
    return _all(capacity, window, "reservoir", seed)


def recent_memory(capacity: int, window: int) -> Selection:
    """Of the tokens that have left the window, the last M: first in, first out.

    Parameters
    ----------
    capacity, window : int
        M and w.

    Returns
    -------
    Selection
        Every token is admitted.
    """
    return _all(capacity, window, "fifo", 0)


def _all(capacity: int, window: int, eviction: str, seed: int) -> Selection:
    return Selection(
        capacity, rule="threshold", threshold=-np.inf, eviction=eviction, window=window, entry="leaving",
        visibility="at-once", seed=seed,
    )  # fmt: skip


def linear_attention(decay: float = 1.0) -> Model:
    """S(t) = a S(t-1) + v(t) k(t)', read by S q.

    Parameters
    ----------
    decay : float
        a, 0 < a <= 1.

    Returns
    -------
    callable
        A model.
    """
    return lambda key, value, query, at: _states_read(key, value, query, at, decay)


def ridge(penalty: float = 0.02) -> Model:
    """S = V'K (K'K + c |K'K| I)^-1 of the tokens that a query may use, |.| the Frobenius norm, read by S q.

    Parameters
    ----------
    penalty : float
        c > 0; a penalty in proportion bounds the condition by 1 + 1/c.

    Returns
    -------
    callable
        A model.
    """

    def model(key: np.ndarray, value: np.ndarray, query: np.ndarray, at: np.ndarray) -> np.ndarray:
        read = np.zeros((len(query), value.shape[1]))
        for n in np.unique(at):
            K, V, asked = key[:n], value[:n], at == n
            H = K.T @ K
            read[asked] = np.linalg.solve(H + penalty * np.linalg.norm(H) * np.eye(len(H)), query[asked].T).T @ K.T @ V
        return read

    return model


def _states_read(key: np.ndarray, value: np.ndarray, query: np.ndarray, at: np.ndarray, decay: float) -> np.ndarray:
    """S(at) q, from one state to the next that is asked."""
    S, begin, read = np.zeros((1, value.shape[1], key.shape[1])), 0, np.zeros((len(query), value.shape[1]))
    for end in np.unique(at):
        S = _run(key[begin:end], value[begin:end], key[begin:end], decay, S).final
        begin, read[at == end] = end, query[at == end] @ S[0].T
    return read


def _run(key: np.ndarray, value: np.ndarray, query: np.ndarray, decay: float, initial: np.ndarray) -> Run:
    """The recurrence with one head."""
    log_decay = None if decay == 1 else np.full((len(key), 1, 1, 1), np.log(decay))
    return recurrence(
        value=value[:, None], key=key[:, None], query=query[:, None], log_decay=log_decay, initial=initial
    )


def _window(at: np.ndarray, width: int) -> np.ndarray:
    """The tokens at - width ... at - 1, (n, width), -1 for none."""
    places = at[:, None] - 1 - np.arange(width)
    return np.where(places >= 0, places, -1)


def _read(key: np.ndarray, value: np.ndarray, query: np.ndarray, places: np.ndarray, beta: float) -> np.ndarray:
    """The softmax read-out of the tokens at places (n, W)."""
    source = Source(key[None, :, None], value[None, :, None], places, query[None, :, None])
    return readout(sources=[source], scale=beta).y[0, :, 0]
