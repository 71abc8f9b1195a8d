"""Whole mixers: projections, short convolution, scan, norm and gate of a Mamba layer, composed of the library's pieces.

    mamba      u, z = x W_in';   u = conv(u);   Delta, B, C = u W_x';   y = (scan(u, Delta W_dt', B, C) silu(z)) W_out'
    mamba2     z, v, Delta = x W_in';   u, B, C = conv(v);   y = norm(ssd(u, Delta, B, C) silu(z)) W_out'
    falcon_h1  mamba2 of scaled inputs and projections, with the norm before or behind the gate, or none

with A = -exp(A_log) and silu behind each convolution.  Certified value, bound and gradient of a
mixer are those of its pieces, composed: an error of one is handed on by the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.core.functions import exp, silu
from realization.core.ops import Op, operation
from realization.layers import mamba1, mamba2
from realization.layers.conv import causal_conv1d
from realization.layers.conv import direct as direct_conv
from realization.layers.mamba1 import selective_scan
from realization.layers.mamba2 import ssd
from realization.layers.maps import linear, rms_norm
from realization.layers.readings import complete
from realization.layers.regimes import Regime, before_softplus

PROJECTIONS = "x: *b T m; in_weight: e m; in_bias?: e; conv_weight: c w; conv_bias?: c;"
MAMBA = (
    PROJECTIONS + "x_weight: f c; dt_weight: c r; dt_bias: c; A_log: c n; D: c; out_weight: o c; out_bias?: o"
    "-> y: *b T o"
)
MAMBA2 = (
    PROJECTIONS + "dt_bias: h; A_log: h; D: h; norm_weight?: d; multipliers?: e; out_weight: o d; out_bias?: o"
    "-> y: *b T o"
)


class Mixed(NamedTuple):
    """Output (*b, T, o)."""

    y: Any


@operation(MAMBA)
def mamba_mixer(
    *, x: Any, in_weight: Any, in_bias: Any = None, conv_weight: Any, conv_bias: Any = None, x_weight: Any,
    dt_weight: Any, dt_bias: Any, A_log: Any, D: Any, out_weight: Any, out_bias: Any = None,
) -> Mixed:  # fmt: skip
    """u, z = x W_in';  u = conv(u);  Delta, B, C = u W_x';  y = (scan(u, Delta W_dt', B, C) silu(z)) W_out'.

    Parameters
    ----------
    x : array_like
        Hidden states (*b, T, m).
    in_weight, in_bias : array_like
        Projection to input and gate, (e, m) and (e,) with e = 2 c.
    conv_weight, conv_bias : array_like
        Convolution (c, w) and (c,), with silu behind it.
    x_weight : array_like
        Projection to raw step, B and C, (f, c) with f = r + 2 n.
    dt_weight, dt_bias : array_like
        Projection of the raw step (c, r), and its bias (c,), before softplus.
    A_log, D : array_like
        Logarithm of the decay rates (c, n), and skip connection (c,).
    out_weight, out_bias : array_like
        Projection of the output, (o, c) and (o,).

    Returns
    -------
    Mixed
        y (*b, T, o).

    Raises
    ------
    ShapeError
        If a shape does not fit.

    References
    ----------
    Gu and Dao, Mamba: Linear-Time Sequence Modeling with Selective State Spaces, 2023,
    arXiv 2312.00752, section 3.4 and figure 3.
    """
    c, n = A_log.shape
    rank = dt_weight.shape[-1]
    u, z = parts(linear(x, in_weight, in_bias), c, c)
    u = causal_conv1d(x=u, weight=conv_weight, bias=conv_bias, activation=True).y
    step, B, C = parts(linear(u, x_weight, None), rank, n, n)
    y = selective_scan(
        u=u, delta=linear(step, dt_weight, None), A=-exp(A_log), B=B, C=C, D=D, z=z,
        delta_bias=dt_bias, delta_softplus=True,
    ).y  # fmt: skip
    return Mixed(linear(y, out_weight, out_bias))


@operation(MAMBA2)
def mamba2_mixer(
    *, x: Any, in_weight: Any, in_bias: Any = None, conv_weight: Any, conv_bias: Any = None, dt_bias: Any, A_log: Any,
    D: Any, norm_weight: Any = None, multipliers: Any = None, out_weight: Any, out_bias: Any = None, groups: int = 1,
    dt_limit: tuple[float, float] = (0.0, np.inf), eps: float = 2.0**-20, in_multiplier: float = 1.0,
    norm_before_gate: bool = False,
) -> Mixed:  # fmt: skip
    """z, v, Delta = x W_in';  u, B, C = conv(v);  y = norm(ssd(u, Delta, B, C) silu(z)) W_out'.

    Parameters
    ----------
    x : array_like
        Hidden states (*b, T, m).
    in_weight, in_bias : array_like
        Projection to gate (d), convolved (c = d + 2 g n) and raw steps (h): (e, m) and (e,), e = d + c + h.
    conv_weight, conv_bias : array_like
        Convolution (c, w) and (c,), with silu behind it.
    dt_bias, A_log, D : array_like
        Bias of the steps, logarithm of the decay rates, skip connection, (h,) each.
    norm_weight : array_like, optional
        RMS norm of each of the g groups, (d,).  Default: no norm.
    multipliers : array_like, optional
        Factors of the projection (e,).
    out_weight, out_bias : array_like
        Projection of the output, (o, d) and (o,).
    groups : int
        g, which B, C and the norm share.
    dt_limit : pair of float
        Limits of the steps, after softplus.
    eps : float
        Of the norm; counts as exact.
    in_multiplier : float
        Factor of the hidden states; counts as exact.
    norm_before_gate : bool
        Whether the norm comes before silu(z) is multiplied.

    Returns
    -------
    Mixed
        y (*b, T, o).

    Raises
    ------
    ShapeError
        If a shape does not fit, or the sizes do not make g groups.

    References
    ----------
    Dao and Gu, Transformers are SSMs, 2024, arXiv 2405.21060, section 7.
    """
    (d, h), conv, lead = (out_weight.shape[-1], A_log.shape[-1]), conv_weight.shape[0], x.shape[:-1]
    n = state_size(d, h, conv, groups)
    x = x if in_multiplier == 1 else x * in_multiplier
    projected = linear(x, in_weight, in_bias)
    z, v, step = parts(projected if multipliers is None else projected * multipliers, d, conv, h)
    v = causal_conv1d(x=v, weight=conv_weight, bias=conv_bias, activation=True).y
    u, B, C = parts(v, d, groups * n, groups * n)
    B, C = (a.reshape(*lead, groups, n) for a in (B, C))
    y = ssd(
        x=u.reshape(*lead, h, d // h), dt=step, A=-exp(A_log), B=B, C=C, D=D,
        dt_bias=dt_bias, dt_softplus=True, dt_limit=dt_limit,
    ).y  # fmt: skip
    y = gated_norm(y.reshape(*lead, d), z, norm_weight, groups, eps, norm_before_gate)
    return Mixed(linear(y, out_weight, out_bias))


def parts(x: Any, *sizes: int) -> list[Any]:
    """Cut the last axis into parts of these sizes.

    Raises
    ------
    ShapeError
        If the sizes do not add up to it.
    """
    if sum(sizes) != x.shape[-1]:
        raise ShapeError(f"a projection has {x.shape[-1]} outputs, {' + '.join(map(str, sizes))} are needed")
    ends = np.cumsum(sizes).tolist()
    return [x[..., end - size : end] for end, size in zip(ends, sizes, strict=True)]


def state_size(d: int, h: int, conv: int, groups: int) -> int:
    """The number n of states per head and width, from d + 2 g n convolved channels.

    Raises
    ------
    ShapeError
        If heads or groups do not divide what they share.
    """
    if groups < 1 or h < 1 or d % h or d % groups or conv < d or (conv - d) % (2 * groups):
        raise ShapeError(
            f"{conv} channels are convolved, {d} come out, with {h} heads and {groups} groups; "
            "heads and groups must divide what comes out, and c = d + 2 g n"
        )
    return (conv - d) // (2 * groups)


def gated_norm(y: Any, z: Any, weight: Any, groups: int, eps: float, norm_before_gate: bool) -> Any:
    """norm(y silu(z)), norm(y) silu(z), or y silu(z) without a weight; each group has its own norm."""
    if weight is None:
        return y * silu(z)
    by_group = (groups, y.shape[-1] // groups)

    def norm(y: Any) -> Any:
        grouped = rms_norm(y.reshape(*y.shape[:-1], *by_group), weight.reshape(*by_group), eps)
        return grouped.reshape(*y.shape)

    return norm(y) * silu(z) if norm_before_gate else norm(y * silu(z))


# The second route ---------------------------------------------------------------


def direct_mamba(
    *, x, in_weight, in_bias=None, conv_weight, conv_bias=None, x_weight, dt_weight, dt_bias, A_log, D,
    out_weight, out_bias=None,
) -> Mixed:  # fmt: skip
    """Matrix products, and the textbook loops of convolution and scan."""
    c, r, n = A_log.shape[0], dt_weight.shape[-1], A_log.shape[-1]
    projected = x @ in_weight.T + (0 if in_bias is None else in_bias)
    u = direct_conv(x=projected[..., :c], weight=conv_weight, bias=conv_bias, activation=True).y
    low = u @ x_weight.T
    y = mamba1.direct(
        u=u, delta=low[..., :r] @ dt_weight.T, A=-np.exp(A_log), B=low[..., r : r + n], C=low[..., r + n :], D=D,
        z=projected[..., c:], delta_bias=dt_bias, delta_softplus=True,
    ).y  # fmt: skip
    return Mixed(y @ out_weight.T + (0 if out_bias is None else out_bias))


def direct_mamba2(
    *, x, in_weight, in_bias=None, conv_weight, conv_bias=None, dt_bias, A_log, D, norm_weight=None, multipliers=None,
    out_weight, out_bias=None, groups=1, dt_limit=(0.0, np.inf), eps=2.0**-20, in_multiplier=1.0,
    norm_before_gate=False,
) -> Mixed:  # fmt: skip
    """Matrix products, and the textbook loops of convolution and scan; the norm group by group."""
    (b, T, _), d, h = x.shape, out_weight.shape[-1], A_log.size
    n = (conv_weight.shape[0] - d) // (2 * groups)
    projected = (in_multiplier * x) @ in_weight.T + (0 if in_bias is None else in_bias)
    projected = projected * (1 if multipliers is None else multipliers)
    gate = projected[..., :d] / (1 + np.exp(-projected[..., :d]))
    v = direct_conv(x=projected[..., d:-h], weight=conv_weight, bias=conv_bias, activation=True).y
    B, C = np.moveaxis(v[..., d:].reshape(b, T, 2, groups, n), 2, 0)
    y = mamba2.direct(
        x=v[..., :d].reshape(b, T, h, d // h), dt=projected[..., -h:], A=-np.exp(A_log), B=B, C=C, D=D,
        dt_bias=dt_bias, dt_softplus=True, dt_limit=dt_limit,
    ).y.reshape(b, T, d)  # fmt: skip
    y = y if norm_before_gate and norm_weight is not None else y * gate
    if norm_weight is not None:
        for i in range(groups):
            group = slice(i * (d // groups), (i + 1) * (d // groups))
            y[..., group] /= np.sqrt((y[..., group] ** 2).mean(-1, keepdims=True) + eps)
        y = y * norm_weight * (gate if norm_before_gate else 1)
    return Mixed(y @ out_weight.T + (0 if out_bias is None else out_bias))


# Cases --------------------------------------------------------------------------

REGIMES = (
    Regime("initial", lambda c: 10.0, "weights and steps as at the start of training"),
    Regime("long-memory", lambda c: 3.0 * c, "a lost or stale state shows in every output"),
    Regime("positive", lambda c: 10.0, "terms of one sign: nothing cancels, so bounds are sharp and small faults show"),
)


def numbers(regime, rng, *shape: int) -> np.ndarray:
    """Standard normal numbers, or their absolute values."""
    x: np.ndarray = rng.standard_normal(shape)
    return np.abs(x) if regime.name == "positive" else x


def weights(regime, rng, rows: int, columns: int) -> np.ndarray:
    """A matrix (rows, columns) that keeps the size of what it multiplies."""
    return numbers(regime, rng, rows, columns) / (columns if regime.name == "positive" else np.sqrt(columns))


def ingredients(regime, rng, *, T, batch, m, e, c, w, o, d, steps, chunk, have) -> dict[str, Any]:
    """What both families have: hidden states, projections, convolution, and the bias of `steps` step sizes."""
    small = 0.3 * numbers(regime, rng, max(e, c, o))
    step = np.exp(0.5 * rng.standard_normal(steps)) / regime.memory(chunk)
    out = {
        "x": numbers(regime, rng, batch, T, m),
        "in_weight": weights(regime, rng, e, m),
        "conv_weight": weights(regime, rng, c, w),
        "dt_bias": before_softplus(step),
        "D": 1 + 0.3 * rng.standard_normal(steps),
        "out_weight": weights(regime, rng, o, d),
    }
    sizes = {"in_bias": e, "conv_bias": c, "out_bias": o}
    return out | {name: small[:size] for name, size in sizes.items() if name in have}


def mamba_cases(regime, options, *, T, chunk, rng, form, batch=2) -> dict[str, Any]:
    """Draw hidden states and weights; sizes (m, c, n, r, w)."""
    (m, c, n, r, w), have = options["size"], frozenset(options["with"])
    out = ingredients(regime, rng, T=T, batch=batch, m=m, e=2 * c, c=c, w=w, o=m, d=c, steps=c, chunk=chunk, have=have)
    A_log = np.log(np.arange(1.0, n + 1)) + 0.3 * rng.standard_normal((c, n))
    low, high = weights(regime, rng, r + 2 * n, c), 0.3 * weights(regime, rng, c, r)
    return out | {"x_weight": low, "dt_weight": high, "A_log": A_log}


def mamba2_cases(regime, options, *, T, chunk, rng, form, batch=2) -> dict[str, Any]:
    """Draw hidden states and weights; sizes (m, h, p, g, n, w)."""
    (m, h, p, g, n, w), have = options["size"], frozenset(options["with"])
    d, c = h * p, h * p + 2 * g * n
    out = ingredients(
        regime, rng, T=T, batch=batch, m=m, e=d + c + h, c=c, w=w, o=m, d=d, steps=h, chunk=chunk, have=have
    )
    out |= {"A_log": np.log(np.arange(1.0, h + 1)) + 0.3 * rng.standard_normal(h), "groups": g}
    if "norm_weight" in have:
        out["norm_weight"] = 1 + 0.3 * rng.standard_normal(d)
    if "multipliers" in have:
        out["multipliers"] = np.exp(0.5 * rng.standard_normal(d + c + h))
    if "in_multiplier" in have:
        out["in_multiplier"] = 0.75
    if "norm_before_gate" in have:
        out["norm_before_gate"] = True
    if "dt_limit" in have:
        middle = 1 / regime.memory(chunk)
        out["dt_limit"] = tuple(float(np.float32(middle * factor)) for factor in (0.5, 2.0))
    return out


def no_integers(arguments):
    """A projection to unit size has no exact regime: nothing is asked of this function."""
    return arguments


FALCON = ("multipliers", "in_multiplier")
OPTIONS = {
    "mamba_mixer": (
        {"size": (32, 64, 8, 4, 4), "with": ("conv_bias",)},
        {"size": (12, 20, 5, 3, 2), "with": ("in_bias", "conv_bias", "out_bias")},
    ),
    "mamba2_mixer": (
        {"size": (32, 4, 16, 2, 8, 4), "with": ("conv_bias", "norm_weight")},
        {"size": (12, 6, 3, 3, 5, 2), "with": ("in_bias", "conv_bias", "norm_weight", "dt_limit", "out_bias")},
    ),
    "falcon_h1_mixer": (
        {"size": (32, 4, 16, 2, 8, 4), "with": ("conv_bias", *FALCON)},
        {"size": (12, 6, 3, 3, 5, 2), "with": ("in_bias", "norm_weight", "norm_before_gate", *FALCON)},
        {"size": (12, 6, 3, 3, 5, 2), "with": ("norm_weight", "dt_limit", *FALCON)},
    ),
}


def record(name: str, title: str, signature: str, functions: tuple[Callable[..., Any], ...], **fields: Any) -> Op:
    """The record of a mixer from its definition, second route and cases."""
    definition, direct, cases = functions
    return complete(
        Op(
            name=name,
            title=title,
            signature=signature,
            definition=definition,
            direct=direct,
            as_realization=None,  # a cascade: its convolution and its scan have theirs
            cases=cases,
            regimes=REGIMES,
            typical="initial",
            options=OPTIONS[name],
            properties=("causality", "batch", "repeat"),
            linear=(),
            envelope=no_integers,
            **fields,
        )
    )


_MAMBA2 = (mamba2_mixer, direct_mamba2, mamba2_cases)
_CHUNKED = {"chunk": 256, "decay": "logdiff"}
MIXERS = {
    op.name: op
    for op in (
        record(
            "mamba_mixer", "Whole Mamba-1 mixer", MAMBA, (mamba_mixer, direct_mamba, mamba_cases),
            reference="Gu and Dao 2023, arXiv 2312.00752, section 3.4",
        ),
        record(
            "mamba2_mixer", "Whole Mamba-2 mixer", MAMBA2, _MAMBA2,
            reference="Dao and Gu 2024, arXiv 2405.21060, section 7", claim=_CHUNKED,
        ),
        record(
            "falcon_h1_mixer", "Mamba part of a Falcon-H1 layer", MAMBA2, _MAMBA2,
            reference="Zuo et al. 2025, Falcon-H1, arXiv 2507.22448", claim=_CHUNKED,
        ),
    )
}  # fmt: skip
