"""Data: where examples come from, how they are split and normalised, and how their labels are corrupted.

A `Source` gives a decoded data set and is known by its content alone; `Data` says what a run makes of it.
The arrays are handed to the compiled program once, unbatched and mostly uint8; decoding, each run's own split
and its label noise happen inside the program, from traced seeds and rates: they cost no copy of the inputs.
"""

import abc
import functools
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int

from weightspace.data.content import Loaded, Split, examine
from weightspace.data.examples import Arrays, Examples, Partition
from weightspace.data.noise import noisy_labels
from weightspace.data.split import partition
from weightspace.data.statistics import NEED_SCALE, NORMALISATIONS, shift_and_scale
from weightspace.errors import InputError, check_choice, check_number
from weightspace.spec import Spec, spec, static
from weightspace.streams import Seeds, Stream, key

__all__ = ["Arrays", "Data", "Examples", "Loaded", "Partition", "Source", "Split"]


class Source(Spec, abc.ABC):
    """Where a data set comes from. Two sources are equal if their content is."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the set is called in tables; no part of its identity."""

    @abc.abstractmethod
    def load(self) -> Loaded:
        """The decoded set, read from the cache or decoded into it.

        Raises:
          DataError: If it is absent or unreadable; says what to do.
        """

    @functools.cached_property
    def loaded(self) -> Loaded:
        """What `load` gives, once."""
        return self.load()

    @functools.cached_property
    def canonical(self) -> dict[str, Any]:
        """The content's digest: never a name or a path."""
        return {"kind": "Source", "content": self.loaded.digest}

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Source) and self.digest == other.digest)

    __hash__ = Spec.__hash__


@spec
class Data(Examples):
    """A stored data set as runs see it.

    Attributes:
      source: Where it comes from.
      normalise: How inputs are scaled: `none`, `unit`, `centred`, `half`, `mean_image` or `standard`.
      validation: Examples of the training part to set aside, drawn by the seed of the stream `SPLIT`.
      subset: Train on so many of the others, drawn by the same seed; None for all.
      noise: Probability that a training label is replaced by a uniform draw from all classes, by the seed of
        the stream `NOISE`; None for clean labels.
    """

    source: Source = static()
    normalise: str = static(default="mean_image")
    validation: int = static(default=0)
    subset: int | None = static(default=None)
    noise: float | None = None

    def validate(self) -> None:
        """A source, a known normalisation, sizes and a rate within bounds."""
        if not isinstance(self.source, Source):
            raise InputError(
                f"Data needs a source, not {self.source!r}; make_data makes one of a name, a folder or "
                "package.module:factory"
            )
        check_choice("normalisation", self.normalise, NORMALISATIONS)
        check_number("validation", self.validation, least=0)
        check_number("subset", self.subset, least=1)
        check_number("label noise", self.noise, least=0, most=1)

    @property
    def name(self) -> str:
        """What the set is called in tables."""
        return self.source.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.source.loaded.train.x.shape[1:])

    @property
    def classes(self) -> int | None:
        """The number of classes; None for regression."""
        return self.source.loaded.classes

    @property
    def outputs(self) -> int:
        """The number of classes, or of targets an example."""
        y = self.source.loaded.train.y
        return self.classes or (1 if y.ndim == 1 else y.shape[1])

    @property
    def size(self) -> int:
        """The training examples of one run."""
        rest = len(self.source.loaded.train.y) - self.validation
        return rest if self.subset is None else self.subset

    def arrays(self) -> Arrays:
        """What to put on the device, the same for all runs of a program."""
        loaded = self.source.loaded
        return Arrays(loaded.train, loaded.test, *_statistics(self.source, self.normalise))

    def partition(self, seeds: Seeds) -> Partition:
        """A run's rows of the training part, in compiled code."""
        size = len(self.source.loaded.train.y)
        return Partition(*partition(key(seeds, Stream.SPLIT), size, self.validation, self.subset))

    def labels(self, arrays: Arrays, seeds: Seeds) -> Int[Array, " n"] | None:
        """A run's own labels for the whole training part, in compiled code; None where they are clean.

        They are for training: validation examples are judged by `arrays.train.y`.
        """
        if self.noise is None or self.classes is None:
            return None
        return noisy_labels(key(seeds, Stream.NOISE), jnp.asarray(arrays.train.y), self.classes, self.noise)

    def check(self) -> None:
        """Refuse, before anything is traced, what cannot be trained on.

        Raises:
          DataError: If the set is unreadable, not finite, wrongly labelled or too large.
          InputError: If validation, subset, noise or normalisation do not fit the set.
        """
        loaded, name = self.source.loaded, self.source.name
        _examine(self.source)
        total = len(loaded.train.y)
        if self.validation >= total:
            raise InputError(
                f"validation is {self.validation}, but must leave some of the {total} examples of {name}"
            )
        if self.subset is not None and self.subset > total - self.validation:
            raise InputError(
                f"subset is {self.subset}, but must be at most {total - self.validation}: the {total} "
                f"training examples of {name} less {self.validation} for validation"
            )
        if self.noise is not None and loaded.classes is None:
            raise InputError(
                f"label noise replaces class numbers, but {name} has real targets; leave noise out"
            )
        if self.normalise in NEED_SCALE and loaded.full_scale is None:
            raise InputError(
                f"normalisation '{self.normalise}' divides by the full scale, which {name} does not have; "
                "give full_scale= to from_arrays, or use none, mean_image or standard"
            )


@functools.lru_cache(maxsize=16)
def _statistics(source: Source, rule: str) -> tuple[Any, Any]:
    return shift_and_scale(rule, source.loaded.train.x, source.loaded.full_scale)


@functools.lru_cache(maxsize=16)
def _examine(source: Source) -> None:
    """Once a set: a cohort checks each of its runs."""
    loaded = source.loaded
    examine(source.name, loaded.train, loaded.test, loaded.classes)
