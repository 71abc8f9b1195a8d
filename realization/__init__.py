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
    "complete": "layers.readings",
    "round_to": "core.rounding",
    "RealizationError": "core.errors",
    "ShapeError": "core.errors",
    "StructureError": "core.errors",
    "ConvergenceError": "core.errors",
    "LinearSSM": "systems",
    "TimeVaryingSSM": "systems",
    "BilinearSSM": "systems",
    "OPS": "layers",
    "BMOJO_F": "layers",
    "CAUSAL_CONV1D": "layers",
    "KNOWN": "layers",
    "MIXERS": "layers",
    "SELECTIVE_SCAN": "layers",
    "SLIDING_WINDOW_ATTENTION": "layers",
    "SSD": "layers",
    "bmojo_f": "layers",
    "bmojo_f_layer": "layers",
    "bmojo_f_two_pass": "layers",
    "causal_conv1d": "layers",
    "mamba2_mixer": "layers",
    "mamba_mixer": "layers",
    "merge": "layers.readout",
    "readout": "layers.readout",
    "recurrence": "layers.recurrence",
    "selective_scan": "layers",
    "sliding_window_attention": "layers",
    "ssd": "layers",
    "ssd_chunked": "layers",
    "ssd_matrix": "layers",
    "golden": "certify.golden",
    "judge": "verify.judge",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'realization' has no attribute {name!r}")
    return getattr(import_module(f"realization.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
