"""A user's network of any library as a model: all its arrays drawn, the weights among them found."""

import abc
from typing import Any, ClassVar

from jaxtyping import Array, Key

from weightspace import tree
from weightspace.code import Code
from weightspace.models.adapters.common import Overrides, inputs_type, like, prepared, strong
from weightspace.models.adapters.inspection import buffers_of
from weightspace.models.base import Model, State, Weights
from weightspace.models.layout import Layout
from weightspace.spec import spec, static
from weightspace.tree import Tree


@spec
class UserModel(Model):
    """A model that a user's code builds.

    An adapter says how all arrays of a network are drawn (`draw`) and how it runs on them (`run`). Which of
    them are weights is found once by inspection; the others are carried in the state, as they were drawn.

    Attributes:
      code: The factory with its arguments: the identity of the model.
      overrides: Pairs of a selector and the fields of `Leaf` that are changed where it fits, for models
        whose layout is misread.
    """

    code: Code = static()
    overrides: Overrides = static(neutral=())

    version: ClassVar[int] = 2
    """2: arrays without a gradient are state; flags are found by name; layouts come from the computation."""
    place: ClassVar[str] = "constants"
    """Where arrays that are no weights stand in the state."""
    tying: ClassVar[str] = "use one array in both places"
    """How arrays are tied in this library."""
    advice: ClassVar[str] = "let it take `train`"
    """How a network of this library is told whether it trains."""

    @abc.abstractmethod
    def draw(self, key: Key[Array, ""], x: Any) -> tuple[Tree, State]:
        """All arrays that may be weights, and the state; see `init`."""

    @abc.abstractmethod
    def run(
        self, arrays: Tree, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """Outputs and the state after them, given all arrays that `draw` gives; see `apply`."""

    def init(self, key: Key[Array, ""], x: Any) -> tuple[Weights, State]:
        """Draw weights and the state before training."""
        buffers = buffers_of(self, x)
        arrays, state = self.draw(key, x)
        if not buffers:
            return strong((arrays, state))
        flat = tree.flat_dict(arrays)
        weights = tree.nested_dict({path: leaf for path, leaf in flat.items() if path not in buffers})
        kept = {path: leaf for path, leaf in flat.items() if path in buffers}
        return strong((weights, self.stored(state, kept)))

    def apply(
        self, weights: Weights, state: State, x: Array, *, train: bool, key: Key[Array, ""]
    ) -> tuple[Array, State]:
        """Outputs for a batch, and the state after it."""
        arrays, own, inputs = self.joined(weights, state, x)
        outputs, after = self.run(arrays, own, inputs, train=train, key=key)
        # A layer that computes in a coarser type of its own shall not make the loss do so.
        outputs = outputs.astype(inputs_type(weights, outputs))
        return outputs, like(self.parted(after, state), state)

    def stored(self, state: State, kept: dict[str, Array]) -> State:
        """The state, with the arrays that are no weights."""
        return {**state, self.place: tree.nested_dict(kept)}

    def joined(self, weights: Weights, state: State, x: Array) -> tuple[Tree, State, Array]:
        """All arrays of the network, its own state, and the inputs, in types that go together."""
        kept = state.get(self.place) if isinstance(state, dict) else None
        if kept is None:
            return weights, *prepared(weights, state, x)
        own = {name: part for name, part in state.items() if name != self.place}
        flat = tree.flat_dict(weights) | tree.flat_dict(tree.cast(kept, inputs_type(weights, x)))
        return tree.nested_dict(flat), *prepared(weights, own, x)

    def parted(self, after: State, before: State) -> State:
        """The state after a batch, with the arrays that are no weights as they were."""
        return {**after, self.place: before[self.place]} if self.place in before else after

    @property
    def name(self) -> str:
        """`package.module:factory`, and its arguments."""
        return self.code.label

    def layout(self, x: Any) -> Layout:
        """What each leaf of the weights is; `x` is a batch of inputs or its shape and type."""
        buffers_of(self, x)
        found = super().layout(x)
        for selector, changes in self.overrides:
            found = found.override(selector, **dict(changes))
        return found


@spec
class PathModel(UserModel):
    """A model of a library whose variables have paths of their own.

    Parameters that no gradient reaches stand in the state by these paths, as its other variables do.
    """

    @abc.abstractmethod
    def parameters(self, x: Any) -> frozenset[str]:
        """The paths of all arrays that `draw` gives as possible weights, for inputs like `x`."""

    def stored(self, state: State, kept: dict[str, Array]) -> State:
        """By path."""
        return tree.nested_dict(tree.flat_dict(state) | kept)

    def joined(self, weights: Weights, state: State, x: Array) -> tuple[Tree, State, Array]:
        """By path."""
        own, inputs = prepared(weights, state, x)
        flat, parameters = tree.flat_dict(state), self.parameters(x)
        kept = {path: leaf for path, leaf in flat.items() if path in parameters}
        kept = tree.cast(kept, inputs_type(weights, x))
        return tree.nested_dict(tree.flat_dict(weights) | kept), own, inputs

    def parted(self, after: State, before: State) -> State:
        """By path: a parameter that no gradient reaches may still be set by the module."""
        flat = tree.flat_dict(after)
        return tree.map_named(flat.get, before)
