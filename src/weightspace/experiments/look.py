"""`look`: a first look at a network: how it trains, and with how few degrees of freedom it does."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, Slices
from weightspace.experiments.freedom.tickets import Tickets
from weightspace.experiments.settings import number
from weightspace.figures.charts import Curve
from weightspace.run import Row
from weightspace.tables.base import On, Where
from weightspace.tables.curves import Curves, Traces
from weightspace.tables.enough import Enough
from weightspace.tables.means import Means
from weightspace.tables.vocabulary import FULL
from weightspace.tables.words import Label, Metric

PATH = ("distance", "path-length")
TRAVELLED = ("distance", "path_length")
DIMS = (4, 16, 64, 256, 1024, 4096)
SMALL: dict[str, Any] = {"dims": (16, 128), "fractions": (0.2, 0.05), "epochs": 3.0, "dense_epochs": 1.0}
READING = (
    "Each run of the full space is an ordinary training. Beside it the same network is trained in random "
    "slices of d dimensions through its start (up to half of all), and as lottery tickets, of which a short "
    "training has chosen the weights that stay: both are counted in degrees of freedom. What costs little "
    "accuracy with few of them is simple for this network. The distance from the start and the length of the "
    "path say how far it had to go."
)


class Look(
    Experiment,
    name="look",
    question="How does this network train, how few degrees of freedom does it need, and how far does it go?",
    paper=LARSEN_2022,
    reading=READING,
    presets={
        "smoke": SMALL | {"model": "fc:widths=16", "seeds": ("2",)},
        "quick": {"dims": DIMS, "fractions": (0.2, 0.05, 0.02, 0.005), "epochs": 15.0, "seeds": ("3",)},
    },
    by=BY,
    metrics=METRICS,
    words=(
        Label("kept", "share of the full accuracy to keep", "{:g} of the full accuracy", order="always"),
        Metric("full_accuracy", "accuracy in the full space", "", "fraction", "higher", "mean over runs"),
        Metric("wanted_accuracy", "accuracy to reach", "", "fraction", "", "the share kept of the full one"),
        Metric("least_dims", "least degrees of freedom asked", "d", "dimensions", "lower",
               "the least d asked from which on mean accuracy stays above the one to reach"),
        Metric("least_share", "as a share of all weights", "d/D", "fraction", "lower", "d over all weights"),
    ),
):  # fmt: skip
    """A first look at a network: how it trains, how few degrees of freedom it needs, how far it goes.

    Ordinary trainings with their path, random slices through the start and lottery tickets, in one question.
    """

    slices: Slices = Slices(model="fc", dims=DIMS, epochs=15.0)
    ticket: Tickets = Tickets(fractions=(0.2, 0.05, 0.02, 0.005))
    confidence: float = number(0.95, above=0, below=1)
    """Of the intervals of means."""

    def ask(self) -> Iterator[Row]:
        """Full trainings with their path, slices of at most half of all dimensions, tickets."""
        probes = tuple(dict.fromkeys((*self.slices.probes, *PATH)))
        yield from dataclasses.replace(self.slices, probes=probes).references()
        most = max(self.slices.size // 2, 1)
        dims = tuple(d for d in self.slices.dims if d <= most) or (most,)
        yield from dataclasses.replace(self.slices, dims=dims).rows()
        yield from self.ticket.rows(self.slices)

    def answered_by(self) -> tuple[Answer, ...]:
        """Means, what is enough, and the curves."""
        arms = ("method",)
        ordinary = Where((("method", (FULL,)),))
        full, reached = {"method": FULL}, (*METRICS, *TRAVELLED)
        return (
            Answer("training", Means(reached, ("method", "dim"), interval=self.confidence), shown=full),
            Answer("enough", Enough("test_accuracy", arms, (0.9, 0.95, 0.99)), note=_ENOUGH),
            Answer("freedom", Curves(METRICS[:2], "dim", arms, beside=("compression",)), Curve(
                "dim", name="freedom", title="Accuracy against degrees of freedom", arms=arms,
                top="compression", baseline=("method", FULL),
                baseline_words=("full space", "training in the full space"),
            ), shown=0),
            Answer("curves", On(ordinary, Traces(("test_loss", "train_loss"), arms)), Curve(
                "step", arms, name="curves", title="Training in the full space", spread="sd",
                logarithmic=True,
            ), shown=0),
            Answer("path", On(ordinary, Traces(TRAVELLED, arms)), Curve(
                "step", arms, name="path", title="How far the weights go", spread="sd",
            ), shown=0),
        )  # fmt: skip


_ENOUGH = (
    "The least degrees of freedom asked from which on mean test accuracy stays at a share of that of the "
    "full space; d* with its interval is freedom.random's and freedom.methods' to tell."
)
