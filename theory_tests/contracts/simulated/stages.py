"""What selective-scan and SSD kernels share: step size, decay, skip connection and gate."""

from __future__ import annotations

import numpy as np

from .arithmetic import rounded
from .plan import Plan

LOG2E = np.log2(np.e)


def softplus(plan: Plan, x: np.ndarray) -> np.ndarray:
    if plan.fault == "softplus without threshold":
        return np.log1p(np.exp(x))
    if plan.fault == "softplus as log(1 + exp)":
        return np.where(x > 20, x, np.log(1 + np.exp(x)))
    threshold = 2 if plan.fault == "softplus linear above 2" else 20
    return np.where(x > threshold, x, np.log1p(np.exp(x)))


def step_size(plan: Plan, raw, bias, with_softplus: bool, limit=None) -> np.ndarray:
    step = plan.at("step_input", raw)
    late_bias = plan.fault == "bias after softplus"
    if limit is not None and plan.fault == "dt_limit before softplus":
        step = np.clip(step, *limit)
    if bias is not None and not late_bias:
        step = plan.at("step_input", step + plan.at("bias", bias))
    if with_softplus:
        step = plan.at("softplus", softplus(plan, step))
    if bias is not None and late_bias:
        step = plan.at("step_input", step + plan.at("bias", bias))
    if limit is not None and plan.fault not in ("dt_limit before softplus", "dt_limit ignored"):
        step = np.clip(step, *limit)
    return plan.at("step", step)


def log_decay(plan: Plan, step: np.ndarray, A: np.ndarray) -> np.ndarray:
    """step * A, in units of log2 of the modulus when the kernel uses exp2."""
    A = plan.at("A", A)
    if plan.base2:
        log2e = rounded(np.float64(LOG2E), plan.formats.get("log2e", plan.work))
        if np.iscomplexobj(A):
            A = plan.at("A", A.real * log2e + 1j * A.imag)
        else:
            A = plan.at("A", A * log2e)
    exponent = plan.at("exponent", step * A)
    if plan.fault == "decay of the next token":
        exponent = np.concatenate([exponent[:, 1:], exponent[:, -1:]], axis=1)
    if plan.fault == "decay of the previous token":
        exponent = np.concatenate([exponent[:, :1], exponent[:, :-1]], axis=1)
    if plan.fault == "initial state not decayed" and exponent.shape[1]:
        exponent = exponent.copy()
        exponent[:, 0] = 0  # the first decay acts on the initial state and on nothing else
    if plan.fault == "log-decay clamped at -20":
        exponent = np.maximum(exponent.real, -20) + (exponent - exponent.real)
    return plan.at("exponent", exponent)


def exponential(plan: Plan, exponent: np.ndarray) -> np.ndarray:
    if plan.fault == "exp to 1e-4":
        return plan.at("decay", _cubic_exp(exponent))
    if plan.base2 and np.iscomplexobj(exponent):
        modulus, angle = np.exp2(exponent.real), exponent.imag
        decay = modulus * (np.cos(angle) + 1j * np.sin(angle))
    else:
        decay = np.exp2(exponent) if plan.base2 else np.exp(exponent)
    if plan.fault == "exp zero below -10":
        decay = np.where(exponent.real < -10, 0, decay)
    if plan.fault == "exp zero below -104":
        decay = np.where(exponent.real < -104, 0, decay)
    return plan.at("decay", decay)


def _cubic_exp(x: np.ndarray) -> np.ndarray:
    """The cubic that fast-math libraries use for 2^f on [0, 1); exact at whole powers of two."""
    scaled = x.real.astype(np.float64) * LOG2E
    whole = np.floor(scaled)
    f = scaled - whole
    power = np.ldexp(1 + f * (0.695556856 + f * (0.226173572 + f * 0.0781455737)),
                     np.maximum(whole, -300).astype(int))
    return power * np.exp(1j * x.imag) if np.iscomplexobj(x) else power


def silu(plan: Plan, z: np.ndarray) -> np.ndarray:
    z = plan.at("gate_input", z)
    if plan.base2:  # the textbook form: its exp overflows, harmlessly, to z / inf = 0
        return plan.at("gate", z / (1 + np.exp(-z)))
    small = np.exp(-np.abs(z))
    reciprocal = plan.at("reciprocal", 1 / (1 + small))
    sigmoid = np.where(z >= 0, reciprocal, small * reciprocal)
    if plan.fault == "gate is a sigmoid":
        return plan.at("gate", sigmoid)
    return plan.at("gate", z * sigmoid)


def epilogue(plan: Plan, y: np.ndarray, D, x, z) -> np.ndarray:
    """(y + D x) * silu(z), in the output format.  ``D`` comes with the trailing axes of ``x``."""
    gate = None if z is None else silu(plan, z)
    if gate is not None and plan.fault == "gate before skip":
        y, gate = y * gate, None
    if D is not None:
        y = y + plan.at("skip", plan.at("D", D) * plan.at("x", x))
    if gate is not None:
        y = y * gate
    return plan.out(y)
