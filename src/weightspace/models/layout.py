"""Layout: what each leaf of a model's weights is, and in which order the forward pass uses it.

Masks, layerwise coefficients, decay, probes and symmetries select leaves by layout, never by parsing names
or by the order of a dict (JAX sorts keys, so `conv_10` comes before `conv_2`). What a leaf is comes from
tracing the forward pass (`usage`), and where that leaves it open from the naming convention of its library.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

import jax

from weightspace.errors import InputError, nearest
from weightspace.models.usage import Usage, usage
from weightspace.tree import Tree, matches, path_string

Kind = Literal["kernel", "bias", "scale", "shift", "other"]
SHOWN = 24
"""How many leaves an error names."""
KINDS: tuple[Kind, ...] = ("kernel", "bias", "scale", "shift", "other")


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One array of the weights.

    Attributes:
      path: Its name, keys joined by `/`.
      shape: Its shape.
      kind: `kernel` (multiplies activations and mixes them), `bias`, `scale` and `shift` (of a
        normalisation layer), or `other`.
      module: The path without its last key: the layer it belongs to.
      order: Its place in the forward pass, from 0.
      fan_axes: For kernels, the axes summed over (inputs and receptive field).
      out_axis: The axis of the output units or channels, or None.
      output: Whether it belongs to the output layer.
      fan: Inputs of one output unit where that is not the product of the fan axes: a transposed convolution
        that puts its inputs apart, a kernel that is a part of its leaf's axes.
    """

    path: str
    shape: tuple[int, ...]
    kind: Kind
    module: str
    order: int
    fan_axes: tuple[int, ...] = ()
    out_axis: int | None = None
    output: bool = False
    fan: int | None = None

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def fan_in(self) -> int:
        """Inputs of one output unit: the product of the fan axes, unless `fan` says otherwise."""
        if self.fan is not None:
            return self.fan
        return math.prod(self.shape[axis] for axis in self.fan_axes)


@dataclasses.dataclass(frozen=True)
class Layout:
    """The leaves of a model's weights, in the order of the forward pass."""

    leaves: tuple[Leaf, ...]

    def __getitem__(self, path: str) -> Leaf:
        for item in self.leaves:
            if item.path == path:
                return item
        raise InputError(f"the model has no leaf '{path}'; it has {', '.join(self.paths())}")

    def __iter__(self) -> Iterator[Leaf]:
        return iter(self.leaves)

    @property
    def size(self) -> int:
        """D, the number of weights."""
        return sum(item.size for item in self.leaves)

    @property
    def modules(self) -> tuple[str, ...]:
        """The layers, in the order of the forward pass."""
        return tuple(dict.fromkeys(item.module for item in self.leaves))

    def paths(self, selector: str = "*") -> tuple[str, ...]:
        """The leaves that a selector names, in forward order.

        Args:
          selector: A kind (`kernel`), `output`, or a glob over paths; alternatives are set apart by `|`.
        """
        return tuple(item.path for item in self.leaves if self._fits(item, selector))

    def mask(self, tree: Tree, selector: str) -> Tree:
        """A tree of plain booleans: which leaves of `tree` the selector names."""
        chosen = set(self.paths(selector))
        return jax.tree_util.tree_map_with_path(lambda path, _: path_string(path) in chosen, tree)

    def selected(self, selector: str, who: str) -> tuple[str, ...]:
        """The leaves that a selector names, each alternative at least one.

        Args:
          selector: As for `paths`.
          who: What takes the selector, as the user knows it.

        Raises:
          InputError: If the selector, or one of its alternatives, names no leaf.
        """
        for part in (piece.strip() for piece in str(selector).split("|")):
            if not isinstance(selector, str) or not self.paths(part):
                raise InputError(self._nothing(part, who))
        return self.paths(selector)

    def _nothing(self, part: str, who: str) -> str:
        kinds = tuple(kind for kind in KINDS if any(item.kind == kind for item in self.leaves))
        names = (*kinds, *(("output",) if any(item.output for item in self.leaves) else ()))
        guess = nearest(part, (*names, *self.paths(), *self.modules))
        if guess is not None and guess not in names and guess not in self.paths():
            guess = f"{guess}/*"
        hint = f"; did you mean '{guess}'?" if guess else "."
        leaves = [path or "theta (select it by *)" for path in self.paths()]
        more = f" and {len(leaves) - SHOWN} more" if len(leaves) > SHOWN else ""
        return (
            f"'{part}' selects no leaf ({who}){hint} There are the kinds {', '.join(names)}, and the leaves "
            f"{', '.join(leaves[:SHOWN])}{more}"
        )

    def override(self, selector: str, **changes: Any) -> "Layout":
        """The layout with fields of the selected leaves changed, for models that are misread."""
        chosen = set(self.selected(selector, "the override"))
        if "fan_axes" in changes:
            changes = {"fan": None, **changes}
        return Layout(
            tuple(dataclasses.replace(x, **changes) if x.path in chosen else x for x in self.leaves)
        )

    @staticmethod
    def _fits(item: Leaf, selector: str) -> bool:
        for part in (piece.strip() for piece in selector.split("|")):
            if part == item.kind or (part == "output" and item.output) or matches(item.path, part):
                return True
        return False


Convention = Callable[[str, tuple[int, ...]], tuple[Kind, tuple[int, ...], int | None]]
"""Path and shape of a leaf -> its kind, fan axes and output axis."""

CALLED = ("bias", "scale")
"""Last keys that say what a leaf is, unless it mixes inputs."""


def build_layout(
    weights: Tree,
    convention: Convention,
    forward: Callable[..., Any],
    state: Tree = (),
    inputs: Tree | None = None,
) -> Layout:
    """The layout of `weights` by a trace of `forward(weights, state, inputs)` and a naming convention.

    What a leaf is comes from where it meets the data: a product makes it a kernel, with the axes summed
    over. Names say what the computation leaves open.

    Args:
      weights: Arrays, or their shapes and types.
      convention: Of the library.
      forward: Called with the weights alone if there are no inputs.
      state: As for the weights.
      inputs: As for the weights.
    """
    used = usage(forward, weights, state, inputs)
    named = {path_string(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(weights)}
    ranked = sorted(named, key=lambda path: (used.order.get(path, math.inf), path))
    leaves = []
    for position, path in enumerate(ranked):
        shape = tuple(named[path].shape)
        kind_, fan_axes, out_axis, fan = _what(path, shape, convention(path, shape), used)
        module = path.rpartition("/")[0]
        leaves.append(Leaf(path, shape, kind_, module, position, fan_axes, out_axis, fan=fan))
    return Layout(_mark_output(_mark_shift(leaves), used))


def _what(
    path: str, shape: tuple[int, ...], by_name: tuple[Kind, tuple[int, ...], int | None], used: Usage
) -> tuple[Kind, tuple[int, ...], int | None, int | None]:
    """Kind, fan axes, output axis and fan-in: of the first product, else of what the name leaves open."""
    met = used.met(path)
    for found in met:
        if found.role == "product":
            plain = math.prod(shape[axis] for axis in found.fan_axes)
            fan_axes = by_name[1]
            if set(fan_axes) >= set(found.fan_axes) and math.prod(shape[a] for a in fan_axes) == found.fan:
                # Axes of length 1 that the computation drops, as in a convolution of one position.
                return "kernel", fan_axes, found.out_axis, None
            return "kernel", found.fan_axes, found.out_axis, None if found.fan == plain else found.fan
    name, roles = path.rpartition("/")[2], {found.role for found in met} or used.roles(path)
    roles = roles if roles == {"placed"} else roles - {"placed"}
    if name in CALLED or name == "kernel" or len(shape) == 0 or len(roles) != 1:
        return *by_name, None
    last = len(shape) - 1
    kinds: dict[str, Kind] = {"scale": "scale", "shift": "bias", "lookup": "other", "placed": "other"}
    (role,) = roles
    if role not in kinds or kinds[role] == by_name[0]:
        return *by_name, None
    return kinds[role], (), last, None


def _mark_shift(leaves: list[Leaf]) -> list[Leaf]:
    """The bias of a layer that has a scale and no kernel is the shift of a normalisation."""
    kinds: dict[str, set[str]] = {}
    for item in leaves:
        kinds.setdefault(item.module, set()).add(item.kind)
    normalising = {m for m, present in kinds.items() if "scale" in present and "kernel" not in present}
    return [
        dataclasses.replace(x, kind="shift") if x.kind == "bias" and x.module in normalising else x
        for x in leaves
    ]


def _mark_output(leaves: list[Leaf], used: Usage) -> tuple[Leaf, ...]:
    """The output layer is the layer of the kernel used last.

    Kernels used beside it, of which no result goes through another kernel on its way to the outputs, belong
    to it (heads in parallel), and so do the biases and other leaves of these layers that are used there.
    """
    kernels = {item.path: item.module for item in leaves if item.kind == "kernel"}
    last = used.last(kernels)
    ending = {kernels[path] for path in last if path in kernels}
    if not ending:
        final = next((kernels[item.path] for item in reversed(leaves) if item.path in kernels), None)
        return tuple(dataclasses.replace(item, output=item.module == final) for item in leaves)
    bare = {item.module for item in leaves if item.kind == "bias"} - set(kernels.values())

    def ends(item: Leaf) -> bool:
        beside = item.module in ending or (item.kind == "bias" and item.module in bare)
        return item.path in last and (item.kind == "kernel" or beside)

    return tuple(dataclasses.replace(item, output=ends(item)) for item in leaves)


def usage_order(forward: Callable[..., Any], weights: Tree) -> dict[str, int]:
    """For each leaf, the place in the computation where it first meets another value."""
    return usage(forward, weights).order


def kernels_by_module(layout: Layout) -> dict[str, list[Leaf]]:
    """The kernels of each module, by its path with `_` for `/`, as parts of columns' names."""
    found: dict[str, list[Leaf]] = {}
    for leaf in layout:
        if leaf.kind == "kernel":
            found.setdefault((leaf.module or leaf.path).replace("/", "_"), []).append(leaf)
    return found
