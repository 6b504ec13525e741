"""Schedules: what multiplies the learning rate, as a function of time.

Every schedule is a pure function of arrays, `multiplier(step, total, per_epoch)`, so that lengths, rates and
warm-ups can differ from run to run in one compiled program (optax's schedules refuse traced lengths). Time
is counted in steps or, with `per="epoch"`, in whole epochs, so that the rate changes once an epoch.
"""

import abc
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from weightspace.errors import InputError, check_choice, check_number
from weightspace.spec import Spec, spec, static

Scalar = Float[Array, ""]


def _number(value: Any) -> Scalar:
    """Schedules compute in float32 whatever the run's precision: one curve for all."""
    return jnp.asarray(value, jnp.float32)


class Schedule(Spec, abc.ABC):
    """A multiplier of the learning rate.

    Attributes:
      warmup: Length of a linear rise from 0 before the schedule proper, in units of `per`; None for none.
      per: `step` or `epoch`, the unit of time.
    """

    whole: ClassVar[bool] = False
    """Whether time counts from the start of training, the warm-up in it, and not from its end."""

    warmup: float | None
    per: str

    def validate(self) -> None:
        """Known unit, non-negative warm-up."""
        check_choice("schedule unit", self.per, ("step", "epoch"))
        check_number("warm-up", self.warmup, least=0)

    def multiplier(self, step: Array, total: Array, per_epoch: int) -> Scalar:
        """The factor at a step.

        Args:
          step: Steps done so far, from 0.
          total: Steps in all.
          per_epoch: Steps of an epoch.
        """
        now, end = jnp.float32(step), jnp.float32(total)
        if self.per == "epoch":
            now, end = jnp.floor(now / per_epoch), jnp.ceil(end / per_epoch)
        if self.warmup is None:
            return self.shape(now, end)
        rise = _number(self.warmup)
        # The first step of a warm-up of k already moves: 1/k, 2/k, ..., 1.
        ramp = (now + 1) / jnp.maximum(rise, 1)
        begin = jnp.zeros_like(rise) if self.whole else rise
        return jnp.where(now < rise, ramp, self.shape(now - begin, end - begin))

    @abc.abstractmethod
    def shape(self, now: Scalar, end: Scalar) -> Scalar:
        """The factor at time `now` of `end`, counted after the warm-up unless `whole`."""


@spec
class Constant(Schedule):
    """No change."""

    warmup: float | None = None
    per: str = static(default="step")

    def shape(self, now: Scalar, end: Scalar) -> Scalar:
        """1."""
        return jnp.ones_like(now)


@spec
class Cosine(Schedule):
    """Half a cosine from 1 to `floor`: floor + (1 - floor) (1 + cos(π now / end)) / 2.

    Attributes:
      floor: The share of the rate that is left at the end.
    """

    floor: float = 0.0
    warmup: float | None = None
    per: str = static(default="step")

    def shape(self, now: Scalar, end: Scalar) -> Scalar:
        """The half cosine."""
        share = jnp.clip(now / jnp.maximum(end, 1), 0, 1)
        floor = _number(self.floor)
        return floor + (1 - floor) * 0.5 * (1 + jnp.cos(jnp.pi * share))


@spec
class Linear(Schedule):
    """A straight line from 1 to `floor`.

    Attributes:
      floor: The share of the rate that is left at the end.
    """

    floor: float = 0.0
    warmup: float | None = None
    per: str = static(default="step")

    def shape(self, now: Scalar, end: Scalar) -> Scalar:
        """The line."""
        return 1 - (1 - _number(self.floor)) * jnp.clip(now / jnp.maximum(end, 1), 0, 1)


@spec
class Exponential(Schedule):
    """A factor 10 every `decade` units of time: 10^(-now / decade).

    Attributes:
      decade: Time until a tenth of the rate is left, in what `per` names.
    """

    decade: float
    warmup: float | None = None
    per: str = static(default="epoch")

    def validate(self) -> None:
        """The decade must be positive."""
        Schedule.validate(self)
        check_number("decade", self.decade, above=0)

    def shape(self, now: Scalar, end: Scalar) -> Scalar:
        """The exponential."""
        return jnp.power(10.0, -now / _number(self.decade))


@spec
class Piecewise(Schedule):
    """The rate itself, and from each boundary on another share of it.

    Attributes:
      boundaries: Times of the changes, in units of `per`, counted after the warm-up.
      shares: The multiplier from each boundary on.
    """

    boundaries: tuple[float, ...]
    shares: tuple[float, ...]
    warmup: float | None = None
    per: str = static(default="step")

    def validate(self) -> None:
        """Boundaries must rise, with a share each."""
        Schedule.validate(self)
        _check_rising(self.boundaries)
        if len(self.shares) != len(self.boundaries):
            given = f"{len(self.shares)} shares are given for {len(self.boundaries)} boundaries"
            raise InputError(f"{given}; give one for each")

    def shape(self, now: Scalar, end: Scalar) -> Scalar:
        """The share of the last boundary passed."""
        value: Any = jnp.ones_like(now)
        for boundary, share in zip(self.boundaries, self.shares, strict=True):
            value = jnp.where(now >= _number(boundary), _number(share), value)
        return value


@spec
class Steps(Schedule):
    """A factor `factor` at each boundary.

    Attributes:
      boundaries: Times of the drops, in units of `per`, counted after the warm-up.
      factor: What each drop multiplies by.
    """

    boundaries: tuple[float, ...]
    factor: float = 0.1
    warmup: float | None = None
    per: str = static(default="epoch")

    def validate(self) -> None:
        """Boundaries must rise."""
        Schedule.validate(self)
        _check_rising(self.boundaries)

    def shape(self, now: Scalar, end: Scalar) -> Scalar:
        """One factor for each boundary passed."""
        value: Any = jnp.ones_like(now)
        for boundary in self.boundaries:
            value = jnp.where(now >= _number(boundary), value * _number(self.factor), value)
        return value


def _check_rising(boundaries: tuple[float, ...]) -> None:
    if not boundaries or list(boundaries) != sorted(boundaries):
        raise InputError(f"boundaries are {boundaries}, but must be a rising list of times")
