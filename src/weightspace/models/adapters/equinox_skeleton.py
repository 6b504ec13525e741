"""An Equinox module taken apart into its arrays and the rest, and put together again."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.base import State
from weightspace.tree import Tree

STATE, CONSTANTS = "state", "constants"


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """A module without its arrays: leaves that are no arrays stand as they are, others as their shapes."""

    leaves: tuple[Any, ...]
    paths: tuple[str, ...]
    structure: Any
    state: tuple[Any, ...]
    state_structure: Any

    def take(self, leaves: list[Any]) -> Tree:
        """The arrays of a module with this skeleton."""
        triples = zip(self.paths, self.leaves, leaves, strict=True)
        return tree.nested_dict({path: leaf for path, shape, leaf in triples if is_array(shape)})

    def named_state(self, leaves: list[Any]) -> State:
        """The state as a dict."""
        return {STATE: {str(number): leaf for number, leaf in enumerate(leaves)}} if leaves else {}

    def fill(self, arrays: Tree, state: State) -> tuple[Any, Any]:
        """The module and its state with these arrays.

        Raises:
          InputError: If an array is not there.
        """
        flat = tree.flat_dict(arrays)
        absent = [p for p, s in zip(self.paths, self.leaves, strict=True) if is_array(s) and p not in flat]
        if absent:
            raise InputError(f"the weights of the model have no '{absent[0]}'; they have {', '.join(flat)}")
        filled = [flat[p] if is_array(s) else s for p, s in zip(self.paths, self.leaves, strict=True)]
        own = [state[STATE][str(number)] for number in range(len(self.state))]
        return jax.tree.unflatten(self.structure, filled), jax.tree.unflatten(self.state_structure, own)


def is_array(leaf: Any) -> bool:
    """Whether a leaf stands for an array."""
    return isinstance(leaf, jax.ShapeDtypeStruct)


def is_floating(leaf: Any) -> bool:
    """Whether an array may be a weight."""
    return jnp.issubdtype(leaf.dtype, jnp.inexact)
