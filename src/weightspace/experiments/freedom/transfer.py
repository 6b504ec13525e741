"""`freedom.transfer`: are the directions of one training of use to another, from another initialisation?"""

import dataclasses
from collections.abc import Iterator
from typing import Any

from weightspace.data import make_data
from weightspace.data.task import Task
from weightspace.derived.carried_over import Altered, Shared
from weightspace.derived.principal import Leading
from weightspace.errors import InputError, unknown
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.directions import WAYS, Recorded
from weightspace.experiments.freedom.levels import Levels
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, READING, Slices
from weightspace.experiments.seeds import parse_seeds
from weightspace.experiments.settings import number, swept
from weightspace.figures.charts import Curve
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import CrossEntropy
from weightspace.run import Row
from weightspace.spaces.affine import Affine
from weightspace.spaces.bases.learned import Learned
from weightspace.streams import Seeds
from weightspace.tables.base import On
from weightspace.tables.curves import Curves
from weightspace.tables.paired import Pairs
from weightspace.tables.vocabulary import FULL
from weightspace.tables.words import Label, Metric

RANDOM, OWN, SHARED = "random", "own", "shared"


@dataclasses.dataclass(frozen=True)
class Source:
    """Where an arm's directions come from.

    Attributes:
      donor: `own`, `first`, `all` or `same-init` (the recipient's initialisation, another data order).
      data: `same`, `other` or `random-labels`.
      change: As of `Altered`, or none.
      at_donor: Whether the recipient starts at the donor's initialisation.
    """

    donor: str = "first"
    data: str = "same"
    change: str = ""
    at_donor: bool = False


SOURCES = {
    OWN: Source("own"),
    "transfer": Source(),
    "energy": Source(change="energy"),
    "shuffled": Source(change="shuffled"),
    "donor-init": Source(at_donor=True),
    "other-order": Source("same-init"),
    "pooled": Source("all"),
    "random-labels": Source(data="random-labels"),
    "other-data": Source(data="other"),
}
"""The arms beside random directions and the full space. A further control is an entry here."""
SHARES = ("displacement_share", "overlap", "overlap_chance", "angle_least", "angle_most")
WORDS = (
    Label("basis", "directions of"),
    Metric("displacement_share", "share of the own displacement", "", "fraction", "",
           "‖Uᵀ(w_T - w₀)‖² / ‖w_T - w₀‖², of the recipient's own training"),
    Metric("overlap", "overlap with the own directions", "", "fraction", "", "‖UᵀV‖_F² / d"),
    Metric("overlap_chance", "overlap by chance", "", "fraction", "", "d / D"),
    Metric("angle_least", "least principal angle", "", "degrees", "", "between U and V"),
    Metric("angle_most", "greatest principal angle", "", "degrees", "", "between U and V"),
)  # fmt: skip
PRESETS = {
    "smoke": {"dims": (4, 16), "seeds": ("2",), "epochs": 3.0, "trajectory_steps": 100},
    "quick": {"dims": (4, 16, 64), "seeds": ("3",), "epochs": 30.0, "trajectory_steps": 1280},
    "paper": {
        "data": "mnist", "dims": (8, 128, 512), "seeds": ("100:103",), "epochs": 3.0,
        "other_data": "fashion_mnist",
        "optimiser": ("adam-legacy",), "legacy_steps": True,
        "methods": (RANDOM, *SOURCES),
    },
}  # fmt: skip


class FreedomTransfer(
    Experiment,
    name="freedom.transfer",
    question="Are the directions of one training of use to another, from another initialisation?",
    paper=LARSEN_2022,
    reading=READING + " Pairs are differences from the own directions, seed by seed: the gap that a donor "
    "leaves. Random directions are the floor; a control that is no worse than `transfer` explains it.",
    presets=PRESETS,
    by=(*BY, "basis"),
    metrics=(*METRICS, *SHARES),
    words=WORDS,
):
    """Are the directions of one training of use to another, from another initialisation?

    Each recipient trains from its own initialisation along the first d directions of a donor's training.
    """

    slices: Slices = Slices()
    reach: Levels = Levels()
    learn: Recorded = Recorded()
    donors: tuple[int, ...] = swept(1000, 1001, 1002, words="donor", least=0)
    """Seeds of the donors: the first is the donor, all together the pooled one."""
    other_data: str = ""
    """Data set of the donor of `other-data`, with inputs and classes of the same kind."""
    control_seed: int = number(0, least=0)
    """Of what the controls `energy` and `shuffled` draw, to which each recipient's own seed is added."""
    methods: tuple[str, ...] = swept(RANDOM, *list(SOURCES)[:-1], words="method")
    """Arms: random, own, transfer, energy (random with the donor's energy by layer), shuffled (inside each
    tensor), donor-init (the recipient starts there), other-order (donor of the same initialisation), pooled,
    random-labels, other-data."""

    def check(self) -> None:
        """Arms are known and can be had, and no donor is a recipient."""
        for name in self.methods:
            if name != RANDOM and name not in SOURCES:
                raise unknown("method", name, (RANDOM, *SOURCES))
        self.reach.check_tuned(self.slices)
        self.learn.check_dims(self.slices.dims)
        both = sorted({*self.donors} & {*parse_seeds(self.slices.seeds)})
        if both:
            raise InputError(f"seed {both[0]} is a donor and a recipient; give other donors")
        if "other-data" in self.methods and not self.other_data:
            raise InputError("method 'other-data' needs a data set; give other_data, or leave the method out")

    def ask(self) -> Iterator[Row]:
        """All arms, dimensions and seeds, what directions share, and the full space."""
        yield from self.slices.references()
        for labels, recipe, task in self.slices.arms():
            for seeds in self.slices.each_seed():
                for method in self.methods:
                    for dim in self.slices.dims:
                        yield from self._rows(method, dim, (labels, recipe, task), seeds)

    def _rows(self, method: str, dim: int, arm: tuple[dict[str, Any], Recipe, Task], seeds: Seeds) -> Any:
        labels, recipe, task = arm
        if method == RANDOM:
            yield self.slices.row(method, dim, self.slices.inside(dim, recipe, task, seeds), labels)
            return
        source = SOURCES[method]
        columns = self._columns(source, dim, task, seeds)
        start = dataclasses.replace(seeds, init=self.donors[0]) if source.at_donor else seeds
        space = Affine(Learned(dim, columns))
        run = self.slices.run(space, task, recipe, start)
        row = self.slices.row(method, dim, run, labels)
        yield row
        mine = self._leading(Source("own"), dim, task, start)
        # No training: neither thresholds nor success are told of it.
        own = dict(row.labels) | {"method": SHARED, "basis": method}
        yield Row(own, Shared(columns, mine.output("columns"), mine.recorded[0]))

    def _columns(self, source: Source, dim: int, task: Task, seeds: Seeds) -> Any:
        columns = self._leading(source, dim, task, seeds).output("columns")
        if not source.change:
            return columns
        shape, drawn = tuple(task.data.shape), self.control_seed + seeds.base
        return Altered(columns, self.slices.network, shape, source.change, drawn).output("columns")

    def _leading(self, source: Source, dim: int, task: Task, seeds: Seeds) -> Leading:
        task = self._data(source, task)
        each = {
            "own": (seeds,), "first": (Seeds(self.donors[0]),), "all": tuple(map(Seeds, self.donors)),
            "same-init": (Seeds(self.donors[0], init=seeds.init),),
        }[source.donor]  # fmt: skip
        runs = [self.learn.donor(self.slices, task, one) for one in each]
        return Leading.of(self.learn.principal(WAYS["lottery"], *runs), dim)

    def _data(self, source: Source, task: Task) -> Task:
        if source.data == "same":
            return task
        kept = self.slices.validation
        if source.data == "random-labels":
            return Task(make_data(self.slices.data, validation=kept, noise=1.0), CrossEntropy())
        other = make_data(self.other_data, validation=kept)
        if (other.shape, other.outputs) != (task.data.shape, task.data.outputs):
            raise InputError(
                f"other_data '{self.other_data}' has inputs of shape {other.shape} and {other.outputs} "
                f"outputs, the recipient's {task.data.shape} and {task.data.outputs}: a donor of another "
                "architecture; give a set of the same kind"
            )
        return Task(other, CrossEntropy())

    def answered_by(self) -> tuple[Answer, ...]:
        """Curves and thresholds, gaps to the own directions by seed, and what directions share."""
        trained = self.reach.rows(methods=(*self.methods, FULL))
        apart = tuple(label for label in self.reach.arms() if label != "method")
        gaps = On(trained, Pairs(("test_accuracy",), arm="method", against=OWN, within=("dim", *apart)))
        shared = ("basis", "noise")
        several = OWN in self.methods and len(self.methods) > 1
        chart = Curve(
            "dim", shared, name="shared", title="What directions share with the recipient's own",
            metrics=SHARES,
        )  # fmt: skip
        return (
            *self.reach.answers(methods=(*self.methods, FULL)),
            *((Answer("gaps", gaps),) if several else ()),
            Answer("shared", Curves(SHARES, "dim", shared), chart, shown=0),
        )
