"""Units: which entries of which leaves belong to each hidden unit of a feed-forward network.

A layer's kernel becomes an array [inputs, units, taps]: the inputs are the units of the layer before it, the
taps are positions of a convolution, or of the image that was flattened between a convolution and a dense
layer. Relabelling the units of a hidden layer moves the units of its kernel, the numbers that each unit has
of its own (biases, scales, statistics), and the inputs of the next kernel. A network is read so if its
function stays the same under such relabellings, which is tried with numbers: residual connections, groups of
channels and attention do not, and are refused.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.base import Model, input_dtype_of, layout_of
from weightspace.models.layout import Layout, Leaf
from weightspace.tree import Tree

NEEDED = "dense and convolutional layers in sequence, each taking the units of the one before it alone"
_TOLERANCE = 1e-3
_EXAMPLES = 4
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
            _reordered(self.put(weights, net), self.own, relabelling),
            _reordered(state, self.state, relabelling),
        )


def _reordered(values: Tree, own: Sequence[Sequence[str]], relabelling: Sequence[np.ndarray]) -> Tree:
    """Numbers of units in another order."""
    orders = {path: order for paths, order in zip(own, relabelling, strict=True) for path in paths}

    def one(path: str, leaf: Any) -> Any:
        order = orders.get(path)
        if order is None:
            return leaf
        return np.asarray(leaf).reshape(-1)[order].reshape(np.shape(leaf))

    return tree.map_named(one, values)


@functools.lru_cache(maxsize=64)
def units_of(model: Model, shape: tuple[int, ...]) -> Units:
    """The hidden units of a network for inputs of a shape.

    Raises:
      InputError: If relabelling the units of some hidden layer changes the network's function, however its
        kernels are read.
    """
    layout = layout_of(model, shape, "float32")
    kernels = _kernels(model.name, layout)
    own = _own(layout, kernels)
    trial = _Trial.of(model, shape)
    state = _state(trial.state, layout, own, kernels)
    steps = [Step.plain(kernels[0])]
    for number, leaf in enumerate(kernels[1:]):
        width = steps[-1].units
        rest = tuple(Step.plain(later) for later in kernels[number + 2 :])
        for step in _candidates(leaf, width):
            found = Units((*steps, step, *rest), own, state)
            if trial.keeps(found, number):
                steps.append(step)
                break
        else:
            raise _refused(model.name, kernels[number], leaf)
    return Units(tuple(steps), own, state)


def _refused(name: str, before: Leaf, after: Leaf) -> InputError:
    return InputError(
        f"the function of {name} changes when the {before.shape[before.out_axis or 0]} units of "
        f"'{before.path}' are relabelled together with the inputs of '{after.path}'; symmetries of masks are "
        f"counted and dead units cut for {NEEDED}: without residual connections, attention or groups of "
        "channels"
    )


def _kernels(name: str, layout: Layout) -> list[Leaf]:
    """The kernels in forward order, the output's last and alone.

    Raises:
      InputError: If there are none, several outputs, or kernels without units.
    """
    kernels = [leaf for leaf in layout if leaf.kind == "kernel"]
    if not kernels:
        raise InputError(f"{name} has no kernels, hence no units; take a model of {NEEDED}")
    for leaf in kernels:
        if not has_units(leaf):
            raise InputError(
                f"kernel '{leaf.path}' of {name}, of shape {leaf.shape}, has no single axis of units beside "
                f"its inputs; units are told of {NEEDED}"
            )
    ends = [leaf.path for leaf in kernels if leaf.output]
    if ends != [kernels[-1].path]:
        raise InputError(
            f"{name} has the output kernels {', '.join(ends) or 'none'}; units are told of networks with "
            f"one, the last: {NEEDED}"
        )
    return kernels


def has_units(leaf: Leaf) -> bool:
    """Whether one axis of a kernel is that of its units, and all others are summed over."""
    return leaf.out_axis is not None and {leaf.out_axis, *leaf.fan_axes} == set(range(len(leaf.shape)))


def _own(layout: Layout, kernels: Sequence[Leaf]) -> tuple[tuple[str, ...], ...]:
    """For each hidden layer, the leaves behind its kernel with one number for each unit."""
    found: list[list[str]] = [[] for _ in kernels]
    number = -1
    for leaf in layout:
        if leaf.kind == "kernel":
            number += 1
        elif number >= 0 and _is_vector(leaf.shape, _units(kernels[number])):
            found[number].append(leaf.path)
    return tuple(tuple(paths) for paths in found[:-1])


def _state(
    state: Tree, layout: Layout, own: Sequence[Sequence[str]], kernels: Sequence[Leaf]
) -> tuple[tuple[str, ...], ...]:
    """Numbers of the state in modules whose leaves belong to a hidden layer's units."""
    given = tree.flat_dict(state)
    homes = [{layout[path].module for path in paths} for paths in own]
    return tuple(
        tuple(
            path
            for path, leaf in given.items()
            if path.rpartition("/")[0] in home and _is_vector(np.shape(leaf), _units(kernel))
        )
        for home, kernel in zip(homes, kernels, strict=False)
    )


def _units(kernel: Leaf) -> int:
    assert kernel.out_axis is not None
    return kernel.shape[kernel.out_axis]


def _is_vector(shape: tuple[int, ...], length: int) -> bool:
    return len(shape) > 0 and math.prod(shape) == length and max(shape) == length


def _candidates(leaf: Leaf, width: int) -> list[Step]:
    """The ways in which the inputs of a kernel may lie in its fan axes."""
    assert leaf.out_axis is not None
    axes = (*leaf.fan_axes, leaf.out_axis)
    fan = tuple(leaf.shape[axis] for axis in leaf.fan_axes)
    units, whole = leaf.shape[leaf.out_axis], math.prod(fan)
    found = [
        Step(leaf.path, leaf.shape, axes, (*fan, units), at)
        for at, length in reversed(list(enumerate(fan)))
        if length == width
    ]
    if not found and whole % width == 0:
        # Flattened images: channels last, or first.
        taps = whole // width
        found = [
            Step(leaf.path, leaf.shape, axes, (taps, width, units), 1),
            Step(leaf.path, leaf.shape, axes, (width, taps, units), 0),
        ]
    return found


@dataclasses.dataclass(frozen=True)
class _Trial:
    """A network with random numbers everywhere, and what it makes of random inputs."""

    apply: Any
    weights: Tree
    state: Tree
    x: np.ndarray

    @classmethod
    def of(cls, model: Model, shape: tuple[int, ...]) -> "_Trial":
        rng = np.random.default_rng(0)
        key = jax.random.key(0, impl="threefry2x32")
        whole = input_dtype_of(model, shape) == "int32"
        x = rng.integers(0, 2, (_EXAMPLES, *shape)).astype(np.int32)
        x = x if whole else rng.normal(size=(_EXAMPLES, *shape)).astype(np.float32)
        weights, state = jax.jit(model.init)(key, x[:1])
        layout = layout_of(model, shape, "float32")
        fans = {leaf.path: leaf.fan_in for leaf in layout if leaf.kind == "kernel"}

        def drawn(path: str, leaf: Any) -> Any:
            if not np.issubdtype(np.asarray(leaf).dtype, np.floating):
                return leaf
            scale = math.sqrt(2 / fans[path]) if path in fans else 0.5
            return np.asarray(scale * rng.normal(size=np.shape(leaf)), np.asarray(leaf).dtype)

        def positive(leaf: Any) -> Any:
            if not np.issubdtype(np.asarray(leaf).dtype, np.floating):
                return leaf
            return np.asarray(rng.uniform(0.5, 1.5, np.shape(leaf)), np.asarray(leaf).dtype)

        def apply(weights: Tree, state: Tree, x: Any) -> Any:
            return model.apply(weights, state, x, train=False, key=key)[0]

        return cls(jax.jit(apply), tree.map_named(drawn, weights), jax.tree.map(positive, state), x)

    @functools.cached_property
    def outputs(self) -> np.ndarray:
        """Of the network as it is."""
        return np.asarray(self.apply(self.weights, self.state, self.x))

    def keeps(self, units: Units, layer: int) -> bool:
        """Whether the function stays when the units of a hidden layer are relabelled."""
        orders = [np.arange(width) for width in units.widths]
        cycle = np.random.default_rng(layer).permutation(orders[layer])
        orders[layer][cycle] = np.roll(cycle, 1)  # one cycle through all units: none stays
        weights, state = units.relabelled(self.weights, self.state, orders, layers=(layer,))
        made = np.asarray(self.apply(weights, state, self.x))
        close = _TOLERANCE * max(float(np.abs(self.outputs).max()), np.finfo(np.float32).tiny)
        return bool(np.abs(made - self.outputs).max() <= close)
