"""Run times of the compiled selective scan, as ratios to what others need for the same: python3 dev.py bench.

One process on one core.  The two sides of a comparison take turns, so that another load on the
machine meets both; a ratio is the median over the rounds.  Layouts are prepared beforehand.
"""

import functools
import sys

import compare  # before NumPy
import numpy as np

from realization.layers import SELECTIVE_SCAN

SIZE = {"batch": 2, "d": 768, "T": 2048, "n": 16}
# double-double keeps three words of every decay
SHORT = SIZE | {"T": 128}


def draw(*, batch, d, T, n, bare=False):
    """Arguments as in a layer at random parameters; bare: step sizes given, no skip and no gate."""
    rng = np.random.default_rng(0)
    normal = rng.standard_normal
    case = {
        "u": normal((batch, T, d)), "delta": normal((batch, T, d)), "A": -np.exp(normal((d, n)) / 2),
        "B": normal((batch, T, n)), "C": normal((batch, T, n)),
    }  # fmt: skip
    if bare:
        return case | {"delta": np.log1p(np.exp(case["delta"] - 2))}
    return case | {
        "D": normal(d), "z": normal((batch, T, d)), "delta_bias": normal(d) - 2, "delta_softplus": True
    }  # fmt: skip


def ours(case):
    return lambda: SELECTIVE_SCAN(**case).y


def with_transformers(case):
    """The scan of transformers in float32 torch, channel first."""
    import torch
    from transformers.models.mamba.modeling_mamba import mamba_selective_scan

    torch.set_num_threads(1)
    case = dict(case)
    flip = {n: case.pop(n).swapaxes(1, 2) for n in ("u", "delta", "B", "C", "z")}
    softplus = case.pop("delta_softplus")
    tensors = {n: torch.tensor(np.ascontiguousarray(x), dtype=torch.float32) for n, x in (flip | case).items()}
    tensors["hidden_states"], tensors["dt"] = tensors.pop("u"), tensors.pop("delta")

    def run():
        with torch.no_grad():
            return mamba_selective_scan(**tensors, delta_softplus=softplus).numpy().swapaxes(1, 2)

    return run


def with_jax(case):
    """jax.lax.scan over time in float64, compiled."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def step(S, now):
        u, delta, B, C = now
        S = jnp.exp(delta[:, :, None] * case["A"]) * S + (delta * u)[:, :, None] * B[:, None, :]
        return S, (S * C[:, None, :]).sum(-1)

    over_time = [jnp.asarray(np.moveaxis(case[name], 1, 0)) for name in ("u", "delta", "B", "C")]
    S = jnp.zeros((case["u"].shape[0], *case["A"].shape))
    scan = jax.jit(lambda *xs: jax.lax.scan(step, S, xs)[1])
    return lambda: np.moveaxis(np.asarray(scan(*over_time).block_until_ready()), 0, 1)


def by_hand(case):
    """The kernel of `hand_fused`."""
    from hand_fused import selective_scan

    A = np.ascontiguousarray(case["A"].T)
    rest = [case[name] for name in ("B", "C", "D", "z", "delta_bias")]

    def run():
        y, final = np.zeros(case["u"].shape), np.empty((case["u"].shape[0], *case["A"].shape))
        selective_scan(case["u"], case["delta"], A, *rest, y, final)
        return y

    return run


def decays(case, structure):
    """Decays (b, T, d or 1, n or 1) of one structure."""
    decay = np.exp(case["delta"][..., None] * case["A"])
    rows, columns = {"scalar": (1, 1), "row": (None, 1), "column": (1, None), "full": (None, None)}[structure]
    return np.ascontiguousarray(decay[:, :, :rows, :columns])


def plain_core(case, structure):
    """The float64 recurrence with given decays."""
    from hand_fused import given_decays

    arrays = case["delta"] * case["u"], case["B"], case["C"], decays(case, structure)

    def run():
        y = np.empty(case["u"].shape)
        given_decays(*arrays, y)
        return y

    return run


def certified_core(case, structure):
    """The double-double recurrence with given decays."""
    from realization._kernels.dd_recurrence import recurrence
    from realization.certify.dd import DD

    words = {"value": (case["delta"] * case["u"])[..., None, :], "key": case["B"][..., None, :]}
    words |= {"query": case["C"][..., None, :], "decay": decays(case, structure)[:, :, None]}
    words = {name: DD.exact(x).words for name, x in words.items()}
    return lambda: recurrence(**words)[0][0][..., 0, :]


def certified(case):
    """The certified op."""
    return lambda: SELECTIVE_SCAN.certified(case)["y"].hi


def difference(first, second):
    """The largest difference of two outputs; both sides compute the same thing."""
    largest = np.abs(first - second).max()
    assert largest < 1e-3, "the two sides compute different things"
    return f"{largest:.0e}"


def given(structure):
    """Certified against plain, both with given decays of one structure."""
    sides = [functools.partial(side, structure=structure) for side in (plain_core, certified_core)]
    return f"certified, {structure} decays", (), *sides, draw(**SHORT, bare=True), "at most", 15.0


# what is compared, packages it needs, our side and the other, the case, and the target for its time divided by ours
COMPARISONS = (
    ("transformers' scan, float32", ("torch", "transformers"), ours, with_transformers, draw(**SIZE), "at least", 7.0),
    ("bare, jax.lax.scan, float64", ("jax",), ours, with_jax, draw(**SIZE, bare=True), "at least", 1.0),
    ("fused by hand", (), ours, by_hand, draw(**SIZE), "at least", 1 / 1.3),
    *map(given, ("scalar", "row", "column", "full")),
    ("certified op, short", (), ours, certified, draw(**SHORT), "", None),
)


def sections():
    """The table of all comparisons."""
    rows = [
        compare.timing(
            name, packages, functools.partial(one, case), functools.partial(other, case), difference, sense, target
        )
        for name, packages, one, other, case, sense, target in COMPARISONS
    ]
    size = ", ".join(f"{name}={value}" for name, value in SIZE.items())
    title = f"Selective scan in float64, {size} (short, and given decays: T={SHORT['T']})"
    yield title, compare.table(compare.TIMES, rows)
    yield "Versions", compare.versions("numpy", "numba", "torch", "transformers", "jax")


if __name__ == "__main__":
    compare.main("scan", __doc__, sections, sys.argv[1:])
