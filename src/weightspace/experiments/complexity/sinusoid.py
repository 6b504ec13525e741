"""`complexity.sinusoid`, `complexity.batch-size`: one network on one task, at several frequencies."""

import dataclasses

from weightspace.experiments.complexity.paths import (
    BY,
    LOUKAS_2021,
    METRICS,
    READING,
    WINDOWS,
    Cosines,
    OfPaths,
)
from weightspace.tables.base import On, Table
from weightspace.tables.history import FirstReached


class ComplexitySinusoid(
    OfPaths,
    name="complexity.sinusoid",
    paper=dataclasses.replace(LOUKAS_2021, figure="Figures 1a-c, 2a, 2b: regression of a product of cosines"),
    reading=READING,
    presets={
        "smoke": {"frequencies": (0.25, 1.0), "seeds": ("2",), "epochs": 100.0},
        "quick": {"seeds": ("5",), "epochs": 1000.0},
        "paper": {"seeds": ("10",), "epochs": 3000.0},
    },
    by=BY,
    metrics=(*METRICS, "epochs_to_level"),
):
    """Does the bias travel farther when the target is more complex?"""

    training: Cosines = Cosines()

    def columns_by(self) -> Table:
        """Means over the last ten readings, and the epoch in which the training loss falls to 0.01."""
        counts, batches = self.training.examples, self.training.batch_size
        if len(counts) > 1 or len(batches) > 1:
            return WINDOWS
        return On(WINDOWS, FirstReached("epochs_to_level", 0.01, unit=-(-max(counts) // max(batches))))


class ComplexityBatchSize(
    OfPaths,
    name="complexity.batch-size",
    question="Does the path still tell complexity apart when steps average several examples?",
    paper=dataclasses.replace(LOUKAS_2021, figure="supplement: batch sizes 16 and 32 at two frequencies"),
    reading=READING,
    presets={
        "smoke": {"batch_size": (1, 16), "seeds": ("2",), "epochs": 50.0},
        "quick": {"seeds": ("3",), "epochs": 1000.0},
        "paper": {"batch_size": (16, 32), "seeds": ("10",), "epochs": 3000.0},
    },
    columns=WINDOWS,
    by=BY,
    metrics=(*METRICS, "phi_batch_last10"),
):
    """Is the path's length still a measure of complexity when steps average several examples?

    φ of each example stays the local Lipschitz constant; φ of the mean gradient is shorter by cancellation.
    Both are recorded (`trajectory_mean`, `phi_batch`).
    """

    training: Cosines = Cosines(frequencies=(0.25, 0.75), batch_size=(1, 16, 32))
