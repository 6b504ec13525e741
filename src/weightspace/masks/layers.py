"""Layers: which kernels a mask is made for, as its maker says it."""

import re

from weightspace.errors import InputError
from weightspace.models.layout import Layout, Leaf

_NUMBERS = re.compile(r"\s*-?\d+\s*(,\s*-?\d+\s*)*")


def masked_kernels(layout: Layout, layers: str | None) -> tuple[Leaf, ...]:
    """The kernels that a mask is made for, in forward order; biases and norms are never masked.

    Args:
      layout: What each leaf of the model is.
      layers: None for all kernels but the output layer's; numbers of kernels in forward order, as `0,2`; or a
        selector of the layout (`kernel` for all of them, a glob over paths).

    Raises:
      InputError: If a number is out of range, or no kernel is selected.
    """
    kernels = [leaf for leaf in layout if leaf.kind == "kernel"]
    if layers is None:
        found = [leaf for leaf in kernels if not leaf.output]
        if not found:
            raise InputError(
                "the model has no kernel beside the output layer's, which is left dense unless it is named; "
                "name it: layers='output'"
            )
        return tuple(found)
    if _NUMBERS.fullmatch(layers):
        numbers = sorted({int(number) for number in layers.split(",")})
        for number in numbers:
            if not 0 <= number < len(kernels):
                names = ", ".join(f"{at} {leaf.path}" for at, leaf in enumerate(kernels))
                raise InputError(f"layer {number} is none of the model's {len(kernels)} kernels: {names}")
        return tuple(kernels[number] for number in numbers)
    chosen = set(layout.selected(layers, "the layers of a mask"))
    found = [leaf for leaf in kernels if leaf.path in chosen]
    if not found:
        raise InputError(
            f"layers='{layers}' selects {', '.join(sorted(chosen))}, but only kernels are masked; there are "
            f"{', '.join(leaf.path for leaf in kernels)}"
        )
    return tuple(found)
