"""What stands beside the mixers of a stack: the gated MLP, and predictors that a file can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.frozen import Sealed
from realization.layers.fading import FadingMixer
from realization.layers.fading.mixer import sealed, tokens
from realization.layers.predictors import state_predictor
from realization.memory.selection import Fitted, Given
from realization.memory.selection.predictors import Predicted, autoregression


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GatedMLP(Sealed):
    """y = Wd (silu(Wg x + bg) * (Wu x + bu)) + bd, token by token.

    Parameters
    ----------
    gate, up : array_like
        (f, d).
    down : array_like
        (d, f).
    gate_bias, up_bias, down_bias : array_like, optional
        (f,), (f,) and (d,).

    References
    ----------
    Shazeer 2020, GLU Variants Improve Transformer, arXiv 2002.05202, equation 6.

    Examples
    --------
    An open gate, silu(g) = g for large g, leaves the product of two linear maps:

    >>> mlp = GatedMLP(gate=[[50.0]], up=[[2.0]], down=[[1.0]])
    >>> mlp(np.array([[1.0], [-1.0]])).ravel().round(9).tolist()
    [100.0, 0.0]
    """

    gate: Any
    up: Any
    down: Any
    gate_bias: Any = None
    up_bias: Any = None
    down_bias: Any = None

    def __post_init__(self) -> None:
        sealed(self, "gate: f d; up: f d; down: d f; gate_bias?: f; up_bias?: f; down_bias?: d")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Apply to tokens (*b, T, d)."""
        from realization._kernels.ordered import gated, linear  # loads numba

        x = tokens(x, self.down.shape[0])
        opened = gated(linear(x, self.gate, self.gate_bias), linear(x, self.up, self.up_bias))
        return linear(opened, self.down, self.down_bias)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FromState(Sealed):
    """u^(t) = W f(t-1): `state_predictor` as a record.

    Parameters
    ----------
    mixer : FadingMixer
        Its features are f.
    readout : Given or Fitted
        W, or how it is fitted causally.
    """

    mixer: FadingMixer
    readout: Given | Fitted

    def __call__(self, tokens: Any, state: Any = None, *, begins: Any = None) -> Predicted:
        """Predict each token from those before it."""
        return state_predictor(self.mixer, self.readout)(tokens, state, begins=begins)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FromPast(Sealed):
    """u^(t) = theta(1) u(t-1) + ... + theta(m) u(t-m): `autoregression` as a record.

    Parameters
    ----------
    coefficients : array_like
        (m, d), one number for each channel, or (m, d, d).
    """

    coefficients: Any

    def __post_init__(self) -> None:
        sealed(self, "coefficients: m d | m d d")

    def __call__(self, tokens: Any, state: Any = None, *, begins: Any = None) -> Predicted:
        """Predict each token from those before it."""
        return autoregression(self.coefficients)(tokens, state, begins=begins)
