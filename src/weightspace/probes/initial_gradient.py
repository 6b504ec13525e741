"""The loss gradient at the start of training, on one random batch: what pruning before training looks at."""

from typing import Any

import jax
import jax.numpy as jnp

from weightspace.errors import check_number
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Probe, Training
from weightspace.spec import spec, static
from weightspace.streams import Stream, key


@spec
class InitialGradient(Probe):
    """Output `gradient`: ∂L/∂w of the weights before the first step, of the mean loss of a batch.

    Attributes:
      examples: Of the batch, drawn from the train split by the stream `PROBE`.
    """

    examples: int = static(default=100)

    def validate(self) -> None:
        """At least one example."""
        check_number("examples of the initial gradient", self.examples, least=1)

    def check(self, run: Training, layout: Layout) -> None:
        """There are so many examples."""
        size = run.task.data.size
        hint = f"There are {size} training examples."
        check_number("examples of the initial gradient", self.examples, least=1, most=size, hint=hint)

    def init(self, at: At) -> Carry:
        """The gradient, once."""
        x, y = at.examples("train", at.run.task.data.size)
        order = jax.random.permutation(key(at.run.seeds, Stream.PROBE), jnp.arange(len(y), dtype=jnp.int32))
        rows = order[: self.examples]

        def loss(weights: Any) -> Any:
            return jnp.mean(at.run.task.loss(at.apply(weights, x[rows]), y[rows]))

        return jax.grad(loss)(at.weights(""))

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """The gradient."""
        return {"gradient": carry}
