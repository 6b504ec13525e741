"""PatternMask: a sparse network's mask by a pattern, the same share of zeros in each layer."""

from typing import Any

import jax
import numpy as np

from weightspace.derived.prune import columns
from weightspace.errors import InputError, check_number
from weightspace.masks.layers import masked_kernels
from weightspace.masks.pattern import Named, Pattern, Place
from weightspace.models.base import input_dtype_of, layout_of
from weightspace.models.layout import Leaf
from weightspace.models.steps import Step
from weightspace.models.units import has_units, units_of
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Seeds, Stream, key, named
from weightspace.tree import Tree, map_named


@spec
class PatternMask(Derived):
    """A mask by a pattern. Output `mask`.

    Columns as for `Prune`, and `masked_sparsity`, the share of zeros over the kernels that the mask is for.

    Attributes:
      model: Whose weights it masks.
      shape: Of one input of the model.
      seeds: The stream is `mask`, each layer draws by its path: no two layers share a draw.
      pattern: How ones are placed, or its name in `masks.patterns`.
      sparsity: The share of zeros in each layer that is masked, in [0, 1].
      layers: Which kernels, see `masks.layers`; all but the output's unless said.
    """

    model: Any
    shape: tuple[int, ...] = static()
    seeds: Seeds
    pattern: Named
    sparsity: float
    layers: str | None = static(default=None)

    def validate(self) -> None:
        """A share in [0, 1]."""
        check_number(
            "sparsity", self.sparsity, least=0, most=1, hint="It is the share removed, not the share kept."
        )

    def blank(self) -> dict[str, Tree]:
        """As the weights, but booleans."""
        return {"mask": jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, bool), self._weights())}

    def _weights(self) -> Tree:
        given = jax.ShapeDtypeStruct((1, *self.shape), input_dtype_of(self.model, self.shape))
        return jax.eval_shape(self.model.init, jax.random.key(0, impl="threefry2x32"), given)[0]

    def compute(self) -> dict[str, Tree]:
        """The mask and its densities."""
        layout = layout_of(self.model, self.shape, "float32")
        kernels = {leaf.path: leaf for leaf in masked_kernels(layout, self.layers)}
        steps = self._steps(tuple(kernels.values()))
        first = next(leaf.path for leaf in layout if leaf.kind == "kernel")
        mask_key = key(self.seeds, Stream.MASK)

        def one(path: str, leaf: Any) -> np.ndarray:
            if path not in kernels:
                return np.ones(leaf.shape, bool)
            step = steps.get(path)
            sizes = (int(np.prod(leaf.shape)), 1, 1) if step is None else (step.inputs, step.units, step.taps)
            place = Place(path, *sizes, first=path == first)
            flags = self.pattern.flags(place, float(self.sparsity), named(mask_key, path))
            return flags.reshape(leaf.shape) if step is None else step.kernel(flags)

        mask = map_named(one, self._weights())
        return {"mask": mask, **columns(mask, layout), "masked_sparsity": _sparsity(mask, kernels)}

    def _steps(self, kernels: tuple[Leaf, ...]) -> dict[str, Step]:
        """How kernels connect units: of the network where the pattern must know it, else each by itself."""
        pattern: Pattern = self.pattern
        if pattern.by_units:
            return {step.path: step for step in units_of(self.model, self.shape).steps}
        for leaf in kernels:
            if pattern.by_neurons and not has_units(leaf):
                raise InputError(
                    f"the pattern '{pattern.name}' places ones unit by unit, but kernel '{leaf.path}' of "
                    f"shape {leaf.shape} has no single axis of units; take 'random' or 'bernoulli', "
                    "or name other layers"
                )
        return {leaf.path: Step.plain(leaf) for leaf in kernels if has_units(leaf)}


def _sparsity(mask: Tree, kernels: dict[str, Leaf]) -> float:
    zeros: list[int] = []
    map_named(lambda path, flags: zeros.append(int((~flags).sum()) if path in kernels else 0), mask)
    return sum(zeros) / sum(leaf.size for leaf in kernels.values())
