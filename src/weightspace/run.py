"""Run: one training, above the contracts that it is made of; and what is asked and recorded of it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import jax

from weightspace.arguments import (
    EVALUATION,
    check_labels,
    check_run,
    left_out,
    said,
    watched_probes,
    watched_steps,
)
from weightspace.errors import InputError, check_choice
from weightspace.measure.network import Network
from weightspace.models.base import example
from weightspace.node import Node, Output
from weightspace.precision import Precision
from weightspace.probes.base import Probe
from weightspace.probes.evaluation import Evaluation
from weightspace.probes.snapshot import Snapshot
from weightspace.spec import canonical_text, spec

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
    Names = Sequence[str]
    Labels = Mapping[str, Any]
    Watched: TypeAlias = "Watch | None"
    Keep: TypeAlias = "str | None"
    Arithmetic: TypeAlias = "Precision"
else:
    # What is not of these types is answered in a sentence, also where types are checked at run time.
    Model = Task = Space = Recipe = Seeds = Edits = Steps = Probes = Names = Labels = Any
    Watched = Arithmetic = Keep = Any

KEPT = ("final", "best", "none")
"""The network at the end of training; that of least validation loss; none."""


@spec
class Run(Node):
    """One training: a model, what it learns, where its weights may lie, and how they move.

    Attributes:
      model: The network, as an adapter (`from_nnx(Net)`) or the zoo gives it.
      task: Data and loss.
      space: What turns the coordinates that are trained into weights; `Full()` for all weights.
      recipe: Optimiser, length, batch and schedule.
      seeds: Of all that is random.
      edits: What changes masks or weights at moments of training.
      precision: The arithmetic.
    """

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

    @property
    def _canonical_text(self) -> str:
        # Not kept: a sweep has as many as runs, and those of its parts are.
        return canonical_text(self)

    def read(self, probe: Probe, name: str, *, shared: bool = False) -> Output:
        """An output that a probe of this run makes."""
        return Output(self, name, probe, shared)

    def at(self, when: str | int, *, shared: bool = False) -> Output:
        """The weights after `when`: `"500it"`, `"2ep"`, `"end"` or a number of steps."""
        return self.read(Snapshot(str(when)), "weights", shared=shared)

    def final(self, *, shared: bool = False) -> Output:
        """The weights at the end of training."""
        return self.at("end", shared=shared)

    def network(self, when: str | int = "end", *, shared: bool = False) -> Network:
        """What the run leaves after `when`: weights, and the state that goes with them where there is one.

        A spec's field that takes a network is given both as outputs.
        """
        data = self.task.data
        key = jax.random.key(0, impl="threefry2x32")
        blank = example(tuple(data.shape), data.input_dtype(self.precision.storage))
        state = jax.eval_shape(self.model.init, key, blank)[1]
        probe = Snapshot(str(when))
        kept = self.read(probe, "state", shared=shared) if jax.tree.leaves(state) else None
        return Network(self.read(probe, "weights", shared=shared), kept)


@dataclasses.dataclass(frozen=True)
class Watch:
    """What is recorded of a run, and when; no part of its identity.

    Attributes:
      steps: Readings: `"1ep"` or `"50it"` for a cadence, or a tuple of steps, in any order. The
        start and the end are always among them; a step beyond the end is refused when it is asked of a run.
      probes: What is recorded there. Where none of them is an `Evaluation`, that of the train and test splits
        comes before them.
      without: Names of what is recorded by itself and shall not be: `("evaluation",)`.
    """

    steps: Steps = "1ep"
    probes: Probes = ()
    without: Names = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", watched_steps(self.steps))
        object.__setattr__(self, "without", left_out(self.without))
        probes = watched_probes(self.probes)
        own = [probe for probe in probes if isinstance(probe, Evaluation)]
        if own and EVALUATION in self.without:
            raise InputError(
                f"Watch.without takes the evaluation out, but Watch.probes has {own[0].key}; leave one out"
            )
        if not own and EVALUATION not in self.without:
            probes = (Evaluation(("train", "test")), *probes)
        object.__setattr__(self, "probes", probes)


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of an experiment's table: labels, the node that answers it, and what to watch.

    Without a watch, a run is evaluated on the train and test splits once an epoch.

    Attributes:
      labels: What it is called in the table, by column.
      node: The run, or a derived value.
      watch: What is recorded of the run, and when.
      keep: Which network of the run is kept, one of `KEPT`; None leaves that to the sweep.
    """

    labels: Labels
    node: Any = None  # pyright: ignore[reportAssignmentType]  # refused below, in words
    watch: Watched = None
    keep: Keep = None

    def __post_init__(self) -> None:
        check_labels(self.labels, self.node, Node)
        if self.keep is not None:
            check_choice("Row.keep", self.keep, KEPT)
        if self.watch is not None and not isinstance(self.watch, Watch):
            raise InputError(
                f"Row.watch is {said(self.watch)}; give ws.Watch(steps, probes), as in "
                "ws.Watch('1ep', (ws.Evaluation(),))"
            )
