"""`subspaces.swa`: averages of the checkpoints of one training, beside a line that is trained as one."""

from collections.abc import Iterator, Sequence

from weightspace.derived.averages import BY, Averaged, RandomAverage, pulled
from weightspace.derived.region import Points
from weightspace.derived.swag import SwagSample
from weightspace.errors import check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number, swept
from weightspace.experiments.subspaces.arms import DROPOUT, EARLY, SMOOTHING, Arms, kept
from weightspace.experiments.subspaces.tables import by_method, differences
from weightspace.experiments.subspaces.training import APART_FROM_POINTS, STANDARD, RegionTraining
from weightspace.experiments.subspaces.words import AVERAGED, METRICS, WORDS, WORTSMAN_2021
from weightspace.measure.agreement import WAYS
from weightspace.measure.network import Network
from weightspace.probes import Average, Swag
from weightspace.recipes.cycles import Cycles, Plateau
from weightspace.run import Row
from weightspace.spaces.full import Full
from weightspace.spaces.simplex import Line
from weightspace.streams import Seeds

_MORE = {
    "smoke": {"model": "fc:widths=16", "epochs": 4.0, "models": 2, "samples": 2},
    "cifar8": {"models": 5},
    "paper": {"models": 5},
}


class SubspacesSwa(
    Experiment,
    name="subspaces.swa",
    gpu=("paper",),
    paper=WORTSMAN_2021,
    figure="Fig. 5, SWA",
    reading=AVERAGED + " Every average is one training's: all cost as much as standard training.",
    presets=APART_FROM_POINTS | {name: APART_FROM_POINTS[name] | more for name, more in _MORE.items()},
    by=("part", "method"),
    metrics=METRICS,
    words=WORDS,
):
    """Is the average of a training's checkpoints as good as the midpoint of a trained line?"""

    training: RegionTraining = RegionTraining()
    since: float = number(0.75, above=0, below=1)
    """The share of the training at which averages begin."""
    swa_rate: float = number(0.5, above=0)
    """The share of the learning rate of the constant end and of the tops of cycles."""
    models: int = number(4, least=2)
    """Checkpoints of the cyclic rate, one at each border of its cycles."""
    rank: int = number(20, least=2)
    """The most deviations that SWAG keeps."""
    samples: int = number(10, least=2)
    """Networks drawn of SWAG that vote as one."""
    pull: float = number(0.5, above=0, below=1)
    """The share of one checkpoint in an average that is pulled towards it."""
    beta: float = number(1.0, least=0)
    """β of the line's penalty β cos² of its ends."""
    way: str = "probability_mean"
    """How ensembles vote: probability_mean, logit_mean or, as in the original, logit_sum."""
    beside: tuple[str, ...] = swept("smoothing", words="method", empty=True)
    """Other single networks beside them: smoothing, dropout (the model needs the option), early-stop (needs
    validation examples)."""

    def check(self) -> None:
        """Whole epochs, one for each cycle.

        Raises:
          InputError: Unless they are.
        """
        check_choice("way of an ensemble", self.way, WAYS)
        for name in self.beside:
            check_choice("method", name, (SMOOTHING, DROPOUT, EARLY))
        self._arms.check_with(self.training)
        self.training.whole_epochs()
        self._cycles.borders(int(self.training.epochs))

    @property
    def _arms(self) -> Arms:
        return Arms(methods=self.beside, way=self.way)

    @property
    def _cycles(self) -> Cycles:
        warmup = self.training.warmup
        return Cycles(self.models - 1, begin=self.since, top=self.swa_rate, warmup=warmup)

    def ask(self) -> Iterator[Row]:
        """Standard trainings, one with a constant and one with a cyclic end, and a line."""
        for seeds in self.training.each_seed():
            yield from self.training.references(seeds, self.way)
            yield from self._constant(seeds)
            yield from self._cyclic(seeds)
            run = self.training.run(Line(beta=self.beta), seeds)
            yield Row({"part": "training", "method": "line"}, run, self.training.watching())
            labels = {"part": "point", "method": "line, midpoint", "seed": seeds.base}
            yield Row(labels, Points.of(run, ("midpoint",)))
            for arm in self._arms.of(self.training, seeds):
                if STANDARD not in arm.runs:
                    yield from self._arms.trained(arm, self.training)
                yield arm.row()

    def _constant(self, seeds: Seeds) -> Iterator[Row]:
        schedule = Plateau(floor=self.swa_rate, warmup=self.training.warmup, per="epoch")
        run = self.training.run(Full(), seeds, schedule=schedule)
        yield Row({"part": "training", "method": "constant rate"}, run, self.training.watching())
        since = f"{100 * self.since:g}%"
        swa, swag = Average(since, "1ep", last=()), Swag(since, "1ep", rank=self.rank, last=())
        yield self.training.point("SWA, constant rate", [kept(run, swa)], seeds)
        yield self.training.point("SWAG, mean", [kept(run, swag)], seeds)
        state = run.network().state
        draws = [SwagSample.of(run, swag, seeds.base, i).output("weights") for i in range(self.samples)]
        name = f"SWAG, {self.samples} draws as an ensemble"
        yield self.training.point(name, [Network(draw, state) for draw in draws], seeds, self.way)

    def _cyclic(self, seeds: Seeds) -> Iterator[Row]:
        run = self.training.run(Full(), seeds, schedule=self._cycles)
        yield Row({"part": "training", "method": "cyclic rate"}, run, self.training.watching())
        probe = Average(f"{100 * self.since:g}%", "1ep", count=self.models, last=())
        yield self.training.point("SWA, cyclic rate", [kept(run, probe)], seeds)
        borders = self._cycles.borders(int(self.training.epochs))
        each = [run.network(f"{epoch}ep") for epoch in borders]
        yield self.training.point("checkpoints as an ensemble", each, seeds, self.way)
        weights = tuple(network.weights for network in each)
        for by in BY:
            node = RandomAverage(weights, by, seeds.base)
            yield self.training.point(f"random average, {by}", _as_networks([node], each), seeds)
        ends = [Averaged(weights, pulled(len(each), i, self.pull)) for i in range(len(each))]
        yield self.training.point("pulled averages as an ensemble", _as_networks(ends, each), seeds, self.way)

    def answered_by(self) -> tuple[Answer, ...]:
        """Each method's runs, and differences by seed."""
        return (*by_method(), differences())


def _as_networks(nodes: Sequence[Averaged | RandomAverage], each: Sequence[Network]) -> list[Network]:
    """Averages with the state of the last checkpoint."""
    return [Network(node.output("weights"), each[-1].state) for node in nodes]
