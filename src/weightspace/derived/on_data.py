"""A trained ReLU network, its training points and a slice through its inputs: what several values start from.

The slice is the plane that the data lie in where they lie in one (an embedded function of two variables), or
any other; the training points are those of the run with these seeds.
"""

import functools
from typing import Any

import numpy as np

from weightspace import platform
from weightspace.data.examples import Examples
from weightspace.derived.chain import Chain, Points, chain_of
from weightspace.derived.slices import Slice
from weightspace.errors import InputError
from weightspace.node import Derived
from weightspace.spec import spec


@spec
class OnData(Derived):
    """A network, its training points and a plane.

    Attributes:
      model: The network, a chain of dense layers with ReLU between them.
      weights: Its weights.
      data: What the run learnt from, or the training points themselves [n, ...].
      frame: The two vectors of the slice [2, ...]: its points are origin + z @ frame, z ∈ [-1, 1]². None for
        the plane that the data say they lie in.
      origin: The input of z = (0, 0); None for zero.
      seeds: The run's seeds, by which it drew or chose its examples; not needed with points.
    """

    model: Any
    weights: Any
    data: Any
    frame: Any = None
    origin: Any = None
    seeds: Any = None

    def validate(self) -> None:
        """Seeds wherever examples may depend on them."""
        if isinstance(self.data, Examples) and self.seeds is None:
            raise InputError(
                f"{type(self).__name__} of {self.data.name} needs the seeds of the run, by which its "
                "examples were chosen; give seeds=run.seeds"
            )

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.data.shape if isinstance(self.data, Examples) else np.shape(self.data)[1:])

    def chain(self) -> Chain:
        """The network's layers."""
        return chain_of(self.model, self.weights, self.shape)

    def points(self) -> Points:
        """The training points as vectors.

        Raises:
          InputError: If there are none, or they are no examples with a leading axis.
        """
        x = self._examples(self.data) if isinstance(self.data, Examples) else np.asarray(self.data)
        if x.ndim < 2 or not len(x):
            raise InputError(f"training points are [n, ...] with n at least 1, not of shape {x.shape}")
        return x.reshape(len(x), -1).astype(np.float64)

    def _examples(self, data: Examples) -> np.ndarray:
        # As the compiled program draws and decodes them in single precision.
        with platform.arithmetic("float32", "highest"):
            arrays = data.drawn(self.seeds)
            arrays = data.arrays() if arrays is None else arrays
            rows = data.partition(self.seeds).train
            x = np.asarray(arrays.train.x)
            chosen = x if rows is None else x[np.asarray(rows)]
            return np.asarray(data.decode(arrays, chosen, "float32"))

    def plane(self) -> Slice | None:
        """The slice; None where none is given and the data know none.

        Raises:
          InputError: If frame or origin are not of the inputs' shape.
        """
        frame = self.frame
        if frame is None and isinstance(self.data, Examples):
            with platform.arithmetic("float32", "highest"):
                frame = self.data.plane(self.seeds)
        if frame is None:
            return None
        axes, size = np.asarray(frame, np.float64), int(np.prod(self.shape))
        origin = np.zeros(size) if self.origin is None else np.asarray(self.origin, np.float64).ravel()
        if len(axes) != 2 or axes.size != 2 * size or origin.size != size:
            raise InputError(
                f"frame is of shape {axes.shape} and the origin has {origin.size} numbers, but inputs have "
                f"shape {self.shape}: give two vectors and a point of that shape"
            )
        return Slice(origin, axes.reshape(2, size))

    def needed_plane(self) -> Slice:
        """The slice.

        Raises:
          InputError: If there is none.
        """
        plane = self.plane()
        if plane is None:
            raise InputError(
                f"{type(self).__name__} looks at a plane, but these data know none; give frame=, two vectors "
                f"of shape {self.shape}"
            )
        return plane
