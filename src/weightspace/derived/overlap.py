"""Overlap: how much masks have in common, beside what masks drawn at random would have."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from weightspace.errors import InputError
from weightspace.models.base import layout_of
from weightspace.models.fit import check_fit
from weightspace.models.layout import Layout
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.tree import Tree, flat_dict


@spec
class Overlap(Derived):
    """Intersection over union of the kernels of every two masks.

    For masks of densities p and q drawn independently of each other, n weights a layer, the intersection has
    n p q entries on average and the union n (p + q - p q): the expected value is the ratio of these, summed
    over layers.

    Columns, as means over pairs of masks: `iou`, `expected_iou`, `iou_<layer>`, `expected_iou_<layer>`; with
    weights also `sign_agreement`, the share of the weights that both masks keep which have one sign. Output
    `matrix`: `iou`, `expected`, `layers/<layer>` and `signs`, each [masks, masks].

    Attributes:
      model: Whose masks they are.
      shape: Of one input of the model.
      masks: Two or more.
      weights: For each mask the trained weights whose signs are compared, or none.
    """

    model: Any
    shape: tuple[int, ...] = static()
    masks: tuple[Any, ...]
    weights: tuple[Any, ...] = ()

    def validate(self) -> None:
        """Two masks, and weights for each or for none."""
        if len(self.masks) < 2:
            raise InputError(f"an overlap needs two masks or more, not {len(self.masks)}")
        if len(self.weights) not in (0, len(self.masks)):
            raise InputError(
                f"{len(self.weights)} sets of weights are given for {len(self.masks)} masks; give one for "
                "each, or none"
            )

    def compute(self) -> dict[str, Tree]:
        """All pairs."""
        layout = layout_of(self.model, self.shape, "float32")
        masks = [_kernels(f"mask {i}", mask, layout, boolean=True) for i, mask in enumerate(self.masks)]
        layers = {path.rpartition("/")[0].replace("/", "_") or path: path for path in masks[0]}
        iou, expected = _matrices(masks, tuple(masks[0]))
        found: dict[str, Any] = {"iou": _mean_pair(iou), "expected_iou": _mean_pair(expected)}
        matrix: dict[str, Any] = {"iou": iou, "expected": expected, "layers": {}}
        for name, path in layers.items():
            own, chance = _matrices(masks, (path,))
            found |= {f"iou_{name}": _mean_pair(own), f"expected_iou_{name}": _mean_pair(chance)}
            matrix["layers"][name] = own
        if self.weights:
            weights = [_kernels(f"weights {i}", w, layout) for i, w in enumerate(self.weights)]
            matrix["signs"] = _pairs(
                len(masks), lambda i, j: sign_agreement(weights[i], weights[j], masks[i], masks[j])
            )
            found["sign_agreement"] = _mean_pair(matrix["signs"])
        return {**found, "matrix": matrix}


Kernels = dict[str, Any]
"""Arrays of a network's kernels, by path."""


def _kernels(what: str, given: Tree, layout: Layout, *, boolean: bool = False) -> Kernels:
    check_fit(what, given, layout, boolean=boolean)
    flat = flat_dict(given)
    return {path: np.asarray(flat[path]) for path in layout.paths("kernel")}


def _pairs(count: int, value: Any) -> Float[np.ndarray, "m m"]:
    """A symmetric matrix."""
    found = np.zeros((count, count))
    for i, j in itertools.combinations_with_replacement(range(count), 2):
        found[i, j] = found[j, i] = value(i, j)
    return found


def _matrices(
    masks: Sequence[Kernels], paths: Sequence[str]
) -> tuple[Float[np.ndarray, "m m"], Float[np.ndarray, "m m"]]:
    """Intersection over union of some kernels together, and what is expected of independent masks."""

    def own(i: int, j: int) -> float:
        both = sum(np.count_nonzero(masks[i][path] & masks[j][path]) for path in paths)
        either = sum(np.count_nonzero(masks[i][path] | masks[j][path]) for path in paths)
        return both / either if either else float("nan")

    def chance(i: int, j: int) -> float:
        both = sum(expected_intersection(masks[i][path], masks[j][path]) for path in paths)
        total = sum(np.count_nonzero(m[path]) for m in (masks[i], masks[j]) for path in paths)
        return both / (total - both) if total else float("nan")

    return _pairs(len(masks), own), _pairs(len(masks), chance)


def expected_intersection(a: Bool[np.ndarray, "..."], b: Bool[np.ndarray, "..."]) -> float:
    """The mean number of common entries of independent random masks that keep as many as these do."""
    return np.count_nonzero(a) * np.count_nonzero(b) / a.size


def sign_agreement(a: Kernels, b: Kernels, mask_a: Kernels, mask_b: Kernels) -> float:
    """The share of the weights kept by both masks whose signs agree; NaN where none is."""
    both = {path: mask_a[path] & mask_b[path] for path in mask_a}
    same = sum(np.count_nonzero(both[path] & (np.sign(a[path]) == np.sign(b[path]))) for path in both)
    total = sum(np.count_nonzero(kept) for kept in both.values())
    return same / total if total else float("nan")


def _mean_pair(matrix: Float[np.ndarray, "m m"]) -> float:
    """The mean over pairs of different masks."""
    return float(matrix[np.triu_indices(len(matrix), 1)].mean())
