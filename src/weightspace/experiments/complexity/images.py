"""`complexity.corruption`, `complexity.architectures`: two classes of images, labels true or random."""

import dataclasses

from weightspace.experiments.complexity.paths import (
    BY,
    LOUKAS_2021,
    METRICS,
    READING,
    WINDOWS,
    OfPaths,
    Pairs,
)


class ComplexityCorruption(
    OfPaths,
    name="complexity.corruption",
    question="Does the bias travel farther when labels are corrupted?",
    paper=dataclasses.replace(LOUKAS_2021, figure="Figures 1d-f, 2c: CIFAR-10 with label corruption"),
    reading=READING,
    presets={
        "smoke": {"data": "digits:classes=3,8", "model": ("mlp:widths=32",), "corruptions": (0.0, 0.6),
                  "seeds": ("2",), "epochs": 10.0, "examples": 200},
        "quick": {"model": ("identity_cnn:channels=24,96",), "examples": 1000, "epochs": 30.0,
                  "seeds": ("5",)},
        "paper": {"seeds": ("8",)},
    },
    columns=WINDOWS,
    by=BY,
    metrics=METRICS,
):  # fmt: skip
    """Does training travel farther when some labels are random?

    With corruption p each training label is replaced with probability p by a uniform draw from both classes,
    so that p/2 really change. The same labels are replaced in all runs (seed 12345), as in the original.
    """

    training: Pairs = Pairs(
        corruptions=(0.0, 0.2, 0.4, 0.6), model=("identity_cnn",), epochs=100, lr=(0.0025,), decay=50
    )


class ComplexityArchitectures(
    OfPaths,
    name="complexity.architectures",
    paper=dataclasses.replace(
        LOUKAS_2021, figure="supplement: MNIST 3 and 6, fully connected and convolutional"
    ),
    reading=READING,
    presets={
        "smoke": {"data": "digits:classes=3,6,train_each=50,test_each=30",
                  "model": ("mlp:widths=16", "mlp:widths=64"), "seeds": ("2",), "epochs": 5.0},
        "quick": {"model": ("mlp:widths=512", "identity_cnn:channels=24,96"), "seeds": ("3",),
                  "epochs": 30.0},
        "paper": {"seeds": ("8",)},
    },
    columns=WINDOWS,
    by=BY,
    metrics=METRICS,
):  # fmt: skip
    """Does the architecture that generalises better also travel less?

    Both networks learn to tell 3 from 6, from 100 images of each class. Metrics are taken over windows of 100
    steps.
    """

    training: Pairs = Pairs(
        data="mnist:classes=3,6,train_each=100,test_each=900", model=("mlp:widths=512", "identity_cnn"),
        epochs=100, lr=(0.002,), eval_every="100it",
    )  # fmt: skip
