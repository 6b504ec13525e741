"""The mask at one moment of training, kept as an output: what an edit has left there."""

from typing import Any

from weightspace.errors import InputError
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Probe, Scalar, Training
from weightspace.probes.snapshot import check_moment
from weightspace.recipes.length import LengthLike
from weightspace.spaces.base import DEFAULT_POINT
from weightspace.spec import common, spec, static


@spec
class MaskAt(Probe):
    """Output `mask`: booleans in the structure of the weights, after `when` and after an edit then.

    Attributes:
      when: `0`, `500it`, `2ep` or `end`.
      name: Point of the space; "" is its default.
    """

    writes_columns = False

    when: LengthLike = common()
    name: str = static(default=DEFAULT_POINT)

    @property
    def key(self) -> str:
        """`maskat(500it)`."""
        return f"maskat({','.join([str(self.when), *filter(None, [self.name])])})"

    def check(self, run: Training, layout: Layout) -> None:
        """The space has masks, and the moment lies within the training."""
        if not run.space.masked:
            raise InputError(
                f"the mask at {self.when} is asked of a run that trains in '{run.space.name}', which has "
                "none; train in Masked(mask), or in a space that learns masks"
            )
        check_moment("the mask", self.when, run)

    def readings(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """That one moment."""
        return (self.when.steps(per_epoch, total),)

    def init(self, at: At) -> Carry:
        """A place for it."""
        return self._now(at)

    def _now(self, at: At) -> Carry:
        space = at.run.space
        return space.mask_at(at.fixed, at.theta, space.point(at.fixed, at.theta, self.name))

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """Keep it."""
        return {}, self._now(at)

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """What was kept."""
        return {"mask": carry}
