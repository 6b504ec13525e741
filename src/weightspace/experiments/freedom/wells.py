"""`freedom.wells`: how good are theory's methods and bounds in quadratic wells, where all is known?"""

from collections.abc import Iterator

from weightspace.derived.drawn_well import DrawnWell, shape_of
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.slices import LARSEN_2022
from weightspace.experiments.seeds import parse_seeds
from weightspace.experiments.settings import number, swept
from weightspace.figures.charts import Curve
from weightspace.figures.marks import Relation
from weightspace.run import Row
from weightspace.tables.base import On, Where
from weightspace.tables.columns import Entries
from weightspace.tables.curves import Curves
from weightspace.tables.means import Means
from weightspace.tables.shapes import Melted
from weightspace.tables.words import Label, Metric

ALL = ("even/flat", "harmonic/flat", "harmonic/top", "square/flat", "step/flat", "step/top")
METHODS = {
    "d_closed": "closed form", "d_consistent": "self-consistent", "d_cone": "statistical dimension",
}  # fmt: skip
PROBABILITIES = {
    "drawn": "drawn bases", "gordon": "Gordon: at most", "conic_above": "conic: at most",
    "conic_below": "conic: at least", "sharp_above": "conic, sharper: at most",
    "sharp_below": "conic, sharper: at least",
}  # fmt: skip
RANGES = ("gordon_until", "conic_until", "conic_from", "sharp_until", "sharp_from")
WORDS = (
    Label("shape", "spectrum / displacement"),
    Label("share", "level ε / L₀", "ε = {:g} L₀", order="always", scale="log"),
    Metric("d_monte_carlo", "threshold dimension of drawn bases", "d*", "dimensions", "lower",
           "median over random bases of the first d whose lowest loss is at most ε"),
    Metric("d_cone", "threshold dimension by statistical dimension", "D - δ", "dimensions", "lower",
           "D less the statistical dimension of the cone of directions that reach ε"),
    Metric("d_consistent", "threshold dimension, self-consistent", "d*", "dimensions", "lower",
           "Σ λ/(λ + κ), ½ Σ p² λ κ/(λ + κ) = ε"),
    Metric("d_closed", "threshold dimension, closed form", "d*", "dimensions", "lower",
           "Σ λ/(λ + 2ε/R²): at least the true one"),
    Metric("d_method", "threshold dimension, computed", "d*", "dimensions", "lower",
           "the threshold dimension by a method of theory"),
    *(Metric(f"{name}_until", f"{words} until", "d", "dimensions", "",
             f"greatest d asked at which {words} says that hits are rare") for name, words in (
        ("gordon", "Gordon's bound"), ("conic", "the conic bound"), ("sharp", "the sharper conic bound"))),
    *(Metric(f"{name}_from", f"{words} from", "d", "dimensions", "",
             f"smallest d asked at which {words} says that hits are common") for name, words in (
        ("conic", "the conic bound"), ("sharp", "the sharper conic bound"))),
)  # fmt: skip
_HIT = (
    "Share of random d-dimensional subspaces that reach ε = {share:g} L₀ in a quadratic well (means over "
    "{{n}}), and bounds on it. A bound is drawn only where it says something, left out where it is vacuous: "
    "Gordon's, of failures alone, needs some 4.75 of room in √(D - d); the conic ones say nothing near the "
    "threshold, and their sharper form (√min(δ, D - δ) for √D) is a heuristic, no theorem"
)
_METHODS = (
    "Threshold dimension by each method of theory against the median of drawn bases, a dot a well and level "
    "({n}). The closed form drops a term of the width and is at least the true one: it is far above where "
    "the displacement is flat and the spectrum decays."
)


class FreedomWells(
    Experiment,
    name="freedom.wells",
    question="How good are theory's methods and bounds for the threshold dimension in quadratic wells?",
    paper=LARSEN_2022,
    reading="In a well L = ½ Σ λ (w - w*)² everything is known: a random d-dimensional slice through the "
    "start holds a point of loss ε or less with a probability that jumps from 0 to 1 about d*. Bases are "
    "drawn and compared with what is computed, nothing is trained.",
    presets={
        "smoke": {"size": 60, "shapes": ("even/flat", "step/top"), "shares": (0.1,), "draws": 4,
                  "seeds": ("2",)},
        "quick": {},
        "full": {"shapes": ALL, "draws": 100},
    },
    by=("shape", "share"),
    metrics=("d_monte_carlo", *METHODS),
    words=WORDS,
):  # fmt: skip
    """How good are theory's methods and bounds for the threshold dimension in quadratic wells?

    Spectra and displacements of D directions, R = 1; levels are shares of the height L₀ of the well. The
    probability is that of bases drawn at random, without any training.
    """

    shapes: tuple[str, ...] = swept("even/flat", "harmonic/flat", "harmonic/top", "square/flat", words="well")
    """Wells, as spectrum/displacement: even (all 1), harmonic (1/i), square (1/i²) or step (20 at 1, the
    others at 1e-4), with a displacement that is flat or in the top five directions."""
    shares: tuple[float, ...] = swept(0.5, 0.1, 0.01, words="level", above=0, below=1)
    """Levels ε as shares of the height L₀ of the well."""
    size: int = number(600, least=21)
    """Directions D."""
    draws: int = number(20, least=1)
    """Bases drawn for each well, level and seed."""
    seeds: tuple[str | int, ...] | int = swept("3", words="seeds", meant=parse_seeds)
    """How often all is drawn anew, or a list or range of seeds."""

    def check(self) -> None:
        """Wells are known."""
        for name in self.shapes:
            shape_of(name)

    def ask(self) -> Iterator[Row]:
        """Each well, level and seed."""
        for shape in self.shapes:
            for share in self.shares:
                for seed in parse_seeds(self.seeds):
                    labels = {"shape": shape, "share": share, "seed": seed}
                    yield Row(labels, DrawnWell(shape, self.size, share, self.draws, seed))

    def answered_by(self) -> tuple[Answer, ...]:
        """Methods side by side, where bounds say something, and probabilities against d."""
        by = ("shape", "share")
        means = Means(("d_monte_carlo", *METHODS, *RANGES), by)
        methods = Melted(tuple(METHODS.items()), "d_method", "way")
        entries = Entries((("dim", "dims"), *((name, name) for name in PROBABILITIES)), "d_cone")
        probabilities = On(entries, Melted(tuple(PROBABILITIES.items()), "probability", "way"))
        return (
            Answer("methods", means, note="Means over n seeds. Bounds speak until, or from, the dimension "
                   "given; none where they are vacuous throughout."),
            Answer("relation", On(means, methods), Relation(
                "d_monte_carlo", "d_method", ("way",), (1.0, 1.0, "as drawn"), name="methods",
                title="Threshold dimensions, computed and drawn", caption=_METHODS,
            ), shown=0),
            *(
                Answer(
                    f"hits-{share:g}",
                    On(
                        On(Where((("share", (share,)),)), probabilities),
                        Curves(("probability",), "dim", ("shape", "way"), runs=False),
                    ),
                    Curve(
                        "dim", ("way",), name=f"hits-{share:g}", facet="shape",
                        title=f"Success probability and its bounds, ε = {share:g} L₀",
                        told=_HIT.format(share=share),
                    ),
                    shown=0,
                )
                for share in self.shares
            ),
        )  # fmt: skip
