"""Compilation without surprises: `jit`, `specialise`, and the instructions Numba does not offer.

Three decisions, each with its reason.

No relaxed arithmetic.  An error-free transform such as s = a + b, e = b - (s - a) is
zero in real arithmetic, and a compiler that may reassociate makes it so.  `jit` refuses
the options that would allow it, and threads with them: the order of a sum is fixed.

A cache that cannot be stale.  Numba's index looks at the file of the function alone;
edit a function it calls in another module and the old result comes back.  So the cache
folder is named by a hash of every source of the package and of the versions of the
compilers: unchanged sources hit, any edit starts an empty folder.

No closures over compiled functions.  Numba's index key of a closure is a hash of the
pickled cells, and a pickled dispatcher holds an identifier drawn anew in each process;
a kernel factory that closes over a dispatcher is therefore compiled in *every* process
(measured with Numba 0.68: closures over numbers hit, over dispatchers never).  The
globals of a function are not in the key, hence `specialise`, which binds names as
globals and puts the code of the bound functions into the kernel's qualified name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core import config
from numba.extending import intrinsic

REFUSED = ("fastmath", "parallel")
KEPT = 8  # cache folders of other versions of the sources, the least recently used go first


def _fingerprint() -> str:
    """Hash what the compiled code depends on: all sources of the package, and the compilers."""
    digest = hashlib.sha256()
    for version in (numba.__version__, llvmlite.__version__, np.__version__):
        digest.update(version.encode() + b"\0")
    package = Path(__file__).resolve().parents[1]
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def cache_root() -> Path:
    """Return the folder that holds the cache folders of all versions of the sources."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "realization" / "kernels"


def _open_cache() -> str:
    """Make this version's cache folder, forget old ones; the empty string if nothing can be written."""
    try:
        folder = cache_root() / _fingerprint()
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        os.utime(folder)
        others = sorted(
            (path for path in folder.parent.iterdir() if path != folder), key=lambda path: -path.stat().st_mtime
        )
    except (OSError, RuntimeError):  # RuntimeError: no home folder can be determined
        return ""
    for path in others[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
    return str(folder)


CACHE = _open_cache()


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function with IEEE arithmetic; results are cached on disk.

    Parameters
    ----------
    function : callable, optional
        The function; without it a decorator is returned.
    **options
        Further options of `numba.njit`, such as inline="always".

    Returns
    -------
    Dispatcher
        The compiled function.

    Raises
    ------
    ValueError
        For an option that could change bits or the order of a sum.
    """
    if refused := [name for name in REFUSED if name in options]:
        raise ValueError(f"jit was given {', '.join(refused)}: a reference keeps IEEE arithmetic and its order")
    if function is None:
        return lambda function: jit(function, **options)
    # error_model: x / 0 is inf, as in NumPy, and a loop without the test for it vectorises.
    options = {"error_model": "numpy", "cache": bool(CACHE), **options}
    outside = config.CACHE_DIR
    try:
        config.CACHE_DIR = CACHE  # read once, while the function is decorated
        return numba.njit(**options)(function)
    finally:
        config.CACHE_DIR = outside


def small(function: Callable[..., Any]) -> Any:
    """Compile a scalar function that LLVM must inline: a call would keep the loop around it from vectorising.

    Its callers are cached with its code inside; cached by itself it would only cost files.
    """
    return jit(function, forceinline=True, cache=False)


def specialise(template: Callable[..., Any], **bound: Callable[..., Any]) -> Any:
    """Compile a template in which the names `bound` stand for these functions.

    Parameters
    ----------
    template : callable
        A plain function that refers to the names as globals.
    **bound
        Plain or compiled functions; plain ones are compiled and inlined.

    Returns
    -------
    Dispatcher
        The compiled kernel.  Found in the cache by another process when the code of the
        bound functions, the constants they read, and the package are the same.
    """
    names = {name: f if hasattr(f, "py_func") else numba.njit(f, inline="always") for name, f in bound.items()}
    key = "".join(f"{name}:{_code_key(f.py_func)};" for name, f in names.items())
    kernel = FunctionType(template.__code__, template.__globals__ | names, template.__name__, template.__defaults__)
    kernel.__kwdefaults__ = template.__kwdefaults__
    kernel.__module__ = template.__module__
    kernel.__qualname__ = f"{template.__qualname__}_{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    return jit(kernel)


def _code_key(function: Any, seen: frozenset[int] = frozenset()) -> str:
    """Describe all that decides what a function computes: bytecode, constants, and globals in turn."""
    function = getattr(function, "py_func", function)
    code = getattr(function, "__code__", None)
    if code is None or id(function) in seen:
        return repr(getattr(function, "__qualname__", function))
    seen |= {id(function)}
    cells = {} if function.__closure__ is None else dict(zip(code.co_freevars, function.__closure__, strict=True))
    parts = [code.co_code.hex(), repr(function.__defaults__)]
    parts += [_code_key(c) if callable(c) else repr(c) for c in code.co_consts if not isinstance(c, CodeType)]
    for name in code.co_names + code.co_freevars:
        value = cells[name].cell_contents if name in cells else function.__globals__.get(name, name)
        parts.append(f"{name}={_code_key(value, seen) if callable(value) else value!r}")
    return "|".join(parts)


def _has_fma() -> bool:
    """Whether fused multiply-add is an instruction of the machine that is compiled for."""
    if config.CPU_NAME == "generic" and not config.CPU_FEATURES:
        return "aarch64" in llvm.get_default_triple()
    if config.CPU_FEATURES:
        return "+fma" in config.CPU_FEATURES
    return bool(llvm.get_host_cpu_features().get("fma")) or "aarch64" in llvm.get_default_triple()


HAS_FMA = _has_fma()


@intrinsic
def fma(typing_context, a, b, c):  # type: ignore[no-untyped-def]
    """a b + c, rounded once.

    Numba never contracts a product and a sum by itself.  Without the instruction LLVM
    calls the C library's function, which is slow and correct: bits do not depend on it.
    """
    float64 = types.float64
    return float64(float64, float64, float64), lambda context, builder, signature, x: builder.fma(*x)


def _cast(origin: types.Type, target: types.Type) -> Any:
    def typed(typing_context, x):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            return builder.bitcast(arguments[0], context.get_value_type(target))

        return target(origin), generate

    return typed


float_bits = intrinsic(_cast(types.float64, types.int64))
int_to_float_bits = intrinsic(_cast(types.int64, types.float64))


@small
def two_prod_fma(a: float, b: float) -> tuple[float, float]:
    """p + e = a b exactly, p = RN(a b), by fused multiply-add."""
    p = a * b
    return p, fma(a, b, -p)


@small
def _split(a: float) -> tuple[float, float]:
    """a = high + low with 26 bits each (Veltkamp); overflows for |a| > 2**996."""
    c = 134217729.0 * a  # 2**27 + 1
    high = c - (c - a)
    return high, a - high


@small
def two_prod_dekker(a: float, b: float) -> tuple[float, float]:
    """p + e = a b exactly, p = RN(a b), by splitting: 17 operations where two_prod_fma has 2."""
    p = a * b
    a1, a2 = _split(a)
    b1, b2 = _split(b)
    return p, a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2)


two_prod = two_prod_fma if HAS_FMA else two_prod_dekker
