"""Density: how much of the network a mask keeps, in all and layer by layer."""

from collections.abc import Mapping

import jax.numpy as jnp

from weightspace.errors import InputError
from weightspace.models.layout import Layout, Leaf, kernels_by_module
from weightspace.probes.base import At, Carry, Probe, Scalar, Training
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.spec import spec, static
from weightspace.tree import flat_dict


@spec
class Density(Probe):
    """Columns `density`, `density_<layer>`: the share of ones in the masks of all kernels and of a layer's.

    They are of the mask at each named point of the space, whose name goes before the column. Where the mask
    is random, `expected_density` and `expected_density_<layer>` are means of the probabilities.

    The space's weights must be masked (`Space.mask_at`), by itself or within another space.

    Attributes:
      names: Points of the space; "" is its default.
      layers: Whether there is a column for each layer, the module's path with `_` for `/`.
    """

    names: tuple[str, ...] = static(default=(DEFAULT_POINT,))
    layers: bool = static(default=True)

    def check(self, run: Training, layout: Layout) -> None:
        """The space has masks, and the model has kernels."""
        if not run.space.masked:
            raise InputError(
                f"the probe 'density' needs a space with masks, such as Supermask or EdgePopup, but the run "
                f"trains in '{run.space.name}'"
            )
        if not layout.paths("kernel"):
            raise InputError("the probe 'density' counts over kernels, but the model has none")

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """The shares now."""
        space = at.run.space
        record: dict[str, Scalar] = {}
        for name in self.names:
            mask = flat_dict(space.mask_at(at.fixed, at.theta, space.point(at.fixed, at.theta, name)))
            shares = {leaf.path: jnp.mean(mask[leaf.path], dtype=jnp.float32) for leaf in _kernels(at.layout)}
            record |= self._columns(f"{name}_density" if name else "density", shares, at.layout)
        if expected := space.expected_density(at.fixed, at.theta):
            record |= self._columns("expected_density", expected, at.layout)
        return record, carry

    def _columns(self, label: str, shares: Mapping[str, Scalar], layout: Layout) -> dict[str, Scalar]:
        groups: dict[str, list[Leaf]] = {label: _kernels(layout)}
        if self.layers:
            groups |= {f"{label}_{name}": leaves for name, leaves in kernels_by_module(layout).items()}
        return {column: _mean(shares, leaves) for column, leaves in groups.items()}


def _kernels(layout: Layout) -> list[Leaf]:
    return [leaf for leaf in layout if leaf.kind == "kernel"]


def _mean(shares: Mapping[str, Scalar], leaves: list[Leaf]) -> Scalar:
    """The mean share, each leaf weighted by its entries."""
    total = sum(leaf.size for leaf in leaves)
    return jnp.sum(jnp.stack([shares[leaf.path] * (leaf.size / total) for leaf in leaves]))
