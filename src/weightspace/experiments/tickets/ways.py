"""Ways to a network whose weights are not trained, beside one whose weights are: names, columns, points."""

from weightspace.experiments.tickets.one_shot import levels
from weightspace.tables.base import On, Where
from weightspace.tables.columns import Filled
from weightspace.tables.curves import Curves
from weightspace.tables.shapes import Chosen, Ordered, Renamed, Stacked

FOUND = {"rewind": "found, initial weights", "signed_constant": "found, signed constants"}
"""By what kept weights are set to, under masks that a training left."""
LEARNED = {
    "plain": "learned, initial weights",
    "signed": "learned, signed constants",
    "rescaled": "learned, rescaled initial weights",
    "both": "learned, rescaled signed constants",
}
"""By the arm, under masks that were learned."""
TRAINED = "trained weights"
WAYS = (*FOUND.values(), *LEARNED.values(), TRAINED)
"""What is compared, in the order of the paper's table."""
# Each kind of row has its accuracy, and the share of weights that it keeps, in columns of its own.
_CHOSEN = Chosen((
    ("accuracy", ("sampled_test_accuracy", "test_accuracy_max", "best_test_accuracy")),
    ("share_kept", ("expected_density", "density_at_max", "density")),
))  # fmt: skip
COLUMNS = On(Filled("share_kept", ("way", TRAINED), 1.0, _CHOSEN), Ordered((("way", WAYS),)))
"""The rows with `accuracy` and `share_kept`, whichever columns they have them in, ways in their order."""
_LEVELS = On(levels("way"), Renamed((("test_accuracy", "accuracy"),)))
_OTHERS = Where((("way", (*LEARNED.values(), TRAINED)),))
POINTS = On(
    Stacked((_LEVELS, On(_OTHERS, Renamed((("share_kept", "density"),))))),
    Curves(("accuracy",), "power", ("way",), averaged=("density", "chance"), runs=False),
)
"""Accuracy against the share of weights kept: found masks at every level, others once."""
