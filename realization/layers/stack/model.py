"""A stack of blocks: embedding, mixers and MLPs with their norms and residuals, final norm, head.

    x = E[token];     x = x + mixer(rms(x)),   x = x + mlp(rms(x))     for each block;     logits = H rms(x)

It is a reference and no trainer: float64, every step readable, the weights of a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import Sealed
from realization.core.functions import arrange
from realization.layers.maps import rms_norm
from realization.layers.stack.parts import GatedMLP, Weights, linear


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Block(Weights):
    """x = x + mixer(rms(x)), then x = x + mlp(rms(x)) where there is an MLP.

    Parameters
    ----------
    norm : array_like
        (d,).
    mixer : callable
        mixer(x, state) -> y, state, places, surprise.
    mlp_norm : array_like, optional
        (d,), with `mlp`.
    mlp : GatedMLP, optional
        Default: none, as in a stack of Mamba layers.

    Raises
    ------
    ShapeError
        If a shape does not fit, or one of mlp and mlp_norm comes alone.
    """

    norm: Any
    mixer: Any
    mlp_norm: Any = None
    mlp: GatedMLP | None = None

    axes = "norm: d; mlp_norm?: d"

    def __post_init__(self) -> None:
        Weights.__post_init__(self)
        if (self.mlp is None) != (self.mlp_norm is None):
            raise ShapeError(f"{'mlp' if self.mlp is None else 'mlp_norm'} is missing; both or none are needed")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Stack(Weights):
    """logits = H rms(x) of the tokens x that blocks have made of embedded ones.

    Parameters
    ----------
    embedding : array_like
        (V, d): one row for each token of the vocabulary.
    blocks : tuple of Block
        In order.
    norm : array_like
        (d,): before the head.
    head : array_like, optional
        (V, d).  Default: the embedding, tied.
    norm_eps : float
        Of all RMS norms between the blocks.

    Examples
    --------
    Without a block, logits are products of normalised rows of the embedding:

    >>> from realization.layers.stack import forward
    >>> out = forward(Stack(np.eye(4)[:, :2], (), np.ones(2), norm_eps=0.0), [0, 1, 0])
    >>> (out.logits[:, :2] ** 2).round(6).tolist()
    [[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]]
    """

    embedding: Any
    blocks: tuple[Block, ...]
    norm: Any
    head: Any = None
    norm_eps: float = 1e-6

    axes = "embedding: V d; norm: d; head?: V d"

    @property
    def vocabulary(self) -> int:
        """V."""
        return int(self.embedding.shape[0])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Layer(Sealed):
    """What one mixer selected: surprise (*b, T) and places (*b, T, M) of its tokens; None where it selects nothing."""

    surprise: Any
    places: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Forward(Sealed):
    """What a stack makes of tokens.

    Parameters
    ----------
    logits : ndarray
        (*b, T, V).
    layers : tuple of Layer
        What each block selected.
    state : tuple
        Of each mixer: what the next tokens need.
    """

    logits: Any
    layers: tuple[Layer, ...]
    state: tuple[Any, ...]


def forward(stack: Stack, tokens: Any, state: Sequence[Any] | None = None) -> Forward:
    """x = E[token];  x = x + mixer(rms(x)), x = x + mlp(rms(x)) for each block;  logits = H rms(x).

    Parameters
    ----------
    stack : Stack
        The weights.
    tokens : array_like of int
        (*b, T), from 0 to V - 1; bytes for V = 256.
    state : sequence, optional
        `state` of the call that has read the tokens before.  Default: there are none.

    Returns
    -------
    Forward
        logits (*b, T, V), what was selected, and the state behind the last token.

    Raises
    ------
    ShapeError
        If tokens are not integers, or not in the vocabulary; if the state is that of another stack.
    """
    x = embedded(stack, tokens)
    states = (None,) * len(stack.blocks) if state is None else tuple(state)
    if len(states) != len(stack.blocks):
        raise ShapeError(f"a state of {len(states)} layers given, the stack has {len(stack.blocks)}")
    layers, after = [], []
    for block, before in zip(stack.blocks, states, strict=True):
        mixed = block.mixer(rms_norm(x, block.norm, stack.norm_eps), before)
        x = x + mixed.y
        if block.mlp is not None:
            x = x + block.mlp(rms_norm(x, block.mlp_norm, stack.norm_eps))
        layers.append(Layer(mixed.surprise, mixed.places))
        after.append(mixed.state)
    head = stack.embedding if stack.head is None else stack.head
    return Forward(linear(rms_norm(x, stack.norm, stack.norm_eps), head), tuple(layers), tuple(after))


def embedded(stack: Stack, tokens: Any) -> Any:
    """Rows of the embedding (*b, T, d).

    Raises
    ------
    ShapeError
        If tokens are not integers from 0 to V - 1.
    """
    tokens = np.asarray(tokens)
    if tokens.dtype.kind not in "iu" and tokens.size:
        raise ShapeError(f"tokens have dtype {tokens.dtype}; integers from 0 to {stack.vocabulary - 1} are needed")
    if tokens.ndim < 1:
        raise ShapeError(f"tokens is one number; an array (*b, T) is needed, [{tokens}] for one token")
    outside = (tokens < 0) | (tokens >= stack.vocabulary)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ShapeError(
            f"tokens has {int(outside.sum())} entries outside the vocabulary of {stack.vocabulary}, "
            f"the first, {tokens[place]}, at {place}; 0 to {stack.vocabulary - 1} are needed"
        )
    return arrange(lambda parts: parts[0][tokens.astype(np.int64)], (stack.embedding,))
