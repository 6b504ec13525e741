"""Gaussian columns that are never stored: a key each, drawn anew in every product."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from weightspace.models.layout import Layout
from weightspace.spaces.bases.base import Basis, wide
from weightspace.spaces.bases.gaussian import norm, normal_column
from weightspace.spec import spec, static
from weightspace.streams import Keys, Stream

BLOCK = 2**18
"""Entries drawn at a time: a block of columns stays in a core's cache and is enough work for one step."""


class Columns(NamedTuple):
    """What stands for B: a key for each column, and the norm of what it draws."""

    keys: Key[Array, " d"]
    norms: Float[Array, " d"]


@spec
class Regenerated(Basis):
    """The columns of `Gaussian(dim)`, drawn from their keys whenever they are needed.

    b_j = z_j / ‖z_j‖ with z_j ~ N(0, I) from the key of column j: the very numbers of `Gaussian`, so that
    runs in both agree to rounding. B θ = Σ_j θ_j b_j is a loop over blocks of columns, and so is the gradient
    Bᵀ g, which draws them a second time. Memory: 12 d bytes a run and a few blocks of some 2¹⁸ numbers, in
    place of 4 d D. Time: two draws of d D normal numbers a step, on a CPU some 15 ns each and dozens of times
    that of reading a stored basis: for spaces whose basis does not fit into memory.

    Attributes:
      dim: d, the number of columns.
    """

    dim: int = static()

    @property
    def name(self) -> str:
        """What the basis is called in tables."""
        return "regenerated"

    def check(self, size: int) -> None:
        """Also warn where the columns are far from orthogonal, as for `Gaussian`."""
        super().check(size)
        self.warn_of_dependence(size)

    def make(self, keys: Keys, size: int, layout: Layout, dtype: Any) -> Columns:
        """A key and a norm for each column."""
        numbers = jnp.arange(self.dim, dtype=jnp.uint32)
        of_columns = jax.vmap(lambda number: keys(Stream.BASIS, number))(numbers)
        # One after the other, as in `Gaussian`: a norm's last bit must not depend on how many follow.
        return Columns(of_columns, jax.lax.map(lambda key: norm(normal_column(key, size)), of_columns))

    def combine(self, arrays: Columns, theta: Float[Array, " d"], size: int) -> Float[Array, " D"]:
        """B θ, block by block."""
        blocks, width = _blocks(self.dim, size)
        spare = blocks * width - self.dim

        def in_blocks(values: Any) -> Any:
            # Filled up with the first columns, whose coordinates are 0 there.
            filled = jnp.concatenate([values, values[:spare]]) if spare else values
            return filled.reshape(blocks, width)

        coordinates = in_blocks(theta)
        if spare:
            real = jnp.arange(blocks * width).reshape(blocks, width) < self.dim
            coordinates = jnp.where(real, coordinates, jnp.zeros_like(coordinates))

        def add(total: Array, block: tuple[Columns, Array]) -> tuple[Array, None]:
            columns, part = block
            drawn = jax.vmap(lambda key: normal_column(key, size))(columns.keys)
            rows = (drawn / columns.norms[:, None]).astype(theta.dtype)
            return total + jnp.matmul(part, rows, preferred_element_type=total.dtype), None

        # Without the checkpoint differentiation would store the columns of every block: d D numbers.
        forgetful = jax.checkpoint(add, prevent_cse=False)
        columns = Columns(in_blocks(arrays.keys), in_blocks(arrays.norms))
        start = jnp.zeros((size,), wide(theta.dtype))
        total, _ = jax.lax.scan(forgetful, start, (columns, coordinates))
        return total.astype(theta.dtype)


def _blocks(dim: int, size: int) -> tuple[int, int]:
    """How many blocks, and columns of each, as equal as can be.

    >>> _blocks(13, BLOCK // 10)
    (2, 7)
    """
    blocks = -(-dim // max(1, BLOCK // size))
    return blocks, -(-dim // blocks)
