"""Every layer has, through its realization, a nilpotent transition or diagonalizable ones; never both but 0.

A window (attention, short convolution, B'MOJO-F) holds its tokens exactly and drops them: nilpotent, of index its
length.  Mamba's transitions commute and are diagonal over the complex numbers: they fade.  A nonzero nilpotent
matrix is not diagonalizable, so no layer is both.  A memory of selected tokens is one or the other by the word of
its writes: nilpotent where it writes, the identity where it holds.  The transitions of a delta rule are symmetric,
each of them diagonalizable, and commute only if their keys are parallel or perpendicular.
"""

from typing import NamedTuple

import numpy as np
import pytest

from realization.layers import OPS
from realization.memory import Box, eidetic_memory, profile, reconstruction
from realization.systems.families import jordan
from realization.systems.library import moving_average

RNG = np.random.default_rng(0)


class Layer(NamedTuple):
    """Parameters of a realization, and what is claimed of it."""

    parameters: dict
    index: int | None  # of nilpotency; None for layers that fade
    inputs: Box | None = None


def weights(W, d=4, heads=2, groups=1, k=2, v=3):
    """Projections of a B'MOJO layer."""
    shapes = {"query": (heads, k, d), "key": (groups, k, d), "value": (groups, v, d), "output": (d, heads, v)}
    return {"window": W} | {f"{name}_weight": RNG.standard_normal(shape) for name, shape in shapes.items()}


LAYERS = {
    "selective_scan": [
        Layer({"A": -np.ones((2, 3))}, None, Box(0, 0.9)),
        Layer({"A": -np.ones((2, 3)) + 2j}, None, Box(-0.6, 0.6)),
    ],
    "ssd": [Layer({"A": -np.ones(2), "p": 2, "n": 3}, None, Box(0, 0.95))],
    "causal_conv1d": [Layer({"weight": RNG.standard_normal((2, w))}, w) for w in (1, 4)],
    "sliding_window_attention": [Layer({"window": w, "g": 1, "k": 2, "v": 1}, w) for w in (1, 3, 6)],
    "bmojo_f": [Layer({"window": w, "g": 1, "k": 1, "v": 1}, 2 * w) for w in (1, 3)],
    "bmojo_f_layer": [Layer(weights(w), 2 * w) for w in (1, 2)],
}
EVERY = [pytest.param(op, layer, id=f"{op}-{i}") for op, layers in LAYERS.items() for i, layer in enumerate(layers)]
every_layer = pytest.mark.parametrize("op, layer", EVERY)


def transitions(system):
    """The matrices whose combinations are the transitions of a system."""
    return system.N if hasattr(system, "N") else system.A[None]


def index(A):
    """The least power that vanishes, bit for bit; None if none up to n does."""
    power = np.eye(len(A))
    for k in range(len(A) + 1):
        if not power.any():
            return k
        power = power @ A
    return None if power.any() else len(A) + 1


def commute(matrices):
    """Whether all products are the same in both orders; the entries are 0, 1 and -1, so there is no tolerance."""
    products = matrices[:, None] @ matrices[None]
    return np.array_equal(products, np.swapaxes(products, 0, 1))


def normal(matrices):
    """Whether each commutes with its transpose: then an orthogonal basis of eigenvectors exists."""
    turned = np.swapaxes(matrices, 1, 2)
    return np.array_equal(matrices @ turned, turned @ matrices)


def diagonalizable(matrices):
    """Normal matrices that commute are diagonal in one orthogonal basis over the complex numbers."""
    return commute(matrices) and normal(matrices)


# What is one or the other, step by step: by its writes, and by its keys.
BY_STEP = {"bmojo", "gated_delta_rule"}


def test_every_layer_is_here():
    """A new op has to say which of both it is."""
    assert LAYERS.keys() | BY_STEP == {name for name, op in OPS.items() if op.as_realization is not None}


@pytest.mark.parametrize(("window", "lag", "width", "capacity"), [(3, 3, 3, 2), (2, 2, 2, 5), (1, 0, 1, 1)])
def test_a_memory_of_selected_tokens_is_nilpotent_where_it_writes(window, lag, width, capacity):
    """And where it holds, the identity on its places: nothing but its window is forgotten however long it holds."""
    system = OPS["bmojo"].as_realization(
        window=window, capacity=capacity, g=1, k=1, v=1, fading_lag=lag, fading_width=width
    ).system
    holds, writes = system.A, system.A + system.N.sum(0)
    assert index(writes) == max(window, lag + width, capacity)
    assert index(holds) is None
    held = np.linalg.matrix_power(holds, max(window, lag + width))
    assert np.array_equal(held, np.diag(np.diag(held)))
    assert np.trace(held) == capacity * 4  # key, value, flag and position of each place


def test_the_transitions_of_a_delta_rule_are_symmetric_and_commute_for_perpendicular_keys():
    """exp(g) (I - b k k'); the control: keys at 45 degrees."""
    across, along = [[1.0, 0, 0], [0, 1.0, 0]], [[1.0, 0, 0], [1.0, 1.0, 0]]
    for key, alike in ((across, True), (along, False)):
        key = np.array(key)[:, None]
        parts = OPS["gated_delta_rule"].as_realization(h=1, v=2, k=3)
        u = parts.schedule(query=key, key=key, value=np.ones((2, 1, 2)), beta=np.ones((2, 1)))
        matrices = np.einsum("tm, mij -> tij", u, parts.system.N)
        assert np.array_equal(matrices, np.swapaxes(matrices, 1, 2))
        assert commute(matrices) == alike


@every_layer
def test_it_is_one_or_the_other(op, layer):
    """Exactly one, but for the register of a single token, whose transition is 0: it is both."""
    matrices = transitions(OPS[op].as_realization(**layer.parameters).system)
    nilpotent = [index(A) for A in matrices]
    if layer.index is None:
        assert diagonalizable(matrices)
        # the writes do not enter the transition; every gate does, and none is nilpotent
        assert not any(nilpotent[i] for i in range(len(matrices)) if matrices[i].any())
    else:
        assert nilpotent == [layer.index]
        assert diagonalizable(matrices) == (layer.index == 1)


@every_layer
def test_the_profile_says_so(op, layer):
    """Windows are finite, with their length; what fades is guaranteed to, per step, at the rate of its gates."""
    found = profile(OPS[op].as_realization(**layer.parameters), layer.inputs)
    if layer.index is None:
        assert found.guarantee.kind == "per step"
        # a complex gate in the corner of the square has modulus 0.6 sqrt(2)
        corner = np.sqrt(2) if np.iscomplexobj(layer.parameters["A"]) else 1.0
        assert found.guarantee.number == pytest.approx(corner * layer.inputs.high, rel=1e-9)
        assert (found.eidetic, found.integrators, found.growing) == (None, 0, 0)
    else:
        assert (found.guarantee.kind, found.guarantee.number) == ("finite", layer.index)
        # y(t) = x(t+1) is read after the update: the current input is one of the `index`
        assert (found.eidetic.span, found.eidetic.index) == (layer.index, layer.index)
        assert found.modes == ()


@pytest.mark.parametrize("op, layer", [case for case in EVERY if case.values[1].index is not None])
def test_a_window_holds_its_inputs_without_loss(op, layer):
    """All of them are read back from the state with amplification 1: the register moves and never adds."""
    system = OPS[op].as_realization(**layer.parameters).system
    map_ = reconstruction(system, layer.index)
    assert map_.determined.all()
    assert map_.amplification.tolist() == pytest.approx([1.0] * layer.index, rel=1e-12)
    u = np.random.default_rng(1).standard_normal((layer.index + 5, system.B.shape[1]))
    recovered = map_.recover(system.simulate(u).x[-1])
    assert np.allclose(recovered, u[::-1][: layer.index], rtol=0, atol=1e-12)
    # the control: one input more is lost, whatever the decay
    assert not reconstruction(system, layer.index + 1).determined[-1]


def test_gates_at_1_integrate():
    """The control from one side: linear attention is such a layer with gates of 1, and nothing fades."""
    parts = OPS["ssd"].as_realization(A=-np.ones(1), p=2, n=2)
    found = profile(parts, Box(0, 1))
    assert (found.guarantee.kind, found.integrators) == ("none", 4)


def test_jordan_blocks_are_neither():
    """The control from the other side: a block at 1/2 has no power that vanishes and no basis of eigenvectors."""
    block = jordan(0.5, [3])
    assert index(block) is None
    assert not diagonalizable(block[None])
    assert np.linalg.cond(np.linalg.eig(block)[1]) > 1e9


def test_windows_side_by_side_commute_and_are_not_diagonalizable():
    """The control for the method: powers of one shift commute; commuting matrices need not be diagonalizable."""
    shift = np.eye(4, k=1)
    powers = np.stack([shift, shift @ shift])
    assert commute(powers)
    assert not normal(powers)


def test_the_span_does_not_depend_on_the_convention():
    """Read before the update, the register of w inputs has index w - 1; w inputs reach the output all the same."""
    for w in (1, 2, 5):
        before = eidetic_memory(moving_average(np.arange(1.0, w + 1)))
        after = eidetic_memory(OPS["causal_conv1d"].as_realization(weight=np.ones((1, w))).system)
        assert (before.index, after.index) == (w - 1, w)
        assert before.span == after.span == w
