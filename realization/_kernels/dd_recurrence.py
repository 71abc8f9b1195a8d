"""The recurrence with given decays, certified: every number a double-double with a radius.

    S(t) = a(t) o S(t-1) + w(t) o (v(t) k(t)'),      y(t) = S(t) q(t)          S: (V, K)

The state is kept in tiles, S[k] = one row of TILE neighbouring values v: a sum over k
has a fixed order and cannot run in parallel lanes, different v can.  A row holds its
three words side by side, [hi | lo | rad], so that the compiler sees from constant
distances that they do not overlap.  Axes of size 1 of a and w are indexed with step 0.

With an erase, S(t) = S~ - (S~ c) d' + ..., S~ = a o S(t-1), entries of a state share their errors,
and a radius of each would grow by up to 1 + |c| |d| with every step.  So the radius of a state is
there one number for each value, a bound of the 2-norm of the error of its row s,

    |error of s(t)| <= max_k |a_k| |I - c d'| |error of s(t-1)| + |roundings of step t|
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from realization._kernels.dd import accumulate, guard, product
from realization._kernels.dd_arrays import Words, flat
from realization._kernels.jit import jit

TILE = 64
LO, RAD = TILE, 2 * TILE
SMALL = 2.0**-1000  # more than the square of a number whose square underflows
MORE = 1.0 + 2.0**-38  # roundings of sums of squares, of up to 2**12 keys, and of their roots


# Rows ---------------------------------------------------------------------------------------------


@jit
def _fill(row, words, place, step, count):  # type: ignore[no-untyped-def]
    """row = words[place + i step] for i < count, then zeros: rows are always computed whole."""
    hi, lo, rad = words
    for i in range(count):
        row[i] = hi[place + i * step]
        row[i + LO] = lo[place + i * step]
        row[i + RAD] = rad[place + i * step]
    for i in range(count, TILE):
        row[i], row[i + LO], row[i + RAD] = 0.0, 0.0, 0.0


@jit
def _store(words, place, step, row, count):  # type: ignore[no-untyped-def]
    """words[place + i step] = row; NaN becomes an infinite radius here."""
    hi, lo, rad = words
    for i in range(count):
        j = place + i * step
        hi[j], lo[j], rad[j] = guard(row[i], row[i + LO], row[i + RAD])


@jit
def _clear(row):  # type: ignore[no-untyped-def]
    for i in range(3 * TILE):
        row[i] = 0.0


@jit
def _multiply(out, x, y):  # type: ignore[no-untyped-def]
    """out = x o y."""
    for i in range(TILE):
        p = product(x[i], x[i + LO], x[i + RAD], y[i], y[i + LO], y[i + RAD])
        out[i], out[i + LO], out[i + RAD] = accumulate(*p, 0.0, 0.0, 0.0)


@jit
def _combine(out, x, c, y, d):  # type: ignore[no-untyped-def]
    """out = x c + y d with numbers c and d."""
    for i in range(TILE):
        p = product(x[i], x[i + LO], x[i + RAD], *c)
        out[i], out[i + LO], out[i + RAD] = accumulate(*p, *product(y[i], y[i + LO], y[i + RAD], *d))


@jit
def _step(s, b, k, q, y):  # type: ignore[no-untyped-def]
    """s += b k, y += s q."""
    for i in range(TILE):
        r = accumulate(s[i], s[i + LO], s[i + RAD], *product(b[i], b[i + LO], b[i + RAD], *k))
        s[i], s[i + LO], s[i + RAD] = r
        y[i], y[i + LO], y[i + RAD] = accumulate(y[i], y[i + LO], y[i + RAD], *product(*r, *q))


@jit
def _decaying_step(s, a, b, k, q, y):  # type: ignore[no-untyped-def]
    """s = a o s + b k, y += s q."""
    for i in range(TILE):
        p = product(s[i], s[i + LO], s[i + RAD], a[i], a[i + LO], a[i + RAD])
        r = accumulate(*p, *product(b[i], b[i + LO], b[i + RAD], *k))
        s[i], s[i + LO], s[i + RAD] = r
        y[i], y[i + LO], y[i + RAD] = accumulate(y[i], y[i + LO], y[i + RAD], *product(*r, *q))


@jit
def _decay(s, a, largest):  # type: ignore[no-untyped-def]
    """s = a o s for an s without radius; largest = max(largest, |a|)."""
    for i in range(TILE):
        p = product(s[i], s[i + LO], 0.0, a[i], a[i + LO], a[i + RAD])
        s[i], s[i + LO], s[i + RAD] = accumulate(*p, 0.0, 0.0, 0.0)
        largest[i] = max(largest[i], (abs(a[i]) + abs(a[i + LO])) + a[i + RAD])


@jit
def _add(y, s, c):  # type: ignore[no-untyped-def]
    """y += s c with a number c."""
    for i in range(TILE):
        y[i], y[i + LO], y[i + RAD] = accumulate(y[i], y[i + LO], y[i + RAD], *product(s[i], s[i + LO], s[i + RAD], *c))


@jit
def _replace(s, p, d, b, k, square):  # type: ignore[no-untyped-def]
    """s = s - p d + b k; its radius moves into a sum of squares."""
    for i in range(TILE):
        r = accumulate(s[i], s[i + LO], s[i + RAD], *product(-p[i], -p[i + LO], p[i + RAD], *d))
        s[i], s[i + LO], rad = accumulate(*r, *product(b[i], b[i + LO], b[i + RAD], *k))
        s[i + RAD] = 0.0
        square[i] += rad * rad + (SMALL if rad > 0.0 else 0.0)


@jit
def _scale(out, x, c):  # type: ignore[no-untyped-def]
    """out = x c with a number c."""
    for i in range(TILE):
        p = product(x[i], x[i + LO], x[i + RAD], *c)
        out[i], out[i + LO], out[i + RAD] = accumulate(*p, 0.0, 0.0, 0.0)


@jit
def _rotating_step(x, y, a, b, c, d, q, r, out):  # type: ignore[no-untyped-def]
    """x + iy = (a + ib)(x + iy) + (c + id), out += x q + y r; everything is a row but the numbers q and r."""
    for i in range(TILE):
        j, k = i + LO, i + RAD
        u = accumulate(*product(x[i], x[j], x[k], a[i], a[j], a[k]), *product(y[i], y[j], y[k], -b[i], -b[j], b[k]))
        v = accumulate(*product(x[i], x[j], x[k], b[i], b[j], b[k]), *product(y[i], y[j], y[k], a[i], a[j], a[k]))
        u = accumulate(*u, c[i], c[j], c[k])
        v = accumulate(*v, d[i], d[j], d[k])
        x[i], x[j], x[k] = u
        y[i], y[j], y[k] = v
        o = accumulate(out[i], out[j], out[k], *product(*u, *q))
        out[i], out[j], out[k] = accumulate(*o, *product(*v, *r))


@jit
def _keep_radius(s, radius):  # type: ignore[no-untyped-def]
    """Move the radius of a state, that of its row in every entry, beside it."""
    for i in range(TILE):
        radius[i], s[i + RAD] = max(radius[i], s[i + RAD]), 0.0


@jit
def _give_radius(s, radius):  # type: ignore[no-untyped-def]
    for i in range(TILE):
        s[i + RAD] = radius[i]


# Tokens -------------------------------------------------------------------------------------------
#
# An optional array comes as (words, line, over_v, over_k): its entry for a token and head is at
# line * (token and head) + over_v * v + over_k * k, the steps being 0 along axes of size 1, and
# line = 0 for an array that is absent.


@jit
def _number(words, place):  # type: ignore[no-untyped-def]
    return words[0][place], words[1][place], words[2][place]


@jit
def _fill_at(row, optional, token, v, k, count):  # type: ignore[no-untyped-def]
    words, line, over_v, over_k = optional
    _fill(row, words, token * line + v * over_v + k * over_k, over_v, count)


@jit
def _advance(S, rows, token, v, count, decay, weight, key, query, place):  # type: ignore[no-untyped-def]
    """One token of one tile; rows[0] holds its values, rows[1] receives y."""
    y, a, w = rows[1], rows[2], rows[3]
    b = rows[4] if weight[1] > 0 else rows[0]
    _clear(y)
    for k in range(S.shape[0]):
        if weight[1] > 0 and (k == 0 or weight[3] > 0):
            _fill_at(w, weight, token, v, k, count)
            _multiply(b, rows[0], w)
        if decay[1] > 0 and (k == 0 or decay[3] > 0):
            _fill_at(a, decay, token, v, k, count)
        if decay[1] > 0:
            _decaying_step(S[k], a, b, _number(key, place + k), _number(query, place + k), y)
        else:
            _step(S[k], b, _number(key, place + k), _number(query, place + k), y)


@jit
def _norm(words, place, count):  # type: ignore[no-untyped-def]
    """An upper bound of the 2-norm of a vector."""
    total = 0.0
    for k in range(count):
        hi, lo, rad = _number(words, place + k)
        size = (abs(hi) + abs(lo)) + rad
        total += size * size + (SMALL if size > 0.0 else 0.0)
    return math.sqrt(total) * MORE


@jit
def _advance_erasing(S, rows, token, v, count, decay, key, query, place, erase):  # type: ignore[no-untyped-def]
    """One token of one tile; rows[9] holds the radius of the rows, rows[10] the largest decay."""
    erase_key, erase_value, growth = erase
    y, a, square, p, radius, largest = rows[1], rows[2], rows[5], rows[8], rows[9], rows[10]
    K = S.shape[0]
    _clear(y)
    _clear(p)
    _clear(square)
    for i in range(TILE):
        largest[i] = 0.0 if decay[1] > 0 else 1.0
    for k in range(K):
        if decay[1] > 0:
            if k == 0 or decay[3] > 0:
                _fill_at(a, decay, token, v, k, count)
            _decay(S[k], a, largest)
        _add(p, S[k], _number(erase_key, token * K + k))
    for k in range(K):
        _replace(S[k], p, _number(erase_value, token * K + k), rows[0], _number(key, place + k), square)
        _add(y, S[k], _number(query, place + k))
    reader = _norm(query, place, K)
    for i in range(TILE):
        radius[i] = (radius[i] * largest[i] * growth[token] + math.sqrt(square[i])) * MORE
        y[i + RAD] = y[i + RAD] if radius[i] == 0.0 else (y[i + RAD] + radius[i] * reader) * MORE


@jit
def _input(rows, weight, weight_im, token, v, count, p, pairs, c, d):  # type: ignore[no-untyped-def]
    """rows[6] + i rows[7] = w o v (c + id): no weight, a real one (columns p and pairs + p), or a complex one."""
    value, w, b, b_im = rows[0], rows[3], rows[4], rows[5]
    if weight[1] == 0:
        _scale(rows[6], value, c)
        _scale(rows[7], value, d)
        return
    _fill_at(w, weight, token, v, p, count)
    _multiply(b, value, w)
    real = weight_im[1] == 0
    _fill_at(w, weight if real else weight_im, token, v, p + pairs if real else p, count)
    _multiply(b_im, value, w)
    if real:
        _scale(rows[6], b, c)
        _scale(rows[7], b_im, d)
    else:
        _combine(rows[6], b, c, b_im, (-d[0], -d[1], d[2]))
        _combine(rows[7], b, d, b_im, c)


@jit
def _advance_rotating(S, rows, token, v, count, decay, decay_im, weight, weight_im, key, query, place):  # type: ignore[no-untyped-def]
    """One token of one tile; column pairs (p, pairs + p) are complex numbers."""
    pairs = S.shape[0] // 2
    y, a, a_im = rows[1], rows[2], rows[8]
    _clear(y)
    for p in range(pairs):
        if p == 0 or decay[3] > 0:
            _fill_at(a, decay, token, v, p, count)
            _fill_at(a_im, decay_im, token, v, p, count)
        c, d = _number(key, place + p), _number(key, place + pairs + p)
        _input(rows, weight, weight_im, token, v, count, p, pairs, c, d)
        q, r = _number(query, place + p), _number(query, place + pairs + p)
        _rotating_step(S[p], S[pairs + p], a, a_im, rows[6], rows[7], q, r, y)


@jit
def _recur(sizes, value, key, query, decay, decay_im, weight, weight_im, erase, reset, initial, y, final, states):  # type: ignore[no-untyped-def]
    """All sequences, heads and tiles; an absent reset, initial state or record of states has size 0."""
    B, T, H, G, V, K = sizes
    S = np.empty((K, 3 * TILE))
    rows = np.zeros((11, 3 * TILE))
    erasing = erase[2].size > 0
    for b in range(B):
        for h in range(H):
            for v in range(0, V, TILE):
                count = min(TILE, V - v)
                here = ((b * H + h) * V + v) * K
                _clear(rows[9])
                for k in range(K):
                    _clear(S[k])
                    if initial[0].size > 0:
                        _fill(S[k], initial, here + k, K, count)
                        if erasing:
                            _keep_radius(S[k], rows[9])
                for t in range(T):
                    token = (b * T + t) * H + h
                    place = ((b * T + t) * G + h // (H // G)) * K
                    if reset.size > 0 and reset[b * T + t]:
                        for k in range(K):
                            _clear(S[k])
                        _clear(rows[9])
                    _fill(rows[0], value, token * V + v, 1, count)
                    if decay_im[1] > 0:
                        _advance_rotating(
                            S, rows, token, v, count, decay, decay_im, weight, weight_im, key, query, place
                        )
                    elif erasing:
                        _advance_erasing(S, rows, token, v, count, decay, key, query, place, erase)
                    else:
                        _advance(S, rows, token, v, count, decay, weight, key, query, place)
                    _store(y, token * V + v, 1, rows[1], count)
                    if states[0].size > 0:
                        for k in range(K):
                            if erasing:
                                _give_radius(S[k], rows[9])
                            _store(states, (token * V + v) * K + k, K, S[k], count)
                            if erasing:
                                _keep_radius(S[k], rows[9])
                for k in range(K):
                    if erasing:
                        _give_radius(S[k], rows[9])
                    _store(final, here + k, K, S[k], count)


# The door ------------------------------------------------------------------------------------------

Optional = tuple[Any, int, int, int]


def _empty() -> list[np.ndarray]:
    return flat((np.empty(0),) * 3)


def _optional(words: Words | None) -> Optional:
    """Flatten a triple of shape (B, T, H, V|1, K|1) with its steps."""
    if words is None:
        return tuple(_empty()), 0, 0, 0
    V, K = words[0].shape[-2:]
    return tuple(flat(words)), V * K, K if V > 1 else 0, 1 if K > 1 else 0


def _pair(words: Any) -> tuple[Words | None, Words | None]:
    """(real, imaginary) of a triple or of a pair of triples."""
    return words if words is not None and len(words) == 2 else (words, None)


def recurrence(
    *,
    value: Words,
    key: Words,
    query: Words,
    decay: Words | tuple[Words, Words] | None = None,
    weight: Words | tuple[Words, Words] | None = None,
    erase: tuple[Words, Words, np.ndarray] | None = None,
    reset: np.ndarray | None = None,
    initial: Words | None = None,
    states: bool = False,
) -> tuple[Words, Words, Words | None]:
    """S(t) = a(t) o S(t-1) + w(t) o (v(t) k(t)'), y(t) = S(t) q(t), in double-double with radii.

    Every array is a triple (hi, lo, rad) of float64 arrays, hi = RN(hi + lo).

    Parameters
    ----------
    value : Words
        v, shape (B, T, H, V).
    key, query : Words
        k and q, shape (B, T, G, K); head h reads group h // (H // G).
    decay : Words or pair of Words, optional
        a, shape (B, T, H, V or 1, K or 1); absent: exactly 1.  A pair (real, imaginary) of
        shape (B, T, H, V or 1, P or 1), P = K / 2, rotates: columns p and P + p of S are the
        parts of a complex number that is multiplied by a.
    weight : Words or pair of Words, optional
        w, shape (B, T, H, V or 1, K or 1); absent: exactly 1.  With rotation it may be a pair
        over P, and multiplies the complex number v (k[p] + i k[P + p]).
    erase : triple, optional
        c and d of shape (B, T, H, K), and an upper bound of |I - c d'|, an array (B, T, H): the
        decayed state S~ becomes S~ - (S~ c) d' before the write.  Not with rotation or a weight.
    reset : ndarray of bool, optional
        Shape (B, T); where it holds, S(t-1) is replaced by 0.
    initial : Words, optional
        S(-1), shape (B, H, V, K); absent: 0.  With an erase its radii are those of rows.
    states : bool
        Whether to record S(t) for every t.

    Returns
    -------
    y : Words
        Shape (B, T, H, V).
    final : Words
        S(T-1), shape (B, H, V, K).
    record : Words or None
        S(t), shape (B, T, H, V, K).

    Notes
    -----
    The radius obeys r(t) = |a| r(t-1) + the roundings of step t: with |a| <= 1 it is the
    running error bound and does not blow up.  With an erase the radius of a row bounds the 2-norm
    of its error, and is returned for every entry.
    """
    B, T, H, V = value[0].shape
    G, K = key[0].shape[-2:]
    (a, a_im), (w, w_im) = _pair(decay), _pair(weight)
    y, final = _fresh((B, T, H, V)), _fresh((B, H, V, K))
    record = _fresh((B, T, H, V, K)) if states else _fresh((0,))
    restart = np.ascontiguousarray(np.zeros(0, bool) if reset is None else reset, dtype=np.bool_).reshape(-1).copy()
    start = tuple(_empty() if initial is None else flat(initial))
    given = (tuple(flat(words)) for words in (value, key, query))
    c, d, growth = (None, None, np.empty(0)) if erase is None else erase
    growth = np.ascontiguousarray(growth).reshape(-1)
    erased = (tuple(_empty() if words is None else flat(words)) for words in (c, d))
    options = (_optional(words) for words in (a, a_im, w, w_im))
    outputs = (tuple(word.reshape(-1) for word in words) for words in (y, final, record))
    _recur((B, T, H, G, V, K), *given, *options, (*erased, growth), restart, start, *outputs)
    return y, final, record if states else None


def _fresh(shape: tuple[int, ...]) -> Words:
    return np.empty(shape), np.empty(shape), np.empty(shape)
