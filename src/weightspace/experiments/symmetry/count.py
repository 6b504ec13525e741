"""`symmetry.count`: how many relabellings of hidden units leave a mask as it is? Nothing is trained."""

import dataclasses
from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.seeds import parse_seeds
from weightspace.experiments.settings import number, swept
from weightspace.experiments.symmetry.masks import COUNTED, IOANNOU_2020, PATTERN, Patterns, symmetry
from weightspace.figures.charts import Curve
from weightspace.frames import Frame
from weightspace.run import Row
from weightspace.streams import Seeds
from weightspace.symmetry.numbers import digits, log10, orderings, scientific
from weightspace.tables.base import Given, Table
from weightspace.tables.curves import Curves
from weightspace.tables.means import Means


@dataclasses.dataclass(frozen=True)
class Relabellings(Table):
    """N!^L, by both readings of a depth.

    Attributes:
      width: N.
      depth: L.
    """

    width: int
    depth: int

    def of(self, given: Given) -> Frame:
        """Columns: what the depth counts, hidden layers, and the number."""
        from pandas import DataFrame

        found = orderings(self.width, self.depth)
        layers = {"hidden": self.depth, "with_output": self.depth - 1}
        words = {"hidden": "hidden layers", "with_output": "all layers, the output's among them"}
        return DataFrame(
            [
                {
                    "depth counts": words[name],
                    "hidden layers": layers[name],
                    "units": self.width,
                    "relabellings": scientific(order),
                    "digits": digits(order),
                    "log10": log10(order),
                }
                for name, order in found.items()
            ]
        )


class Count(
    Experiment,
    name="symmetry.count",
    question="How many relabellings of hidden units leave a mask as it is?",
    paper=IOANNOU_2020,
    reading="Digits are log₁₀ of the order of the mask's automorphism group, of the units that are alive: 0 "
    "is one relabelling, none but the identity. The dense network has all of them; a mask whose twins count "
    "less than its order has relabellings of several layers at once.",
    presets={
        "smoke": {"model": "fc:widths=8,8,8", "sparsities": (0.5, 0.75), "seeds": ("2",)},
        "quick": {},
        "mnist": {"data": "mnist", "seeds": ("10",)},
    },
    by=("pattern", "sparsity"),
    metrics=COUNTED,
    words=(PATTERN,),
):
    """How many relabellings of hidden units leave a mask as it is?"""

    masks: Patterns = Patterns(("random", "per_neuron", "symmetric", "circulant"))
    model: str = "fc:widths=16,16,16,16,16,16"
    """Network: layers in sequence, see `list models`."""
    data: str = "digits"
    """Data set, whose shape the network takes."""
    sparsities: tuple[float, ...] = swept(0.0, 0.5, 0.75, 0.9, words="sparsity", least=0, most=1)
    """Shares of the masked kernels' weights that are zero."""
    seeds: tuple[str | int, ...] | int = swept("3", words="seeds", meant=parse_seeds)
    """Number of masks (from seed 0), a list of seeds, or a range such as 100:105."""
    width: int = number(16, least=1)
    """N of N!^L, the relabellings of a dense network."""
    depth: int = number(6, least=1)
    """L of N!^L: hidden layers; the other reading, in which the output's is the last, is shown beside it."""
    confidence: float = number(0.95, above=0, below=1)
    """Of the intervals of means."""

    def ask(self) -> Iterator[Row]:
        """The symmetry of every mask."""
        from weightspace.data import make_data
        from weightspace.models.zoo import make

        data = make_data(self.data)
        model, shape = make(self.model, data.shape, data.outputs), tuple(data.shape)
        for pattern in self.masks.patterns:
            for sparsity in self.sparsities:
                for seed in parse_seeds(self.seeds):
                    mask = self.masks.mask(model, shape, Seeds(seed), pattern, sparsity)
                    yield Row({"pattern": pattern, "sparsity": sparsity, "seed": seed}, symmetry(mask))

    def answered_by(self) -> tuple[Answer, ...]:
        """N!^L, means, and digits against sparsity."""
        arms = ("pattern", "sparsity")
        return (
            Answer("relabellings", Relabellings(self.width, self.depth)),
            Answer("means", Means(COUNTED, by=arms, interval=self.confidence), shown=0),
            Answer(
                "symmetry",
                Curves(("alive_order_digits", "alive_lost_digits"), x="sparsity", arms=("pattern",)),
                Curve(x="sparsity", arms=("pattern",), name="symmetry", title="Symmetry left, and lost",
                      counted="mask"),
                shown=0,
            ),
        )  # fmt: skip
