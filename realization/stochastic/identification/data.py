"""One pass over the data: past and future of every moment, and their triangular factor, which knows no T any more.

Uf = [u(t); ...; u(t+f-1)],   Zp = [u(t-1); ...; u(t-i); y(t-1); ...; y(t-i)],   Yf = [y(t); ...; y(t+f-1)]

[Uf]            [L11          ] [Q1']
[Zp] / sqrt N = [L21 L22      ] [Q2'],    Q' Q = I,    N moments t, from all records
[Yf]            [L31 L32 L33  ] [Q3']
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from realization.core.errors import ShapeError, StructureError
from realization.core.frozen import Sealed
from realization.linalg.decision import EPS, fixed_rank
from realization.stochastic.data import signal, stacked, triangle


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Records(Sealed):
    """Experiments of one system, in units in which every signal has mean square 1.

    Parameters
    ----------
    y, u : ndarray
        (b, T, p) and (b, T, m); m = 0 without inputs.
    scale_y, scale_u : ndarray
        (p,) and (m,), the units.
    """

    y: np.ndarray
    u: np.ndarray
    scale_y: np.ndarray
    scale_u: np.ndarray

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Records, steps, outputs, inputs."""
        return (*self.y.shape, self.u.shape[-1])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Compressed(Sealed):
    """The rows of L: Uf, Zp, Yf with all their columns, (., k).

    Parameters
    ----------
    Uf, Zp, Yf : ndarray
        (f m, k), (i (m+p), k), (f p, k) with k = f m + i (m+p) + f p.
    Zp_next : ndarray
        Zp one step later, (i (m+p), k): its rows are among the others.
    past, future, samples : int
        i, f and N.
    """

    Uf: np.ndarray
    Zp: np.ndarray
    Yf: np.ndarray
    Zp_next: np.ndarray
    past: int
    future: int
    samples: int


def records(y: Any, u: Any = None) -> Records:
    """Return the data, checked and in units of their root mean square.

    Raises
    ------
    ShapeError
        If y is not (..., T, p), u not of its length, or an entry is not finite.
    StructureError
        If a signal is constant: nothing can be learnt from it.
    """
    y = signal("y", y)
    if not y.shape[-1] or not np.prod(y.shape[:-2]):
        raise ShapeError(f"y has shape {y.shape}, but (..., T, p) with at least one output and one record is needed")
    u = np.zeros((*y.shape[:-1], 0)) if u is None else signal("u", u)
    if u.shape[:-1] != y.shape[:-1]:
        hint = "; is it u.T?" if u.swapaxes(-1, -2).shape[:-1] == y.shape[:-1] else ""
        raise ShapeError(f"u has shape {u.shape}, y {y.shape}; as many records and steps are needed, (..., T, m){hint}")
    (y, scale_y), (u, scale_u) = _in_units("y", stacked(y)), _in_units("u", stacked(u))
    return Records(y, u, scale_y, scale_u)


def _in_units(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The signal over its root mean square, and that."""
    if not x.size:
        return x, np.ones(x.shape[-1])
    peak = np.abs(x).max(axis=(0, 1))
    scale = peak * np.sqrt(np.mean((x / np.where(peak > 0, peak, 1)) ** 2, axis=(0, 1)))  # no square overflows
    still = np.flatnonzero(np.ptp(x, axis=(0, 1)) <= 4 * EPS * peak)
    if len(still):
        raise StructureError(
            f"{name}[..., {still[0]}] is constant, {x[0, 0, still[0]]:.6g} at each of {x.shape[0] * x.shape[1]} steps: "
            "a process without innovations, or an input that excites nothing; leave it out"
        )
    return x / scale, scale


def compress(data: Records, past: int, future: int) -> Compressed:
    """Return the triangular factor of past and future.

    Raises
    ------
    StructureError
        If there are fewer moments than rows, or u does not excite persistently.
    """
    b, T, p, m = data.sizes
    k, N = (past + future) * (p + m), b * (T - past - future + 1)
    if k > N:
        least = -(-k // b) + past + future - 1
        raise StructureError(
            f"{b} record(s) of T = {T} steps have {max(N, 0)} moments with a past of {past} and a future of {future}, "
            f"but {k} rows of data need as many: need T >= {least}, got {T}; shorten the windows or take a lower order"
        )
    y, u = data.y, data.u
    ahead, back = range(future), range(-1, -past - 1, -1)
    layout = [(u, j) for j in ahead] + [(u, j) for j in back] + [(y, j) for j in back] + [(y, j) for j in ahead]
    L = triangle(layout, past, future - 1)
    Uf, Up, Yp, Yf = np.split(L, np.cumsum([future * m, past * m, past * p]))
    _persistent(np.concatenate([Uf, Up]), m, past + future)
    later = [np.concatenate([f[:q], b[: -q or None]])[: past * q] for f, b, q in ((Uf, Up, m), (Yf, Yp, p))]
    return Compressed(Uf, np.concatenate([Up, Yp]), Yf, np.concatenate(later), past, future, N)


def first_past(data: Records, past: int) -> np.ndarray:
    """Zp at the first moment of each record, t = past: (b, i (m+p))."""
    back = [x[:, past - 1 :: -1].reshape(len(x), past * x.shape[-1]) for x in (data.u[:, :past], data.y[:, :past])]
    return np.concatenate(back, axis=1)


def _persistent(U: np.ndarray, m: int, blocks: int) -> None:
    """Refuse inputs whose block Hankel matrix lacks rank: they cannot tell past inputs from future ones."""
    if not len(U):
        return
    s = np.linalg.svd(U, compute_uv=False)
    rank = fixed_rank(s, scale=float(s[0]), rtol=10 * len(U) * EPS)  # a digit for the constant of QR
    if rank.choice < len(U):
        raise StructureError(
            f"u is not persistently exciting: its block Hankel matrix of {blocks} block rows has rank {rank.choice}, "
            f"need {len(U)} (singular value {s[-1]:.1e} of {s[0]:.1e}); windows of past + future <= "
            f"{rank.choice // m} need no more, a single sinusoid offers 2: excite with noise or more frequencies"
        )
