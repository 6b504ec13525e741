"""`subspaces.ensembles`: what several networks give as an ensemble and as one average."""

from collections.abc import Iterator, Sequence

from weightspace.derived.averages import Averaged
from weightspace.derived.region import Points
from weightspace.derived.soup import GreedySoup
from weightspace.errors import InputError, check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number
from weightspace.experiments.subspaces.tables import by_method, differences
from weightspace.experiments.subspaces.training import APART_FROM_POINTS, STANDARD, RegionTraining
from weightspace.experiments.subspaces.words import AVERAGED, METRICS, WORDS, WORTSMAN_2021
from weightspace.measure.agreement import WAYS
from weightspace.measure.network import Network
from weightspace.recipes.cycles import Cycles
from weightspace.recipes.schedules import Cosine
from weightspace.run import Row, Run
from weightspace.spaces.full import Full
from weightspace.spaces.simplex import Line
from weightspace.streams import Seeds

_MORE = {
    "smoke": {"model": "fc:widths=16", "members": 2, "validation": 200},
    "quick": {"validation": 200},
    "cifar8": {"validation": 1000},
    "paper": {"validation": 5000},
}


class SubspacesEnsembles(
    Experiment,
    name="subspaces.ensembles",
    gpu=("paper",),
    paper=WORTSMAN_2021,
    figure="Fig. 4, baselines",
    reading=AVERAGED
    + " A cost of 2 is that of two standard trainings. Greedy soups have chosen by the validation examples, "
    "which no training has seen.",
    presets={name: APART_FROM_POINTS[name] | more for name, more in _MORE.items()},
    by=("part", "method"),
    metrics=(*METRICS, "soup_models", "soup_validation_accuracy"),
    words=WORDS,
):
    """What do several networks give as an ensemble and as one average, and at what cost?"""

    training: RegionTraining = RegionTraining(validation=200)
    members: int = number(4, least=2)
    """K: separate trainings, cycles of the snapshots, branches."""
    shared: float = number(0.5, above=0, below=1)
    """The part of a standard training that the branches have in common."""
    branch_rate: float = number(0.5, above=0)
    """The share of the learning rate with which branches begin."""
    beta: float = number(1.0, least=0)
    """β of the line's penalty β cos² of its ends."""
    way: str = "probability_mean"
    """How ensembles vote: probability_mean, logit_mean or, as in the original, logit_sum."""

    def check(self) -> None:
        """Examples for greedy soups, an epoch for each cycle.

        Raises:
          InputError: Unless there are.
        """
        if not self.training.validation:
            raise InputError(
                "greedy soups choose by validation examples, but validation is 0; set some aside"
            )
        check_choice("way of an ensemble", self.way, WAYS)
        self.training.whole_epochs()
        self._cycles.borders(int(self.training.epochs))

    @property
    def _cycles(self) -> Cycles:
        return Cycles(self.members, begin=0, top=1, warmup=self.training.warmup)

    def ask(self) -> Iterator[Row]:
        """Separate trainings, snapshots of one, branches of one, a line."""
        for seeds in self.training.each_seed():
            yield from self._separate(seeds)
            yield from self._snapshots(seeds)
            yield from self._branches(seeds)
            yield from self._line(seeds)

    def _separate(self, seeds: Seeds) -> Iterator[Row]:
        each = [self.training.run(Full(), self.training.apart(seeds, i)) for i in range(self.members)]
        yield from self._trained(STANDARD, each)
        yield self.training.point(STANDARD, [each[0].network()], seeds, cost=1.0)
        networks = [run.network() for run in each]
        yield from self._group("separate", networks, seeds, float(self.members))

    def _snapshots(self, seeds: Seeds) -> Iterator[Row]:
        run = self.training.run(Full(), seeds, schedule=self._cycles)
        yield from self._trained("snapshots", [run])
        borders = self._cycles.borders(int(self.training.epochs))[1:]
        yield from self._group("snapshots", [run.network(f"{epoch}ep") for epoch in borders], seeds, 1.0)

    def _branches(self, seeds: Seeds) -> Iterator[Row]:
        training, epochs = self.training, self.training.epochs
        start = training.standard(seeds).at(f"{self.shared * epochs:g}ep")
        rest = {
            "epochs": (1 - self.shared) * epochs,
            "lr": self.branch_rate * training.lr,
            "schedule": Cosine(per="epoch"),
        }
        # The first one too has an order of its own: none goes on as the common part did.
        each = [training.run(Full(start), training.apart(seeds, i + 1), **rest) for i in range(self.members)]
        yield from self._trained("branches", each)
        cost = self.shared + self.members * (1 - self.shared)
        yield from self._group("branches", [run.network() for run in each], seeds, cost)

    def _line(self, seeds: Seeds) -> Iterator[Row]:
        run = self.training.run(Line(beta=self.beta), seeds)
        yield from self._trained("line", [run])
        for what, names in (("midpoint", ("midpoint",)), ("pair as an ensemble", ("0.2", "0.8"))):
            labels = {"part": "point", "method": f"line, {what}", "seed": seeds.base, "cost": 1.0}
            yield Row(labels, Points.of(run, names, way=self.way))

    def _trained(self, method: str, runs: Sequence[Run]) -> Iterator[Row]:
        for i, run in enumerate(runs):
            name = method if i == 0 else f"{method}, number {i + 1}"
            yield Row({"part": "training", "method": name}, run, self.training.watching())

    def _group(self, what: str, networks: Sequence[Network], seeds: Seeds, cost: float) -> Iterator[Row]:
        """Networks as one ensemble, as a uniform and as a greedy soup."""
        training, state = self.training, networks[0].state
        yield training.point(f"{what}, as an ensemble", networks, seeds, self.way, cost=cost)
        uniform = Averaged(tuple(network.weights for network in networks))
        mean = Network(uniform.output("weights"), state)
        yield training.point(f"{what}, uniform soup", [mean], seeds, cost=cost)
        greedy = GreedySoup(
            training.network(), training.task, tuple(networks), seeds, precision=training.precision
        )
        row = training.point(
            f"{what}, greedy soup", [Network(greedy.output("weights"), state)], seeds, cost=cost
        )
        yield row
        yield Row(row.labels, greedy)

    def answered_by(self) -> tuple[Answer, ...]:
        """Each method's runs, and differences by seed."""
        return (*by_method("cost"), differences())
