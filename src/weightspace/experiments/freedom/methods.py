"""`freedom.methods`: which directions need the fewest degrees of freedom, over networks and data sets?"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.burn_in import BurnIn
from weightspace.experiments.freedom.directions import Directions
from weightspace.experiments.freedom.levels import Levels
from weightspace.experiments.freedom.panels import LABEL, check_panels, panels_of
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, Slices
from weightspace.experiments.freedom.tickets import Tickets
from weightspace.experiments.settings import swept
from weightspace.figures.charts import Curve
from weightspace.run import Row
from weightspace.tables.base import On
from weightspace.tables.curves import Curves
from weightspace.tables.shares import ThresholdShares
from weightspace.tables.vocabulary import ARMS, FULL

READING = (
    "All methods on one axis, the number of degrees of freedom: directions drawn at random through the "
    "start, through weights after a few steps, those of an earlier training, and the axes of the largest "
    "weights. A curve further left needs fewer. The second figure has the same as a share of the network's "
    "weights, for every accuracy."
)
ALL = (*ARMS, LABEL)
_ORIGINAL: dict[str, Any] = {
    "data": "mnist", "burn_in": (4, 16, 64, 256), "optimiser": ("adam-legacy",), "counts": "legacy",
    "rate": "legacy", "trajectory_steps": 20_480,
    "before.legacy_steps": True, "learn.legacy_steps": True,
}  # fmt: skip
"""Settings of the original code."""


class FreedomMethods(
    Experiment,
    name="freedom.methods",
    gpu=("paper",),
    paper=LARSEN_2022,
    figure="Figure 5: methods, networks and data sets",
    reading=READING,
    presets={
        "smoke": {
            "model": "fc:widths=16", "dims": (8, 64), "fractions": (0.2, 0.02), "burn_in": (8,),
            "epochs": 2.0, "dense_epochs": 1.0, "seeds": ("2",), "beside": ("fc:widths=8/digits",),
            "trajectory_steps": 320,
        },
        "quick": {
            "dims": (4, 16, 64, 256), "fractions": (0.25, 0.1, 0.05, 0.02, 0.01), "burn_in": (4, 64),
            "epochs": 20.0, "dense_epochs": 5.0, "seeds": ("3",), "beside": ("fc:widths=32/digits",),
            "trajectory_steps": 1280,
        },
        "conv2-mnist": _ORIGINAL | {"dims": (8, 32, 128, 512, 1024), "epochs": 5.0, "seeds": ("3",)},
        "paper": _ORIGINAL | {
            "dims": tuple(2**k for k in range(13)), "epochs": 3.0, "seeds": ("10",),
            "beside": ("conv3/mnist", "conv2/cifar10", "conv3/cifar10", "resnet20/cifar10"),
        },
    },
    by=(*BY, LABEL),
    metrics=METRICS,
):  # fmt: skip
    """Which directions need the fewest degrees of freedom, over networks and data sets?

    Random slices, slices after a burn-in, lottery subspaces and tickets, on one axis, a panel a network and
    data set; runs are those of `freedom.random`, `freedom.burn-in`, `freedom.lottery-subspace` and
    `freedom.lottery-ticket` in the same settings, and are not trained again.
    """

    slices: Slices = Slices()
    before: BurnIn = BurnIn((4, 64))
    learn: Directions = Directions()
    ticket: Tickets = Tickets()
    reach: Levels = Levels()
    methods: tuple[str, ...] = swept("random", "burn-in", "lottery", "ticket")
    """Which are compared: random, burn-in, ticket; of an earlier training lottery, lottery-scaled, …"""
    beside: tuple[str, ...] = swept(empty=True)
    """Further networks and data sets, a panel each, as model/data: resnet20/cifar10."""

    def check(self) -> None:
        """Methods are known, panels have a network and data."""
        self.reach.check_tuned(self.slices)
        self.learn.check_methods(self.methods, tuple(_METHODS), self.slices.dims)
        check_panels(self.beside)

    def ask(self) -> Iterator[Row]:
        """All methods in each panel, and the full space."""
        for panel in panels_of(self.slices, self.beside):
            rows = [panel.slices.references(), *(self._of(name, panel.slices) for name in self.methods)]
            yield from panel.labelled(itertools.chain.from_iterable(rows))

    def _of(self, name: str, slices: Slices) -> Iterator[Row]:
        return _METHODS[name](self, slices) if name in _METHODS else self.learn.rows(slices, name)

    def answered_by(self) -> tuple[Answer, ...]:
        """Panels of curves and of shares, then what all counts have."""
        look: dict[str, Any] = {"arms": self.reach.arms(), "facet": LABEL}
        rows, arms = self.reach.rows(ALL), self.reach.arms(ALL)
        panels = Answer(
            "panels", On(rows, Curves(("test_accuracy",), "dim", arms)), Curve(
                "dim", name="methods", title="Accuracy against degrees of freedom", baseline=("method", FULL),
                baseline_words=("full space", "training in the full space"),
                metrics=("test_accuracy",), **look,
            ), shown=0,
        )  # fmt: skip
        shares = Answer(
            "shares", On(rows, ThresholdShares(("test_accuracy",), arms, failure=self.reach.failure)), Curve(
                "level", name="shares", title="Degrees of freedom needed, as a share of all weights",
                logarithmic=True, told=_SHARES, metrics=("d_star_share",), **look,
            ), shown=0,
        )  # fmt: skip
        return panels, shares, *self.reach.answers(ALL)


_SHARES = (
    "The threshold dimension d* over the number of weights D, against the test accuracy to reach ({n}); "
    "bands: 90 % bootstrap intervals over seeds. Where a line ends, no dimension asked reaches more"
)
_METHODS: dict[str, Callable[[FreedomMethods, Slices], Iterator[Row]]] = {
    "random": lambda _, slices: slices.rows(),
    "burn-in": lambda asked, slices: asked.before.rows(slices),
    "ticket": lambda asked, slices: asked.ticket.rows(slices),
}
"""How each method gives its rows."""
