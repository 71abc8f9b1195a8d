"""A composed system has the transfer function that its formula names, and answers as its parts do in turn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization.core.errors import ShapeError, StructureError
from realization.systems import (
    ContinuousSSM,
    LinearSSM,
    TimeVaryingSSM,
    direct_sum,
    dual,
    evaluate,
    feedback,
    markov_parameters,
    parallel,
    series,
    similar,
    subsystem,
)

POINTS = np.array([2.0, 1.5j, -1.2 + 1j])  # outside the unit circle, where the systems below are analytic
seeds = st.integers(0, 2**32 - 1)
kinds = st.sampled_from([LinearSSM, ContinuousSSM])
sizes = st.integers(0, 5)


def draw(kind, n, m, p, seed, batch=(), dtype=float):
    """|A| <= 1/2: the resolvent on POINTS is below 2."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal((*batch, *shape)) + (
            1j * rng.standard_normal((*batch, *shape)) if dtype is complex else 0
        )

    A = normal(n, n)
    A = A / (2 * np.linalg.norm(A, 2, axis=(-2, -1), keepdims=True)) if n else A
    return kind(A, normal(n, m), normal(p, n), normal(p, m) / 8)


def close(one, other, growth=1.0):
    """Equal to n rounded products of matrices of norm about 10, times what a solve may have added."""
    assert one.shape == other.shape
    scale = max(1.0, np.abs(other).max(initial=0.0))
    assert np.abs(one - other).max(initial=0.0) <= 1000 * 2.0**-53 * scale * growth
    return True


def times(X, Y):
    return np.einsum("...ij, ...jk -> ...ik", X, Y)


@given(kinds, sizes, sizes, st.sampled_from([float, complex]), st.sampled_from([(), (2,), (0,)]), seeds)
def test_transfer_functions_compose(kind, n1, n2, dtype, batch, seed):
    """Products, sums and blocks of transfer functions, for any sizes (0 included) and batches."""
    m, q, p = np.random.default_rng(seed).integers(0, 4, 3)
    one = draw(kind, n1, m, q, seed, batch, dtype)
    two, three = draw(kind, n2, q, p, seed + 1, (), dtype), draw(kind, n2, m, q, seed + 2, batch, dtype)
    H1, H2, H3 = (evaluate(system, POINTS) for system in (one, two, three))
    assert close(evaluate(series(one, two), POINTS), times(np.broadcast_to(H2, (*batch, *H2.shape)), H1))
    assert close(evaluate(parallel(one, three), POINTS), H1 + H3)
    assert close(evaluate(dual(one), POINTS), np.swapaxes(H1, -1, -2))
    both = evaluate(direct_sum(one, three), POINTS)
    assert close(both[..., :q, :m], H1)
    assert close(both[..., q:, m:], H3)
    assert not both[..., :q, m:].any()
    assert not both[..., q:, :m].any()


@given(kinds, sizes, sizes, st.sampled_from([(), (2,)]), seeds)
def test_feedback_solves_the_loop(kind, n1, n2, batch, seed):
    """y = H1 (u - H2 y) at every point: the equation of the loop, not a formula for its solution."""
    m, p = np.random.default_rng(seed).integers(0, 4, 2)
    one, two = draw(kind, n1, m, p, seed, batch), draw(kind, n2, p, m, seed + 1)
    H, H1, H2 = (evaluate(system, POINTS) for system in (feedback(one, two), one, two))
    loop = np.linalg.cond(np.eye(p) + one.D @ two.D).max() if p else 1.0
    H2 = np.broadcast_to(H2, (*batch, *H2.shape))
    # the closed loop may have poles near the points: its resolvent enters the error, and H with it
    norms = [1 + np.abs(X).max(initial=0.0) for X in (H, H1, H2)]
    assert close(H, H1 - times(times(H1, H2), H), growth=100 * loop * np.prod(norms) ** 2)


def test_feedback_answers_as_the_loop_does_in_time():
    """Second route: the loop solved step by step, with the direct terms inverted by hand for one input."""
    one, two = draw(LinearSSM, 3, 1, 1, 0), draw(LinearSSM, 2, 1, 1, 1)
    u = np.random.default_rng(2).standard_normal((20, 1))
    x1, x2, ys = np.zeros(3), np.zeros(2), []
    for v in u:
        y = (one.C @ x1 + one.D @ (v - two.C @ x2)) / (1 + one.D[0, 0] * two.D[0, 0])
        v1, ys = v - two.C @ x2 - two.D @ y, [*ys, y]
        x1, x2 = one.A @ x1 + one.B @ v1, two.A @ x2 + two.B @ y
    assert close(feedback(one, two).simulate(u).y, np.array(ys))
    # the control: positive feedback is another system
    negated = LinearSSM(two.A, two.B, -two.C, -two.D)
    assert np.abs(feedback(one, negated).simulate(u).y - ys).max() > 1e-3


def test_series_and_parallel_answer_as_their_parts_in_turn():
    """Outputs of one fed to the other; the order of a series matters."""
    one, two = draw(LinearSSM, 3, 2, 2, 0), draw(LinearSSM, 4, 2, 2, 1)
    u = np.random.default_rng(2).standard_normal((12, 2))
    answer = two.simulate(one.simulate(u).y).y
    assert close(series(one, two).simulate(u).y, answer)
    assert np.abs(series(two, one).simulate(u).y - answer).max() > 0.01
    assert close(parallel(one, two).simulate(u).y, one.simulate(u).y + two.simulate(u).y)


@given(kinds, st.integers(0, 6), st.floats(0, 3), st.booleans(), seeds)
def test_similar_systems_behave_alike(kind, n, exponent, wide, seed):
    """Markov parameters stay, to n eps cond(T)^2; the states are T x."""
    rng = np.random.default_rng(seed)
    system = draw(kind, n, 2, 3, seed, (2,) if wide else ())
    U, V = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    T = U @ np.diag(np.geomspace(1, 10**exponent, n)) @ V
    other = similar(system, T)
    # one solve for A2 and one for C2, each with the condition of T
    assert close(markov_parameters(other, 8), markov_parameters(system, 8), growth=10 ** (2 * exponent))
    if kind is LinearSSM:
        u = rng.standard_normal((2, 6, 2))
        x, z = system.simulate(u).x, other.simulate(u).x
        assert close(z, x @ T.T, growth=10 ** (3 * exponent))


def test_another_change_of_basis_is_another_state():
    """The control: z = inv(T) x is not z = T x."""
    system, T = draw(LinearSSM, 3, 1, 1, 0), np.diag([1.0, 2.0, 4.0])
    u = np.ones((5, 1))
    assert close(similar(system, T).simulate(u).x, system.simulate(u).x @ T)
    assert np.abs(similar(system, np.diag([1, 0.5, 0.25])).simulate(u).x - system.simulate(u).x @ T).max() > 0.1


def test_a_selection_is_what_its_indices_say():
    """Rows and columns of H in the order given; states that are cut are held at 0."""
    system = draw(LinearSSM, 4, 3, 3, 0)
    H = evaluate(system, POINTS)
    assert close(evaluate(subsystem(system, inputs=[2, 0], outputs=[1]), POINTS), H[:, [1]][..., [2, 0]])
    u = np.random.default_rng(1).standard_normal((6, 3))
    x, keep = np.zeros(4), [0, 3]
    for v in u:
        x = system.A @ x + system.B @ v
        x[[1, 2]] = 0.0
    assert close(subsystem(system, states=keep).simulate(u).x[-1], x[keep])
    assert np.abs(evaluate(subsystem(system, states=keep), POINTS) - H).max() > 0.01
    assert subsystem(system, inputs=[], states=[]).B.shape == (0, 0)
    # a delay line cut after two of its three states is the delay line of two
    line = LinearSSM(A=np.eye(3, k=-1), B=np.eye(3)[:, :1], C=np.eye(3), D=np.zeros((3, 1)))
    assert np.array_equal(
        markov_parameters(subsystem(line, states=[0, 1]), 4), markov_parameters(line, 4) * [[1], [1], [0]]
    )


def test_what_does_not_fit_is_refused_by_name():
    """Kinds, sizes, batches, indices."""
    discrete, continuous = draw(LinearSSM, 2, 1, 2, 0), draw(ContinuousSSM, 2, 1, 2, 0)
    for compose in (series, parallel, feedback, direct_sum):
        with pytest.raises(ShapeError, match=r"of a LinearSSM and a ContinuousSSM.*discretize"):
            compose(discrete, continuous)
    with pytest.raises(ShapeError, match="series: 2 outputs of the first, 1 inputs of the second"):
        series(discrete, discrete)
    with pytest.raises(ShapeError, match="parallel: 2 outputs of the first, 1 outputs of the second"):
        parallel(discrete, draw(LinearSSM, 2, 1, 1, 0))
    with pytest.raises(ShapeError, match="feedback: 1 inputs of the first, 3 outputs of the second"):
        feedback(discrete, draw(LinearSSM, 2, 2, 3, 0))
    with pytest.raises(ShapeError, match=r"batch axes \(2,\), \(3,\) given"):
        parallel(draw(LinearSSM, 2, 1, 1, 0, (2,)), draw(LinearSSM, 2, 1, 1, 0, (3,)))
    with pytest.raises(ShapeError, match=r"states are \[2\], but whole numbers below 2"):
        subsystem(discrete, states=[2])
    with pytest.raises(ShapeError, match=r"inputs are \[True\], but whole numbers"):
        subsystem(discrete, inputs=[True])
    with pytest.raises(ShapeError, match="outputs has rows of different lengths"):
        subsystem(discrete, outputs=[[0], [0, 1]])
    with pytest.raises(ShapeError, match="dual of a TimeVaryingSSM: a LinearSSM or a ContinuousSSM is needed"):
        dual(TimeVaryingSSM(np.zeros((4, 2, 2)), np.zeros((4, 2, 1)), np.zeros((4, 1, 2)), np.zeros((4, 1, 1))))


@pytest.mark.parametrize("compose", [series, parallel, feedback, similar])
def test_what_overflows_is_refused(compose):
    """Two gains that are doubles, whose product or sum is none; the control has smaller ones."""
    D = [[1.7e308]] if compose is parallel else [[0]]
    one, two = LinearSSM([[0.5]], [[1]], [[1e200]], D), LinearSSM([[0.5]], [[1e200]], [[1]], D)
    other = [[1e-200]] if compose is similar else two
    with pytest.raises(StructureError, match="a matrix of the result leaves the range of float64"):
        compose(one, other)
    mild = LinearSSM([[0.5]], [[1]], [[1e20]], [[0]])
    assert np.isfinite(compose(mild, [[1e-20]] if compose is similar else mild).C).all()


def test_a_change_of_basis_must_be_one():
    """Wrong shape, NaN, singular: the condition is in the message."""
    system = draw(LinearSSM, 2, 1, 1, 0)
    with pytest.raises(ShapeError, match=r"T has shape \(3, 3\), but \(..., 2, 2\) is needed"):
        similar(system, np.eye(3))
    with pytest.raises(ShapeError, match="T has 1 entries that are NaN"):
        similar(system, [[1, np.nan], [0, 1]])
    for T, condition in (
        ([[1, 2], [2, 4]], r"T has condition \S+, need < 1/\(n eps\) = 2.3e\+15"),
        (np.zeros((2, 2)), "inf"),
    ):
        with pytest.raises(StructureError, match=condition):
            similar(system, T)
    assert similar(system, [[1, 2], [2, 4.001]]).A.shape == (2, 2)


def test_a_loop_must_have_a_solution():
    """D1 D2 = -1: y = -y + ... has none, or many."""
    one, two = (LinearSSM([[0]], [[1]], [[1]], [[d]]) for d in (2.0, -0.5))
    with pytest.raises(StructureError, match=r"I \+ D1 D2.*has condition inf"):
        feedback(one, two)
    assert feedback(one, LinearSSM([[0]], [[1]], [[1]], [[0.5]])).D.tolist() == [[1.0]]
