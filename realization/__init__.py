"""realization: ground truth for sequence-model kernels, and realization theory that runs.

    realization.layers     the operations: definition, certified value, bound, gradient of each
    realization.verify     judge a kernel: cases, verdict, properties, report
    realization.certify    the number types Err, Tape, DD, Rounded and the certified truth
    realization.systems    LinearSSM, TimeVaryingSSM, BilinearSSM
    realization.core       shapes, formats and roundings, claims, the Op record

The names below are loaded when they are first used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Claim": "core.claim",
    "Op": "core.ops",
    "round_to": "core.rounding",
    "RealizationError": "core.errors",
    "ShapeError": "core.errors",
    "StructureError": "core.errors",
    "ConvergenceError": "core.errors",
    "LinearSSM": "systems",
    "TimeVaryingSSM": "systems",
    "BilinearSSM": "systems",
    "OPS": "layers",
    "CAUSAL_CONV1D": "layers",
    "MIXERS": "layers",
    "SELECTIVE_SCAN": "layers",
    "SSD": "layers",
    "causal_conv1d": "layers",
    "mamba_mixer": "layers",
    "mamba2_mixer": "layers",
    "recurrence": "layers.recurrence",
    "selective_scan": "layers",
    "ssd": "layers",
    "ssd_chunked": "layers",
    "ssd_matrix": "layers",
    "golden": "certify.golden",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'realization' has no attribute {name!r}")
    return getattr(import_module(f"realization.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
