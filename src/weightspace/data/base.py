"""Data: where examples come from, how they are split and normalised, and how their labels are corrupted.

A `Source` gives a decoded data set and is known by its content alone; `Data` says what a run makes of it.
The arrays are handed to the compiled program once, unbatched and mostly uint8; decoding, each run's own split
and its label noise happen inside the program, from traced seeds and rates: they cost no copy of the inputs.
"""

import abc
import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from weightspace.data import once
from weightspace.data.content import Loaded, Split
from weightspace.data.digits import (
    is_whole,
)
from weightspace.data.examples import Arrays, Examples, Partition
from weightspace.data.forms import described
from weightspace.data.noise import noisy_labels, stored_labels
from weightspace.data.split import partition
from weightspace.data.statistics import NEED_SCALE, NORMALISATIONS
from weightspace.errors import InputError, check_choice, check_number
from weightspace.spec import Spec, leaf, spec, static
from weightspace.streams import LARGEST_SEED, Seeds, Stream, key

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
        return {"kind": "data.Source", "content": self.loaded.digest}

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Source) and self.digest == other.digest)

    __hash__ = Spec.__hash__


@spec
class Data(Examples):
    """A stored data set as runs see it.

    Attributes:
      source: Where it comes from.
      normalise: How inputs are scaled: `none`, `unit`, `centred`, `half`, `mean_image` or `standard`. None
        for `mean_image`; where inputs are whole numbers (of another type than uint8, and without a full
        scale) for `none`. With `none` whole numbers are names, tokens for an embedding: they stay whole
        numbers, int32. With any other they are amounts and become floats. (uint8 counts as an image: give
        names in a wider type.)
      validation: Examples of the training part to set aside, drawn by the seed of the stream `SPLIT`.
      subset: Train on so many of the others, drawn by the same seed; None for all.
      noise: Probability that a training label is replaced by a uniform draw from all classes, by the seed of
        the stream `NOISE`; None for clean labels.
      noise_seed: Fixes the noise: so many labels exactly, `noise` of the training part as it is before
        examples are set aside or a subset is taken, the same for every run, whatever its seeds; None draws
        anew for each run.
    """

    source: Source = static()
    normalise: str | None = static(default=None)
    validation: int = static(default=0)
    subset: int | None = static(default=None)
    noise: float | None = None
    noise_seed: int | None = leaf(default=None, neutral=None)

    def validate(self) -> None:
        """A source, a known normalisation, sizes and a rate within bounds."""
        if not isinstance(self.source, Source):
            raise InputError(f"Data needs a source, not {described(self.source)}; {_advice(self.source)}")
        if self.normalise is not None:
            check_choice("normalisation", self.normalise, NORMALISATIONS)
        check_number("validation", self.validation, least=0)
        check_number("subset", self.subset, least=1)
        check_number("label noise", self.noise, least=0, most=1)
        check_number("noise_seed", self.noise_seed, least=0, most=LARGEST_SEED)
        if self.noise_seed is not None and self.noise is None:
            raise InputError(
                f"noise_seed is {self.noise_seed}, but there is no label noise; give noise=0.2, or "
                "leave it out"
            )

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

    @property
    def counted(self) -> str:
        """What was given, less what is set aside for validation, of which a subset is taken; "" for all."""
        total = len(self.source.loaded.train.y)
        parts = [f"{total} given"]
        if self.validation:
            parts.append(f" - {self.validation} for validation = {total - self.validation}")
        if self.subset is not None:
            parts.append(f", of which subset={self.subset}")
        return "".join(parts) if len(parts) > 1 else ""

    @property
    def rule(self) -> str:
        """The normalisation that is meant where none is given."""
        if self.normalise is not None:
            return self.normalise
        return "none" if self._whole and self.source.loaded.full_scale is None else "mean_image"

    @property
    def _whole(self) -> bool:
        return is_whole(self.source.loaded.train.x)

    @functools.cached_property
    def canonical(self) -> dict[str, Any]:
        """With the normalisation that is meant; says where inputs are decoded on the host."""
        values = super().canonical | {"normalise": self.rule}
        return values | ({"digits": "float64"} if once.marked(self.source, self.rule) else {})

    def input_dtype(self, storage: str) -> str:
        """`int32` for names, else the type of the run."""
        return "int32" if self._whole and self.rule == "none" else storage

    def arrays(self) -> Arrays:
        """What to put on the device, the same for all runs of a program.

        Inputs that float32 cannot tell apart are normalised in float64 already; `shift` is then 0, `scale` 1.
        """
        loaded, found = self.source.loaded, once.decoding_of(self.source, self.rule)
        train, test = loaded.train, loaded.test
        if found.wide:
            wide, zero = once.decoded_of(self.source, self.rule), np.zeros((1,) * train.x.ndim)
            return Arrays(Split(wide.train, train.y), Split(wide.test, test.y), zero, zero + 1)
        if self._whole:
            self._check_names()
            train, test = (Split(part.x.astype(np.int32, copy=False), part.y) for part in (train, test))
        return Arrays(train, test, found.shift, found.scale)

    def decoding(self) -> tuple[Any, Any]:
        """Shift and scale of decoded = (x - shift) · scale, for inputs as they were given, in float64."""
        found = once.decoding_of(self.source, self.rule)
        made = once.decoded_of(self.source, self.rule) if found.wide else found
        return made.shift, made.scale

    def check_digits(self, dtype: str) -> None:
        """Refuse runs in float32 or bfloat16 on values that it merges.

        Raises:
          InputError: If rounding takes more than a hundredth (bfloat16: a tenth) of a column's deviation,
            root mean square, or makes different whole numbers equal.
        """
        if dtype != "float64":
            for each in dict.fromkeys(("float32", dtype)):
                once.check_digits(self.source, self.rule, each)

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
        if self.noise_seed is not None:
            return stored_labels(self.noise_seed, jnp.asarray(arrays.train.y), self.classes, self.noise)
        return noisy_labels(key(seeds, Stream.NOISE), jnp.asarray(arrays.train.y), self.classes, self.noise)

    def check(self) -> None:
        """Refuse, before anything is traced, what cannot be trained on.

        Raises:
          DataError: If the set is unreadable, not finite, wrongly labelled or too large.
          InputError: If validation, subset, noise or normalisation do not fit the set.
        """
        loaded, name = self.source.loaded, self.source.name
        once.examined(self.source)
        total = len(loaded.train.y)
        if self.validation >= total:
            raise InputError(
                f"validation is {self.validation}, but must leave some of the {total} training examples of "
                f"{name} (without a test part a fifth of all is held out); choose less than {total}"
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
        if self.rule in NEED_SCALE and loaded.full_scale is None:
            raise InputError(
                f"normalisation '{self.rule}' divides by the full scale, which {name} does not have; "
                "say it (full_scale= of from_arrays, an entry full_scale of an .npz file), give images as "
                "uint8, or use none, mean_image or standard"
            )
        if self._whole and self.rule == "none":
            self._check_names()

    def _check_names(self) -> None:
        low, high = once.range_of(self.source)
        if low < -(2**31) or high >= 2**31:
            raise InputError(
                f"inputs of {self.name} are whole numbers from {low} to {high}; as names (tokens) they must "
                "fit int32: number them from 0; if they are amounts give normalise='standard', or floats"
            )


def _advice(given: Any) -> str:
    """What was probably meant by what is no source."""
    if isinstance(given, str):
        return f"make_data({given!r}) makes one of a name, a folder or package.module:factory"
    if isinstance(given, Examples):
        return "it is a data set already"
    return "from_arrays(x, y) makes one of arrays, make_data of a name, a folder or package.module:factory"
