"""`symmetry.train`: the dense networks that masked ones are held against."""

from collections.abc import Iterator

from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.settings import number, swept
from weightspace.experiments.symmetry.masks import IOANNOU_2020
from weightspace.experiments.symmetry.training import CIFAR10, PAPER, PROBES, WAY, StudyTraining
from weightspace.figures.charts import Curve
from weightspace.run import Row
from weightspace.spaces.full import Full
from weightspace.tables.curves import Traces
from weightspace.tables.means import Means
from weightspace.tables.words import Label

METRICS = ("test_accuracy", "train_accuracy", "test_loss", "train_loss", *WAY)


class Train(
    Experiment,
    name="symmetry.train",
    gpu=("paper", "paper-cifar10"),
    question="How well do the study's dense networks do, and how far do they come from their start?",
    paper=IOANNOU_2020,
    reading="The cosine is a similarity: 1 at the start. The sum of gradient norms is over steps, so that it "
    "compares runs of one length and rate only.",
    presets={
        "smoke": {"networks": ("mnist_fc:widths=16,16",), "epochs": 2.0, "seeds": ("2",)},
        "quick": {"networks": ("mnist_fc",)},
        "paper": PAPER | {"networks": ("mnist_fc", "mnist_cnn")},
        "evidence": {
            "data": "mnist",
            "seeds": ("5",),
            "networks": ("mnist_fc", "mnist_fc:norm=false", "mnist_fc:dropout=0.1"),
        },
        "paper-cifar10": CIFAR10 | {"networks": ("cifar10_cnn",)},
    },
    by=("network",),
    metrics=METRICS,
    words=(Label("network", "network"),),
):
    """How well do the study's dense networks do, and how far do they come from their start?"""

    training: StudyTraining = StudyTraining(model="mnist_fc", epochs=10.0, optimiser="adam", lr=0.01)
    networks: tuple[str, ...] = swept("mnist_fc", "mnist_cnn", words="network")
    """Networks, with options as in mnist_fc:widths=32,32: see `list models`."""
    confidence: float = number(0.95, above=0, below=1)
    """Of the intervals of means."""

    def ask(self) -> Iterator[Row]:
        """Every network with each seed."""
        watch = self.training.watching(own=PROBES)
        for seeds in self.training.each_seed():
            for name in self.networks:
                yield Row({"network": name}, self.training.run(Full(), seeds, name), watch)

    def answered_by(self) -> tuple[Answer, ...]:
        """Means, and the way in time."""
        arms = ("network",)
        return (
            Answer("means", Means(METRICS, by=arms, interval=self.confidence)),
            Answer(
                "training",
                Traces(("test_accuracy", *WAY), arms=arms),
                Curve(x="step", arms=arms, name="training", spread="sd", title="Training of dense networks"),
                shown=0,
            ),
        )
