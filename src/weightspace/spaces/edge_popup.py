"""Edge-popup: fixed weights under the mask of their highest scores; the scores are trained.

w = m · w₀, where m keeps in each kernel the share `keep` of entries with the largest |s|; s, one score an
entry, is the coordinate. The number of ones never changes, only where they are. Gradients pass straight
through the choice to the magnitude of the score:

    ∂L/∂s = ∂L/∂w · w₀ · sign(s).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from weightspace import tree
from weightspace.errors import check_number
from weightspace.models.layout import Layout
from weightspace.spaces.base import Coordinates, Fixed, Point, Sample, Space
from weightspace.spaces.supermask import (
    check_kernels,
    check_scale,
    densities,
    kernels,
    scaled_kernels,
    straight_through,
    whole_mask,
    with_kernels,
)
from weightspace.spec import spec, static
from weightspace.streams import Keys, Stream, named
from weightspace.tree import Tree

SCALES = ("none", "constant", "kaiming")


@spec
class EdgePopup(Space):
    """Kernels under the mask of their highest scores; all other leaves stay as they were initialised.

    Source: Ramanujan et al., "What's hidden in a randomly weighted neural network?", CVPR 2020. Scores start
    from U(±1/√fan-in), Kaiming's uniform distribution with a = √5, keyed by leaf.

    Attributes:
      keep: The share of a kernel's entries that are kept, in (0, 1]: round(keep · n) of n, at least one; of
        equal magnitudes the first are.
      scale: `none` leaves the model's initialisation (the authors' is `he_normal`); `kaiming` replaces each
        kernel by signed constants ±√(2 / fan-in), `constant` by sign(w₀) · std(w₀).
      multiplier: Of the signed constants.
      compensate: Whether kernels are divided by √keep, so that the variance of a unit's input is that of the
        full layer; the authors' `scale_fan`.
      start: Weights under the mask (an output of another node), or None for the model's initialisation.
    """

    keep: float
    scale: str = static(default="none")
    multiplier: float = 1.0
    compensate: bool = static(default=False)
    start: Any = None

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return "edge-popup"

    def validate(self) -> None:
        """The share lies in (0, 1]; the scale is known."""
        check_number("keep", self.keep, above=0, most=1, hint="It is the share of entries that are kept.")
        check_scale(self.scale, self.multiplier, SCALES)

    def check(self, layout: Layout) -> None:
        """There is a kernel to mask."""
        check_kernels(self.name, layout)

    def init(self, keys: Keys, sample: Sample, layout: Layout) -> tuple[Fixed, Coordinates]:
        """Fixed: the weights. Coordinates: scores, a nested dict of the kernels' paths only."""
        weights = scaled_kernels(
            sample(keys) if self.start is None else self.start, layout, self.scale, self.multiplier
        )
        flat = tree.flat_dict(weights)
        scores, divided = {}, {}
        for leaf in kernels(layout):
            w = flat[leaf.path]
            # In float32 whatever the run's precision, so that precisions can be compared run by run.
            drawn = jax.random.uniform(named(keys(Stream.MASK), leaf.path), w.shape, jnp.float32, -1, 1)
            scores[leaf.path] = drawn.astype(w.dtype) / leaf.fan_in**0.5
            divided[leaf.path] = w / jnp.sqrt(jnp.asarray(self.keep, w.dtype)) if self.compensate else w
        return with_kernels(weights, tree.nested_dict(divided)), tree.nested_dict(scores)

    def weights(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """Kernels under their masks; all else as it began."""
        flat = tree.flat_dict(fixed)

        def masked(path: str, s: Array) -> Array:
            return flat[path] * straight_through(self._ones(s).astype(s.dtype), jnp.abs(s))

        return with_kernels(fixed, tree.map_named(masked, theta))

    def coordinates(self, layout: Layout) -> Layout:
        """The kernels."""
        return Layout(kernels(layout))

    def mask_at(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """The mask: booleans in the structure of the weights, true for all that is no kernel."""
        return whole_mask(fixed, jax.tree.map(self._ones, theta))

    def sampled_density(self, fixed: Fixed, theta: Coordinates, p: Point) -> dict[str, Float[Array, ""]]:
        """The share of ones in the mask of each kernel, by path."""
        return densities(jax.tree.map(self._ones, theta))

    def _ones(self, scores: Array) -> Bool[Array, "..."]:
        share = jnp.asarray(self.keep, scores.dtype) * scores.size
        return largest(scores, jnp.maximum(jnp.round(share), 1).astype(jnp.int32))


def largest(scores: Float[Array, "..."], count: Int[Array, ""]) -> Bool[Array, "..."]:
    """Which `count` entries are largest in magnitude; of equal ones the first are.

    The smallest magnitude that is kept is found bit by bit, in 31 counts over the entries (63 in double
    precision): a sort takes about twenty times as long on a CPU, and `lax.top_k` wants a plain number.

    Args:
      scores: Numbers, none of them NaN.
      count: From 1 to the number of entries; may be traced.
    """
    bits = jnp.finfo(scores.dtype).bits
    unsigned = {32: jnp.uint32, 64: jnp.uint64}[bits]
    # Magnitudes have the order of their bit patterns read as whole numbers.
    order = lax.bitcast_convert_type(jnp.abs(scores.ravel()), unsigned)

    def refine(number: Int[Array, ""], found: Array) -> Array:
        tried = found | (jnp.ones((), unsigned) << (bits - 2 - number).astype(unsigned))
        return jnp.where(jnp.sum(order >= tried, dtype=jnp.int32) >= count, tried, found)

    least = lax.fori_loop(jnp.int32(0), jnp.int32(bits - 1), refine, jnp.zeros((), unsigned))
    above, equal = order > least, order == least
    room = count - jnp.sum(above, dtype=jnp.int32)
    return (above | (equal & (jnp.cumsum(equal, dtype=jnp.int32) <= room))).reshape(scores.shape)
