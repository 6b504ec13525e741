"""How regions are trained, and the rows that all questions about them share."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from weightspace.data import make_data
from weightspace.data.corruptions.copies import Corruption
from weightspace.data.task import Task
from weightspace.derived.compared import Compared
from weightspace.derived.region import Points, grid
from weightspace.errors import InputError, check_number
from weightspace.experiments.settings import number
from weightspace.experiments.training import Training
from weightspace.measure.network import Network
from weightspace.recipes.augment import CropFlip
from weightspace.recipes.base import Recipe
from weightspace.recipes.losses import CrossEntropy
from weightspace.recipes.schedules import Cosine, Schedule
from weightspace.run import Row, Run
from weightspace.spaces.full import Full
from weightspace.streams import Seeds

STANDARD, TWO = "standard", "standard, two as an ensemble"
_APART = 1_000_000
SMOKE = {"epochs": 2.0, "seeds": ("2",), "model": "cresnet:depth=8,width=2", "points": 5, "warmup": 1.0}
CIFAR = {"data": "cifar10", "weight_decay": 1e-4, "eval_every": "10ep"}
TEN_THOUSAND = "cifar10:classes=0,1,2,3,4,5,6,7,8,9,train_each=1000"
PRESETS = {
    "smoke": SMOKE,
    "quick": {"points": 11},
    "cifar8": CIFAR | {"data": TEN_THOUSAND, "model": "cresnet:depth=8,width=8", "epochs": 20.0},
    "paper": CIFAR | {"model": "cresnet20", "epochs": 160.0, "warmup": 5.0, "padding": 4, "flip": True},
    "tiny": CIFAR
    | {"data": "tiny_imagenet", "model": "resnet18_64", "epochs": 160.0, "warmup": 5.0}
    | {"padding": 4, "flip": True},
}
APART_FROM_POINTS = {name: {k: v for k, v in each.items() if k != "points"} for name, each in PRESETS.items()}
"""Presets of questions that look at no grid of points."""


@dataclasses.dataclass(frozen=True)
class RegionTraining(Training):
    """Momentum with a warm-up and half a cosine, the rate set once an epoch, as in the original."""

    model: str = "cresnet:depth=8,width=4"
    lr: float = 0.1
    epochs: float = number(10, above=0)
    warmup: float = number(2.0, least=0)
    """Epochs in which the learning rate rises."""
    padding: int = number(0, least=0)
    """Pixels of black on each side of an image, before a random crop of its size; 4 in the paper."""
    flip: bool = False
    """Whether every second image is flipped from left to right, at random."""
    noise: float = number(0.0, least=0, most=1)
    """Share of training labels replaced by uniform ones, the same for all runs."""
    noise_seed: int = number(0, least=0)
    """Which labels these are, and what they become."""
    smoothing: float = number(0.0, least=0, below=1)
    """Label smoothing of the loss."""

    def check(self) -> None:
        """The warm-up ends before training does."""
        check_number("warmup", self.warmup, below=self.epochs, hint="It is in epochs, a part of them all.")

    @functools.cached_property
    def task(self) -> Task:
        """Data, with the noise, and cross-entropy, with the smoothing."""
        noise = {"noise": self.noise, "noise_seed": self.noise_seed} if self.noise else {}
        data = make_data(self.data, validation=self.validation, **noise)
        return Task(data, CrossEntropy(smoothing=self.smoothing))

    @property
    def augment(self) -> CropFlip | None:
        """What happens to images."""
        return CropFlip(self.padding, 0.5 if self.flip else 0.0) if self.padding or self.flip else None

    def whole_epochs(self) -> None:
        """Raise unless training is so many whole epochs: networks are taken between two of them.

        Raises:
          InputError: If it is not.
        """
        if self.epochs != int(self.epochs):
            raise InputError(
                f"epochs is {self.epochs:g}, but networks are taken at the end of whole epochs; take "
                f"{max(round(self.epochs), 1)}"
            )

    def recipe(self, *, samples: int = 1, schedule: Schedule | None = None, **changes: Any) -> Recipe:
        """As of `Training`, with the schedule.

        Args:
          samples: S, the draws of a batch.
          schedule: Another one.
          changes: As of `Training.recipe`.
        """
        schedule = schedule or Cosine(warmup=self.warmup, per="epoch")
        return dataclasses.replace(
            super().recipe(**changes), schedule=schedule, samples=samples,
            augment=self.augment,
        )  # fmt: skip

    def standard(self, seeds: Seeds) -> Run:
        """A training of all weights alone."""
        return self.run(Full(), seeds)

    def other(self, seeds: Seeds) -> Run:
        """A second one that shares nothing with the first but the examples set aside for validation."""
        return self.run(Full(), self.apart(seeds, 1))

    def apart(self, seeds: Seeds, number: int) -> Seeds:
        """The seeds of the `number`-th training beside one; the 0-th is that one."""
        if number == 0:
            return seeds
        split = {"split": seeds.split} if self.validation else {}
        return Seeds((seeds.base + number * _APART) % 2**32, **split)

    def point(
        self, method: str, networks: Sequence[Network], seeds: Seeds, way: str = "logit_sum",
        corruption: Corruption | None = None, **labels: Any,
    ) -> Row:  # fmt: skip
        """Networks alone and as one ensemble, by statistics of the same kind as points of a region."""
        node = Compared(
            self.network(), self.task, tuple(networks), seeds, statistics="recalibrated", way=way,
            precision=self.precision, corruption=corruption,
        )  # fmt: skip
        return Row({"part": "point", "method": method, "seed": seeds.base} | labels, node)

    def references(self, seeds: Seeds, way: str = "logit_sum") -> Iterator[Row]:
        """Standard training alone and two of them as an ensemble."""
        one, two = self.standard(seeds), self.other(seeds)
        yield Row({"part": "training", "method": STANDARD}, one, self.watching())
        yield Row({"part": "training", "method": f"{STANDARD}, the second"}, two, self.watching())
        for method, runs in ((STANDARD, (one,)), (TWO, (one, two))):
            yield self.point(method, [run.network() for run in runs], seeds, way)


@dataclasses.dataclass(frozen=True)
class PathTraining(RegionTraining):
    """Regions with two ends: what lies between them is looked at."""

    points: int = number(21, least=2)
    """Points between 0 and 1 at which networks are compared, both ends among them."""

    def region(self, method: str, run: Run, **labels: Any) -> Iterator[Row]:
        """A run, its midpoint as one network, the pair of 0.2 and 0.8, and the points between its ends."""
        yield Row({"part": "training", "method": method} | labels, run, self.watching())
        for what, names in (("midpoint", ("midpoint",)), ("pair", ("0.2", "0.8"))):
            own = {"part": "point", "method": f"{method}, {what}", "seed": run.seeds.base}
            yield Row(own | labels, Points.of(run, names))
        yield self.along(method, run, **labels)

    def along(self, method: str, run: Run, when: str = "end", **labels: Any) -> Row:
        """The points between the ends."""
        found = Points.of(run, grid(self.points), when=when)
        return Row({"part": "region", "method": method, "seed": run.seeds.base} | labels, found)
