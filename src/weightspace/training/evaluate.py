"""Metrics on a split of the data: weighted by example, in batches, with a traced number of them.

Where each batch is normalised by its own statistics it matters which examples meet in one. Then they come by
their content (`data.order`), and the last batch is filled up with the first examples, which count once: all
batches are of one size, none holds an example twice, and no number depends on how a file is sorted.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from weightspace.data.order import content_order
from weightspace.run import Run
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
    least: int | None = None,
) -> Mapping[str, Array]:
    """The mean of each metric over the first `count` examples.

    Args:
      run: The run.
      weights: Where to evaluate.
      state: The model's state.
      examples: Raw inputs, targets, and the indices to take (None: all, in order); with statistics of the
        batch only which they are matters, the first `count` by content are taken.
      decode: Raw inputs to floats.
      count: How many examples; traced.
      statistics: `running`, or `batch` for normalisation by each batch's own statistics (dropout then acts
        as in training).
      least: The smallest value that `count` may take; None for the number of examples.
    """
    x_all, y_all, chosen = examples
    size = x_all.shape[0] if chosen is None else chosen.shape[0]
    alone = statistics != "batch"
    if not alone:
        chosen = content_order(x_all, y_all, rows=chosen)
    batch = min(size if alone or least is None else least, BATCH)
    storage = jnp.dtype(run.precision.storage)

    def sums(number: Int[Array, ""]) -> dict[str, Array]:
        places = number * batch + jnp.arange(batch, dtype=jnp.int32)
        share = (places < count).astype(storage)
        places = jnp.minimum(places, size - 1) if alone else places % count
        taken = places if chosen is None else chosen[places]
        x, y = decode(x_all[taken]), y_all[taken]
        eval_key = key(run.seeds, Stream.DROPOUT, number)
        outputs, _ = forward(run, weights, state, x, train=not alone, key=eval_key)
        values = run.task.measure(outputs, y)
        return {name: jnp.sum(value.astype(storage) * share) for name, value in values.items()}

    zeros = {name: jnp.zeros(s.shape, s.dtype) for name, s in jax.eval_shape(sums, jnp.int32(0)).items()}

    def add(number: Int[Array, ""], total: dict[str, Array]) -> dict[str, Array]:
        return jax.tree.map(jnp.add, total, sums(number))

    batches = (count + batch - 1) // batch
    total = jax.lax.fori_loop(jnp.int32(0), batches.astype(jnp.int32), add, zeros)
    return {name: value / count.astype(storage) for name, value in total.items()}
