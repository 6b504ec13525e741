"""Arms: networks and ensembles that questions on noise, calibration and corruptions set side by side."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from weightspace.derived.region import Points
from weightspace.errors import InputError, check_choice
from weightspace.experiments.settings import number, swept
from weightspace.experiments.subspaces.training import STANDARD, TWO, RegionTraining
from weightspace.measure.agreement import WAYS
from weightspace.measure.network import Network
from weightspace.probes import Average, Best
from weightspace.recipes.cycles import Plateau
from weightspace.run import Row, Run
from weightspace.spaces.full import Full
from weightspace.spaces.simplex import Line, Simplex
from weightspace.streams import Seeds

METHODS = (
    "standard", "two", "early-stop", "dropout", "smoothing", "swa", "line", "pair", "layerwise", "simplex",
)  # fmt: skip
DROPOUT, SMOOTHING, EARLY = "dropout", "smoothing", "early-stop"


class Arm(NamedTuple):
    """A method with one seed.

    Attributes:
      method: What it is called.
      runs: Its trainings, by name.
      row: `(corruption=None, **labels) -> Row` of its network or ensemble.
    """

    method: str
    runs: dict[str, Run]
    row: Callable[..., Row]


@dataclasses.dataclass(frozen=True)
class Arms:
    """Which methods are set side by side."""

    methods: tuple[str, ...] = swept(*METHODS, words="method")
    """standard, two (as an ensemble), early-stop (the moment of least validation loss), dropout, smoothing,
    swa (constant rate), line (its midpoint), pair (of α = 0.2 and 0.8), layerwise and simplex (midpoints)."""
    dropouts: tuple[float, ...] = swept(0.2, words="dropout", above=0, below=1)
    """Probabilities of dropout in the blocks, an arm each; the model needs the option."""
    smoothings: tuple[float, ...] = swept(0.1, words="label smoothing", above=0, below=1)
    """Shares of label smoothing, an arm each."""
    vertices: int = number(3, least=2)
    """Vertices of the simplex."""
    beta: float = number(1.0, least=0)
    """β of the penalty β cos² of a random pair of vertices."""
    swa_rate: float = number(0.5, above=0)
    """The share of the learning rate at the constant end of swa, whose average begins at ¾."""
    way: str = "probability_mean"
    """How ensembles vote: probability_mean, logit_mean or, as in the original, logit_sum."""

    def check_with(self, training: RegionTraining) -> None:
        """Known methods that can be had.

        Raises:
          InputError: Unless they are.
        """
        for name in self.methods:
            check_choice("method", name, METHODS)
        if len(set(self.methods)) != len(self.methods):
            raise InputError(f"a method is named twice in {', '.join(self.methods)}; name each once")
        check_choice("way of an ensemble", self.way, WAYS)
        if EARLY in self.methods and not training.validation:
            raise InputError(
                "method 'early-stop' picks its moment by validation examples, but validation is 0; set some "
                "aside, or leave the method out"
            )

    def of(self, training: RegionTraining, seeds: Seeds) -> Iterator[Arm]:
        """All arms with one seed."""
        for name in self.methods:
            yield from self._arms(name, training, seeds)

    def trained(self, arm: Arm, training: RegionTraining, **labels: Any) -> Iterator[Row]:
        """The rows of an arm's trainings."""
        for name, run in arm.runs.items():
            yield Row({"part": "training", "method": name} | labels, run, training.watching())

    def _arms(self, name: str, training: RegionTraining, seeds: Seeds) -> Iterator[Arm]:
        one, line = training.standard(seeds), Line(beta=self.beta)
        if name == "standard":
            yield self._networks(STANDARD, {STANDARD: one}, [one.network()], training, seeds)
        elif name == "two":
            runs = {STANDARD: one, f"{STANDARD}, the second": training.other(seeds)}
            yield self._networks(TWO, runs, [run.network() for run in runs.values()], training, seeds)
        elif name == EARLY:
            probe = Best("1ep", last=())
            yield self._networks("early stop", {STANDARD: one}, [kept(one, probe)], training, seeds)
        elif name == DROPOUT:
            for rate in self.dropouts:
                own = dataclasses.replace(training, model=with_option(training.model, f"dropout={rate:g}"))
                yield self._alone(f"dropout {rate:g}", own, seeds)
        elif name == SMOOTHING:
            for share in self.smoothings:
                yield self._alone(
                    f"label smoothing {share:g}", dataclasses.replace(training, smoothing=share), seeds
                )
        elif name == "swa":
            schedule = Plateau(floor=self.swa_rate, warmup=training.warmup, per="epoch")
            run = training.run(Full(), seeds, schedule=schedule)
            networks = [kept(run, Average("75%", "1ep", last=()))]
            yield self._networks("SWA", {"constant rate": run}, networks, training, seeds)
        else:
            space, method, names = {
                "line": (line, "line, midpoint", ("midpoint",)),
                "pair": (line, "line, pair", ("0.2", "0.8")),
                "layerwise": (
                    dataclasses.replace(line, layerwise=True), "layerwise line, midpoint", ("midpoint",)
                ),
                "simplex": (
                    Simplex(self.vertices, beta=self.beta), f"simplex of {self.vertices}, midpoint",
                    ("midpoint",),
                ),
            }[name]  # fmt: skip
            yield self._region(method, training.run(space, seeds), names)

    def _alone(self, method: str, training: RegionTraining, seeds: Seeds) -> Arm:
        run = training.standard(seeds)
        return self._networks(method, {method: run}, [run.network()], training, seeds)

    def _networks(
        self,
        method: str,
        runs: dict[str, Run],
        networks: list[Network],
        training: RegionTraining,
        seeds: Seeds,
    ) -> Arm:
        def row(corruption: Any = None, **labels: Any) -> Row:
            return training.point(method, networks, seeds, self.way, corruption, **labels)

        return Arm(method, runs, row)

    def _region(self, method: str, run: Run, names: tuple[str, ...]) -> Arm:
        def row(corruption: Any = None, **labels: Any) -> Row:
            node = Points.of(run, names, way=self.way, corruption=corruption)
            return Row({"part": "point", "method": method, "seed": run.seeds.base} | labels, node)

        return Arm(method, {method.partition(",")[0]: run}, row)


def kept(run: Run, probe: Any) -> Network:
    """What a probe has kept of a run, with a state where the model has one."""
    state = None if run.network().state is None else run.read(probe, "state")
    return Network(run.read(probe, "weights"), state)


def with_option(model: str, option: str) -> str:
    """A network's name with one more option.

    >>> with_option("cresnet20", "dropout=0.2"), with_option("cresnet:depth=8", "dropout=0.2")
    ('cresnet20:dropout=0.2', 'cresnet:depth=8,dropout=0.2')
    """
    return f"{model}{',' if ':' in model else ':'}{option}"


def unlike(rows: Iterator[Row]) -> Iterator[Row]:
    """Rows, those of one training that several arms share once."""
    seen: set[Any] = set()
    for row in rows:
        key = (frozenset(row.labels.items()), row.node.digest)
        if key not in seen:
            seen.add(key)
            yield row
