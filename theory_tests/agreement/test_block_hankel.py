"""The block Hankel matrix is observability times controllability; its shape and order are those of a direct loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError
from realization.linalg import block_hankel


@given(seed=st.integers(0, 999), n=st.integers(0, 4), p=st.integers(0, 3), m=st.integers(0, 3), rows=st.integers(0, 4),
       columns=st.integers(0, 4))  # fmt: skip
def test_it_is_observability_times_controllability(seed, n, p, m, rows, columns):
    """[C; CA; ...] [B, AB, ...], of rank at most n; integers, so that there is no tolerance."""
    rng = np.random.default_rng(seed)
    A, B, C = rng.integers(-2, 3, (n, n)), rng.integers(-2, 3, (n, m)), rng.integers(-2, 3, (p, n))
    power = [np.linalg.matrix_power(A, t) for t in range(rows + columns + 1)]
    h = np.array([C @ P @ B for P in power])
    H = block_hankel(h, rows, columns)
    observe = np.vstack([np.zeros((0, n), int), *(C @ P for P in power[:rows])])
    control = np.hstack([np.zeros((n, 0), int), *(P @ B for P in power[:columns])])
    assert np.array_equal(H, observe @ control)
    assert H.shape == (rows * p, columns * m)
    for i in range(rows):
        for j in range(columns):
            assert np.array_equal(H[i * p : (i + 1) * p, j * m : (j + 1) * m], h[i + j])


def test_the_direct_term_does_not_belong_to_it():
    """The control: with D = 5 in front a system of order 1 has rank 2."""
    h = 0.5 ** np.arange(6)
    assert np.linalg.matrix_rank(block_hankel(h[:, None, None], 3, 3)) == 1
    assert np.linalg.matrix_rank(block_hankel(np.append(5.0, h)[:, None, None], 3, 3)) == 2


def test_a_short_sequence_is_refused():
    with pytest.raises(ShapeError, match="markov has 4 parameters, but 3 block rows and 3 block columns need 5"):
        block_hankel(np.zeros((4, 1, 1)), 3, 3)
    with pytest.raises(ShapeError, match=r"markov has shape \(4,\)"):
        block_hankel(np.zeros(4), 1, 1)
    with pytest.raises(ShapeError, match="NaN"):
        block_hankel(np.full((4, 1, 1), np.nan), 1, 1)
    with pytest.raises(ShapeError, match="-1 block rows"):
        block_hankel(np.zeros((4, 1, 1)), -1, 1)
