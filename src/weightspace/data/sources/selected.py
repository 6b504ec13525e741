"""Some classes of a set, renumbered from 0: airplane against dog, 3 against 6."""

from typing import Any

import numpy as np

from weightspace.data import cache
from weightspace.data.base import Loaded, Source
from weightspace.data.content import Split, assemble
from weightspace.errors import InputError, check_number
from weightspace.spec import spec, static


@spec
class Selected(Source):
    """The examples of some classes, in the order of the set; class `classes[i]` becomes class i.

    Attributes:
      source: The whole set.
      classes: Which classes, by number.
      train_each: Training examples of each class, the first ones of the set; None for all.
      test_each: Test examples of each class, likewise.
    """

    source: Source = static()
    classes: tuple[int, ...] = static()
    train_each: int | None = static(default=None)
    test_each: int | None = static(default=None)

    def validate(self) -> None:
        """At least two classes, each once."""
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise InputError(
                f"classes are {', '.join(map(str, self.classes)) or 'none'}, but there must be at least two, "
                "each named once"
            )
        check_number("train_each", self.train_each, least=1)
        check_number("test_each", self.test_each, least=1)

    @property
    def name(self) -> str:
        """`cifar10:classes=0,5`, as `make_data` takes it."""
        parts = ["classes=" + ",".join(map(str, self.classes))]
        limits = {"train_each": self.train_each, "test_each": self.test_each}
        parts += [f"{name}={count}" for name, count in limits.items() if count is not None]
        return f"{self.source.name}:{','.join(parts)}"

    def load(self) -> Loaded:
        """From the cache, else cut out of the whole set."""
        whole = self.source.loaded
        if whole.classes is None:
            raise InputError(f"classes are chosen, but {self.source.name} has real targets")
        for number in self.classes:
            check_number("class", number, least=0, most=whole.classes - 1)
        chosen = {"classes": list(self.classes), "train": self.train_each, "test": self.test_each}
        return cache.cached(self.name, {"selected": whole.digest} | chosen, lambda: self._cut(whole))

    def _cut(self, whole: Loaded) -> Loaded:
        parts = [
            self._part(part, split, each)
            for part, split, each in (
                ("training", whole.train, self.train_each),
                ("test", whole.test, self.test_each),
            )
        ]
        return assemble(
            self.name, *parts, classes=len(self.classes), full_scale=whole.full_scale
        )  # fmt: skip

    def _part(self, part: str, split: Split, each: int | None) -> tuple[Any, Any]:
        rows, labels = [], np.full(int(np.max(split.y)) + 1, -1)
        for place, number in enumerate(self.classes):
            found = np.flatnonzero(np.asarray(split.y) == number)
            if each is not None and len(found) < each:
                raise InputError(
                    f"{each} {part} examples of class {number} are asked, but {self.source.name} has "
                    f"{len(found)}"
                )
            rows.append(found[:each])
            labels[number] = place
        order = np.sort(np.concatenate(rows))
        return np.asarray(split.x[order]), labels[np.asarray(split.y)[order]].astype(np.int32)
