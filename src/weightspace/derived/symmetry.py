"""Symmetry: how many relabellings of hidden units leave a mask as it is, exactly; raw, and of units alive."""

import math
from typing import Any

import numpy as np

from weightspace.derived.propagated import names
from weightspace.errors import InputError
from weightspace.masks.propagate import alive, connected, restricted
from weightspace.models.base import layout_of
from weightspace.models.fit import check_fit
from weightspace.models.steps import Units
from weightspace.models.units import units_of
from weightspace.node import Derived, Found
from weightspace.spec import spec, static
from weightspace.symmetry.automorphisms import automorphisms
from weightspace.symmetry.graph import Net
from weightspace.symmetry.numbers import group_order, log10
from weightspace.symmetry.twins import classes, twin_products
from weightspace.tree import Tree, flat_dict


@spec
class Symmetry(Derived):
    """The mask's automorphism group: relabellings within hidden layers, inputs and outputs labelled.

    Columns, each for the mask as it is and, with `alive_` before its name, for the units that are alive
    and their connections alone (see `masks.propagate`), which is what figures show:

    - `units`; `order`, |Aut(M)|, a whole number of any size, and `order_digits`, log₁₀ of it;
    - `twin_order` and `twin_digits`, Π m! over classes of units with equal connections, a divisor;
    - `group_digits`, log₁₀ Π n_l!, and `lost_digits`, what is missing of it.

    And `twin_digits_<layer>`, `unique_units_<layer>`, `orbits_<layer>` of each hidden layer in the same two
    ways; `alive_units_<layer>`; `connected`, 1 where any input reaches any output (if none does, nothing is
    alive, and the order of no units is 1). Outputs: `orbits`, the number of each unit's orbit, and `living`,
    whether it is alive, by layer.

    Attributes:
      model: Whose weights the mask is for; see `models.units` for what is refused.
      shape: Of one input of the model.
      mask: The mask.
    """

    model: Any
    shape: tuple[int, ...] = static()
    mask: Any

    def compute(self) -> Found:
        """Both counts."""
        layout = layout_of(self.model, self.shape, "float32")
        check_fit("the mask", self.mask, layout, boolean=True)
        units = units_of(self.model, self.shape)
        check_kernels_alone(self.mask, units)
        net, layers = units.net(self.mask), names(units)
        living = alive(net)
        raw, orbits = counted(net, layers)
        of_alive, _ = counted(restricted(net), layers)
        by_layer = {f"alive_units_{name}": int(each.sum()) for name, each in zip(layers, living, strict=True)}
        arrays = {
            "orbits": dict(zip(layers, orbits, strict=True)),
            "living": dict(zip(layers, living, strict=True)),
        }
        told = {
            **raw,
            **{f"alive_{name}": value for name, value in of_alive.items()},
            "connected": int(connected(net)),
            **by_layer,
        }
        return Found(told, {name: found for name, found in arrays.items() if found})


def check_kernels_alone(mask: Tree, units: Units) -> None:
    """Raise where a mask takes away entries of biases or normalisation: units would differ in them too.

    Raises:
      InputError: For the first leaf that is no kernel and has a zero.
    """
    kernels = {step.path for step in units.steps}
    for path, flags in flat_dict(mask).items():
        if path not in kernels and not np.asarray(flags).all():
            raise InputError(
                f"the mask takes away entries of '{path}', which is no kernel; relabellings are counted "
                "of connections, so give a mask of kernels alone"
            )


def counted(net: Net, layers: tuple[str, ...]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The columns of a net, and the orbits of its units."""
    found, twins = automorphisms(net), twin_products(net)
    product = math.prod(twins)
    orbits = found.orbits()
    told: dict[str, Any] = {
        "units": sum(found.widths),
        "order": found.order,
        "order_digits": log10(found.order),
        "twin_order": product,
        "twin_digits": log10(product),
        "group_digits": log10(group_order(found.widths)),
        "lost_digits": found.lost_digits,
    }
    for name, twin, sizes, orbit in zip(layers, twins, classes(net), orbits, strict=True):
        told |= {
            f"twin_digits_{name}": log10(twin),
            f"unique_units_{name}": len(sizes),
            f"orbits_{name}": len(np.unique(orbit)),
        }
    return told, orbits
