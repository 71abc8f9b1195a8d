"""The gated delta rule: a linear attention that takes out what a key held before it writes.

    S~ = exp(g(t)) S(t-1)
    S(t) = S~ + beta(t) (v(t) - S~ k(t)) k(t)',     y(t) = scale S(t) q(t),     S: (v, k) for each head

The bracket is an innovation: what the value adds to what the state predicts under its key.  In other
words S(t) = S~ (I - beta k k') + beta v k'.  Without g this is DeltaNet, with one g for each head the
gated delta rule, with one for each column (key) Kimi delta attention.  A beta in (1, 2] turns the part
along a key of norm 1 round: I - beta k k' has the eigenvalue 1 - beta.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import plain, reciprocal, sigmoid, where
from realization.core.ops import Op, Swap, operation
from realization.layers import conventions, regimes
from realization.layers.mamba1 import Scan
from realization.layers.maps import l2_norm, scaled
from realization.layers.packing import changes, check_packing
from realization.layers.readings import complete
from realization.layers.realize import Realization, erasing_system, states, transitions_and_writes, vec
from realization.layers.recurrence import recurrence
from realization.layers.recurrence.chunked import chunked
from realization.layers.recurrence.faults import CONVENTIONS, ERASING
from realization.layers.recurrence.kernel import kernel
from realization.layers.recurrence.transition import share

SIGNATURE = (
    "query: *b T g k; key: *b T g k; value: *b T h v; beta: *b T h; log_decay?: *b T h | *b T h k;"
    "initial_state?: *b h v k | s h v k; seq_idx?: *b T; cu_seqlens?: s1"
    "-> y: *b T h v; final_state: *b h v k | s h v k"
)
INTEGERS = ("seq_idx", "cu_seqlens")


@operation(SIGNATURE, integers=INTEGERS)
def gated_delta_rule(
    *, query: Any, key: Any, value: Any, beta: Any, log_decay: Any = None, scale: float | None = None,
    l2norm: bool = False, norm_eps: float = 1e-6, initial_state: Any = None, seq_idx: Any = None,
    cu_seqlens: Any = None,
) -> Scan:  # fmt: skip
    """S(t) = S~ + beta(t) (v(t) - S~ k(t)) k(t)',  S~ = exp(g(t)) S(t-1),  y(t) = scale S(t) q(t).

    Parameters
    ----------
    query, key : array_like
        q and k, (*b, T, g, k); g divides h, head j uses group j // (h // g).
    value : array_like
        v, (*b, T, h, v).
    beta : array_like
        Strength of erase and write (*b, T, h): 1 replaces what a key of norm 1 held.
    log_decay : array_like, optional
        g, (*b, T, h), or one for each key (*b, T, h, k).  Default: no decay.
    scale : float, optional
        Of the queries; k^(-1/2) by default.
    l2norm : bool
        Divide queries and keys by sqrt(|x|^2 + eps) first.
    norm_eps : float
        The eps of it.
    initial_state : array_like, optional
        (*b, h, v, k); with cu_seqlens one for each sequence, (s, h, v, k).
    seq_idx : array_like of int, optional
        Sequence of each step (*b, T): the state restarts from 0 where it changes.
    cu_seqlens : array_like of int, optional
        Offsets (s+1,) of sequences packed along T, batch 1: each starts from its own initial
        state; steps beyond the last offset give 0.

    Returns
    -------
    Scan
        y (*b, T, h, v) and final_state (*b, h, v, k), with cu_seqlens (s, h, v, k).

    Raises
    ------
    ShapeError
        If a shape does not fit, g does not divide h, or the offsets do not ascend within T.

    References
    ----------
    Yang, Kautz and Hatamizadeh, Gated Delta Networks, 2025, arXiv 2412.06464, equation 10.

    Examples
    --------
    The second value under a key takes the place of the first; a linear attention would add them:

    >>> one = np.ones((2, 1, 1))
    >>> v = np.array([3.0, 5.0])[:, None, None]
    >>> gated_delta_rule(query=one, key=one, value=v, beta=one[..., 0]).y.ravel().tolist()
    [3.0, 5.0]
    """
    given = (query, key, value, beta, log_decay, scale, l2norm, norm_eps, initial_state, seq_idx, cu_seqlens)
    return layer(recurrence, *given)


def drive(
    query, key, value, beta, log_decay, scale, l2norm, norm_eps, initial_state, seq_idx, cu_seqlens
) -> dict[str, Any]:
    """The arguments of the recurrence."""
    heads, groups, T, batch = value.shape[-2], key.shape[-2], value.shape[-3], value.shape[:-3]
    if groups == 0 or heads % groups:
        raise ShapeError(
            f"key has {groups} groups, value {heads} heads; the number of groups must divide that of heads"
        )
    if l2norm:
        query, key = l2_norm(query, norm_eps), l2_norm(key, norm_eps)
    if log_decay is not None:
        each = len(log_decay.shape) == len(value.shape)
        log_decay = log_decay[..., None, :] if each else log_decay[..., None, None]
    core = {
        "value": scaled(value, beta[..., None]),
        "key": key,
        "query": scaled(query, float(max(key.shape[-1], 1) ** -0.5 if scale is None else scale)),
        "log_decay": log_decay,
        "erase": beta,
        "initial": initial_state,
    }
    if seq_idx is not None:
        core["reset"] = changes(seq_idx)
    check_packing(cu_seqlens, initial_state, batch=batch, T=T, behind=3)
    if cu_seqlens is not None:
        return core | {"offsets": cu_seqlens, "initial": None if initial_state is None else initial_state[:, None]}
    return core


def layer(core, *given) -> Scan:
    """Map and core; the core is the recurrence, or another route to the same."""
    run = core(**drive(*given))
    return Scan(run.y, run.final if given[-1] is None else run.final[:, 0])


def same(x) -> Any:
    """x: log decays and outputs pass the loops as they are."""
    return x


def own(value, g) -> Any:
    """The value itself, whatever the decay."""
    return value


@operation(SIGNATURE, integers=INTEGERS, like=gated_delta_rule)
def compiled(query, key, value, beta, log_decay, scale, l2norm, norm_eps, initial_state, seq_idx, cu_seqlens) -> Any:
    # the same in one pass
    core = functools.partial(kernel, step=(same,), write=own, after=(same,))
    return layer(core, query, key, value, beta, log_decay, scale, l2norm, norm_eps, initial_state, seq_idx, cu_seqlens)


def gated_delta_rule_chunked(*, chunk: int = 64, decay: str = "logdiff", **arguments: Any) -> Scan:
    """Compute `gated_delta_rule` chunk by chunk, in the WY form: one triangular system for each chunk.

    Parameters
    ----------
    chunk : int
        Length of a chunk.
    decay : {"product", "logdiff"}
        Decay over several steps as a product, or by a difference of cumulative sums.
    **arguments
        As for `gated_delta_rule`.

    Returns
    -------
    Scan
        y and final_state.
    """
    core = functools.partial(chunked, chunk=chunk, decay=decay)
    return operation(SIGNATURE, integers=INTEGERS, like=gated_delta_rule)(
        lambda **given: layer(core, *(given[name] for name in ARGUMENTS))
    )(**arguments)


ARGUMENTS = tuple(inspect.signature(gated_delta_rule).parameters)


def direct(
    *, query, key, value, beta, log_decay=None, scale=None, l2norm=False, norm_eps=1e-6, initial_state=None,
    seq_idx=None, cu_seqlens=None,
) -> Scan:  # fmt: skip
    """The textbook loop over sequences, heads and steps."""
    b, T, h, p = value.shape
    g, n = key.shape[-2:]
    rows = [(i, 0, T) for i in range(b)] if cu_seqlens is None else [(0, *ab) for ab in zip(cu_seqlens, cu_seqlens[1:])]  # noqa: B905
    S = np.zeros((len(rows), h, p, n)) if initial_state is None else np.array(initial_state)
    y = np.zeros(value.shape)
    for r, (i, begin, end) in enumerate(rows):
        for j in range(h):
            for t in range(begin, end):
                q, k = query[i, t, j // (h // g)], key[i, t, j // (h // g)]
                if l2norm:
                    q, k = q / np.sqrt(q @ q + norm_eps), k / np.sqrt(k @ k + norm_eps)
                if seq_idx is not None and t > 0 and seq_idx[i, t] != seq_idx[i, t - 1]:
                    S[r, j] = 0
                old = S[r, j] * (1 if log_decay is None else np.exp(log_decay[i, t, j]))
                S[r, j] = old + beta[i, t, j] * np.outer(value[i, t, j] - old @ k, k)
                y[i, t, j] = S[r, j] @ q * (n**-0.5 if scale is None else scale)
    return Scan(y, S)


def as_realization(
    *, h: int, v: int, k: int, scale: float | None = None, l2norm: bool = False, norm_eps: float = 1e-6
) -> Realization:
    """Return schedule, bilinear system and read-out of a gated delta rule of this size.

    Parameters
    ----------
    h, v, k : int
        Heads, width of values, width of keys.
    scale, l2norm, norm_eps
        As for `gated_delta_rule`.

    Returns
    -------
    Realization
        schedule(query=, key=, value=, beta=, log_decay=), a system with h v k states and
        readout(y, query=, key=, value=, beta=, log_decay=).
    """
    shape = (h, v, k)

    def driven(query: Any, key: Any, value: Any, beta: Any, log_decay: Any = None) -> dict[str, Any]:
        q, k, v, b = (np.asarray(x) for x in (query, key, value, beta))
        g = None if log_decay is None else np.asarray(log_decay)
        return drive(q, k, v, b, g, scale, l2norm, norm_eps, None, None, None)

    def schedule(**data: Any) -> np.ndarray:
        return transitions_and_writes(driven(**data), shape)

    def readout(y: np.ndarray, **data: Any) -> np.ndarray:
        query = share(driven(**data)["query"], h)
        return np.asarray((states(y, shape, rotating=False) * query[..., None, :]).sum(-1))

    def start(state: Any) -> np.ndarray:
        return vec(np.asarray(state), shape, rotating=False)

    return Realization(schedule, erasing_system(shape), readout, start)


# What the cases combine: arguments that are present, and sizes (h, v, g, k).
OPTIONS = (
    {"size": (4, 6, 2, 16), "with": ("log_decay", "initial_state")},
    {"size": (2, 4, 2, 8), "with": ("initial_state",)},
    {"size": (4, 5, 1, 8), "with": ("log_decay", "l2norm", "negative")},
    {"size": (2, 3, 2, 7), "with": ("log_decay by key", "scale", "negative", "initial_state")},
    {"size": (4, 4, 2, 8), "with": ("log_decay", "seq_idx", "l2norm", "initial_state")},
    {"size": (4, 4, 2, 8), "with": ("log_decay", "cu_seqlens", "initial_state")},
    {"size": (4, 4, 4, 8), "with": ("cu_seqlens", "negative")},
)


def cases(regime, options, *, T, chunk, rng, form, batch=2) -> dict[str, Any]:
    """Draw the arguments of one case (see `layers.regimes`)."""
    (h, p, g, n), have = options["size"], frozenset(options["with"])
    draw = regimes.Draw(regime, T, chunk, rng, form)
    b = 1 if "cu_seqlens" in have else batch
    out: dict[str, Any] = {
        "value": draw.values((b, T, h, p)),
        "beta": _strengths(draw, (b, T, h), n, "negative" in have),
    }
    out |= {"query": draw.signal((b, T, g, n)), "key": _keys(draw, (b, T, g, n))}
    if "l2norm" in have and not regime.exact:  # of which the size does not matter
        out["query"] = _keys(draw, (b, T, g, n))
        out["key"][..., 0, :] *= 2.0**-11  # nearly as small as the root of eps, which then matters
    if have & {"log_decay", "log_decay by key"}:
        shape = (b, T, h, n) if "log_decay by key" in have else (b, T, h)
        out["log_decay"] = -draw.steps(shape) * draw.rates(shape[2:])
    if "cu_seqlens" in have:
        out["cu_seqlens"] = regimes.offsets(T, chunk, rng)
    if "seq_idx" in have:
        out["seq_idx"] = regimes.sequence_index(b, T, chunk, rng)
    if "initial_state" in have:
        rows = len(out["cu_seqlens"]) - 1 if "cu_seqlens" in have else b
        out["initial_state"] = draw.signal((rows, h, p, n))
    if regime.name == "cancelling":
        out["key"], out["query"] = regimes.cancel(out["key"], sign=1), regimes.cancel(out["query"], sign=-1)
    if regime.exact:
        return out | {"scale": 1.0}
    if "scale" in have:
        out["scale"] = 0.25
    if "l2norm" in have:
        return out | {"l2norm": True}
    norm = np.sqrt((out["key"] ** 2).sum(-1, keepdims=True))
    return out | {"key": out["key"] / np.where(norm == 0, 1, norm)}


def _keys(draw: regimes.Draw, shape: tuple[int, ...]) -> np.ndarray:
    """Keys of any length; in the exact regimes unit vectors."""
    if draw.regime.exact:
        return np.eye(shape[-1])[draw.rng.integers(0, shape[-1], shape[:-1])]
    x = draw.rng.standard_normal(shape)
    return np.abs(x) + 0.1 if draw.regime.name == "positive" else x


def _strengths(draw: regimes.Draw, shape: tuple[int, ...], n: int, negative: bool) -> np.ndarray:
    """Strengths up to 1, or 2; weak in every other head, whose memory is then that of the regime.

    With n keys an erase of strength beta forgets about beta / n of a state in a step.
    """
    most = 2.0 if negative else 1.0
    if draw.regime.exact:
        wide = negative or draw.regime.name == "exact-wide"
        return draw.rng.integers(0, 3 if wide else 2, shape).astype(np.float64)
    weak = min(1.0, n / max(draw.memory, 1.0))
    return draw.rng.uniform(0, most, shape) * np.where(np.arange(shape[-1]) % 2, weak, 1.0)


def enlarged(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments whose outputs bound all states: what was written so far is written under one key, and read."""
    v, beta, k = np.abs(arguments["value"]), np.abs(arguments["beta"])[..., None], arguments["key"]
    state = arguments.get("initial_state")
    most = max((np.abs(x).max(initial=0.0) for x in [state] if x is not None), default=0.0)
    # with strengths up to 2 a state is turned round: own and entering parts add up in size
    total = (beta * (2 * v.max(initial=0.0) + 0 * v)).sum(-3, keepdims=True) + 2 * most + 0 * v
    return {
        **arguments, "value": total, "beta": np.ones(arguments["beta"].shape), "key": k,
        "query": np.full(arguments["query"].shape, np.abs(arguments["query"]).max(initial=0.0)),
    }  # fmt: skip


def _unscaled(a: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values that beta does not scale; where it is 0 nothing is written either way."""
    beta = where(plain(a["beta"]) == 0, 1.0, a["beta"])
    return {**a, "value": a["value"] * reciprocal(beta)[..., None]}


SWAPS = (
    Swap("write without beta", "the value written unscaled, beta in the erase only", arguments=_unscaled),
    Swap("beta a logit", "sigmoid(beta) in the place of beta", arguments=lambda a: {**a, "beta": sigmoid(a["beta"])}),
    Swap("eps squared", "queries and keys divided by sqrt(|x|^2 + eps^2)",
         arguments=lambda a: None if not a.get("l2norm") else {**a, "norm_eps": a.get("norm_eps", 1e-6) ** 2}),
    *conventions.scales("query", "scale"),
    *(s for s in CONVENTIONS if s.name != "write without its step"),  # there is none
    *ERASING,
)  # fmt: skip


GATED_DELTA_RULE = complete(
    Op(
        name="gated_delta_rule",
        title="Gated delta rule: linear attention with a rank-one erase (DeltaNet, KDA)",
        signature=SIGNATURE,
        definition=gated_delta_rule,
        kernel=compiled,
        direct=direct,
        as_realization=as_realization,
        cases=cases,
        regimes=regimes.REGIMES,
        options=OPTIONS,
        properties=("causality", "split", "packed", "batch", "repeat", "linearity", "rough"),
        linear=("value", "initial_state"),
        envelope=enlarged,
        reference="Yang, Kautz and Hatamizadeh 2025, arXiv 2412.06464, equation 10",
        # Kernels of this op go by chunks of 64 and differences of cumulative sums.
        claim={"chunk": 64, "decay": "logdiff"},
        swaps=SWAPS,
    )
)
