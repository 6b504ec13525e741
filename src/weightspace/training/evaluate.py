"""Metrics on a split of the data: weighted by example, in batches, with a traced number of them."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from weightspace.node import Run
from weightspace.streams import Stream, key
from weightspace.training.step import forward

BATCH = 500
"""Examples of one evaluation batch: all of a large set at once would take gigabytes a run."""


def split_mean(
    run: Run,
    weights: Any,
    state: Any,
    examples: tuple[Array, Array, Array | None],
    decode: Any,
    count: Int[Array, ""],
    *,
    statistics: str,
) -> Mapping[str, Array]:
    """The mean of each metric over the first `count` examples.

    Args:
      run: The run.
      weights: Where to evaluate.
      state: The model's state.
      examples: Raw inputs, targets, and the indices to take (None: all, in order).
      decode: Raw inputs to floats.
      count: How many examples; traced.
      statistics: `running`, or `batch` for normalisation by each batch's own statistics (dropout then acts
        as in training).
    """
    x_all, y_all, chosen = examples
    size = x_all.shape[0] if chosen is None else chosen.shape[0]
    batch = min(size, BATCH)
    storage = jnp.dtype(run.precision.storage)

    def sums(number: Int[Array, ""]) -> dict[str, Array]:
        places = number * batch + jnp.arange(batch, dtype=jnp.int32)
        share = (places < count).astype(storage)
        places = jnp.minimum(places, size - 1)
        taken = places if chosen is None else chosen[places]
        x, y = decode(x_all[taken]), y_all[taken]
        eval_key = key(run.seeds, Stream.DROPOUT, number)
        outputs, _ = forward(run, weights, state, x, train=statistics == "batch", key=eval_key)
        values = run.task.measure(outputs, y)
        return {name: jnp.sum(value.astype(storage) * share) for name, value in values.items()}

    zeros = {name: jnp.zeros(s.shape, s.dtype) for name, s in jax.eval_shape(sums, jnp.int32(0)).items()}

    def add(number: Int[Array, ""], total: dict[str, Array]) -> dict[str, Array]:
        return jax.tree.map(jnp.add, total, sums(number))

    batches = (count + batch - 1) // batch
    total = jax.lax.fori_loop(jnp.int32(0), batches.astype(jnp.int32), add, zeros)
    return {name: value / count.astype(storage) for name, value in total.items()}
