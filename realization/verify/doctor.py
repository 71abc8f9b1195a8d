"""What one needs to know of a machine to understand a report from it."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from realization import __version__

PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "python-flint", "torch", "transformers", "jax", "triton")


def diagnose() -> dict[str, str]:
    """Return versions and settings by name, ready to paste.

    Returns
    -------
    dict
        Without paths of the machine.
    """
    from realization._kernels import jit

    found = {"realization": __version__, "python": platform.python_version()}
    found["machine"] = f"{platform.system()} {platform.machine()}"
    found |= {name: _version(name) for name in PACKAGES}
    found["cores"] = str(os.cpu_count())
    found["fma"] = "yes" if jit.HAS_FMA else "no (Dekker's product instead)"
    return found


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
