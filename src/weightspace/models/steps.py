"""Steps: kernels as connections between units, and the units of a network that `units` has read.

A layer's kernel becomes an array [inputs, units, taps]: the inputs are the units of the layer before it, the
taps are positions of a convolution, or of the image that was flattened between a convolution and a dense
layer. Relabelling the units of a hidden layer moves the units of its kernel, the numbers that each unit has
of its own (biases, scales, statistics), and the inputs of the next kernel.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from weightspace import tree
from weightspace.models.layout import Leaf
from weightspace.tree import Tree

Joined = Shaped[np.ndarray, "_ _ _"]
"""[inputs, units, taps]"""


@dataclasses.dataclass(frozen=True)
class Step:
    """How a kernel connects units with units.

    Attributes:
      path: Of the kernel.
      shape: Of the kernel.
      axes: Its axes in the order fan axes, unit axis.
      inner: Its shape in that order, with the fan axes parted as the inputs lie in them.
      at: Which axis of `inner` is that of the inputs.
    """

    path: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    inner: tuple[int, ...]
    at: int

    @classmethod
    def plain(cls, leaf: Leaf) -> "Step":
        """All entries of a unit as inputs of their own, as in a first layer."""
        assert leaf.out_axis is not None
        size = math.prod(leaf.shape[axis] for axis in leaf.fan_axes)
        return cls(
            leaf.path, leaf.shape, (*leaf.fan_axes, leaf.out_axis), (size, leaf.shape[leaf.out_axis]), 0
        )

    @property
    def inputs(self) -> int:
        """How many units it takes."""
        return self.inner[self.at]

    @property
    def units(self) -> int:
        """How many units it gives."""
        return self.inner[-1]

    @property
    def taps(self) -> int:
        """How many entries connect an input with a unit."""
        return math.prod(self.shape) // max(1, self.inputs * self.units)

    def joined(self, kernel: Any) -> Joined:
        """The kernel as [inputs, units, taps]."""
        parted = np.transpose(np.asarray(kernel), self.axes).reshape(self.inner)
        return np.moveaxis(np.moveaxis(parted, self.at, 0), -1, 1).reshape(self.inputs, self.units, -1)

    def kernel(self, joined: Joined) -> np.ndarray:
        """The inverse of `joined`."""
        rest = (*self.inner[: self.at], *self.inner[self.at + 1 : -1])
        parted = np.moveaxis(joined.reshape(self.inputs, self.units, *rest), 1, -1)
        ordered = np.moveaxis(parted, 0, self.at).reshape([self.shape[axis] for axis in self.axes])
        return np.transpose(ordered, np.argsort(self.axes))


@dataclasses.dataclass(frozen=True)
class Units:
    """The hidden units of a network.

    Attributes:
      steps: Its kernels in forward order.
      own: For each hidden layer, the leaves with one number for each of its units.
      state: The same of the model's state.
    """

    steps: tuple[Step, ...]
    own: tuple[tuple[str, ...], ...]
    state: tuple[tuple[str, ...], ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return tuple(step.units for step in self.steps[:-1])

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the hidden layers, those of their kernels' modules."""
        return tuple(step.path.rpartition("/")[0] or step.path for step in self.steps[:-1])

    def net(self, weights: Tree) -> list[Joined]:
        """The kernels of weights, or of a mask, as [inputs, units, taps]."""
        flat = tree.flat_dict(weights)
        return [step.joined(flat[step.path]) for step in self.steps]

    def put(self, weights: Tree, net: Sequence[Joined]) -> Tree:
        """The weights, or the mask, with other kernels."""
        made = {step.path: step.kernel(layer) for step, layer in zip(self.steps, net, strict=True)}
        return tree.map_named(made.get, weights)

    def relabelled(
        self,
        weights: Tree,
        state: Tree,
        relabelling: Sequence[np.ndarray],
        layers: Sequence[int] | None = None,
    ) -> tuple[Tree, Tree]:
        """The same function with the hidden units in another order.

        Args:
          weights: As the model takes them.
          state: As the model takes it.
          relabelling: For each hidden layer, which unit takes each place.
          layers: Which hidden layers it is for; all of them unless said.
        """
        net = self.net(weights)
        for number in range(len(relabelling)) if layers is None else layers:
            order = relabelling[number]
            net[number] = net[number][:, order]
            net[number + 1] = net[number + 1][order]
        return (
            reordered(self.put(weights, net), self.own, relabelling),
            reordered(state, self.state, relabelling),
        )


def reordered(values: Tree, own: Sequence[Sequence[str]], relabelling: Sequence[np.ndarray]) -> Tree:
    """Numbers of units in another order."""
    orders = {path: order for paths, order in zip(own, relabelling, strict=True) for path in paths}

    def one(path: str, leaf: Any) -> Any:
        order = orders.get(path)
        if order is None:
            return leaf
        return np.asarray(leaf).reshape(-1)[order].reshape(np.shape(leaf))

    return tree.map_named(one, values)
