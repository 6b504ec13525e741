"""Schedules for averages of weights: a plateau that falls to another one, and cycles of cosines.

Their borders are shares of the whole training, the warm-up in it, so that they scale with its length and lie
where what is averaged is collected (`probes.average`).
"""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from weightspace.errors import InputError, check_number
from weightspace.recipes.schedules import Scalar, Schedule
from weightspace.spec import spec, static


@spec
class Plateau(Schedule):
    """1 until `begin`, a straight line to `floor` at `until`, and `floor` from there on.

    As stochastic weight averaging with a high constant rate is trained (Izmailov et al., 2018): with the
    default, half of the training at the full rate and the last tenth at half of it.

    Attributes:
      floor: The share of the rate on the second plateau.
      begin: Where the first one ends, as a share of the training.
      until: Where the second one begins.
    """

    whole: ClassVar[bool] = True

    floor: float = 0.5
    begin: float = 0.5
    until: float = 0.9
    warmup: float | None = None
    per: str = static(default="step")

    def validate(self) -> None:
        """Shares, the first border before the second."""
        Schedule.validate(self)
        check_number("floor", self.floor, least=0)
        check_number("until", self.until, above=0, most=1)
        check_number("begin", self.begin, least=0, below=self.until)

    def shape(self, now: Scalar, end: Scalar) -> Scalar:
        """Both plateaus and the line between them."""
        begin, until, floor = (
            jnp.asarray(each, jnp.float32) for each in (self.begin, self.until, self.floor)
        )
        share = now / jnp.maximum(end, 1)
        return 1 - (1 - floor) * jnp.clip((share - begin) / (until - begin), 0, 1)


@spec
class Cycles(Schedule):
    """Half a cosine from 1 to `floor` until `begin`, then `cycles` of them from `top` to `floor`.

    Cycles are of equal length but for rounding: the k-th border is ⌊a + k (T - a) / cycles⌋ with
    a = ⌊begin · T⌋, in units of `per`. With the default this is the cyclic rate of stochastic weight
    averaging; `Cycles(5, begin=0, top=1)` is that of snapshot ensembles (Huang et al., 2017). At the borders
    the rate is lowest: networks are taken there (`borders`).

    Attributes:
      cycles: How many.
      begin: Where they begin, as a share of the training.
      top: The share of the rate with which a cycle begins.
      floor: The share with which it ends.
    """

    whole: ClassVar[bool] = True

    cycles: int
    begin: float = 0.75
    top: float = 0.5
    floor: float = 0.0
    warmup: float | None = None
    per: str = static(default="epoch")

    def validate(self) -> None:
        """A cycle at least, shares."""
        Schedule.validate(self)
        check_number("cycles", self.cycles, least=1)
        check_number("begin", self.begin, least=0, below=1)
        check_number("top", self.top, above=0)
        check_number("floor", self.floor, least=0, most=min(self.top, 1))

    def borders(self, end: int) -> tuple[int, ...]:
        """Where cycles begin and end in a training of `end` epochs or steps: one more than there are cycles.

        >>> Cycles(3).borders(160)
        (120, 133, 146, 160)

        Raises:
          InputError: If a cycle would have no time.
        """
        first = int(np.float32(self.begin) * np.float32(end))
        if end - first < self.cycles:
            raise InputError(
                f"{self.cycles} cycles do not fit between {first} and {end}, where each needs one at least; "
                f"take at most {end - first}, or train longer"
            )
        return tuple(first + (end - first) * k // self.cycles for k in range(self.cycles + 1))

    def shape(self, now: Scalar, end: Scalar) -> Scalar:
        """The cosine of the cycle that holds `now`; time is a whole number."""
        count, top, floor = (jnp.asarray(each, jnp.float32) for each in (self.cycles, self.top, self.floor))
        first = jnp.floor(jnp.asarray(self.begin, jnp.float32) * end)
        rest = jnp.maximum(end - first, 1)
        # The last k whose border is not after now: ⌊x⌋ ≤ now is x < now + 1.
        k = jnp.clip(jnp.ceil((now + 1 - first) * count / rest) - 1, 0, count - 1)
        begin, until = (first + jnp.floor(rest * each / count) for each in (k, k + 1))
        rise = jnp.zeros_like(first) if self.warmup is None else jnp.asarray(self.warmup, jnp.float32)
        before = _cosine((now - rise) / jnp.maximum(first - rise, 1), jnp.ones_like(top), floor)
        return jnp.where(
            now < first, before, _cosine((now - begin) / jnp.maximum(until - begin, 1), top, floor)
        )


def _cosine(share: Scalar, top: Scalar, floor: Scalar) -> Scalar:
    return floor + (top - floor) * 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(share, 0, 1)))
