"""realization: ground truth for sequence-model kernels, and realization theory that runs.

    realization.layers      the operations: definition, certified value, bound, gradient of each
    realization.verify      judge a kernel: cases, verdict, properties, report
    realization.certify     the number types Err, Tape, DD, Rounded and the certified truth
    realization.memory      what a system holds exactly, what fades, how long; which tokens are kept verbatim
    realization.stochastic  processes: all their models, backward too; filters, smoothers, identification
    realization.canonical   canonical forms, and reductions to fewer states
    realization.systems     linear, continuous, time-varying and bilinear systems; named ones
    realization.linalg      equations and decisions that all of these rest on
    realization.plotting    figures, on axes of yours
    realization.testing     hypothesis strategies, for test suites
    realization.exercises   questions of the chapters, with answers that are checked
    realization.core        shapes, formats and roundings, claims, the Op record

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
    "ContinuousSSM": "systems",
    "TimeVaryingSSM": "systems",
    "BilinearSSM": "systems",
    "ExactSSM": "systems",
    "NAMED": "systems",
    "discretize": "systems",
    "markov_parameters": "systems",
    "transfer_function": "systems",
    "InnovationsSSM": "systems",
    "StochasticSSM": "systems",
    "cva": "stochastic",
    "faurre_set": "stochastic",
    "innovations_model": "stochastic",
    "kalman_filter": "stochastic",
    "positive_real": "stochastic",
    "reverse": "stochastic",
    "rts_smoother": "stochastic",
    "FORMS": "canonical",
    "CanonicalForm": "canonical",
    "convert": "canonical",
    "minimal_realization": "canonical",
    "register": "canonical",
    "same_behaviour": "canonical",
    "InnovationTest": "memory",
    "Selection": "memory",
    "profile": "memory",
    "OPS": "layers",
    "BMOJO": "layers",
    "BMOJO_F": "layers",
    "BMOJO_LAYER": "layers",
    "BMojo": "layers",
    "CAUSAL_CONV1D": "layers",
    "GATED_DELTA_RULE": "layers",
    "KNOWN": "layers",
    "MIXERS": "layers",
    "SELECTIVE_SCAN": "layers",
    "SLIDING_WINDOW_ATTENTION": "layers",
    "SSD": "layers",
    "bmojo": "layers",
    "bmojo_f": "layers",
    "bmojo_f_layer": "layers",
    "bmojo_f_two_pass": "layers",
    "bmojo_layer": "layers",
    "causal_conv1d": "layers",
    "gated_delta_rule": "layers",
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
