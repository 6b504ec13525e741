"""Stochastic weight averaging with the spread of what is averaged: a Gaussian over networks.

After Maddox, Garipov, Izmailov, Vetrov & Wilson, "A simple baseline for Bayesian uncertainty in deep
learning", 2019. `derived.swag` draws networks from it.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from weightspace.errors import check_choice, check_number
from weightspace.probes.average import Average, running_mean
from weightspace.probes.base import At, Carry
from weightspace.probes.snapshot import state_output
from weightspace.spec import spec, static
from weightspace.tree import Tree

CENTRES = ("running", "final")


@spec
class Swag(Average):
    """Mean, variance and last deviations of the weights at the moments of `Average`.

    Outputs `weights` (the mean, as of `Average`), `variance` (of each weight, mean of squares less square of
    the mean, over all moments), `deviations` [rank, ...] (the columns of D̂, unused ones zero), `models` (K,
    the columns in use) and `state`. Columns `swag_models` and `swag_<split>_<metric>` of the mean. The run
    carries rank + 2 copies of the weights more.

    Attributes:
      rank: The most deviations that are kept, those of the last moments.
      centre: What deviations are from: the `running` mean of the moments until then, their own among them, as
        in the paper's Algorithm 1 (the first deviation is zero), or the `final` mean.
    """

    rank: int = static(default=20)
    centre: str = static(default="running")

    @property
    def label(self) -> str:
        """`swag`."""
        return "swag"

    def validate(self) -> None:
        """Two columns at least, a known centre."""
        super().validate()
        check_number("rank", self.rank, least=2, hint="It is the most deviations that are kept.")
        check_choice("centre", self.centre, CENTRES)

    def init(self, at: At) -> Carry:
        """Nothing yet."""
        count, mean, state = super().init(at)
        zeros = jax.tree.map(lambda leaf: jnp.zeros((self.rank, *leaf.shape), leaf.dtype), mean)
        return count, mean, state, jax.tree.map(jnp.zeros_like, mean), zeros

    def added(self, carry: Carry, at: At) -> Carry:
        """One more; squares are summed about the mean (Welford): those of weights would lose all digits."""
        count, mean, _, squares, kept = carry
        now, place = at.weights(self.name), count % self.rank
        after = running_mean(mean, now, count + 1)
        squares = jax.tree.map(lambda s, w, old, new: s + (w - old) * (w - new), squares, now, mean, after)
        column = now if self.centre == "final" else jax.tree.map(jnp.subtract, now, after)
        kept = jax.tree.map(
            lambda all_, one: jax.lax.dynamic_update_index_in_dim(all_, one, place, 0), kept, column
        )
        return count + 1, after, at.state, squares, kept

    def finish(self, carry: Carry, at: At) -> dict[str, Any]:
        """The Gaussian's parts."""
        count, mean, state, squares, kept = carry
        models = jnp.minimum(count, self.rank)
        variance = jax.tree.map(lambda s: s / count.astype(s.dtype), squares)
        if self.centre == "final":
            kept = jax.tree.map(lambda all_, m: _used(all_ - m[None], models), kept, mean)
        parts: dict[str, Tree] = {"variance": variance, "deviations": kept, "models": models}
        return {"weights": mean} | parts | state_output(state)


def _used(columns: Array, models: Array) -> Array:
    on = jnp.arange(columns.shape[0], dtype=jnp.int32) < models
    return jnp.where(on.reshape(-1, *(1,) * (columns.ndim - 1)), columns, jnp.zeros_like(columns))
