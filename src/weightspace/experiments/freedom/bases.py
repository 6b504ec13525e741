"""`freedom.bases`: does it matter how the random directions are drawn?"""

import dataclasses
from collections.abc import Iterator

from weightspace.errors import InputError
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.freedom.levels import Levels
from weightspace.experiments.freedom.slices import ACCURACIES, BY, LARSEN_2022, METRICS, READING, Slices
from weightspace.experiments.settings import swept
from weightspace.figures.charts import Curve
from weightspace.run import Row
from weightspace.spaces.bases import make_basis
from weightspace.tables.base import On
from weightspace.tables.curves import Curves
from weightspace.tables.paired import Pairs
from weightspace.tables.vocabulary import ARMS
from weightspace.tables.words import Label

BASIS = "basis"
ALL = (*ARMS, BASIS)
SECONDS = "seconds"
PRESETS = {
    "smoke": {
        "model": "fc:widths=16", "dims": (8, 64), "seeds": ("2",), "epochs": 3.0,
        "bases": ("gaussian", "sparse", "srht"),
    },
    "quick": {
        "model": "fc:widths=32", "dims": (32, 64, 128, 256, 512), "seeds": ("5",), "epochs": 20.0,
    },
    "paper": {
        "data": "mnist", "dims": tuple(2**k for k in range(13)), "seeds": ("10",), "epochs": 3.0,
        "optimiser": ("adam-legacy", "adam"), "bases": ("gaussian", "sparse:nnz=8192,disjoint=true"),
    },
}  # fmt: skip


class FreedomBases(
    Experiment,
    name="freedom.bases",
    question="Does it matter for degrees of freedom how random directions are drawn?",
    paper=LARSEN_2022,
    reading=READING + " Bases of one seed share initialisation and order of examples, so that they are "
    "compared in pairs. Seconds are those of training alone: a stored basis reads 4 d D bytes a step, a fast "
    "transform takes D log D whatever d.",
    presets=PRESETS,
    by=(*BY, BASIS),
    metrics=METRICS,
    words=(Label(BASIS, "basis"),),
):  # fmt: skip
    """Does it matter for degrees of freedom how random directions are drawn, and what does each way cost?"""

    slices: Slices = Slices()
    reach: Levels = Levels()
    bases: tuple[str, ...] = swept("gaussian", "orthonormal", "sparse", "srht", "fastfood", "layers:gaussian")
    """Ways to draw columns, each as for --basis: gaussian, orthonormal, sparse:density=0.01, srht, fastfood,
    regenerated, blocks:sparse, layers:srht, …"""

    def check(self) -> None:
        """Bases are known; they are named here alone."""
        self.reach.check_tuned(self.slices)
        for name in self.bases:
            make_basis(name, dim=1)
        if self.slices.basis != type(self.slices)().basis:
            raise InputError(
                f"basis is '{self.slices.basis}', but this experiment compares several and would not look at "
                f"it; give bases={self.slices.basis}, and further ones"
            )

    def ask(self) -> Iterator[Row]:
        """All bases, dimensions, arms and seeds, and the full space."""
        yield from self.slices.references()
        for name in self.bases:
            yield from dataclasses.replace(self.slices, basis=name).rows(basis=name)

    def answered_by(self) -> tuple[Answer, ...]:
        """What all counts have, bases in pairs, and seconds."""
        rows, arms = self.reach.rows(ALL), self.reach.arms(ALL)
        first = self.bases[0]
        pairs = Pairs(ACCURACIES, BASIS, first, (*self.reach.arms(), "dim"))
        return (
            *self.reach.answers(ALL),
            Answer(
                "pairs", On(rows, pairs), shown={"metric": "test_accuracy"},
                note=f"Each basis against {first}, seed by seed; corrected for all comparisons.",
            ),
            Answer("seconds", On(rows, Curves((SECONDS,), "dim", arms)), Curve(
                "dim", name="seconds", title="Seconds of a training", arms=arms, metrics=(SECONDS,),
                logarithmic=True, told=_SECONDS,
            ), shown=0),
        )  # fmt: skip


_SECONDS = (
    "Seconds of training a run, compilation apart, where all lanes of a program work at once; means over "
    "{n}, bands from the least to the greatest. Of a machine that does other work too they say little"
)
