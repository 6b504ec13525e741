"""Ordinary training: the weights are the coordinates, w = θ."""

from weightspace.models.layout import Layout
from weightspace.spaces.base import Coordinates, Fixed, Point, Sample, Space
from weightspace.spec import spec
from weightspace.streams import Keys
from weightspace.tree import Tree


@spec
class Full(Space):
    """All weights, from the model's own initialisation or from given weights.

    Attributes:
      start: Weights to start from (an output of another node), or None for the model's own.
    """

    start: Tree = None

    @property
    def name(self) -> str:
        """What the space is called in tables."""
        return "full"

    def init(self, keys: Keys, sample: Sample, layout: Layout) -> tuple[Fixed, Coordinates]:
        """Nothing fixed; coordinates are drawn weights or `start`."""
        return (), sample(keys) if self.start is None else self.start

    def weights(self, fixed: Fixed, theta: Coordinates, p: Point) -> Tree:
        """The coordinates themselves."""
        return theta
