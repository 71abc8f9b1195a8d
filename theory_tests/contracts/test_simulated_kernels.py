"""The subjects of the power test are what they say they are.

Correct kernels follow the plainest float64 loop, to a loose factor; mutants differ from their
parents in bits, on some input that excites them; equivalent mutants never do.
"""

from __future__ import annotations

from functools import cache

import ml_dtypes
import numpy as np
import pytest

from theory_tests.contracts.simulated import CORRECT, MUTANTS
from theory_tests.contracts.simulated.arithmetic import rounded

UNIT = {
    "float64": 2.0**-53, "float32": 2.0**-24, "mma_fp32": 2.0**-23, "tf32": 2.0**-11,
    "float16": 2.0**-11, "bfloat16": 2.0**-8,
}
PARENTS = {kernel.name: kernel for kernel in CORRECT}


# -- the plainest loops -----------------------------------------------------------------------


def _softplus(x):
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


def _finish(y, size, D, x, z):
    """Skip and gate, on the output and on the size of what was summed to get it."""
    if D is not None:
        y, size = y + D * x, size + np.abs(D * x)
    if z is not None:
        gate = z * np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))
        y, size = y * gate, size * np.abs(gate)
    return y, size


def plain_scan(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False,
               discretization="euler", initial_state=None):
    step = delta if delta_bias is None else delta + delta_bias
    step = _softplus(step) if delta_softplus else step
    batch, length, _ = u.shape
    state = np.zeros((batch, *A.shape), A.dtype) if initial_state is None else initial_state
    size, factor = np.abs(state), 2 if np.iscomplexobj(A) else 1
    y, scale = np.zeros(u.shape), np.zeros(u.shape)
    for t in range(length):
        exponent = step[:, t, :, None] * A
        weight = step[:, t, :, None] if discretization == "euler" else np.expm1(exponent) / A
        inject = weight * u[:, t, :, None] * B[:, t, None, :]
        state = np.exp(exponent) * state + inject
        size = np.abs(np.exp(exponent)) * size + np.abs(inject)
        y[:, t] = factor * (C[:, t, None, :] * state).sum(-1).real
        scale[:, t] = factor * (np.abs(C[:, t, None, :]) * size).sum(-1)
    return (*_finish(y, scale, D, u, z), state, size)


def plain_ssd(x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False,
              dt_limit=(0, np.inf), initial_state=None, seq_idx=None, cu_seqlens=None):
    step = dt if dt_bias is None else dt + dt_bias
    step = np.clip(_softplus(step) if dt_softplus else step, *dt_limit)
    batch, length, heads, width = x.shape
    group = np.arange(heads) // (heads // B.shape[2])
    bounds = [0, length] if cu_seqlens is None else list(cu_seqlens)
    y, scale, finals, sizes = np.zeros(x.shape), np.zeros(x.shape), [], []
    for s, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False)):
        if initial_state is None:
            state = np.zeros((batch, heads, width, B.shape[3]))
        else:
            state = initial_state if cu_seqlens is None else initial_state[s : s + 1]
        size = np.abs(state)
        for t in range(low, high):
            if seq_idx is not None and t > low:
                same = (seq_idx[:, t] == seq_idx[:, t - 1])[:, None, None, None]
                state, size = state * same, size * same
            decay = np.exp(step[:, t] * A)[:, :, None, None]
            b, c = B[:, t, group][:, :, None, :], C[:, t, group][:, :, None, :]
            inject = (step[:, t, :, None] * x[:, t])[..., None] * b
            state, size = decay * state + inject, decay * size + np.abs(inject)
            y[:, t], scale[:, t] = (state * c).sum(-1), (size * np.abs(c)).sum(-1)
        finals.append(state)
        sizes.append(size)
    if D is not None and D.ndim == 1:
        D = D[:, None]
    y, scale = _finish(y, scale, D, x, z)
    y[:, bounds[-1] :] = 0
    return y, scale, np.concatenate(finals), np.concatenate(sizes)


# -- inputs -----------------------------------------------------------------------------------
# Tokens are bfloat16 values of moderate size, which suits every io format; parameters and initial
# states are float32 values.


def _short(x):
    return np.asarray(x).astype(ml_dtypes.bfloat16).astype(np.float64)


def _values(rng, *shape):
    return _short(rng.standard_normal(shape))


def _parameters(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32).astype(np.float64)


def _rates(rng, *shape):
    return -np.exp(rng.standard_normal(shape)).astype(np.float32).astype(np.float64)


#: log-step regimes: memory over chunks, ordinary, decay over within a step.
_REGIMES = {"long": (-5.0, 0.5), "ordinary": (-1.0, 1.0), "strong": (2.5, 1.0)}


def _steps(rng, regime, *shape):
    centre, spread = _REGIMES[regime]
    return _short(np.exp(centre + spread * rng.standard_normal(shape)))


def _scan_case(seed, length, regime="ordinary", *, kind=float, n=6, options=True, softplus=False,
               zoh=False):
    rng, b, d = np.random.default_rng(seed), 2, 3
    A, start = _rates(rng, d, n), _parameters(rng, b, d, n)
    B, C = _values(rng, b, length, n), _values(rng, b, length, n)
    if kind is complex:
        A, start = A + 1j * _parameters(rng, d, n), start + 1j * _parameters(rng, b, d, n)
        B, C = B + 1j * _values(rng, b, length, n), C + 1j * _values(rng, b, length, n)
    case = {"u": _values(rng, b, length, d), "delta": _steps(rng, regime, b, length, d),
            "A": A, "B": B, "C": C}
    if softplus:
        case["delta"] = _short(rng.choice([-9, -3, 0, 3, 15, 30, 60], size=(b, length, d)) + 0.5
                               * rng.standard_normal((b, length, d)))
        if length:
            case["delta"][:, length // 2] = 90
        case |= {"delta_softplus": True, "delta_bias": _parameters(rng, d)}
    if zoh:
        case["discretization"] = "zoh"
    if options:
        case |= {"D": _parameters(rng, d), "z": 3 * _values(rng, b, length, d), "initial_state": start}
    return case


def _ssd_case(seed, length, regime="ordinary", *, options=True, softplus=False, n=6, p=4,
              wide_D=True, seq_idx=None, cu_seqlens=None):
    b = 1 if cu_seqlens is not None else 2
    rng, h, g = np.random.default_rng(seed), 4, 2
    case = {
        "x": _values(rng, b, length, h, p), "dt": _steps(rng, regime, b, length, h),
        "A": _rates(rng, h),
        "B": _values(rng, b, length, g, n), "C": _values(rng, b, length, g, n),
    }
    if softplus:
        case["dt"] = _short(rng.choice([-9, -3, 0, 3, 15, 30, 60], size=(b, length, h)) + 0.5
                            * rng.standard_normal((b, length, h)))
        if length:
            case["dt"][:, length // 2] = 90
        case |= {"dt_softplus": True, "dt_bias": _parameters(rng, h)}
        if options:
            case["dt_limit"] = (0.05, 25.0)
    if options:
        sequences = b if cu_seqlens is None else len(cu_seqlens) - 1
        case |= {"D": _parameters(rng, h, p) if wide_D else _parameters(rng, h),
                 "z": 3 * _values(rng, b, length, h, p),
                 "initial_state": _parameters(rng, sequences, h, p, n)}
    if seq_idx is not None:
        case["seq_idx"] = np.stack([np.resize(seq_idx, length), np.zeros(length, int)])
    if cu_seqlens is not None:
        case["cu_seqlens"] = np.asarray(cu_seqlens)
    return case


_BACK = np.repeat([0, 1, 0, 2, 3, 2], [5, 4, 9, 14, 1, 30])  # indices that come back
_ALIGNED = np.repeat([0, 1, 2], 16)


@cache
def cases(op: str) -> tuple:
    """Pairs of an input and the plain answer to it."""
    if op == "selective_scan":
        plain, inputs = plain_scan, [
            _scan_case(1, 131, "long"), _scan_case(2, 131), _scan_case(3, 37, "strong"),
            _scan_case(4, 37, "long", softplus=True), _scan_case(5, 21, softplus=True, zoh=True),
            _scan_case(6, 37, "long", kind=complex), _scan_case(7, 21, kind=complex, zoh=True),
            _scan_case(8, 33, "long", options=False), _scan_case(9, 33, "long", zoh=True),
            *(_scan_case(20 + t, t, "long", n=4) for t in (0, 1, 3, 4, 5, 9, 15, 16, 17)),
            _scan_case(40, 5, n=1),
        ]
    else:
        plain, inputs = plain_ssd, [
            _ssd_case(1, 131, "long"), _ssd_case(2, 131), _ssd_case(3, 37, "strong"),
            _ssd_case(4, 37, "long", softplus=True), _ssd_case(5, 33, options=False),
            _ssd_case(6, 33, "long", softplus=True, options=False),
            _ssd_case(7, 63, "long", seq_idx=_BACK), _ssd_case(8, 48, "long", seq_idx=_ALIGNED),
            _ssd_case(9, 70, "long", cu_seqlens=[0, 21, 21, 22, 54, 64]),
            _ssd_case(10, 40, "long", cu_seqlens=[0, 0, 16, 32, 33], options=False),
            _ssd_case(11, 40, "strong", cu_seqlens=[0, 7, 40, 40], wide_D=False),
            _ssd_case(12, 5, cu_seqlens=[0, 0, 0]), _ssd_case(13, 5, p=1, n=1),
            *(_ssd_case(20 + t, t, "long", n=4) for t in (0, 1, 3, 4, 5, 9, 15, 16, 17)),
        ]
    return tuple((case, plain(**case)) for case in inputs)


# -- tests ------------------------------------------------------------------------------------


def test_rounding_agrees_with_ml_dtypes():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(20000) * 2.0 ** rng.integers(-140, 120, 20000)
    single = x.astype(np.float32)
    expected = single.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(rounded(single, "bfloat16"), expected)
    mantissa, exponent = np.frexp(x)
    normal = np.abs(x) >= 2.0**-126
    expected = np.ldexp(np.rint(np.ldexp(mantissa, 11)), exponent - 11)
    np.testing.assert_array_equal(rounded(x, "tf32")[normal], expected[normal])
    truncated = rounded(x, "mma_fp32")
    assert np.all(np.abs(truncated) <= np.abs(x))
    away = np.nextafter(truncated, np.copysign(np.float32(np.inf), truncated))
    assert np.all(np.abs(away) > np.abs(x))


def test_names_are_unique():
    names = [subject.name for subject in (*CORRECT, *MUTANTS)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kernel", CORRECT, ids=lambda kernel: kernel.name)
def test_a_correct_kernel_follows_the_plain_loop(kernel):
    claim = kernel.claim
    inner = max(UNIT[claim[key]] for key in ("accumulate", "operand", "state"))
    for case, (y, size, final, final_size) in cases(kernel.op):
        assert set(case) <= kernel.accepts
        step, A = (case["delta"], case["A"]) if "delta" in case else (case["dt"], case["A"])
        reach = np.abs(step).max(initial=0) * np.abs(A).max() * (claim["chunk"] or 1)
        factor = 64 * inner + (8 + reach) * UNIT[claim["accumulate"]]
        got, got_final = kernel.function(**case)
        # Half precision underflows: an absolute error of 2^-24 per product.
        floor = 2.0**-18 * (1 + np.abs(y).max(initial=0)) if "float16" in claim.values() else 0
        assert got.shape == y.shape
        assert got_final.shape == final.shape
        assert got.dtype in (np.float32, np.float64)
        np.testing.assert_array_equal(rounded(got, claim["out"]), got)
        assert np.all(np.abs(got - y) <= factor * size + 2 * UNIT[claim["out"]] * np.abs(y)
                      + floor + 1e-37)
        assert np.all(np.abs(got_final - final) <= factor * final_size + floor + 1e-37)


@pytest.mark.parametrize("kernel", [k for k in CORRECT if k.op == "ssd"], ids=lambda k: k.name)
def test_a_correct_kernel_ignores_slack_rows(kernel):
    clean = _ssd_case(30, 40, cu_seqlens=[0, 21, 33], softplus=True)
    poisoned = {name: value.copy() if name in {"x", "dt", "B", "C", "z"} else value
                for name, value in clean.items()}
    for name in ("x", "dt", "B", "C", "z"):
        poisoned[name][:, 33:] = np.nan
    assert _same_bits(kernel.function(**clean), kernel.function(**poisoned))


def _same_bits(left, right) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True))


@cache
def _answers(name: str) -> tuple:
    kernel = PARENTS[name]
    return tuple(kernel.function(**case) for case, _ in cases(kernel.op))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_differs_from_its_parent_unless_equivalent(mutant):
    assert mutant.claim == PARENTS[mutant.parent].claim
    inputs = [case for case, _ in cases(mutant.op)]
    same = [_same_bits(mutant.function(**case), answer)
            for case, answer in zip(inputs, _answers(mutant.parent), strict=True)]
    assert all(same) if mutant.equivalent else not all(same)
