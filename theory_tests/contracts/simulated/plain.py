"""The plainest float64 loops: the second route to what the simulated kernels compute.

Each returns its outputs and, for each, the size of what was summed to get it: an error of a kernel
is small when it is small against that.
"""

from __future__ import annotations

import numpy as np

# -- recurrences ------------------------------------------------------------------------------



def softplus(x):
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


def finished(y, size, D, x, z):
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
    step = softplus(step) if delta_softplus else step
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
    return (*finished(y, scale, D, u, z), state, size)


def plain_ssd(x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False,
              dt_limit=(0, np.inf), initial_state=None, seq_idx=None, cu_seqlens=None):
    step = dt if dt_bias is None else dt + dt_bias
    step = np.clip(softplus(step) if dt_softplus else step, *dt_limit)
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
    y, scale = finished(y, scale, D, x, z)
    y[:, bounds[-1] :] = 0
    return y, scale, np.concatenate(finals), np.concatenate(sizes)


def plain_delta(query, key, value, beta, log_decay=None, scale=None, l2norm=False, norm_eps=1e-6, initial_state=None,
                seq_idx=None, cu_seqlens=None):
    """Sizes are those of norms: what was ever written or erased, decayed."""
    (b, length, h, v), k = value.shape, key.shape[3]
    member = np.arange(h) // (h // key.shape[2])
    if l2norm:
        query, key = (x / np.sqrt((x**2).sum(-1, keepdims=True) + norm_eps) for x in (query, key))
    query, key = query[:, :, member] * (k**-0.5 if scale is None else scale), key[:, :, member]
    g = np.zeros((b, length, h, 1)) if log_decay is None else log_decay
    g = g[..., None] if g.ndim == 3 else g
    bounds = [0, length] if cu_seqlens is None else list(cu_seqlens)
    y, scale, finals, sizes = np.zeros(value.shape), np.zeros(value.shape), [], []
    for s, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False)):
        S = np.zeros((b, h, v, k)) if initial_state is None else np.array(
            initial_state if cu_seqlens is None else initial_state[s : s + 1])
        size = np.linalg.norm(S, axis=-1, keepdims=True)
        for t in range(low, high):
            if seq_idx is not None and t > low:
                same = (seq_idx[:, t] == seq_idx[:, t - 1])[:, None, None, None]
                S, size = S * same, size * same
            kt, bt, a = key[:, t][:, :, None], beta[:, t][:, :, None, None], np.exp(g[:, t])[:, :, None]
            S = a * S
            held = (S * kt).sum(-1, keepdims=True)
            S = S + bt * (value[:, t][..., None] - held) * kt
            reach = np.linalg.norm(kt, axis=-1, keepdims=True)
            size = a.max(-1, keepdims=True) * size + bt * (np.abs(value[:, t])[..., None] + np.abs(held)) * reach
            y[:, t] = (S * query[:, t][:, :, None]).sum(-1)
            scale[:, t] = size[..., 0] * np.linalg.norm(query[:, t], axis=-1)[..., None]
        finals.append(S)
        sizes.append(np.broadcast_to(size, S.shape))
    y[:, bounds[-1] :] = 0
    return y, scale, np.concatenate(finals), np.concatenate(sizes)


# -- convolution ------------------------------------------------------------------------------


def plain_conv(x, weight, bias=None, initial_state=None, seq_idx=None, cu_seqlens=None, activation=False):
    batch, length, channels = x.shape
    width = weight.shape[1]
    bounds = [0, length] if cu_seqlens is None else list(cu_seqlens)
    y, size, finals = np.zeros(x.shape), np.zeros(x.shape), []
    for s, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False)):
        if initial_state is None:
            register = np.zeros((batch, channels, width - 1))
        else:
            register = np.array(initial_state if cu_seqlens is None else initial_state[s : s + 1])
        for t in range(low, high):
            if seq_idx is not None and t > low:
                register = register * (seq_idx[:, t] == seq_idx[:, t - 1])[:, None, None]
            met = np.concatenate([register, x[:, t, :, None]], axis=-1)
            y[:, t], size[:, t] = (met * weight).sum(-1), np.abs(met * weight).sum(-1)
            register = met[..., 1:]
        finals.append(register)
    if bias is not None:
        y, size = y + bias, size + np.abs(bias)
    if activation:  # the derivative of silu is at most 1.1
        y, size = y / (1 + np.exp(-y)), 1.1 * size
    y[:, bounds[-1] :] = 0
    final = np.concatenate(finals)
    return y, size, final, np.abs(final)


# -- attention --------------------------------------------------------------------------------


def projected(x, weight, cos, sin, eps, interleaved):
    """Norm, then rotary; x (b, rows, heads, k), tables (rows, r) or (b, rows, r)."""
    if weight is not None:
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight
    if cos is None:
        return x
    r = cos.shape[-1]
    first, second = (np.arange(0, 2 * r, 2), np.arange(1, 2 * r, 2)) if interleaved else np.split(np.arange(2 * r), 2)
    turned, cos, sin = x.copy(), cos[..., None, :], sin[..., None, :]
    turned[..., first] = x[..., first] * cos - x[..., second] * sin
    turned[..., second] = x[..., second] * cos + x[..., first] * sin
    return turned


def _softmax_row(s, bulk, v, sink):
    """(y, size, lse, size) of one row: scores s, the bulk of what was summed to get them, values v."""
    if sink is not None:
        s, bulk, v = np.append(s, sink), np.append(bulk, abs(sink)), np.vstack([v, np.zeros(v.shape[-1])])
    if not np.isfinite(s).any():
        return np.zeros(v.shape[-1]), 0, -np.inf, 0
    p = np.exp(s - s.max())
    lse = s.max() + np.log(p.sum())
    p, bulk = p / p.sum(), bulk[np.isfinite(s)].max()
    return p @ v, (1 + bulk) * (p @ np.abs(v)), lse, 1 + bulk + abs(lse)


def plain_window(query, key, value, cos=None, sin=None, query_norm=None, key_norm=None, bias=None, sink=None,
                 selected=None, cu_seqlens=None, window=None, scale=None, softcap=None, norm_eps=1e-6,
                 interleaved=False):
    (batch, T, heads, width), S = query.shape, key.shape[1]
    scale = width**-0.5 if scale is None else scale
    last = (None, None) if cos is None else (cos[..., S - T :, :], sin[..., S - T :, :])
    q = projected(query, query_norm, *last, norm_eps, interleaved)
    k = projected(key, key_norm, cos, sin, norm_eps, interleaved)
    starts = [0] * S if cu_seqlens is None else [max(b for b in cu_seqlens if b <= j) for j in range(S)]
    stop = S if cu_seqlens is None else cu_seqlens[-1]
    y, lse = np.zeros((batch, T, heads, value.shape[-1])), np.zeros((batch, T, heads))
    y_size, lse_size = np.zeros_like(y), np.zeros_like(lse)
    for b in range(batch):
        for t in range(T):
            i = t + S - T
            low = max(starts[i], 0 if window is None else i - window + 1)
            seen = set(range(low, i + 1)) if i < stop else set()
            named = set() if selected is None or i >= stop else {j for j in selected[b, t] if j >= starts[i]}
            keys = sorted((seen | named) - {-1})
            for h in range(heads):
                group = h // (heads // key.shape[2])
                s = scale * k[b, keys, group] @ q[b, t, h]
                bulk = abs(scale) * np.abs(k[b, keys, group]) @ np.abs(q[b, t, h])
                if softcap is not None:
                    s = softcap * np.tanh(s / softcap)
                if bias is not None:
                    row = bias[h, t] if bias.ndim == 3 else bias[b, h, t]
                    s, bulk = s + row[keys], bulk + np.abs(row[keys])
                row = _softmax_row(s, bulk, value[b, keys, group], None if sink is None else sink[h])
                y[b, t, h], y_size[b, t, h], lse[b, t, h], lse_size[b, t, h] = row
    return y, y_size, lse, lse_size


def plain_bmojo(query, key, value, fading_key, fading_value, window, fading_query=None, cos=None, sin=None,
                query_norm=None, key_norm=None, fading_query_norm=None, fading_key_norm=None, scale=None,
                norm_eps=1e-6, interleaved=False):
    (batch, T, heads, width), S = query.shape, key.shape[1]
    scale = width**-0.5 if scale is None else scale
    last = (None, None) if cos is None else (cos[..., S - T :, :], sin[..., S - T :, :])
    q0 = projected(query, query_norm, *last, norm_eps, interleaved)
    k0 = projected(key, key_norm, cos, sin, norm_eps, interleaved)
    fading_query = query if fading_query is None else fading_query
    fading_query_norm = query_norm if fading_query_norm is None else fading_query_norm
    fading_key_norm = key_norm if fading_key_norm is None else fading_key_norm
    q1 = projected(fading_query, fading_query_norm, *last, norm_eps, interleaved)
    k1 = projected(fading_key, fading_key_norm, cos, sin, norm_eps, interleaved)
    y, lse = np.zeros((batch, T, heads, value.shape[-1])), np.zeros((batch, T, heads))
    y_size, lse_size = np.zeros_like(y), np.zeros_like(lse)
    for b in range(batch):
        for t in range(T):
            i = t + S - T
            raw = [j for j in range(i - window + 1, i + 1) if j >= 0]
            fading = [j for j in range(i - 2 * window + 1, i - window + 1) if j >= 0]
            for h in range(heads):
                group = h // (heads // key.shape[2])
                pairs = ((q0[b, t, h], k0[b, raw, group]), (q1[b, t, h], k1[b, fading, group]))
                s = scale * np.concatenate([k @ q for q, k in pairs])
                bulk = abs(scale) * np.concatenate([np.abs(k) @ np.abs(q) for q, k in pairs])
                v = np.concatenate([value[b, raw, group], fading_value[b, fading, group]])
                y[b, t, h], y_size[b, t, h], lse[b, t, h], lse_size[b, t, h] = _softmax_row(s, bulk, v, None)
    return y, y_size, lse, lse_size


# -- memory -----------------------------------------------------------------------------------


def memories(s, capacity, rule, threshold, count, eviction, chunk, delay, seed):
    """The memory after 0, 1, ... steps of one document, newest first."""
    memory, admitted, after = [], 0, [[]]
    for step in range(len(s)):
        tested = [step - delay]
        if rule == "top-of-chunk":
            tested = []
            if (step + 1) % chunk == 0:
                tested = [i - delay for i in range(step + 1 - chunk, step + 1)]
                tested = sorted(sorted((j for j in tested if j >= 0), key=lambda j: (-s[j], j))[:count])
        for j in tested:
            if j < 0 or (rule == "threshold" and not s[j] > threshold):
                continue
            if rule == "running-top" and len(memory) == capacity and not any(s[j] > s[i] for i in memory):
                continue
            admitted += 1
            memory.insert(0, j)
            if len(memory) <= capacity:
                continue
            if eviction == "smallest":
                smallest = min(s[i] for i in memory)
                memory.remove(min(i for i in memory if s[i] == smallest))
            elif eviction == "fifo":
                memory.pop()
            else:
                place = int(np.random.default_rng([seed, j]).random() * admitted)
                memory.pop(place + 1 if place < capacity else 0)
        after.append(list(memory))
    return after


def plain_places(surprise, capacity, seq_idx=None, rule="running-top", threshold=None, count=None,
                 eviction="smallest", visibility="next-chunk", chunk=64, entry="arrival", window=0, seed=0):
    batch, T = surprise.shape
    places = np.full((batch, T, capacity), -1)
    for b in range(batch):
        cuts = [t for t in range(T) if t == 0 or (seq_idx is not None and seq_idx[b, t] != seq_idx[b, t - 1])]
        for low, high in zip(cuts, [*cuts, T][1:], strict=True):
            delay = window if entry == "leaving" else 0
            after = memories(surprise[b, low:high], capacity, rule, threshold, count, eviction, chunk, delay, seed)
            for t in range(high - low):
                memory = after[t + 1 if visibility == "at-once" else t // chunk * chunk]
                seen = [low + j for j in memory if j <= t - window]
                places[b, low + t, : len(seen)] = seen
    return places


def plain_select(surprise, capacity, seq_idx=None, **choice):
    places = plain_places(surprise, capacity, seq_idx, **choice)
    return places, np.zeros(places.shape)


def plain_eidetic(query, key, value, surprise, window, capacity, fading_key=None, fading_value=None,
                  fading_query=None, fading_lag=None, fading_width=None, cos=None, sin=None, query_norm=None,
                  key_norm=None, fading_query_norm=None, fading_key_norm=None, seq_idx=None, scale=None,
                  norm_eps=1e-6, interleaved=False, slot_positions=True, **choice):
    (batch, T, heads, width), S = query.shape, key.shape[1]
    scale = width**-0.5 if scale is None else scale
    lag, far = window if fading_lag is None else fading_lag, window if fading_width is None else fading_width
    places = plain_places(surprise, capacity, seq_idx, window=window, **choice)[:, S - T :]

    def turned(q, k, q_norm, k_norm, tables):
        last = tuple(x if x is None else x[..., S - T :, :] for x in tables)
        return projected(q, q_norm, *last, norm_eps, interleaved), projected(k, k_norm, *tables, norm_eps, interleaved)

    streams = [(*turned(query, key, query_norm, key_norm, (cos, sin)), value)]
    streams.append((*turned(query, key, query_norm, key_norm, (cos, sin) if slot_positions else (None, None)), value))
    if fading_key is not None:
        own = (query_norm if fading_query_norm is None else fading_query_norm,
               key_norm if fading_key_norm is None else fading_key_norm)
        q = query if fading_query is None else fading_query
        streams.append((*turned(q, fading_key, *own, (cos, sin)), fading_value))
    y, lse = np.zeros((batch, T, heads, value.shape[-1])), np.zeros((batch, T, heads))
    y_size, lse_size = np.zeros_like(y), np.zeros_like(lse)
    for b in range(batch):
        low = 0
        for i in range(S):
            if seq_idx is not None and i and seq_idx[b, i] != seq_idx[b, i - 1]:
                low = i
            t = i + T - S
            if t < 0:
                continue
            seen = (range(max(low, i - window + 1), i + 1), [j for j in places[b, t] if j >= 0],
                    range(max(low, i - lag - far + 1), i - lag + 1))
            for h in range(heads):
                group = h // (heads // key.shape[2])
                parts = [(q[b, t, h], k[b, list(keys), group], v[b, list(keys), group])
                         for (q, k, v), keys in zip(streams, seen, strict=False)]
                s = scale * np.concatenate([k @ q for q, k, _ in parts])
                bulk = abs(scale) * np.concatenate([np.abs(k) @ np.abs(q) for q, k, _ in parts])
                row = _softmax_row(s, bulk, np.concatenate([v for _, _, v in parts]), None)
                y[b, t, h], y_size[b, t, h], lse[b, t, h], lse_size[b, t, h] = row
    return y, y_size, lse, lse_size, places, np.zeros(places.shape)


def plain_layer(x, fading, query_weight, key_weight, value_weight, output_weight, features=None,
                predictor_weight=None, query_bias=None, key_bias=None, value_bias=None, output_bias=None,
                fading_query_weight=None, fading_key_weight=None, fading_value_weight=None, fading_query_bias=None,
                fading_key_bias=None, fading_value_bias=None, statistic="squared", seq_idx=None, **options):
    def heads(tokens, weight, bias):
        y = np.einsum("btd,hkd->bthk", tokens, weight)
        return y if bias is None else y + bias

    def either(own, tied):
        return tied if own is None else own

    streams = {"query": heads(x, query_weight, query_bias), "key": heads(x, key_weight, key_bias),
               "value": heads(x, value_weight, value_bias)}
    streams["fading_query"] = heads(x, either(fading_query_weight, query_weight), either(fading_query_bias, query_bias))
    streams["fading_key"] = heads(fading, either(fading_key_weight, key_weight), either(fading_key_bias, key_bias))
    streams["fading_value"] = heads(fading, either(fading_value_weight, value_weight),
                                    either(fading_value_bias, value_bias))
    predicted = np.zeros(x.shape)
    if features is not None:
        for b, t in np.ndindex(x.shape[:2]):
            if t and (seq_idx is None or seq_idx[b, t] == seq_idx[b, t - 1]):
                predicted[b, t] = predictor_weight @ features[b, t - 1]
    s = ((x - predicted) ** 2).sum(-1)
    s_size = ((np.abs(x) + np.abs(predicted)) ** 2).sum(-1)
    if statistic == "relative":
        size = (x**2).sum(-1)
        s, s_size = (np.where(size == 0, 0, z / np.where(size == 0, 1, size)) for z in (s, s_size))
    y, size, _, _, places, zero = plain_eidetic(surprise=s, seq_idx=seq_idx, **streams, **options)
    out = np.einsum("bthv,dhv->btd", y, output_weight)
    size = np.einsum("bthv,dhv->btd", size + np.abs(y), np.abs(output_weight))
    if output_bias is not None:
        out, size = out + output_bias, size + np.abs(output_bias)
    return out, 8 * size * (1 + size.max(initial=0)), s, s_size, places, zero
