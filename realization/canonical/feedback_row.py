"""Companion with a feedback row: a register that hosts windows and fading memory alike.

    w(t) = u(t) + F x(t),    x(t) = [w(t-L), ..., w(t-1)],    A = S_L (x) I_d + (e_L (x) I_d) F

x is a register of L entries of width d, S_L has ones above the diagonal, and what enters the
register is the input plus a feedback F (d, L d) of what it holds:

    F = 0               a window: A^L = 0, x is the last L inputs, no more and no less
    F = -a', d = 1      poles at the roots of z^L + a_{L-1} z^{L-1} + ... + a_0; where they are distinct the
                        Vandermonde matrix diagonalises, and the register is L fading modes side by side
    a_0 = ... = a_k = 0   both in one: a window of k + 1 steps and L - k - 1 modes
    F(u)                a row that depends on the input: bilinear, and a window wherever F(u) = 0

One input hosts one Jordan block for each pole: two modes with the same pole, or two windows, do not fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyfromroots

from realization.canonical.companion import controllable_companion_defect
from realization.canonical.form import CanonicalForm, Conversion, conversion, one, register, relative, size
from realization.canonical.hessenberg import controllable
from realization.canonical.luenberger import in_chains
from realization.core.errors import ShapeError, StructureError
from realization.core.shapes import Signature, numbers
from realization.systems.bilinear import BilinearSSM
from realization.systems.library import shift
from realization.systems.linear import LinearSSM


def feedback_register(F: Any, C: Any, D: Any) -> LinearSSM:
    """A = S_L (x) I_d + (e_L (x) I_d) F, B = e_L (x) I_d: a register with a feedback row.

    Parameters
    ----------
    F : array_like
        (d, n), n = L d; zeros for a window.
    C, D : array_like
        (p, n) and (p, d): the read-out, oldest entry first.

    Returns
    -------
    LinearSSM
        With d inputs.

    Raises
    ------
    ShapeError
        If d does not divide n.

    Examples
    --------
    A window of two steps answers for two steps; with a feedback of 1/2 it fades instead:

    >>> impulse = [[1], [0], [0], [0], [0]]
    >>> feedback_register([[0, 0]], [[1, 1]], [[0]]).simulate(impulse).y.ravel().tolist()
    [0.0, 1.0, 1.0, 0.0, 0.0]
    >>> feedback_register([[0, 0.5]], [[1, 1]], [[0]]).simulate(impulse).y.ravel().tolist()
    [0.0, 1.0, 1.5, 0.75, 0.375]
    """
    F = numbers("F", F)
    S, E = _shift(F)
    return LinearSSM(S + E @ F, E, C, D)


def gated_feedback_register(F: Any, gates: Any, C: Any, D: Any) -> BilinearSSM:
    """A(u) = S_L (x) I_d + (e_L (x) I_d) (F + sum_i u_i F_i): the row depends on the input.

    Parameters
    ----------
    F : array_like
        (d, n), n = L d.
    gates : array_like
        (m, d, n), m >= d: F_i for each input; the first d inputs are written, the others only gate.
    C, D : array_like
        (p, n) and (p, m).

    Returns
    -------
    BilinearSSM
        With m inputs.

    Raises
    ------
    ShapeError
        If d does not divide n, or there are fewer inputs than d.

    Examples
    --------
    The second input opens the feedback; where it is 0 the register is a window of one step:

    >>> memory = gated_feedback_register([[0]], [[[0]], [[1]]], [[1]], [[0, 0]])
    >>> memory.simulate([[1, 0], [0, 1], [0, 1], [0, 0], [0, 1]]).y.ravel().tolist()
    [0.0, 1.0, 1.0, 1.0, 0.0]
    """
    F, gates, C, D = (numbers(name, X) for name, X in (("F", F), ("gates", gates), ("C", C), ("D", D)))
    sizes = Signature.parse("F: d n; gates: m d n; C: p n; D: p m ->").check({"F": F, "gates": gates, "C": C, "D": D})
    d, m = sizes["d"], sizes["m"]
    if m < d:
        raise ShapeError(f"gates has {m} inputs, but the register has width {d}; at least {d} inputs are needed")
    S, E = _shift(F)
    return BilinearSSM(
        A=S + E @ F, N=E @ gates, B=np.hstack([E, np.zeros((len(E), m - d))]), C=C, M=np.zeros((m, *C.shape)), D=D
    )


def _shift(F: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return S_L (x) I_d and e_L (x) I_d for a row F (d, L d)."""
    if F.ndim != 2 or (F.shape[1] % F.shape[0] if F.shape[0] else F.shape[1]):
        raise ShapeError(f"F has shape {F.shape}, but (d, L d) is needed: one row for each input of a register")
    d, n = F.shape
    return shift(n // d if d else 0, d)


def feedback_row(system: Any) -> Conversion:
    """Return the system as a register with a feedback row, where every input has as long a register.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        Controllable, with m inputs that all have the controllability index n / m.

    Returns
    -------
    Conversion
        Unique; with one input it is the controllable companion, F = -a'.  With more it is the controllable
        Luenberger form, whose states come chain after chain, with all inputs of one time together.

    Raises
    ------
    StructureError
        If the inputs do not reach the whole state, or their indices differ (then
        `controllable_luenberger` has a register of its own length for each), or T is out of reach.

    Examples
    --------
    A window of two steps next to a mode that halves:

    >>> from realization.systems import direct_sum
    >>> window, mode = feedback_register([[0, 0]], [[1, 1]], [[0]]), LinearSSM([[0.5]], [[1]], [[1]], [[0]])
    >>> both = direct_sum(window, mode)
    >>> hosted = feedback_row(LinearSSM(both.A, both.B.sum(axis=1, keepdims=True), both.C, [[0], [0]]))
    >>> hosted.system.A[-1].round(12) + 0
    array([0. , 0. , 0.5])
    """
    found = controllable("feedback_row", one(system))
    m, L = len(found.indices), max(found.indices, default=0)
    if len(set(found.indices)) > 1:
        raise StructureError(
            f"feedback_row: the inputs have controllability indices {found.indices}, equal ones are needed; "
            "controllable_luenberger has a register of its own length for each"
        )
    chains = in_chains("feedback_row", system, found)
    # entry k of chain i stands at i L + k; in the register all inputs of one time stand together
    order = np.arange(m * L).reshape(m, L).T.ravel()
    A, B, C = chains.system.A[np.ix_(order, order)], chains.system.B[order], chains.system.C[:, order]
    return conversion("feedback_row", system, chains.T[order], A=A, B=B, C=C, decisions=chains.decisions)


def feedback_row_defect(system: Any) -> float:
    """Return how far A without its last m rows is from a shift, and B from e_L (x) I_m, relative."""
    n, m = system.B.shape
    if n and (m == 0 or n % m):
        return 1.0
    S, E = _shift(np.zeros((m, n)))
    return max(relative((system.A - S)[: n - m], size(system.A)), relative(system.B - E, size(system.B)))


def vandermonde(system: Any) -> Conversion:
    """Return the diagonal system in a companion of one input: A2 = diag(poles), B2 = 1 / a'(poles), C2 = c(poles).

    inv(T) is the Vandermonde matrix of the poles, T holds Lagrange's polynomials.  Its condition
    grows like an exponential of n for real poles and is 1 for the n-th roots of 1: windows and modes
    on a circle are close to each other, windows and real modes are not.

    Parameters
    ----------
    system : LinearSSM or ContinuousSSM
        In companion form, as `controllable_companion`, `feedback_row` or `feedback_register` make it.

    Returns
    -------
    Conversion
        Poles by falling modulus, then angle; complex where a pole is.

    Raises
    ------
    StructureError
        If the system is not in companion form, two poles agree (a window has 0 more than once), or the
        condition of T is beyond what double precision can carry.

    References
    ----------
    Gautschi 1975, Norm estimates for inverses of Vandermonde matrices.

    Examples
    --------
    >>> modes = vandermonde(feedback_register([[-0.125, 0.75]], [[1, 0]], [[0]]))
    >>> modes.system.A.round(12) + 0
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    >>> modes.system.B.round(12)
    array([[ 4.],
           [-4.]])
    """
    defect = controllable_companion_defect(system) if one(system).B.shape[1] == 1 else np.inf
    if defect > 0:
        raise StructureError(f"vandermonde: a companion of one input is needed, this system is {defect:.1e} from it")
    poles = np.linalg.eigvals(system.A)
    poles = poles[np.lexsort((np.angle(poles), -np.abs(poles).round(12)))]
    n = len(poles)
    gaps = poles[:, None] - poles + np.eye(n)
    if not gaps.all():
        raise StructureError("vandermonde: two poles are equal to the last bit (gap 0), distinct ones are needed")
    others = [np.delete(poles, i) for i in range(n)]
    T = np.array([polyfromroots(rest) for rest in others]).reshape(n, n) / gaps.prod(axis=1, keepdims=True)
    V = np.vander(poles, increasing=True).T
    return conversion("vandermonde", system, T, A=np.diag(poles), B=T[:, n - 1 :].reshape(n, 1), C=system.C @ V)


FEEDBACK_ROW = register(
    CanonicalForm(
        name="feedback_row",
        convert=feedback_row,
        defect=feedback_row_defect,
        group="general",
        title="register with a feedback row: A = S_L (x) I_d + (e_L (x) I_d) F",
        reference="Luenberger 1967; Popov 1972",
    )
)
