"""The third core: which tokens are kept verbatim, and which of them each query sees.

    places(t) = what the memory shows to query t, newest first, of the tokens j <= t - window; -1 for an empty place

The statistics decide, and nothing else of them is used: no gradient flows through a selection.  Where the error that
a claim allows in the statistics could give other places, a query is *undecided*: of what is computed from its
places nothing is known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from realization.certify.err import Err
from realization.certify.tape import Tape, primal
from realization.layers.cores import core
from realization.layers.readout import real_part
from realization.memory.selection import Selection, certain, select

FLOAT64 = 2.0**-53


class Kept(NamedTuple):
    """Places (*b, T, M), and a doubt (*b, T): None, or 0 with the error 0 where they are decided, inf where not."""

    places: np.ndarray
    doubt: Err | None = None


@core
def eidetic(*, surprise: Any, selection: Selection, seq_idx: np.ndarray | None = None) -> Kept:
    """Places of the tokens that each query sees in the memory.

    Parameters
    ----------
    surprise : array
        Statistics (*b, T), of any number type.
    selection : Selection
        How the memory is filled.
    seq_idx : ndarray of int, optional
        Document of each step (*b, T): at every change the memory is empty again.

    Returns
    -------
    Kept
        Places, and a doubt where the statistics have an error that matters.

    Examples
    --------
    The two largest so far, of equals the older; query 3 no longer sees token 0:

    >>> s = np.array([1.0, 2.0, 2.0, 3.0])
    >>> eidetic(surprise=s, selection=Selection(2, visibility="at-once")).places.tolist()
    [[0, -1], [1, 0], [2, 1], [3, 2]]
    """
    places = select(real_part(surprise), selection, seq_idx=seq_idx).places
    return Kept(places, _doubt(primal(surprise), selection, seq_idx))


def _doubt(surprise: Any, selection: Selection, seq_idx: Any) -> Err | None:
    """Undecided is what statistics within their error could change; the value read has itself the error of float64."""
    if not isinstance(surprise, Err) or not surprise.error.any():
        return None
    error = surprise.error * (1 + FLOAT64 / max(surprise.claim.u, FLOAT64))
    decided = certain(surprise.value, error, selection, seq_idx=seq_idx)
    return Err(np.zeros(decided.shape), np.where(decided, 0.0, np.inf), claim=surprise.claim)


def unsure(x: Any, doubt: Err | None) -> Any:
    """x (*b, T, ...) of which nothing is known where there is doubt, nor of what is pulled back through it."""
    if doubt is None:
        return x
    if isinstance(x, Tape):
        return Tape(unsure(x.value, doubt), lambda bar: [(x, unsure(bar, doubt))])
    value, error = (x.value, x.error) if isinstance(x, Err) else (x, 0.0)
    behind = np.ndim(value) - doubt.error.ndim
    return Err(value, error + doubt.error.reshape(*doubt.shape, *(1,) * behind), claim=doubt.claim)


def unsure_gradient(x: Any, doubt: Err | None) -> Any:
    """x (*b, S, ...) whose gradient is not known in rows with any doubt: another selection sends it elsewhere."""
    if doubt is None or not isinstance(x, Tape):
        return x
    anywhere = doubt.error.max(-1, keepdims=True, initial=0.0)
    whole = Err(np.zeros(x.shape[: doubt.ndim]), anywhere, claim=doubt.claim)
    return Tape(x.value, lambda bar: [(x, unsure(bar, whole))])
