"""The core of a prediction: what was known one token before, and nothing where a document begins.

g(t) = f(t - 1),      0 at the first token of a document
"""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.functions import concatenate, where
from realization.layers.cores import core
from realization.layers.packing import changes


@core
def lagged(*, features: Any, seq_idx: np.ndarray | None = None) -> Any:
    """g(t) = f(t - 1), and 0 at the first token of a document.

    Parameters
    ----------
    features : array
        f (*b, T, n), of any number type.
    seq_idx : ndarray of int, optional
        Document of each token (*b, T).

    Returns
    -------
    array
        g (*b, T, n).

    Examples
    --------
    >>> lagged(features=np.array([[1.0], [2.0], [3.0]]), seq_idx=np.array([0, 0, 1])).ravel().tolist()
    [0.0, 1.0, 0.0]
    """
    before = delayed(features, 1)
    return before if seq_idx is None else where(changes(seq_idx)[..., None], 0.0, before)


def delayed(x: Any, by: int) -> Any:
    """x(t - by) of x (*b, T, n), and 0 where there is none."""
    by = min(by, x.shape[-2])
    return concatenate([np.zeros(x[..., :by, :].shape), x[..., : x.shape[-2] - by, :]], axis=-2)
