"""`complexity.sinusoid`, `complexity.batch-size`: one network on one task, at several frequencies."""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

from weightspace.data.cosine import CosineProduct
from weightspace.data.examples import Examples
from weightspace.errors import InputError
from weightspace.experiments.complexity import measures
from weightspace.experiments.complexity.protocol import PAPER, PROBES, ComplexitySweep, check_values
from weightspace.frames import Frame

LEVEL = 0.01
"""Training loss whose first epoch is recorded."""


@dataclasses.dataclass(frozen=True)
class CosineSweep(ComplexitySweep):
    """Fields of the experiments on the product of cosines."""

    frequencies: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    """Cycles a unit of the product of cosines to be learnt."""
    examples: tuple[int, ...] = (100,)
    """Training examples N; three tenths as many are drawn for testing."""

    swept = (*ComplexitySweep.swept, "frequencies", "examples")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_values("frequency", self.frequencies, above=0)
        check_values("examples", self.examples, least=4)
        if max(self.batch_size) > min(self.examples):
            raise InputError(
                f"a batch has {max(self.batch_size)} examples, but there are {min(self.examples)}; give a "
                "smaller batch or more examples"
            )

    @property
    def own_probes(self) -> tuple[str, ...]:
        """The paper's quantities, and λ over the whole training set, in and off the plane of the data."""
        return (*PROBES, "lipschitz-set")

    def tasks(self) -> Iterator[tuple[dict[str, Any], Examples]]:
        """Each frequency and number of examples; every run draws its own."""
        for count in self.examples:
            for f in self.frequencies:
                labels = {"frequency": f} | ({"examples": count} if len(self.examples) > 1 else {})
                yield labels, CosineProduct(f, examples=count)


@dataclasses.dataclass(frozen=True)
class ComplexitySinusoid(CosineSweep):
    """Does training travel farther when the target oscillates faster?"""

    name = "complexity.sinusoid"
    question = "Does the bias travel farther when the target is more complex?"
    paper = dataclasses.replace(PAPER, figure="Figures 1a-c, 2a, 2b: regression of a product of cosines")
    metrics = (*ComplexitySweep.metrics, "epochs_to_level")
    minutes: ClassVar = {"smoke": "0.1 on 2 cores", "quick": "0.2 on 2 cores", "paper": "0.3 on 2 cores"}
    presets: ClassVar = {
        "smoke": {"frequencies": (0.25, 1.0), "seeds": ("2",), "epochs": 100.0},
        "quick": {"seeds": ("5",), "epochs": 1000.0},
        "paper": {"seeds": ("10",), "epochs": 3000.0},
    }

    def measured(self, table: Frame, history: Frame) -> Frame:
        """Means over the last ten readings, and the epoch in which the training loss falls to 0.01."""
        found = super().measured(table, history)
        if history.empty or len(self.examples) > 1 or len(self.batch_size) > 1:
            return found
        per_epoch = -(-max(self.examples) // max(self.batch_size))
        return measures.epochs_to(found, history, LEVEL, per_epoch)


@dataclasses.dataclass(frozen=True)
class ComplexityBatchSize(CosineSweep):
    """Is the path's length still a measure of complexity when steps average several examples?

    φ of each example stays the local Lipschitz constant; φ of the mean gradient is shorter by cancellation.
    Both are recorded (`trajectory_mean`, `phi_batch`).
    """

    frequencies: tuple[float, ...] = (0.25, 0.75)
    batch_size: tuple[int, ...] = (1, 16, 32)

    name = "complexity.batch-size"
    question = "Does the path still tell complexity apart when steps average several examples?"
    paper = dataclasses.replace(PAPER, figure="supplement: batch sizes 16 and 32 at two frequencies")
    metrics = (*ComplexitySweep.metrics, "phi_batch_last10")
    minutes: ClassVar = {"smoke": "0.3 on 2 cores", "quick": "1.2 on 2 shared cores"}
    presets: ClassVar = {
        "smoke": {"batch_size": (1, 16), "seeds": ("2",), "epochs": 50.0},
        "quick": {"seeds": ("3",), "epochs": 1000.0},
        "paper": {"batch_size": (16, 32), "seeds": ("10",), "epochs": 3000.0},
    }
