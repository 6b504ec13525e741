"""The weights at the moment when validation accuracy first reaches a level."""

from typing import Any

import jax
import jax.numpy as jnp

from weightspace.errors import InputError, check_number
from weightspace.models.base import output_shape_of
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Scalar, Training
from weightspace.probes.chosen import ChosenMoment
from weightspace.probes.snapshot import state_output
from weightspace.spec import spec, static


@spec
class Reached(ChosenMoment):
    """The weights when validation accuracy first reaches `level`, of the moments looked at.

    Columns, for a level of .5, `reached_50_step` (-1 as long as it has not been reached), and at the end of
    training `reached_50_<split>_<metric>` on the splits `last`. Outputs `weights`, and `state`
    where the model has one. Where the level is never
    reached all but the step is NaN: what is made of such weights fails, and says so.

    Attributes:
      level: An accuracy, in (0, 1].
    """

    level: float = static(default=0.5)

    def validate(self) -> None:
        """A share of examples."""
        check_number("accuracy to reach", self.level, above=0, most=1)

    @property
    def label(self) -> str:
        """`reached_50`."""
        return f"reached_{100 * self.level:g}".replace(".", "p")

    def check(self, run: Training, layout: Layout) -> None:
        """Also needs an accuracy."""
        super().check(run, layout)
        data, storage = run.task.data, run.precision.storage
        shape = output_shape_of(run.model, tuple(data.shape), data.input_dtype(storage))
        if "accuracy" not in run.task.recorded(shape):
            raise InputError(
                f"the probe '{self.label}' needs the metric accuracy, but the task measures "
                f"{', '.join(run.task.recorded(shape))}"
            )

    @property
    def missing(self) -> tuple[str, ...]:
        """All but the step, which tells whether the level was reached."""
        return (f"{self.label}_",)

    def init(self, at: At) -> Carry:
        """Not reached."""
        return jnp.asarray(-1, jnp.int32), self.now(at)

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """Keep the weights of the first moment at the level, and no later ones."""
        step, kept = carry
        accuracy = at.evaluate("validation", self.name)["accuracy"].astype(jnp.float32)
        first = (step < 0) & (accuracy >= jnp.asarray(self.level, jnp.float32))
        kept, step = self.replaced(first, at, kept), jnp.where(first, at.t, step)
        found = {name: _if_reached(step, value) for name, value in self.measured(at, kept).items()}
        return {f"{self.label}_step": step.astype(jnp.float32)} | found, (step, kept)

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """The weights kept."""
        step, (weights, state) = carry
        return {"weights": _if_reached(step, weights)} | state_output(_if_reached(step, state))


def _if_reached(step: Any, found: Any) -> Any:
    return jax.tree.map(lambda value: jnp.where(step >= 0, value, jnp.nan), found)
