"""Layout: what each leaf of a model's weights is, and in which order the forward pass uses it.

Masks, layerwise coefficients, decay, probes and symmetries select leaves by layout, never by parsing names
or by the order of a dict (JAX sorts keys, so `conv_10` comes before `conv_2`). The kind of a leaf comes from
the naming convention of its library (the adapter knows it), its order from tracing the forward pass.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

import jax
import jax.extend.core as jex_core

from weightspace.errors import InputError
from weightspace.tree import Tree, matches, path_string

Kind = Literal["kernel", "bias", "scale", "shift", "other"]
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
    """

    path: str
    shape: tuple[int, ...]
    kind: Kind
    module: str
    order: int
    fan_axes: tuple[int, ...] = ()
    out_axis: int | None = None
    output: bool = False

    @property
    def size(self) -> int:
        """Number of entries."""
        total = 1
        for length in self.shape:
            total *= length
        return total

    @property
    def fan_in(self) -> int:
        """Inputs of one output unit: the product of the fan axes."""
        total = 1
        for axis in self.fan_axes:
            total *= self.shape[axis]
        return total


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

    def override(self, selector: str, **changes: Any) -> "Layout":
        """The layout with fields of the selected leaves changed, for models the conventions misread."""
        chosen = set(self.paths(selector))
        if not chosen:
            raise InputError(f"'{selector}' selects no leaf of {', '.join(self.paths())}")
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


def build_layout(weights: Tree, convention: Convention, forward: Callable[[Tree], Any]) -> Layout:
    """The layout of `weights` (arrays or shapes) by a naming convention and a trace of `forward(weights)`."""
    order = usage_order(forward, weights)
    named = {path_string(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(weights)}
    ranked = sorted(named, key=lambda path: (order.get(path, math.inf), path))
    leaves = []
    for position, path in enumerate(ranked):
        shape = tuple(named[path].shape)
        kind_, fan_axes, out_axis = convention(path, shape)
        leaves.append(Leaf(path, shape, kind_, path.rpartition("/")[0], position, fan_axes, out_axis))
    return Layout(_mark_output(_mark_shift(leaves)))


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


def _mark_output(leaves: list[Leaf]) -> tuple[Leaf, ...]:
    """The output layer is the layer of the kernel used last."""
    kernels = [item for item in leaves if item.kind == "kernel"]
    last = kernels[-1].module if kernels else None
    return tuple(dataclasses.replace(item, output=item.module == last) for item in leaves)


def usage_order(forward: Callable[[Tree], Any], weights: Tree) -> dict[str, int]:
    """For each leaf, the place in the computation where it first meets another value.

    Reshapes, casts and anything else computed from one leaf alone still stand for that leaf; nested
    computations are entered. Leaves that are never used are absent.
    """
    closed = jax.make_jaxpr(forward)(weights)
    names = [path_string(path) for path, _ in jax.tree_util.tree_leaves_with_path(weights)]
    tracer = _UsageTracer()
    tracer.walk(closed.jaxpr, list(names))
    return tracer.order


class _UsageTracer:
    def __init__(self) -> None:
        self.order: dict[str, int] = {}
        self.clock = 0

    def walk(self, jaxpr: Any, inputs: list[str | None]) -> list[str | None]:
        """Follow one jaxpr; a value is a leaf's name where it stands for that leaf alone, else None."""
        stands_for: dict[Any, str | None] = dict(zip(jaxpr.invars, inputs, strict=True))

        def read(atom: Any) -> str | None:
            return None if isinstance(atom, jex_core.Literal) else stands_for.get(atom)

        for equation in jaxpr.eqns:
            values = [read(atom) for atom in equation.invars]
            inner = _single_subcomputation(equation)
            if inner is not None and len(inner.invars) == len(values):
                results = self.walk(inner, values)
            else:
                results = [self._combine(equation, values)] * len(equation.outvars)
            stands_for.update(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _combine(self, equation: Any, values: list[str | None]) -> str | None:
        variables = [atom for atom in equation.invars if not isinstance(atom, jex_core.Literal)]
        named = {value for value in values if value is not None}
        if len(named) == 1 and len([v for v in values if v is not None]) == len(variables):
            return named.pop()
        self.clock += 1
        for name in (value for value in values if value is not None):
            self.order.setdefault(name, self.clock)
        return None


def _single_subcomputation(equation: Any) -> Any | None:
    """The jaxpr that a call-like equation runs once, or None for loops, branches and plain operations."""
    if equation.primitive.name in {"scan", "while", "cond"}:
        return None
    found = []
    for value in equation.params.values():
        inner = getattr(value, "jaxpr", value)
        if hasattr(inner, "eqns"):
            found.append(inner)
    return found[0] if len(found) == 1 else None
