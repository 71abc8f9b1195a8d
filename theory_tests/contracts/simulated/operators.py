"""The operators, each a plan away from a kernel; the two recurrences are written here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .attention import bmojo_f, sliding_window_attention
from .convolution import causal_conv1d
from .delta import gated_delta_rule
from .eidetic import bmojo, bmojo_layer
from .plan import Plan
from .recurrence import Chunk, Recurrence, decay_tables, march, states
from .selection import select
from .stages import epilogue, log_decay, step_size


def run(plan: Plan, **arguments) -> tuple[np.ndarray, ...]:
    operator = {
        "selective_scan": selective_scan, "ssd": ssd, "causal_conv1d": causal_conv1d,
        "sliding_window_attention": sliding_window_attention, "bmojo_f": bmojo_f,
        "select": select, "bmojo": bmojo, "bmojo_layer": bmojo_layer, "gated_delta_rule": gated_delta_rule,
    }[plan.op]
    # Overflow and invalid operations are the kernels' business: they show in the values.
    with np.errstate(all="ignore"):
        return operator(plan, **arguments)


def _start(plan: Plan, initial_state, shape, dtype) -> np.ndarray:
    return np.zeros(shape, dtype) if initial_state is None else plan.at("start", initial_state)


def _states_read(plan: Plan, rows: np.ndarray, start: np.ndarray) -> np.ndarray:
    if plan.fault == "output reads the state before its token":
        return np.concatenate([start[:, None], rows], axis=1)[:, :-1]
    return rows


def _final(plan: Plan, after: dict, length: int) -> np.ndarray:
    if plan.fault == "final state before the last token":
        length = max(length - 1, 0)
    return after[length]


# -- Mamba-1 ----------------------------------------------------------------------------------


def selective_scan(
    plan, *, u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False,
    discretization="euler", initial_state=None,
):
    u, B, C = plan.at("load", u), plan.at("load", B), plan.at("load", C)
    batch, length, channels = u.shape
    step = step_size(plan, delta, delta_bias, delta_softplus)[..., None]
    if discretization == "euler":
        inject = (step * u[..., None]) * B[:, :, None, :]
    else:
        inject = (_zoh_weight(plan, step, plan.at("A", A)) * u[..., None]) * B[:, :, None, :]
    inject = plan.at("inject", inject)
    exponent = log_decay(plan, step, A)
    dtype = np.result_type(exponent, inject)
    inject = inject.astype(dtype, copy=False)
    start = _start(plan, initial_state, (batch, channels, A.shape[1]), dtype)
    rows, after = states(plan, Recurrence(exponent, inject, start.astype(dtype, copy=False)))
    if length == 0:
        rows = inject
    y = plan.inner(C[:, :, None, :], _states_read(plan, rows, start))
    if np.iscomplexobj(y):
        y = y.real if plan.fault == "factor 2 missing" else 2 * y.real
    return epilogue(plan, plan.at("readout", y), D, u, z), _final(plan, after, length)


def _zoh_weight(plan: Plan, step: np.ndarray, A: np.ndarray) -> np.ndarray:
    z = plan.at("exponent", step * A)
    grown = np.exp(z) - 1 if plan.fault == "expm1 as exp - 1" else np.expm1(z)
    return plan.at("zoh", np.where(A == 0, step, plan.at("zoh", grown) / np.where(A == 0, 1, A)))


# -- Mamba-2 ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tokens:
    """The token-wise inputs, one group member per head, ready for any form of SSD."""

    x: np.ndarray
    B: np.ndarray
    C: np.ndarray
    step: np.ndarray
    exponent: np.ndarray
    resets: np.ndarray | None

    def rows(self, low: int, high: int) -> Tokens:
        def cut(array):
            return None if array is None else array[:, low:high]

        return Tokens(*map(cut, (self.x, self.B, self.C, self.step, self.exponent, self.resets)))


def ssd(
    plan, *, x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False,
    dt_limit=(0.0, np.inf), initial_state=None, seq_idx=None, cu_seqlens=None,
):
    x, B, C = plan.at("load", x), plan.at("load", B), plan.at("load", C)
    step = step_size(plan, dt, dt_bias, dt_softplus, dt_limit)
    heads = x.shape[2]
    tokens = Tokens(
        x, _by_head(plan, B, heads), _by_head(plan, C, heads), step, log_decay(plan, step, A),
        _resets(plan, seq_idx),
    )
    if cu_seqlens is None:
        shape = (x.shape[0], heads, x.shape[3], B.shape[3])
        start = _start(plan, initial_state, shape, x.dtype)
        y, after = _attend(plan, tokens, start, {})
        final = _final(plan, after, x.shape[1])
    else:
        y, final = _packed(plan, tokens, np.asarray(cu_seqlens), initial_state)
    if D is not None and np.ndim(D) == 1:
        D = np.asarray(D)[:, None]
    y = epilogue(plan, y, D, x, z)
    if cu_seqlens is not None and plan.fault != "slack rows not cleared":
        y[:, cu_seqlens[-1] :] = 0
    return y, final


def _by_head(plan: Plan, grouped: np.ndarray, heads: int) -> np.ndarray:
    members = heads // grouped.shape[2]
    if plan.fault == "group h % g":
        return np.tile(grouped, (1, 1, members, 1))
    return np.repeat(grouped, members, axis=2)


#: Rows by which a kernel with a boundary bug misses a sequence's first token.
_RESET_SHIFT = {"reset one token late": 1, "reset one token early": -1}


def _resets(plan: Plan, seq_idx) -> np.ndarray | None:
    if seq_idx is None or plan.fault == "reset missing":
        return None
    index = np.asarray(seq_idx)
    batch, length = index.shape
    resets = np.zeros((batch, length), bool)
    rows = np.arange(length) + _RESET_SHIFT.get(plan.fault, 0)
    changes = index[:, 1:] != index[:, :-1]
    inside = (rows[1:] >= 0) & (rows[1:] < length)
    resets[:, rows[1:][inside]] = changes[:, inside]
    if plan.fault == "reset only where a chunk begins":
        resets &= np.arange(length) % plan.chunk == 0
    return resets


def _restarts(plan: Plan, spans, start, stop: int) -> dict[int, np.ndarray]:
    """Where a sweep over packed rows replaces the state, and by what."""
    if plan.fault == "reset missing":
        return {}
    shift = _RESET_SHIFT.get(plan.fault, 0)
    restart = {low + shift: start(s) for s, low, high in spans if low < high}
    aligned_only = plan.fault == "reset only where a chunk begins"
    return {
        row: state
        for row, state in restart.items()
        if 0 <= row < stop and not (aligned_only and row % plan.chunk)
    }


def _packed(plan: Plan, tokens: Tokens, bounds: np.ndarray, initial_state):
    """Sequences laid end to end in one row of the batch."""
    _, length, heads, width = tokens.x.shape
    stop = int(bounds[-1])
    shape = (1, heads, width, tokens.B.shape[3])

    def start(s: int) -> np.ndarray:
        if plan.fault == "first initial state for all sequences":
            s = 0
        return _start(plan, None if initial_state is None else initial_state[s : s + 1],
                      shape, tokens.x.dtype)

    y = np.zeros(tokens.x.shape, tokens.x.dtype)
    spans = [(s, int(a), int(b)) for s, (a, b) in enumerate(zip(bounds, bounds[1:], strict=False))]
    finals = [start(s) for s, _, _ in spans]
    if plan.packing == "loop":
        for s, low, high in spans:
            part, after = _attend(plan, tokens.rows(low, high), start(s), {})
            y[:, low:high], finals[s] = part, _final(plan, after, high - low)
    else:
        restart = _restarts(plan, spans, start, stop)
        first = next((start(s) for s, low, high in spans if low < high), start(0))
        stops = [high for _, low, high in spans if low < high]
        y[:, :stop], after = _attend(plan, tokens.rows(0, stop), first, restart, stops)
        for s, low, high in spans:
            if low < high:
                finals[s] = _final(plan, after, high)
    if plan.fault == "empty sequence returns the previous final state":
        for s, low, high in spans[1:]:
            if low == high:
                finals[s] = finals[s - 1]
    final = np.concatenate(finals) if finals else np.zeros((0, *shape[1:]), tokens.x.dtype)
    return y, final


def _attend(plan: Plan, tokens: Tokens, start, restart, stops=()):
    """The sequence transformation proper, without skip connection and gate."""
    if tokens.x.shape[1] == 0:
        return tokens.x, {0: start}
    if plan.scheme == "matrix":
        enter = _chunk_of_outputs(plan, tokens)
        return march(plan, tokens.x.shape[1], start, restart, enter, stops)
    inject = (tokens.step[..., None] * tokens.x)[..., None] * tokens.B[..., None, :]
    exponent = tokens.exponent[..., None, None]
    r = Recurrence(exponent, plan.at("inject", inject), start, tokens.resets, restart)
    rows, after = states(plan, r)
    y = plan.inner(tokens.C[..., None, :], _states_read(plan, rows, start))
    return plan.at("readout", y), after


def _chunk_of_outputs(plan: Plan, tokens: Tokens):
    """A chunk of SSD as matrix products: outputs directly, states only at the chunk's end."""

    def enter(low: int, high: int) -> Chunk:
        own = tokens.rows(low, high)
        within, reach = decay_tables(plan, own.exponent, own.resets)
        within, to_end = np.moveaxis(within, -1, 1), within[:, -1].transpose(0, 2, 1)
        x, B, C = (np.swapaxes(rows, 1, 2) for rows in (own.x, own.B, own.C))
        step = own.step.transpose(0, 2, 1)
        if plan.fault == "boundary token lost":
            to_end = to_end.copy()
            to_end[..., -1] = 0
        if plan.step_in == "inputs":
            x = x * step[..., None]
        else:
            within, to_end = within * step[:, :, None, :], to_end * step
        scores = plan.dot(C, np.swapaxes(B, -1, -2), plan.splits)
        inside = plan.dot(plan.at("weights", scores * within), x)
        state = plan.dot(np.swapaxes(x, -1, -2), B * to_end[..., None])

        def emit(entering: np.ndarray) -> np.ndarray:
            history = plan.dot(C, np.swapaxes(entering, -1, -2), plan.splits)
            return np.swapaxes(inside, 1, 2) + np.swapaxes(history, 1, 2) * reach[..., None]

        return Chunk(emit, reach[..., None, None], state)

    return enter
