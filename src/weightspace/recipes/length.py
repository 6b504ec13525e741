"""Lengths and moments of training: `3ep`, `500it`, `75%` of it, `end`, or a number of steps."""

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

from weightspace.errors import InputError, check_number

_PATTERN = re.compile(r"^\s*(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(ep|epochs?|it|its|steps?|%)?\s*$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Length:
    """A number of epochs or of steps, or a share; resolved once the batches of an epoch are known.

    >>> Length.parse("3ep").steps(per_epoch=469)
    1407
    >>> Length.parse("500it").steps(per_epoch=469)
    500
    >>> Length.parse("end").steps(per_epoch=469, total=1407)
    1407
    >>> Length.parse("75%").steps(per_epoch=469, total=1407)
    1055
    """

    written: ClassVar[str] = "a length, such as 3ep, 500it, 75% or end"
    """How options of a name write one."""

    count: float
    unit: str

    @classmethod
    def parse(cls, given: "str | int | float | Length") -> "Length":
        """Read a length.

        Raises:
          InputError: If it is not `<number>ep`, `<number>it`, `<number>%` of at most 100, `end`, or a whole
            number of steps ≥ 0.
        """
        if isinstance(given, Length):
            return given
        if isinstance(given, str) and given.strip().lower() == "end":
            return cls(0.0, "end")
        found = _PATTERN.match(str(given))
        if not found:
            raise InputError(
                f"length '{given}' is not understood; write 3ep, 500it or a number of steps, none negative"
            )
        unit = "%" if found[2] == "%" else "ep" if (found[2] or "it").lower().startswith("ep") else "it"
        count = float(found[1])
        if unit == "%" and count > 100:
            raise InputError(f"length '{given}' is more than the training; write at most 100%")
        if not math.isfinite(count):
            raise InputError(
                f"length '{given}' is more than any training; write 3ep, 500it or a number of steps"
            )
        if unit == "it" and count != int(count):
            raise InputError(f"length '{given}' is not a whole number of steps")
        return cls(count, unit)

    def steps(self, per_epoch: int, total: int | None = None) -> int:
        """The number of steps, for so many batches an epoch."""
        if self.unit in ("end", "%"):
            if total is None:
                raise InputError(f"'{self}' needs the length of the training; write 3ep or 500it")
            return total if self.unit == "end" else round(self.count / 100 * total)
        return round(self.count * per_epoch) if self.unit == "ep" else int(self.count)

    def multiples(self, per_epoch: int, total: int) -> tuple[int, ...]:
        """The start, every so many steps, and the end of a training: where a cadence reads.

        >>> Length.parse("2ep").multiples(per_epoch=10, total=45)
        (0, 20, 40, 45)

        Raises:
          InputError: If it is less than one step.
        """
        every = self.steps(per_epoch, total)
        check_number("evaluation cadence", every, least=1, hint="Write 1ep or 50it.")
        return tuple(sorted({*range(0, total, every), total}))

    def __canonical__(self) -> Any:
        """As text."""
        return str(self)

    def __str__(self) -> str:
        if self.unit == "end":
            return "end"
        short = f"{self.count:g}"
        return f"{short if float(short) == self.count else repr(self.count)}{self.unit}"


if TYPE_CHECKING:
    LengthLike = Any
else:
    LengthLike = Length | str | int | float
    """What a field takes that becomes a length."""
