"""Joint spectral radius of a family: how fast products in any order can grow.

    max over words w of length k  rho(A_w)^(1/k)  <=  JSR  <=  max over w of length k  |A_w|^(1/k),

for every k and every norm, A_w = A_wk ... A_w1.  Branch and bound (Gripenberg 1996): a word
of which some prefix v has |A_v|^(1/|v|) no larger than the lower bound need not be continued,
since every product is made of such prefixes and of the words that are left.  The norm is the
best common quadratic one, so that few words are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from realization.core.errors import ShapeError
from realization.linalg.arguments import LARGEST_FACTOR, matrices
from realization.linalg.decision import EPS
from realization.linalg.dense import adjoint, in_basis
from realization.linalg.quadratic_norm import QuadraticNorm, common_quadratic_norm, largest_norm

WORDS = 20_000  # of one length: some 0.2 s for n = 6


@dataclass(frozen=True, slots=True, eq=False)
class RadiusBounds:
    """lower <= joint spectral radius <= upper.

    Parameters
    ----------
    lower, upper : float
        Each on the safe side of its own rounding: the upper one by an error bound, the lower
        one by the condition of the eigenvalue, to first order.
    word : tuple of int
        rho(A_word)^(1/length) is the lower bound; the first letter is applied first.
    depth : int
        Length of the longest words that were looked at; where no state reaches itself, a length at which all vanish.
    norm : QuadraticNorm
        The common quadratic norm, with its own proof.
    constant : float
        |A_w| <= constant upper^k for every word of length k, in the 2-norm; where upper is 0, for k >= depth.
    """

    lower: float
    upper: float
    word: tuple[int, ...]
    depth: int
    norm: QuadraticNorm
    constant: float


def joint_spectral_radius(family: Any, *, depth: int = 20, rtol: float = 1e-6) -> RadiusBounds:
    """Bound lim sup |A_w|^(1/|w|) over all words w.

    Parameters
    ----------
    family : array_like
        (r, n, n).
    depth : int
        Longest words; the search stops earlier when more than 20,000 of one length are left.
    rtol : float
        Relative gap at which the search ends.  Halving it may double the work.

    Returns
    -------
    RadiusBounds
        With a word that attains the lower bound and the norm behind the upper one.

    Raises
    ------
    ShapeError
        If the matrices are not square, an entry is not finite, or depth < 1.

    References
    ----------
    Rota and Strang 1960; Gripenberg 1996; Blondel and Nesterov 2005 (ellipsoidal norms).

    Examples
    --------
    Each of two matrices is nilpotent, their products are not:

    >>> bounds = joint_spectral_radius([[[0, 1], [0, 0]], [[0, 0], [1, 0]]])
    >>> round(bounds.lower, 12), round(bounds.upper, 12), sorted(bounds.word)
    (1.0, 1.0, [0, 1])
    """
    (A,) = matrices("A: r n n", largest=LARGEST_FACTOR, A=family)
    if depth < 1 or depth != int(depth):
        raise ShapeError(f"depth is {depth}; words of at least one letter are needed")
    norm = common_quadratic_norm(A)
    if acyclic((A != 0).any(axis=0)):
        return RadiusBounds(0.0, 0.0, (0,) * bool(len(A)), max(A.shape[-1], 1), norm, 1.0)
    lower, upper, word, reached = _branch_and_bound(A, norm, depth, rtol)
    if upper >= norm.bound:
        return RadiusBounds(lower, norm.bound, word, reached, norm, norm.condition)
    # a product is made of blocks that shrink like the upper bound and of less than `reached` letters more
    constant = norm.condition * (norm.bound / upper) ** (reached - 1)
    return RadiusBounds(lower, upper, word, reached, norm, constant)


def acyclic(pattern: np.ndarray) -> bool:
    """Whether no state reaches itself: then every product of n steps is 0, in floating point as well.

    Parameters
    ----------
    pattern : ndarray of bool
        (n, n), where entries may differ from 0.

    Returns
    -------
    bool
        The answer: every strong component is a single state without a loop.
    """
    strong = connected_components(csr_array(pattern), connection="strong", return_labels=False)
    return bool(strong == len(pattern) and not pattern.diagonal().any())


def _branch_and_bound(
    A: np.ndarray, norm: QuadraticNorm, depth: int, rtol: float
) -> tuple[float, float, tuple[int, ...], int]:
    T = adjoint(np.linalg.cholesky(norm.P))
    B = in_basis(T, A) / norm.bound  # of norm 1, so that no power overflows
    r, n = len(B), B.shape[-1]
    # of each letter: products of length n and the change of basis
    rounding = 4 * n * EPS * norm.condition * max(1.0, largest_norm(A) / norm.bound)
    products, prefix, words = np.eye(n, dtype=B.dtype)[None], np.full(1, np.inf), np.zeros((1, 0), int)
    word: tuple[int, ...] = (0,)
    lower, upper, k = 0.0, 1.0, 0
    for k in range(1, depth + 1):
        products = (B @ products[:, None]).reshape(-1, n, n)
        words = np.hstack([np.repeat(words, r, axis=0), np.tile(np.arange(r), len(words))[:, None]])
        norms = (np.linalg.svd(products, compute_uv=False).max(axis=1) + k * rounding) ** (1 / k)
        prefix = np.minimum(np.repeat(prefix, r), norms)
        found, where = _largest_radius(A / norm.bound, words, products, lower)
        if where is not None:
            lower, word = found, tuple(int(i) for i in where)
        upper = min(upper, max(lower * (1 + rtol), float(prefix.max())))
        left = prefix > lower * (1 + rtol)
        products, prefix, words = products[left], prefix[left], words[left]
        if not len(words) or len(words) * r > WORDS:
            break
    return lower * norm.bound, max(upper * norm.bound * (1 + 4 * EPS), lower * norm.bound), word, k


def _largest_radius(
    A: np.ndarray, words: np.ndarray, products: np.ndarray, lower: float
) -> tuple[float, np.ndarray | None]:
    """The word of largest rho(A_w)^(1/k), if that is above the lower bound with certainty."""
    k = words.shape[1]
    radii = np.abs(np.linalg.eigvals(products)).max(axis=1) ** (1 / k)
    for i in np.argsort(-radii)[:4]:
        # equal up to rounding is no gain: the shorter word stays
        if radii[i] > lower * (1 + 1e-12):
            certain = _certain_radius(A[words[i]]) ** (1 / k)
            if certain > lower * (1 + 1e-12):
                return certain, words[i]
    return lower, None


def _certain_radius(letters: np.ndarray) -> float:
    """Largest |eigenvalue| of the product that is certain in spite of rounding E of the product.

    An eigenvalue moves by |E| times its condition 1 / |y'x|, to first order, and in any case
    by no more than (2 |A|)^(1 - 1/n) |E|^(1/n) (Elsner 1985), which serves a defective one.
    """
    n = letters.shape[-1]
    product, size = np.eye(n, dtype=letters.dtype), 1.0
    for A in letters:
        product, size = A @ product, size * float(np.linalg.norm(A, 2))
    values, X = np.linalg.eig(product)
    error = (len(letters) + 1) * n * EPS * size
    moved = np.full(n, (2 * np.linalg.norm(product, 2) + error) ** (1 - 1 / n) * error ** (1 / n))
    if np.linalg.cond(X) * EPS < 1:
        condition = np.linalg.norm(np.linalg.solve(X, np.eye(n)), axis=1)  # columns of X have norm 1
        moved = np.minimum(moved, error * condition)
    return float(np.max(np.abs(values) - moved, initial=0.0))
