"""Pattern: the contract of what places a given share of ones in a layer's mask, without looking at weights.

A pattern is handed the place that it is to fill and a key of that layer's own. Counts are exact whole
numbers of the decimal sparsity that was written: at s = 0.1 of 1,000 entries 100 are zero, as ⌈s · size⌉
would not be in floating point. Members, and their names, are in `masks.patterns`.
"""

import abc
import dataclasses
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from weightspace.errors import InputError
from weightspace.masks.select import best
from weightspace.spec import Spec

Flags = Bool[np.ndarray, "_ _ _"]
"""[inputs, units, taps]"""


@dataclasses.dataclass(frozen=True)
class Place:
    """A layer whose mask is made.

    Attributes:
      path: Of its kernel.
      inputs: How many units it takes; features of the data where it is the first.
      units: How many it gives.
      taps: Entries that connect an input with a unit.
      first: Whether its inputs are labelled, as those of the first layer are.
    """

    path: str
    inputs: int
    units: int
    taps: int = 1
    first: bool = False

    @property
    def fan_in(self) -> int:
        """Entries of one unit."""
        return self.inputs * self.taps

    @property
    def size(self) -> int:
        """Entries of the layer."""
        return self.fan_in * self.units


class Pattern(Spec, abc.ABC):
    """A rule by which the ones of a layer's mask are placed."""

    label: ClassVar[str]
    """What it is called in tables and on the command line, where options may follow."""
    by_units: ClassVar[bool] = False
    """Whether it must know which entries of a kernel belong to which hidden unit."""
    by_neurons: ClassVar[bool] = True
    """Whether it places ones unit by unit."""

    @property
    def name(self) -> str:
        """What it is called, with the options that are not the default."""
        changed = [
            f"{field.name}={getattr(self, field.name)}"
            for field in dataclasses.fields(cast(Any, self))
            if getattr(self, field.name) != field.default
        ]
        return self.label + (":" + ",".join(changed) if changed else "")

    @classmethod
    def parse(cls, given: Any) -> "Pattern":
        """A pattern as it is, or by name: what a field of this type does with what it is given."""
        from weightspace.masks.patterns import make_pattern

        if isinstance(given, str):
            return make_pattern(given)
        raise InputError(
            f"a pattern is {given!r:.80} of type {type(given).__name__}; give a name, as 'per_neuron', or an "
            "instance of a Pattern, as PerNeuron()"
        )

    @abc.abstractmethod
    def flags(self, place: Place, sparsity: float, key: Key[Array, ""]) -> Flags:
        """The mask of a layer.

        Args:
          place: The layer.
          sparsity: The share of zeros, in [0, 1].
          key: The layer's own.

        Raises:
          InputError: If a layer of this shape cannot have that sparsity in this pattern.
        """


if TYPE_CHECKING:
    Named = Any
else:
    Named = Pattern | str
    """What a field takes that becomes a pattern."""


ROUNDING = Fraction(1, 10**9)
"""Entries that a sparsity in float64 is off by at the most."""


def zeros_of(size: int, sparsity: float) -> int:
    """⌈s · size⌉, where s may be off by the rounding of a computation, as 1 - 0.7 is.

    >>> zeros_of(1000, 0.1), zeros_of(10, 0.25), zeros_of(1000, 1 - 0.7)
    (100, 3, 300)
    """
    return math.ceil(Fraction(str(float(sparsity))) * size - ROUNDING)


def drawn(size: int, count: int, key: Key[Array, ""]) -> Bool[np.ndarray, " size"]:
    """`count` of `size` places, all sets of that size alike."""
    return np.asarray(_drawn(jnp.zeros((size,)), jnp.ones((size,), bool), jnp.int32(count), key))


def drawn_columns(
    size: int, counts: Int[np.ndarray, " columns"], key: Key[Array, ""]
) -> Bool[np.ndarray, "size columns"]:
    """In each column some of `size` places, columns drawn apart."""
    return added(np.ones((size, len(counts)), bool), counts, key)


def added(
    free: Bool[np.ndarray, "size columns"], counts: Int[np.ndarray, " columns"], key: Key[Array, ""]
) -> Bool[np.ndarray, "size columns"]:
    """In each column so many of the places that are free there, columns drawn apart."""
    bits = np.asarray(jax.random.bits(key, free.shape, jnp.uint32)).astype(np.int64)
    order = np.argsort(np.where(free, bits, 1 << 32), axis=0, kind="stable")
    chosen = np.zeros(free.shape, bool)
    np.put_along_axis(chosen, order, np.arange(len(free))[:, None] < counts, axis=0)
    return chosen & free


_drawn = jax.jit(best)
