"""`complexity.dropout`: the terms of the generalisation bound for networks trained with dropout."""

import dataclasses
from collections.abc import Generator, Iterator
from typing import Any, ClassVar

from weightspace.derived.dropout_bound import DropoutBound
from weightspace.errors import InputError, check_choice, check_number
from weightspace.experiments.complexity.images import PairSweep
from weightspace.experiments.complexity.measures import with_parts
from weightspace.experiments.complexity.protocol import PAPER, check_values
from weightspace.frames import Frame
from weightspace.probes.bias_path import BiasPath
from weightspace.run import Row, Run

RATE = 0.5
"""The probability of the theorem."""


@dataclasses.dataclass(frozen=True)
class ComplexityDropout(PairSweep):
    """Does dropout make training steadier, and what does the theorem on generalisation then promise?

    Networks are trained with and without dropout. For dropout of rate 1/2 every term of Theorem 3 is computed
    from the trained network: the steadiness ϕ over the last epoch, p_min, μ, the margin, the radius r, the
    covering number of the training points, and the bound, beside the gap between training and test error. The
    share of activations that flip between readings says whether Assumption 1 holds.
    """

    data: str = "digits:classes=3,8"
    model: tuple[str, ...] = ("mlp:widths=32",)
    dropouts: tuple[float, ...] = (0.0, 0.5)
    """Probabilities that a hidden unit is dropped."""
    dropout_in: str = "gradient"
    """Where units are dropped: in the `gradient` alone, as in the theorem, or in the `forward` pass too."""
    delta: float = 0.05
    """Probability with which the bound may fail."""
    epochs: float = 100
    lr: tuple[float, ...] = (0.0025,)
    decay: float | None = 50

    name = "complexity.dropout"
    question = "Is training with dropout steady, and what does the bound on generalisation say of it?"
    paper = dataclasses.replace(PAPER, figure="Theorem 3, which the paper leaves without an experiment")
    by = ("dropout", *PairSweep.by)
    swept = (*PairSweep.swept, "dropouts")
    metrics = (
        *PairSweep.metrics, "steadiness", "flip_rate_last10", "gap", "bound", "radius", "covering", "mu",
        "margin", "p_min", "lipschitz_steady",
    )  # fmt: skip
    minutes: ClassVar = {"quick": "1 on 2 shared cores"}
    presets: ClassVar = {
        "smoke": {"seeds": ("2",), "epochs": 10.0},
        "quick": {"seeds": ("5",)},
        "paper": {"data": "cifar10:classes=0,5", "model": ("mlp:widths=512,512",), "seeds": ("8",)},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_values("dropout", self.dropouts, least=0, below=1)
        check_choice("dropout_in", self.dropout_in, ("gradient", "forward"))
        check_number("delta", self.delta, above=0, below=1)
        for name in self.model:
            if name.partition(":")[0] not in ("mlp", "mlp2"):
                raise InputError(f"complexity.dropout trains mlp and mlp2, not {name}")

    @property
    def own_probes(self) -> tuple[str, ...]:
        """The paper's quantities, and the activations."""
        return (*super().own_probes, "activations")

    def networks(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Each network with each rate of dropout."""
        for rate in self.dropouts:
            for labels, name in super().networks():
                yield {"dropout": rate} | labels, self._thinned(name, rate)

    def _thinned(self, name: str, rate: float) -> str:
        if not rate:
            return name
        return f"{name}{',' if ':' in name else ':'}dropout={rate:g},dropout_in={self.dropout_in}"

    def ask(self) -> Generator[list[Row], Frame, None]:
        """The trainings, and the terms of the bound for those with dropout 1/2."""
        rows = []
        for labels, run in self.runs():
            row = self.row(run, labels)
            rows.append(dataclasses.replace(row, labels=dict(row.labels) | {"part": "training"}))
            if labels["dropout"] == RATE:
                rows.append(Row(dict(row.labels) | {"part": "bound"}, self._bound(run)))
        yield rows

    def _bound(self, run: Run) -> DropoutBound:
        return DropoutBound(
            run.model, run.final(), run.task.data, seeds=run.seeds,
            steadiness=run.read(BiasPath(), "phi_max"), delta=self.delta,
        )  # fmt: skip

    def measured(self, table: Frame, history: Frame) -> Frame:
        """One row a training, with the terms of its bound and the gap between the two errors."""
        found = super().measured(table, history)
        if "test_accuracy" in found:
            found = found.assign(gap=(found["train_accuracy"] - found["test_accuracy"]).abs())
        return with_parts(found, ("dropout", *PairSweep.by, "seed"), ("bound",))
