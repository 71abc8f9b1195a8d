"""Whether a selection depends on the rounding of its statistics.

    certain(t)  implies  places(t) is one and the same for all s' with |s' - s| <= error

A kernel that computes its own statistics may order two near-equal ones otherwise than we do, and is not wrong: where
that changes what a query sees, its indices are undecided, and where it does not, they must be equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.shapes import Signature, array
from realization.memory.selection.choice import EVICTIONS, RULES, Selection
from realization.memory.selection.engine import boundaries, given


def certain(surprise: Any, error: Any, selection: Selection, *, seq_idx: Any = None) -> np.ndarray:
    """Whether places(t) is the same for all s' with |s'(j) - s(j)| <= error(j), j = 0, ..., t.

    Parameters
    ----------
    surprise : array_like
        s (*b, T), finite.
    error : array_like
        Its bound (*b, T), at least 0; infinite where nothing is known.
    selection : Selection
        Rule, eviction, visibility and the rest.
    seq_idx : array_like of int, optional
        The document of each token (*b, T).

    Returns
    -------
    ndarray of bool
        (*b, T).  True is a proof.  False means that some s' changes what is seen, but for intervals that touch in a
        point, for the largest of a chunk, whose number is used and not which subsets are possible, and for a
        reservoir: once it is full, one doubtful admission makes all it shows doubtful until the document ends.

    Raises
    ------
    ShapeError
        If shapes do not fit, s is not finite, or an error is NaN or negative.

    Notes
    -----
    The cost is T times the number of tokens that could be in the memory: M and those in near-ties.

    Examples
    --------
    The second place is open between tokens 1 and 2, until larger ones come:

    >>> top = Selection(2, visibility="at-once")
    >>> certain([5.0, 1.0, 1.1, 4.0], [0.1, 0.1, 0.1, 0.1], top).tolist()
    [True, True, False, True]
    """
    s, document = given(surprise, seq_idx)
    e = array("error", error)
    if e.dtype.kind not in "fiu" or not (e >= 0).all():  # NaN is not
        raise ShapeError(f"error has dtype {e.dtype} and an entry that is NaN or negative; bounds >= 0 are needed")
    Signature.parse("surprise: *b T; error: *b T ->").check({"surprise": s, "error": e})
    batch, T = s.shape[:-1], s.shape[-1]
    zero = np.zeros(batch, np.int64)
    begins, _ = boundaries(document if selection.forget else None, zero, zero, batch, T)
    if not selection.capacity:
        return np.ones(s.shape, np.bool_)
    from realization._kernels.undecided import certain as kernel  # loads numba

    exact, rows = e == 0, int(np.prod(batch))
    with np.errstate(over="ignore"):  # outwards by one rounding
        low, high = (np.where(exact, s, np.nextafter(s + sign * e, sign * np.inf)) for sign in (-1.0, 1.0))
    out = np.empty((rows, T), np.bool_)
    kernel(
        low.reshape(rows, T), high.reshape(rows, T), begins.reshape(rows, T), out, M=int(selection.capacity),
        rule=RULES.index(selection.rule), threshold=float(selection.threshold or 0.0), count=int(selection.count or 0),
        eviction=EVICTIONS.index(selection.eviction), at_once=selection.visibility == "at-once",
        chunk=int(selection.chunk), wait=int(selection.window) if selection.entry == "leaving" else 0,
        window=int(selection.window),
    )  # fmt: skip
    return out.reshape(s.shape)
