"""Messages say what came and what was needed."""

import numpy as np
import pytest

from realization.core.claim import NAMED, Claim, parse_claim
from realization.core.errors import RealizationError, ShapeError
from realization.core.rounding import format_of
from realization.core.shapes import finite
from realization.layers import causal_conv1d, selective_scan, ssd
from realization.systems import BilinearSSM, LinearSSM, TimeVaryingSSM


def zeros(*shape):
    return np.zeros(shape)


SCAN = {
    "u": zeros(2, 7, 3), "delta": zeros(2, 7, 3), "A": zeros(3, 5), "B": zeros(2, 7, 5), "C": zeros(2, 7, 5),
    "D": zeros(3), "z": zeros(2, 7, 3), "delta_bias": zeros(3), "initial_state": zeros(2, 3, 5),
}  # fmt: skip
DUAL = {
    "x": zeros(2, 7, 6, 3), "dt": zeros(2, 7, 6), "A": zeros(6), "B": zeros(2, 7, 2, 5), "C": zeros(2, 7, 2, 5),
    "D": zeros(6), "z": zeros(2, 7, 6, 3), "dt_bias": zeros(6), "initial_state": zeros(2, 6, 3, 5),
    "seq_idx": np.zeros((2, 7), int),
}  # fmt: skip
CONV = {
    "x": zeros(2, 7, 3), "weight": zeros(3, 4), "bias": zeros(3), "initial_state": zeros(2, 3, 3),
    "seq_idx": np.zeros((2, 7), int),
}  # fmt: skip
GIVEN = ((selective_scan, SCAN), (ssd, DUAL), (causal_conv1d, CONV))
ARGUMENTS = [(op, case, name) for op, case in GIVEN for name in case]
every_argument = pytest.mark.parametrize("op, case, name", ARGUMENTS)


@every_argument
def test_a_wrong_size_is_named(op, case, name):
    """Each argument with one axis too long: its shape, the shape needed, and where the size was read."""
    wrong = np.concatenate([case[name]] * 2, axis=-1)
    with pytest.raises(ShapeError) as caught:
        op(**case | {name: wrong})
    message = str(caught.value)
    # where an argument is the first with an axis, it sets the size, and the next one does not fit
    sets = (op, name) in {
        (selective_scan, "u"), (selective_scan, "A"), (ssd, "x"), (ssd, "B"),
        (causal_conv1d, "x"), (causal_conv1d, "weight"),
    }  # fmt: skip
    assert f"(from {name})" in message if sets else f"{name} has shape {wrong.shape}, but (" in message
    assert ") is needed for axes (" in message
    op(**case)  # the control


@every_argument
def test_a_missing_axis_is_named(op, case, name):
    """Each argument without its last axis."""
    with pytest.raises(ShapeError, match="is needed for axes"):
        op(**case | {name: case[name][..., 0]})


@pytest.mark.parametrize("name, remedy", [("B", r"; a column is B\[:, None\]$"), ("C", r"; a row is C\[None, :\]$")])
def test_a_vector_is_told_to_be_a_column_or_a_row(name, remedy):
    case = {"A": np.zeros((3, 3)), "B": np.zeros((3, 1)), "C": np.zeros((1, 3)), "D": [[0]]}
    LinearSSM(**case)
    with pytest.raises(ShapeError, match=remedy):
        LinearSSM(**case | {name: np.zeros(3)})
    with pytest.raises(ShapeError, match=r"\(from A\)$"):  # the control: no length of it fits
        LinearSSM(**case | {name: np.zeros(4)})


@pytest.mark.parametrize("op, case", [(selective_scan, SCAN), (ssd, DUAL)])
def test_missing_and_unknown_arguments(op, case):
    """A missing array is named with its axes, an unknown one beside those that are known."""
    with pytest.raises(ShapeError, match=r"B is missing; an array with axes \(\*b, T, .*n\) is needed"):
        op(**{k: v for k, v in case.items() if k != "B"})
    with pytest.raises(ShapeError, match=r"has no argument Delta; it takes .*B, C, D, z"):
        op(**case, Delta=1.0)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"B": zeros(2, 7, 4, 5), "C": zeros(2, 7, 4, 5)}, "4 groups, x 6 heads; the number of groups must divide"),
        ({"cu_seqlens": [0, 7]}, r"batch axes \(2,\); packed sequences need a batch axis of size 1"),
        ({"initial_state": zeros(3, 6, 3, 5)}, r"initial_state has batch axes \(3,\), x \(2,\)"),
    ],
)
def test_ssd_refuses(change, message):
    """What the letters of the axes cannot say."""
    with pytest.raises(ShapeError, match=message):
        ssd(**DUAL | change)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"weight": zeros(3, 0)}, r"weight has shape \(3, 0\); at least one tap"),
        ({"cu_seqlens": [0, 7]}, r"batch axes \(2,\); packed sequences need a batch axis of size 1"),
        ({"initial_state": zeros(3, 3, 3)}, r"initial_state has batch axes \(3,\), x \(2,\)"),
    ],
)
def test_a_convolution_refuses(change, message):
    """No tap, a batch of packed sequences, states of another batch; a state of another width is a wrong size."""
    with pytest.raises(ShapeError, match=message):
        causal_conv1d(**CONV | change)


@pytest.mark.parametrize("offsets", [[0, 5, 3], [1, 7], [0, 8], [0], []])
def test_offsets_must_ascend_within_the_sequence(offsets):
    """And start at 0, with one sequence at least; an empty sequence is welcome."""
    case = {k: v[:1] if v.ndim > 1 else v for k, v in DUAL.items() if k not in ("initial_state", "seq_idx")}
    with pytest.raises(ShapeError, match=r"start at 0, ascend and end at most at T=7"):
        ssd(**case, cu_seqlens=np.array(offsets, int))
    assert ssd(**case, cu_seqlens=[0, 3, 3, 7]).final_state.shape == (3, 6, 3, 5)
    with pytest.raises(ShapeError, match="initial_state has 2 states, cu_seqlens 3 sequences"):
        ssd(**case, cu_seqlens=[0, 3, 3, 7], initial_state=zeros(2, 6, 3, 5))


def test_unknown_options_offer_the_known_ones():
    """A discretization, a format, a claim and a field of a claim."""
    with pytest.raises(ShapeError, match="discretization='tustin' given; known are 'euler', 'zoh'"):
        selective_scan(**SCAN, discretization="tustin")
    with pytest.raises(ShapeError, match="'float31' is unknown; known are float64, float32"):
        format_of("float31")
    with pytest.raises(ShapeError, match="claim 'mamba2-triton' is unknown; nearest: mamba2-triton"):
        parse_claim("mamba2-triton", Claim())
    with pytest.raises(ShapeError, match="field of a claim 'accumulat' is unknown; nearest: accumulate"):
        parse_claim("accumulat=bf16", Claim())
    with pytest.raises(ShapeError, match="chunk=ten given, a whole number is needed"):
        parse_claim("chunk=ten", Claim())
    with pytest.raises(ShapeError, match="decay='sum' is not a claim; known are product, logdiff"):
        Claim(decay="sum")
    with pytest.raises(ShapeError, match="chunk=0"):
        Claim(chunk=0)


def test_claims_that_are_known_are_read():
    """The control: names, fields and short names of formats."""
    assert parse_claim("tf32,chunk=32,out=bf16,state=none", Claim()) == NAMED["tf32"].replace(chunk=32, out="bfloat16")
    assert parse_claim("", Claim(chunk=5)) == Claim(chunk=5)


@pytest.mark.parametrize("dtype", ["U1", "M8[s]"])
def test_arrays_of_no_numbers_are_refused(dtype):
    """By the dtype that came."""
    with pytest.raises(ShapeError, match="an array of numbers is needed"):
        selective_scan(**SCAN | {"u": np.zeros((2, 7, 3), dtype)})


def matrices(kind):
    """Matrices of a system with 2 states, 1 input and 3 outputs."""
    lead = (4,) if kind is TimeVaryingSSM else ()
    shapes = {"A": (2, 2), "B": (2, 1), "C": (3, 2), "D": (3, 1)}
    more = {"N": zeros(1, 2, 2), "M": zeros(1, 3, 2)} if kind is BilinearSSM else {}
    return {name: zeros(*lead, *shape) for name, shape in shapes.items()} | more


every_kind = pytest.mark.parametrize("kind", [LinearSSM, TimeVaryingSSM, BilinearSSM])


@every_kind
def test_systems_check_their_matrices(kind):
    """Each matrix with a wrong size, and with an entry that is not finite."""
    good = matrices(kind)
    for name, X in good.items():
        with pytest.raises(ShapeError, match=r"has shape .* is needed"):
            kind(**good | {name: np.concatenate([X, X, X], axis=-1)})
        for bad in (np.nan, np.inf):
            with pytest.raises(ShapeError, match=f"{name} has [0-9]+ entries that are NaN or infinite"):
                kind(**good | {name: X + bad})
    kind(**good)


@every_kind
def test_systems_check_their_signals(kind):
    """Inputs and initial states that do not fit are named with the size that was needed."""
    system = kind(**matrices(kind))
    with pytest.raises(ShapeError, match=r"u has shape \(4, 2\), but \(..., T, 1\) is needed"):
        system.simulate(zeros(4, 2))
    with pytest.raises(ShapeError, match=r"x0 has shape \(3,\), but \(..., 2\) is needed"):
        system.simulate(zeros(4, 1), zeros(3))
    with pytest.raises(ShapeError, match=r"batch axes .* of x0 given"):
        system.simulate(zeros(5, 4, 1), zeros(3, 2))
    assert system.simulate(zeros(5, 4, 1), zeros(5, 2)).y.shape == (5, 4, 3)


def test_time_varying_systems_need_as_many_steps():
    """No more and no less."""
    with pytest.raises(ShapeError, match="u has 3 steps, the system 4"):
        TimeVaryingSSM(**matrices(TimeVaryingSSM)).simulate(zeros(3, 1))


@every_kind
def test_arrays_of_systems_are_read_only_copies(kind):
    """A system does not change: neither through itself nor through what it was made from."""
    given = matrices(kind)
    system = kind(**given)
    for name, X in given.items():
        X += 1.0
        assert not getattr(system, name).any()
        with pytest.raises(ValueError, match="read-only"):
            getattr(system, name)[...] = 1.0
    with pytest.raises(AttributeError):
        system.A = given["A"]


def test_finite_names_the_first_place():
    """And how many there are."""
    with pytest.raises(ShapeError, match=r"w has 2 entries that are NaN or infinite, the first at \(0, 1\)"):
        finite("w", np.array([[0.0, np.nan], [np.inf, 0.0]]))
    assert finite("w", [1, 2]).tolist() == [1, 2]


def test_errors_of_users_are_value_errors_of_this_library():
    """So that both `except ValueError` and `except RealizationError` catch them."""
    assert issubclass(ShapeError, RealizationError)
    assert issubclass(ShapeError, ValueError)
