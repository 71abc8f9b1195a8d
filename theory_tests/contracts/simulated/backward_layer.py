"""Gradients of the B'MOJO layer: those of its read-out, back through the projections; and those of the statistics.

    y = W x + b:          dW = sum_t dy(t) x(t)',    db = sum_t dy(t),    dx(t) = W' dy(t)
    s = |x - C f|^2:      dx = 2 ds e,    dC = -sum_t 2 ds e(t) f(t - 1)',    df(t - 1) = -C' 2 ds e(t)

A statistic is an output, and has gradients as such; through what it selects there is none.
"""

from __future__ import annotations

import numpy as np

from .backward_attention import Gradients
from .backward_eidetic import into_streams
from .eidetic import attend_pieces, begins, features_before, joined, layer_streams, maps, prediction, three_streams
from .gradients import cotangent, directions, over_batch
from .plan import Plan


def bmojo_layer(plan, *, cotangent_y=None, cotangent_surprise=None, **given):
    forward, plan = directions(plan)
    streams, s = layer_streams(forward, given)
    keys, chosen = three_streams(forward, surprise=s, **streams)
    x, read = plan.at("load", given["x"]), joined(attend_pieces(forward, keys)[0])
    dy, ds = cotangent(plan, cotangent_y, x), cotangent(plan, cotangent_surprise, x[..., 0])
    out = Gradients(x=np.zeros_like(x), fading=np.zeros_like(plan.at("load", given["fading"])))
    dread = into_map(plan, out, dy, read, ("output_weight", "output_bias"), given)
    if plan.fault == "selection differentiated straight through":
        ds = ds + straight_through(dread * read, chosen)
    into_statistic(plan, out, ds, s, given)
    inner = into_streams(forward, plan, keys, streams, dread.reshape(streams_shape(given)), None)
    for stream, (tokens, *parameters) in maps(given).items():
        d = inner.pop(stream)
        seen = "x" if plan.fault == "fading weights of the raw tokens" else tokens
        lost = [p for p in parameters if stream.startswith("fading_") and not p.startswith("fading_")
                and plan.fault == f"tied {p.partition('_')[2]} without the fading stream"]
        d = d.reshape(*d.shape[:2], d.shape[2] * d.shape[3])
        dx = into_map(plan, out, d, plan.at("load", given[seen]), parameters, given, lost)
        if plan.fault != f"gradient of tokens through the {stream} lost":
            out.add(tokens, dx)
    for name, d in inner.items():
        out.add(name, d)
    return {name: plan.out(d) if name in ("x", "fading", "features") else d for name, d in out.items()}


def streams_shape(given) -> tuple[int, ...]:
    """(b, T, h, v)"""
    return (*np.shape(given["x"])[:2], *np.shape(given["output_weight"])[1:])


def straight_through(read: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(b, T): to each selected token what its readers' outputs and cotangents have in common."""
    found = np.zeros(read.shape[:2], read.dtype)
    for b, t in np.argwhere((chosen >= 0).any(axis=-1)):
        found[b, chosen[b, t][chosen[b, t] >= 0]] += read[b, t].sum()
    return found


def into_map(plan: Plan, out: Gradients, dy, x, parameters, given, lost=()) -> np.ndarray:
    """Gradients of W x + b, x (b, T, n): those of W and b are added to `out`, that of x comes back."""
    weight, bias = parameters
    W = plan.at("load", given[weight])
    matrix = W.reshape(dy.shape[-1], x.shape[-1])
    found = {weight: plan.at("dweight", weight_gradient(plan, dy, x))}
    if plan.fault == "heads in reverse" and weight != "output_weight":
        found[weight] = found[weight].reshape(W.shape)[::-1]
    if given.get(bias) is not None:
        found[bias] = over_batch(plan, dy, (0, 1), "dbias")
        if plan.fault == "bias as a mean over the tokens":
            found[bias] = found[bias] / dy.dtype.type(max(dy.shape[0] * dy.shape[1], 1))
        if plan.fault == "output bias without its gradient" and bias == "output_bias":
            found[bias] = np.zeros_like(found[bias])
    for name in found:
        if name not in lost:
            out.add(name, found[name].reshape(np.shape(given[name])))
    return plan.dot(dy, matrix[::-1] if plan.fault == "rows of the weight in reverse" else matrix)


def weight_gradient(plan: Plan, dy, x) -> np.ndarray:
    """sum_t dy(t) x(t)'"""
    match plan.fault:
        case "weights of the last batch row only":
            dy, x = dy[-1:], x[-1:]
        case "weights without the last token":
            dy, x = dy[:, :-1], x[:, :-1]
        case "weights against the token before":
            x = np.roll(x, 1, axis=1)
    return plan.dot(dy.reshape(-1, dy.shape[-1]).T, x.reshape(-1, x.shape[-1]))


def into_statistic(plan: Plan, out: Gradients, ds, s, given) -> None:
    """Those of |e|^2, and of |e|^2 / |x|^2: dx = 2 ds (e - s x) / |x|^2."""
    x, features, C = plan.at("load", given["x"]), given.get("features"), given.get("predictor_weight")
    e = plan.at("innovation", x - prediction(plan, x, features, C, given.get("seq_idx")))
    if plan.fault == "cotangent of the statistics ignored":
        ds = np.zeros_like(ds)
    if given.get("statistic") == "relative" and plan.fault != "size of the token taken for 1":
        size = (x * x).sum(axis=-1)
        ds = np.where(size == 0, size.dtype.type(0), ds / size)
    de = (1 if plan.fault == "square without its 2" else 2) * ds[..., None] * e
    dx = de
    if given.get("statistic") == "relative" and plan.fault != "size of the token not differentiated":
        dx = de - 2 * (ds * s)[..., None] * x
    out.add("x", np.zeros_like(dx) if plan.fault == "token of the innovation taken for a constant" else dx)
    if features is not None:
        into_prediction(plan, out, de if plan.fault == "sign of the innovation" else -de, features, C, given)


def into_prediction(plan: Plan, out: Gradients, d, features, C, given) -> None:
    """Those of C f(t - 1), which no first token of a document reads."""
    C, seq_idx, T = plan.at("load", C), given.get("seq_idx"), d.shape[1]
    if plan.fault == "prediction taken for a constant":
        d = np.zeros_like(d)
    before = features_before(plan, features, seq_idx) if T else plan.at("load", features)
    if plan.fault == "predictor weight against its own token":
        before = plan.at("load", features)
    out.add("predictor_weight", plan.dot(d.reshape(-1, d.shape[-1]).T, before.reshape(-1, before.shape[-1])))
    df = plan.dot(d, C)
    if seq_idx is not None and plan.fault != "features of the document before":
        df = np.where(begins(plan, seq_idx, T)[..., None], df.dtype.type(0), df)
    if plan.fault != "features not shifted back":
        df = np.concatenate([df[:, 1:], np.zeros_like(df[:, :1])], axis=1)
    out.add("features", df)
