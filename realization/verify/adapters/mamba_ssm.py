"""Adapters for `mamba_ssm`, whose calling conventions others have copied.

Mamba-1 is channel first, (b, d, T) and (b, n, T), and passes no initial state.
Mamba-2 is laid out canonically.  The one-step update of both works on
(b, ..., n) at one time and changes the state it is given; it is applied step
after step, so that it is judged as the whole operation, drift included.
"""

from collections.abc import Callable
from typing import Any

from realization.verify.adapters import Adapter, MisplacedError

__all__ = ["ADAPTERS", "STEPS", "in_slots", "scan", "scan_by_steps", "ssd", "ssd_by_steps"]


# Foreign: torch's arrays and functions, known here by what they do and not by type (torch is not imported).
Foreign = Any
Function = Callable[..., Foreign]
Outputs = dict[str, Foreign]

# What an update applied step by step claims, whatever is fair for the op's other kernels.
STEPS = {"chunk": None, "decay": "product"}


def scan(
    function: Function, *, u: Foreign, delta: Foreign, A: Foreign, B: Foreign, C: Foreign,
    z: Foreign = None, **options: Foreign,
) -> Outputs:  # fmt: skip
    """Call a channel-first selective scan."""
    _need_real(A)
    u, delta, B, C = (a.swapaxes(1, 2) for a in (u, delta, B, C))
    gate = None if z is None else z.swapaxes(1, 2)
    y, state = function(u, delta, A, B, C, z=gate, return_last_state=True, **options)
    return {"y": y.swapaxes(1, 2), "final_state": state}


def ssd(
    function: Function, *, x: Foreign, dt: Foreign, A: Foreign, B: Foreign, C: Foreign,
    chunk_size: int = 256, initial_state: Foreign = None, **options: Foreign,
) -> Outputs:  # fmt: skip
    """Call a chunked Mamba-2 scan; 256 is the chunk of the published models."""
    y, state = function(x, dt, A, B, C, chunk_size, initial_states=initial_state, return_final_states=True, **options)
    return {"y": y, "final_state": state}


def scan_by_steps(
    function: Function, *, u: Foreign, delta: Foreign, A: Foreign, B: Foreign, C: Foreign,
    D: Foreign = None, z: Foreign = None, delta_bias: Foreign = None, delta_softplus: bool = False,
    initial_state: Foreign = None,
) -> Outputs:  # fmt: skip
    """Apply a Mamba-1 update to one time after the other."""
    _need_real(A)
    state = u.new_zeros(u.shape[0], *A.shape) if initial_state is None else initial_state
    y = u.new_empty(u.shape)
    for t in range(u.shape[1]):
        y[:, t] = function(
            state, u[:, t], delta[:, t], A, B[:, t], C[:, t], D,
            z=None if z is None else z[:, t], dt_bias=delta_bias, dt_softplus=delta_softplus,
        )  # fmt: skip
    return {"y": y, "final_state": state}


def ssd_by_steps(
    function: Function, *, x: Foreign, dt: Foreign, A: Foreign, B: Foreign, C: Foreign,
    D: Foreign = None, z: Foreign = None, dt_bias: Foreign = None, dt_softplus: bool = False,
    initial_state: Foreign = None,
) -> Outputs:  # fmt: skip
    """Apply the update in its Mamba-2 form to one time after the other.

    What a head shares is expanded, not copied: kernels recognise the zero stride.
    """
    (b, T, h, p), n = x.shape, B.shape[-1]
    state = x.new_zeros(b, h, p, n) if initial_state is None else initial_state
    rate = A[:, None, None].expand(h, p, n)
    skip = D[:, None].expand(h, p) if D is not None and D.ndim == 1 else D
    bias = None if dt_bias is None else dt_bias[:, None].expand(h, p)
    y = x.new_empty(x.shape)
    for t in range(T):
        y[:, t] = function(
            state, x[:, t], dt[:, t, :, None].expand(b, h, p), rate, B[:, t], C[:, t], skip,
            z=None if z is None else z[:, t], dt_bias=bias, dt_softplus=dt_softplus,
        )  # fmt: skip
    return {"y": y, "final_state": state}


def in_slots(function: Function) -> Function:
    """Return an update whose states lie in every second slot of a pool; the others must keep what they hold.

    That is NaN, so that a read shows, and one number, since a NaN that is overwritten may stay one.
    A row of padding, of index -1 and full of NaN, runs with the batch and belongs to no slot.
    """
    mark = 2.0**13  # a number of every format

    def update(
        state: Foreign, x: Foreign, dt: Foreign, A: Foreign, B: Foreign, C: Foreign, D: Foreign = None, *,
        z: Foreign = None, **options: Foreign,
    ) -> Foreign:  # fmt: skip
        rows = state.shape[0]
        pool = state.new_full((2 * rows + 1, *state.shape[1:]), float("nan"))
        pool[::2, ..., 0] = mark
        pool[1::2] = state
        indices = state.new_full((rows + 1,), -1).int()
        indices[:rows] = 2 * indices.new_ones(rows).cumsum(0) - 1
        x, dt, B, C, z = (_with_padding(a) for a in (x, dt, B, C, z))
        y = function(pool, x, dt, A, B, C, D, z=z, state_batch_indices=indices, **options)
        if not ((pool[::2, ..., 0] == mark).all() and pool[::2, ..., 1:].isnan().all()):
            raise MisplacedError("it writes into slots of states that were not named")
        state[...] = pool[1::2]
        return y[:rows]

    return update


def _with_padding(x: Foreign) -> Foreign:
    """One row of NaN more.  What heads share keeps its zero stride."""
    if x is None:
        return None
    kept = tuple(slice(0, 1) if step == 0 and i else slice(None) for i, step in enumerate(x.stride()))
    padded = x.new_full((x.shape[0] + 1, *x[kept].shape[1:]), float("nan"))
    padded[:-1] = x[kept]
    return padded.expand(x.shape[0] + 1, *x.shape[1:])


def _need_real(A: Foreign) -> None:
    # Upstream's complex scan is another operation: B and C interleaved along time, y doubled.
    if "complex" in str(A.dtype):
        raise NotImplementedError("complex A: the function's complex scan is not the canonical one")


_SCAN = frozenset({"u", "delta", "A", "B", "C", "D", "z", "delta_bias", "delta_softplus"})
_SSD = frozenset({"x", "dt", "A", "B", "C", "D", "z", "dt_bias", "dt_softplus", "initial_state"})

_CHANNEL_FIRST = Adapter(
    op="selective_scan",
    call=scan,
    accepts=_SCAN,
    array="torch",
    note="u, delta, B, C and z are channel first; the scan starts from zero.",
)

# D and the bias are necessary: the launcher unpacks their strides whether they are there or not.
ADAPTERS = {
    "mamba_ssm.ops.selective_scan_interface:selective_scan_ref": (_CHANNEL_FIRST,),
    "mamba_ssm.ops.selective_scan_interface:selective_scan_fn": (_CHANNEL_FIRST,),
    "mamba_ssm.ops.triton.ssd_combined:mamba_chunk_scan_combined": (
        Adapter(
            op="ssd",
            call=ssd,
            accepts=_SSD | {"dt_limit", "seq_idx"},
            array="torch",
            claim={"chunk": 256, "decay": "logdiff", "accumulate": "mma_fp32"},
            note="the state is named in the plural; chunks of 256 steps.",
        ),
    ),
    "mamba_ssm.ops.triton.selective_state_update:selective_state_update": (
        Adapter(
            op="selective_scan",
            call=scan_by_steps,
            accepts=_SCAN | {"initial_state"},
            array="torch",
            requires=frozenset({"D", "delta_bias"}),
            changes=frozenset({"initial_state"}),
            note="one call for each step; the state is changed in place.",
            slots=in_slots,
        ),
        Adapter(
            op="ssd",
            call=ssd_by_steps,
            accepts=_SSD,
            array="torch",
            claim=STEPS,
            requires=frozenset({"D", "dt_bias"}),
            changes=frozenset({"initial_state"}),
            note="one call for each step; what a head shares is expanded; the state is changed in place.",
            slots=in_slots,
        ),
    ),
}
