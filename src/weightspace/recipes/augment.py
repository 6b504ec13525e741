"""Augmentation: what happens to the images of a batch before the network sees them, inside the compiled step.

Each example's draw is made of the run's own stream `AUGMENT`, the step and the number of the example, so that
it depends neither on its neighbours nor on its place in the batch, and runs of one seed see the same images.
Images are changed as they are stored, before they are decoded: what lies beyond their border is 0, as in the
original recipes. Only training sees it, and what goes by a step's own batch: gradients that probes record,
and those by which RigL grows weights. Evaluations and estimates of statistics take the images as they are.
"""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Num

from weightspace.errors import InputError, check_number
from weightspace.spec import Spec, spec

Images = Num[Array, "batch height width channels"]


class Augmentation(Spec, abc.ABC):
    """A change of images; a subclass is made by `@spec`, its numbers are leaves."""

    @abc.abstractmethod
    def __call__(self, key: Key[Array, ""], numbers: Int[Array, " batch"], x: Images) -> Images:
        """Images as training sees them, in compiled code.

        Args:
          key: Of the stream `AUGMENT` at this step.
          numbers: Of the examples in the training part.
          x: As they are stored.
        """

    def check(self, data: Any) -> None:
        """Refuse, before anything is traced, what are no images.

        Args:
          data: The examples of a task.

        Raises:
          InputError: Unless examples are [height, width, channels].
        """
        if len(data.shape) != 3 or data.input_dtype("float32") != "float32":
            raise InputError(
                f"{type(self).__name__} changes images [height, width, channels], but examples of "
                f"{data.name} have shape {tuple(data.shape)}"
                + ("" if len(data.shape) != 3 else " and are names (whole numbers)")
                + "; leave the augmentation out"
            )


@spec
class CropFlip(Augmentation):
    """A random crop of the size of the image from the image padded with 0, then a flip from left to right.

    Each of both offsets is uniform over the 2 p + 1 that there are.

    Attributes:
      padding: p, pixels on each side; 0 crops nothing.
      flip: The probability of a flip.
    """

    padding: int = 4
    flip: float = 0.5

    def validate(self) -> None:
        """Whole pixels, a probability."""
        check_number("padding", self.padding, least=0)
        check_number("flip", self.flip, least=0, most=1)

    def check(self, data: Any) -> None:
        """Images that are larger than what is cut off.

        Raises:
          InputError: Unless they are.
        """
        super().check(data)
        side = min(data.shape[:2])
        if self.padding >= side:
            raise InputError(
                f"padding is {self.padding}, but images of {data.name} have a side of {side} pixels, of "
                f"which a crop might keep none; take at most {side - 1}"
            )

    def __call__(self, key: Key[Array, ""], numbers: Int[Array, " batch"], x: Images) -> Images:
        """One crop and flip for each image."""
        padding = jnp.asarray(self.padding, jnp.int32)

        def one(number: Int[Array, ""], image: Any) -> Any:
            draws = jax.random.uniform(jax.random.fold_in(key, number.astype(jnp.uint32)), (3,), jnp.float32)
            places = jnp.floor(draws[:2] * (2 * padding + 1).astype(jnp.float32)).astype(jnp.int32)
            down, right = jnp.minimum(places, 2 * padding) - padding
            height, width, _ = image.shape
            rows, columns = jnp.arange(height, dtype=jnp.int32), jnp.arange(width, dtype=jnp.int32)
            columns = jnp.where(draws[2] < jnp.asarray(self.flip, jnp.float32), columns[::-1], columns)
            rows, columns = rows + down, columns + right
            inside = _within(rows, height)[:, None, None] & _within(columns, width)[None, :, None]
            # Beyond the border any pixel may be read: it is not taken.
            taken = image[jnp.clip(rows, 0, height - 1)][:, jnp.clip(columns, 0, width - 1)]
            return jnp.where(inside, taken, jnp.zeros_like(taken))

        return jax.vmap(one)(numbers, x)


def _within(places: Int[Array, " n"], size: int) -> Any:
    return (places >= 0) & (places < size)
