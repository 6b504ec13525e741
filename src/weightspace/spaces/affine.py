"""Affine subspace: w = w₀ + B θ, where only the d coordinates θ are trained.

The offset w₀ is the model's initialisation (a random subspace), or the output of another node (a burn-in
subspace, where it is the end of a short full-space training); the basis says where the columns come from.
"""

from typing import Any

import jax
import jax.numpy as jnp

from weightspace.errors import InputError
from weightspace.models.layout import Layout
from weightspace.spaces.base import Coordinates, Fixed, Point, Sample, Space, vector_layout
from weightspace.spaces.bases.base import Basis
from weightspace.spec import spec
from weightspace.streams import Keys, Stream
from weightspace.tree import Tree, ravel


@spec
class Affine(Space):
    """w = offset + B θ, one flat space through all weights, biases and normalisation included.

    Attributes:
      basis: The linear map B.
      offset: Weights that θ = 0 stands for; None for the model's own initialisation.
      spread: Standard deviation of the θ that training starts from; None starts at θ = 0.
    """

    basis: Basis
    offset: Any = None
    spread: float | None = None

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return f"affine({self.basis.name})"

    def check(self, layout: Layout) -> None:
        """The basis must fit the weights: d ≤ D."""
        self.basis.check_layout(layout)

    def init(self, keys: Keys, sample: Sample, layout: Layout) -> tuple[Fixed, Coordinates]:
        """Fixed: the offset and the basis. Coordinates: a vector of d entries."""
        offset = sample(keys) if self.offset is None else self.offset
        flat, _ = ravel(offset)
        # As they are: places are integers and keys no numbers at all.
        basis = self.basis.make(keys, flat.size, layout, flat.dtype)
        theta = jnp.zeros((self.basis.dim,), flat.dtype)
        if self.spread is not None:
            noise = jax.random.normal(keys.child(1)(Stream.INIT), theta.shape, theta.dtype)
            theta = theta + jnp.asarray(self.spread, theta.dtype) * noise
        return (offset, basis), theta

    def weights(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """Offset + B θ.

        Raises:
          InputError: If the basis gives no vector of the weights' number and type.
        """
        offset, basis = fixed
        flat, back = ravel(offset)
        moved = self.basis.combine(basis, theta, flat.size)
        if (moved.shape, moved.dtype) != (flat.shape, flat.dtype):
            raise InputError(
                f"B θ of the basis '{self.basis.name}' has type {moved.dtype} and shape {moved.shape}, but "
                f"the weights have type {flat.dtype} and shape {flat.shape}; let its make give floats of the "
                "type it is given, and its combine a vector of D numbers"
            )
        return back(flat + moved)

    def coordinates(self, layout: Layout) -> Layout:
        """One vector."""
        return vector_layout("theta", self.basis.dim)
