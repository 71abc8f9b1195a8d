"""Tensors of a safetensors file, read where they lie.

    8 bytes      N, little-endian
    N bytes      JSON: name -> {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}
    the rest     the numbers; the tensors fill it without gap or overlap

The file is memory-mapped: of a checkpoint of many gigabytes only the tensors that are asked
for are touched.  Formats of 16 and 8 bits are decoded exactly, from their bits.
"""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from realization.core.errors import ShapeError
from realization.core.rounding import round_to

INDEX = "model.safetensors.index.json"
# Bits of a number, by its name in a header; those without a decoder below are measured, not read.
BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
    "C64": 64, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip
PLAIN = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "u1",
}  # fmt: skip
# How they are called in `core.rounding`.
FORMATS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip


class Tensors(Mapping[str, np.ndarray]):
    """The tensors of one file, by name, as float64 arrays; each is decoded when it is asked for.

    Parameters
    ----------
    path : path-like
        A `.safetensors` file.

    Attributes
    ----------
    metadata : dict
        Texts by name, which the file has beside its tensors.

    Raises
    ------
    ShapeError
        If the file is damaged; the message says where.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        size = self.path.stat().st_size
        if size < 8:
            self._damaged(f"{size} bytes given, 8 are needed for the length of the header")
        self._bytes = np.memmap(self.path, dtype=np.uint8, mode="r")
        length = int(self._bytes[:8].view("<u8")[0])
        if length > size - 8:
            self._damaged(f"its header has {length} bytes by its first 8, but only {size - 8} follow")
        self._data = self._bytes[8 + length :]
        header = self._header(self._bytes[8 : 8 + length].tobytes())
        self.metadata = self._texts(header.pop("__metadata__", {}))
        self._entries = {name: self._entry(name, given) for name, given in header.items()}
        self._check_places()

    def __getitem__(self, name: str) -> np.ndarray:
        dtype, shape, begin, end = self._entries[name]
        return decode(self._data[begin:end], dtype, name).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def dtype(self, name: str) -> str:
        """Format of a tensor, as the header has it: "F32", "BF16", ..."""
        return self._entries[name][0]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, without touching its numbers."""
        return self._entries[name][1]

    def _damaged(self, what: str) -> NoReturn:
        raise ShapeError(f"{self.path} is not a whole safetensors file: {what}")

    def _header(self, text: bytes) -> dict[str, Any]:
        try:
            header = json.loads(text.decode("utf-8"))
        except (ValueError, RecursionError) as e:  # of the encoding, of JSON, or a number of 5000 digits
            self._damaged(f"its header is not JSON ({e})")
        if not isinstance(header, dict):
            self._damaged(f"its header is a JSON {type(header).__name__}, an object is needed")
        return header

    def _texts(self, given: Any) -> dict[str, str]:
        """What a file says of itself: texts by name."""
        if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
            self._damaged(f"its __metadata__ is {json.dumps(given)[:80]}; texts by name are needed")
        return given

    def _entry(self, name: str, given: Any) -> tuple[str, tuple[int, ...], int, int]:
        """One line of the header, checked by itself."""
        if not name.isprintable():
            self._damaged(f"a tensor is called {name!a}; names of printable characters are needed")
        try:
            dtype, shape, (begin, end) = given["dtype"], tuple(given["shape"]), given["data_offsets"]
        except (TypeError, KeyError, ValueError):
            self._damaged(f"{name} is described by {json.dumps(given)[:80]}; dtype, shape, data_offsets are needed")
        if not isinstance(dtype, str) or dtype not in BITS:
            self._damaged(f"{name} has dtype {dtype!r}; known are {', '.join(BITS)}")
        if not all(type(i) is int and i >= 0 for i in (*shape, begin, end)):
            self._damaged(f"{name} has shape {list(shape)} and offsets [{begin}, {end}]; whole numbers are needed")
        if not begin <= end <= self._data.size:
            self._damaged(f"{name} lies at bytes {begin} to {end}, but the numbers have {self._data.size} bytes")
        if len(shape) > 32 or math.prod(i or 1 for i in shape) >= 2**59:  # more than an array may have
            self._damaged(f"{name} has {len(shape)} axes, the longest of {max(shape)}; no array is so large")
        bits = math.prod(shape) * BITS[dtype]
        if bits != 8 * (end - begin):
            self._damaged(f"{name} has {end - begin} bytes, but shape {list(shape)} in {dtype} takes {bits / 8:g}")
        return dtype, shape, begin, end

    def _check_places(self) -> None:
        """Refuse tensors that overlap, or that leave bytes unexplained."""
        reached, before = 0, "the header"
        for name, (_, _, begin, end) in sorted(self._entries.items(), key=lambda item: item[1][2:]):
            if begin != reached:
                kind = "overlaps" if begin < reached else "leaves a gap after"
                self._damaged(f"{name} begins at byte {begin} and {kind} {before}, which ends at {reached}")
            reached, before = end, name
        if reached != self._data.size:
            self._damaged(f"{before} ends at byte {reached}, but {self._data.size - reached} bytes follow it")


def opened(path: str | os.PathLike[str]) -> dict[str, Tensors]:
    """Return, by the name of each tensor of a checkpoint, the file in which it is.

    Parameters
    ----------
    path : path-like
        A `.safetensors` file, the index of a checkpoint in several files, or the folder of `model.safetensors` or of
        its index.

    Returns
    -------
    dict
        Name -> Tensors.

    Raises
    ------
    ShapeError
        If a file is damaged, or is not what the index says.
    OSError
        If a file cannot be opened.
    """
    path = Path(path)
    if path.is_dir():
        path = path / INDEX if (path / INDEX).exists() else path / "model.safetensors"
    if path.suffix != ".json":
        file = Tensors(path)
        return dict.fromkeys(file, file)
    try:
        places = json.loads(path.read_text("utf-8"))["weight_map"]
        names = {str(name): str(shard) for name, shard in places.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ShapeError(f"{path} is not an index: JSON with a map `weight_map` of names to files is needed") from None
    shards = {shard: Tensors(path.parent / shard) for shard in sorted(set(names.values()))}
    for name, shard in names.items():
        if name not in shards[shard]:
            raise ShapeError(f"{path} says that {name} is in {shard}, but that file has no such tensor")
    return {name: shards[shard] for name, shard in names.items()}


def decode(raw: np.ndarray, dtype: str, name: str = "a tensor") -> np.ndarray:
    """Return the numbers that bytes stand for, exactly.

    Parameters
    ----------
    raw : ndarray of uint8
        The bytes, little-endian.
    dtype : str
        As in a header.
    name : str
        Of the tensor, for the message.

    Returns
    -------
    ndarray
        float64 (k,).

    Raises
    ------
    ShapeError
        If numbers of that format are not read here.

    Examples
    --------
    >>> decode(np.array([0x80, 0x3F], dtype=np.uint8), "BF16")
    array([1.])
    """
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN: whoever asks for finite numbers refuses it
        if dtype in PLAIN:
            return raw.view(PLAIN[dtype]).astype(np.float64)
        if dtype == "BF16":  # the upper half of a float32
            return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        if dtype == "F8_E5M2":  # the upper half of a float16
            return (raw.astype(np.uint16) << 8).view(np.float16).astype(np.float64)
    if dtype == "F8_E4M3":
        return e4m3()[raw]
    raise ShapeError(f"{name} has dtype {dtype}; read are {', '.join([*PLAIN, 'BF16', 'F8_E5M2', 'F8_E4M3'])}")


@functools.cache
def e4m3() -> np.ndarray:
    """The 256 numbers of float8_e4m3fn: sign, exponent of 4 bits and bias 7, fraction of 3; no infinity."""
    code = np.arange(256)
    exponent, fraction = code >> 3 & 15, code & 7
    size = np.where(exponent > 0, np.ldexp(8.0 + fraction, exponent - 10), np.ldexp(fraction, -9))
    size[code & 127 == 127] = np.nan
    table = np.where(code < 128, size, -size)
    table.setflags(write=False)
    return table


def encode(x: np.ndarray, dtype: str) -> bytes:
    """Return the bytes of numbers rounded once to a format of `FORMATS`; the inverse of `decode`.

    Parameters
    ----------
    x : ndarray
        Numbers, any shape.
    dtype : str
        "F64", "F32", "F16", "BF16", "F8_E4M3" or "F8_E5M2".

    Returns
    -------
    bytes
        Little-endian, rows first.
    """
    rounded = round_to(x, FORMATS[dtype])
    if dtype == "BF16":
        return (rounded.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    if dtype == "F8_E5M2":
        return (rounded.astype("<f2").view("<u2") >> 8).astype(np.uint8).tobytes()
    if dtype == "F8_E4M3":
        code = np.searchsorted(e4m3()[:127], np.abs(rounded))  # the positive ones are in order
        return (code + 128 * np.signbit(rounded)).astype(np.uint8).tobytes()
    return rounded.astype(PLAIN[dtype]).tobytes()


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Any], *, dtype: str = "F32",
    metadata: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Write arrays to a safetensors file.

    Parameters
    ----------
    path : path-like
        The file; replaced where it exists.
    tensors : mapping
        Name -> array_like, or name -> (array_like, format) where one has a format of its own.
    dtype : str
        Format of the others: "F64", "F32", "F16", "BF16", "F8_E4M3" or "F8_E5M2".
    metadata : mapping, optional
        Texts by name.
    """
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    parts, place = [], 0
    for name, given in tensors.items():
        x, form = given if isinstance(given, tuple) else (given, dtype)
        x = np.asarray(x, dtype=np.float64, order="C")
        parts.append(encode(x, form))
        end = place + len(parts[-1])
        header[name] = {"dtype": form, "shape": list(x.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))
