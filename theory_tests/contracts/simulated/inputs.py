"""Inputs that excite the mutants, and the plain answers to them.

Tokens are bfloat16 values of moderate size, which suits every io format; parameters and initial
states are float32 values.
"""

from __future__ import annotations

from functools import cache

import ml_dtypes
import numpy as np

from . import plain
from .records import ACCEPTS, NOT_BACKWARD


def short(x):
    return np.asarray(x).astype(ml_dtypes.bfloat16).astype(np.float64)


def values(rng, *shape):
    return short(rng.standard_normal(shape))


def parameters(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32).astype(np.float64)


def rates(rng, *shape):
    return -np.exp(rng.standard_normal(shape)).astype(np.float32).astype(np.float64)


#: log-step regimes: memory over chunks, ordinary, decay over within a step.
_REGIMES = {"long": (-5.0, 0.5), "ordinary": (-1.0, 1.0), "strong": (2.5, 1.0)}


def steps(rng, regime, *shape):
    centre, spread = _REGIMES[regime]
    return short(np.exp(centre + spread * rng.standard_normal(shape)))


def scan_case(seed, length, regime="ordinary", *, kind=float, n=6, options=True, softplus=False,
               zoh=False):
    rng, b, d = np.random.default_rng(seed), 2, 3
    A, start = rates(rng, d, n), parameters(rng, b, d, n)
    B, C = values(rng, b, length, n), values(rng, b, length, n)
    if kind is complex:
        A, start = A + 1j * parameters(rng, d, n), start + 1j * parameters(rng, b, d, n)
        B, C = B + 1j * values(rng, b, length, n), C + 1j * values(rng, b, length, n)
    case = {"u": values(rng, b, length, d), "delta": steps(rng, regime, b, length, d),
            "A": A, "B": B, "C": C}
    if softplus:
        case["delta"] = short(rng.choice([-9, -3, 0, 3, 15, 30, 60], size=(b, length, d)) + 0.5
                               * rng.standard_normal((b, length, d)))
        if length:
            case["delta"][:, length // 2] = 90
        case |= {"delta_softplus": True, "delta_bias": parameters(rng, d)}
    if zoh:
        case["discretization"] = "zoh"
    if options:
        case |= {"D": parameters(rng, d), "z": 3 * values(rng, b, length, d), "initial_state": start}
    return case


def ssd_case(seed, length, regime="ordinary", *, options=True, softplus=False, n=6, p=4,
              wide_D=True, seq_idx=None, cu_seqlens=None):
    b = 1 if cu_seqlens is not None else 2
    rng, h, g = np.random.default_rng(seed), 4, 2
    case = {
        "x": values(rng, b, length, h, p), "dt": steps(rng, regime, b, length, h),
        "A": rates(rng, h),
        "B": values(rng, b, length, g, n), "C": values(rng, b, length, g, n),
    }
    if softplus:
        case["dt"] = short(rng.choice([-9, -3, 0, 3, 15, 30, 60], size=(b, length, h)) + 0.5
                            * rng.standard_normal((b, length, h)))
        if length:
            case["dt"][:, length // 2] = 90
        case |= {"dt_softplus": True, "dt_bias": parameters(rng, h)}
        if options:
            case["dt_limit"] = (0.05, 25.0)
    if options:
        sequences = b if cu_seqlens is None else len(cu_seqlens) - 1
        case |= {"D": parameters(rng, h, p) if wide_D else parameters(rng, h),
                 "z": 3 * values(rng, b, length, h, p),
                 "initial_state": parameters(rng, sequences, h, p, n)}
    if seq_idx is not None:
        case["seq_idx"] = np.stack([np.resize(seq_idx, length), np.zeros(length, int)])
    if cu_seqlens is not None:
        case["cu_seqlens"] = np.asarray(cu_seqlens)
    return case


def delta_case(seed, length, memory=20.0, *, options=True, each=False, norm=False, most=1.0, k=7, v=4, seq_idx=None,
               cu_seqlens=None):
    b, h, g = 1 if cu_seqlens is not None else 2, 4, 2
    rng = np.random.default_rng(seed)
    key = rng.standard_normal((b, length, g, k))
    key = short(key if norm else key / np.linalg.norm(key, axis=-1, keepdims=True))
    case = {"query": values(rng, b, length, g, k), "key": key, "value": values(rng, b, length, h, v),
            "beta": rng.uniform(0, most, (b, length, h)).astype(np.float32).astype(np.float64)}
    case["beta"][..., 1::2] /= 16  # weak erases: a long memory
    if options:
        sequences = b if cu_seqlens is None else len(cu_seqlens) - 1
        shape = (b, length, h, k) if each else (b, length, h)
        case |= {"log_decay": short(-rng.uniform(0.2, 2, shape) / memory),
                 "initial_state": parameters(rng, sequences, h, v, k)}
    if norm:
        case |= {"l2norm": True, "norm_eps": 1e-6}
        case["key"][..., 0, :] = short(case["key"][..., 0, :] / 2048)  # as small as the root of eps
    if seq_idx is not None:
        case["seq_idx"] = np.stack([np.resize(seq_idx, length), np.zeros(length, int)])
    if cu_seqlens is not None:
        case["cu_seqlens"] = np.asarray(cu_seqlens)
    return case


_BACK = np.repeat([0, 1, 0, 2, 3, 2], [5, 4, 9, 14, 1, 30])  # indices that come back
_ALIGNED = np.repeat([0, 1, 2], 16)

_PACKED = [0, 21, 21, 22, 54, 64]


# -- read-out ---------------------------------------------------------------------------------


def conv_case(seed, length, width=4, *, options=True, activation=True, seq_idx=None, cu_seqlens=None):
    b, d = 1 if cu_seqlens is not None else 2, 5
    rng = np.random.default_rng(seed)
    case = {"x": values(rng, b, length, d), "weight": parameters(rng, d, width), "activation": activation}
    if options:
        sequences = b if cu_seqlens is None else len(cu_seqlens) - 1
        case |= {"bias": parameters(rng, d), "initial_state": parameters(rng, sequences, d, width - 1)}
    if seq_idx is not None:
        case["seq_idx"] = np.stack([np.resize(seq_idx, length), np.zeros(length, int)])
    if cu_seqlens is not None:
        case["cu_seqlens"] = np.asarray(cu_seqlens)
    return case


def _streams(rng, regime, b, T, S, h, g, k):
    """Queries and keys: scores of order 1; rising along the keys by 200; or inputs as small as sqrt(eps)."""
    query, key = values(rng, b, T, h, k), values(rng, b, S, g, k)
    if regime == "rising":
        axis = short(rng.choice([-1, 1], size=k))
        query = short(query + 12 * axis)
        key = short(key / 4 + 16 * np.linspace(0, 1, S)[:, None, None] * axis)
    if regime == "tiny":
        query, key = short(query / 512), short(key / 512)
    return query, key


def _tables(rng, *shape):
    angle = 2 * np.pi * rng.random(shape)
    return {name: f(angle).astype(np.float32).astype(np.float64) for name, f in (("cos", np.cos), ("sin", np.sin))}


def window_case(seed, T, S=None, regime="ordinary", *, have="", b=2, h=4, g=2, k=8, v=8, **options):
    rng, S, have = np.random.default_rng(seed), T if S is None else S, have.split()
    b = 1 if "packed" in have else b
    query, key = _streams(rng, regime, b, T, S, h, g, k)
    case = {"query": query, "key": key, "value": values(rng, b, S, g, v), **options}
    if "mean" in have:
        case["value"] = short(case["value"] + 128)
    if "positions" in have:
        case |= _tables(rng, *((b, S) if "batched" in have else (S,)), k // 4)
    if "norms" in have:
        case |= {"query_norm": parameters(rng, k), "key_norm": parameters(rng, k)}
    if "bias" in have:
        case["bias"] = parameters(rng, *((b,) if "batched" in have else ()), h, T, S)
    if "hiding" in have:  # some keys, and all keys of some rows
        case["bias"] = np.where(rng.random((b, h, T, S)) < 0.2, -np.inf, parameters(rng, b, h, T, S))
        case["bias"][..., T // 2, :] = -np.inf
    if "sink" in have:
        case["sink"] = parameters(rng, h)
    if "sinks" in have:
        case["sink"] = np.array([-150.0, 120.0, 3.0, 0.5])[:h]
    if "selected" in have:
        position = np.arange(S - T, S)[:, None]
        case["selected"] = np.where(rng.random((b, T, 3)) < 0.3, -1, rng.integers(0, position + 1, (b, T, 3)))
    if "packed" in have:
        case["cu_seqlens"] = np.asarray(_PACKED)
    return case


def bmojo_case(seed, T, S=None, regime="ordinary", *, have="", b=2, h=4, g=2, k=8, v=8, **options):
    case = window_case(seed, T, S, regime, have=have, b=b, h=h, g=g, k=k, v=v, **options)
    rng, S, have = np.random.default_rng(seed + 1000), T if S is None else S, have.split()
    fading_query, fading_key = _streams(rng, regime, b, T, S, h, g, k)
    case |= {"fading_key": fading_key[:, ::-1] if regime == "rising" else fading_key,
             "fading_value": values(rng, b, S, g, v) + (128 if "mean" in have else 0)}
    if "untied" in have:
        case["fading_query"] = fading_query
    if "norms" in have and "shared" not in have:
        case |= {"fading_query_norm": parameters(rng, k), "fading_key_norm": parameters(rng, k)}
    return case


# -- memory -----------------------------------------------------------------------------------

#: Documents whose boundaries lie on and off chunks of 8 and 16.
_DOCUMENTS = np.repeat([0, 1, 0, 2, 3, 2], [16, 3, 22, 1, 14, 40])


def statistics(rng, b, T, kind):
    """Distinct numbers; few values, for ties; rising or falling, so that all or none are admitted; of both signs."""
    match kind:
        case "ties":
            return rng.integers(0, 4, (b, T)).astype(float)
        case "equal":
            return np.ones((b, T))
        case "rising":
            return np.tile(np.arange(T) / 8.0, (b, 1))
        case "falling":
            return np.tile(np.arange(T)[::-1] / 8.0, (b, 1))
        case "close":
            return 1 + rng.permuted(np.tile(np.arange(T), (b, 1)), axis=-1) * 2.0**-12
        case "signed":
            return short(rng.standard_normal((b, T)) * 2)
    return short(np.exp(rng.standard_normal((b, T))))


def documents(b, T):
    return np.stack([np.resize(_DOCUMENTS, T), *np.zeros((b - 1, T), int)])


#: Ways to fill a memory, by name.
CHOICES = {
    "top": {"visibility": "at-once"},
    "late-top": {"chunk": 8},
    "leaving-top": {"chunk": 8, "entry": "leaving"},
    "threshold": {"rule": "threshold", "threshold": 1.5, "visibility": "at-once"},
    "threshold-between": {"rule": "threshold", "threshold": 1 - 2.0**-12, "chunk": 4},
    "late-threshold": {"rule": "threshold", "threshold": 1.0, "chunk": 8, "entry": "leaving"},
    "fifo": {"rule": "threshold", "threshold": 0.75, "eviction": "fifo", "visibility": "at-once", "entry": "leaving"},
    "late-fifo": {"rule": "threshold", "threshold": 1.0, "eviction": "fifo", "chunk": 8},
    "reservoir": {"rule": "threshold", "threshold": 0.5, "eviction": "reservoir", "chunk": 4, "seed": 3},
    "chunk-top": {"rule": "top-of-chunk", "count": 2, "chunk": 8},
    "chunk-fifo": {"rule": "top-of-chunk", "count": 3, "chunk": 8, "eviction": "fifo", "entry": "leaving"},
}


def select_case(seed, T, kind, choice, *, capacity=4, window=3, b=2, packed=False):
    rng = np.random.default_rng(seed)
    case = {"surprise": statistics(rng, b, T, kind), "capacity": capacity, "window": window, **CHOICES[choice]}
    return case | ({"seq_idx": documents(b, T)} if packed else {})


def eidetic_case(seed, T, S=None, regime="ordinary", *, kind="distinct", choice="top", capacity=4, window=3,
                 have="fading", b=2, **options):
    S, have_ = T if S is None else S, set(have.split())
    case = bmojo_case(seed, T, S, regime, have=have, b=b, window=window, **options)
    if "fading" not in have_:
        case = {name: x for name, x in case.items() if not name.startswith("fading_")}
    own = select_case(seed, S, kind, choice, capacity=capacity, window=window, b=b, packed="documents" in have_)
    return case | own


def layer_case(seed, T, *, choice="top", capacity=4, window=3, have="", b=2, h=4, g=2, k=8, v=6, d=10, n=5, **options):
    rng, have = np.random.default_rng(seed), set(have.split())
    case = {"x": values(rng, b, T, d), "fading": values(rng, b, T, d), "window": window, "capacity": capacity,
            **CHOICES[choice], **options}
    shapes = {"query": (h, k), "key": (g, k), "value": (g, v)}
    for name, shape in shapes.items():
        case[f"{name}_weight"] = parameters(rng, *shape, d) / 4
        if "biases" in have:
            case[f"{name}_bias"] = parameters(rng, *shape)
        if "untied" in have:
            case[f"fading_{name}_weight"] = parameters(rng, *shape, d) / 4
    case["output_weight"] = parameters(rng, d, h, v) / 4
    if "biases" in have:
        case["output_bias"] = parameters(rng, d)
    if "predictor" in have:
        case |= {"features": values(rng, b, T, n), "predictor_weight": parameters(rng, d, n) / 4}
    if "positions" in have:
        case |= _tables(rng, T, k // 4)
    if "norms" in have:
        case |= {"query_norm": parameters(rng, k), "key_norm": parameters(rng, k)}
    if "documents" in have:
        case["seq_idx"] = documents(b, T)
    return case


# -- all --------------------------------------------------------------------------------------


def _scans():
    return [
        scan_case(1, 131, "long"), scan_case(2, 131), scan_case(3, 37, "strong"),
        scan_case(4, 37, "long", softplus=True), scan_case(5, 21, softplus=True, zoh=True),
        scan_case(6, 37, "long", kind=complex), scan_case(7, 21, kind=complex, zoh=True),
        scan_case(8, 33, "long", options=False), scan_case(9, 33, "long", zoh=True),
        *(scan_case(20 + t, t, "long", n=4) for t in (0, 1, 3, 4, 5, 9, 15, 16, 17)),
        scan_case(40, 5, n=1),
    ]


def _ssds():
    return [
        ssd_case(1, 131, "long"), ssd_case(2, 131), ssd_case(3, 37, "strong"),
        ssd_case(4, 37, "long", softplus=True), ssd_case(5, 33, options=False),
        ssd_case(6, 33, "long", softplus=True, options=False),
        ssd_case(7, 63, "long", seq_idx=_BACK), ssd_case(8, 48, "long", seq_idx=_ALIGNED),
        ssd_case(9, 70, "long", cu_seqlens=_PACKED),
        ssd_case(10, 40, "long", cu_seqlens=[0, 0, 16, 32, 33], options=False),
        ssd_case(11, 40, "strong", cu_seqlens=[0, 7, 40, 40], wide_D=False),
        ssd_case(12, 5, cu_seqlens=[0, 0, 0]), ssd_case(13, 5, p=1, n=1),
        *(ssd_case(20 + t, t, "long", n=4) for t in (0, 1, 3, 4, 5, 9, 15, 16, 17)),
    ]


def _convolutions():
    return [
        conv_case(1, 37), conv_case(2, 37, activation=False), conv_case(3, 20, options=False),
        conv_case(4, 63, seq_idx=_BACK), conv_case(5, 70, cu_seqlens=_PACKED),
        conv_case(6, 40, cu_seqlens=[0, 0, 16, 32, 33], options=False), conv_case(7, 48, 2, seq_idx=_ALIGNED),
        conv_case(10, 9, seq_idx=[0, 0, 0, 0, 0, 0, 0, 1, 1]),
        conv_case(8, 12, 1), conv_case(9, 12, 7), *(conv_case(20 + t, t) for t in (0, 1, 2, 3)),
    ]


def _windows():
    return [
        window_case(1, 131, window=17, have="positions norms sink bias"), window_case(2, 70, window=64, scale=0.3),
        window_case(3, 80, None, "rising", window=40), window_case(4, 37, have="hiding", softcap=1.5, scale=0.7),
        window_case(5, 5, 40, window=9, have="positions bias"), window_case(6, 1, 33, have="positions sink", window=20),
        window_case(7, 40, window=6, have="selected bias", b=3), window_case(8, 70, window=20, have="packed sink"),
        window_case(15, 66, window=4, have="packed selected"),
        window_case(9, 40, window=16, have="sinks"), window_case(10, 20, None, "tiny", have="norms", window=16),
        window_case(11, 33, window=12, have="positions batched bias", interleaved=True, v=5),
        window_case(12, 40, window=32, have="mean", softcap=2.0), window_case(13, 40, window=1),
        window_case(14, 20, 52, "rising", have="hiding sink"),
        *(window_case(20 + t, t, window=3, have="sink") for t in (0, 1, 2, 15, 16, 17)),
    ]


def _bmojos():
    return [
        bmojo_case(1, 131, window=24, have="positions norms"), bmojo_case(2, 70, window=17, have="untied", scale=0.3),
        bmojo_case(3, 80, None, "rising", window=20), bmojo_case(4, 5, 40, window=9, have="positions untied norms"),
        bmojo_case(5, 1, 33, have="positions", window=10), bmojo_case(6, 20, None, "tiny", have="norms", window=6),
        bmojo_case(7, 33, window=12, have="positions batched", interleaved=True, v=5),
        bmojo_case(11, 30, window=7, have="untied norms shared"), bmojo_case(12, 20, window=4, have="norms shared"),
        bmojo_case(8, 40, window=16, have="mean"), bmojo_case(9, 40, window=1),
        bmojo_case(10, 30, None, "rising", window=16, have="untied"),
        *(bmojo_case(20 + t, t, window=3) for t in (0, 1, 2, 3, 5, 6, 7, 16)),
    ]


def _selects():
    kinds = ("distinct", "ties", "equal", "rising", "falling", "close", "signed")
    cases = [select_case(i, 61, kinds[i % len(kinds)], name, packed=i % 3 == 2)
             for i, name in enumerate([*CHOICES, *CHOICES])]
    edges = [select_case(40 + T, T, "ties", "late-top") for T in (0, 1, 7, 8, 9, 16)]
    return [*cases, *edges, select_case(60, 40, "ties", "late-top", packed=True),
            select_case(61, 20, "distinct", "top", capacity=0), select_case(62, 20, "ties", "fifo", capacity=64),
            select_case(63, 30, "ties", "top", window=0), select_case(64, 70, "distinct", "reservoir", packed=True),
            select_case(65, 80, "ties", "chunk-top", packed=True, window=1),
            select_case(66, 40, "ties", "threshold-between")]


def _eidetics():
    return [
        eidetic_case(1, 61, choice="top", have="fading positions norms"),
        eidetic_case(2, 50, choice="late-top", kind="ties", have="untied fading", window=5, scale=0.3),
        eidetic_case(3, 60, None, "rising", choice="fifo", have="fading", window=6),
        eidetic_case(4, 5, 40, choice="late-threshold", have="fading positions untied norms", fading_lag=2),
        eidetic_case(5, 1, 33, choice="chunk-top", have="positions", window=2),
        eidetic_case(6, 40, choice="reservoir", have="positions batched fading", interleaved=True, v=5),
        eidetic_case(7, 61, choice="late-top", have="fading documents positions", window=4),
        eidetic_case(8, 61, choice="chunk-fifo", kind="ties", have="documents", window=2),
        eidetic_case(9, 40, choice="top", have="positions norms fading shared", slot_positions=False, fading_width=2),
        eidetic_case(10, 40, choice="top", have="fading mean", window=0, fading_lag=0, fading_width=1, capacity=0),
        eidetic_case(11, 40, choice="threshold", have="fading", window=0, fading_width=4, fading_lag=1),
        eidetic_case(12, 30, choice="late-top", have="", window=1, capacity=16),
        eidetic_case(13, 40, choice="late-fifo", have="fading positions", window=12, fading_width=3, fading_lag=5),
        eidetic_case(14, 20, None, "tiny", choice="top", have="norms fading"),
        eidetic_case(15, 40, kind="ties", choice="top", window=1), eidetic_case(16, 30, kind="close", choice="top"),
        eidetic_case(17, 30, choice="threshold"), eidetic_case(18, 30, kind="rising", choice="late-fifo", window=1),
        *(eidetic_case(20 + t, t, choice="late-top", window=2) for t in (0, 1, 2, 7, 8, 9)),
    ]


def _layers():
    return [
        layer_case(1, 50, have="predictor positions biases"), layer_case(2, 50, have="predictor untied norms",
                                                                          choice="late-top", statistic="relative"),
        layer_case(3, 61, have="predictor documents", choice="late-top", window=2),
        layer_case(4, 40, have="predictor positions", choice="leaving-top", slot_positions=False, scale=0.6),
        layer_case(5, 30, have="biases", choice="fifo", fading_width=1), layer_case(6, 0), layer_case(7, 1),
        layer_case(8, 22, have="predictor positions biases untied norms documents", choice="late-top", window=2,
                   capacity=3, statistic="relative"),
        layer_case(9, 18, have="predictor positions biases", choice="leaving-top", window=2, slot_positions=False),
        layer_case(10, 20, have="predictor norms", choice="top", window=1, h=2, g=1),
    ]


def _deltas():
    return [
        delta_case(1, 131, 60.0), delta_case(2, 70, 3.0), delta_case(3, 37, 0.4), delta_case(4, 66, 40.0, each=True),
        delta_case(5, 50, 30.0, norm=True), delta_case(6, 40, most=2.0), delta_case(7, 40, options=False, most=2.0),
        delta_case(8, 63, 40.0, seq_idx=_BACK), delta_case(9, 70, 40.0, cu_seqlens=_PACKED),
        delta_case(10, 40, cu_seqlens=[0, 0, 16, 32, 33], options=False), delta_case(11, 20, k=1, v=1),
        *(delta_case(20 + t, t, 40.0) for t in (0, 1, 3, 15, 16, 17)),
    ]


_OPS = {
    "gated_delta_rule": (plain.plain_delta, _deltas),
    "selective_scan": (plain.plain_scan, _scans), "ssd": (plain.plain_ssd, _ssds),
    "causal_conv1d": (plain.plain_conv, _convolutions), "sliding_window_attention": (plain.plain_window, _windows),
    "bmojo_f": (plain.plain_bmojo, _bmojos), "select": (plain.plain_select, _selects),
    "bmojo": (plain.plain_eidetic, _eidetics), "bmojo_layer": (plain.plain_layer, _layers),
}


@cache
def cases(op: str) -> tuple:
    """Pairs of an input and the plain answer to it: (outputs and their sizes by turns)."""
    answer, inputs = _OPS[op]
    return tuple((case, answer(**case)) for case in inputs())


# -- backward ---------------------------------------------------------------------------------

#: Outputs in order.
OUTPUTS = {op: ("y", "lse" if "query" in names and "beta" not in names else "final_state")
           for op, names in ACCEPTS.items()} | {"bmojo_layer": ("y", "surprise")}
#: Rows of the longest inputs, over the batch: of the ops whose plain loop is slow.
_LONGEST = {"bmojo": 80, "bmojo_layer": 44}


def _backward_inputs(op: str):
    """Short inputs that backward kernels take, and a few with a cotangent of one output only."""
    for case, (y, _, other, *_) in cases(op):
        real = not any(np.iscomplexobj(x) for x in case.values())
        if y.shape[0] * y.shape[1] <= _LONGEST.get(op, 128) and real and not NOT_BACKWARD & set(case):
            yield case, y, other


@cache
def backward_cases(op: str) -> tuple:
    """Arguments with the cotangents of outputs: of both, and of one only."""
    found = []
    for n, (case, y, other) in enumerate(_backward_inputs(op)):
        rng = np.random.default_rng(n)
        both = {f"cotangent_{name}": values(rng, *x.shape) for name, x in zip(OUTPUTS[op], (y, other), strict=True)}
        found.append(case | both)
        if n < 2:
            found += [case | {name: x} for name, x in both.items()]
    return tuple(found)


def directional_derivative(op: str, case: dict, name: str, direction: np.ndarray) -> tuple[float, float]:
    """d/dh of sum(cotangent output) along the direction, of the plain loop, and the size of what was
    differenced.  Fourth order in h: the error is h^4 / 30 of the fifth derivative."""
    answer, _ = _OPS[op]
    arguments = {k: v for k, v in case.items() if not k.startswith("cotangent_")}

    def terms(h: float) -> np.ndarray:
        y, _, other, *_ = answer(**{**arguments, name: arguments[name] + h * direction})
        pairs = zip(OUTPUTS[op], (y, other), strict=True)
        return np.concatenate([(case[f"cotangent_{k}"] * np.where(np.isneginf(x), 0, x)).ravel()
                               for k, x in pairs if f"cotangent_{k}" in case])

    h = 2.0**-18  # inputs are as small as 2^-9
    near, far = (terms(h) - terms(-h)).sum(), (terms(2 * h) - terms(-2 * h)).sum()
    return (8 * near - far) / (12 * h), np.abs(terms(0)).sum()
