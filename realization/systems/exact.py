"""Systems of rational numbers: yes or no where floating point can only say how close.

A double is a rational number, so that every real system has an exact twin.  Nilpotent,
controllable, minimal, similar are then decided and not estimated.  Sizes of a lecture:
the numbers grow with every product.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from realization.core.errors import ShapeError
from realization.core.frozen import describe
from realization.core.shapes import Signature
from realization.linalg import exact
from realization.linalg.rational import domain_matrix, eye, fractions, rank, rationals
from realization.systems.base import count, of_kind, single
from realization.systems.latex import fraction, latex_block
from realization.systems.linear import LinearSSM

SIGNATURE = Signature.parse("A: n n; B: n m; C: p n; D: p m ->")


class ExactResponse(NamedTuple):
    """Outputs (T, p) and states x(0) ... x(T), (T+1, n), as arrays of Fraction."""

    y: np.ndarray
    x: np.ndarray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExactSSM:
    """x(t+1) = A x(t) + B u(t),  y(t) = C x(t) + D u(t), in rational numbers.

    Parameters
    ----------
    A, B, C, D : array_like
        (n, n), (n, m), (p, n), (p, m) of integers, Fractions, strings such as "1/3", or
        floats, which are taken at their exact value.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or an entry is no rational number.

    Examples
    --------
    A hidden Jordan block: its eigenvalues come out of `eigvals` as 1e-5, and it is nilpotent.

    >>> system = ExactSSM([[-2, 1, 0], [-4, 2, 1], [0, 0, 0]], [[0], [0], [1]], [["1/3", 0, 0]], [[0]])
    >>> system.nilpotency_index(), system.minimal()
    (3, True)
    >>> system.transfer_function()[0]
    1/(3*z**3)
    """

    A: Any
    B: Any
    C: Any
    D: Any

    def __post_init__(self) -> None:
        for name in "ABCD":
            object.__setattr__(self, name, rationals(name, getattr(self, name)))
        SIGNATURE.check({name: getattr(self, name) for name in "ABCD"})

    @classmethod
    def of(cls, system: LinearSSM) -> ExactSSM:
        """Return the exact twin of a system: every double at its value.

        Parameters
        ----------
        system : LinearSSM
            Real, without batch axes.

        Returns
        -------
        ExactSSM
            With the same matrices.

        Raises
        ------
        ShapeError
            If the system has batch axes or is complex.
        """
        return cls(*single("ExactSSM", system, LinearSSM))

    def __repr__(self) -> str:
        return describe("ExactSSM", {"n": len(self.A), "m": self.B.shape[1], "p": len(self.C)})

    def _repr_latex_(self) -> str:
        """Return the four matrices, for a notebook."""
        return latex_block(self.A, self.B, self.C, self.D, fraction)

    def rounded(self) -> LinearSSM:
        """Return the system in doubles, every entry rounded once; ShapeError where one is too large."""
        return LinearSSM(self.A, self.B, self.C, self.D)

    def simulate(self, u: Any, x0: Any = None) -> ExactResponse:
        """Return outputs and states for the input u, without an error.

        Parameters
        ----------
        u : array_like
            (T, m), entries as in the matrices.
        x0 : array_like, optional
            State at time 0, (n,).  Default: 0.

        Returns
        -------
        ExactResponse
            y (T, p) and x (T+1, n).

        Raises
        ------
        ShapeError
            If u or x0 does not fit, or an entry is no rational number.

        Examples
        --------
        >>> third = ExactSSM([["1/3"]], [[1]], [[1]], [[0]])
        >>> [str(y) for y in third.simulate([[1], [0], [0]]).y[:, 0]]
        ['0', '1', '1/3']
        """
        n, m = self.B.shape
        u, x = rationals("u", u), rationals("x0", np.zeros(n) if x0 is None else x0)
        if u.ndim != 2 or u.shape[1] != m or x.shape != (n,):
            raise ShapeError(f"u has shape {u.shape} and x0 {x.shape}; (T, {m}) and ({n},) are needed")
        xs, ys = [x], []
        for v in u:
            ys.append(self.C @ xs[-1] + self.D @ v)
            xs.append(self.A @ xs[-1] + self.B @ v)
        return ExactResponse(np.array(ys, dtype=object).reshape(len(u), len(self.C)), np.array(xs, dtype=object))

    def markov_parameters(self, steps: int) -> np.ndarray:
        """D, CB, CAB, ...: the impulse response, (steps, p, m), of Fractions.

        Parameters
        ----------
        steps : int
            How many, D included.

        Returns
        -------
        ndarray
            Of Fractions.

        Raises
        ------
        ShapeError
            If steps is negative or no whole number.
        """
        steps, h, X = count("steps", steps), [self.D], self.B
        for _ in range(steps - 1):
            h.append(self.C @ X)
            X = self.A @ X
        return np.array(h[:steps], dtype=object).reshape(steps, *self.D.shape)

    def nilpotency_index(self) -> int | None:
        """Return the smallest k with A^k = 0, or None: A is not nilpotent."""
        return exact.nilpotency_index(self.A)

    def reachable_dimension(self) -> int:
        """Rank of [B AB ... A^(n-1) B]."""
        return exact.controllable_dimension(self.A, self.B)

    def observable_dimension(self) -> int:
        """Rank of [C; CA; ...; C A^(n-1)]."""
        return exact.observable_dimension(self.A, self.C)

    def minimal_order(self) -> int:
        """Rank of the Hankel matrix of C A^(i+j) B, i, j < n: the smallest order of a system with these answers."""
        n = len(self.A)
        h = self.markov_parameters(2 * n)
        return rank(np.block([[h[1 + i + j] for j in range(n)] for i in range(n)])) if n else 0

    def controllable(self) -> bool:
        """Return whether the input reaches every state."""
        return self.reachable_dimension() == len(self.A)

    def observable(self) -> bool:
        """Return whether the output sees every state."""
        return self.observable_dimension() == len(self.A)

    def minimal(self) -> bool:
        """Return whether no smaller system has the same answers."""
        return self.controllable() and self.observable()

    def same_behaviour(self, other: ExactSSM) -> bool:
        """Return whether both answer every input alike, from rest.

        Parameters
        ----------
        other : ExactSSM
            With as many inputs and outputs, or others: then the answer is no.

        Returns
        -------
        bool
            Decided on n + n2 + 1 Markov parameters, after which they cannot differ for the first time.

        Raises
        ------
        ShapeError
            If the other system is no ExactSSM.
        """
        of_kind("same_behaviour", other, ExactSSM)
        steps = len(self.A) + len(other.A) + 1
        return self.D.shape == other.D.shape and np.array_equal(
            self.markov_parameters(steps), other.markov_parameters(steps)
        )

    def similarity_to(self, other: ExactSSM, *, rng: Any = 0) -> np.ndarray | None:
        """T A = A2 T,  T B = B2,  C = C2 T,  det T != 0: the change of basis z = T x, or None.

        Parameters
        ----------
        other : ExactSSM
            The system (A2, B2, C2, D2).
        rng : optional
            For systems that are not minimal the equations have many solutions; random ones are
            tried, and all three are singular with probability below 1e-50 if a regular one exists.

        Returns
        -------
        ndarray or None
            T, (n, n), of Fractions; None if the systems are not similar.

        Raises
        ------
        ShapeError
            If the other system is no ExactSSM.

        Examples
        --------
        >>> one = ExactSSM([[0, 1], ["1/8", "1/4"]], [[0], [1]], [[1, 0]], [[0]])
        >>> two = ExactSSM([["1/2", 0], [0, "-1/4"]], [[1], [1]], [["4/3", "-4/3"]], [[0]])
        >>> [[str(x) for x in row] for row in one.similarity_to(two)]
        [['1/4', '1'], ['-1/2', '1']]
        """
        of_kind("similarity_to", other, ExactSSM)
        if self.A.shape != other.A.shape or self.D.shape != other.D.shape or (self.D != other.D).any():
            return None
        solution = _solve(*_intertwining(self, other))
        if solution is None:
            return None
        particular, kernel = solution
        n, rng = len(self.A), np.random.default_rng(rng)
        # det T is a polynomial of degree n in the weights: by Schwartz and Zippel it vanishes
        # on a random point of a grid of 2^62 with probability below n 2^-62, or everywhere
        for _ in range(3 if len(kernel) else 1):
            weights = np.array([Fraction(int(k)) for k in rng.integers(2**62, size=len(kernel))], dtype=object)
            T = (particular + weights @ kernel if len(kernel) else particular).reshape(n, n)
            if rank(T) == n:
                return T
        return None

    def transfer_function(self) -> Any:
        """C (zI - A)^-1 B + D, cancelled, as a SymPy matrix in z.

        Returns
        -------
        sympy.ImmutableMatrix
            (p, m) of rational functions in the symbol z.
        """
        import sympy

        z = sympy.Symbol("z")
        N, d = self._rational()
        below = sympy.Poly([_sympy(c) for c in d], z)
        above = [[sympy.Poly([_sympy(c) for c in N[:, i, j]], z) for j in range(N.shape[2])] for i in range(N.shape[1])]
        return sympy.ImmutableMatrix(*N.shape[1:], [sympy.cancel(a / below) for row in above for a in row])

    def _rational(self) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients, highest first, of C adj(zI - A) B + D det(zI - A), (n+1, p, m), and of det(zI - A)."""
        n, M = len(self.A), eye(len(self.A))
        d, N = [Fraction(1)], [self.D]
        # Faddeev and Leverrier: adj(zI - A) = sum_k z^(n-k) M_k,  M_(k+1) = A M_k + d_k I,  d_k = -tr(A M_k) / k
        for k in range(1, n + 1):
            AM = self.A @ M
            d.append(-np.trace(AM) / k)
            N.append(self.C @ M @ self.B + self.D * d[-1])
            M = AM + d[-1] * eye(n)
        return np.array(N, dtype=object).reshape(n + 1, *self.D.shape), np.array(d, dtype=object)


def _sympy(x: Fraction) -> Any:
    import sympy

    return sympy.Rational(x.numerator, x.denominator)


def _intertwining(one: ExactSSM, two: ExactSSM) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and right side of T A = A2 T, T B = B2, C2 T = C, for the rows of T one after another."""
    n = len(one.A)
    I = eye(n)
    # row-wise: vec(X T Y) = (X (x) Y') vec(T)
    M = np.vstack([np.kron(I, one.A.T) - np.kron(two.A, I), np.kron(I, one.B.T), np.kron(two.C, I)])
    return M, np.concatenate([rationals("0", np.zeros(n * n)), two.B.ravel(), one.C.ravel()])


def _solve(M: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """One solution of M x = b and a basis of the kernel of M, as rows; None if there is no solution."""
    k = M.shape[1]
    R, pivots = domain_matrix(np.hstack([M, b[:, None]])).to_sparse().rref()
    if k in pivots:
        return None
    R = fractions(R)
    free = [j for j in range(k) if j not in pivots]
    particular, kernel = (np.full(shape, Fraction(0), dtype=object) for shape in (k, (len(free), k)))
    for i, pivot in enumerate(pivots):
        particular[pivot] = R[i, k]
        kernel[:, pivot] = -R[i, free]
    for row, j in zip(kernel, free, strict=True):
        row[j] = Fraction(1)
    return particular, kernel
