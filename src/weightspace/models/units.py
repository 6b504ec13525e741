"""Units: which entries of which leaves belong to each hidden unit of a feed-forward network.

A network is read as `steps` from units to units if its function stays the same when the units of each hidden
layer are relabelled, which is tried with numbers: residual connections, groups of channels and attention do
not keep it so, and are refused.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from weightspace import tree
from weightspace.errors import InputError
from weightspace.models.base import Model, input_dtype_of, layout_of
from weightspace.models.layout import Layout, Leaf
from weightspace.models.steps import Step, Units
from weightspace.tree import Tree

NEEDED = "dense and convolutional layers in sequence, each taking the units of the one before it alone"
_TOLERANCE = 1e-3
_EXAMPLES = 4


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
