"""Block Hankel matrices of a sequence of Markov parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.linalg.arguments import matrices


def block_hankel(markov: Any, rows: int, columns: int) -> np.ndarray:
    """Return H with block (i, j) = h(i + j), i < rows, j < columns: the map from past inputs to future outputs.

    With h(t) = C A^t B this is [C; C A; ...] [B, A B, ...], so its rank is the order of the minimal realization.

    Parameters
    ----------
    markov : array_like
        h(0), h(1), ..., (T, p, m) with T >= rows + columns - 1; the direct term D is not among them.
    rows, columns : int
        Number of blocks.

    Returns
    -------
    ndarray
        (rows p, columns m).

    Raises
    ------
    ShapeError
        If the sequence is too short, not finite or has other axes.

    References
    ----------
    Ho and Kalman (1966), Regelungstechnik 14, 545-548.

    Examples
    --------
    One mode, 2^-t, gives rank 1:

    >>> H = block_hankel([[[1.0]], [[0.5]], [[0.25]], [[0.125]]], 3, 2)
    >>> H.tolist()
    [[1.0, 0.5], [0.5, 0.25], [0.25, 0.125]]
    """
    (h,) = matrices("markov: T p m", markov=markov)
    _, p, m = h.shape
    if rows < 0 or columns < 0 or (rows and columns and len(h) < rows + columns - 1):
        raise ShapeError(
            f"markov has {len(h)} parameters, but {rows} block rows and {columns} block columns need "
            f"{rows + columns - 1}; give more of them or ask for fewer blocks"
        )
    if rows == 0 or columns == 0:
        return np.zeros((rows * p, columns * m), h.dtype)
    blocks = h[np.arange(rows)[:, None] + np.arange(columns)]
    return blocks.transpose(0, 2, 1, 3).reshape(rows * p, columns * m)
