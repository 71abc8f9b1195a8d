"""What is asked of a memory in an associative recall, answered by the library's own cores.

    attention    sum_j softmax_j(beta q'k(j)) v(j)  over what is held verbatim: a window, and selected tokens
    linear       S q,   S(t) = a S(t-1) + v(t) k(t)'                          fading where a < 1
    ridge        S q,   S = V'K (K'K + c |K'K| I)^-1

Nothing is trained: keys, values and queries are those of the task, and beta, a and c are given.  Each function
returns a model as `memory.recall` calls it.
"""

from __future__ import annotations

import numpy as np

from realization.layers.readout import Source, readout
from realization.layers.recurrence import Run, recurrence
from realization.memory.recall import Model

BETA = 12.0  # of the softmax: weights e^12 to 1 between the right key and a perpendicular one


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
