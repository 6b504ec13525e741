"""`freedom.theory`: is the threshold dimension that of a quadratic well with the network's own curvature?"""

import dataclasses
from collections.abc import Iterator

from weightspace.data.task import Task
from weightspace.derived.spectrum import DTYPES, ENDS, Spectrum
from weightspace.errors import check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.burn_in import BurnIn
from weightspace.experiments.freedom.levels import Levels
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, READING, Slices
from weightspace.experiments.settings import number, swept
from weightspace.figures.charts import Curve
from weightspace.figures.marks import Relation
from weightspace.measure.network import Network
from weightspace.run import Row, Run
from weightspace.streams import Seeds
from weightspace.tables.base import On, Where
from weightspace.tables.columns import Entries
from weightspace.tables.curves import Curves
from weightspace.tables.means import Means
from weightspace.tables.predicted import Predicted
from weightspace.tables.thresholds import Thresholds
from weightspace.tables.vocabulary import FULL
from weightspace.tables.words import Label, Metric

SPECTRUM = "spectrum"
ASKED = {"model": "fc:widths=32", "loss_levels": (1.5, 1.0, 0.5, 0.3, 0.1)}
PRESETS = {
    "smoke": ASKED | {
        "model": "fc:widths=8", "dims": (8, 64), "burn_in": (0, 8), "seeds": ("2",), "epochs": 3.0,
        "minimum_epochs": 5.0, "products": 12, "starts": 1, "curvature_examples": 200,
    },
    "quick": ASKED | {
        "dims": (2, 4, 8, 16, 32, 64, 128, 256, 512), "burn_in": (0, 4, 16, 64), "seeds": ("5",),
        "epochs": 30.0,
    },
    "paper": ASKED | {
        "model": "conv2", "data": "mnist", "dims": tuple(2**k for k in range(13)),
        "burn_in": (0, 4, 16, 64, 256), "seeds": ("10",), "epochs": 3.0, "minimum_epochs": 20.0,
        "optimiser": ("adam-legacy", "adam"),
    },
}  # fmt: skip
WELLS = (
    "curvature_trace", "curvature_top", "curvature_participation", "displacement", "loss_start", "loss_end",
    "well_loss",
)  # fmt: skip
WORDS = (
    Label("curved_at", "curvature taken", names=(("end", "curvature at w*"), ("start", "curvature at w_t"))),
    Label("curvature", "curvature λ / λ_max", "λ = {:g} λ_max", scale="log", symbol="λ"),
    Metric("stiffer", "directions of at least that curvature", "", "dimensions", "", "Σ counts of λ or more, "
           "from normal starts"),
    Metric("stiffer_share", "share of R² in them", "", "fraction", "", "Σ p_i² over directions of curvature "
           "λ or more, over R²"),
    Metric("curvature_trace", "trace of the curvature", "Σλ", "", "", "Σ λ of the Gauss-Newton matrix of "
           "the training loss, from normal starts", "log"),
    Metric("curvature_top", "largest curvature", "λ_max", "", "", "largest eigenvalue of the Gauss-Newton "
           "matrix of the training loss", "log"),
    Metric("curvature_participation", "participation of the curvature", "", "dimensions", "",
           "(Σλ)² / Σλ² of the Gauss-Newton matrix of the training loss"),
    Metric("displacement", "distance to the minimum", "R", "weight units", "", "‖w* - w_t‖"),
    Metric("loss_start", "training loss at w_t", "L(w_t)", "nats", "lower", "mean loss of the examples of a "
           "spectrum at w_t", "log"),
    Metric("loss_end", "training loss at w*", "L(w*)", "nats", "lower", "mean loss of the examples of a "
           "spectrum at w*", "log"),
    Metric("well_loss", "height of the well", "L₀", "nats", "", "½ pᵀGp, p = w* - w_t, G the Gauss-Newton "
           "matrix of the training loss", "log"),
    Metric("eps", "loss above the minimum", "ε", "nats", "", "level less L(w*)", "log"),
    Metric("d_predicted", "predicted threshold dimension", "d*", "dimensions", "lower",
           "d* of a quadratic well of the measured spectrum"),
    Metric("ratio", "predicted over measured", "", "", "", "predicted over measured threshold dimension"),
)  # fmt: skip
_PREDICTED = (
    "Threshold dimension that a quadratic well with the Gauss-Newton spectrum predicts, against that at "
    "which half of the seeds reach the same training loss, a dot a level and burn-in ({n}); bars: least to "
    "greatest prediction of the seeds, 90 % bootstrap of the measured one. On the dashed line both agree. A "
    "prediction of 0 dimensions (a level above the well's own height) has no place here."
)


@dataclasses.dataclass(frozen=True)
class Curvature:
    """How the quadratic well is found."""

    minimum_epochs: float = number(60, above=0)
    """Passes of the full-space training whose end is w*."""
    curved_at: tuple[str, ...] = swept(*ENDS, words="place of the curvature")
    """Where curvature is taken: end (at w*, as for a well), start (at w_t)."""
    curvature_examples: int = number(2_000, least=1)
    """Training examples that the curvature is of, spread evenly over the split."""
    products: int = number(80, least=1)
    """Lanczos products from each start, at most."""
    starts: int = number(4, least=1)
    """Normal starts of the spectrum."""
    arithmetic: str = "float32"
    """Of products: float32, whose rounding hides curvature below 1e-5 of the largest, or float64."""

    def check(self) -> None:
        """Known places and arithmetic."""
        for each in self.curved_at:
            check_choice("curved_at", each, ENDS)
        check_choice("arithmetic", self.arithmetic, DTYPES)

    def rows(self, slices: Slices, before: BurnIn) -> Iterator[Row]:
        """A spectrum for each burn-in, place, share of noise and seed."""
        for noise in slices.noise:
            task = slices.task(noise)
            for seeds in slices.each_seed():
                minimum = slices.full(task, seeds, f"{self.minimum_epochs:g}ep")
                for t in before.burn_in:
                    start = self._seen_from(slices, before, minimum, task, seeds, t)
                    for at in self.curved_at:
                        labels = {"method": SPECTRUM, "burn_in": t, "curved_at": at} | slices.noisy(noise)
                        found = Spectrum(
                            slices.network, task, start, minimum.network(), seeds, at,
                            self.curvature_examples, iterations=self.products, draws=self.starts,
                            dtype=self.arithmetic,
                        )  # fmt: skip
                        yield Row(labels | {"seed": seeds.base}, found)

    def _seen_from(
        self, slices: Slices, before: BurnIn, minimum: Run, task: Task, seeds: Seeds, t: int
    ) -> Network:
        """What slices pass through: the start itself, or the end of the burn-in's own run."""
        return before.run(slices, t, task, seeds).network() if t else minimum.network(0)


class FreedomTheory(
    Experiment,
    name="freedom.theory",
    question="Is the threshold dimension that of a quadratic well with the network's own curvature?",
    paper=LARSEN_2022,
    reading=READING + " The theory takes the loss for a quadratic well about a minimum w*: with curvature λ "
    "and R = ‖w* - w_t‖, d* is about Σ λ/(λ + 2ε/R²), where ε is the loss allowed above the minimum.",
    presets=PRESETS,
    by=(*BY, "curved_at"),
    metrics=(*METRICS, *WELLS),
    words=WORDS,
):
    """Is the threshold dimension that of a quadratic well with the network's own curvature?

    w* is the end of a longer full-space training from the same initialisation and data order; the well's
    curvature is the Gauss-Newton matrix of the training loss at w*, or at w_t. The measured d* is that at
    which half of the seeds reach the level, in the runs of `freedom.burn-in`.
    """

    slices: Slices = Slices()
    reach: Levels = Levels()
    before: BurnIn = BurnIn()
    curvature: Curvature = Curvature()

    def check(self) -> None:
        """There is something to tune by."""
        self.reach.check_tuned(self.slices)

    def ask(self) -> Iterator[Row]:
        """All burn-ins, arms, dimensions and seeds, the full space, and the spectra."""
        yield from self.slices.references()
        yield from self.before.rows(self.slices)
        yield from self.curvature.rows(self.slices, self.before)

    def answered_by(self) -> tuple[Answer, ...]:
        """Predictions beside what was measured, the wells, spectra, and all of burn-in's."""
        arms, levels = ("burn_in", "curved_at", "noise"), self.reach.loss_levels
        trained = self.reach.rows(methods=("burn-in",))
        measured = Thresholds(("train_loss",), self.reach.arms(), (("train_loss", levels),), 0.5)
        tails = Entries(
            (("curvature", "curvatures"), ("stiffer", "stiffer"), ("stiffer_share", "stiffer_share")),
            "well_loss",
        )
        return (
            Answer(
                "predicted", Predicted(levels, arms, On(trained, measured)), Relation(
                    "d_star", "d_predicted", ("way", "curved_at"), (1.0, 1.0, "as predicted"),
                    name="predicted", title="Threshold dimension, predicted and measured",
                    caption=_PREDICTED,
                ), note="Predictions for ε = level - L(w*), means over n seeds; the measured d* is that at "
                "which half of the seeds reach the level of the training loss.",
            ),
            Answer(
                "spectra", On(tails, Curves(("stiffer", "stiffer_share"), "curvature", arms, runs=False)),
                Curve(
                    "curvature", arms, name="spectra", title="Spectrum, and where the displacement lies",
                    counted="seed", told="Directions whose curvature of the training loss is at least a "
                    "share of the largest, and the share of the squared displacement w* - w_t in them; means "
                    "over {n} at each λ, bands from the least to the greatest.",
                ), shown=0,
            ),
            Answer("wells", On(Where((("method", (SPECTRUM,)),)), Means(WELLS, arms))),
            *self.reach.answers(methods=("burn-in", FULL)),
        )  # fmt: skip
