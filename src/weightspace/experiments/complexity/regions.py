"""`complexity.regions`: the linear regions of trained networks on the plane of their data."""

import dataclasses
from collections.abc import Generator
from typing import Any, ClassVar

from weightspace.derived.empty_regions import EmptyRegions
from weightspace.derived.lipschitz import LipschitzBounds
from weightspace.derived.slice_regions import SliceRegions
from weightspace.errors import check_number
from weightspace.experiments.complexity.measures import with_parts
from weightspace.experiments.complexity.protocol import PAPER
from weightspace.experiments.complexity.sinusoid import CosineSweep
from weightspace.figures.panel import Outputs, Panel
from weightspace.frames import Frame
from weightspace.node import Derived
from weightspace.run import Row, Run

PARTS = ("slice", "empty", "bounds")


@dataclasses.dataclass(frozen=True)
class ComplexityRegions(CosineSweep):
    """Into which linear regions is the plane of the data cut, and how steep may the network be far from them?

    After training the plane is looked at on a grid: which region each cell lies in, the local Lipschitz
    constant λ there, and in regions without a training point the bound of Theorem 2, one linear programme a
    region. It says nothing (no bound) where the region's pattern is no combination of those at the data.
    """

    model: tuple[str, ...] = ("mlp2",)
    frequencies: tuple[float, ...] = (0.5,)
    examples: tuple[int, ...] = (200,)
    epochs: float = 1000
    grid: int = 200
    """Cells along each side of the plane."""
    exact: bool = False
    """Cut the plane into its polygons too, which counts all regions and takes longer."""

    name = "complexity.regions"
    question = "How steep may a network be in the linear regions that hold no data?"
    paper = dataclasses.replace(PAPER, figure="Figure 6 of the second version: regions and Theorem 2")
    reading = (
        "A region is a set of inputs with one activation pattern; the network is affine there, with "
        "Lipschitz constant λ. The last map holds the bound of Theorem 2 where a linear programme finds one: "
        "never below λ, and only for part of the regions that hold no training point."
    )
    metrics = (
        "test_loss", "regions", "training_regions", "empty_area", "feasible_share", "tightness_median",
        "tightness_min", "lipschitz_max_data", "lipschitz_max_slice", "spectral_product",
    )  # fmt: skip
    minutes: ClassVar = {"smoke": "0.3 on 2 shared cores", "quick": "0.7 on 2 shared cores"}
    presets: ClassVar = {
        "smoke": {"seeds": ("1",), "epochs": 100.0, "grid": 60, "examples": (100,)},
        "quick": {"seeds": ("3",)},
        "paper": {"seeds": ("10",), "frequencies": (0.25, 0.5, 0.75, 1.0)},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("grid", self.grid, least=2)

    def ask(self) -> Generator[list[Row], Frame, None]:
        """The trainings, and three derived values of each."""
        rows = []
        for labels, run in self.runs():
            row = self.row(run, labels)
            common = dict(row.labels) | {"data": run.task.data.name}
            rows.append(dataclasses.replace(row, labels=common | {"part": "training"}))
            made = self._derived(run)
            rows += [Row(common | {"part": part}, made[part]) for part in PARTS]
        yield rows

    def _derived(self, run: Run) -> dict[str, Derived]:
        shared: dict[str, Any] = {
            "model": run.model, "weights": run.final(), "data": run.task.data, "seeds": run.seeds,
        }  # fmt: skip
        return {
            "slice": SliceRegions(**shared, grid=self.grid, exact=self.exact),
            "empty": EmptyRegions(**shared, grid=self.grid),
            "bounds": LipschitzBounds(**shared),
        }

    def measured(self, table: Frame, history: Frame) -> Frame:
        """One row a training, with the columns of its derived values."""
        return with_parts(super().measured(table, history), (*CosineSweep.by, "seed"), PARTS)

    def analyse(self, table: Frame, history: Frame) -> dict[str, Frame]:
        """No further tables."""
        return {}

    def figures(self, table: Frame, history: Frame, outputs: Outputs) -> list[Panel]:
        """Target, regions, λ and bound on the plane, for the first seed of each setting."""
        from weightspace.figures.regions import panels

        return panels(table, outputs, self.by)
