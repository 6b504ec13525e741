"""Basis pursuit: activation vectors as combinations of those at the training points, at the least cost.

For an activation vector s and training vectors S (columns) with costs c, the programme

    min_k Σ_t c_t |k_t|   subject to   S k = s

bounds the local Lipschitz constant of a region without data: the Jacobian is linear in s, so that
λ(s) ≤ Σ_t |k_t| λ_t for every solution k (Theorem 2 of Loukas et al., 2021). S has a row for each path
through the network, but its Gram matrix is the kernel of patterns. A basis of r columns is picked from it by
pivoted Cholesky; it tells whether s lies in their span and gives one solution, k⁰. The others are
k⁰ + N μ for a basis N of the m - r relations among columns, and the dual

    max_y k⁰ᵀ y   subject to   Nᵀ y = 0, |y_t| ≤ c_t

has only m - r rows, whatever the number of paths. Where columns are independent no programme is left.
"""

import dataclasses
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import linalg

from weightspace.derived.chain import Chain
from weightspace.derived.patterns import kronecker_kernel, kronecker_norms

_DEPENDENT = 1e-10
_IN_SPAN = 1e-8
_ATOM = 1e-7


@dataclasses.dataclass(frozen=True, eq=False)
class Combinations:
    """The cheapest combination for each activation vector.

    Attributes:
      cost: Σ c |k|; NaN where there is no combination.
      feasible: Whether there is one.
      atoms: Nonzero entries of k; -1 where there is no combination.
      rank: Dimension of the span of the training vectors.
    """

    cost: Float[np.ndarray, " queries"]
    feasible: Bool[np.ndarray, " queries"]
    atoms: Int[np.ndarray, " queries"]
    rank: int


@dataclasses.dataclass(frozen=True, eq=False)
class Span:
    """What the training vectors span, in their own terms; vectors are scaled to length one.

    Attributes:
      basis: Vectors that are independent and span the others.
      factor: Cholesky factor of the basis' Gram matrix, lower.
      relations: N, the combinations of vectors that are zero, one a column.
    """

    basis: Int[np.ndarray, " r"]
    factor: Float[np.ndarray, "r r"]
    relations: Float[np.ndarray, "m relations"]

    def solve(self, products: Float[np.ndarray, "r q"]) -> Float[np.ndarray, "r q"]:
        """Coefficients on the basis, from inner products with it."""
        return linalg.cho_solve((self.factor, True), products)


def span(gram: Float[np.ndarray, "m m"]) -> Span:
    """A basis of vectors of length one (or zero) and the relations among all, from their Gram matrix."""
    pivoted: Any = linalg.get_lapack_funcs("pstrf", dtype=np.float64)
    factor, pivots, rank, _ = pivoted(gram, tol=_DEPENDENT, lower=1)
    order = pivots - 1
    basis, rest = order[:rank], order[rank:]
    found = Span(basis, np.tril(factor[:rank, :rank]), np.zeros((len(gram), len(rest))))
    found.relations[basis] = -found.solve(gram[np.ix_(basis, rest)])
    found.relations[rest, np.arange(len(rest))] = 1.0
    # Coefficients are ratios of small whole numbers; dust of rounding would make the programme dense.
    found.relations[np.abs(found.relations) < _DEPENDENT] = 0.0
    return found


def cheapest(
    chain: Chain,
    columns: Bool[np.ndarray, "m units"],
    costs: Float[np.ndarray, " m"],
    queries: Bool[np.ndarray, "q units"],
) -> Combinations:
    """The cheapest combination of training vectors for each query.

    Args:
      chain: The network.
      columns: Patterns at training points, each once.
      costs: c, not negative.
      queries: Patterns of the regions to bound.

    Raises:
      ArithmeticError: If a programme cannot be solved for want of precision.
    """
    # A vector of zeros (a layer that is off) is no help and stays as it is.
    lengths = np.sqrt(np.maximum(kronecker_norms(chain, columns), 1.0))
    spanned = span(kronecker_kernel(chain, columns, columns) / np.outer(lengths, lengths))
    basis = spanned.basis
    size = kronecker_norms(chain, queries)
    products = kronecker_kernel(chain, columns[basis], queries) / lengths[basis][:, None]
    coefficients = spanned.solve(products)
    missed = size - (products * coefficients).sum(axis=0)
    feasible = np.abs(missed) <= _IN_SPAN * np.maximum(size, 1.0)
    cost, atoms = np.full(len(queries), np.nan), np.full(len(queries), -1, np.int32)
    for query in np.flatnonzero(feasible):
        start = np.zeros(len(columns))
        start[basis] = coefficients[:, query]
        k = _least(start / lengths, spanned.relations / lengths[:, None], costs)
        # Any combination bounds: the cost is that of k itself, not what the solver says of it.
        cost[query], atoms[query] = costs @ np.abs(k), (np.abs(k) > _ATOM).sum()
    return Combinations(cost, feasible, atoms, len(basis))


def _least(
    start: Float[np.ndarray, " m"], relations: Float[np.ndarray, "m p"], costs: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """The cheapest of start + relations @ μ: μ are the dual's multipliers of Nᵀ y = 0."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    if not relations.shape[1]:
        return start
    rows, zeros = csr_array(relations.T), np.zeros(relations.shape[1])
    bounds = np.stack([-costs, costs], axis=1)
    made = linprog(-start, A_eq=rows, b_eq=zeros, bounds=bounds, method="highs-ds")
    found = cast(Any, made)
    if found.status != 0:
        raise ArithmeticError(f"the linear programme of a region was not solved: {found.message}")
    return start + relations @ found.eqlin.marginals
