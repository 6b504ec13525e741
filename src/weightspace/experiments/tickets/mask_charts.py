"""The charts of experiments on masks: what is seen in them, in words; their tables are the experiments'."""

from weightspace.experiments.tickets.ways import TRAINED
from weightspace.figures.charts import Bars, Curve, Dots, Pictures
from weightspace.probes.mask import LearnedMask
from weightspace.tables.words import Label

_KEY = LearnedMask().key
_NAMES = (("rewind", "initial weights"), ("signed_constant", "signed constants"))
AT_INIT = (
    Label("criterion", "criterion", spaced=True),
    Label("kept", "kept weights", names=_NAMES, spaced=True),
)
"""What masks at init are told apart by: what kept weights are set to, where nothing is trained."""
LEVELS = Curve(
    "density", ("criterion",), facet="kept", name="accuracy", title="Masks on untrained weights",
    naming="criterion", y="test accuracy, untrained", level="chance",
    told="Untrained networks under one-shot masks: means over seeds ({n} at each point), bands from the "
    "least to the greatest. Grey: chance. Powers at which a layer would be empty are left out.",
)  # fmt: skip
"""Accuracy of masks at init against the share of weights left, for each value."""
GREATEST = Dots(
    "criterion", (("test_accuracy_max", ""),), by="kept", falling=True, level="chance", name="best",
    title="The best mask of each run", y="greatest test accuracy of a run",
    caption="The greatest accuracy of each run over all powers of pruning ({n} a mean): dots are runs, bars "
    "their mean, lines their range. It is picked on test data, and flatters: see the random masks.",
    values="Grey: chance",
)  # fmt: skip
LEARNED = Dots(
    "setting", (
        ("sampled_test_accuracy", "mean over sampled masks"), ("threshold_test_accuracy", "thresholded mask"),
    ),
    name="accuracy", title="Learned masks", y="test accuracy",
    caption="Untrained networks under learned masks ({n}): dots are runs, bars means, lines ranges over "
    "runs.",
    values="A run's sampled accuracy is a mean over masks drawn at the end",
)  # fmt: skip
DENSITIES = Bars(
    "layer", "setting", "kind", ("expected", "sampled", "thresholded"), name="density",
    title="Densities of learned masks", y="share of weights kept",
    caption="The share of ones in each layer's mask, mean and range over runs ({n}): the mean of the "
    "probabilities, one sampled mask, and the mask of all probabilities above one half.",
)  # fmt: skip
AGAINST_DENSITY = Curve(
    "share_kept", ("arm",), naming="arm", name="accuracy-density", title="Accuracy against density",
    spread="lines",
    y="test accuracy", told="Accuracy against density ({n} a point, lines from least to greatest): sampled "
    "masks and the mean of their probabilities, or the mask itself where it is not random.",
)  # fmt: skip
INPUTS = Pictures(
    f"{_KEY}.inputs", "setting", name="inputs", title="Inputs that learned masks keep",
    caption="The share of the first layer's units for which a pixel is kept, by the thresholded mask of each "
    "arm's first seed; channels are averaged. Pixels that are always blank keep their first probability.",
)  # fmt: skip
FILTERS = Pictures(
    f"{_KEY}.filters", "setting", "filters", name="filters", title="Filters that learned masks keep",
    caption="The first convolution's filters, a tile each, under the thresholded mask of each arm's first "
    "seed: {colours}.",
)  # fmt: skip
WAYS = Dots(
    "way", (("accuracy", "runs"),), name="accuracy", title="The best masks", y="test accuracy", wrap=16,
    caption="Test accuracy of untrained weights under the best masks, and of trained weights ({n}): dots are "
    "runs, bars means, lines ranges. Found masks were picked on test data among all levels of pruning;",
    values="learned ones are means over sampled masks",
)  # fmt: skip
POINTS = Curve(
    "density", ("way",), name="accuracy-density", title="Found and learned masks", y="test accuracy",
    baseline=("way", TRAINED), baseline_words=(TRAINED, TRAINED), level="chance",
    told="Untrained weights under masks ({n} a point). Lines: one-shot masks that a training left, at every "
    "level of pruning, means with bands from the least to the greatest. Single points: learned masks at the "
    "mean of their probabilities, lines from the least to the greatest. Grey: trained weights, and chance.",
)  # fmt: skip
"""Found masks at every level of pruning, learned ones at the share of weights that they keep."""
UNDER_MASKS = Dots(
    "setting", (("accuracy", "runs"),), name="accuracy", title="Training under masks",
    y="test accuracy at early stopping",
    caption="Test accuracy at early stopping ({n}): dots are runs, bars means, lines ranges. 'Untrained' is "
    "the learned mask over the weights as they began, at the end of its training.",
    values="The other masks keep as many weights in each layer as the learned one",
)  # fmt: skip
