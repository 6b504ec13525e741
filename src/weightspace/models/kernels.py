"""Kernels of a network, layer by layer, as columns name them."""

from weightspace.models.layout import Layout, Leaf


def kernels_by_module(layout: Layout) -> dict[str, list[Leaf]]:
    """The kernels of each module, by its path with `_` for `/`, as parts of columns' names."""
    found: dict[str, list[Leaf]] = {}
    for leaf in layout:
        if leaf.kind == "kernel":
            found.setdefault((leaf.module or leaf.path).replace("/", "_"), []).append(leaf)
    return found
