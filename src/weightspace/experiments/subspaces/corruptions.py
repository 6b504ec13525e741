"""`subspaces.corruptions`: how good are networks of a region on worse images than those they learnt?"""

import dataclasses
from collections.abc import Iterator

from weightspace.data.corruptions import SEVERITIES, WAYS
from weightspace.data.corruptions.copies import Corruption
from weightspace.errors import InputError, check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import swept
from weightspace.experiments.subspaces.arms import Arms, unlike
from weightspace.experiments.subspaces.tables import SCORES, Part
from weightspace.experiments.subspaces.training import APART_FROM_POINTS, STANDARD, RegionTraining
from weightspace.experiments.subspaces.words import AVERAGED, METRICS, WORDS, WORTSMAN_2021
from weightspace.figures.charts import Curve
from weightspace.frames import Frame
from weightspace.run import Row
from weightspace.tables.base import Given, On, Table
from weightspace.tables.curves import Curves
from weightspace.tables.paired import Pairs

CLEAN = "none"
FEW = ("standard", "two", "swa", "line", "pair")
_MORE = {
    "smoke": {
        "model": "fc:widths=16", "methods": ("standard", "line"), "corruptions": ("fog", "shot_noise"),
        "severities": (1, 5),
    },
    "quick": {"methods": FEW, "severities": (1, 3, 5)},
    "cifar8": {"methods": FEW, "severities": (1, 3, 5)},
    "paper": {"validation": 5000, "methods": (*FEW, "layerwise", "simplex", "smoothing", "early-stop")},
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class OverCorruptions(Table):
    """A line for each method, seed and severity: means over all corruptions; clean images have severity 0.

    Lines that lack a corruption which others are asked on have no mean, as it would be of other images; what
    is NaN on one corruption is so in the mean.
    """

    def of(self, given: Given) -> Frame:
        """The lines."""
        rows = given.of(Part("point"))
        if rows.empty:
            return rows
        metrics = [name for name in (f"all_{each}" for each in SCORES) if name in rows]
        by = ["method", "seed", "severity"]
        asked = given.rows[given.rows["part"] == "point"].groupby("severity")["kind"].nunique()
        whole = rows.groupby(by)["kind"].transform("nunique") == rows["severity"].map(asked)
        groups = rows[whole].groupby(by, sort=False, as_index=False)
        first = groups[["run", "status", "part"]].first()
        means = groups[metrics].agg(lambda values: values.mean(skipna=False))
        return first.merge(means, on=by)


class SubspacesCorruptions(
    Experiment,
    name="subspaces.corruptions",
    gpu=("paper",),
    paper=WORTSMAN_2021,
    figure="corrupted images",
    reading=AVERAGED
    + " Statistics are those of clean training images. Corruptions are made here in the style of "
    "CIFAR-10-C, unless a folder of published ones is given.",
    presets={name: APART_FROM_POINTS[name] | more for name, more in _MORE.items()},
    by=("part", "method", "kind", "severity"),
    metrics=METRICS,
    words=WORDS,
):
    """How good are midpoints and ensembles of a trained region on corrupted test images?"""

    training: RegionTraining = RegionTraining()
    arms: Arms = Arms()
    corruptions: tuple[str, ...] = swept(*WAYS, words="corruption")
    """Which, of noise, blur, weather and digital ones; of a folder, its files."""
    severities: tuple[int, ...] = swept(*SEVERITIES, words="severity", least=1, most=5)
    """From 1, slight, to 5."""
    folder: str = ""
    """A folder in the layout of CIFAR-10-C: <corruption>.npy and labels.npy; empty makes the images."""
    corruption_seed: int = 0
    """Of what is drawn of images that are made."""

    def check(self) -> None:
        """Arms that can be had, known corruptions.

        Raises:
          InputError: Otherwise.
        """
        self.arms.check_with(self.training)
        for name in self.corruptions if not self.folder else ():
            check_choice("corruption", name, WAYS)
        if len(set(self.corruptions)) != len(self.corruptions):
            raise InputError("a corruption is named twice; name each once")

    def ask(self) -> Iterator[Row]:
        """All arms, on clean images and on each copy of them."""
        yield from unlike(self._rows())

    def _rows(self) -> Iterator[Row]:
        copies = {
            (name, level): self._copy(name, level) for name in self.corruptions for level in self.severities
        }
        for seeds in self.training.each_seed():
            for arm in self.arms.of(self.training, seeds):
                yield from self.arms.trained(arm, self.training)
                yield arm.row(severity=0, kind=CLEAN)
                for (name, level), copy in copies.items():
                    yield arm.row(corruption=copy, severity=level, kind=name)

    def _copy(self, name: str, severity: int) -> Corruption:
        if self.folder:
            return Corruption.published(self.folder, name, severity)
        return Corruption(name, severity, self.corruption_seed)

    def answered_by(self) -> tuple[Answer, ...]:
        """Means over corruptions against severity, each corruption, and differences by seed."""
        metrics = tuple(f"all_{name}" for name in SCORES)
        chart = Curve(
            "severity", ("method",), name="corruptions", metrics=metrics, spread="sd",
            title="On corrupted images, mean over corruptions",
        )  # fmt: skip
        names = ("all_accuracy", "all_nll", "all_ece")
        return (
            Answer(
                "by-severity",
                On(OverCorruptions(), Curves(metrics, "severity", ("method",), runs=False)),
                chart,
            ),
            Answer(
                "by-corruption",
                On(Part("point"), Curves(metrics[:1], "severity", ("method", "kind"))),
                shown=0,
            ),
            Answer(
                "differences", On(OverCorruptions(), Pairs(names, "method", STANDARD, within=("severity",)))
            ),
        )
