"""RandomMask: a sparse network drawn at random, with exact numbers of weights by layer."""

from typing import Any

import jax
import numpy as np

from weightspace.errors import check_choice, check_number
from weightspace.masks.densities import DISTRIBUTIONS, kept_counts
from weightspace.masks.pattern import drawn
from weightspace.models.base import input_dtype_of, layout_of
from weightspace.models.layout import Layout
from weightspace.node import Derived
from weightspace.spec import spec, static
from weightspace.streams import Seeds, Stream, key, named
from weightspace.tree import Tree, map_named


@spec
class RandomMask(Derived):
    """A random mask: in each kernel a given number of weights, all sets of that size alike. Output `mask`.

    Attributes:
      model: Whose weights it masks.
      shape: Of one input of the model.
      seeds: The stream is `mask`, each leaf draws by its path.
      density: The share of all kernels' weights that is kept.
      distribution: How they are shared out over the layers, see `masks.densities`.
      dense: Which kernels stay full, as a selector of the layout (`output`, a glob over paths), or None.
    """

    model: Any
    shape: tuple[int, ...] = static()
    seeds: Seeds
    density: float
    distribution: str = static(default="erk")
    dense: str | None = static(default=None)

    def validate(self) -> None:
        """A share in (0, 1], a known distribution."""
        check_number(
            "density", self.density, above=0, most=1, hint="It is the share kept, not the share removed."
        )
        check_choice("distribution", self.distribution, DISTRIBUTIONS)

    def blank(self) -> dict[str, Tree]:
        """As the weights, but booleans."""
        return {"mask": jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, bool), self._weights())}

    def _weights(self) -> Tree:
        blank = jax.ShapeDtypeStruct((1, *self.shape), input_dtype_of(self.model, self.shape))
        return jax.eval_shape(self.model.init, jax.random.key(0, impl="threefry2x32"), blank)[0]

    def layout(self) -> Layout:
        """What each leaf of the weights is."""
        return layout_of(self.model, self.shape, "float32")

    def compute(self) -> dict[str, Tree]:
        """The mask."""
        counts = kept_counts(self.layout(), float(self.density), self.distribution, self.dense)
        mask_key = key(self.seeds, Stream.MASK)

        def one(path: str, leaf: Any) -> np.ndarray:
            if path not in counts:
                return np.ones(leaf.shape, bool)
            size = int(np.prod(leaf.shape))
            return drawn(size, counts[path], named(mask_key, path)).reshape(leaf.shape)

        return {"mask": map_named(one, self._weights())}
