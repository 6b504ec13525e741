"""The way that training takes: steps of the weights, or gradients, summed over windows of equal length.

They are kept as an output [n, D], from which `derived.principal` makes a basis. What is kept is the sum of
the updates themselves: a difference of two nearly equal float32 vectors has few digits left. The buffer is
part of what the run carries, so that the memory plan counts it: fewer runs are trained at once where it is
large, and a run whose buffer does not fit is refused before it begins.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from weightspace.errors import InputError, check_choice, check_number
from weightspace.models.layout import Layout
from weightspace.probes.base import At, Carry, Probe, Step
from weightspace.spec import spec, static
from weightspace.tree import ravel

RECORDED = ("steps", "gradients")


@spec
class Trajectory(Probe):
    """Output of the name `recorded`, [count, D]: row k is the sum over window k, in the order of `ravel`.

    Of `steps` row k is w after (k + 1) · every + extra steps less w after k · every + extra (w₀ for k = 0),
    so that the rows sum to w_T - w₀; to first order where weights are no linear function of the coordinates.
    Of `gradients` it is Σ ∂L/∂w of the window's batches. What comes after the last window is not recorded.

    Attributes:
      count: n, the number of windows.
      every: Steps of a window.
      extra: Steps that the first window has more; 1 as the original code counts.
      recorded: `steps` or `gradients`.
    """

    writes_columns: ClassVar[bool] = False

    count: int = static()
    every: int = static(default=5)
    extra: int = static(default=0)
    recorded: str = static(default="steps")

    def validate(self) -> None:
        """Windows of at least a step."""
        check_number("windows of a trajectory", self.count, least=1)
        check_number("steps of a trajectory's window", self.every, least=1)
        check_number("extra steps of a trajectory", self.extra, least=0)
        check_choice("recorded of a trajectory", self.recorded, RECORDED)

    @property
    def key(self) -> str:
        """`trajectory(2048,every=5)`."""
        options = (f"extra={self.extra}" if self.extra else "", self.recorded * (self.recorded != "steps"))
        return f"trajectory({','.join([str(self.count), f'every={self.every}', *filter(None, options)])})"

    @property
    def steps(self) -> int:
        """Steps until the last window is full."""
        return self.count * self.every + self.extra

    def check(self, run: Any, layout: Layout) -> None:
        """The run is long enough, and its steps lead from the start to the end.

        Raises:
          InputError: If it is too short, or if steps are taken at drawn points or edits move weights.
        """
        if run.space.points or getattr(run, "edits", ()):
            why = "each step is at a drawn point" if run.space.points else "edits move weights between steps"
            raise InputError(
                f"the steps of a trajectory lead from the start to the end, but in this run {why}; record "
                "one in the full space, or in a space without points"
            )
        total = run.recipe.steps(run.task.data.size)
        if self.steps > total:
            most = max(total - self.extra, 0) // self.every
            raise InputError(
                f"a trajectory of {self.count} windows of {self.every} steps needs {self.steps} steps, but "
                f"the run has {total}; train longer, or record at most {most}"
            )

    def init(self, at: At) -> Carry:
        """An empty buffer."""
        flat, _ = ravel(at.weights(""))
        return jnp.zeros((self.count, flat.size), flat.dtype)

    def update(self, carry: Carry, step: Step) -> Carry:
        """Add to the window's row, in place."""
        window = jnp.maximum(step.t - self.extra, 0) // self.every
        place = jnp.minimum(window, self.count - 1)
        flat, _ = ravel(step.moved() if self.recorded == "steps" else step.g_weights)
        new = jnp.where(window < self.count, flat, jnp.zeros_like(flat)).astype(carry.dtype)
        row = jax.lax.dynamic_index_in_dim(carry, place, keepdims=False)
        return jax.lax.dynamic_update_index_in_dim(carry, row + new, place, 0)

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """The rows."""
        return {self.recorded: carry}
