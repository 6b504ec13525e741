"""The graph: specs with outputs, and the one edge between them.

A node is a spec that leaves outputs behind: a `Run` is one training, a `Derived` value a pure function of
other nodes' outputs. An `Output` is an opaque leaf of a spec that stands for an array which another node
makes; it is the only edge. Identity is a Merkle digest: an output counts as its node's digest and its name.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import jax

from weightspace.arguments import check_labels, check_run, said, watched_probes, watched_steps
from weightspace.errors import InputError, check_choice
from weightspace.fields import Reference
from weightspace.spec import Spec, canonical, digest_of, spec, static
from weightspace.tree import Tree

if TYPE_CHECKING:
    from weightspace.probes.base import Probe

    Steps = str | Sequence[int]
    Probes = Sequence["Probe"]
    Labels = Mapping[str, Any]
    Watched: TypeAlias = "Watch | None"
else:
    # What is not of these types is answered in a sentence, also where types are checked at run time.
    Steps = Probes = Labels = Watched = Any

DTYPES = ("float32", "float64", "bfloat16")


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
    probe: "Probe | None" = None
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


@spec
class Precision(Spec):
    """The arithmetic of a run.

    `float32` and `float64` hold for everything; `bfloat16` computes the model's forward and backward pass in
    bfloat16 and keeps coordinates, weights and optimiser in float32. `matmul` is the precision of products:
    an accelerator's default may be coarser than float32, so it is part of the identity.
    """

    dtype: str = static(default="float32")
    matmul: str = static(default="highest")

    def validate(self) -> None:
        """Known names."""
        check_choice("dtype", self.dtype, DTYPES)
        check_choice("matmul precision", self.matmul, ("default", "high", "highest"))

    @property
    def storage(self) -> str:
        """The type of coordinates, weights and optimiser state."""
        return "float64" if self.dtype == "float64" else "float32"


@spec
class Run(Node):
    """One training: a model, what it learns, where its weights may lie, and how they move."""

    model: Any
    task: Any
    space: Any
    recipe: Any
    seeds: Any
    edits: tuple[Any, ...] = ()
    precision: Any = Precision()

    def validate(self) -> None:
        """Each field is of its kind; a sentence says what was probably meant."""
        check_run(self)

    def read(self, probe: "Probe", name: str, *, shared: bool = False) -> Output:
        """An output that a probe of this run makes."""
        return Output(self, name, probe, shared)

    def at(self, when: str | int, *, shared: bool = False) -> Output:
        """The weights after `when`: `"500it"`, `"2ep"`, `"end"` or a number of steps."""
        from weightspace.probes.snapshot import Snapshot

        return self.read(Snapshot(str(when)), "weights", shared=shared)

    def final(self, *, shared: bool = False) -> Output:
        """The weights at the end of training."""
        return self.at("end", shared=shared)


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


@dataclasses.dataclass(frozen=True)
class Watch:
    """What is recorded of a run, and when; no part of its identity.

    Attributes:
      steps: Evaluation points: `"1ep"` or `"50it"` for a cadence, or a tuple of steps, in any order. The
        start and the end are always among them; a step beyond the end is refused when it is asked of a run.
      probes: What is recorded there.
    """

    steps: "Steps" = "1ep"
    probes: "Probes" = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", watched_steps(self.steps))
        object.__setattr__(self, "probes", watched_probes(self.probes))


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of an experiment's table: labels, the node that answers it, and what to watch.

    Without a watch, a run is evaluated on the train and test splits once an epoch.
    """

    labels: "Labels"
    node: Any = None  # pyright: ignore[reportAssignmentType]  # refused below, in words
    watch: "Watched" = None

    def __post_init__(self) -> None:
        check_labels(self.labels, self.node, Node)
        if self.watch is not None and not isinstance(self.watch, Watch):
            raise InputError(
                f"Row.watch is {said(self.watch)}; give ws.Watch(steps, probes), as in "
                "ws.Watch('1ep', (ws.Evaluation(),))"
            )


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
