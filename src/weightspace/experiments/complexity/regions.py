"""`complexity.regions`: the linear regions of trained networks on the plane of their data."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from weightspace.derived.empty_regions import EmptyRegions
from weightspace.derived.lipschitz import LipschitzBounds
from weightspace.derived.slice_regions import SliceRegions
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.complexity.paths import BY, LOUKAS_2021, WINDOWS, Cosines
from weightspace.experiments.settings import number
from weightspace.figures.charts import Maps, Scatter
from weightspace.run import Row
from weightspace.tables.base import On
from weightspace.tables.parts import Parts
from weightspace.tables.regions import RegionBounds, RegionMaps

MAPS = (
    ("output", "signed", "network output", "the network's output"),
    ("region", "numbers", "{n} regions", "its linear regions (colours only tell neighbours apart)"),
    ("lipschitz", "positive", "λ", "the local Lipschitz constant in each"),
    ("bound", "plain", "bound on λ",
     "Theorem 2's bound where there is no training point, white where it says nothing"),
)  # fmt: skip


class ComplexityRegions(
    Experiment,
    name="complexity.regions",
    question="How steep may a network be in the linear regions that hold no data?",
    paper=dataclasses.replace(
        LOUKAS_2021, figure="Figure 6 of the second version: regions and Theorem 2"
    ),
    reading="A region is a set of inputs with one activation pattern; the network is affine there, with "
    "Lipschitz constant λ. The last map holds the bound of Theorem 2 where a linear programme finds one: "
    "never below λ, and only for part of the regions that hold no training point.",
    presets={
        "smoke": {"seeds": ("1",), "epochs": 100.0, "grid": 60, "examples": (100,)},
        "quick": {"seeds": ("3",)},
        "paper": {"seeds": ("10",), "frequencies": (0.25, 0.5, 0.75, 1.0)},
    },
    columns=On(WINDOWS, Parts("training", ("slice", "empty", "bounds"), (*BY, "seed"))),
    by=BY,
    metrics=("test_loss", "regions", "training_regions", "empty_area", "feasible_share", "tightness_median",
             "tightness_min", "lipschitz_max_data", "lipschitz_max_slice", "spectral_product"),
):  # fmt: skip
    """Into which linear regions is the plane of the data cut, and how steep may the network be far from them?

    After training the plane is looked at on a grid: which region each cell lies in, the local Lipschitz
    constant λ there, and in regions without a training point the bound of Theorem 2, one linear programme a
    region. It says nothing (no bound) where the region's pattern is no combination of those at the data.
    """

    training: Cosines = Cosines(model=("mlp2",), frequencies=(0.5,), examples=(200,), epochs=1000)
    grid: int = number(200, least=2)
    """Cells along each side of the plane."""
    exact: bool = False
    """Cut the plane into its polygons too, which counts all regions and takes longer."""

    def ask(self) -> Iterator[Row]:
        """The trainings, and three derived values of each."""
        for labels, run in self.training.runs():
            yield self.training.row(labels | {"part": "training"}, run)
            of: dict[str, Any] = {
                "model": run.model, "weights": run.final(), "data": run.task.data, "seeds": run.seeds,
            }  # fmt: skip
            yield Row(labels | {"part": "slice"}, SliceRegions(**of, grid=self.grid, exact=self.exact))
            yield Row(labels | {"part": "empty"}, EmptyRegions(**of, grid=self.grid))
            yield Row(labels | {"part": "bounds"}, LipschitzBounds(**of))

    def answered_by(self) -> tuple[Answer, ...]:
        """The plane of the first seed of each setting; the bound against the truth in all."""
        maps = Maps(BY, MAPS, name="regions", title="Linear regions", caption="The plane of the data, "
                     "{arm}, seed {seed}: {maps}. Dots are training points.")  # fmt: skip
        against = Scatter(
            "lipschitz", "bound", BY, name="bound", title="Bound against truth",
            axes=("λ of the region", "bound of Theorem 2"),
            caption="The bound of Theorem 2 against the true local Lipschitz constant, in the {count} "
            "regions without training points where it is feasible, of {runs} trained networks. On the line "
            "they would be equal.",
        )  # fmt: skip
        return Answer("planes", RegionMaps(BY), maps, shown=0), Answer(
            "bounds", RegionBounds(BY), against, shown=0
        )
