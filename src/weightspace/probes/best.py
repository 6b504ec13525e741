"""Early stopping: the weights at the moment of least validation loss."""

from typing import Any

import jax.numpy as jnp

from weightspace.probes.base import At, Carry, Scalar
from weightspace.probes.chosen import ChosenMoment
from weightspace.probes.snapshot import state_output
from weightspace.spec import spec


@spec
class Best(ChosenMoment):
    """The weights at the moment of least validation loss, of those looked at; ties keep the earliest.

    Columns `best_step`, `best_validation_loss`, and at the end of training `best_<split>_<metric>` on the
    splits `last`: what early stopping would have given. Outputs `weights`, and
    `state` where the model has one.
    """

    version = 2

    @property
    def label(self) -> str:
        """`best`."""
        return "best"

    def init(self, at: At) -> Carry:
        """Nothing seen yet."""
        return jnp.asarray(jnp.inf, jnp.float32), jnp.asarray(-1, jnp.int32), self.now(at)

    def read(self, carry: Carry, at: At) -> tuple[dict[str, Scalar], Carry]:
        """Keep the weights where the validation loss is less than ever before."""
        least, step, kept = carry
        loss = at.evaluate("validation", self.name)["loss"].astype(jnp.float32)
        better = loss < least
        kept = self.replaced(better, at, kept)
        least, step = jnp.where(better, loss, least), jnp.where(better, at.t, step)
        record = {"best_step": step.astype(jnp.float32), "best_validation_loss": least}
        return record | self.measured(at, kept), (least, step, kept)

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """The weights kept."""
        weights, state = carry[2]
        return {"weights": weights} | state_output(state)
