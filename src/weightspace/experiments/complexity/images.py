"""`complexity.corruption`, `complexity.architectures`: two classes of images, labels true or random."""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

from weightspace.data import make_data
from weightspace.data.examples import Examples
from weightspace.experiments.complexity.protocol import PAPER, ComplexitySweep, check_values

NOISE_SEED = 12345


@dataclasses.dataclass(frozen=True)
class PairSweep(ComplexitySweep):
    """Fields of the experiments on two classes of images."""

    data: str = "cifar10:classes=0,5"
    """Two classes of a data set, as in cifar10:classes=0,5 (airplane and dog)."""
    examples: int | None = None
    """Training images of a run, drawn by its seed; none takes all."""
    corruptions: tuple[float, ...] = (0.0,)
    """Probabilities that a training label is replaced by a uniform one."""
    noise_seed: int = NOISE_SEED
    """Which labels are replaced, and by what: the same in all runs."""
    loss: str = "bce/2"

    swept = (*ComplexitySweep.swept, "corruptions")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_values("corruption", self.corruptions, least=0, most=1)

    def streams(self) -> dict[str, int | None]:
        """One corruption for all runs."""
        return {"noise": self.noise_seed}

    def tasks(self) -> Iterator[tuple[dict[str, Any], Examples]]:
        """Each rate of corruption."""
        for rate in self.corruptions:
            share = rate if any(self.corruptions) else None
            labels = {"data": self.data} | ({} if share is None else {"corruption": rate})
            yield labels, make_data(self.data, normalise="half", subset=self.examples, noise=share)


@dataclasses.dataclass(frozen=True)
class ComplexityCorruption(PairSweep):
    """Does training travel farther when some labels are random?

    With corruption p each training label is replaced with probability p by a uniform draw from both classes,
    so that p/2 really change. The same labels are replaced in all runs (seed 12345), as in the original.
    """

    corruptions: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6)
    model: tuple[str, ...] = ("identity_cnn",)
    epochs: float = 100
    lr: tuple[float, ...] = (0.0025,)
    decay: float | None = 50

    name = "complexity.corruption"
    question = "Does the bias travel farther when labels are corrupted?"
    minutes: ClassVar = {"quick": "28 on 2 shared cores", "paper": "a GPU's work"}
    paper = dataclasses.replace(PAPER, figure="Figures 1d-f, 2c: CIFAR-10 with label corruption")
    presets: ClassVar = {
        "smoke": {
            "data": "digits:classes=3,8", "model": ("mlp:widths=32",), "corruptions": (0.0, 0.6),
            "seeds": ("2",), "epochs": 10.0, "examples": 200,
        },
        "quick": {
            "model": ("identity_cnn:channels=24,96",), "examples": 1000, "epochs": 30.0, "seeds": ("5",),
        },
        "paper": {"seeds": ("8",)},
    }  # fmt: skip


@dataclasses.dataclass(frozen=True)
class ComplexityArchitectures(PairSweep):
    """Does the architecture that generalises better also travel less?

    Both networks learn to tell 3 from 6, from 100 images of each class. Metrics are taken over windows of 100
    steps.
    """

    data: str = "mnist:classes=3,6,train_each=100,test_each=900"
    model: tuple[str, ...] = ("mlp:widths=512", "identity_cnn")
    epochs: float = 100
    lr: tuple[float, ...] = (0.002,)
    eval_every: str = "100it"

    name = "complexity.architectures"
    question = "Does the architecture that generalises better also travel less?"
    minutes: ClassVar = {"quick": "1.2 on 2 shared cores"}
    paper = dataclasses.replace(PAPER, figure="supplement: MNIST 3 and 6, fully connected and convolutional")
    presets: ClassVar = {
        "smoke": {
            "data": "digits:classes=3,6,train_each=50,test_each=30",
            "model": ("mlp:widths=16", "mlp:widths=64"), "seeds": ("2",), "epochs": 5.0,
        },
        "quick": {
            "model": ("mlp:widths=512", "identity_cnn:channels=24,96"), "seeds": ("3",), "epochs": 30.0,
        },
        "paper": {"seeds": ("8",)},
    }  # fmt: skip
