"""The graph: specs with outputs, and the one edge between them.

A node is a spec that leaves outputs behind: a run (`run.Run`) is one training, a `Derived` value a pure
function of other nodes' outputs. An `Output` is an opaque leaf of a spec that stands for an array which
another node makes; it is the only edge. Identity is a Merkle digest: an output counts as its node's digest
and its name.
"""

import dataclasses
import functools
import numbers
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import jax
import numpy as np

from weightspace.errors import InputError
from weightspace.fields import Reference
from weightspace.flat import flat
from weightspace.spec import Spec, canonical, digest_of
from weightspace.tree import Tree

if TYPE_CHECKING:
    Columns = Mapping[str, float | int]
    Trees = Mapping[str, Tree]
    Texts = Mapping[str, str]
else:
    # What is not of these types is answered in a sentence, also where types are checked at run time.
    Columns = Trees = Texts = Any


@runtime_checkable
class Recorder(Protocol):
    """What makes outputs of a run: a probe, by its name in the store."""

    @property
    def key(self) -> str:
        """The name."""
        ...


class Node(Spec):
    """A spec with outputs."""

    @functools.cached_property
    def digest(self) -> str:
        """What this node is called in the store; long chains of nodes need no deep recursion."""
        pending: list[Node] = [self]
        while pending:
            node = pending[-1]
            waiting = [output.of for output in outputs_in(node) if "digest" not in vars(output.of)]
            if waiting:
                pending += waiting
                continue
            pending.pop()
            if "digest" not in vars(node):
                vars(node)["digest"] = digest_of(node)
        return vars(self)["digest"]

    @functools.cached_property
    def parents(self) -> tuple["Node", ...]:
        """The nodes whose outputs this one takes, each once, in a fixed order."""
        found = {output.of.digest: output.of for output in outputs_in(self)}
        return tuple(found[digest] for digest in sorted(found))


@dataclasses.dataclass(frozen=True, eq=False)
class Output(Reference):
    """An array (or nested dict of arrays) that a node leaves behind, by name.

    Attributes:
      of: The node that makes it.
      name: Its name among the node's outputs.
      probe: The probe that a run must carry to make it; None for a derived value.
      shared: Whether all runs of a cohort take this very output, so that it is passed once.
    """

    of: Node
    name: str
    probe: Recorder | None = None
    shared: bool = False

    @property
    def key(self) -> str:
        """The output's name in the store: the probe that made it is part of it."""
        return self.name if self.probe is None else f"{self.probe.key}.{self.name}"

    def __canonical__(self) -> Any:
        """The digest of its node, its name and its probe."""
        # Whether it is shared is a matter of batching, not of numbers.
        return {"of": self.of.digest, "output": self.name, "probe": canonical(self.probe)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Output) and self.of.digest == other.of.digest and self.key == other.key

    def __hash__(self) -> int:
        return hash((self.of.digest, self.key))


@dataclasses.dataclass(frozen=True)
class Found:
    """What a derived value is, once computed.

    Attributes:
      columns: Numbers by name, for the table; whole numbers of any size are kept exactly.
      arrays: Outputs by name: arrays or nested dicts of arrays.
      text: Text by name, for the table.

    Raises:
      InputError: If a column is no number, a text no text, or two of them have one name.
    """

    columns: "Columns" = dataclasses.field(default_factory=dict)
    arrays: "Trees" = dataclasses.field(default_factory=dict)
    text: "Texts" = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = {name: plain_number(value) for name, value in self.columns.items()}
        for name, value in numbers.items():
            if value is None:
                raise InputError(
                    f"column '{name}' is {_said(self.columns[name])}, but must be a number; give arrays in "
                    "Found.arrays, text in Found.text"
                )
        for name, value in self.text.items():
            if not isinstance(value, str):
                raise InputError(f"text '{name}' is {_said(value)}; give str() of it")
            if value != value.encode(errors="replace").decode():
                raise InputError(f"text '{name}' is {value!r:.80}, which is no valid text")
        for name in (*numbers, *self.arrays, *self.text):
            if not isinstance(name, str) or not name:
                raise InputError(f"a derived value gives something by the name {name!r:.80}; names are text")
        both = sorted(numbers.keys() & self.text.keys())
        if both:
            raise InputError(f"'{both[0]}' is a column of numbers and of text; give them two names")
        object.__setattr__(self, "columns", numbers)

    @classmethod
    def of(cls, made: Any) -> "Found":
        """What `compute` gave: a `Found`, or one dict, whose numbers are columns and whose strings are text.

        >>> found = Found.of({"norm": np.float32(0.5), "group": "C2 × C2", "mask": np.ones(3, bool)})
        >>> dict(found.columns), found.text, list(found.arrays)
        ({'norm': 0.5}, {'group': 'C2 × C2'}, ['mask'])
        """
        if isinstance(made, Found):
            return made
        if not isinstance(made, Mapping):
            raise InputError(f"compute() gave {_said(made)}; give Found(columns, arrays, text) or a dict")
        columns = {name: number for name, v in made.items() if (number := plain_number(v)) is not None}
        text = {name: value for name, value in made.items() if isinstance(value, str)}
        rest = {name: value for name, value in made.items() if name not in columns and name not in text}
        return cls(columns, rest, text)


def plain_number(value: Any) -> float | int | None:
    """A number of any library, 0-d arrays among them, as Python's; None for all else.

    >>> [plain_number(value) for value in (np.float32(0.5), np.array(3), np.ones(1), 2 + 1j, "4")]
    [0.5, 3, None, None, None]
    """
    if isinstance(value, numbers.Integral | bool | np.bool_):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    dtype = getattr(value, "dtype", None)
    if dtype is None or getattr(value, "shape", None) != ():
        return None
    if isinstance(value, np.ndarray) and dtype.hasobject:
        return plain_number(value.item())
    if jax.numpy.issubdtype(dtype, np.integer) or jax.numpy.issubdtype(dtype, np.bool_):
        return int(value)
    return float(value) if jax.numpy.issubdtype(dtype, np.floating) else None


def _said(value: Any) -> str:
    return f"{value!r:.80} of type {type(value).__name__}"


class Derived(Node):
    """A pure function of other nodes' outputs.

    A subclass is made by `@spec`; its `Output` leaves have become arrays when `compute` is called.
    """

    def compute(self) -> "Found | dict[str, Tree]":
        """What it is: numbers and text for the table, arrays as outputs; `Found.of` reads a plain dict."""
        raise NotImplementedError(f"{type(self).__name__} must define compute()")

    like: ClassVar[Mapping[str, tuple[str, str | None]]] = {}
    """For outputs that look like one of the inputs: the field, and the type of their numbers if another."""

    def blank(self) -> dict[str, Tree]:
        """Arrays of the shapes and types of the outputs that other nodes take, by name; nothing is computed.

        Called with blank arrays in the place of `Output` leaves, so that the cost of what follows can be told
        before anything is done. A value whose outputs look like one of its inputs says so in `like`; one
        whose outputs no training takes need say nothing.
        """

        def zeros(leaf: Any, dtype: Any) -> np.ndarray:
            return np.broadcast_to(np.zeros((), dtype or np.asarray(leaf).dtype), np.shape(leaf))

        return {
            name: jax.tree.map(lambda leaf, dtype=dtype: zeros(leaf, dtype), getattr(self, field))
            for name, (field, dtype) in self.like.items()
        }

    def output(self, name: str, *, shared: bool = False) -> Output:
        """One of the outputs of `compute`, by name."""
        return Output(self, name, shared=shared)


def outputs_in(tree: Any) -> list[Output]:
    """The `Output` leaves of a spec."""
    form, leaves = flat(tree)
    return [item for item in leaves if isinstance(item, Output)] if form.references else []


def fill(node: Any, arrays: Mapping[Output, Tree]) -> Any:
    """The same spec with arrays in the place of its outputs."""
    return jax.tree.map(lambda item: arrays[item] if isinstance(item, Output) else item, node)


def ancestors(nodes: Iterable[Node]) -> dict[str, Node]:
    """All given nodes and those they depend on, parents first, by digest."""
    found: dict[str, Node] = {}
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(list(nodes))]
    while stack:
        node, ready = stack.pop()
        if node.digest in found:
            continue
        if ready:
            found[node.digest] = node
        else:
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return found
