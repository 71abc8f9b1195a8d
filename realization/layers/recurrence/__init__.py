"""The first core: a recurrence whose transition is an elementwise decay, with or without an erase, or a rotation.

    S(t) = S(t-1) o a(t) + w(t) o (v(t) k(t)'),     y(t) = S(t) q(t),     S: (V, K)

    a(t) = exp(log_decay(t) rate),        w(t) = 1, or phi1(log_decay(t) rate) under `hold`

Linear attention, RetNet, Mamba-1, Mamba-2, GLA, HGRN, S4D and LRU are this
recurrence with different maps to (v, k, q, a).  With `angle` the K columns are
P = K/2 complex numbers, real parts first, and a(t) = exp(g(t) + i angle(t) spin)
turns them: [x; y] -> exp(g) [[cos, -sin], [sin, cos]] [x; y].

With `erase` what the decayed state S~ = S(t-1) o a(t) holds under a key is taken out
before the token is written,

    S(t) = S~ - (S~ c(t)) d(t)' + w(t) o (v(t) k(t)')         c = k, d = b k for a strength b

so that the transition is a(t) o (I - c d'): DeltaNet and gated DeltaNet (c = k, d = beta k,
v = beta value), KDA (decay per column), and with a pair (c, d) of their own RWKV-7.

One file per reading: `definition` (arrays, exact objects), `bound` (`Err`), `certified`
(`DD`), `adjoint` (`Tape`, of any of these; what its bound has to charge is in `losses`);
`chunked` is the second route to the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from realization.layers.cores import core


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a recurrence returns; every array has the number type of the inputs.

    Parameters
    ----------
    y : array
        Outputs (*b, T, H, V).
    final : array
        State after the last step (*b, H, V, K); with `offsets` one per sequence, (s, *b, H, V, K).
    states : array or None
        State after every step (*b, T, H, V, K), on request.
    """

    y: Any
    final: Any
    states: Any = None


@core
def recurrence(
    *,
    value: Any,
    key: Any,
    query: Any,
    log_decay: Any = None,
    rate: Any = None,
    angle: Any = None,
    spin: Any = None,
    erase: Any = None,
    hold: bool = False,
    reset: Any = None,
    offsets: Any = None,
    initial: Any = None,
    states: bool = False,
) -> Run:
    """S(t) = S(t-1) o exp(log_decay(t) rate) + v(t) k(t)',  y(t) = S(t) q(t).

    Parameters
    ----------
    value : array
        v, (*b, T, H, V).
    key, query : array
        k and q, (*b, T, G, K); G divides H and head h uses group h // (H // G).
    log_decay : array, optional
        (*b, T, H, V|1, K|1); an axis of size 1 shares the decay.  Default: no decay.
    rate : array, optional
        Constant factor of the log decay, (H|1, V|1, K|1).  Default: 1.
    angle, spin : array, optional
        Rotation by angle(t) spin; (*b, T, H, V|1, P|1) and (H|1, V|1, P|1), where
        K = 2 P.  Decay and rate then also have P|1 in the place of K|1.
    erase : array or pair of arrays, optional
        Strength b, (*b, T, H): the decayed state S~ loses b (S~ k) k'.  Or a pair (c, d) of
        arrays (*b, T, G, K), any G that divides H: it loses (S~ c) d'.  Not beside an angle or a held write.
    hold : bool
        Weigh the write by phi1(log decay), the exact integral over one step of an input
        that is held constant (zero-order hold).
    reset : ndarray of bool, optional
        (*b, T); where true, S(t-1) is replaced by 0.
    offsets : sequence of int, optional
        Sequences packed along T: sequence i owns the steps offsets[i] to offsets[i+1] and
        starts from initial[i]; steps outside give 0.
    initial : array, optional
        S(-1), (*b, H, V, K), with `offsets` (s, *b, H, V, K).  Default: 0.
    states : bool
        Return the state after every step as well.

    Returns
    -------
    Run
        y, final and states.

    Raises
    ------
    ShapeError
        If an erase comes with an angle or a held write, or does not fit the keys.

    Notes
    -----
    The number type of the arguments chooses the reading: arrays of floats or of exact
    objects give values, `Tape` gradients, `Err` bounds, `DD` certified values.

    Examples
    --------
    A scalar with decay 1/2 forgets by halves:

    >>> import numpy as np
    >>> one = np.ones((4, 1, 1))
    >>> run = recurrence(value=one, key=one, query=one, log_decay=np.log(0.5) * one[..., None])
    >>> run.y.ravel().tolist()
    [1.0, 1.5, 1.75, 1.875]

    With a key of norm 1 and strength 1 the new value takes the place of the old one:

    >>> recurrence(value=5 * one, key=one, query=one, erase=one[..., 0]).y.ravel().tolist()
    [5.0, 5.0, 5.0, 5.0]
    """
    from realization.layers.recurrence.transition import erasing

    erase_key, erase_value = erasing(erase, key, value.shape[-2], angle, hold)
    arrays = {
        "value": value, "key": key, "query": query, "log_decay": log_decay, "rate": rate,
        "angle": angle, "spin": spin, "erase_key": erase_key, "erase_value": erase_value, "reset": reset,
        "initial": initial,
    }  # fmt: skip
    readings = {getattr(type(x), "reading", "definition") for x in arrays.values()}
    reading = next(iter(readings - {"definition"}), "definition")
    run: Run = import_module(f"{__name__}.{reading}").run(**arrays, hold=hold, offsets=offsets, states=states)
    return run
