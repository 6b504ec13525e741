"""MaskLike: a mask with as many weights in each layer as another one, chosen by a criterion of its own.

What a learned mask is worth shows beside masks that only share its densities: a random one, or that of the
largest final weights.
"""

from typing import Any, ClassVar

import numpy as np

from weightspace.derived.prune import columns
from weightspace.errors import InputError
from weightspace.masks.criterion import Named
from weightspace.masks.prune import keep
from weightspace.masks.score import score
from weightspace.models.base import layout_of
from weightspace.models.fit import check_fit
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Seeds, Stream, key, named
from weightspace.tree import Tree, flat_dict, map_named


@spec
class MaskLike(Derived):
    """The best weights of each kernel by a criterion, as many as another mask keeps there.

    Columns as for `Prune`. Output `mask`.

    Attributes:
      model: Whose weights they are.
      shape: Of one input of the model.
      mask: The mask whose counts are taken.
      criterion: By which weights are kept, or its name in `masks.criteria`; none of the `_single` ones.
      before: Weights before training, w_i.
      after: Weights after training, w_f.
      seeds: Ties are broken by the stream `MASK`.
      gradient: Loss gradient at w_i, for the criteria that need it.
    """

    like: ClassVar = {"mask": ("mask", "bool")}

    model: Any
    shape: tuple[int, ...] = static()
    mask: Any
    criterion: Named
    before: Any
    after: Any
    seeds: Seeds
    gradient: Any = None

    def validate(self) -> None:
        """A criterion that ranks weights."""
        if self.criterion.fixed:
            raise InputError(f"'{self.criterion.name}' is a mask itself and keeps no given number of weights")

    def compute(self) -> dict[str, Tree]:
        """The mask and its densities."""
        layout = layout_of(self.model, self.shape, "float32")
        check_fit("the mask", self.mask, layout, boolean=True)
        for name in ("before", "after"):
            check_fit(f"'{name}'", getattr(self, name), layout)
        kernels = set(layout.paths("kernel"))
        slopes = {} if self.gradient is None else flat_dict(self.gradient)
        salt = key(self.seeds, Stream.MASK)

        def chosen(path: str, *arrays: Any) -> np.ndarray:
            like, before, after = (np.asarray(a) for a in arrays)
            if path not in kernels:
                return np.ones(like.shape, bool)
            values = {"before": before, "after": after, "gradient": slopes.get(path)}
            scores = score(self.criterion, values, layout[path], named(salt, path))
            there = np.ones(like.shape, bool)
            return keep(scores, there, int(np.count_nonzero(like)), named(salt, path))

        mask = map_named(chosen, self.mask, self.before, self.after)
        return {"mask": mask, **columns(mask, layout)}
