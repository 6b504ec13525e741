"""Densities: how a number of weights is shared out over the layers of a sparse network.

| name      | density of a layer                                | source                        |
|-----------|---------------------------------------------------|-------------------------------|
| `uniform` | the same for all                                  | –                             |
| `er`      | ε (n_in + n_out) / (n_in n_out)                   | Mocanu et al., 2018, eq. 1    |
| `erk`     | ε (sum of the kernel's axes) / (their product)    | Evci et al., 2020, section 3  |

ε is such that the whole network has the density asked for; where a layer would be more than full it is full,
and the others share the rest. On dense layers the last two agree. Counts are whole numbers whose sum is
exactly ⌊density · N + ½⌋ over the N weights of all kernels.
"""

import math
from collections.abc import Sequence

import numpy as np

from weightspace.errors import InputError, check_choice, check_number
from weightspace.models.layout import Layout, Leaf

DISTRIBUTIONS = ("uniform", "er", "erk")


def kept_counts(
    layout: Layout, density: float, distribution: str, dense: str | None = None
) -> dict[str, int]:
    """How many weights each kernel keeps, by path.

    >>> from weightspace.models.layout import Layout, Leaf
    >>> big = Leaf("a/kernel", (100, 100), "kernel", "a", 0)
    >>> small = Leaf("b/kernel", (100, 10), "kernel", "b", 1)
    >>> kept_counts(Layout((big, small)), 0.1, "uniform")
    {'a/kernel': 1000, 'b/kernel': 100}
    >>> kept_counts(Layout((big, small)), 0.1, "erk")
    {'a/kernel': 710, 'b/kernel': 390}

    Args:
      layout: What each leaf of the model is.
      density: The share of all kernels' weights that is kept, in (0, 1].
      distribution: One of `DISTRIBUTIONS`.
      dense: Which kernels stay full, as a selector of the layout; the others have the density by themselves.

    Raises:
      InputError: If a value is out of range, or the selector names no leaf.
    """
    check_number("density", density, above=0, most=1, hint="It is the share kept, not the share removed.")
    check_choice("distribution", distribution, DISTRIBUTIONS)
    full = set() if dense is None else set(layout.selected(dense, "the kernels that stay dense"))
    kernels = [leaf for leaf in layout if leaf.kind == "kernel"]
    sparse = [leaf for leaf in kernels if leaf.path not in full]
    if not sparse:
        raise InputError("no kernel is left to be sparse: the model has none, or all of them stay dense")
    exact = [share * leaf.size for share, leaf in _shares(sparse, density, distribution)]
    found = {leaf.path: count for leaf, count in zip(sparse, _rounded(exact, density, sparse), strict=True)}
    if empty := [path for path, count in found.items() if not count]:
        raise InputError(
            f"layer '{empty[0]}' would keep none of its weights at a density of {density}; raise it"
        )
    return {leaf.path: found.get(leaf.path, leaf.size) for leaf in kernels}


def _shares(kernels: Sequence[Leaf], density: float, distribution: str) -> list[tuple[float, Leaf]]:
    """The density of each kernel, none above one."""
    raw = {leaf.path: _raw(leaf, distribution) for leaf in kernels}
    wanted = density * sum(leaf.size for leaf in kernels)
    full: set[str] = set()
    while True:
        rest = [leaf for leaf in kernels if leaf.path not in full]
        left = wanted - sum(leaf.size for leaf in kernels if leaf.path in full)
        scale = left / sum(raw[leaf.path] * leaf.size for leaf in rest) if rest else 0.0
        over = {leaf.path for leaf in rest if scale * raw[leaf.path] > 1}
        if not over:
            return [(1.0 if leaf.path in full else scale * raw[leaf.path], leaf) for leaf in kernels]
        full |= over


def _raw(leaf: Leaf, distribution: str) -> float:
    """A kernel's density up to a factor that is the same for all."""
    if distribution == "uniform":
        return 1.0
    axes = leaf.shape
    if distribution == "er" and leaf.out_axis is not None:
        axes = (leaf.fan_in, leaf.shape[leaf.out_axis])
    return sum(axes) / math.prod(axes)


def _rounded(exact: Sequence[float], density: float, kernels: Sequence[Leaf]) -> list[int]:
    """Whole numbers next to the exact ones with the right sum: the largest remainders are rounded up."""
    total = math.floor(density * sum(leaf.size for leaf in kernels) + 0.5)
    down = np.floor(np.asarray(exact) + 1e-9).astype(int)
    remainders = np.asarray(exact) - down
    for place in np.argsort(-remainders, kind="stable")[: max(0, total - int(down.sum()))]:
        down[place] += 1
    return [int(count) for count in down]
