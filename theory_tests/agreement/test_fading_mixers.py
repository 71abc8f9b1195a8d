"""Mixers with a state: the bits do not depend on cuts, documents know nothing of each other, and the ops agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realization._kernels import ordered
from realization.core.claim import Claim
from realization.core.errors import ShapeError
from realization.core.rounding import FORMATS
from realization.layers import MIXERS, causal_conv1d
from realization.layers.fading import Diagonal, Identity, Mamba1, Mamba2, ShortConvolution

FLOAT64 = Claim(io="float64", accumulate="float64")
D = 6
MIXERS_HERE = {
    "identity": Identity(D),
    "convolution": ShortConvolution(np.random.default_rng(0).standard_normal((D, 4)), np.ones(D), True),
    "diagonal": Diagonal.random(D, 5, rng=1),
    "mamba1": Mamba1.random(D, 3, memory=10.0, rng=2),
    "mamba2": Mamba2.random(D, 2, groups=2, memory=10.0, rng=3),
}
each_mixer = pytest.mark.parametrize("name", MIXERS_HERE)
names, seeds, lengths = st.sampled_from(list(MIXERS_HERE)), st.integers(0, 2**32), st.integers(0, 40)


def in_blocks(mixer, x, begins, cuts):
    """Tokens and features of blocks cut at these places, one after the other, and the last state."""
    state, found, edges = None, [], [0, *sorted(cuts), x.shape[-2]]
    for a, b in zip(edges, edges[1:], strict=False):
        out = mixer(x[..., a:b, :], state, begins=begins[..., a:b])
        state = out.state
        found.append(out)
    return [np.concatenate([part[i] for part in found], axis=-2) for i in (0, 1)], state


@given(names, seeds, lengths, st.lists(st.integers(0, 40), max_size=4))
def test_any_cut_gives_the_same_bits(name, seed, T, cuts):
    """Empty blocks, one token at a time and documents included."""
    rng, mixer = np.random.default_rng(seed), MIXERS_HERE[name]
    x, begins = rng.standard_normal((2, T, D)), rng.random((2, T)) < 0.1
    whole = mixer(x, begins=begins)
    parts, state = in_blocks(mixer, x, begins, [min(c, T) for c in cuts])
    assert np.array_equal(parts[0], whole.tokens)
    assert np.array_equal(parts[1], whole.features)
    assert all(np.array_equal(a, b) for a, b in zip(state, whole.state, strict=True))


@each_mixer
def test_one_lost_bit_would_be_seen(name):
    """The control: a token that is larger by one rounding changes what is read."""
    mixer, x = MIXERS_HERE[name], np.random.default_rng(5).standard_normal((1, 9, D))
    other = x.copy()
    other[0, 4] = np.nextafter(x[0, 4], np.inf)
    assert not np.array_equal(mixer(x).features, mixer(other).features)


@each_mixer
def test_documents_in_a_row_are_as_each_by_itself(name):
    """Bit for bit, state included; the control has no boundary."""
    mixer, x = MIXERS_HERE[name], np.random.default_rng(6).standard_normal((1, 12, D))
    begins = np.arange(12)[None] == 5
    both, second = mixer(x, begins=begins), mixer(x[:, 5:])
    assert np.array_equal(both.tokens[:, 5:], second.tokens)
    assert np.array_equal(both.features[:, 5:], second.features)
    assert all(np.array_equal(a, b) for a, b in zip(both.state, second.state, strict=True))
    assert name == "identity" or not np.array_equal(mixer(x).tokens[:, 5:], second.tokens)


@given(seed=seeds, name=st.sampled_from(["mamba_mixer", "mamba2_mixer"]), T=lengths, option=st.integers(0, 1))
def test_the_mixers_of_mamba_are_the_ops(seed, name, T, option):
    """Within both float64 bounds: products in a fixed order are one order among those the bound admits."""
    op = MIXERS[name]
    rng = np.random.default_rng(seed)
    case = op.cases(op.regimes[0], op.options[option], T=T, chunk=8, rng=rng, form=FORMATS["float32"])
    x, weights = case["x"], {key: value for key, value in case.items() if key != "x"}
    mixer = (Mamba1 if name == "mamba_mixer" else Mamba2)(**weights)
    off = np.abs(mixer(x).tokens - op.definition(**case).y)
    error = op.bound(case, FLOAT64)["y"].error
    assert (off <= 2 * error).all()
    assert not T or (error < 1e-9 * np.abs(case["out_weight"]).sum()).all(), "a bound that says something"


def test_the_convolution_is_the_op():
    """Bit for bit: the same kernel; the control has taps of the other end."""
    mixer, x = MIXERS_HERE["convolution"], np.random.default_rng(7).standard_normal((2, 20, D))
    want = causal_conv1d(x=x, weight=mixer.weight, bias=mixer.bias, activation=True).y
    assert np.abs(mixer(x).tokens - want).max() <= 1e-15 * np.abs(want).max() * 4
    other = ShortConvolution(mixer.weight[:, ::-1], mixer.bias, True)
    assert np.abs(other(x).tokens - want).max() > 0.1
    assert np.array_equal(mixer(x).features.reshape(2, 20, D, 4)[..., -1], x)


@each_mixer
def test_what_drives_the_state_and_what_reads_it(name):
    """s = a s + w, f = read(s, r), step by step: the features and tokens of the mixer, to a few roundings a step."""
    mixer, x = MIXERS_HERE[name], np.random.default_rng(8).standard_normal((25, D))
    whole, drive = mixer(x), mixer.drive(x)
    s, states = np.zeros(drive.decay.shape[-1]), []
    for a, w in zip(drive.decay, drive.write, strict=True):
        s = a * s + w
        states.append(s)
    states = np.array(states).reshape(25, -1)
    if states.size:
        np.testing.assert_allclose(states, whole.features, rtol=0, atol=25 * 4 * 2.0**-52 * np.abs(states).max())
    read = mixer.read(states, drive.reader)
    np.testing.assert_allclose(read, whole.tokens, rtol=0, atol=100 * 2.0**-52 * np.abs(whole.tokens).max())


@given(seeds, st.integers(0, 12), st.integers(0, 7), st.integers(0, 9))
def test_a_row_of_an_ordered_product_depends_on_this_row_alone(seed, N, n, m):
    """Every block of rows has the bits of the whole; the value is that of the matrix product to n roundings."""
    rng = np.random.default_rng(seed)
    x, W, b = rng.standard_normal((N, n)), rng.standard_normal((m, n)), rng.standard_normal(m)
    y = ordered.linear(x, W, b)
    for i in range(N + 1):
        assert np.array_equal(ordered.linear(x[i:], W, b), y[i:])
        assert np.array_equal(ordered.linear(x[:i], W, b), y[:i])
    # n + 1 additions and n products, each rounded once, in either order
    bound = 2 * (n + 2) * 2.0**-53 * (np.abs(x) @ np.abs(W).T + np.abs(b))
    assert (np.abs(y - (x @ W.T + b)) <= bound).all()


def test_another_order_has_other_bits():
    """The control: the same sums from the other end are not the same numbers."""
    x, W = np.random.default_rng(0).standard_normal((2, 9, 64))
    assert not np.array_equal(ordered.linear(x[:, ::-1], W[:, ::-1]), ordered.linear(x, W))


def test_weights_that_do_not_fit_are_refused_by_name():
    w = {name: getattr(MIXERS_HERE["mamba1"], name) for name in Mamba1.__slots__}
    with pytest.raises(ShapeError, match=r"D has shape \(5,\)"):
        Mamba1(**w | {"D": np.ones(5)})
    with pytest.raises(ShapeError, match="NaN or infinite"):
        Diagonal([np.nan], [[1.0]], [[1.0]])
    with pytest.raises(ShapeError, match="at least one tap"):
        ShortConvolution(np.ones((3, 0)))
    with pytest.raises(ShapeError, match=r"has 7 outputs, 1 \+ 4 \+ 4 are needed"):
        Mamba1(**w | {"A_log": np.zeros((2 * D, 4))})
    with pytest.raises(ShapeError, match="dtype complex128; real weights are needed"):
        Diagonal([-0.1 + 1j], [[1.0]], [[1.0]])
    with pytest.raises(ShapeError, match="d=-1 given; a whole number of channels"):
        Identity(-1)


@pytest.mark.parametrize("name", MIXERS_HERE)
def test_tokens_that_do_not_fit_are_refused(name):
    """By each mixer itself; the control is a list of the right shape."""
    mixer, x = MIXERS_HERE[name], np.ones((6, D))
    assert np.array_equal(mixer(x.tolist()).tokens, mixer(x).tokens)
    for wrong in (x[0], x[:, :-1], x + 0j):
        with pytest.raises(ShapeError, match=rf"real tokens \(..., T, {D}\) are needed"):
            mixer(wrong)
    with pytest.raises(ShapeError, match="x has 1 entries that are NaN"):
        mixer(np.where(np.arange(6 * D).reshape(6, D) == 3, np.nan, x))
