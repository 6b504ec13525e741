"""Normalisation statistics estimated anew for the weights at hand.

Running statistics trail behind training and belong to its path: at other weights (another point of the space,
an average) they are those of another network. Here training data goes through the model in training mode and
each batch's own statistics are averaged with equal weight, as stochastic weight averaging does (Izmailov et
al. 2018, arXiv:1803.05407, Section 3.2).

No network library is known here, only what their training updates have in common: a leaf s of the state
becomes s' = m s + (1 - m) b for the statistic b of the batch, and training outputs do not depend on s. From
s = 0 and s = c follow m = (s'(c) - s'(0)) / c and b = s'(0) / (1 - m).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from weightspace.models.reach import reached
from weightspace.node import Run
from weightspace.streams import Stream, key
from weightspace.training.evaluate import BATCH
from weightspace.training.step import forward

EXAMPLES = 5_000
"""Training examples that statistics are estimated from, at the most."""
PROBE = 2.0**20
"""The c of the rule: large against any statistic, so that m is exact to rounding."""
AHEAD = 2**20
"""Steps by which counters are set ahead."""
_ROUNDING = 64
"""Roundings by which a leaf may miss the rule."""


def recalibrated(
    run: Run,
    weights: Any,
    state: Any,
    examples: tuple[Array, Array, Array],
    decode: Callable[[Array], Array],
) -> Any:
    """The model's state with statistics estimated anew from training data.

    The data is the first whole batches of 500 among the first 5,000 examples by content, whatever the order
    of the file (one batch of all where there are fewer). Training mode means that dropout acts. Leaves that
    no batch reaches and leaves that do not follow the rule (the largest input so far, a sum) keep the run's
    value. Counters of steps are set far ahead: libraries correct young running means by them, and these means
    are not young.

    Args:
      run: The run.
      weights: The weights to estimate for.
      state: The model's state in the run.
      examples: Raw inputs, targets, and the indices of the training examples in the order of use.
      decode: Raw inputs to floats.
    """
    leaves, structure = jax.tree.flatten(state)
    batches = _Batches(run, weights, structure, examples, decode)
    places = batches.statistics(leaves)
    if not places:
        return state
    first = jnp.int32(0)
    leaves = _counters_ahead(leaves, batches.after(leaves, first))

    def statistics(values: list[Array], number: Int[Array, ""]) -> list[Array]:
        made = batches.after(_put(leaves, places, values), number)
        return [made[i] for i in places]

    olds = [leaves[i] for i in places]
    keeps, fits = _rules(lambda values: statistics(values, first), olds)
    starts = [jnp.where(fit, jnp.zeros_like(old), old) for fit, old in zip(fits, olds, strict=True)]

    def add(number: Int[Array, ""], total: list[Array]) -> list[Array]:
        return jax.tree.map(jnp.add, total, statistics(starts, number))

    zeros = [jnp.zeros_like(old) for old in olds]
    total = jax.lax.fori_loop(first, jnp.int32(batches.count), add, zeros)
    means = [value / (batches.count * (1 - keep)) for value, keep in zip(total, keeps, strict=True)]
    found = [jnp.where(fit, new, old) for fit, new, old in zip(fits, means, olds, strict=True)]
    return jax.tree.unflatten(structure, _put(leaves, places, found))


@dataclasses.dataclass(frozen=True)
class _Batches:
    """Training batches of a run, and what they make of the leaves of a state."""

    run: Run
    weights: Any
    structure: Any
    examples: tuple[Array, Array, Array]
    decode: Callable[[Array], Array]

    @property
    def size(self) -> int:
        """Examples of a batch."""
        return min(len(self.examples[2]), BATCH)

    @property
    def count(self) -> int:
        """Number of batches."""
        return min(len(self.examples[2]), EXAMPLES) // self.size

    def inputs(self, number: Int[Array, ""]) -> Array:
        """The inputs of a batch."""
        inputs, _, chosen = self.examples
        places = number * self.size + jnp.arange(self.size, dtype=jnp.int32)
        return self.decode(inputs[chosen[places]])

    def after(self, leaves: list[Array], number: Int[Array, ""], x: Array | None = None) -> list[Array]:
        """The leaves after a batch; `x` takes the place of its inputs."""
        x = self.inputs(number) if x is None else x
        own = key(self.run.seeds, Stream.DROPOUT, number)
        state = jax.tree.unflatten(self.structure, leaves)
        return jax.tree.leaves(forward(self.run, self.weights, state, x, train=True, key=own)[1])

    def statistics(self, leaves: list[Array]) -> list[int]:
        """The places of floating leaves that may depend on the inputs; nothing is computed."""
        floating = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        if not floating:
            return []
        first = jnp.int32(0)
        inputs = jax.eval_shape(self.inputs, first)
        hit = reached(jax.make_jaxpr(lambda x: self.after(leaves, first, x))(inputs), [True])
        return [i for i in floating if hit[i]]


def _put(leaves: list[Array], places: list[int], values: list[Array]) -> list[Array]:
    """The leaves with others at some places."""
    found = dict(zip(places, values, strict=True))
    return [found.get(i, leaf) for i, leaf in enumerate(leaves)]


def _counters_ahead(before: list[Array], after: list[Array]) -> list[Array]:
    """Whole numbers as they would be after many more steps that change them like this one."""

    def ahead(old: Array, new: Array) -> Array:
        if not jnp.issubdtype(old.dtype, jnp.integer):
            return old
        return old + jnp.asarray(AHEAD, old.dtype) * (new - old)

    return [ahead(old, new) for old, new in zip(before, after, strict=True)]


def _rules(
    update: Callable[[list[Array]], list[Array]], leaves: list[Array]
) -> tuple[list[Float[Array, "..."]], list[Bool[Array, ""]]]:
    """For each leaf m, entry by entry, and whether all of it follows the rule with 0 <= m < 1."""

    def at(factor: Float[Array, ""]) -> list[Array]:
        return update([jnp.full_like(leaf, PROBE) * factor.astype(leaf.dtype) for leaf in leaves])

    # Outputs do not depend on the probed leaves, so that the network is computed once, not three times.
    made = jax.vmap(at)(jnp.asarray([-1, 0, 1], jnp.float32))
    keeps = [(values[2] - values[1]) / PROBE for values in made]
    return keeps, [_fits(values, keep) for values, keep in zip(made, keeps, strict=True)]


def _fits(values: Float[Array, "3 ..."], keep: Float[Array, "..."]) -> Bool[Array, ""]:
    minus, zero, plus = values[0], values[1], values[2]
    rounding = _ROUNDING * jnp.finfo(zero.dtype).eps
    bent = jnp.abs(plus - 2 * zero + minus) > rounding * jnp.maximum(PROBE, jnp.abs(zero))
    # Comparisons with NaN are false: statistics that overflow shall be seen, not replaced by the run's.
    return ~jnp.any(bent | (keep < -rounding) | (keep > 1 - rounding))
