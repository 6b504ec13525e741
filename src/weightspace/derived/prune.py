"""Prune: the mask after a round, from the weights at both ends of a training."""

from typing import Any, ClassVar

import numpy as np

from weightspace.masks.counts import DEFAULT_RATES, Rates
from weightspace.masks.criterion import Named
from weightspace.masks.prune import density, full_mask, prune
from weightspace.models.base import layout_of
from weightspace.models.layout import Layout
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Seeds, Stream, key
from weightspace.tree import Tree, flat_dict


@spec
class Prune(Derived):
    """One round of pruning, or several in one.

    Columns: `density` (share of the prunable weights that are kept), `kept` (how many), and
    `density_<layer>`, of its kernel. Output `mask`: booleans in the structure of the weights.

    Attributes:
      model: Whose weights they are.
      shape: Of one input of the model.
      criterion: By which weights are kept, or its name in `masks.criteria`.
      before: Weights before training, w_i.
      after: Weights after training, w_f.
      seeds: Ties are broken by the stream `MASK`.
      gradient: Loss gradient at w_i, for the criteria that need it.
      mask: Of the last round; None for a full one.
      rates: Shares removed, by kind of layer; or one number for all layers together.
      power: Rounds in one: with a full mask, one-shot pruning to the level of that round.
      round: Number of the round, so that ties fall anew in each.
      scope: `layer` ranks each kernel apart, `global` all together.
      rule: How shares become counts: `round`, or one of the originals' (`masks.counts.drop_count`).
      select: Which leaves are pruned, a selector of the layout; `*` takes biases and the rest too.
      empty: Whether a layer may lose all its weights, and the network be dead.
    """

    like: ClassVar = {"mask": ("before", "bool")}

    model: Any
    shape: tuple[int, ...] = static()
    criterion: Named
    before: Any
    after: Any
    seeds: Seeds
    gradient: Any = None
    mask: Any = None
    rates: Rates | float = DEFAULT_RATES
    power: int = 1
    round: int = 0
    scope: str = static(default="layer")
    rule: str = static(default="round")
    select: str = static(default="kernel", neutral="kernel")
    empty: bool = static(default=False, neutral=False)

    def compute(self) -> dict[str, Tree]:
        """The mask and its densities."""
        layout = layout_of(self.model, self.shape, "float32")
        mask = prune(
            self.before, self.after, self.gradient, self.mask, layout, self.criterion,
            key=key(self.seeds, Stream.MASK, self.round), rates=self.rates, power=int(self.power),
            scope=self.scope, rule=self.rule, select=self.select, empty=self.empty,
        )  # fmt: skip
        return {"mask": mask, **columns(mask, layout, self.select)}


def columns(mask: Tree, layout: Layout, select: str = "kernel") -> dict[str, float | int]:
    """The densities of a mask as columns: of the leaves selected in all, of kernels by layer."""
    flat = {path: np.asarray(leaf) for path, leaf in flat_dict(mask).items()}
    chosen = [flat[path] for path in layout.paths(select)]
    kept = sum(int(np.count_nonzero(leaf)) for leaf in chosen)
    found: dict[str, float | int] = {"density": kept / sum(leaf.size for leaf in chosen), "kept": kept}
    layers = {
        path.rpartition("/")[0].replace("/", "_"): share for path, share in density(mask, layout).items()
    }
    return found | {f"density_{layer}": share for layer, share in layers.items()}


@spec
class FullMask(Derived):
    """The mask that keeps everything. Output `mask`.

    Attributes:
      weights: Whose structure it has.
    """

    like: ClassVar = {"mask": ("weights", "bool")}

    weights: Any

    def compute(self) -> dict[str, Tree]:
        """Ones."""
        return {"mask": full_mask(self.weights)}
