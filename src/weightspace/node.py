"""The graph: specs with outputs, and the one edge between them.

A node is a spec that leaves outputs behind: a run (`run.Run`) is one training, a `Derived` value a pure
function of other nodes' outputs. An `Output` is an opaque leaf of a spec that stands for an array which
another node makes; it is the only edge. Identity is a Merkle digest: an output counts as its node's digest
and its name.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax

from weightspace.fields import Reference
from weightspace.spec import Spec, canonical, digest_of
from weightspace.tree import Tree


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


class Derived(Node):
    """A pure function of other nodes' outputs.

    A subclass is made by `@spec`; its `Output` leaves have become arrays when `compute` is called.
    """

    def compute(self) -> dict[str, Tree]:
        """The outputs by name: arrays, nested dicts of arrays, or plain numbers (these become columns)."""
        raise NotImplementedError(f"{type(self).__name__} must define compute()")

    def blank(self) -> dict[str, Tree]:
        """Arrays of the shapes and types of the outputs that other nodes take, by name; nothing is computed.

        Called with blank arrays in the place of `Output` leaves, so that the cost of what follows can be told
        before anything is done. A value whose outputs no training takes need not define it.
        """
        return {}

    def output(self, name: str, *, shared: bool = False) -> Output:
        """One of the outputs of `compute`, by name."""
        return Output(self, name, shared=shared)


def outputs_in(tree: Any) -> list[Output]:
    """The `Output` leaves of a spec."""
    return [item for item in jax.tree.leaves(tree) if isinstance(item, Output)]


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
