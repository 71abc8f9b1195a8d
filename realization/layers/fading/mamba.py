"""Fading memories that select: the mixers of Mamba-1 and Mamba-2, their short convolution and projections included."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from realization.core.frozen import Sealed
from realization.layers import mamba1, mamba2
from realization.layers.fading.mixer import Drive, Faded, State, block, convolved, opened, sealed, tokens, weights
from realization.layers.maps import gated, scaled, step_size
from realization.layers.mixers import gated_norm, parts, state_size
from realization.layers.realize import decays_and_writes
from realization.layers.recurrence.kernel import kernel, trailing
from realization.layers.regimes import before_softplus


class Inputs(NamedTuple):
    """Input, raw step, B, C and gate of the scan, and the register of the convolution."""

    u: np.ndarray
    step: np.ndarray
    B: np.ndarray
    C: np.ndarray
    z: np.ndarray
    register: np.ndarray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mamba1(Sealed):
    """The Mamba-1 mixer, with the weights of `mamba_mixer`; the features are its c n states.

    Parameters
    ----------
    in_weight, conv_weight, x_weight, dt_weight, dt_bias, A_log, D, out_weight, in_bias, conv_bias, out_bias
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

    def __post_init__(self) -> None:
        sealed(
            self,
            "A_log: c n; D: c; dt_bias: c; conv_weight: c w; conv_bias?: c; in_weight: f m; in_bias?: f;"
            "x_weight: q c; dt_weight: c r; out_weight: o c; out_bias?: o",
        )
        (c, n), r = self.A_log.shape, self.dt_weight.shape[1]
        parts(self.in_weight.T, c, c)
        parts(self.x_weight.T, r, n, n)

    @classmethod
    def random(cls, d: int, n: int = 4, *, width: int = 4, memory: float = 30.0, rng: Any) -> Mamba1:
        """Draw a mixer with 2 d channels whose steps remember about `memory` tokens."""
        rng, c = np.random.default_rng(rng), 2 * d
        r = max(1, d // 16)
        return cls(
            in_weight=weights(rng, 2 * c, d), conv_weight=weights(rng, c, width), x_weight=weights(rng, r + 2 * n, c),
            dt_weight=0.3 * weights(rng, c, r), dt_bias=before_softplus(np.exp(rng.normal(0, 0.5, c)) / memory),
            A_log=np.log(np.arange(1.0, n + 1)) + np.zeros((c, 1)), D=np.ones(c), out_weight=weights(rng, d, c),
            conv_bias=0.1 * rng.standard_normal(c),
        )  # fmt: skip

    @property
    def d(self) -> int:
        """Width of the tokens."""
        return self.in_weight.shape[1]

    @property
    def e(self) -> int:
        """Width of the fading tokens."""
        return self.out_weight.shape[0]

    def __call__(self, x: np.ndarray, state: State | None = None, *, begins: Any = None) -> Faded:
        """Return the outputs; the features are the states (c n)."""
        from realization._kernels.ordered import linear  # loads numba

        x = tokens(x, self.d)
        register, initial = (None, None) if state is None else state
        begins, initial = block(x, begins, initial, self.A_log.shape)
        u, step, B, C, z, register = self._inputs(x, register, begins)
        run = kernel(
            **mamba1.drive(u, step, -np.exp(self.A_log), B, C, "euler", initial), reset=begins, states=True,
            step=(step_size, trailing(self.dt_bias), True, None, None), write=scaled,
            after=(gated, u[..., None, :], self.D, z[..., None, :]),
        )  # fmt: skip
        features = run.states.reshape(*x.shape[:-1], self.A_log.size)
        return Faded(
            linear(run.y[..., 0, :], self.out_weight, self.out_bias), features, (register, run.final[..., 0, :, :])
        )

    def _inputs(self, x: np.ndarray, register: np.ndarray | None = None, begins: Any = None) -> Inputs:
        from realization._kernels.ordered import linear

        (c, n), r = self.A_log.shape, self.dt_weight.shape[1]
        u, z = parts(linear(x, self.in_weight, self.in_bias), c, c)
        u, register = convolved(u, self.conv_weight, self.conv_bias, True, register, begins)
        step, B, C = parts(linear(u, self.x_weight), r, n, n)
        return Inputs(u, linear(step, self.dt_weight), B, C, z, register)

    def drive(self, x: np.ndarray, *, begins: Any = None) -> Drive:
        """Decays exp(Delta A) and writes Delta u B'; the reader needs C, u and z."""
        u, raw, B, C, z, _ = self._inputs(x, None, begins)
        step = step_size(raw, self.dt_bias, True, None, None)
        core = mamba1.drive(scaled(u, step), step, -np.exp(self.A_log), B, C, "euler", None)
        decay, write = np.split(decays_and_writes(core, (1, *self.A_log.shape)), 2, axis=-1)
        return Drive(opened(decay, begins), write, np.concatenate([C, u, z], axis=-1))

    def read(self, state: np.ndarray, reader: np.ndarray) -> np.ndarray:
        """((S C + D u) silu(z)) W_out'."""
        from realization._kernels.ordered import linear

        c, n = self.A_log.shape
        C, u, z = parts(reader, n, c, c)
        y = (state.reshape(*state.shape[:-1], c, n) * C[..., None, :]).sum(-1)
        return linear(gated(y, u, self.D, z), self.out_weight, self.out_bias)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mamba2(Sealed):
    """The Mamba-2 mixer, with the weights of `mamba2_mixer`; the features are its h p n states.

    Parameters
    ----------
    in_weight, conv_weight, dt_bias, A_log, D, out_weight, in_bias, conv_bias, norm_weight, out_bias
        As for `mamba2_mixer`.
    groups, dt_limit, eps, norm_before_gate
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
    eps: float = 2.0**-20
    norm_before_gate: bool = False

    def __post_init__(self) -> None:
        sealed(
            self,
            "A_log: h; D: h; dt_bias: h; conv_weight: c w; conv_bias?: c; in_weight: f m; in_bias?: f;"
            "out_weight: o d; norm_weight?: d; out_bias?: o",
        )
        h, p, _ = self._shape
        parts(self.in_weight.T, h * p, self.conv_weight.shape[0], h)

    @classmethod
    def random(
        cls, d: int, n: int = 4, *, heads: int = 2, groups: int = 1, width: int = 4, memory: float = 30.0, rng: Any
    ) -> Mamba2:
        """Draw a mixer with d channels in so many heads, whose steps remember about `memory` tokens."""
        rng, c = np.random.default_rng(rng), d + 2 * groups * n
        return cls(
            in_weight=weights(rng, d + c + heads, d), conv_weight=weights(rng, c, width), D=np.ones(heads),
            dt_bias=before_softplus(np.exp(rng.normal(0, 0.5, heads)) / memory), out_weight=weights(rng, d, d),
            A_log=np.log(np.arange(1.0, heads + 1)), conv_bias=0.1 * rng.standard_normal(c), norm_weight=np.ones(d),
            groups=groups,
        )  # fmt: skip

    @property
    def d(self) -> int:
        """Width of the tokens."""
        return self.in_weight.shape[1]

    @property
    def e(self) -> int:
        """Width of the fading tokens."""
        return self.out_weight.shape[0]

    @property
    def _shape(self) -> tuple[int, int, int]:
        """Heads, their width, and states for each."""
        h, d = self.A_log.size, self.out_weight.shape[1]
        n = state_size(d, h, self.conv_weight.shape[0], self.groups)
        return h, d // h, n

    def __call__(self, x: np.ndarray, state: State | None = None, *, begins: Any = None) -> Faded:
        """Return the outputs; the features are the states (h p n)."""
        from realization._kernels.ordered import linear, rms_norm  # loads numba

        x = tokens(x, self.d)
        register, initial = (None, None) if state is None else state
        begins, initial = block(x, begins, initial, self._shape)
        u, step, B, C, z, register = self._inputs(x, register, begins)
        low, high = self.dt_limit
        run = kernel(
            **mamba2.drive(u, step, -np.exp(self.A_log), B, C, initial), reset=begins, states=True,
            step=(step_size, trailing(self.dt_bias, 2), True, low, None if high == np.inf else high), write=scaled,
            after=(gated, u, self.D[:, None], z.reshape(u.shape) if self.norm_weight is None else None),
        )  # fmt: skip
        y = run.y.reshape(*x.shape[:-1], self.out_weight.shape[1])
        if self.norm_weight is not None:
            norm = self.norm_weight.reshape(self.groups, -1)
            y = rms_norm(y, norm, self.eps, gate=z, after=self.norm_before_gate)
        features = run.states.reshape(*x.shape[:-1], math.prod(self._shape))
        return Faded(linear(y, self.out_weight, self.out_bias), features, (register, run.final))

    def _inputs(self, x: np.ndarray, register: np.ndarray | None = None, begins: Any = None) -> Inputs:
        from realization._kernels.ordered import linear

        (h, p, n), g, lead = self._shape, self.groups, x.shape[:-1]
        z, v, step = parts(linear(x, self.in_weight, self.in_bias), h * p, self.conv_weight.shape[0], h)
        v, register = convolved(v, self.conv_weight, self.conv_bias, True, register, begins)
        u, B, C = parts(v, h * p, g * n, g * n)
        B, C = (a.reshape(*lead, g, n) for a in (B, C))
        return Inputs(u.reshape(*lead, h, p), step, B, C, z, register)

    def drive(self, x: np.ndarray, *, begins: Any = None) -> Drive:
        """Decays exp(Delta A) and writes Delta u B'; the reader needs C, u and z."""
        u, raw, B, C, z, _ = self._inputs(x, None, begins)
        step = step_size(raw, self.dt_bias, True, *self.dt_limit)
        core = mamba2.drive(scaled(u, step[..., None]), step, -np.exp(self.A_log), B, C)
        decay, write = np.split(decays_and_writes(core, self._shape), 2, axis=-1)
        flat = [a.reshape(*x.shape[:-1], math.prod(a.shape[x.ndim - 1 :])) for a in (C, u, z)]
        return Drive(opened(decay, begins), write, np.concatenate(flat, axis=-1))

    def read(self, state: np.ndarray, reader: np.ndarray) -> np.ndarray:
        """norm((S C + D u) silu(z)) W_out'."""
        from realization._kernels.ordered import linear

        (h, p, n), g, lead = self._shape, self.groups, reader.shape[:-1]
        C, u, z = parts(reader, g * n, h * p, h * p)
        S = state.reshape(*lead, g, h // g, p, n)
        y = (S * C.reshape(*lead, g, 1, 1, n)).sum(-1).reshape(*lead, h, p)
        y = gated(y, u.reshape(*lead, h, p), self.D[:, None], None).reshape(*lead, h * p)
        y = gated_norm(y, z, self.norm_weight, g, self.eps, self.norm_before_gate)
        return linear(y, self.out_weight, self.out_bias)
