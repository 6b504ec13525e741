"""Examples: the contract between what a run learns from and the training program.

A set may lie in a file, its arrays handed to the program once for all runs, or be drawn anew for each run
from the run's own seed and numbers.
"""

import abc
import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from weightspace.data.content import Split
from weightspace.data.digits import is_whole
from weightspace.spec import Spec
from weightspace.streams import Seeds


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Arrays:
    """What the program is passed once for all runs: numpy arrays until they are put on a device.

    Attributes:
      train: The training part, raw.
      test: The test part, raw.
      shift: Of decoded = (x - shift) · scale; a leading axis of one, then the shape of an input or ones.
      scale: As `shift`.
    """

    train: Split
    test: Split
    shift: Any
    scale: Any


class Partition(NamedTuple):
    """A run's rows of the training part.

    Attributes:
      train: Rows to train on; None for all, in order.
      validation: Rows set aside; None for none.
    """

    train: Int[Array, " n"] | None
    validation: Int[Array, " m"] | None


class Examples(Spec, abc.ABC):
    """What a run learns from, whether it lies in a file or is drawn anew for each run."""

    validation: Any
    """Examples of the training part that are set aside."""

    def decoding(self) -> tuple[Any, Any]:
        """Shift and scale of decoded = (x - shift) · scale, for inputs as they were given, in float64."""
        arrays = self.arrays()
        return arrays.shift, arrays.scale

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the set is called in tables."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""

    @property
    @abc.abstractmethod
    def classes(self) -> int | None:
        """The number of classes; None for regression."""

    @property
    @abc.abstractmethod
    def outputs(self) -> int:
        """The number of classes, or of targets an example."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """The training examples of one run."""

    @property
    def counted(self) -> str:
        """The sum that gives `size`, where examples are set aside: `240 given - 200 for validation = 40`."""
        return ""

    @abc.abstractmethod
    def arrays(self) -> Arrays:
        """What to put on the device, the same for all runs of a program."""

    @abc.abstractmethod
    def check(self) -> None:
        """Refuse, before anything is traced, what cannot be trained on."""

    def drawn(self, seeds: Seeds) -> Arrays | None:
        """A run's own examples, in compiled code; None where all runs share those of `arrays`."""
        return None

    def plane(self, seeds: Seeds) -> Float[Array, "k n"] | None:
        """Orthogonal vectors that span the inputs' subspace, in compiled code; None where none is known."""
        return None

    def partition(self, seeds: Seeds) -> Partition:
        """A run's rows of the training part, in compiled code."""
        return Partition(None, None)

    def labels(self, arrays: Arrays, seeds: Seeds) -> Int[Array, " n"] | None:
        """A run's own labels for the whole training part, in compiled code; None where they are clean."""
        return None

    def input_dtype(self, storage: str) -> str:
        """The type of inputs as a model is handed them: that of the run, or `int32` for names (tokens)."""
        return "int32" if is_whole(self.arrays().train.x) else storage

    def check_digits(self, dtype: str) -> None:
        """Refuse runs that compute in a type which would merge values that differ."""

    def decode(self, arrays: Arrays, x: Array | np.ndarray, dtype: Any) -> Num[Array, "..."]:
        """Raw inputs as floats, in compiled code; whole numbers other than uint8 are names and stay so.

        Args:
          arrays: As `arrays` or `drawn` gives them.
          x: Gathered raw inputs, with any leading axes.
          dtype: Of floats; computed in float32 at least.
        """
        if is_whole(x):
            return jnp.asarray(x, jnp.int32)
        wide = jnp.float64 if jnp.dtype(dtype) == jnp.float64 else jnp.float32

        def fit(statistic: Any) -> Array:
            inner = statistic.shape[1:]
            return jnp.asarray(statistic).astype(wide).reshape((1,) * (x.ndim - len(inner)) + inner)

        return ((jnp.asarray(x).astype(wide) - fit(arrays.shift)) * fit(arrays.scale)).astype(dtype)
