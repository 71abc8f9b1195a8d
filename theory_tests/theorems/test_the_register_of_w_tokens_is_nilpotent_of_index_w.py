"""The register of w tokens, read after the update, is an exact nilpotent system of index w: A^w = 0, A^(w-1) is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.layers import CAUSAL_CONV1D, causal_conv1d
from realization.layers.register import register, register_state, register_system
from realization.systems import LinearSSM

widths, channels = st.integers(1, 12), st.integers(1, 4)


def index(A):
    """The least k with A^k = 0, in integers; None if there is none up to the number of states."""
    power = np.eye(len(A), dtype=np.int64)
    for k in range(len(A) + 1):
        if not power.any():
            return k
        power = power @ A.astype(np.int64)
    return None if power.any() else len(A) + 1


def before_the_update(width):
    """The same map from tokens to windows as x(t+1) = A x + B u, y = C x + D u: the current token comes through D."""
    n = width - 1
    return LinearSSM(
        A=np.eye(n, k=1), B=np.eye(n)[:, -1:], C=np.eye(width, n), D=np.eye(width)[:, -1:]
    )  # fmt: skip


@given(widths, channels)
def test_it_is_nilpotent_of_index_w(width, d):
    """Whatever the number of channels; the entries are 0 and 1, so there is no tolerance."""
    A = register_system(width, d).A
    assert set(np.unique(A)) <= {0.0, 1.0}
    assert index(A) == width


@given(widths, channels, st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_its_outputs_are_the_windows(width, d, T, seed):
    """Bit for bit, from any state that it is started from; and w tokens later nothing of that state is left."""
    rng = np.random.default_rng(seed)
    x, initial = rng.standard_normal((2, T, d)), rng.standard_normal((2, d, width - 1))
    answer = register_system(width, d).simulate(x, register_state(initial))
    windows, last = register(x=x, width=width, initial=initial)
    assert np.array_equal(answer.y.reshape(windows.shape), windows)
    assert np.array_equal(answer.x[:, -1].reshape(2, d, width)[..., 1:], last)
    other, _ = register(x=x, width=width, initial=-initial)
    assert np.array_equal(windows[:, width - 1 :], other[:, width - 1 :])


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_a_convolution_depends_on_nothing_older_than_w_tokens(width, seed):
    """Bit for bit, behind bias and silu too; on the oldest of the w it does depend."""
    rng = np.random.default_rng(seed)
    x, weight, bias = rng.standard_normal((1, 15, 3)), rng.standard_normal((3, width)), rng.standard_normal(3)
    y = causal_conv1d(x=x, weight=weight, bias=bias, activation=True).y
    for t in range(width, 15):
        older, oldest = x.copy(), x.copy()
        older[:, : t - width + 1] = 7.0
        oldest[:, t - width + 1] += 1.0
        assert np.array_equal(causal_conv1d(x=older, weight=weight, bias=bias, activation=True).y[:, t], y[:, t])
        assert (causal_conv1d(x=oldest, weight=weight, bias=bias, activation=True).y[:, t] != y[:, t]).all()


@pytest.mark.parametrize("width", range(2, 8))
def test_read_before_the_update_the_index_is_one_less(width):
    """The control from one side: with the current token in D, w - 1 states of index w - 1 give the same windows."""
    system = before_the_update(width)
    x = np.arange(1.0, 12.0)[:, None]
    assert index(system.A) == width - 1
    assert np.array_equal(system.simulate(x).y, register(x=x, width=width)[0][:, 0])


def test_what_fades_is_not_nilpotent():
    """The control from the other side: a register that leaks 2^-20 of its last token into it has no index."""
    A = register_system(4, 1).A
    assert index(2**20 * A + np.eye(4)[-1:].T @ np.eye(4)[-1:]) is None
    assert index(np.array([[1]])) is None


def test_the_layer_is_this_register():
    """The realization of a convolution is the register of its width, whatever its taps."""
    weight = np.random.default_rng(0).standard_normal((2, 5))
    system = CAUSAL_CONV1D.as_realization(weight=weight, bias=[1.0, 2.0], activation=True).system
    assert np.array_equal(system.A, register_system(5, 2).A)
    assert np.array_equal(system.C, system.A)
    assert np.array_equal(system.D, system.B)
