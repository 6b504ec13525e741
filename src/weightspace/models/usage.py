"""How the forward pass uses each leaf: in which order, by what operation, and which layer it uses last.

One walk through the traced forward pass. A value is the leaves it was computed from as long as it has not
met the data, with their axes; where it meets them, the meeting is noted: a *use*. From there on a value is
the set of the uses behind it, so that of two uses it is known whether one's result goes into the other.
"""

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable
from typing import Any

import jax
import jax.extend.core

from weightspace.models.axes import Axes, Meeting, Role, follow, meeting
from weightspace.models.trace import Walker
from weightspace.tree import Tree, path_string


@dataclasses.dataclass(frozen=True)
class Use:
    """A place where a leaf meets the data.

    Attributes:
      leaf: Its path.
      met: What it does there.
      behind: The uses that the data there were computed from, as the bits of a number.
    """

    leaf: str
    met: Meeting
    behind: int


@dataclasses.dataclass(frozen=True)
class Usage:
    """How a forward pass uses the leaves of its weights.

    Attributes:
      order: For each leaf, the place in the computation where it first meets another value. Reshapes, casts
        and anything else computed from one leaf alone still stand for that leaf. Unused leaves are absent.
      uses: All meetings with the data, in the order of the computation.
      outputs: The uses behind the outputs, as bits.
      loops: Uses in the body of a loop whose result goes into themselves, the next time.
      sums: Uses in the body of a loop whose results are joined from time to time.
    """

    order: dict[str, int]
    uses: tuple[Use, ...]
    outputs: int
    loops: frozenset[int]
    sums: frozenset[int]

    def met(self, leaf: str) -> list[Meeting]:
        """The meetings of a leaf of which all is known: whole, or a layer at a time."""
        own = [(number, use) for number, use in enumerate(self.uses) if use.leaf == leaf]
        apart = [(number, use) for number, use in own if use.met.part == "slice"]
        # Parts that are used one after the other are layers, and so is one that a loop uses again on its own
        # results; of parts used beside each other the results may be summed, as in a convolution by shifts.
        chained = all(later.behind >> number & 1 for (number, _), (_, later) in itertools.pairwise(apart))
        layers = chained and (len(apart) > 1 or any(number in self.loops for number, _ in apart))

        def clear(number: int, use: Use) -> bool:
            if use.met.part == "slice":
                return layers and not (use.met.role == "product" and not use.met.fan_axes)
            return use.met.part == "whole" or number in self.loops or number not in self.sums

        return [use.met for number, use in own if clear(number, use)]

    def roles(self, leaf: str) -> set[Role]:
        """What a leaf does wherever it meets the data, whole or in part."""
        return {use.met.role for use in self.uses if use.leaf == leaf}

    def last(self, kernels: Collection[str]) -> set[str]:
        """The leaves of which a use is behind the outputs without going through a later use of a kernel."""
        held = [n for n in range(len(self.uses)) if self.outputs >> n & 1]
        through = [n for n in held if self.uses[n].leaf in kernels]
        return {
            self.uses[n].leaf
            for n in held
            if not any(later > n and self.uses[later].behind >> n & 1 for later in through)
        }


def usage(forward: Callable[..., Any], weights: Tree, state: Tree = (), inputs: Tree | None = None) -> Usage:
    """How `forward(weights, state, inputs)` uses the leaves of its weights; nothing is computed.

    Args:
      forward: The computation; called with the weights alone if there are no inputs.
      weights: Arrays, or their shapes and types.
      state: Likewise; what is computed from weights and state alone has not met the data.
      inputs: The data. Without them, all constants within `forward` are the data.
    """
    given = (weights,) if inputs is None else (weights, state, inputs)
    closed = jax.make_jaxpr(forward)(*given)
    names = [path_string(path) for path, _ in jax.tree_util.tree_leaves_with_path(weights)]
    walker = _Uses(bare=inputs is None)
    values = [
        _Value(name, ((name, Axes.of(len(leaf.shape))),))
        for name, leaf in zip(names, jax.tree.leaves(weights), strict=True)
    ]
    if inputs is not None:
        values += [_NOTHING for _ in jax.tree.leaves(state)] + [_DATA for _ in jax.tree.leaves(inputs)]
    made = walker.walk(closed.jaxpr, values)
    outputs = 0
    for value in made:
        outputs |= value.behind
    loops, sums = frozenset(walker.loops), frozenset(walker.sums)
    return Usage(walker.order, tuple(walker.uses), outputs, loops, sums)


@dataclasses.dataclass(frozen=True)
class _Value:
    """The one leaf that a value stands for; all leaves it comes from; whether it met data, in which uses."""

    alone: str | None = None
    leaves: tuple[tuple[str, Axes], ...] = ()
    data: bool = False
    behind: int = 0


_NOTHING, _DATA = _Value(), _Value(data=True)


class _Uses(Walker[_Value]):
    def __init__(self, *, bare: bool):
        self.order: dict[str, int] = {}
        self.uses: list[Use] = []
        self.loops: set[int] = set()
        self.sums: set[int] = set()
        self.again_through = False
        self._bare = bare
        self._clock = 0
        self._known: dict[tuple[int, int, str], int] = {}
        self._held: list[Any] = []

    def constant(self, value: Any = None) -> _Value:
        return _DATA if self._bare else _NOTHING

    def join(self, a: _Value, b: _Value) -> _Value:
        if a == b:
            return a
        data = a.data or b.data
        return _Value(
            a.alone if a.alone == b.alone else None,
            () if data else _merged((*a.leaves, *b.leaves)),
            data,
            a.behind | b.behind,
        )

    def row(self, value: _Value) -> _Value:
        def taken(axes: Axes) -> Axes:
            return axes.moved(None if axes.along is None else axes.along[1:], part="row")

        return dataclasses.replace(value, leaves=tuple((name, taken(axes)) for name, axes in value.leaves))

    def stacked(self, value: _Value, length: int) -> _Value:
        return dataclasses.replace(
            value, alone=None, leaves=tuple((name, axes.moved(None)) for name, axes in value.leaves)
        )

    def again(self, body: Any, outside: list[_Value], carry: list[_Value], made: list[_Value]) -> None:
        if self.trial or self.again_through:
            return
        for before, after in zip(carry, made, strict=True):
            new = after.behind & ~before.behind
            self.sums |= {n for n in range(new.bit_length()) if new >> n & 1}
        self.again_through = True
        self.walk(body, outside)
        self.again_through = False

    def equation(self, equation: Any, values: list[_Value]) -> list[_Value]:
        alone = self._alone(equation, values)
        named = [(place, *pair) for place, value in enumerate(values) for pair in value.leaves]
        literal = [isinstance(atom, jax.extend.core.Literal) for atom in equation.invars]
        met = any(v.data and not (self._bare and plain) for v, plain in zip(values, literal, strict=True))
        if not met and not (self._bare and not named):
            return [self._made(equation, alone, named, out) for out in equation.outvars]
        behind = 0
        for value in values:
            behind |= value.behind
        for place, leaf, axes in named:
            behind |= self._use(equation, place, leaf, axes, behind)
        return [_Value(None, (), data=True, behind=behind)] * len(equation.outvars)

    def _made(self, equation: Any, alone: str | None, named: list[Any], out: Any) -> _Value:
        plain = out.aval.shape == equation.outvars[0].aval.shape

        def moved(place: int, axes: Axes) -> Axes:
            return follow(equation, place, axes) if plain else axes.moved(None)

        return _Value(alone, _merged((leaf, moved(place, axes)) for place, leaf, axes in named))

    def _use(self, equation: Any, place: int, leaf: str, axes: Axes, behind: int) -> int:
        """The bit of a use; it is noted where the walk is no trial."""
        if self.trial:
            return 0
        self._held.append(equation)  # so that no other equation has its id
        known = (id(equation), place, leaf)
        if self.again_through:
            number = self._known.get(known)
            if number is None:
                return 0
            if behind >> number & 1:
                self.loops.add(number)
            return 1 << number
        self.uses.append(Use(leaf, meeting(equation, place, axes), behind))
        self._known[known] = len(self.uses) - 1
        return 1 << (len(self.uses) - 1)

    def _alone(self, equation: Any, values: list[_Value]) -> str | None:
        """The leaf that the results stand for; otherwise the leaves that meet here are given their place."""
        variables = [
            value
            for atom, value in zip(equation.invars, values, strict=True)
            if not isinstance(atom, jax.extend.core.Literal)
        ]
        names = [value.alone for value in variables if value.alone is not None]
        if len(set(names)) == 1 and len(names) == len(variables):
            return names[0]
        if self.trial or self.again_through:
            return None
        self._clock += 1
        for name in names:
            self.order.setdefault(name, self._clock)
        return None


def _merged(pairs: Iterable[tuple[str, Axes]]) -> tuple[tuple[str, Axes], ...]:
    """Each leaf once, with the axes of which most is known."""
    found: dict[str, Axes] = {}
    for name, axes in pairs:
        if name not in found or axes.known > found[name].known:
            found[name] = axes
    return tuple(sorted(found.items(), key=lambda pair: pair[0]))
