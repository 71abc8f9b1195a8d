"""What a time-varying or bilinear system is: sizes, and whether it forgets, for every input or on average.

time-varying    |A(t)| < 1 in every step; or the product of all steps; or every product of k of them is 0
bilinear        every product of k of A, N_1, ..., N_m is 0; or E |x|^2 dies out for white inputs
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realization.core.errors import ShapeError
from realization.linalg.decision import EPS
from realization.linalg.mean_square import mean_square_radius
from realization.systems.bilinear import BilinearSSM
from realization.systems.report import Answer, Rows, as_table, as_text
from realization.systems.varying import TimeVaryingSSM


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
    mean_square : float
        Spectral radius of X -> A X A' + sum N_i X N_i': below 1, second moments die out
        under independent white inputs of unit variance.
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
    mean_square: float
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
    product = np.eye(n)
    for step in A:
        product = step @ product
    norm = float(norms.max(initial=0.0))
    return VaryingDescription(
        *(T, n, system.B.shape[-1], system.C.shape[-2]),
        norm=norm,
        radius=float(np.abs(np.linalg.eigvals(A)).max(initial=0.0)),
        product=float(np.linalg.norm(product, 2)) if n else 0.0,
        fading=_contracting(norm, n),
        index=_steps_to_zero(A),
        precision=precision,
    )


def _contracting(norm: float, n: int) -> Answer:
    """Whether a bound on every |A(t)| proves that memory fades; a larger bound proves nothing."""
    # a norm is computed to n eps
    if norm < 1 - n * EPS:
        return Answer(True, 1 - norm, f"every step contracts by {norm:.6g} at least")
    return Answer(None, 0.0, f"a step has norm {norm:.6g}, so that norms guarantee nothing")


def _steps_to_zero(A: np.ndarray) -> int | None:
    """Smallest k <= n such that A(t+k-1) ... A(t) = 0 for every t, exactly; None if there is none."""
    T, n = A.shape[:2]
    products = np.broadcast_to(np.eye(n), (T, n, n))
    for k in range(min(n, T) + 1):
        if not products.any():
            return k
        products = A[k:] @ products[: T - k]
    return None


def describe_bilinear(system: BilinearSSM) -> BilinearDescription:
    """Return sizes, what fades under white inputs, and what is finite for every input.

    Parameters
    ----------
    system : BilinearSSM
        With n states.

    Returns
    -------
    BilinearDescription
        Shown as a table.

    Examples
    --------
    A register of two that holds or shifts as its input says:

    >>> S, zero = [[0, 1], [0, 0]], [[0, 0], [0, 0]]
    >>> register = BilinearSSM(A=zero, N=[S], B=[[0], [1]], C=[[1, 0]], M=[[[0, 0]]], D=[[0]])
    >>> describe_bilinear(register).index
    2
    """
    generators = np.concatenate([system.A[None], system.N])
    n = len(system.A)
    rho = mean_square_radius(system.A, system.N) if n else 0.0
    nilpotent, index = _words(generators)
    return BilinearDescription(
        *(n, system.B.shape[-1], system.C.shape[-2]),
        radius=float(np.abs(np.linalg.eigvals(system.A)).max(initial=0.0)),
        mean_square=rho,
        fading=_mean_square(rho, n),
        nilpotent=nilpotent,
        index=index,
        commutator=_commutator(generators),
    )


def _mean_square(rho: float, n: int) -> Answer:
    # an eigenvalue of an n^2 x n^2 matrix, to a few n^2 eps of it
    decided = abs(rho - 1) > 10 * n**2 * EPS
    return Answer(rho < 1 if decided else None, abs(rho - 1), f"mean-square radius {rho:.6g}")


def _words(generators: np.ndarray) -> tuple[Answer, int | None]:
    """Whether all products of k <= n generators are 0: then X_k = sum_i G_i X_(k-1) G_i' is, from X_0 = I on."""
    n = generators.shape[-1]
    X, size = np.eye(n), float((np.abs(generators) ** 2).sum())
    for k in range(n + 1):
        if not X.any():
            return Answer(True, np.inf, f"every product of {k} of A, N_i is exactly 0"), k
        # normalised, so that nothing underflows to a zero that is none
        X = np.einsum("iab,bc,idc->ad", generators, X, generators.conj()) / max(size, 1e-300)
    left = float(np.sqrt(np.trace(X).real))
    if left <= n**2 * EPS:
        return Answer(None, left, f"products of n + 1 of A, N_i are {left:.1e} relative to their factors"), None
    return Answer(False, left, f"products of n + 1 of A, N_i are {left:.1e} relative to their factors"), None


def _commutator(generators: np.ndarray) -> float:
    norms = np.linalg.norm(generators, axis=(1, 2))
    products = np.einsum("iab,jbc->ijac", generators, generators)
    sizes = np.linalg.norm(products - products.swapaxes(0, 1), axis=(2, 3))
    return float((sizes / np.maximum(np.outer(norms, norms), 1e-300)).max(initial=0.0))
