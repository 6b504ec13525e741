"""What the zoo's models share: the shape of an example, the number of outputs, a name that tells the options.

The identity of a zoo model is its kind, its version and its fields, never its source: `version` is raised
when its numbers change.
"""

import dataclasses
from typing import Any, ClassVar, cast

from weightspace.errors import InputError, check_number
from weightspace.models.adapters.nnx import NnxModel
from weightspace.spec import spec, static


@spec
class ZooModel(NnxModel):
    """A network for examples of one shape.

    Attributes:
      shape: Of one example; images are (height, width, channels).
      outputs: Classes, or numbers to predict.
    """

    label: ClassVar[str] = ""
    """What the model is called on the command line."""

    shape: tuple[int, ...] = static()
    outputs: int = static()

    @property
    def name(self) -> str:
        """The label, and the options that are not the default's: what `make` takes."""
        changed = [
            f"{field.name}={shown(getattr(self, field.name))}"
            for field in options(type(self))
            if getattr(self, field.name) != field.default
        ]
        return self.label + (":" + ",".join(changed) if changed else "")

    def validate(self) -> None:
        """Shapes are of positive numbers, and there is an output."""
        if not self.shape:
            raise InputError(f"{self.label} needs examples with at least one axis, but they have shape ()")
        for length in self.shape:
            check_number(f"each axis of the shape {self.shape}", length, least=1)
        check_number("outputs", self.outputs, least=1)

    def check_inputs(self, x: Any) -> None:
        """Raise `InputError` for examples of another shape."""
        if tuple(x.shape[1:]) != self.shape:
            raise InputError(
                f"{self.name} was made for examples of shape {self.shape}, but was given a batch of shape "
                f"{tuple(x.shape)}"
            )

    @property
    def size(self) -> int:
        """Numbers of one example."""
        total = 1
        for length in self.shape:
            total *= length
        return total

    def image(self) -> tuple[int, int, int]:
        """Height, width and channels of an example.

        Raises:
          InputError: If examples are no images.
        """
        if len(self.shape) != 3:
            raise InputError(
                f"{self.label} needs images (height, width, channels), but examples have shape {self.shape}; "
                "fc takes any shape"
            )
        return self.shape


def options(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """The fields that may be set by name: all but the shape and the number of outputs."""
    return tuple(f for f in dataclasses.fields(cast(Any, cls)) if f.name not in ("shape", "outputs"))


def shown(value: Any) -> str:
    """An option's value as it is written on the command line."""
    if isinstance(value, tuple):
        return ",".join(shown(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_widths(what: str, widths: tuple[int, ...]) -> None:
    """Raise unless there is at least one width and all are positive."""
    if not widths:
        raise InputError(f"{what} is empty; give at least one number")
    for width in widths:
        check_number(f"each of {what}", width, least=1)
