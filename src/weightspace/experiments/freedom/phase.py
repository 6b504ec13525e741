"""`freedom.phase`: how sharp is the transition from failure to success, over networks and data sets?"""

from collections.abc import Generator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.levels import Levels
from weightspace.experiments.freedom.panels import LABEL, check_panels, panels_of
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, READING, Slices
from weightspace.experiments.freedom.spending import Spending
from weightspace.experiments.settings import swept
from weightspace.figures.charts import Curve
from weightspace.frames import Frame
from weightspace.run import Row
from weightspace.tables.base import On
from weightspace.tables.collapse import SHARE, Collapsed, X
from weightspace.tables.vocabulary import ARMS
from weightspace.tables.words import Label, Metric

ALL = (LABEL, *ARMS)
PRESETS = {
    "smoke": {
        "model": "fc:widths=16", "dims": (32, 128), "seeds": ("3",), "epochs": 5.0, "levels": (0.6, 0.7),
        "beside": ("fc:widths=8/digits",), "spend": 4, "target": 0.7,
    },
    "quick": {
        "model": "fc:widths=32", "dims": (16, 64, 256, 1024), "seeds": ("4",), "epochs": 30.0,
        "levels": (0.7, 0.8, 0.9), "beside": ("fc:widths=16/digits",), "spend": 60,
    },
    "mnist": {
        "data": "mnist", "model": "fc:widths=16", "dims": (32, 128, 512), "seeds": ("4",), "epochs": 5.0,
        "levels": (0.8, 0.9), "beside": ("conv2/mnist",), "spend": 60,
    },
}  # fmt: skip
WORDS = (
    Label("dims_from_half", "dimensions from even odds (d - d½) / √d½"),
    Metric("success_share", "share of runs that succeed", "P_s", "fraction", "higher",
           "runs at d that reach the level, over all runs at d"),
)  # fmt: skip


class FreedomPhase(
    Experiment,
    name="freedom.phase",
    question="How sharp is the transition from failure to success, over networks and data sets?",
    paper=LARSEN_2022,
    reading=READING + " Geometry alone makes the transition at most some √d* wide: measured from the "
    "dimension of even odds in units of its root, all networks and levels fall on one curve if that is all.",
    presets=PRESETS,
    by=(*BY, LABEL),
    metrics=METRICS,
    words=WORDS,
):
    """How sharp is the transition from failure to success, over networks and data sets?

    Random slices of several networks, with runs spent where success sets in; each transition is then
    measured from its own dimension of even odds, in units of its root, beside the curve of a Gaussian of
    standard deviation √(2 d½), the widest that conic geometry allows.
    """

    slices: Slices = Slices()
    reach: Levels = Levels()
    spending: Spending = Spending()
    beside: tuple[str, ...] = swept(empty=True)
    """Further networks and data sets, a panel each, as model/data: resnet20/cifar10."""

    def check(self) -> None:
        """There is something to tune by; panels have a network and data."""
        self.reach.check_tuned(self.slices)
        check_panels(self.beside)

    def ask(self) -> Generator[list[Row], Frame, None]:
        """The dimensions swept in each panel, then what is spent."""
        yield from self.spending.ask([*panels_of(self.slices, self.beside)])

    def answered_by(self) -> tuple[Answer, ...]:
        """The transitions upon each other, then what all counts have."""
        rows, arms = self.reach.rows(ALL), self.reach.arms(ALL)
        levels = (("test_accuracy", self.reach.levels),)
        collapsed = Answer("collapse", On(rows, Collapsed(("test_accuracy",), arms, levels)), Curve(
            X, (*arms, "level"), name="collapse", title="Transitions upon each other", metrics=(SHARE,),
            spread="lines", told=_COLLAPSE,
        ), shown=0)  # fmt: skip
        return collapsed, *self.reach.answers(ALL)


_COLLAPSE = (
    "Share of runs that reach a level of test accuracy, against the dimension's distance from even odds in "
    "units of the root of that dimension ({n}); bars: 90 % intervals of a share. Levels whose transition "
    "the runs do not determine are left out"
)
