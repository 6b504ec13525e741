"""`tickets.supermask`: masks that are trained, while the weights under them never are."""

import dataclasses
from collections.abc import Iterator

from weightspace.errors import InputError
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.tickets.learned import ARMS, Arms, MaskTraining
from weightspace.experiments.tickets.paper import PAPER, SMOKE
from weightspace.figures.charts import Bars, Curve, Dots, Pictures
from weightspace.probes.mask import LearnedMask
from weightspace.run import Row
from weightspace.tables.base import On
from weightspace.tables.curves import Curves
from weightspace.tables.paired import Pairs
from weightspace.tables.ranges import Layers
from weightspace.tables.shapes import Chosen, Named
from weightspace.tables.words import Label

LABELS = ("arm", "logit", "target", "keep")
ACCURACIES = ("sampled_test_accuracy", "threshold_test_accuracy")
KINDS = (("expected", "expected_density"), ("thresholded", "density"), ("sampled", "sample0_density"))
SETTINGS = Named(LABELS, orders=(("arm", ARMS),))
# A mask that is drawn has the mean of its probabilities for a density, another its own.
AT_DENSITY = Chosen((("accuracy", ACCURACIES), ("share_kept", ("expected_density", "density"))))
ACCURACY = Answer("accuracy", On(SETTINGS, Curves(ACCURACIES, x="setting")), Dots(
    "setting", tuple(zip(ACCURACIES, ("mean over sampled masks", "thresholded mask"), strict=True)),
    name="accuracy", title="Learned masks", y="test accuracy",
    caption="Untrained networks under learned masks ({n}): dots are runs, bars means, lines ranges over runs.",
    values="A run's sampled accuracy is a mean over masks drawn at the end",
), shown=0)  # fmt: skip
PAIRS = Answer("pairs", On(SETTINGS, Pairs(ACCURACIES, arm="setting")), shown=30)
DENSITIES = Answer("densities", On(SETTINGS, Layers(KINDS)), Bars(
    "layer", "setting", "kind", ("expected", "sampled", "thresholded"), name="density",
    title="Densities of learned masks", y="share of weights kept",
    caption="The share of ones in each layer's mask, mean and range over runs ({n}): the mean of the "
    "probabilities, one sampled mask, and the mask of all probabilities above one half.",
), shown=30)  # fmt: skip
AGAINST_DENSITY = Answer("against density", On(On(SETTINGS, AT_DENSITY), Curves(
    ("accuracy",), x="setting", arms=("arm",), averaged=("share_kept",),
)), Curve(
    "share_kept", ("arm",), name="accuracy-density", title="Accuracy against density", spread="lines",
    y="test accuracy", said="Accuracy against density ({n} a point, lines from least to greatest): sampled masks "
    "and the mean of their probabilities, or the mask itself where it is not random.",
), shown=0)  # fmt: skip
PICTURES = Answer("pictures", SETTINGS, Pictures(
    f"{LearnedMask().key}.inputs", "setting", name="inputs", title="Inputs that learned masks keep",
    caption="The share of the first layer's units for which a pixel is kept, by the thresholded mask of each "
    "arm's first seed; channels are averaged. Pixels that are always blank keep their first probability.",
), Pictures(
    f"{LearnedMask().key}.filters", "setting", "filters", name="filters", title="Filters that learned masks keep",
    caption="The first convolution's filters, a tile each, under the thresholded mask of each arm's first seed: "
    "{colours}.",
), shown=0)  # fmt: skip


class TicketsSupermask(
    Experiment,
    name="tickets.supermask",
    question="How well can an untrained network do under the best mask that training finds?",
    paper=dataclasses.replace(PAPER, figure="Table 1 and section 5: learned supermasks"),
    reading="Sampled accuracies are means over masks drawn from the learned probabilities, thresholded ones are "
    "of the mask of all probabilities above one half. Rescaling and signed constants both help, and "
    "rescaled masks are sparser.",
    by=LABELS,
    metrics=(
        "sampled_test_accuracy", "sampled_sd_test_accuracy", "threshold_test_accuracy",
        "threshold_train_accuracy", "expected_density", "sample0_density", "density",
    ),
    words=(Label("share_kept", "share of weights kept at the end"),),
    minutes={"paper": "some 500 on 2 cores, by 60 epochs' 14"},
    presets={
        "smoke": SMOKE | {"epochs": 30.0, "lr": 100.0, "batch_size": 50, "eval_every": "5ep"},
        "quick": {"epochs": 10.0, "seeds": ("3",)},
        "paper": {"epochs": 2000.0, "seeds": ("5",), "eval_every": "20ep"},
    },
):  # fmt: skip
    """How well can an untrained network do under the best mask that training finds?

    Each weight of a kernel has a probability of being kept, and only these are trained; biases are zero. Arms
    differ in the weights under the mask (as initialised, or signed constants) and in whether layers are
    rescaled by their size over the number of ones. Edge-popup, which keeps a fixed share of each layer, can
    be set beside them.
    """

    training: MaskTraining = MaskTraining()
    arms: Arms = Arms()

    def check(self) -> None:
        """A batch has whole parts."""
        parts, batch = self.arms.parts, self.training.batch_size
        if batch % parts:
            raise InputError(f"parts is {parts}, but must divide the batch_size of {batch}")

    def ask(self) -> Iterator[Row]:
        """All arms and seeds."""
        for labels, space in self.arms.spaces():
            for seeds in self.training.each_seed():
                yield self.arms.row(self.training, labels, space, seeds)

    def answered_by(self) -> tuple[Answer, ...]:
        """Accuracy and densities by arm, accuracy against density where it was swept, the first layer's masks."""
        against = (AGAINST_DENSITY,) if self.arms.densities_differ else ()
        return (ACCURACY, PAIRS, DENSITIES, *against, PICTURES)
