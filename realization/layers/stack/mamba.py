"""Mamba-1 and Mamba-2 as mixers of a stack: `mamba_mixer` and `mamba2_mixer` with a state.

The state is the last w - 1 inputs of the convolution, which are held exactly, and the state of the scan, which fades.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.frozen import Sealed
from realization.core.functions import exp
from realization.layers.conv import CAUSAL_CONV1D
from realization.layers.mamba1 import SELECTIVE_SCAN
from realization.layers.mamba2 import SSD
from realization.layers.mixers import gated_norm, parts, state_size
from realization.layers.stack.attention import Mixed
from realization.layers.stack.parts import Weights, linear


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scanned(Sealed):
    """The last inputs of the convolution (*b, c, w-1), and the state of the scan."""

    convolution: Any
    scan: Any


START = Scanned(None, None)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mamba(Weights):
    """u, z = x W_in';  u = conv(u);  Delta, B, C = u W_x';  y = (scan(u, Delta W_dt', B, C) silu(z)) W_out'.

    Parameters
    ----------
    in_weight, in_bias, conv_weight, conv_bias, x_weight, dt_weight, dt_bias, A_log, D, out_weight, out_bias
        As for `mamba_mixer`.
    """

    in_weight: Any
    conv_weight: Any
    x_weight: Any
    dt_weight: Any
    dt_bias: Any
    A_log: Any
    D: Any
    out_weight: Any
    in_bias: Any = None
    conv_bias: Any = None
    out_bias: Any = None

    axes = (
        "in_weight: e m; in_bias?: e; conv_weight: c w; conv_bias?: c; x_weight: f c; dt_weight: c r; dt_bias: c;"
        "A_log: c n; D: c; out_weight: m c; out_bias?: m"
    )

    def __call__(self, x: Any, state: Scanned | None = None) -> Mixed:
        """Apply to tokens (*b, T, m), which follow those that made the state."""
        before, (c, n), rank = state or START, self.A_log.shape, self.dt_weight.shape[-1]
        u, z = parts(linear(x, self.in_weight, self.in_bias), c, c)
        conv = CAUSAL_CONV1D(
            x=u, weight=self.conv_weight, bias=self.conv_bias, activation=True, initial_state=before.convolution
        )
        step, B, C = parts(linear(conv.y, self.x_weight), rank, n, n)
        scan = SELECTIVE_SCAN(
            u=conv.y, delta=linear(step, self.dt_weight), A=-exp(self.A_log), B=B, C=C, D=self.D, z=z,
            delta_bias=self.dt_bias, delta_softplus=True, initial_state=before.scan,
        )  # fmt: skip
        return Mixed(linear(scan.y, self.out_weight, self.out_bias), Scanned(conv.final_state, scan.final_state))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mamba2(Weights):
    """z, v, Delta = x W_in';  u, B, C = conv(v);  y = norm(ssd(u, Delta, B, C) silu(z)) W_out'.

    Parameters
    ----------
    in_weight, in_bias, conv_weight, conv_bias, dt_bias, A_log, D, norm_weight, out_weight, out_bias
        As for `mamba2_mixer`.
    groups, dt_limit, eps
        As for `mamba2_mixer`.
    """

    in_weight: Any
    conv_weight: Any
    dt_bias: Any
    A_log: Any
    D: Any
    out_weight: Any
    in_bias: Any = None
    conv_bias: Any = None
    norm_weight: Any = None
    out_bias: Any = None
    groups: int = 1
    dt_limit: tuple[float, float] = (0.0, np.inf)
    eps: float = 1e-6

    axes = (
        "in_weight: e m; in_bias?: e; conv_weight: c w; conv_bias?: c; dt_bias: h; A_log: h; D: h; norm_weight?: d;"
        "out_weight: m d; out_bias?: m"
    )

    def __call__(self, x: Any, state: Scanned | None = None) -> Mixed:
        """Apply to tokens (*b, T, m), which follow those that made the state."""
        before, lead, g = state or START, x.shape[:-1], self.groups
        d, h, conv = self.out_weight.shape[-1], self.A_log.shape[-1], self.conv_weight.shape[0]
        n = state_size(d, h, conv, g)
        z, v, step = parts(linear(x, self.in_weight, self.in_bias), d, conv, h)
        window = CAUSAL_CONV1D(
            x=v, weight=self.conv_weight, bias=self.conv_bias, activation=True, initial_state=before.convolution
        )
        u, B, C = parts(window.y, d, g * n, g * n)
        B, C = (a.reshape(*lead, g, n) for a in (B, C))
        scan = SSD(
            x=u.reshape(*lead, h, d // h), dt=step, A=-exp(self.A_log), B=B, C=C, D=self.D, dt_bias=self.dt_bias,
            dt_softplus=True, dt_limit=self.dt_limit, initial_state=before.scan,
        )  # fmt: skip
        y = gated_norm(scan.y.reshape(*lead, d), z, self.norm_weight, g, self.eps, False)
        return Mixed(linear(y, self.out_weight, self.out_bias), Scanned(window.final_state, scan.final_state))
