"""Activation patterns: which hidden units of a ReLU chain are on, the name of a linear region.

A pattern is a row of booleans, one a hidden unit, first layer first: s(x) = (s_1, …, s_{d-1}). Where it is
constant the network is affine, with Jacobian J(s) = W_d S_{d-1} W_{d-1} ⋯ S_1 W_1, S_l = diag(s_l), and local
Lipschitz constant λ = ‖J‖₂. J is linear in the Kronecker activation vector s_{d-1} ⊗ … ⊗ s_1, a bit for each
choice of one unit a layer (Loukas et al., 2021, section 5), whose inner products need no such vector.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from weightspace.derived.chain import Chain, Points, blocks, forward, hidden_widths
from weightspace.errors import InputError

_LARGEST = 1 << 27
_BLOCK = 1 << 22

Patterns = Bool[np.ndarray, "n units"]


class Evaluated(NamedTuple):
    """What a chain gives for points.

    Attributes:
      patterns: Which units are on.
      outputs: f(x).
    """

    patterns: Patterns
    outputs: Float[np.ndarray, "n outputs"]


def evaluate(chain: Chain, x: Points) -> Evaluated:
    """Patterns and outputs of points."""
    parts = [list(forward(chain, block)) for block in blocks(chain, x)]
    on = [[z > 0 for z in layers[:-1]] for layers in parts]
    empty = [np.zeros((len(layers[-1]), 0), bool) for layers in parts]
    rows = [np.concatenate([none, *layers], axis=1) for none, layers in zip(empty, on, strict=True)]
    return Evaluated(np.concatenate(rows), np.concatenate([layers[-1] for layers in parts]))


def by_layer(chain: Chain, patterns: Patterns) -> list[Bool[np.ndarray, "n _"]]:
    """The columns of each hidden layer."""
    widths = hidden_widths(chain)
    return np.split(patterns, np.cumsum(widths)[:-1], axis=1) if widths else []


class Distinct(NamedTuple):
    """Rows that differ, in the order of their first occurrence.

    Attributes:
      patterns: Each pattern once.
      first: The row at which each occurs first.
      ids: For each row, the number of its pattern.
    """

    patterns: Bool[np.ndarray, "regions units"]
    first: Int[np.ndarray, " regions"]
    ids: Int[np.ndarray, " n"]


def distinct(patterns: Patterns) -> Distinct:
    """Each pattern once; compared as packed bits of one length, so that no two patterns are one."""
    if not patterns.size:
        ids = np.zeros(len(patterns), np.int32)
        return Distinct(patterns[:1], np.arange(len(patterns[:1])), ids)
    packed = np.packbits(patterns, axis=1)
    keys = packed.view(np.dtype((np.void, packed.shape[1])))[:, 0]
    _, first, ids = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return Distinct(patterns[first[order]], first[order], rank[ids].astype(np.int32))


def jacobians(chain: Chain, patterns: Patterns) -> Float[np.ndarray, "n outputs inputs"]:
    """J(s) of each pattern; the gradient of a scalar network as a row."""
    last = chain[-1]
    units = np.broadcast_to(np.eye(last.units), (len(patterns), last.units, last.units))
    product = last.pull_back(units)
    for layer, on in zip(chain[-2::-1], reversed(by_layer(chain, patterns)), strict=True):
        product = layer.pull_back(product * on[:, None, :])
    return product


def local_lipschitz(
    chain: Chain, patterns: Patterns, within: Float[np.ndarray, "k inputs"] | None = None
) -> Float[np.ndarray, " n"]:
    """λ of each pattern, the largest singular value of J(s).

    Args:
      chain: The network.
      patterns: Of any regions, met or not.
      within: Orthonormal rows; λ of the network restricted to their span. None for all directions.
    """
    size = chain[-1].units * max(layer.inputs for layer in chain)
    rows = max(1, _BLOCK // size)
    found = [np.zeros(0)]
    for start in range(0, len(patterns), rows):
        jacobian = jacobians(chain, patterns[start : start + rows])
        found.append(_largest_singular(jacobian if within is None else jacobian @ within.T))
    return np.concatenate(found)


def _largest_singular(matrices: Float[np.ndarray, "n a b"]) -> Float[np.ndarray, " n"]:
    if 1 in matrices.shape[1:]:
        return np.sqrt((matrices**2).sum(axis=(1, 2)))
    if matrices.shape[1] > matrices.shape[2]:
        matrices = matrices.swapaxes(1, 2)
    gram = matrices @ matrices.swapaxes(1, 2)
    return np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[:, -1], 0.0))


def kronecker_kernel(
    chain: Chain, a: Bool[np.ndarray, "n units"], b: Bool[np.ndarray, "m units"]
) -> Float[np.ndarray, "n m"]:
    """⟨s(x), s(x')⟩ = Π_l #(units of layer l that are on at both): whole numbers, exact below 2⁵³."""
    product = np.ones((len(a), len(b)))
    for left, right in zip(by_layer(chain, a), by_layer(chain, b), strict=True):
        product *= left.astype(np.float64) @ right.T.astype(np.float64)
    return product


def kronecker_norms(chain: Chain, patterns: Patterns) -> Float[np.ndarray, " n"]:
    """‖s(x)‖² = Π_l #(units of layer l that are on): the diagonal of the kernel."""
    product = np.ones(len(patterns))
    for on in by_layer(chain, patterns):
        product *= on.sum(axis=1)
    return product


def kronecker_vectors(chain: Chain, patterns: Patterns) -> Bool[np.ndarray, "n paths"]:
    """s_{d-1} ⊗ … ⊗ s_1 of each pattern; the last hidden layer varies slowest.

    Raises:
      InputError: If they would take more than 128 MiB.
    """
    paths = int(np.prod(hidden_widths(chain), dtype=object))
    if paths * len(patterns) > _LARGEST:
        raise InputError(
            f"{len(patterns)} Kronecker vectors of {paths} bits take more than {_LARGEST >> 20} MiB; "
            "kronecker_kernel gives their inner products without forming them"
        )
    vectors = np.ones((len(patterns), 1), bool)
    for on in by_layer(chain, patterns):
        vectors = (on[:, :, None] & vectors[:, None, :]).reshape(len(patterns), -1)
    return vectors
