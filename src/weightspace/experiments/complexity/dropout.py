"""`complexity.dropout`: the terms of the generalisation bound for networks trained with dropout."""

import dataclasses
from collections.abc import Iterator

from weightspace.derived.dropout_bound import DropoutBound
from weightspace.errors import InputError, check_choice
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.complexity.paths import BY, LOUKAS_2021, METRICS, READING, WINDOWS, Pairs
from weightspace.experiments.settings import number, swept
from weightspace.probes.bias_path import BiasPath
from weightspace.run import Row, Run
from weightspace.tables.base import On
from weightspace.tables.parts import Gap, Parts

RATE = 0.5
"""The probability of the theorem."""


class ComplexityDropout(
    Experiment,
    name="complexity.dropout",
    question="Is training with dropout steady, and what does the bound on generalisation say of it?",
    paper=dataclasses.replace(
        LOUKAS_2021, figure="Theorem 3, which the paper leaves without an experiment"
    ),
    reading=READING,
    presets={
        "smoke": {"seeds": ("2",), "epochs": 10.0},
        "quick": {"seeds": ("5",)},
        "paper": {"data": "cifar10:classes=0,5", "model": ("mlp:widths=512,512",), "seeds": ("8",)},
    },
    columns=On(On(WINDOWS, Gap("gap", "train_accuracy", "test_accuracy")),
               Parts("training", ("bound",), ("dropout", *BY, "seed"))),
    by=("dropout", *BY),
    metrics=(*METRICS, "steadiness", "flip_rate_last10", "gap", "bound", "radius", "covering", "mu", "margin",
             "p_min", "lipschitz_steady"),
):  # fmt: skip
    """Does dropout make training steadier, and what does the theorem on generalisation then promise?

    Networks are trained with and without dropout. For dropout of rate 1/2 every term of Theorem 3 is computed
    from the trained network: the steadiness ϕ over the last epoch, p_min, μ, the margin, the radius r, the
    covering number of the training points, and the bound, beside the gap between training and test error. The
    share of activations that flip between readings says whether Assumption 1 holds.
    """

    training: Pairs = Pairs(
        data="digits:classes=3,8", model=("mlp:widths=32",), epochs=100, lr=(0.0025,), decay=50
    )
    dropouts: tuple[float, ...] = swept(0.0, RATE, words="dropout", least=0, below=1)
    """Probabilities that a hidden unit is dropped."""
    dropout_in: str = "gradient"
    """Where units are dropped: in the `gradient` alone, as in the theorem, or in the `forward` pass too."""
    delta: float = number(0.05, above=0, below=1)
    """Probability with which the bound may fail."""

    def check(self) -> None:
        """Units are dropped somewhere, in networks that can drop them."""
        check_choice("dropout_in", self.dropout_in, ("gradient", "forward"))
        for name in self.training.model:
            if name.partition(":")[0] not in ("mlp", "mlp2"):
                raise InputError(f"complexity.dropout trains mlp and mlp2, not {name}")

    def ask(self) -> Iterator[Row]:
        """The trainings, and the terms of the bound for those with dropout 1/2."""
        named = [({"dropout": rate} | labels, self._thinned(name, rate))
                 for rate in self.dropouts for labels, name in self.training.networks()]  # fmt: skip
        for labels, run in self.training.runs(named):
            yield self.training.row(labels | {"part": "training"}, run, "activations")
            if labels["dropout"] == RATE:
                yield Row(labels | {"part": "bound"}, self._bound(run))

    def _thinned(self, name: str, rate: float) -> str:
        options = f"{',' if ':' in name else ':'}dropout={rate:g},dropout_in={self.dropout_in}"
        return f"{name}{options}" if rate else name

    def _bound(self, run: Run) -> DropoutBound:
        steadiness = run.read(BiasPath(), "phi_max")
        return DropoutBound(
            run.model, run.final(), run.task.data, seeds=run.seeds, steadiness=steadiness, delta=self.delta
        )

    def answered_by(self) -> tuple[Answer, ...]:
        """Orderings, measures at one loss, curves and violins, with and without dropout."""
        return self.training.answers(("dropout", *BY))
