"""What is asked of a memory in an associative recall, answered by the library's own cores.

    attention    sum_j softmax_j(beta q'k(j)) v(j)  over what is held verbatim: a window, and selected tokens
    linear       S q,   S(t) = a S(t-1) + v(t) k(t)'                          fading where a < 1
    delta rule   S q,   S(t) = a S(t-1) + (v(t) - a S(t-1) k(t)) k(t)'        for keys of norm 1
    ridge        S q,   S = V'K (K'K + c |K'K| I)^-1

Nothing is trained: keys, values and queries are those of the task, and beta, a and c are given.  Each function
returns a model as `memory.recall` calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.layers.bmojo.model import BMojo
from realization.layers.fading import Diagonal
from realization.layers.predictors import associative
from realization.layers.readout import Source, readout
from realization.layers.recurrence import recurrence
from realization.memory.planted import Planted, asked, log_loss
from realization.memory.recall import Model
from realization.memory.selection import InnovationTest, Selection, select, statistic

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
        s(t) of the associations so far, (keys (T, d), values (T, e)) -> (T,); `innovation()`, or
        `constant`, which tells none from another.
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


def innovation(decay: float = 1.0) -> Surprise:
    """|v(t) - S(t-1) k(t)|^2: what a delta rule has to learn from each token.

    Parameters
    ----------
    decay : float
        a, 0 < a <= 1.

    Returns
    -------
    callable
        A surprise.

    Examples
    --------
    >>> k, v = np.eye(3)[[0, 1, 0]], np.array([[3.0], [4.0], [3.0]])
    >>> innovation()(k, v).tolist()
    [9.0, 16.0, 0.0]
    """

    def surprise(key: np.ndarray, value: np.ndarray) -> np.ndarray:
        d = key.shape[1]
        predict = associative(
            key=lambda x: x[..., :d], value=lambda x: x[..., d:], beta=1.0, log_decay=float(np.log(decay)), unit=False
        )
        told = predict(np.concatenate([key, value], axis=1))
        return statistic("squared", told.target, told.prediction).surprise

    return surprise


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
    return lambda key, value, query, at: _states_read(key, value, query, at, decay, False)


def delta_rule(decay: float = 1.0) -> Model:
    """S(t) = a S(t-1) + (v(t) - a S(t-1) k(t)) k(t)', read by S q.

    Parameters
    ----------
    decay : float
        a, 0 < a <= 1.

    Returns
    -------
    callable
        A model.

    Examples
    --------
    As many keys as there are dimensions, all perpendicular, and each told twice: linear attention has added up what
    each was told, the delta rule holds the last.

    >>> k, v = np.concatenate([np.eye(3)] * 2), np.concatenate([np.eye(3), np.eye(3)[::-1]])
    >>> at = np.full(3, 6)
    >>> bool((delta_rule()(k, v, k[:3], at) == v[3:]).all())
    True
    >>> bool((linear_attention()(k, v, k[:3], at) == v[:3] + v[3:]).all())
    True
    """
    return lambda key, value, query, at: _states_read(key, value, query, at, decay, True)


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


def models(window: int, capacity: int) -> dict[str, Model]:
    """Return what is compared: attention, sums that fade or erase, and the same memory filled in four ways.

    Parameters
    ----------
    window, capacity : int
        w and M.

    Returns
    -------
    dict of str to callable
        By the names of the table.

    Examples
    --------
    >>> list(models(16, 16))[-4:]
    ['innovation', 'random', 'recent', 'no predictor']
    """
    kept, drawn, recent = (make(capacity, window) for make in (innovation_memory, random_memory, recent_memory))
    return {
        "full attention": attention(),
        "window": attention(window),
        "linear": linear_attention(),
        "delta rule": delta_rule(),
        "ridge": ridge(),
        "gated delta rule": delta_rule(0.98),
        "innovation": with_memory(innovation(), kept),
        "random": with_memory(constant, drawn),
        "recent": with_memory(constant, recent),
        "no predictor": with_memory(constant, kept),
    }


def induction_layer(
    width: int, *, window: int, test: InnovationTest | None = None, half_lives: tuple[float, float] = (8.0, 512.0),
    beta: float = BETA,
) -> BMojo:  # fmt: skip
    """Return a layer of B'MOJO that looks for what followed the present context, with weights made by hand.

    A token (k(t), k(t+1), v(t)) of `memory.planted.as_tokens` asks with k(t+1), is found by k(t) and tells v(t); its
    fading memory averages tokens exponentially, each channel at a rate of its own.

    Parameters
    ----------
    width : int
        d of the tokens (T, 3 d).
    window : int
        w, the lag and the number of fading tokens as well.
    test : InnovationTest, optional
        Which tokens are kept.
    half_lives : pair of float
        Shortest and longest of the fading memory.
    beta : float
        Inverse temperature.

    Returns
    -------
    BMojo
        One head; the answer stands in the last d columns.
    """
    E, three = np.eye(3 * width), np.geomspace(*half_lives, 3 * width)
    present, after, told = (E[i * width : (i + 1) * width][None] for i in range(3))
    decay = 0.5 ** (1 / np.random.default_rng(0).permutation(three))
    mixer = Diagonal(log_decay=np.log(decay), input_weight=np.diag(1 - decay), output_weight=E)
    return BMojo(
        query_weight=after, key_weight=present, value_weight=told, output_weight=told.transpose(2, 0, 1),
        window=window, mixer=mixer, test=test, scale=beta,
    )  # fmt: skip


def text_models(fact: Planted, *, window: int, capacity: int, rng: Any = None) -> dict[str, Model]:
    """Return what is compared on a text with a planted fact: a memory filled by two surprises, and in other ways.

    Parameters
    ----------
    fact : Planted
        The text.
    window, capacity : int
        w and M.
    rng : seed or numpy.random.Generator
        Of the signs under which the delta rule knows contexts of two bytes, and of the reservoir.

    Returns
    -------
    dict of str to callable
        By the names of the table; models of `asked(fact)`.

    Examples
    --------
    >>> from realization.memory.planted import planted
    >>> list(text_models(planted(600, 400, rng=0), window=8, capacity=8, rng=0))[:3]
    ['full attention', 'window', 'next-token surprise']
    """
    rng = np.random.default_rng(rng)
    pairs, reservoir = asked(fact, order=2, rng=rng), int(rng.integers(2**31))
    kept, drawn = innovation_memory(capacity, window), random_memory(capacity, window, seed=reservoir)
    loss, residual = log_loss(fact.text), innovation()(pairs.key, pairs.value)
    return {
        "full attention": attention(beta=2 * BETA),
        "window": attention(window, beta=2 * BETA),
        "next-token surprise": with_memory(lambda k, v: loss, kept, beta=2 * BETA),
        "delta residual": with_memory(lambda k, v: residual, kept, beta=2 * BETA),
        "random": with_memory(constant, drawn, beta=2 * BETA),
        "recent": with_memory(constant, recent_memory(capacity, window), beta=2 * BETA),
    }


def _states_read(
    key: np.ndarray, value: np.ndarray, query: np.ndarray, at: np.ndarray, decay: float, erase: bool
) -> np.ndarray:
    """S(at) q, from one state that is asked to the next."""
    S, begin, read = np.zeros((1, value.shape[1], key.shape[1])), 0, np.zeros((len(query), value.shape[1]))
    for end in np.unique(at):
        S = _after(key[begin:end, None], value[begin:end, None], decay, erase, S)
        begin, read[at == end] = end, query[at == end] @ S[0].T
    return read


def _after(key: np.ndarray, value: np.ndarray, decay: float, erase: bool, S: np.ndarray) -> np.ndarray:
    """The state after some tokens; without decay and without an erase it is a sum."""
    one = np.ones((len(key), 1))
    return recurrence(
        value=value, key=key, query=key, initial=S, erase=one if erase else None,
        log_decay=None if decay == 1 else np.log(decay) * one[..., None, None],
    ).final  # fmt: skip


def _window(at: np.ndarray, width: int) -> np.ndarray:
    """The tokens at - width ... at - 1, (n, width), -1 for none."""
    places = at[:, None] - 1 - np.arange(width)
    return np.where(places >= 0, places, -1)


def _read(key: np.ndarray, value: np.ndarray, query: np.ndarray, places: np.ndarray, beta: float) -> np.ndarray:
    """The softmax read-out of the tokens at places (n, W)."""
    source = Source(key[None, :, None], value[None, :, None], places, query[None, :, None])
    return readout(sources=[source], scale=beta).y[0, :, 0]
