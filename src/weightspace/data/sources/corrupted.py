"""A set whose test images are corrupted; what is trained on stays as it is."""

import functools
from typing import Any

from weightspace.data.base import Loaded, Source
from weightspace.data.content import assemble
from weightspace.data.corruptions import WAYS
from weightspace.data.corruptions.copies import Corruption
from weightspace.errors import check_choice, check_number
from weightspace.spec import spec, static


@spec
class Corrupted(Source):
    """`cifar10:corruption=fog,severity=3`: measured on by `Measured(…, data=…)`, or trained beside.

    Attributes:
      source: The whole set.
      corruption: One of `WAYS`, or, of a folder, any of its files.
      severity: 1 to 5.
      folder: Of published images, in the layout of CIFAR-10-C; None makes them.
      seed: Of what is drawn.
    """

    source: Source = static()
    corruption: str = static()
    severity: int = static(default=3)
    folder: str | None = static(default=None)
    seed: int = static(default=0)

    def validate(self) -> None:
        """A known corruption, a severity."""
        check_number("severity", self.severity, least=1, most=5)
        if self.folder is None:
            check_choice("corruption", self.corruption, WAYS)

    @property
    def name(self) -> str:
        """As `make_data` takes it."""
        more = f",folder={self.folder}" if self.folder else ""
        more += f",seed={self.seed}" if self.seed else ""
        joint = "," if ":" in self.source.name else ":"
        return f"{self.source.name}{joint}corruption={self.corruption},severity={self.severity}{more}"

    @functools.cached_property
    def copies(self) -> Corruption:
        """What is done to the test images."""
        if self.folder is None:
            return Corruption(self.corruption, self.severity, self.seed)
        return Corruption.published(self.folder, self.corruption, self.severity)

    def load(self) -> Loaded:
        """Made anew; nothing is kept, as a set has 75 of them."""
        whole = self.source.loaded
        test: Any = self.copies.of(whole.test, whole.full_scale)
        return assemble(
            self.name, tuple(whole.train), tuple(test), classes=whole.classes, full_scale=whole.full_scale
        )
