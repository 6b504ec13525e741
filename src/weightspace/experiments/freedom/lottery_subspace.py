"""`freedom.lottery-subspace`: how many directions does training need that an earlier training has shown?"""

from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.directions import WAYS, Directions
from weightspace.experiments.freedom.levels import Levels
from weightspace.experiments.freedom.slices import BY, LARSEN_2022, METRICS, READING, Slices
from weightspace.experiments.settings import swept
from weightspace.figures.charts import Curve
from weightspace.run import Row
from weightspace.tables.base import On
from weightspace.tables.columns import Entries
from weightspace.tables.curves import Curves
from weightspace.tables.vocabulary import FULL
from weightspace.tables.words import Label, Metric

RANDOM, SPECTRUM = "random", "spectrum"
PRESETS = {
    "smoke": {
        "dims": (4, 16), "seeds": ("2",), "epochs": 3.0, "trajectory_steps": 100, "eigenvectors": 4,
        "curvature_examples": 200,
    },
    "quick": {
        "dims": (2, 4, 8, 16, 32, 64, 128), "seeds": ("3",), "epochs": 30.0, "trajectory_steps": 1280,
    },
    "paper": {
        "data": "mnist", "dims": tuple(2**k for k in range(10)), "seeds": ("10",), "epochs": 3.0,
        "optimiser": ("adam-legacy", "adam"), "methods": ("random", "lottery"),
        "trajectory_steps": 2560, "legacy_steps": True,
    },
    "conv2-mnist": {
        "data": "mnist", "dims": (8, 32, 128, 512, 1024), "seeds": ("3",), "epochs": 5.0,
        "optimiser": ("adam-legacy",), "trajectory_steps": 20_480, "legacy_steps": True,
        "methods": ("random", "lottery", "lottery-scaled"),
    },
}  # fmt: skip
TRAJECTORY = (
    Metric("trajectory_rank", "rank of the trajectory", "r", "directions", "",
           "singular values of what was recorded that float32 can tell from zero"),
    Metric("trajectory_rows", "snapshots", "n", "snapshots", "", "rows of what was recorded"),
    Metric("trajectory_participation", "participation ratio", "", "directions", "", "(Σσ²)² / Σσ⁴"),
    Metric("trajectory_energy_<number>", "energy of the first <number> directions", "", "fraction", "",
           "Σ σ_i² over the first directions, over all"),
    Metric("sigma", "singular value", "σ", "1", "", "singular values of what was recorded", "log"),
    Metric("energy", "energy captured", "", "fraction", "", "Σ_{i ≤ k} σ_i² / Σ σ_i²"),
)  # fmt: skip
WORDS = (
    Label("basis", "learned basis"),
    Label("number", "direction k", "k = {:g}", order="always", scale="log2", symbol="k"),
    *TRAJECTORY,
)


class LotterySubspace(
    Experiment,
    name="freedom.lottery-subspace",
    question="How many degrees of freedom does training need along the directions of an earlier training?",
    paper=LARSEN_2022,
    reading=READING + " A lottery subspace goes through the same initialisation, along the directions that "
    "a full-space training from there took: the leading left singular vectors of its steps.",
    presets=PRESETS,
    by=(*BY, "basis"),
    metrics=(*METRICS, "trajectory_rank", "trajectory_participation", "trajectory_energy_10"),
    words=WORDS,
):
    """How many degrees of freedom does training need along the directions of an earlier training?

    A full-space training of its own length is recorded every few steps; the slice goes through the same
    initialisation along the first d principal directions of the steps, so that bases are nested and no
    result depends on which dimensions are swept. `lottery-scaled` makes columns as long as their singular
    values; `displacement` and `iterates` decompose w - w₀ and centred iterates, `gradients` the gradients on
    the way; `hessian` and `ggn` are eigenvectors at the end of it.
    """

    slices: Slices = Slices()
    reach: Levels = Levels()
    learn: Directions = Directions()
    methods: tuple[str, ...] = swept(RANDOM, *WAYS, words="method")
    """Where the columns come from: random, lottery, lottery-scaled, displacement, iterates, gradients (the
    uncentred covariance of gradients), hessian, ggn."""

    def check(self) -> None:
        """Methods are known, and the trajectory gives as many directions as are asked for."""
        self.reach.check_tuned(self.slices)
        self.learn.check_methods(self.methods, (RANDOM,), self.slices.dims)

    def ask(self) -> Iterator[Row]:
        """All methods, dimensions, arms and seeds, the spectra, and the full space."""
        yield from self.slices.references()
        for method in self.methods:
            yield from self.slices.rows() if method == RANDOM else self.learn.rows(self.slices, method)
        yield from self._spectra()

    def _spectra(self) -> Iterator[Row]:
        """Each trajectory's singular values once, whatever is trained along it."""
        ways = {name: WAYS[name] for name in self.methods if name in WAYS}
        for noise in self.slices.noise:
            task = self.slices.task(noise)
            for seeds in self.slices.each_seed():
                donor = self.learn.donor(self.slices, task, seeds)
                for name, way in ways.items():
                    if way.principal and not way.scaled:
                        own = self.slices.noisy(noise)
                        labels = {"method": SPECTRUM, "basis": name, **own, "seed": seeds.base}
                        yield Row(labels, self.learn.principal(way, donor))

    def answered_by(self) -> tuple[Answer, ...]:
        """Curves, maps and thresholds of all methods, and the spectra."""
        entries = Entries((("number", "number"), ("sigma", "sigma"), ("energy", "energy")), "trajectory_rank")
        curves = Curves(("sigma", "energy"), "number", ("basis", "noise"), runs=False)
        chart = Curve(
            "number", ("basis", "noise"), name="spectrum", counted="run", logarithmic=True,
            title="Spectrum of what was recorded",
            told="Singular values of the recorded rows, and the share of Σσ² in the first k directions; "
            "means over {n}, bands from the least to the greatest.",
        )  # fmt: skip
        return (
            *self.reach.answers(methods=(*self.methods, FULL)),
            Answer("spectrum", On(entries, curves), chart, shown=0),
        )
