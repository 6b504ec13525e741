"""Gradual magnitude pruning: a mask that loses its smallest weights step by step while training goes on.

After Zhu & Gupta, "To prune, or not to prune", 2017, equation 1: from t₀ to t₁, every Δt steps, the smallest
weights go until the sparsity is

    s(t) = s_f + (s_i - s_f) (1 - (t - t₀) / (t₁ - t₀))³,

fast at first, when many weights are redundant, and slower the fewer are left.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Key

from weightspace.edits.base import Carry, Changed, Now
from weightspace.edits.pruning import SCOPES, Pruning, Target
from weightspace.errors import InputError, check_choice, check_number
from weightspace.models.layout import Layout
from weightspace.probes.base import Training
from weightspace.recipes.length import LengthLike
from weightspace.spec import common, spec, static

RAMPS = {"cubic": 3, "linear": 1}


@spec
class Gradual(Pruning):
    """Prune the kernels to a final sparsity along the cubic ramp. What is pruned stays pruned, at zero.

    Each kernel (or all together) of n weights keeps (1 - s) n of them, rounded in float32: where that is a
    half within its digits, either neighbour.

    Attributes:
      sparsity: s_f, the share of zeros in the end; a list gives one for each kernel in forward order.
      initial: s_i, the share with which the ramp begins; a mask that is sparser already is left until the
        ramp has come up with it.
      every: Δt.
      begin: t₀.
      until: t₁; the final sparsity is reached there, also between two multiples of Δt.
      scope: `layer` gives each kernel the sparsity s(t); `global` ranks all kernels together.
      layers: Which kernels, as `masks.layers` reads it; None is all but the output's.
      ramp: `cubic`, or `linear` with 1 in the place of the power 3.
    """

    sparsity: float | tuple[float, ...]
    initial: float = 0.0
    every: LengthLike = common(default="100it")
    begin: LengthLike = common(default="0it")
    until: LengthLike = common(default="75%")
    scope: str = static(default="layer")
    layers: str | None = static(default="kernel", neutral="kernel")
    ramp: str = static(default="cubic", neutral="cubic")

    def validate(self) -> None:
        """Sparsities in [0, 1), rising."""
        super().validate()
        check_number("initial sparsity", self.initial, least=0, below=1)
        check_choice("scope", self.scope, SCOPES)
        check_choice("ramp", self.ramp, tuple(RAMPS))
        if self.initial > (least := min(self.final)):
            raise InputError(f"the initial sparsity {self.initial} is above the final one of {least}")

    def steps(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """t₀, t₀ + Δt, … and t₁."""
        begin, until = (length.steps(per_epoch, total) for length in (self.begin, self.until))
        every = self.every.steps(per_epoch, total)
        check_number("every", every, least=1, hint="Write 100it or 1ep.")
        until = min(until, total)
        if begin > until:
            return ()
        return tuple(step for step in sorted({*range(begin, until, every), until}) if step >= 1)

    def targets(self, t: Any, total: Any) -> list[Target]:
        """s(t), for all kernels or of each; lengths are steps by now."""
        begin, until = jnp.asarray(self.begin), jnp.minimum(jnp.asarray(self.until), total)
        span = jnp.maximum(until - begin, 1).astype(jnp.float32)
        left = jnp.clip(1 - (t - begin).astype(jnp.float32) / span, 0.0, 1.0)
        # Past the end of a ramp of no length too.
        left = jnp.where(t >= until, jnp.float32(0), left)
        first, power = jnp.asarray(self.initial, jnp.float32), RAMPS[self.ramp]
        finals = [jnp.asarray(value, jnp.float32) for value in self.final]
        return [final + (first - final) * left**power for final in finals]

    def act(self, carry: Carry, now: Now, key: Key[Array, ""]) -> tuple[Carry, Changed]:
        """Keep the largest."""
        return carry, self.pruned(now, self.targets(now.t, now.total), key)

    def check(self, run: Training, layout: Layout) -> None:
        """The ramp lies within the training."""
        super().check(run, layout)
        size = run.task.data.size
        total, per_epoch = run.recipe.steps(size), run.recipe.steps_per_epoch(size)
        if self.until.steps(per_epoch, total) > total:
            raise InputError(
                f"gradual pruning until {self.until} ends after a run of {total} steps, so that its sparsity "
                f"of {self.sparsity} would not be reached; write at most {total}it, or a share such as 75%"
            )
