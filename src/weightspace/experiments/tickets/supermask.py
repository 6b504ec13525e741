"""`tickets.supermask`: masks that are trained, while the weights under them never are."""

import dataclasses
from collections.abc import Iterator

from weightspace.errors import InputError
from weightspace.experiments.answer import Answer
from weightspace.experiments.base import Experiment
from weightspace.experiments.tickets import mask_charts
from weightspace.experiments.tickets.learned import ARMS, Arms, MaskTraining
from weightspace.experiments.tickets.paper import PAPER, SMOKE
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
ACCURACY = Answer("accuracy", On(SETTINGS, Curves(ACCURACIES, x="setting")), mask_charts.LEARNED, shown=0)
PAIRS = Answer("pairs", On(SETTINGS, Pairs(ACCURACIES, arm="setting")), shown=30)
DENSITIES = Answer("densities", On(SETTINGS, Layers(KINDS)), mask_charts.DENSITIES, shown=30)
CURVES = Curves(("accuracy",), x="setting", arms=("arm",), averaged=("share_kept",))
AGAINST = Answer(
    "against density", On(On(SETTINGS, AT_DENSITY), CURVES), mask_charts.AGAINST_DENSITY, shown=0
)
PICTURES = Answer("pictures", SETTINGS, mask_charts.INPUTS, mask_charts.FILTERS, shown=0)


class TicketsSupermask(
    Experiment,
    name="tickets.supermask",
    question="How well can an untrained network do under the best mask that training finds?",
    paper=dataclasses.replace(PAPER, figure="Table 1 and section 5: learned supermasks"),
    reading="Sampled accuracies are means over masks drawn from the learned probabilities, thresholded ones "
    "are of the mask of all probabilities above one half. Rescaling and signed constants both help, and "
    "rescaled masks are sparser.",
    by=LABELS,
    metrics=(
        "sampled_test_accuracy", "sampled_sd_test_accuracy", "threshold_test_accuracy",
        "threshold_train_accuracy", "expected_density", "sample0_density", "density",
    ),
    words=(Label("share_kept", "share of weights kept at the end"),),
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
        """Accuracy and densities by arm, accuracy against density where it was swept, and pictures."""
        against = (AGAINST,) if self.arms.densities_differ else ()
        return (ACCURACY, PAIRS, DENSITIES, *against, PICTURES)
