"""Gradual magnitude pruning: a mask that loses its smallest weights step by step while training goes on.

After Zhu & Gupta, "To prune, or not to prune", 2017, equation 1: from t₀ to t₁, every Δt steps, the smallest
weights go until the sparsity is

    s(t) = s_f + (s_i - s_f) (1 - (t - t₀) / (t₁ - t₀))³,

fast at first, when many weights are redundant, and slower the fewer are left.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from weightspace.edits.base import Carry, Changed, MaskEdit, Now
from weightspace.errors import InputError, check_choice, check_number
from weightspace.masks.select import best
from weightspace.models.layout import Layout
from weightspace.probes.base import Training
from weightspace.recipes.length import LengthLike
from weightspace.spec import common, spec, static
from weightspace.streams import named
from weightspace.tree import map_named

SCOPES = ("layer", "global")


@spec
class Gradual(MaskEdit):
    """Prune the kernels to a final sparsity along the cubic ramp. What is pruned stays pruned, at zero.

    Each kernel (or all together) of n weights keeps (1 - s) n of them, rounded in float32: where that is a
    half within its digits, either neighbour.

    Attributes:
      sparsity: s_f, the share of zeros in the end.
      initial: s_i, the share with which the ramp begins; a mask that is sparser already is left until the
        ramp has come up with it.
      every: Δt.
      begin: t₀.
      until: t₁; the final sparsity is reached there, also between two multiples of Δt.
      scope: `layer` gives each kernel the sparsity s(t); `global` ranks all kernels together.
    """

    sparsity: float
    initial: float = 0.0
    every: LengthLike = common(default="100it")
    begin: LengthLike = common(default="0it")
    until: LengthLike = common(default="75%")
    scope: str = static(default="layer")

    def validate(self) -> None:
        """Sparsities in [0, 1), rising."""
        check_number("sparsity", self.sparsity, least=0, below=1, hint="It is the share of zeros.")
        check_number("initial sparsity", self.initial, least=0, below=1)
        check_choice("scope", self.scope, SCOPES)
        if self.initial > self.sparsity:
            raise InputError(f"the initial sparsity {self.initial} is above the final one of {self.sparsity}")

    def steps(self, total: int, per_epoch: int) -> tuple[int, ...]:
        """t₀, t₀ + Δt, … and t₁."""
        begin, until = (length.steps(per_epoch, total) for length in (self.begin, self.until))
        every = self.every.steps(per_epoch, total)
        check_number("every", every, least=1, hint="Write 100it or 1ep.")
        until = min(until, total)
        if begin > until:
            return ()
        return tuple(step for step in sorted({*range(begin, until, every), until}) if step >= 1)

    def target(self, t: Any, total: Any) -> Float[Array, ""]:
        """s(t); lengths are steps by now."""
        begin, until = jnp.asarray(self.begin), jnp.minimum(jnp.asarray(self.until), total)
        span = jnp.maximum(until - begin, 1).astype(jnp.float32)
        left = jnp.clip(1 - (t - begin).astype(jnp.float32) / span, 0.0, 1.0)
        # Past the end of a ramp of no length too.
        left = jnp.where(t >= until, jnp.float32(0), left)
        final, first = (jnp.asarray(x, jnp.float32) for x in (self.sparsity, self.initial))
        return final + (first - final) * left**3

    def act(self, carry: Carry, now: Now, key: Key[Array, ""]) -> tuple[Carry, Changed]:
        """Keep the largest."""
        target = self.target(now.t, now.total)
        weights, mask = now.kernels(now.weights), now.kernels(now.mask)
        groups = [tuple(weights)] if self.scope == "global" else [(path,) for path in weights]
        kept: dict[str, Array] = {}
        for group in groups:
            scores = jnp.concatenate([jnp.abs(weights[path]).reshape(-1) for path in group])
            there = jnp.concatenate([mask[path].reshape(-1) for path in group])
            count = jnp.round((1 - target) * scores.shape[0]).astype(jnp.int32)
            chosen = best(scores, there, count, named(key, group[0] if len(group) == 1 else self.scope))
            start = 0
            for path in group:
                size = weights[path].size
                kept[path] = chosen[start : start + size].reshape(weights[path].shape)
                start += size
        new = map_named(kept.get, now.mask)
        return carry, Changed(mask=new, record={"target_density": 1 - target})

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
