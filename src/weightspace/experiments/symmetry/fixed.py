"""`symmetry.fixed-param`: at one number of weights, is a deep or a shallow network hurt more by a mask?"""

import dataclasses
import math
from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number, swept
from weightspace.experiments.symmetry.masked import METRICS, rows
from weightspace.experiments.symmetry.masks import IOANNOU_2020, PATTERN, Patterns
from weightspace.experiments.symmetry.training import PAPER, WAY, StudyTraining
from weightspace.figures.charts import Curve
from weightspace.frames import Frame
from weightspace.models.budget import dense_count, widths_for
from weightspace.run import Row
from weightspace.tables.base import Given, Table
from weightspace.tables.curves import Curves
from weightspace.tables.means import Means
from weightspace.tables.words import Label

SHOWN = ("test_accuracy", "alive_order_digits", "alive_lost_digits", *WAY)


@dataclasses.dataclass(frozen=True)
class Networks(Table):
    """The networks that were trained: depth, name with its widths, and the exact number of weights."""

    def of(self, given: Given) -> Frame:
        """A line for each depth."""
        columns = ["depth", "model", "weights"]
        rows = given.rows.reindex(columns=columns).dropna()
        return rows.drop_duplicates().sort_values("depth").reset_index(drop=True)


class FixedParam(
    Experiment,
    name="symmetry.fixed-param",
    gpu=("paper",),
    question="At one number of weights, is a deep or a shallow network hurt more by a mask?",
    paper=IOANNOU_2020,
    reading="All networks have the same number of weights before they are masked, kernels, biases, norms and "
    "the output layer counted. Deeper ones are narrower: they have fewer relabellings to lose.",
    presets={
        "smoke": {"epochs": 2.0, "seeds": ("2",), "budget": 3000, "depths": (1, 2), "sparsities": (0.5,)},
        "quick": {"budget": 10_000},
        "mnist": {"data": "mnist", "seeds": ("5",)},
        "paper": PAPER,
    },
    by=("pattern", "depth", "sparsity"),
    metrics=METRICS,
    words=(
        PATTERN,
        Label("depth", "hidden layers", "{:g} hidden layers", order="always"),
        Label("weights", "weights", "{:g} weights"),
    ),
):
    """At one number of weights, is a deep or a shallow network hurt more by a mask?"""

    training: StudyTraining = StudyTraining(model="mnist_fc", epochs=10.0, optimiser="adam", lr=0.01)
    masks: Patterns = Patterns(("random",))
    budget: int = number(100_000, least=1)
    """Weights of each network, everything counted."""
    depths: tuple[int, ...] = swept(1, 2, 3, 4, 5, words="depth", least=1)
    """Numbers of hidden layers."""
    growth: float = number(2.0, above=0)
    """Width of a hidden layer over that before it."""
    sparsities: tuple[float, ...] = swept(0.0, 0.5, 0.9, words="sparsity", least=0, most=1)
    """Shares of the masked kernels' weights that are zero."""
    confidence: float = number(0.95, above=0, below=1)
    """Of the intervals of means."""

    def ask(self) -> Iterator[Row]:
        """Every depth under every mask, with each seed."""
        networks = {depth: self.widths(depth) for depth in self.depths}
        for seeds in self.training.each_seed():
            for depth, (widths, weights) in networks.items():
                own = dataclasses.replace(
                    self.training, model=f"mnist_fc:widths={','.join(map(str, widths))}"
                )
                for pattern in self.masks.patterns:
                    for sparsity in self.sparsities:
                        yield from rows(
                            own, self.masks, seeds, pattern, sparsity, depth=depth, weights=weights
                        )

    def widths(self, depth: int) -> tuple[tuple[int, ...], int]:
        """The widths of a network of that depth, and its exact number of weights.

        Raises:
          InputError: If the budget does not pay for them.
        """
        data = self.training.task.data
        inputs = math.prod(data.shape)
        widths = widths_for(inputs, data.outputs, self.budget, depth, self.growth, norm=True)
        return widths, dense_count(inputs, widths, data.outputs, norm=True)

    def answered_by(self) -> tuple[Answer, ...]:
        """Widths, means, and accuracy and symmetry against depth."""
        arms = ("pattern", "sparsity")
        return (
            Answer("networks", Networks()),
            Answer("means", Means(METRICS, by=("pattern", "depth", "sparsity"), interval=self.confidence)),
            Answer(
                "curve",
                Curves(SHOWN, x="depth", arms=arms),
                Curve(x="depth", arms=arms, name="depth", title="Accuracy and symmetry against depth",
                      spread="sd"),
                shown=0,
            ),
        )  # fmt: skip
