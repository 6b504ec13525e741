"""Prune: the mask after a round, from the weights at both ends of a training."""

from typing import Any, ClassVar

from weightspace.masks.counts import DEFAULT_RATES, Rates
from weightspace.masks.criterion import Named
from weightspace.masks.prune import density, full_mask, prune
from weightspace.models.base import layout_of
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Seeds, Stream, key
from weightspace.tree import Tree


@spec
class Prune(Derived):
    """One round of pruning, or several in one.

    Columns: `density` (share of the prunable weights that are kept), `kept` (how many), and
    `density_<layer>`. Output `mask`: booleans in the structure of the weights.

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
      rule: How shares become counts: `round`, or the original's `legacy`.
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

    def compute(self) -> dict[str, Tree]:
        """The mask and its densities."""
        layout = layout_of(self.model, self.shape, "float32")
        mask = prune(
            self.before, self.after, self.gradient, self.mask, layout, self.criterion,
            key=key(self.seeds, Stream.MASK, self.round), rates=self.rates, power=int(self.power),
            scope=self.scope, rule=self.rule,
        )  # fmt: skip
        return {"mask": mask, **columns(mask, layout)}


def columns(mask: Tree, layout: Any) -> dict[str, float | int]:
    """The densities of a mask as columns."""
    each = density(mask, layout)
    sizes = {path: layout[path].size for path in each}
    kept = sum(round(share * sizes[path]) for path, share in each.items())
    found: dict[str, float | int] = {"density": kept / sum(sizes.values()), "kept": kept}
    return found | {f"density_{path.rpartition('/')[0].replace('/', '_')}": each[path] for path in each}


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
