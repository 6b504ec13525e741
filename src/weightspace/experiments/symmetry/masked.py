"""`symmetry.shuffled-mask`, `symmetry.random-mask`: does training suffer where a mask breaks symmetry?

Each network is trained under a mask whose dead units are cut, from a start whose variance goes by the inputs
that each unit has left; the symmetry of the mask stands beside its accuracy.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from weightspace.derived.propagated import Propagated
from weightspace.derived.sparse_start import SparseStart
from weightspace.errors import InputError
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number, swept
from weightspace.experiments.symmetry.masks import COUNTED, IOANNOU_2020, PATTERN, Patterns, symmetry
from weightspace.experiments.symmetry.shown import (
    DRAWN,
    LOST,
    POOLED,
    against_lost,
    against_sparsity,
)
from weightspace.experiments.symmetry.training import PAPER, PROBES, WAY, StudyTraining
from weightspace.run import Row
from weightspace.spaces.masked import Masked
from weightspace.streams import Seeds
from weightspace.tables.base import On
from weightspace.tables.correlations import Related
from weightspace.tables.curves import Curves
from weightspace.tables.means import Means
from weightspace.tables.paired import Pairs
from weightspace.tables.shapes import Binned, Stacked
from weightspace.tables.words import Label

ACCURACY = ("test_accuracy",)
METRICS = ("test_accuracy", "train_accuracy", "test_loss", "train_loss", *WAY, *COUNTED)
BIN = "sparsity_range"
"""Where sparsities are drawn, runs of alike ones are taken together for means."""
TEN = (0.1, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""The sparsities of the evidence."""
READING = (
    "Symmetry is that of the units alive. Masks of other patterns differ in more than symmetry: a symmetric "
    "mask cuts whole inputs. That a mask has little symmetry alone does not say how well it trains, since a "
    "lottery ticket's mask and a random one drawn anew have the same, next to none."
)


def rows(
    training: StudyTraining, masks: Patterns, seeds: Seeds, pattern: str, sparsity: float, **more: Any
) -> Iterator[Row]:
    """A training under a mask, and the symmetry of the mask; `more` are further labels."""
    shape = tuple(training.task.data.shape)
    model = training.network()
    mask = masks.mask(model, shape, seeds, pattern, sparsity)
    alive = Propagated(model, shape, mask.output("mask")).output("mask")
    start = SparseStart(model, shape, alive, seeds).output("weights")
    labels = {"pattern": pattern, **more, "sparsity": sparsity, "seed": seeds.base}
    yield Row(labels, training.run(Masked(alive, start=start), seeds), training.watching(own=PROBES))
    yield Row(labels, symmetry(mask))


class ShuffledMask(
    Experiment,
    name="symmetry.shuffled-mask",
    gpu=("paper",),
    question="Do sparse networks train worse whose masks break the symmetry of their units?",
    paper=IOANNOU_2020,
    reading=READING,
    presets={
        "smoke": {
            "model": "mnist_fc:widths=16,16",
            "epochs": 2.0,
            "seeds": ("2",),
            "sparsities": (0.5, 0.75),
        },
        "quick": {},
        "mnist": {"data": "mnist", "seeds": ("5",), "epochs": 10.0},
        "evidence": {"data": "mnist", "seeds": ("5",), "sparsities": TEN},
        "prescribed": {
            "model": "mnist_fc:widths=32,32,32",
            "data": "mnist",
            "seeds": ("5",),
            "patterns": ("per_neuron", "circulant", "block_repeat:repeat=4"),
            # Of 32 units 16, 8 and 4 are left to each: whole groups of four.
            "sparsities": (0.5, 0.75, 0.875),
        },
        "paper": PAPER | {"sparsities": TEN},
    },
    by=("pattern", "sparsity"),
    metrics=METRICS,
    words=(PATTERN,),
):
    """Do sparse networks train worse whose masks break the symmetry of their units?"""

    training: StudyTraining = StudyTraining(model="mnist_fc", epochs=10.0, optimiser="adam", lr=0.01)
    masks: Patterns = Patterns()
    sparsities: tuple[float, ...] = swept(0.5, 0.75, 0.9, words="sparsity", least=0, most=1)
    """Shares of the masked kernels' weights that are zero."""
    confidence: float = number(0.95, above=0, below=1)
    """Of the intervals of means."""

    def ask(self) -> Iterator[Row]:
        """Every pattern at every sparsity, with each seed."""
        for seeds in self.training.each_seed():
            for pattern in self.masks.patterns:
                for sparsity in self.sparsities:
                    yield from rows(self.training, self.masks, seeds, pattern, sparsity)

    def answered_by(self) -> tuple[Answer, ...]:
        """Means against sparsity and symmetry lost, the first pattern against others, correlations."""
        arms, first = ("pattern", "sparsity"), self.masks.patterns[0]
        share, lines = self.confidence, ("pattern",)
        charts = (against_sparsity(lines, share), against_lost(lines, share))
        return (
            Answer("means", Means(METRICS, by=arms, interval=share), *charts, shown=0),
            Answer("pairs", Pairs(ACCURACY, arm="pattern", against=first, within=("sparsity",))),
            Answer("correlation", Related(DRAWN, LOST, within=("sparsity",)), note=POOLED),
            Answer("within", Related(DRAWN, LOST, within=arms), shown=0),
        )


class RandomMask(
    Experiment,
    name="symmetry.random-mask",
    gpu=("paper",),
    question="How do accuracy and symmetry fall with the sparsity of masks drawn weight by weight?",
    paper=IOANNOU_2020,
    reading=READING,
    presets={
        "smoke": {"model": "mnist_fc:widths=16,16", "epochs": 2.0, "seeds": ("3",)},
        "quick": {},
        "mnist": {"data": "mnist", "seeds": ("20",), "epochs": 10.0},
        # Far enough that units die, so that masks of one sparsity differ in what they keep.
        "evidence": {"data": "mnist", "seeds": ("60",), "patterns": ("bernoulli", "random"), "most": 0.98},
        "paper": PAPER | {"seeds": ("42:62",)},
    },
    by=("pattern",),
    metrics=METRICS,
    words=(PATTERN, Label(BIN, "range of sparsities", "range {:g}", order="always")),
):
    """How do accuracy and symmetry fall with the sparsity of masks drawn weight by weight?"""

    training: StudyTraining = StudyTraining(
        model="mnist_fc", epochs=10.0, optimiser="adam", lr=0.01, seeds=("10",)
    )
    masks: Patterns = Patterns(("bernoulli",))
    least: float = number(0.5, least=0, most=1)
    """Lower end of the range that sparsities are drawn from."""
    most: float = number(0.95, least=0, most=1)
    """Its upper end."""
    confidence: float = number(0.95, above=0, below=1)
    """Of the intervals of means."""

    def check(self) -> None:
        """The range is one."""
        if self.least > self.most:
            raise InputError(
                f"sparsities lie between least={self.least:g} and most={self.most:g}; least is the smaller"
            )

    def ask(self) -> Iterator[Row]:
        """One mask a seed and pattern, of a sparsity of its own."""
        for seeds in self.training.each_seed():
            share = np.random.default_rng(seeds.mask).uniform()
            sparsity = round(float(self.least + share * (self.most - self.least)), 4)
            for pattern in self.masks.patterns:
                yield from rows(self.training, self.masks, seeds, pattern, sparsity)

    def answered_by(self) -> tuple[Answer, ...]:
        """Means over the runs of a range of sparsities, and correlations within such a range."""
        arms, share = ("pattern", BIN), self.confidence
        binned = Binned("sparsity", BIN)
        means = On(binned, Means(("sparsity", *METRICS), by=arms, interval=share))
        return (
            Answer("means", Means(METRICS, by=("pattern",), interval=share), shown=0),
            Answer("bins", means, against_sparsity(("pattern",), share), against_lost(("pattern",), share),
                   shown=0),
            Answer("correlation", On(binned, Related(DRAWN, LOST, within=arms)), shown=0),
            Answer("partial", Stacked((
                Related(DRAWN, LOST, within=("pattern",), fixed=("sparsity",)),
                Related(DRAWN, LOST, within=("pattern",), fixed=("sparsity", "alive_units")),
            )), shown=0),
            Answer("curve", Curves((*ACCURACY, "alive_order_digits", *WAY), x="sparsity", arms=("pattern",)),
                   shown=0),
        )  # fmt: skip
