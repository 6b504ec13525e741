"""Supermask: fixed weights under a random mask, of which the probabilities are trained.

w = m · w₀ with m ~ Bernoulli(σ(a)) for each entry of a kernel; a, one real logit an entry, is the coordinate.
No weight is ever trained: a network is found among the subnetworks of an untrained one. What is drawn is
uniform noise u, once for a whole batch (the recipe's `samples` cuts the batch for more draws), and the mask
is 1[u < σ(a)]. Gradients pass straight through to the probability:

    ∂L/∂a = ∂L/∂w · w₀ · σ(a) (1 - σ(a)).
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, UInt32

from weightspace import tree
from weightspace.errors import InputError, check_choice, check_number
from weightspace.models.layout import Layout, Leaf
from weightspace.spaces.base import DEFAULT_POINT, Coordinates, Fixed, Point, Sample, Space
from weightspace.spec import spec, static
from weightspace.streams import Keys, Stream, named
from weightspace.tree import Tree

SCALES = ("none", "constant")
RESCALES = ("none", "gradient", "stopped")
THRESHOLD = "threshold"
SAMPLE = re.compile(r"sample(0|[1-9]\d*)")


class Frozen(NamedTuple):
    """What a supermask never changes: the weights under the mask, and the bits of the named points' key."""

    weights: Tree
    key: UInt32[Array, " words"]


@spec
class Supermask(Space):
    """Kernels under a learned random mask; all other leaves stay as they were initialised.

    Points: `threshold` (the default) keeps the entries with σ(a) > 1/2, so none while all logits are 0;
    `sample0`, `sample1`, … are fixed draws of the mask, of which the authors average ten. Source: Zhou, Lan,
    Liu & Yosinski, "Deconstructing lottery tickets: zeros, signs, and the supermask", NeurIPS 2019; they
    train with SGD, momentum 0.9 and a learning rate of 100, since ∂L/∂a is as small as the weights.

    Attributes:
      logit: a before training, the same for all entries. σ(logit) is the density that training starts from,
        and the only hold on the one it ends at unless `density` is given.
      scale: `constant` replaces each kernel by signed constants, sign(w₀) · std(w₀) · multiplier, with the
        standard deviation (divided by n) of that kernel; `none` leaves it.
      multiplier: Of the signed constants.
      rescale: `gradient` and `stopped` multiply each kernel by its size over the number of ones in its mask,
        so that a sparse layer is as loud as a full one; the gradient passes through that factor, as in the
        authors' code, or not. A mask without ones has the factor 1.
      rounding: The authors' variant without samples: in training a random half of the entries has the
        rounded σ(a), the other half σ(a) itself; at the threshold all are rounded. As σ(0) rounds down, a
        logit of 0 starts with an empty mask.
      density: Target of the mean of σ(a) over a kernel; None for no target.
      strength: λ of the penalty λ Σ nₗ/N (mean σ(aₗ) - density)² over kernels of nₗ of all N entries.
      start: Weights under the mask (an output of another node), or None for the model's initialisation.
    """

    logit: float = 0.0
    scale: str = static(default="none")
    multiplier: float = 1.0
    rescale: str = static(default="none")
    rounding: bool = static(default=False)
    density: float | None = None
    strength: float = 1.0
    start: Any = None

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return "supermask"

    def validate(self) -> None:
        """Known choices, numbers in range, and none given that would not be used."""
        check_scale(self.scale, self.multiplier, SCALES)
        check_choice("rescale", self.rescale, RESCALES)
        check_number("logit", self.logit)
        check_number("density", self.density, above=0, below=1)
        check_number("strength", self.strength, least=0)
        if self.density is None and self.strength != 1:
            raise InputError(f"strength is {self.strength}, but there is no target; give density=<share>")

    def check(self, layout: Layout) -> None:
        """There is a kernel to mask."""
        check_kernels(self.name, layout)

    def init(self, keys: Keys, sample: Sample, layout: Layout) -> tuple[Fixed, Coordinates]:
        """Fixed: the weights and a key. Coordinates: logits, a nested dict of the kernels' paths only."""
        weights = scaled_kernels(
            sample(keys) if self.start is None else self.start, layout, self.scale, self.multiplier
        )
        flat = tree.flat_dict(weights)
        logits = {
            leaf.path: jnp.full_like(flat[leaf.path], jnp.asarray(self.logit, flat[leaf.path].dtype))
            for leaf in kernels(layout)
        }
        # A child of the stream: step 0 of training has the stream's own key.
        bits = jax.random.key_data(keys.child(0)(Stream.POINT))
        return Frozen(weights, bits), tree.nested_dict(logits)

    def draw(self, fixed: Fixed, theta: Coordinates, key: Key[Array, ""]) -> Point:
        """Uniform noise of the logits' shapes."""

        def noise(path: str, a: Array) -> Array:
            # In float32 whatever the run's precision, so that precisions can be compared run by run.
            return jax.random.uniform(named(key, path), a.shape, jnp.float32)

        return tree.map_named(noise, theta)

    def point(self, fixed: Fixed, theta: Coordinates, name: str) -> Point:
        """The noise of a named point: 1/2 everywhere at the threshold, a draw of its own for each sample.

        Raises:
          InputError: For any other name, and for a sample where masks are rounded.
        """
        if name in (DEFAULT_POINT, THRESHOLD):
            return jax.tree.map(lambda a: jnp.full(a.shape, 0.5, jnp.float32), theta)
        if self.rounding or not SAMPLE.fullmatch(name):
            others = ", as its masks are rounded" if self.rounding else " and 'sample0', 'sample1', …"
            raise InputError(
                f"the space '{self.name}' has no point '{name}'; it has '{THRESHOLD}' (the default){others}"
            )
        return self.draw(fixed, theta, named(jax.random.wrap_key_data(fixed.key, impl="threefry2x32"), name))

    def weights(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """Kernels under their masks, rescaled if wished; all else as it began."""
        flat = tree.flat_dict(fixed.weights)
        masked = tree.map_named(lambda path, a, u: flat[path] * self._factor(self._mask(a, u)), theta, p)
        return with_kernels(fixed.weights, masked)

    def penalty(self, fixed: Fixed, theta: Coordinates, p: Point) -> Float[Array, ""]:
        """λ Σ nₗ/N (mean σ(aₗ) - density)², or zero without a target."""
        if self.density is None:
            return jnp.zeros(())
        total, entries = [], tree.size(theta)
        for a in jax.tree.leaves(theta):
            excess = jnp.mean(jax.nn.sigmoid(a)) - jnp.asarray(self.density, a.dtype)
            total.append(jnp.asarray(self.strength, a.dtype) * (a.size / entries) * excess**2)
        return jnp.sum(jnp.stack(total))

    def coordinates(self, layout: Layout) -> Layout:
        """The kernels."""
        return Layout(kernels(layout))

    def mask_at(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """The mask at a point: booleans in the structure of the weights, true for all that is no kernel."""
        return whole_mask(fixed.weights, jax.tree.map(self._ones, theta, p))

    @property
    def random_masks(self) -> bool:
        """Unless they are rounded."""
        return not self.rounding

    def expected_density(self, fixed: Fixed, theta: Coordinates) -> dict[str, Float[Array, ""]]:
        """The mean of σ(a) of each kernel, by path."""
        return tree.flat_dict(jax.tree.map(lambda a: jnp.mean(jax.nn.sigmoid(a)), theta))

    def sampled_density(self, fixed: Fixed, theta: Coordinates, p: Point) -> dict[str, Float[Array, ""]]:
        """The share of ones in the mask of each kernel at a point, by path."""
        return densities(jax.tree.map(self._ones, theta, p))

    def _ones(self, a: Array, u: Array) -> Bool[Array, "..."]:
        probability = jax.nn.sigmoid(a)
        return probability > 0.5 if self.rounding else u.astype(a.dtype) < probability

    def _mask(self, a: Array, u: Array) -> Array:
        """The mask with the gradient of σ(a)."""
        probability = jax.nn.sigmoid(a)
        value = self._ones(a, u).astype(a.dtype)
        if self.rounding:
            value = jnp.where(u <= 0.5, value, probability)
        return straight_through(value, probability)

    def _factor(self, mask: Array) -> Array:
        """The mask, times its size over its sum where that is wished."""
        if self.rescale == "none":
            return mask
        ones = jnp.sum(mask) if self.rescale == "gradient" else jax.lax.stop_gradient(jnp.sum(mask))
        some = ones > 0
        factor = jnp.where(some, jnp.asarray(mask.size, mask.dtype), 1) / jnp.where(some, ones, 1)
        return mask * factor


def straight_through(value: Array, soft: Array) -> Array:
    """`value` to the last bit, with the gradient of `soft`."""
    return jax.lax.stop_gradient(value) + (soft - jax.lax.stop_gradient(soft))


def kernels(layout: Layout) -> tuple[Leaf, ...]:
    """The kernels of a layout, in forward order."""
    return tuple(leaf for leaf in layout if leaf.kind == "kernel")


def check_kernels(space: str, layout: Layout) -> None:
    """Raise unless there is a kernel to mask.

    Raises:
      InputError: If there is none.
    """
    if not kernels(layout):
        raise InputError(f"the space '{space}' masks kernels, but what it is given has none")


def check_scale(scale: str, multiplier: Any, allowed: tuple[str, ...]) -> None:
    """Raise unless the scale is known and the multiplier positive and used.

    Raises:
      InputError: If it is not.
    """
    check_choice("scale", scale, allowed)
    check_number("multiplier", multiplier, above=0)
    if scale == "none" and multiplier != 1:
        raise InputError(f"multiplier is {multiplier}, but scale is 'none'; it multiplies scale='constant'")


def scaled_kernels(weights: Tree, layout: Layout, scale: str, multiplier: Any) -> Tree:
    """The weights, with kernels as signed constants where `scale` is not `none`.

    Args:
      weights: Weights of a model.
      layout: What they are.
      scale: `none`; `constant`, sign(w) · std(w) · multiplier; `kaiming`, sign(w) · √(2 / fan-in) ·
        multiplier.
      multiplier: A number.
    """
    if scale == "none":
        return weights
    flat = tree.flat_dict(weights)
    constants = {}
    for leaf in kernels(layout):
        w = flat[leaf.path]
        size = jnp.std(w) if scale == "constant" else jnp.asarray((2 / leaf.fan_in) ** 0.5, w.dtype)
        constants[leaf.path] = jnp.sign(w) * (size * jnp.asarray(multiplier, w.dtype))
    return with_kernels(weights, tree.nested_dict(constants))


def with_kernels(weights: Tree, replaced: Tree) -> Tree:
    """The weights with some leaves replaced by those of the same path."""
    own: Mapping[str, Any] = tree.flat_dict(replaced)
    return tree.map_named(own.get, weights)


def whole_mask(weights: Tree, masks: Tree) -> Tree:
    """Masks of some leaves as a tree of the weights' structure, true elsewhere."""
    return with_kernels(jax.tree.map(lambda w: jnp.ones(w.shape, bool), weights), masks)


def densities(masks: Tree) -> dict[str, Float[Array, ""]]:
    """The share of ones in each mask, by path."""
    return tree.flat_dict(jax.tree.map(lambda m: jnp.mean(m, dtype=jnp.float32), masks))
