"""Levels: what training has to reach, and the answers that all counts of degrees of freedom share."""

import dataclasses
from typing import Any

from weightspace.errors import InputError, check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.freedom.slices import ACCURACIES, LOSSES, METRICS, Networks, Slices
from weightspace.experiments.settings import number, swept
from weightspace.figures.chart import AT_THE_END, BEST
from weightspace.figures.charts import Curve, Heat, Threshold, threshold_words
from weightspace.figures.marks import Relation
from weightspace.tables.base import On, Rows, Table, Where
from weightspace.tables.curves import Best, Curves
from weightspace.tables.means import Means
from weightspace.tables.thresholds import Success, Thresholds
from weightspace.tables.transition import WIDEST, Transitions
from weightspace.tables.tuned import Tuned
from weightspace.tables.vocabulary import ARMS, FULL

CHOSEN_BY = "validation_accuracy"
"""By which rates are tuned."""


@dataclasses.dataclass(frozen=True)
class Levels:
    """What training has to reach, and how the question is answered."""

    levels: tuple[float, ...] = swept(
        0.5, 0.7, 0.8, 0.9, 0.95, words="accuracy level", empty=True, above=0, most=1
    )
    """Accuracies to reach; d* is given for each."""
    loss_levels: tuple[float, ...] = swept(1.0, 0.5, 0.3, 0.1, words="loss level", empty=True)
    """Losses to reach; d* is given for each."""
    failure: float = number(0.1, above=0, below=1)
    """The probability of failure that d* allows."""
    success: str = "final"
    """A run's value in thresholds and figures: `final`, or `best` over all readings (flatters)."""
    tune: tuple[str, ...] = swept(empty=True)
    """lr: of several learning rates each arm and dimension takes that of best mean validation accuracy."""

    def check(self) -> None:
        """The value of a run is one of two; rates alone are tuned."""
        check_choice("success", self.success, ("final", "best"))
        for name in self.tune:
            check_choice("tune", name, ("lr",))

    def check_tuned(self, networks: Networks) -> None:
        """Raise unless there are rates to choose among, and examples to choose by.

        Raises:
          InputError: If there is one rate alone, or no validation split.
        """
        rates = networks.lr if isinstance(networks, Slices) else ()
        if self.tune and len(rates) < 2:
            raise InputError("tune chooses among learning rates, but there is one alone; give several lr")
        if self.tune and not networks.validation:
            raise InputError(
                "tune chooses learning rates by validation accuracy, but no examples are set aside; "
                "give validation=<examples>"
            )

    def arms(self, of: tuple[str, ...] = ARMS) -> tuple[str, ...]:
        """Those of the labels that still tell arms apart."""
        return tuple(label for label in of if label not in self.tune)

    def rows(self, of: tuple[str, ...] = ARMS, methods: tuple[str, ...] = ()) -> Table:
        """A row a run, with the value that counts, at the rate that is chosen: what all answers are made of.

        Args:
          of: Labels that tell the arms apart.
          methods: Those whose rows are trainings; none where all are.
        """
        wanted = (*METRICS, CHOSEN_BY) if self.tune else METRICS
        rows: Table = Best(wanted) if self.success == "best" else Rows()
        rows = On(Where((("method", methods),)), rows) if methods else rows
        return On(rows, Tuned("lr", CHOSEN_BY, (*self.arms(of), "dim"))) if self.tune else rows

    def answers(self, all_arms: tuple[str, ...] = ARMS, methods: tuple[str, ...] = ()) -> tuple[Answer, ...]:
        """Accuracy against d; success over (d, level); d* against the level and against the burn-in.

        Args:
          all_arms: Labels that tell the arms apart.
          methods: Those whose rows are trainings; none where all are.
        """
        values = BEST if self.success == "best" else AT_THE_END
        rows, arms = self.rows(all_arms, methods), self.arms(all_arms)
        wanted = tuple((name, self.levels if name in ACCURACIES else self.loss_levels) for name in METRICS)
        shared: dict[str, Any] = {"metrics": METRICS, "arms": arms, "failure": self.failure}
        look: dict[str, Any] = {"arms": arms, "values": values}

        def threshold(x: str, name: str, metrics: tuple[str, ...], what: str) -> Threshold:
            title = f"Threshold dimension against {what}"
            return Threshold(
                x, name=f"threshold-{name}", title=title, metrics=metrics, failure=self.failure, **look
            )

        def answer(name: str, table: Table, *charts: Any, **more: Any) -> Answer:
            return Answer(name, On(rows, table), *charts, **more)

        chosen = answer("rates", Means(("lr", *METRICS), (*arms, "dim")))
        return (
            *((chosen,) if self.tune else ()),
            answer("curves", Curves(METRICS, "dim", arms, beside=("compression",)), Curve(
                "dim", name="accuracy", title="Accuracy against dimension", metrics=ACCURACIES,
                top="compression", baseline=("method", FULL),
                baseline_words=("full space", "training in the full space"), **look,
            ), shown=0),
            answer("success", Success(**shared), Heat(
                "dim", "level", "probability", "d_star", columns="burn_in", name="success",
                title="Success probability", caption=_MAP.format(threshold_words(self.failure)), **look,
            ), shown=0),
            answer(
                "lines", Thresholds(**shared), threshold("level", "accuracy", ACCURACIES, "accuracy"),
                threshold("level", "loss", LOSSES, "loss"), shown=0,
            ),
            answer(
                "thresholds", Thresholds(**shared, levels=wanted),
                threshold("burn_in", "burn-in", ACCURACIES, "burn-in"), shown={"metric": "test_accuracy"},
                note="Estimates with 90 % bootstrap intervals over n seeds.",
            ),
            answer(
                "transition", Transitions(METRICS, arms, wanted, self.failure), Relation(
                    "d_half", "width", arms, (WIDEST, 0.5, "3.6 √d½: the widest in conic geometry"),
                    name="transition", title="Width of the transition", caption=_WIDTH, metrics=ACCURACIES,
                ), shown={"metric": "test_accuracy"}, note="Fits to n seeds, 90 % bootstrap intervals.",
            ),
        )  # fmt: skip


_WIDTH = (
    "Dimensions between success in one run of ten and in nine of ten, on a logistic curve in ln d fitted to "
    "all runs ({n}), against the dimension of even odds, a dot an accuracy to reach; bars: 90 % bootstrap "
    "over seeds. Above the dashed line the transition is wider than geometry alone makes it: seeds differ."
)
_MAP = (
    "Share of runs whose {{metric}} reaches a level (vertical) in d dimensions, from black (none) to white "
    "(all), {{n}} at each d. Line: {}."
)
