"""Edit: a rule that changes the space during training (grow and prune a mask, add a vertex).

An edit acts at steps that are an array, so that its schedule is no structure. It sees ∂L/∂w before it is
pulled back to the coordinates: a rule that grows connections needs the gradient of weights that are off.
"""

import abc
from typing import Any

from jaxtyping import Array, Int, Key

from weightspace.spaces.base import Coordinates, Fixed, Space
from weightspace.spec import Spec
from weightspace.tree import Tree


class Edit(Spec, abc.ABC):
    """A change of fixed arrays, coordinates and optimiser state after certain steps."""

    @abc.abstractmethod
    def due(self, step: Int[Array, ""], total: Int[Array, ""]) -> Array:
        """Whether the edit acts after this step: a boolean that must not depend on the run."""

    @abc.abstractmethod
    def apply(
        self,
        space: Space,
        fixed: Fixed,
        theta: Coordinates,
        opt: Any,
        g_weights: Tree,
        step: Int[Array, ""],
        key: Key[Array, ""],
    ) -> tuple[Fixed, Coordinates, Any]:
        """Fixed arrays, coordinates and optimiser state after the edit, of the same shapes."""
