"""SparseStart: initial weights of a sparse network, as `Masked(mask, start=…)` takes them."""

from typing import Any, ClassVar

import jax
import numpy as np

from weightspace.errors import InputError, check_choice
from weightspace.masks.start import RULES, sparse_start
from weightspace.models.base import example, input_dtype_of, layout_of
from weightspace.models.fit import check_fit
from weightspace.models.units import has_units
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Keys, Seeds, Stream, named
from weightspace.tree import Tree, flat_dict, map_named


@spec
class SparseStart(Derived):
    """Kernels whose variance goes by the ones that each unit has, see `masks.start`. Output `weights`.

    All other leaves are drawn as the model draws them from these seeds.

    Attributes:
      model: Whose weights they are.
      shape: Of one input of the model.
      mask: Booleans as the weights.
      seeds: The stream is `init`; each kernel draws by its path.
      rule: `kaiming` (variance 2 / k_i) or `xavier` (2 / (k_i + A)).
      output_rule: The rule of the output layer's kernels.
    """

    like: ClassVar = {"weights": ("mask", "float32")}

    model: Any
    shape: tuple[int, ...] = static()
    mask: Any
    seeds: Seeds
    rule: str = static(default="kaiming")
    output_rule: str = static(default="xavier")

    def validate(self) -> None:
        """Known rules."""
        check_choice("rule", self.rule, RULES)
        check_choice("output_rule", self.output_rule, RULES)

    def compute(self) -> dict[str, Tree]:
        """The weights."""
        layout = layout_of(self.model, self.shape, "float32")
        check_fit("the mask", self.mask, layout, boolean=True)
        key = Keys(self.seeds)(Stream.INIT)
        blank = example(self.shape, input_dtype_of(self.model, self.shape))
        drawn, _ = jax.jit(self.model.init)(key, np.zeros(blank.shape, blank.dtype))
        flags = flat_dict(self.mask)

        def one(path: str, leaf: Any) -> np.ndarray:
            place = layout[path]
            if place.kind != "kernel":
                return np.asarray(leaf)
            if not has_units(place) or place.out_axis is None:
                raise InputError(
                    f"kernel '{path}' of shape {place.shape} has no single axis of units, by whose inputs "
                    "the variance could go; leave start= away for this model"
                )
            rule = self.output_rule if place.output else self.rule
            return sparse_start(np.asarray(flags[path]), place.out_axis, rule, named(key, path))

        return {"weights": map_named(one, drawn)}
