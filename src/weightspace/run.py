"""Run: one training, above the contracts that it is made of; and what is asked and recorded of it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from weightspace.arguments import check_labels, check_run, said, watched_probes, watched_steps
from weightspace.errors import InputError, check_choice
from weightspace.node import Node, Output
from weightspace.probes.base import Probe
from weightspace.probes.snapshot import Snapshot
from weightspace.spec import Spec, spec, static

if TYPE_CHECKING:
    from weightspace.data.task import Task
    from weightspace.edits.base import Edit
    from weightspace.models.base import Model
    from weightspace.recipes.base import Recipe
    from weightspace.spaces.base import Space
    from weightspace.streams import Seeds

    Edits = tuple[Edit, ...]
    Steps = str | Sequence[int]
    Probes = Sequence[Probe]
    Labels = Mapping[str, Any]
    Watched: TypeAlias = "Watch | None"
    Arithmetic: TypeAlias = "Precision"
else:
    # What is not of these types is answered in a sentence, also where types are checked at run time.
    Model = Task = Space = Recipe = Seeds = Edits = Steps = Probes = Labels = Watched = Arithmetic = Any

DTYPES = ("float32", "float64", "bfloat16")


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

    model: Model
    task: Task
    space: Space
    recipe: Recipe
    seeds: Seeds
    edits: Edits = ()
    precision: "Arithmetic" = Precision()

    def validate(self) -> None:
        """Each field is of its kind; a sentence says what was probably meant."""
        check_run(self)

    def read(self, probe: Probe, name: str, *, shared: bool = False) -> Output:
        """An output that a probe of this run makes."""
        return Output(self, name, probe, shared)

    def at(self, when: str | int, *, shared: bool = False) -> Output:
        """The weights after `when`: `"500it"`, `"2ep"`, `"end"` or a number of steps."""
        return self.read(Snapshot(str(when)), "weights", shared=shared)

    def final(self, *, shared: bool = False) -> Output:
        """The weights at the end of training."""
        return self.at("end", shared=shared)


@dataclasses.dataclass(frozen=True)
class Watch:
    """What is recorded of a run, and when; no part of its identity.

    Attributes:
      steps: Readings: `"1ep"` or `"50it"` for a cadence, or a tuple of steps, in any order. The
        start and the end are always among them; a step beyond the end is refused when it is asked of a run.
      probes: What is recorded there.
    """

    steps: Steps = "1ep"
    probes: Probes = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", watched_steps(self.steps))
        object.__setattr__(self, "probes", watched_probes(self.probes))


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of an experiment's table: labels, the node that answers it, and what to watch.

    Without a watch, a run is evaluated on the train and test splits once an epoch.
    """

    labels: Labels
    node: Any = None  # pyright: ignore[reportAssignmentType]  # refused below, in words
    watch: Watched = None

    def __post_init__(self) -> None:
        check_labels(self.labels, self.node, Node)
        if self.watch is not None and not isinstance(self.watch, Watch):
            raise InputError(
                f"Row.watch is {said(self.watch)}; give ws.Watch(steps, probes), as in "
                "ws.Watch('1ep', (ws.Evaluation(),))"
            )
