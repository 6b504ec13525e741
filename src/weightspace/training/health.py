"""Health: whether what a run carries is finite, and where it is not.

What is not finite stays so in whatever is carried from step to step: coordinates, the optimiser's moments,
statistics. Hence the loss is looked at in every step, and all that is carried only where a stretch of steps
ends, before anything is read there: no reading is ever one of a broken run, and a step pays nothing. The step
at which it began is found afterwards, by going over the stretch again in shorter ones (`sweeps.trouble`).

Some leaves are not finite by right, as a mask of attention that is -inf, or the best loss so far, which
starts at inf. They are known by the start: a leaf that holds infinity there may hold it always, one that
holds NaN may hold anything. Coordinates and weights never may.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from weightspace.tree import Tree, flat_dict

Parts = Mapping[str, Tree]
"""What is looked at, by what it is called."""
EXEMPT = ("statistics", "moments", "fixed")
"""Parts whose leaves may be as they were at the start."""


def inexact(tree: Tree) -> dict[str, Array]:
    """The leaves that can be other than finite, by path."""
    found = flat_dict(tree)
    return {path: leaf for path, leaf in found.items() if jnp.issubdtype(leaf.dtype, jnp.inexact)}


def usual(parts: Parts) -> dict[str, Int[Array, " leaves"]]:
    """For each leaf of the exempt parts 0 if it is finite, 1 if it holds infinity, 2 if it holds NaN."""
    found: dict[str, Array] = {}
    for name in EXEMPT:
        leaves = inexact(parts.get(name, ()))
        if leaves:
            found[name] = jnp.stack([_level(leaf) for leaf in leaves.values()])
    return found


def _level(leaf: Array) -> Int[Array, ""]:
    undefined, infinite = jnp.any(jnp.isnan(leaf)), jnp.any(jnp.isinf(leaf))
    return jnp.where(undefined, jnp.int32(2), infinite.astype(jnp.int32))


def troubled(parts: Parts, levels: Mapping[str, Array]) -> dict[str, dict[str, Bool[Array, ""]]]:
    """For each part and leaf, whether it holds what it must not.

    Args:
      parts: What is looked at.
      levels: What `usual` said at the start; parts that are not there must be finite.
    """
    found: dict[str, dict[str, Array]] = {}
    for name, tree in parts.items():
        found[name] = {}
        for number, (path, leaf) in enumerate(inexact(tree).items()):
            broken = ~jnp.all(jnp.isfinite(leaf))
            if name in levels:
                level = levels[name][number]
                undefined = jnp.any(jnp.isnan(leaf))
                broken = jnp.where(level == 0, broken, (level == 1) & undefined)
            found[name][path] = broken
    return found


def sick(parts: Parts, levels: Mapping[str, Array]) -> Bool[Array, ""]:
    """Whether any leaf of any part holds what it must not."""
    flags = jax.tree.leaves(troubled(parts, levels))
    return jnp.any(jnp.stack(flags)) if flags else jnp.asarray(False)
