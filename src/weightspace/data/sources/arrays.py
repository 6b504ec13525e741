"""A user's own arrays: kept in the cache under their digest, by which any process can load them again."""

from typing import Any

from weightspace.data import cache
from weightspace.data.base import Loaded, Source
from weightspace.data.content import assemble
from weightspace.errors import DataError, InputError, check_number
from weightspace.fields import coerce
from weightspace.spec import spec, static


@spec
class Stored(Source):
    """A set in the cache, by its digest.

    Attributes:
      content: The digest that `Loaded` has.
      label: What to call it in tables; None for what it was first called.
    """

    content: str = static()
    label: str | None = static(default=None)

    @property
    def name(self) -> str:
        """The given name, or the first one."""
        return self.label or cache.name_of(self.content) or "arrays"

    def load(self) -> Loaded:
        """From the cache, the only place where it is.

        Raises:
          DataError: If it is not there, or was damaged.
        """
        found = cache.find(self.content)
        if found is None:
            raise DataError(
                f"data {self.content} ({self.label or 'unnamed'}) is not in the cache at {cache.folder()}, "
                "or was damaged there; make it again from its arrays, folder or name, or point "
                "WEIGHTSPACE_CACHE at the cache that has it"
            )
        return found


def from_arrays(
    x: Any,
    y: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    name: str = "arrays",
    full_scale: float | None = None,
    classes: int | None = None,
) -> Source:
    """A source from numpy arrays, or what can become such.

    Args:
      x: Inputs [n, ...]. uint8, float32 and float64 are kept, half precision becomes float32; other whole
        numbers (and truth values) are kept as such: `Data` takes them as names (tokens), or as amounts where
        it is given a normalisation. Grey images [n, height, width] of uint8 and scalars [n] get a last axis.
      y: Whole numbers [n] are classes, floats [n] or [n, k] are targets of a regression.
      x_test: Inputs of the test part; None to set a fixed, stratified fifth of the examples aside.
      y_test: Targets of the test part.
      name: What the set is called in tables.
      full_scale: Largest value of an input; None for 255 if inputs are uint8.
      classes: Number of classes; None for one more than the largest label; labels must then not run from 1.

    Raises:
      InputError: If only one of `x_test` and `y_test` is given.
      DataError: If the arrays do not form a data set, or hold what would be left out or misread: masked
        values, objects, missing values, names, dates, sparse or ragged things (`forms`).
    """
    if (x_test is None) != (y_test is None):
        raise InputError("x_test and y_test go together: give both or neither")
    test = None if x_test is None else (x_test, y_test)
    full_scale = coerce("full_scale", full_scale, float | None)
    classes = coerce("classes", classes, int | None)
    check_number("full_scale", full_scale, above=0)
    check_number("classes", classes, least=1)
    loaded = assemble(name, (x, y), test, classes=classes, full_scale=full_scale)
    return Stored(cache.keep(name, loaded).digest, name)
