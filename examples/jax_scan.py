"""The selective scan of Mamba in JAX, as one would write it for an accelerator.

Composing the maps S -> a S + b is associative, so all states come out of one
`associative_scan` of logarithmic depth.  Names and layout are the canonical
ones, hence no adapter:

    realization verify examples/jax_scan.py:selective_scan --op selective_scan
"""

import jax
import jax.numpy as jnp


def compose(first, second):
    """Return the map that applies `first`, then `second`: S -> a2 (a1 S + b1) + b2."""
    (a1, b1), (a2, b2) = first, second
    return a2 * a1, a2 * b1 + b2


def terms(u, delta, A, B, delta_bias, delta_softplus):
    """Return decay and input of every step, both (b, T, d, n)."""
    step = delta if delta_bias is None else delta + delta_bias
    step = jax.nn.softplus(step) if delta_softplus else step
    return jnp.exp(step[..., None] * A), (step * u)[..., None] * B[:, :, None, :]


def read_out(states, u, C, D, z):
    """Return y (b, T, d) from the state after each step, (b, T, d, n)."""
    y = jnp.einsum("btdn,btn->btd", states, C)
    y = y if D is None else y + D * u
    return y if z is None else y * jax.nn.silu(z)


def selective_scan(
    *, u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, initial_state=None
):
    """Return (y, final_state) by `jax.lax.associative_scan`."""
    u, delta, A, B, C = map(jnp.asarray, (u, delta, A, B, C))
    decay, drive = terms(u, delta, A, B, delta_bias, delta_softplus)
    # The initial state is the first element of the scan, so nothing about it is special, not even T = 0.
    start = jnp.zeros_like(drive, shape=(u.shape[0], 1, *A.shape))
    first = start if initial_state is None else jnp.asarray(initial_state)[:, None]
    elements = jnp.concatenate([start, decay], 1), jnp.concatenate([first, drive], 1)
    _, states = jax.lax.associative_scan(compose, elements, axis=1)
    return read_out(states[:, 1:], u, C, D, z), states[:, -1]


def selective_scan_in_order(
    *, u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, initial_state=None
):
    """Return (y, final_state) by `jax.lax.scan`, one step after the other."""
    u, delta, A, B, C = map(jnp.asarray, (u, delta, A, B, C))
    maps = terms(u, delta, A, B, delta_bias, delta_softplus)
    start = jnp.zeros_like(maps[1], shape=(u.shape[0], *A.shape))

    def step(state, element):
        a, b = element
        state = a * state + b
        return state, state

    final, states = jax.lax.scan(
        step,
        start if initial_state is None else jnp.asarray(initial_state),
        tuple(jnp.moveaxis(m, 1, 0) for m in maps),
    )
    return read_out(jnp.moveaxis(states, 0, 1), u, C, D, z), final
