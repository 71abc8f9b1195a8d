"""Compiled simulation gives what the step-by-step definition gives, for every kind, size, dtype and batch.

All systems below contract in the maximum norm, |A(t)| <= 0.9.  A route that sums k products
a step errs there by at most k u s, s the largest sum of magnitudes, and the error of x(t) by
k u s / (1 - 0.9); blocks of L steps sum L (n + m) products.  Two routes differ by twice that.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization._kernels import simulation
from realization.core.errors import ShapeError, StructureError
from realization.layers.realize import diagonal_system
from realization.systems import BilinearSSM, LinearSSM, TimeVaryingSSM
from realization.systems.base import FEW, stepped

SIZES = [(3, 2, 2), (16, 4, 4), (1, 1, 1), (0, 2, 3), (3, 0, 2), (3, 1, 0), (5, 3, 7), (simulation.LOOPS + 6, 2, 3)]
every_dtype = pytest.mark.parametrize("dtype", [float, complex])
every_size = pytest.mark.parametrize("n, m, p", SIZES)


def normal(rng, dtype, *shape):
    return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if dtype is complex else 0)


def contraction(rng, dtype, *shape, norm=0.9):
    """A matrix with this row-sum norm."""
    A = normal(rng, dtype, *shape)
    return norm * A / np.abs(A).sum(-1).max(-1, initial=1e-300)[..., None, None]


def draw(kind, n, m, p, *, dtype=float, batch=(), T=FEW, seed=0, norm=0.9):
    """A system, and its definition (u, x0) -> Response by the plain loop."""
    rng = np.random.default_rng(seed)
    lead = (*batch, T) if kind is TimeVaryingSSM else batch
    A = contraction(rng, dtype, *lead, n, n, norm=norm)
    B, C, D = (normal(rng, dtype, *lead, *shape) for shape in ((n, m), (p, n), (p, m)))
    if kind is BilinearSSM:
        N, M = contraction(rng, dtype, *lead, m, n, n, norm=norm / (2 * max(m, 1))), normal(rng, dtype, *lead, m, p, n)
        system = BilinearSSM(A=A / 2, N=N, B=B, C=C, M=M, D=D)
        return system, lambda u, x0: stepped(u, x0, p, lambda t, v: system.at(v))
    system = kind(A, B, C, D)
    if kind is LinearSSM:
        return system, lambda u, x0: stepped(u, x0, p, lambda t, v: (A, B, C, D))
    at = [np.moveaxis(X, -3, 0) for X in (A, B, C, D)]
    return system, lambda u, x0: stepped(u, x0, p, lambda t, v: tuple(X[t] for X in at))


def inputs(n, m, T, batch=(), seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (*batch, T, m)), rng.standard_normal((*batch, n))


def close(got, want, n, m, block=1):
    """Within the bound of the module's docstring; complex products count twice."""
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = 10 * (1 + np.abs(want.x).max(initial=0.0)) * (n + m + 1)
        assert np.abs(a - b).max(initial=0.0) <= 4 * block * (n + m + 2) * 2.0**-53 * scale / (1 - 0.9)
    return True


@every_dtype
@every_size
@pytest.mark.parametrize("kind", [LinearSSM, TimeVaryingSSM, BilinearSSM])
def test_compiled_loops_follow_the_definition(kind, n, m, p, dtype):
    """From FEW steps on; inputs are real, so dtypes mix."""
    system, definition = draw(kind, n, m, p, dtype=dtype)
    u, x0 = inputs(n, m, FEW)
    answer = system.simulate(u, x0)
    assert close(answer, definition(u, x0), n, m)
    if n and m:
        assert not close_to_another(system, u, x0, answer, n, m)


def close_to_another(system, u, x0, answer, n, m):
    """The control: the first state 1e-6 off is seen."""
    try:
        return close(system.simulate(u, x0 + 1e-6), answer, n, m)
    except AssertionError:
        return False


@pytest.mark.parametrize("kind", [LinearSSM, TimeVaryingSSM, BilinearSSM])
@given(st.sampled_from([(), (2,), (1, 3), (2, 1)]), st.sampled_from([(), (2, 3), (0,)]), st.integers(0, 2**32 - 1))
def test_batches_broadcast(kind, own, given_, seed):
    """Axes of the system and of the input, alone and together; each sequence is that of its own system."""
    try:
        batch = np.broadcast_shapes(own, given_)
    except ValueError:
        return
    n, m, p, T = 4, 2, 3, FEW
    system, definition = draw(kind, n, m, p, batch=own, T=T, seed=seed)
    u, x0 = inputs(n, m, T, given_, seed)
    answer = system.simulate(u, x0)
    assert close(answer, definition(u, np.broadcast_to(x0, (*batch, n))), n, m)
    assert answer.y.shape == (*batch, T, p)


@every_dtype
def test_blocks_of_steps_follow_the_definition(dtype, monkeypatch):
    """From LIFT states on, whole blocks and the rest; with the blocks cut away the bits are others."""
    n, m, p = simulation.LIFT, 3, 2
    T = 16 * n + 5
    system, definition = draw(LinearSSM, n, m, p, dtype=dtype)
    u, x0 = inputs(n, m, T)
    answer = system.simulate(u, x0)
    assert close(answer, definition(u, x0), n, m, simulation.BLOCK)
    monkeypatch.setattr(simulation, "LIFT", n + 1)
    assert not np.array_equal(system.simulate(u, x0).x, answer.x)


def test_powers_that_overflow_cost_no_answer():
    """A^2 has an entry of 1e400 and no state is larger than 1; scaled down, blocks of steps say the same."""
    n = simulation.LIFT
    T = 16 * n
    chain = np.eye(n, k=1) * 1e200
    small = np.eye(n, k=1) * 1e-2
    B, C, D = np.eye(n, 1), np.ones((1, n)), [[0]]
    u = np.random.default_rng(0).standard_normal((T, 1))
    assert np.array_equal(LinearSSM(chain, B, C, D).simulate(u).x[1:, 0], u[:, 0])
    np.testing.assert_allclose(LinearSSM(small, B, C, D).simulate(u).x[1:, 0], u[:, 0], rtol=1e-15)


def test_many_sequences_of_one_large_system_step_together(monkeypatch):
    """And each as it would alone."""
    n, m, p = simulation.LIFT, 2, 3
    system, definition = draw(LinearSSM, n, m, p)
    u, x0 = inputs(n, m, FEW, (2, 3))
    answer = system.simulate(u, x0)
    assert close(answer, definition(u, x0), n, m)
    monkeypatch.setattr(simulation, "LIFT", n + 1)
    alone = system.simulate(u, x0)
    assert close(alone, answer, n, m)
    assert not np.array_equal(alone.x, answer.x)


def test_sparse_and_dense_products_agree(monkeypatch):
    """A layer's N_i have one entry each: only those are visited, and the answer is that of all."""
    system = diagonal_system(8)
    u = np.random.default_rng(0).uniform(-0.9, 0.9, (FEW, 16))
    sparse = system.simulate(u)
    monkeypatch.setattr(simulation, "SPARSE", 10**9)
    dense = system.simulate(u)
    assert close(sparse, dense, 8, 16)
    monkeypatch.undo()
    visited = []
    monkeypatch.setattr(simulation, "bilinear_sparse", lambda *arguments: visited.append(arguments[2]))
    system.simulate(u)
    assert [len(places) for places in visited] == [8, 8]


def test_the_plain_loop_takes_over_below():
    """FEW - 1 steps are the definition itself, bit for bit, so a short run needs no compiler."""
    system, definition = draw(LinearSSM, 16, 4, 4)
    u, x0 = inputs(16, 4, FEW - 1)
    assert np.array_equal(system.simulate(u, x0).x, definition(u, x0).x)
    longer, y0 = inputs(16, 4, 4 * FEW)
    assert not np.array_equal(system.simulate(longer, y0).x, definition(longer, y0).x)


@pytest.mark.parametrize("T", [2000, 20])
def test_a_response_that_overflows_is_refused(T):
    """With the step at which it leaves the range, on either route; none is handed back as NaN."""
    grows = LinearSSM(np.diag([10.0**20, 0.5]), np.ones((2, 1)), [[1, 1]], [[0]])
    with pytest.raises(StructureError, match=f"the state leaves the range of float64 at step 17 of {T}"):
        grows.simulate(np.ones((T, 1)))
    loud = LinearSSM([[0]], [[1e200]], [[1e200]], [[0]])
    with pytest.raises(StructureError, match=f"the output leaves the range of float64 at step 1 of {T}"):
        loud.simulate(np.ones((T, 1)))
    assert np.isfinite(
        LinearSSM(np.diag([10.0, 0.5]), np.ones((2, 1)), [[1, 1]], [[0]]).simulate(np.ones((20, 1))).x
    ).all()


@pytest.mark.parametrize("T", [3, FEW])
def test_inputs_must_be_finite_numbers(T):
    """By name and place."""
    system, _ = draw(LinearSSM, 2, 1, 1)
    u = np.zeros((T, 1))
    with pytest.raises(ShapeError, match=r"u has 1 entries that are NaN or infinite, the first at \(2, 0\)"):
        system.simulate(np.where(np.arange(T)[:, None] == 2, np.nan, u))
    with pytest.raises(ShapeError, match="x0 has 2 entries that are NaN"):
        system.simulate(u, [np.inf, np.nan])
    with pytest.raises(ShapeError, match="u has dtype <U1, but an array of numbers"):
        system.simulate(np.full((T, 1), "a"))
    assert system.simulate(u.astype(np.float16)).y.dtype == np.float64
