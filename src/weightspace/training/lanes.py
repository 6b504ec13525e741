"""How many runs one device works on at once: a table by backend and cost of a step, never a timing.

A timed choice would make results depend on the machine's noise. The cost of a step is taken as weights ×
batch. On a CPU, small networks gain from lanes (the loop's overhead is shared), but no more from many than
from a few, and large ones lose (the cache is not shared). The table is written by `weightspace bench --tune`;
the one here was measured on two cores.
"""

import dataclasses
import json
from pathlib import Path

from weightspace import platform

TABLE: dict[str, tuple[tuple[float, int], ...]] = {
    # (largest weights × batch, lanes), first row that fits
    "cpu": ((5e4, 10), (4e5, 4), (float("inf"), 1)),
    "gpu": ((1e6, 256), (3e7, 64), (3e8, 16), (float("inf"), 4)),
    "tpu": ((1e6, 256), (3e7, 64), (3e8, 16), (float("inf"), 4)),
}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a training step costs, as far as the table cares.

    Attributes:
      weights: D.
      batch: Examples of a step.
      convolutional: Whether kernels are used at many places of an image.
    """

    weights: int
    batch: int
    convolutional: bool = False

    @property
    def products(self) -> float:
        """Weights × batch."""
        return float(self.weights) * self.batch


def lanes_for(cost: Cost, backend: str) -> int:
    """Lanes of a device, by the cost of a step and the backend alone.

    How many runs there are does not enter, so that a run's bits do not depend on its neighbours.
    """
    if cost.convolutional and backend == "cpu":
        return 1  # lanes with kernels of their own are looped over there, so that they bring nothing
    for limit, lanes in tuned().get(backend, TABLE["gpu"]):
        if cost.products <= limit:
            return lanes
    return 1


def tuned() -> dict[str, tuple[tuple[float, int], ...]]:
    """The table, with the rows that `bench --tune` measured on this machine in the place of the defaults."""
    file = tuned_file()
    if not file.exists():
        return TABLE
    read = json.loads(file.read_text())
    return TABLE | {backend: tuple((float(a), int(b)) for a, b in rows) for backend, rows in read.items()}


def tuned_file() -> Path:
    """Where `bench --tune` writes."""
    return platform.cache_folder() / "lanes.json"
