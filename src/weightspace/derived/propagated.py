"""Propagated: a mask without what dead units leave behind, and how much that is."""

from typing import Any, ClassVar

from weightspace.derived.prune import columns
from weightspace.masks.propagate import alive, connected, propagated
from weightspace.models.base import layout_of
from weightspace.models.fit import check_fit
from weightspace.models.units import units_of
from weightspace.node import Derived, Found
from weightspace.spec import spec, static


@spec
class Propagated(Derived):
    """A mask whose ones all lie on paths from inputs to outputs. Output `mask`; biases are left.

    Columns as for `Prune`, of the new mask; `cut`, the ones that went; `units`, `alive_units`, and
    `alive_units_<layer>`; `connected`, 1 where any input reaches any output.

    Attributes:
      model: Whose weights it masks; see `models.units` for what is refused.
      shape: Of one input of the model.
      mask: The mask.
    """

    like: ClassVar = {"mask": ("mask", "bool")}

    model: Any
    shape: tuple[int, ...] = static()
    mask: Any

    def compute(self) -> Found:
        """The mask at the fixpoint."""
        layout = layout_of(self.model, self.shape, "float32")
        check_fit("the mask", self.mask, layout, boolean=True)
        units = units_of(self.model, self.shape)
        net = units.net(self.mask)
        mask = units.put(self.mask, propagated(net))
        told, before = columns(mask, layout), columns(self.mask, layout)
        living = [int(each.sum()) for each in alive(net)]
        numbers = {
            "cut": before["kept"] - told["kept"],
            "units": sum(units.widths),
            "alive_units": sum(living),
            "connected": int(connected(net)),
        }
        by_layer = {f"alive_units_{name}": n for name, n in zip(names(units), living, strict=True)}
        return Found({**told, **numbers, **by_layer}, {"mask": mask})


def names(units: Any) -> tuple[str, ...]:
    """The hidden layers as parts of columns' names."""
    return tuple(layer.replace("/", "_") for layer in units.layers)
