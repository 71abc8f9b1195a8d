"""The command `memory`: every layer and head of a checkpoint, and one line for every damaged file."""

import json
import os
import struct

import numpy as np
import pytest

from realization.cli import main
from realization.core.errors import ShapeError
from realization.core.rounding import round_to
from realization.memory.checkpoint import checkpoint_memory
from realization.memory.example import write_checkpoint
from realization.memory.tensors import FORMATS, INDEX, Tensors, decode, e4m3, encode, write_tensors

every_kind = pytest.mark.parametrize("kind", ["Mamba-1", "Mamba-2"])


@pytest.fixture
def run(capsys):
    """Run the command; return (exit status, standard output, standard error)."""

    def call(*words):
        status = main(["memory", *map(str, words)])
        out = capsys.readouterr()
        return status, out.out, out.err

    return call


@pytest.fixture
def file(tmp_path):
    """A tiny checkpoint of Mamba-2 layers."""
    path = tmp_path / "model.safetensors"
    write_checkpoint(path, kind="Mamba-2", rng=0)
    return path


def parts(path):
    """Header and numbers of a file."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def join(path, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_numbers_are_those_of_the_weights(run, tmp_path):
    """Decay 1/2 a step: half-life 1, window at 2^-10 of 10 steps; in Mamba-1 each state has its own."""
    path = tmp_path / "model.safetensors"
    bias = np.full(3, np.log(np.expm1(np.log(2))))  # softplus(bias) = log 2
    rates = np.log([[1.0, 2.0, 0.5]] * 3)
    tensors = {"A_log": rates, "dt_proj.bias": bias, "D": np.ones(3), "conv1d.weight": np.ones((3, 1, 4))}
    write_tensors(path, {f"backbone.layers.0.mixer.{name}": x for name, x in tensors.items()}, dtype="F64")
    status, out, _ = run(path, "--json", "--precision", "0.0009765625")
    (layer,) = json.loads(out)["layers"]
    assert (status, layer["kind"], layer["eidetic"]) == (0, "Mamba-1", 4)
    assert layer["half_life"] == pytest.approx([2.0] * 3, rel=1e-14)
    assert layer["window"] == [20.0] * 3
    assert layer["fastest"]["half_life"] == pytest.approx([0.5] * 3, rel=1e-14)
    assert layer["time_constant"] == pytest.approx([2 / np.log(2)] * 3, rel=1e-14)


@every_kind
@pytest.mark.parametrize("names, place", [
    ("state-spaces", "backbone.layers.1.mixer"),
    ("transformers", "backbone.layers.1.mixer"),
    ("bamba", "model.layers.1.mamba"),
])  # fmt: skip
def test_names_of_every_family(run, tmp_path, kind, names, place):
    write_checkpoint(tmp_path / "model.safetensors", kind=kind, names=names, rng=1)
    status, out, _ = run(tmp_path)  # the folder will do
    assert status == 0
    assert place in out
    assert kind in out


@every_kind
@pytest.mark.parametrize("dtype", ["F16", "BF16", "F8_E4M3", "F8_E5M2"])
def test_narrow_formats_are_read_exactly(tmp_path, kind, dtype):
    """The rates are those of the rounded weights, to the last bit; those of the weights before rounding are not."""
    exact, narrow, rounded = (tmp_path / f"{name}.safetensors" for name in ("exact", "narrow", "rounded"))
    write_checkpoint(exact, kind=kind, rng=2, dtype="F64")
    write_checkpoint(narrow, kind=kind, rng=2, dtype=dtype)
    write_tensors(rounded, {k: round_to(x, FORMATS[dtype]) for k, x in Tensors(exact).items()}, dtype="F64")
    of = {path: np.stack([one.exponent for one in checkpoint_memory(path)]) for path in (exact, narrow, rounded)}
    assert np.array_equal(of[narrow], of[rounded])
    assert not np.array_equal(of[narrow], of[exact])


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F8_E5M2", "F8_E4M3"])
def test_every_bit_pattern_is_decoded_as_elsewhere(dtype):
    """All 256 or 65536 of them against another implementation of the formats, NaN and infinity included."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    theirs = {"F16": np.float16, "BF16": ml_dtypes.bfloat16, "F8_E5M2": ml_dtypes.float8_e5m2,
              "F8_E4M3": ml_dtypes.float8_e4m3fn}[dtype]  # fmt: skip
    code = np.arange(256, dtype=np.uint8) if dtype.startswith("F8") else np.arange(65536, dtype="<u2").view(np.uint8)
    with np.errstate(invalid="ignore"):  # they cast signalling NaNs
        ours, want = decode(code, dtype), code.view(theirs).astype(np.float64)
    assert np.array_equal(ours, want, equal_nan=True)
    assert np.array_equal(np.signbit(ours), np.signbit(want))
    numbers = np.isfinite(ours)
    assert encode(ours[numbers], dtype) == code.view(theirs)[numbers].tobytes()


def test_formats_of_8_bits_by_hand():
    """The controls that need no other package: the ends of both ranges, from their definitions."""
    assert e4m3()[[0x00, 0x01, 0x08, 0x38, 0x7E, 0xB8]].tolist() == [0, 2.0**-9, 2.0**-6, 1, 448, -1]
    assert np.isnan(e4m3()[[0x7F, 0xFF]]).all()
    bits = np.array([0x01, 0x04, 0x3C, 0x7B, 0x7C], dtype=np.uint8)
    assert decode(bits, "F8_E5M2").tolist() == [2.0**-16, 2.0**-14, 1, 57344, np.inf]


def test_files_are_those_of_the_safetensors_package(tmp_path):
    """Each reads what the other writes."""
    numpy = pytest.importorskip("safetensors.numpy")
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    write_checkpoint(ours, kind="Mamba-2", rng=3)
    loaded = numpy.load_file(ours)
    read = Tensors(ours)
    assert loaded.keys() == read.keys()
    assert all(np.array_equal(loaded[name], read[name]) for name in loaded)
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False]), "c": np.float64(2.5),
              "empty": np.zeros((0, 4), np.float16)}  # fmt: skip
    numpy.save_file({name: np.asarray(x) for name, x in arrays.items()}, theirs, metadata={"format": "pt"})
    read = Tensors(theirs)
    assert set(read) == set(arrays)
    assert all(np.array_equal(read[name], x) and read.shape(name) == np.shape(x) for name, x in arrays.items())


def test_several_files_and_their_index(run, tmp_path):
    """Each layer from its own shard, in the order of the layers: 2 before 10."""
    places = {}
    for i in (10, 2):
        one = {f"backbone.layers.{i}.mixer.{k}": np.zeros(2) for k in ("A_log", "dt_bias", "D")}
        write_tensors(tmp_path / f"shard-{i}.safetensors", one)
        places |= dict.fromkeys(one, f"shard-{i}.safetensors")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": places}))
    status, out, _ = run(tmp_path)
    assert status == 0
    assert out.index("layers.2.") < out.index("layers.10.")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": places | {"more": "shard-2.safetensors"}}))
    assert run(tmp_path)[0] == 2
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": places | {"more": "absent.safetensors"}}))
    assert "absent.safetensors" in run(tmp_path)[2]
    (tmp_path / INDEX).write_text("[]")
    assert "is not an index" in run(tmp_path)[2]


def test_a_large_file_is_not_read(run, tmp_path):
    """A hole of 64 GB in front of one layer: only the layer is touched, or this would take minutes and all memory."""
    small, large = tmp_path / "small.safetensors", tmp_path / "model.safetensors"
    write_tensors(small, {f"m.{name}": np.zeros(2) for name in ("A_log", "dt_bias", "D")})
    header, data = parts(small)
    hole = 2**36
    for entry in header.values():
        entry["data_offsets"] = [place + hole for place in entry["data_offsets"]]
    join(large, {"huge": {"dtype": "BF16", "shape": [hole // 2], "data_offsets": [0, hole]}} | header, b"")
    start = large.stat().st_size
    try:
        os.truncate(large, start + hole)
    except OSError:
        pytest.skip("this file system has no sparse files")
    with large.open("ab") as file:
        file.write(data)
    assert run(large)[:2] == run(small)[:2]


def without(header, name):
    return {k: v for k, v in header.items() if not k.endswith(name)}


def changed(header, name, **new):
    return {k: v | new if k.endswith(name) else v for k, v in header.items()}


DAMAGE = {
    "8 are needed for the length": lambda path, header, data: path.write_bytes(b"\x08\0\0"),
    "8 are needed for the": lambda path, header, data: path.write_bytes(b""),
    "but only 3 follow": lambda path, header, data: path.write_bytes(struct.pack("<Q", 10**15) + b"abc"),
    "is not JSON": lambda path, header, data: join(path, b"{'single': quotes}", data),
    "header is not JSON": lambda path, header, data: join(path, b"\xff\xfe{}", data),
    "is a JSON list": lambda path, header, data: join(path, b"[1, 2]", data),
    "data_offsets are needed": lambda path, header, data: join(path, header | {"x": {"dtype": "F32"}}, data),
    "but the numbers have": lambda path, header, data: join(path, header, data[:-4]),
    "bytes follow it": lambda path, header, data: join(path, header, data + b"1234"),
    "'F77'; known are": lambda path, header, data: join(path, changed(header, "D", dtype="F77"), data),
    "has dtype 7": lambda path, header, data: join(path, changed(header, "D", dtype=7), data),
    "in F16 takes 16": lambda path, header, data: join(path, changed(header, "0.mixer.D", dtype="F16"), data),
    "[9] in F32 takes 36": lambda path, header, data: join(path, changed(header, "0.mixer.D", shape=[9]), data),
    "whole numbers are needed": lambda path, header, data: join(path, changed(header, "0.mixer.D", shape=[-8]), data),
    "shape [8.0]": lambda path, header, data: join(path, changed(header, "0.mixer.D", shape=[8.0]), data),
    "no array is so large": lambda path, header, data: join(path, changed(header, "D", shape=[0, 10**30]), data),
    "has 40 axes": lambda path, header, data: join(path, changed(header, "D", shape=[1] * 40), data),
    "header is not JSON (Exceeds": lambda path, header, data: join(path, b'{"a": ' + b"9" * 5000 + b"}", data),
    "called 'two\\nlines'": lambda path, header, data: join(path, header | {"two\nlines": {}}, data),
    "overlaps": lambda path, header, data: join(path, changed(header, "D", data_offsets=[0, 32]), data),
    "leaves a gap": lambda path, header, data: join(path, without(header, "0.mixer.D"), data),
}


@pytest.mark.parametrize("message", DAMAGE)
def test_a_damaged_file_is_refused_in_one_line(run, file, message):
    """With exit status 2, the name of the file, and what is wrong with it; the whole file is accepted."""
    assert run(file)[0] == 0
    DAMAGE[message](file, *parts(file))
    status, out, err = run(file)
    assert (status, out) == (2, "")
    assert message in err
    assert str(file) in err
    assert len(err.splitlines()) == 1


def weights(**changes):
    """Weights of one Mamba-2 layer, some of them changed, or left out where None."""
    given = {"A_log": np.zeros(2), "dt_bias": np.zeros(2), "D": np.ones(2)} | changes
    return {f"m.{name}": x for name, x in given.items() if x is not None}


@pytest.mark.parametrize("changes, message", [
    ({"A_log": None}, "no Mamba layer"),
    ({"dt_bias": None}, "m.dt_bias is not"),
    ({"dt_bias": np.zeros(3)}, "m.dt_bias has shape (3,), but (2,) is needed"),
    ({"A_log": np.array([0, np.nan])}, "m.A_log has 1 entries that are NaN or infinite, the first at (1,)"),
    ({"dt_bias": np.array([np.inf, 0])}, "m.dt_bias has 1 entries that are NaN"),
    ({"D": np.array([np.nan, 0])}, "m.D has 1 entries"),
    ({"A_log": np.zeros((2, 2, 2))}, "(heads,) or (channels, states) is needed"),
    ({"A_log": np.zeros((2, 4))}, "m.dt_proj.bias is not"),
    ({"conv1d.weight": np.zeros(4)}, "m.conv1d.weight has shape (4,); (channels, 1, w) is needed"),
])  # fmt: skip
def test_weights_that_say_nothing_are_refused(run, tmp_path, changes, message):
    path = tmp_path / "model.safetensors"
    write_tensors(path, weights() | {"other": np.ones(1)})
    assert run(path)[0] == 0
    write_tensors(path, weights(**changes) | {"other": np.ones(1)})
    status, _, err = run(path)
    assert status == 2
    assert message in err


def test_ends_of_the_range(run, tmp_path):
    """A step of 0 integrates; a rate beyond the largest number forgets at once; no heads, no numbers."""
    path = tmp_path / "model.safetensors"
    write_tensors(path, weights(A_log=np.array([800.0, 800.0]), dt_bias=np.array([-800.0, 1.0])), dtype="F64")
    layer = json.loads(run(path, "--json")[1])["layers"][0]
    assert layer["half_life"] == [None, 0.0]
    assert layer["integrators"] == 1
    assert "Integrators: 1 states" in run(path)[1]
    assert "inf" in run(path, "--layer", 0)[1]
    write_tensors(path, weights(A_log=np.zeros(0), dt_bias=np.zeros(0), D=np.zeros(0)))
    assert run(path)[0] == 0


@pytest.mark.parametrize("shape", [(2, 1, 4), (2, 4, 1), (2, 4)])
def test_convolutions_of_every_layout(tmp_path, shape):
    """Their width is the axis that is neither that of the channels nor 1."""
    path = tmp_path / "model.safetensors"
    write_tensors(path, weights() | {"m.conv1d.weight": np.ones(shape)})
    assert [one.eidetic for one in checkpoint_memory(path)] == [4]
    write_tensors(path, weights())
    assert [one.eidetic for one in checkpoint_memory(path)] == [None]


def test_layers_are_in_order_whatever_their_names(run, tmp_path):
    """Digits that are no decimal numbers are letters."""
    path = tmp_path / "model.safetensors"
    names = ["1", "a2", "a10", "a10\u00b2", "\u00b2"]
    write_tensors(path, {f"{name}.{k}": np.zeros(2) for name in reversed(names) for k in ("A_log", "dt_bias")})
    assert [one.name for one in checkpoint_memory(path)] == names


def test_options(run, file):
    """A format's unit roundoff or a number; one layer, head by head; no such layer."""
    _, coarse, _ = run(file)
    _, fine, _ = run(file, "--precision", "float32")
    assert "0.00391" in coarse
    assert "5.96e-08" in fine
    status, heads, _ = run(file, "--layer", 1)
    assert status == 0
    assert len([line for line in heads.splitlines() if line[:1].isdigit()]) == 8
    for bad in (("--layer", 2), *(("--precision", text) for text in ("2", "fast", "nan", "0", "-1", "inf"))):
        status, _, err = run(file, *bad)
        assert status == 2
        assert "given" in err
    assert main(["memory", str(file.parent / "absent")]) == 2


def test_unknown_kinds_are_refused_by_the_writer(tmp_path):
    with pytest.raises(ShapeError, match="known"):
        write_checkpoint(tmp_path / "x", kind="Mamba-9")
