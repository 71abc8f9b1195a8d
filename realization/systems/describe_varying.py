"""What a time-varying or bilinear system is: sizes, and whether it forgets, for every input or on average.

time-varying    |A(t)| < 1 in every step; or the product of all steps; or every product of k of them is 0
bilinear        every product of k of A, N_1, ..., N_m is 0; or E |x|^2 dies out for white inputs
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realization.core.errors import ConvergenceError, ShapeError
from realization.linalg.decision import EPS
from realization.linalg.mean_square import mean_square_radius
from realization.systems.base import single
from realization.systems.bilinear import BilinearSSM
from realization.systems.report import Answer, Rows, as_table, as_text
from realization.systems.varying import TimeVaryingSSM

TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class VaryingDescription:
    """What `describe` found out about a time-varying system.

    Parameters
    ----------
    T, n, m, p : int
        Steps, states, inputs, outputs.
    norm : float
        Largest |A(t)|, in the 2-norm: below 1 every step contracts.
    radius : float
        Largest spectral radius of a step, which alone guarantees nothing.
    product : float
        |A(T-1) ... A(0)|, in the 2-norm: what the last step still knows of the initial state.
    fading : Answer
        Whether what is remembered dies out, guaranteed by the norms of the steps.
    index : int or None
        Smallest k such that every product of k steps is exactly 0.
    precision : float
        Share that counts as forgotten.
    """

    T: int
    n: int
    m: int
    p: int
    norm: float
    radius: float
    product: float
    fading: Answer
    index: int | None
    precision: float

    @property
    def title(self) -> str:
        """Type and dimensions on one line."""
        return f"TimeVaryingSSM(T={self.T}, n={self.n}, m={self.m}, p={self.p})"

    def rows(self) -> Rows:
        """Label and text of every line of the table."""
        exact = f"yes: every product of {self.index} steps is exactly 0"
        forgotten = "forgotten" if self.product <= self.precision else "not forgotten"
        return [
            ("transitions", f"norm at most {self.norm:.6g}, spectral radius at most {self.radius:.6g}"),
            ("fading", str(self.fading)),
            ("nilpotent", exact if self.index is not None else "no product of up to n steps is 0 throughout"),
            ("over all steps", f"the initial state is {forgotten}: product of norm {self.product:.1e}"),
        ]

    def __repr__(self) -> str:
        return as_text(self.title, self.rows())

    def _repr_html_(self) -> str:
        return as_table(self.title, self.rows())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BilinearDescription:
    """What `describe` found out about a bilinear system.

    Parameters
    ----------
    n, m, p : int
        States, inputs, outputs.
    radius : float
        Spectral radius of A: what happens while the input is 0.
    mean_square : float or None
        Spectral radius of X -> A X A' + sum N_i X N_i': below 1, second moments die out
        under independent white inputs of unit variance.  None where its iteration does not settle.
    fading : Answer
        For such inputs.
    nilpotent : Answer
        Whether all long products of A, N_1, ..., N_m are 0: finite memory for every input.
    index : int or None
        The length from which they are.
    commutator : float
        Largest |X Y - Y X| / (|X| |Y|) of two of these matrices; 0 for a Mamba layer.
    """

    n: int
    m: int
    p: int
    radius: float
    mean_square: float | None
    fading: Answer
    nilpotent: Answer
    index: int | None
    commutator: float

    @property
    def title(self) -> str:
        """Type and dimensions on one line."""
        return f"BilinearSSM(n={self.n}, m={self.m}, p={self.p})"

    def rows(self) -> Rows:
        """Label and text of every line of the table."""
        commute = "commute" if self.commutator == 0 else f"do not commute: {self.commutator:.1e} relative"
        return [
            ("without input", f"spectral radius {self.radius:.6g}"),
            ("white inputs", f"second moments fade? {self.fading}"),
            ("nilpotent", str(self.nilpotent)),
            ("A and N_i", commute),
        ]

    def __repr__(self) -> str:
        return as_text(self.title, self.rows())

    def _repr_html_(self) -> str:
        return as_table(self.title, self.rows())


def describe_varying(system: TimeVaryingSSM, *, precision: float) -> VaryingDescription:
    """Return sizes, norms of the transitions, and what they guarantee.

    Parameters
    ----------
    system : TimeVaryingSSM
        Without batch axes.
    precision : float
        Share that counts as forgotten.

    Returns
    -------
    VaryingDescription
        Shown as a table.

    Raises
    ------
    ShapeError
        If the system has batch axes.

    Examples
    --------
    >>> half = TimeVaryingSSM([[[0.5]]] * 10, [[[1]]] * 10, [[[1]]] * 10, [[[0]]] * 10)
    >>> describe_varying(half, precision=1e-3).fading.holds
    True
    """
    A = system.A
    if A.ndim != 3:
        raise ShapeError(f"A has shape {A.shape}; one system is needed, (T, n, n): index the batch axes first")
    T, n = A.shape[:2]
    norms = np.linalg.norm(A, 2, axis=(1, 2)) if n else np.zeros(T)
    norm = float(norms.max(initial=0.0))
    return VaryingDescription(
        *(T, n, system.B.shape[-1], system.C.shape[-2]),
        norm=norm,
        radius=float(np.abs(np.linalg.eigvals(A)).max(initial=0.0)),
        product=_norm_of_product(A),
        fading=_contracting(norm, n),
        index=_steps_to_zero(A),
        precision=precision,
    )


def _normalised(X: np.ndarray) -> tuple[np.ndarray, int]:
    """X over a power of 2 that brings its largest entry to between 1/2 and 1, and its exponent."""
    power = int(np.frexp(np.abs(X).max(initial=0.0))[1])
    return np.ldexp(X.real, -power) + (1j * np.ldexp(X.imag, -power) if np.iscomplexobj(X) else 0.0), power


def _norm_of_product(A: np.ndarray) -> float:
    """|A(T-1) ... A(0)|, its powers of 2 counted apart: infinite or 0 only where the answer is beyond float64."""
    n, power = A.shape[-1], 0
    product: np.ndarray = np.eye(n)
    for step in A:
        (step, one), (product, two) = _normalised(step), _normalised(product)
        product, power = step @ product, power + one + two
    with np.errstate(over="ignore"):
        return float(np.ldexp(np.linalg.norm(product, 2), power)) if n else 0.0


def _contracting(norm: float, n: int) -> Answer:
    """Whether a bound on every |A(t)| proves that memory fades; a larger bound proves nothing."""
    # a norm is computed to n eps
    if norm < 1 - n * EPS:
        return Answer(True, 1 - norm, f"every step contracts by {norm:.6g} at least")
    return Answer(None, 0.0, f"a step has norm {norm:.6g}, so that norms guarantee nothing")


def _steps_to_zero(A: np.ndarray) -> int | None:
    """Smallest k <= n such that A(t+k-1) ... A(t) = 0 for every t, exactly; None if there is none."""
    T, n = A.shape[:2]
    least = _least(A)
    products: np.ndarray = np.broadcast_to(np.eye(n), (T, n, n))
    for k in range(min(n, T) + 1):
        if not products.any():
            return k
        if _may_vanish(least, products):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            products = A[k:] @ products[: T - k]
    return None


def _least(A: np.ndarray) -> float:
    """Smallest size of an entry other than 0; infinite where there is none."""
    return float(np.abs(A[A != 0]).min(initial=np.inf))


def _may_vanish(least: float, X: np.ndarray) -> bool:
    """Whether an entry of X times one of at least this size could underflow, to a 0 that is none."""
    return least * _least(X) < TINY


def describe_bilinear(system: BilinearSSM) -> BilinearDescription:
    """Return sizes, what fades under white inputs, and what is finite for every input.

    Parameters
    ----------
    system : BilinearSSM
        Without batch axes.

    Returns
    -------
    BilinearDescription
        Shown as a table.

    Raises
    ------
    ShapeError
        If the system has batch axes.

    Examples
    --------
    A register of two that holds or shifts as its input says:

    >>> S, zero = [[0, 1], [0, 0]], [[0, 0], [0, 0]]
    >>> register = BilinearSSM(A=zero, N=[S], B=[[0], [1]], C=[[1, 0]], M=[[[0, 0]]], D=[[0]])
    >>> describe_bilinear(register).index
    2
    """
    single("describe_system", system, BilinearSSM)
    generators = np.concatenate([system.A[None], system.N])
    n = len(system.A)
    rho, fading = _mean_square(system)
    nilpotent, index = _words(generators)
    return BilinearDescription(
        *(n, system.B.shape[-1], system.C.shape[-2]),
        radius=float(np.abs(np.linalg.eigvals(system.A)).max(initial=0.0)),
        mean_square=rho,
        fading=fading,
        nilpotent=nilpotent,
        index=index,
        commutator=_commutator(generators),
    )


def _mean_square(system: BilinearSSM) -> tuple[float | None, Answer]:
    try:
        rho = mean_square_radius(system.A, system.N)
    except ConvergenceError as error:
        return None, Answer(None, 0.0, str(error))
    # an eigenvalue of an n^2 x n^2 matrix, to a few n^2 eps of it
    decided = abs(rho - 1) > 10 * len(system.A) ** 2 * EPS
    return rho, Answer(rho < 1 if decided else None, abs(rho - 1), f"mean-square radius {rho:.6g}")


def _words(generators: np.ndarray) -> tuple[Answer, int | None]:
    """Whether all products of k <= n generators are 0: then X_k = sum_i G_i X_(k-1) G_i' is, from X_0 = I on."""
    n = generators.shape[-1]
    X, G = np.eye(n), _normalised(generators)[0]
    trace = np.abs(np.trace(G, axis1=1, axis2=2)).max(initial=0.0)
    # a nilpotent matrix has trace 0, and one that was brought to another basis some n eps of its norm
    if trace > 10 * n * EPS * np.linalg.norm(G):
        return Answer(
            False, trace / n, f"A or an N_i has a trace, {trace:.1e} of the largest entry, and powers keep it"
        ), None
    least, left = _least(G) ** 2, 1.0
    size = max(float((np.abs(G) ** 2).sum()), 1.0)
    for k in range(n + 1):
        if not X.any():
            return Answer(True, np.inf, f"every product of {k} of A, N_i is exactly 0"), k
        if _may_vanish(least, X):
            return Answer(None, 0.0, f"products of {k + 1} of A, N_i may underflow; other units decide"), None
        X, power = _normalised((G @ X @ G.conj().mT).sum(axis=0))
        left = np.ldexp(left, power) / size
    left = float(np.sqrt(left * np.trace(X).real))
    why = f"products of n + 1 of A, N_i are {left:.1e} relative to their factors"
    return Answer(None if left <= n**2 * EPS else False, left, why), None


def _commutator(generators: np.ndarray) -> float:
    """Largest |X Y - Y X| / (|X| |Y|), in the Frobenius norm."""
    G = np.stack([_normalised(X)[0] for X in generators])
    norms = np.linalg.norm(G, axis=(1, 2))
    sizes = np.array([np.linalg.norm(X @ G - G @ X, axis=(1, 2)) for X in G])
    # a matrix that is 0 commutes with all
    return float((sizes / np.outer(norms, norms).clip(TINY)).max(initial=0.0))
