"""A basis made of one for each leaf or layer: a coordinate moves the weights of one block only."""

import dataclasses
import functools
import heapq
import warnings
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from weightspace.errors import InputError, check_choice
from weightspace.models.layout import Layout
from weightspace.spaces.bases.base import Basis, BasisWarning
from weightspace.spaces.bases.gaussian import Gaussian
from weightspace.spec import spec, static
from weightspace.streams import Keys
from weightspace.tree import nested_dict, paths

Stretches = tuple[tuple[int, int], ...]
"""Where a block's weights lie in the vector of all: beginnings and ends."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Parts:
    """What stands for B: the arrays of each block's basis (None for one without columns), and its places."""

    arrays: tuple[Any, ...]
    places: tuple[Stretches, ...] = dataclasses.field(metadata={"static": True})


@spec
class Blocks(Basis):
    """B = a basis of its own for each leaf, or layer, side by side; all other entries of a column are 0.

    The d columns are dealt out one by one, each to the block with the largest size / (2 c + 1), c being the
    columns that it has (Webster's method): blocks have numbers of columns in proportion to their sizes, and
    since the first d columns are dealt in the same way whatever follows, a small basis is the beginning of a
    large one. (By largest remainders a block may lose a column when d grows by one, so that bases would not
    be nested.) Each block has its first column before any has its second, the largest first: with d below
    the number of blocks the smaller ones do not move. A block never has more columns than weights.

    Columns of two blocks are orthogonal; within a block they are those of the inner basis, from keys of that
    block. Gressmann et al., "Improving neural network training in low dimensional random bases", 2020, train
    in bases of such blocks.

    Attributes:
      dim: d, the number of columns.
      inner: The basis of a block; its own d counts for nothing.
      by: What a block is: a `leaf`, or a `layer`, which is a kernel with its bias.
    """

    dim: int = static()
    inner: Basis = Gaussian(1)
    by: str = static(default="leaf")

    def __post_init__(self) -> None:
        super().__post_init__()
        # One form whatever d it came with: the digest says what is trained.
        object.__setattr__(self, "inner", _of_dim(self.inner, 1))

    @property
    def name(self) -> str:
        """What the basis is called in tables."""
        return f"{'blocks' if self.by == 'leaf' else 'layers'}({self.inner.name})"

    def validate(self) -> None:
        """A block is a leaf or a layer."""
        super().validate()
        check_choice("by", self.by, ("leaf", "layer"))

    def cosine(self, size: int) -> float:
        """0: the columns of two blocks are orthogonal, and each block is warned of by itself."""
        return 0.0

    def check_layout(self, layout: Layout) -> None:
        """Also each block's basis must fit its weights; one warning for all that are ill-conditioned."""
        super().check_layout(layout)
        parts = _parts(layout, self.by)
        counts = [len(share) for share in shares(tuple(part.size for part in parts), self.dim)]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", BasisWarning)
            for part, count in zip(parts, counts, strict=True):
                if count:
                    _of_dim(self.inner, count).check_layout(part)
        dependent = [one for one in said if issubclass(one.category, BasisWarning)]
        for one in said:
            if one not in dependent:
                warnings.warn(one.message, stacklevel=3)
        if dependent:
            kind = self.name.partition("(")[0]
            warnings.warn(
                BasisWarning(
                    f"a {self.name} basis of d = {self.dim} columns is ill-conditioned in {len(dependent)} "
                    f"of {len(parts)} blocks, which have more columns than are nearly orthogonal; choose a "
                    f"smaller d, or --basis {kind}:orthonormal"
                ),
                stacklevel=3,
            )

    def make(self, keys: Keys, size: int, layout: Layout, dtype: Any) -> Parts:
        """The arrays of each block's basis.

        Raises:
          InputError: If the layout is not that of the weights.
        """
        if layout.size != size:
            raise InputError(
                f"a basis of blocks is given D = {size} weights, but their layout has {layout.size}; give "
                "the layout of these weights"
            )
        parts = _parts(layout, self.by)
        sizes = tuple(part.size for part in parts)
        arrays = tuple(
            _of_dim(self.inner, len(share)).make(keys.child(number), part.size, part, dtype)
            if share
            else None
            for number, (part, share) in enumerate(zip(parts, shares(sizes, self.dim), strict=True))
        )
        starts = _starts(layout)
        places = tuple(
            tuple((starts[leaf.path], starts[leaf.path] + leaf.size) for leaf in _ravelled(part))
            for part in parts
        )
        return Parts(arrays, places)

    def combine(self, arrays: Parts, theta: Float[Array, " d"], size: int) -> Float[Array, " D"]:
        """B θ, block by block."""
        sizes = tuple(sum(end - start for start, end in stretches) for stretches in arrays.places)
        dealt = shares(sizes, self.dim)
        theta = theta[np.concatenate([np.asarray(share, np.int32) for share in dealt])]
        pieces, first = {}, 0
        for made, share, stretches, own in zip(arrays.arrays, dealt, arrays.places, sizes, strict=True):
            if share:
                part = theta[first : first + len(share)]
                moved = _of_dim(self.inner, len(share)).combine(made, part, own)
            else:
                moved = jnp.zeros((own,), theta.dtype)
            first, at = first + len(share), 0
            for start, end in stretches:
                pieces[start] = moved[at : at + end - start]
                at += end - start
        return jnp.concatenate([pieces[start] for start in sorted(pieces)])


@functools.lru_cache(maxsize=64)
def shares(sizes: tuple[int, ...], dim: int) -> tuple[tuple[int, ...], ...]:
    """For each block, which of the d coordinates are its own.

    >>> shares((60, 30, 10), 6)
    ((0, 3, 4), (1, 5), (2,))

    Args:
      sizes: Of the blocks; d is at most their sum.
      dim: d.
    """
    dealt: list[list[int]] = [[] for _ in sizes]
    # First columns before all others, the largest block first; then by the largest size / (2 c + 1).
    waiting = [(0, -float(size), number) for number, size in enumerate(sizes)]
    heapq.heapify(waiting)
    for coordinate in range(dim):
        _, _, number = heapq.heappop(waiting)
        dealt[number].append(coordinate)
        count = len(dealt[number])
        if count < sizes[number]:
            heapq.heappush(waiting, (1, -sizes[number] / (2 * count + 1), number))
    return tuple(tuple(own) for own in dealt)


def _of_dim(inner: Basis, dim: int) -> Basis:
    return dataclasses.replace(cast(Any, inner), dim=dim)


def _parts(layout: Layout, by: str) -> tuple[Layout, ...]:
    """The layouts of the blocks, in forward order."""
    if by == "leaf":
        return tuple(Layout((leaf,)) for leaf in layout)
    return tuple(Layout(tuple(x for x in layout if x.module == module)) for module in layout.modules)


def _ravelled(layout: Layout) -> list[Any]:
    """The leaves in the order of the vector of all weights."""
    return [layout[path] for path in paths(nested_dict({leaf.path: leaf for leaf in layout}))]


def _starts(layout: Layout) -> dict[str, int]:
    """Where each leaf begins in the vector of all weights."""
    found, at = {}, 0
    for leaf in _ravelled(layout):
        found[leaf.path] = at
        at += leaf.size
    return found
